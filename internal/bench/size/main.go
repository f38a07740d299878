// Size builds a few small programs, prints what telemetry adds to them and, with -page, writes it
// into a page. Run it with `make size` from the root of the module.
package main

import (
	"bytes"
	"debug/buildinfo"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

const (
	here = "internal/bench/size"
	// interop is a module of its own, which has what nobody should have to require.
	interop = "internal/interop"
)

// programs do one thing each where they are given an argument, and nothing without one.
// over is the one that each is compared with.
var programs = [...]struct{ module, pkg, over, what, tags string }{
	{".", here + "/hello", "", "a program that prints a line", ""},
	{".", here + "/nethttp", "hello", "+ one POST with net/http", ""},
	{".", here + "/core", "nethttp", "telemetry instead: core and the http backend", ""},
	{".", here + "/console", "core", "+ the question and the commands, without a command library", ""},
	{".", here + "/console", "core", "the same without the page, built with -tags notelemetrypage", "notelemetrypage"},
	{".", here + "/posthog", "nethttp", "telemetry instead: core and the posthog backend", ""},
	{".", here + "/posthogsdk", "nethttp", "the bare SDK instead: posthog-go", ""},
	{".", here + "/datadog", "nethttp", "telemetry instead: core and the datadog backend", ""},
	{".", here + "/datadogsdk", "nethttp", "the bare SDK instead: the core of datadog-api-client-go", ""},
	{".", here + "/segment", "nethttp", "telemetry instead: core and the segment backend", ""},
	{".", here + "/amplitude", "nethttp", "telemetry instead: core and the amplitude backend", ""},
	{".", here + "/otlp", "nethttp", "telemetry instead: core and the otlp backend", ""},
	{".", here + "/otlpproto", "nethttp", "the generated types of OTLP and net/http instead", ""},
	{interop, "bench/otelsdk", "nethttp", "the bare SDK instead: OpenTelemetry's, with otlploghttp", ""},
	{".", here + "/cobra", "nethttp", "+ one POST with net/http, as a cobra command", ""},
	{".", here + "/wired", "cobra", "telemetry instead: core, the http backend, telemetrycmd", ""},
	{".", here + "/wired", "console", "the same, over the commands without cobra", ""},
	{".", here + "/wired", "cobra", "the same, built with -tags notelemetry", "notelemetry"},
}

func main() {
	page := flag.String("page", "", "write the table into this file too, as Markdown")
	flag.Parse()
	if err := run(*page); err != nil {
		fmt.Fprintln(os.Stderr, "size:", err)
		os.Exit(1)
	}
}

type size struct {
	kib               int64
	modules, packages int
}

func run(page string) error {
	dir, err := os.MkdirTemp("", "size")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	sizes := map[string]size{}
	files := make([]string, len(programs))
	for i, p := range programs {
		name := filepath.Base(p.pkg) + p.tags
		files[i] = filepath.Join(dir, name+".exe") // which Windows needs
		if sizes[name], err = measure(p.module, "./"+p.pkg, p.tags, files[i]); err != nil {
			return err
		}
	}
	inits, err := initTimes(files)
	if err != nil {
		return err
	}
	var markdown bytes.Buffer
	fmt.Fprintf(&markdown, "# What telemetry adds to a program\n\n"+
		"`make size` writes this page: nothing in it is typed. Programs are stripped and built without C. Each is compared with\n"+
		"another one: *added* is the difference in KiB, and *before main* how much longer a whole process takes than the first\n"+
		"program's, in milliseconds, the median of %d rounds; differences of a tenth say nothing.\n\n"+
		"%s, %s/%s, %s.\n\n"+
		"| program | compared with | KiB | added | modules | packages | before main |\n|---|---|--:|--:|--:|--:|--:|\n",
		rounds, runtime.Version(), runtime.GOOS, runtime.GOARCH, time.Now().UTC().Format(time.DateOnly))
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "KiB\tadded KiB\tmodules\tpackages\tinit ms\t  ")
	for i, p := range programs {
		name := filepath.Base(p.pkg) + p.tags
		s := sizes[name]
		added, init := "", ""
		if p.over != "" {
			added = fmt.Sprintf("%+d", s.kib-sizes[p.over].kib)
			init = fmt.Sprintf("%.2f", float64(inits[i])/float64(time.Millisecond))
		}
		fmt.Fprintf(&markdown, "| %s: %s | %s | %d | %s | %d | %d | %s |\n", filepath.Base(p.pkg), p.what, p.over, s.kib, added, s.modules, s.packages, init)
		fmt.Fprintf(table, "%d\t%s\t%d\t%d\t%s\t  %s: %s\n", s.kib, added, s.modules, s.packages, init, filepath.Base(p.pkg), p.what)
	}
	if err := table.Flush(); err != nil || page == "" {
		return err
	}
	return os.WriteFile(page, markdown.Bytes(), 0o644)
}

// rounds is how often each program is started: so often that a median is steady to a tenth of a
// millisecond on a machine where others are at work.
const rounds = 101

// initTimes returns how much longer than the first program each takes that does nothing:
// the median of the differences, in rounds of one run of each. It is the time of a whole
// process because Go's own sum (GODEBUG=inittrace=1) lacks what loading a larger file costs.
func initTimes(files []string) ([]time.Duration, error) {
	all := make([][]time.Duration, len(files))
	for round := range rounds {
		took := make([]time.Duration, len(files))
		for i := range files {
			i = (round + i) % len(files) // each comes after each other as often
			start := time.Now()
			if err := exec.Command(files[i]).Run(); err != nil {
				return nil, err
			}
			took[i] = time.Since(start)
		}
		for i := range files {
			all[i] = append(all[i], took[i]-took[0])
		}
	}
	medians := make([]time.Duration, len(files))
	for i, list := range all {
		slices.Sort(list)
		medians[i] = list[rounds/2]
	}
	return medians, nil
}

func measure(module, pkg, tags, file string) (size, error) {
	if _, err := command(module, "go", "build", "-trimpath", "-tags", tags, "-ldflags", "-s -w", "-o", file, pkg); err != nil {
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
	packages, err := command(module, "go", "list", "-tags", tags, "-deps", pkg)
	if err != nil {
		return size{}, err
	}
	return size{info.Size() >> 10, len(built.Deps), bytes.Count(packages, []byte{'\n'})}, nil
}

func command(dir, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return cmd.Output()
}
