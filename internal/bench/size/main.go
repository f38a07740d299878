// Size builds a few small programs and prints what telemetry adds to them. Run it with
// `make size` from the root of the module.
package main

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"text/tabwriter"
)

// programs are packages in this folder. over is the one that each is compared with.
var programs = [...]struct{ name, over, what string }{
	{"hello", "", "a program that prints a line"},
	{"nethttp", "hello", "+ one POST with net/http"},
	{"core", "nethttp", "telemetry instead: core and the http backend"},
	{"cobra", "nethttp", "+ one POST with net/http, as a cobra command"},
	{"wired", "cobra", "telemetry instead: core, the http backend, telemetrycmd"},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "size:", err)
		os.Exit(1)
	}
}

type size struct {
	kib               int64
	modules, packages int
}

func run() error {
	dir, err := os.MkdirTemp("", "size")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	sizes := map[string]size{}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "KiB\tadded KiB\tmodules\tpackages\t  ")
	for _, p := range programs {
		s, err := measure("./internal/bench/size/"+p.name, filepath.Join(dir, p.name))
		if err != nil {
			return err
		}
		sizes[p.name] = s
		added := ""
		if p.over != "" {
			added = fmt.Sprintf("%+d", s.kib-sizes[p.over].kib)
		}
		fmt.Fprintf(table, "%d\t%s\t%d\t%d\t  %s: %s\n", s.kib, added, s.modules, s.packages, p.name, p.what)
	}
	return table.Flush()
}

func measure(pkg, file string) (size, error) {
	if _, err := command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, pkg); err != nil {
		return size{}, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return size{}, err
	}
	built, err := buildinfo.ReadFile(file)
	if err != nil {
		return size{}, err
	}
	packages, err := command("go", "list", "-deps", pkg)
	if err != nil {
		return size{}, err
	}
	return size{info.Size() >> 10, len(built.Deps), bytes.Count(packages, []byte{'\n'})}, nil
}

func command(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return cmd.Output()
}
