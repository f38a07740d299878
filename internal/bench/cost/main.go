//go:build unix

// Cost says where what telemetry costs goes: a binary's KiB by package, and a process's page
// faults. `make cost` runs it from the root of the module, and it writes docs/measurements/cost.md.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

func main() {
	page := flag.String("page", "", "the `file` to write; the terminal without it")
	flag.Parse()
	if err := run(*page); err != nil {
		fmt.Fprintln(os.Stderr, "cost:", err)
		os.Exit(1)
	}
}

func run(page string) error {
	dir, err := os.MkdirTemp("", "cost")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var out bytes.Buffer
	fmt.Fprintf(&out, `# What telemetry costs, by cause

`+"`make cost`"+` writes this page: nothing in it is typed. `+"`make size`"+` has the sizes of more programs, and
`+"`make bench PKG=./internal/bench`"+` what a process takes longer.

| | |
|---|---|
| Date | %s |
| Built by and for | %s, %s/%s, -trimpath -ldflags "-s -w" |
`, time.Now().Format(time.DateOnly), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if err := sizes(&out, dir); err != nil {
		return err
	}
	if err := faults(&out, dir); err != nil {
		return err
	}
	if page == "" {
		_, err = out.WriteTo(os.Stdout)
		return err
	}
	return os.WriteFile(page, out.Bytes(), 0o644)
}

// build returns the program that it makes of a package.
func build(dir, name, pkg string, more ...string) (file string, err error) {
	file = filepath.Join(dir, name)
	args := append([]string{"build", "-trimpath", "-o", file}, more...)
	_, err = command("go", append(args, "./internal/bench/"+pkg)...)
	return file, err
}

func command(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return cmd.Output()
}
