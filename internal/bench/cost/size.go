//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const own = "github.com/gotoolbase/telemetry/"

// least is how many bytes a package has to add to have a line of its own.
const least = 4 << 10

// sizes writes by how much core and the http backend are larger than net/http, by package.
func sizes(out io.Writer, dir string) error {
	bare, err := sizeOf(dir, "size/nethttp")
	if err != nil {
		return err
	}
	with, err := sizeOf(dir, "size/core")
	if err != nil {
		return err
	}
	added := map[string]symbols{}
	var total symbols
	for pkg := range with.packages {
		s := with.packages[pkg].minus(bare.packages[pkg])
		added[pkg] = s
		total = total.plus(s)
	}
	for pkg, s := range bare.packages {
		if _, too := with.packages[pkg]; !too {
			added[pkg] = symbols{}.minus(s)
			total = total.plus(added[pkg])
		}
	}
	file := with.file - bare.file
	// What no symbol accounts for: by far the most of it is what the runtime has to know of
	// every function, so it is spread by the functions' size.
	rest := file - total.code - total.data
	fmt.Fprintf(out, `
## KiB of a program

A program that posts something with net/http takes %d KiB, and %d with core and the http backend instead: %+d KiB,
of which %d are code, %d data that has a name, and %d what has none: the tables that the runtime has of all code (line
numbers, stack maps, arguments), types and texts. That is spread over the packages here by the size of their code. A package
of Go's own is larger where telemetry calls something of it that net/http does not. Negative is what net/http's program has and
telemetry's has not.

| Package | KiB | of them code | data |
|---|--:|--:|--:|
`, bare.file>>10, with.file>>10, kib(file), kib(total.code), kib(total.data), kib(rest))
	names := slices.Collect(maps.Keys(added))
	share := func(pkg string) int {
		return added[pkg].code + added[pkg].data + rest*added[pkg].code/max(total.code, 1)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := share(b) - share(a); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	var others symbols
	for _, pkg := range names {
		if n := share(pkg); n < least && n > -least {
			others = others.plus(added[pkg])
			continue
		}
		fmt.Fprintf(out, "| %s | %d | %d | %d |\n", strings.TrimPrefix(pkg, own), kib(share(pkg)), kib(added[pkg].code), kib(added[pkg].data))
	}
	added["others"] = others
	fmt.Fprintf(out, "| others, each below %d | %d | %d | %d |\n", least>>10, kib(share("others")), kib(others.code), kib(others.data))
	return nil
}

// kib is rounded, where a shift would make -1 of the smallest negative.
func kib(n int) int {
	if n < 0 {
		return -kib(-n)
	}
	return (n + 512) >> 10
}

type symbols struct{ code, data int }

func (s symbols) plus(o symbols) symbols  { return symbols{s.code + o.code, s.data + o.data} }
func (s symbols) minus(o symbols) symbols { return symbols{s.code - o.code, s.data - o.data} }

type program struct {
	file     int // bytes, without a symbol table
	packages map[string]symbols
}

func sizeOf(dir, pkg string) (program, error) {
	stripped, err := build(dir, filepath.Base(pkg), pkg, "-ldflags=-s -w")
	if err != nil {
		return program{}, err
	}
	info, err := os.Stat(stripped)
	if err != nil {
		return program{}, err
	}
	named, err := build(dir, filepath.Base(pkg)+"-symbols", pkg)
	if err != nil {
		return program{}, err
	}
	list, err := command("go", "tool", "nm", "-size", "-sort=none", named)
	if err != nil {
		return program{}, err
	}
	p := program{int(info.Size()), map[string]symbols{}}
	for line := range bytes.Lines(list) {
		// Address, size, type and a name that may hold spaces.
		fields := strings.Fields(string(line))
		if len(fields) < 4 {
			continue
		}
		size, err := strconv.Atoi(fields[1])
		if err != nil {
			continue
		}
		pkg := packageOf(fields[3])
		s := p.packages[pkg]
		switch fields[2] {
		case "T", "t":
			s.code += size
		case "R", "r", "D", "d": // B takes no room in the file
			if pkg == "go:func" {
				continue // what the runtime knows of functions, as the other tables that have no name
			}
			s.data += size
		}
		p.packages[pkg] = s
	}
	return p, nil
}

// packageOf is the package of a symbol: github.com/x/y.(*T).Method and the like. What was made
// of a generic function for some type counts where the function is.
func packageOf(symbol string) string {
	symbol, _, _ = strings.Cut(symbol, "[")
	for _, prefix := range []string{"type:.eq.", "type:.hash.", "go:itab.*", "go:itab."} {
		symbol = strings.TrimPrefix(symbol, prefix)
	}
	slash := strings.LastIndexByte(symbol, '/') + 1
	name, _, _ := strings.Cut(symbol[slash:], ".")
	return symbol[:slash] + name
}
