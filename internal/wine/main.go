// Wine runs this module's tests as Windows programs under Wine, and compares what fails with
// tests.txt, the list of what Wine cannot do. docs/platforms.md says what that is worth.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	all := flag.Bool("all", false, "run the long tests too, and the whole of the others")
	keep := flag.String("json", "", "write what go test says to this `file` too")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: wine [-all] [-json file] [package or flag of go test...]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := run(*all, *keep, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "wine:", err)
		os.Exit(1)
	}
}

// usual are the packages that run on people's machines, and those that test them there.
var usual = []string{
	"./core/...", "./backends/...", "./conformance/backends/file", "./conformance/backends/httpjson", "./cmd/telemetry/...", "./examples/mytool",
}

// others are run with -all: the contract of each backend, and a dozen processes at once in slow
// networks.
var others = []string{"./conformance/backends/...", "./internal/exit"}

// run gives args to go test.
func run(all bool, keep string, args []string) error {
	tests, err := parseList(testsList)
	if err != nil {
		return err
	}
	for _, program := range []string{"wine", "wineserver", compiler} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("there is no %s: apt-get install --no-install-recommends wine wine64 gcc-mingw-w64-x86-64", program)
		}
	}
	dir, err := os.MkdirTemp("", "wine")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	w := windows{ctx: ctx, dir: dir}
	defer w.stop()
	if err := w.start(); err != nil {
		return err
	}

	if len(args) == 0 {
		args = usual
		if all {
			args = append(slices.Clone(usual), others...)
		}
	}
	flags := []string{"-json", "-count=1", "-vet=off", "-exec=wine"}
	if all {
		flags = append(flags, "-timeout=2h")
	} else {
		flags = append(flags, "-timeout=20m", "-short", "-skip="+tests.skipLong())
	}
	test := w.goCommand("", "test", append(flags, args...)...)
	test.Stderr = os.Stderr
	out, err := test.StdoutPipe()
	if err != nil {
		return err
	}
	said := io.Reader(out)
	if keep != "" {
		f, err := os.Create(keep)
		if err != nil {
			return err
		}
		defer f.Close()
		said = io.TeeReader(out, f)
	}
	if err := test.Start(); err != nil {
		return err
	}
	results, err := readResults(said, os.Stdout)
	if err != nil {
		return err
	}
	err = test.Wait()
	if ctx.Err() != nil || len(results.whole) == 0 {
		return fmt.Errorf("go test was not run to its end: %w", err)
	}
	// That it fails because tests do is expected: which, the results tell.
	if problems := results.problems(tests.Cannot); len(problems) > 0 {
		return fmt.Errorf("%d problems\n\n%s", len(problems), strings.Join(problems, "\n"))
	}
	return nil
}
