// Wine runs this module's tests as Windows programs under Wine, and compares what fails with
// tests.txt, the list of what Wine cannot do. docs/explanation/platforms.md says what that is worth.
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
	"./core/...", "./backends/...", "./conformance/backends/file", "./conformance/backends/httpjson",
	"./cmd/telemetry/internal/cli", "./cmd/telemetry/telemetrycmd", "./examples/mytool",
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
	flags := []string{"-json", "-count=1", "-vet=off", "-exec=wine", "-skip=" + tests.skip(all)}
	if all {
		flags = append(flags, "-timeout=2h")
	} else {
		flags = append(flags, "-timeout=20m", "-short")
	}
	said := io.Discard
	if keep != "" {
		f, err := os.Create(keep)
		if err != nil {
			return err
		}
		defer f.Close()
		said = f
	}
	first, err := w.test(said, append(flags, args...)...)
	if err != nil {
		return err
	}
	// Commands give a network a second by design, and Wine is slow: what fails is run again by
	// itself, and what passes then is named.
	var again *results
	if failed := first.unexpected(tests.Cannot); len(failed) > 0 {
		var packages, names []string
		for _, n := range failed {
			packages = append(packages, "./"+n.pkg)
			top, _, _ := strings.Cut(n.test, "/")
			names = append(names, "^"+top+"$")
			fmt.Println("failed, and is run again by itself:", n)
		}
		slices.Sort(names)
		again, err = w.test(said, slices.Concat(flags, []string{"-p=1", "-parallel=1", "-run=" + strings.Join(slices.Compact(names), "|")},
			slices.Compact(packages))...)
		if err != nil {
			return err
		}
	}
	if problems := first.problems(tests.Cannot, again); len(problems) > 0 {
		return fmt.Errorf("%d problems\n\n%s", len(problems), strings.Join(problems, "\n"))
	}
	return nil
}

// test runs go test, whose JSON goes to keep too. That tests fail is no error.
func (w *windows) test(keep io.Writer, args ...string) (*results, error) {
	test := w.goCommand("", "test", args...)
	test.Stderr = os.Stderr
	out, err := test.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := test.Start(); err != nil {
		return nil, err
	}
	r, err := readResults(io.TeeReader(out, keep), os.Stdout)
	if err != nil {
		return nil, err
	}
	if err := test.Wait(); w.ctx.Err() != nil || len(r.whole) == 0 {
		return nil, fmt.Errorf("go test was not run to its end: %w", err)
	}
	return r, nil
}
