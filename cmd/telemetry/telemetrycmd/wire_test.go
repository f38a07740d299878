package telemetrycmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// recorder is a Collector that remembers.
type recorder struct {
	props.Discard
	runs   []run
	closed int
}

type run struct {
	name, errMsg string
	args         []string
	exitCode     int
}

func (r *recorder) Enabled() bool { return true }
func (r *recorder) TrackCommandExtended(name string, args []string, durationMs int64, exitCode int, errMsg string, extra map[string]string) {
	if durationMs < 0 || extra != nil {
		panic("a negative time, or metadata from nowhere")
	}
	r.runs = append(r.runs, run{name, errMsg, args, exitCode})
}
func (r *recorder) Close(context.Context) error { r.closed++; return errors.New("nobody looks") }

func nothing(*cobra.Command, []string) {}

// bigTool has a command of every kind.
func bigTool() *cobra.Command {
	root := &cobra.Command{Use: "mytool", Version: "1.2.3", Run: nothing, SilenceUsage: true}
	root.PersistentFlags().Bool("early", false, "fail before the command runs")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if early, _ := cmd.Flags().GetBool("early"); early {
			return coded(9)
		}
		return nil
	}
	remote := &cobra.Command{Use: "remote", Aliases: []string{"r"}}
	remote.AddCommand(&cobra.Command{Use: "add NAME", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		if args[0] == "bad" {
			return errors.New("no such remote")
		}
		return nil
	}})
	remote.AddCommand(&cobra.Command{Use: "version", Run: nothing}) // not the tool's version
	root.AddCommand(remote,
		&cobra.Command{Use: "coded", RunE: func(*cobra.Command, []string) error { return fmt.Errorf("wrapped: %w", coded(42)) }},
		&cobra.Command{Use: "usage", RunE: func(*cobra.Command, []string) error { return pflag.ErrHelp }},
		&cobra.Command{Use: "pre", PreRunE: func(*cobra.Command, []string) error { return coded(3) }, Run: nothing},
		&cobra.Command{Use: "panic", Run: func(*cobra.Command, []string) { panic("oh") }},
		&cobra.Command{Use: "goexit", Run: func(*cobra.Command, []string) { runtime.Goexit() }},
		&cobra.Command{Use: "version", Run: nothing},
		&cobra.Command{Use: "group"},
	)
	return root
}

func TestEveryCommandRecordsItselfAndWhatSaysNothingIsNotRecorded(t *testing.T) {
	for line, want := range map[string]*run{
		"":                       {name: "mytool"},
		"remote add origin":      {name: "remote add", args: []string{"origin"}},
		"r add origin":           {name: "remote add", args: []string{"origin"}},
		"remote add bad":         {name: "remote add", args: []string{"bad"}, exitCode: 1, errMsg: "no such remote"},
		"remote version":         {name: "remote version"},
		"coded":                  {name: "coded", exitCode: 42, errMsg: "wrapped: it failed"},
		"pre":                    {name: "pre", exitCode: 3, errMsg: "it failed"},
		"remote add --early x":   {name: "remote add", args: []string{"x"}, exitCode: 9, errMsg: "it failed"},
		"usage":                  {name: "usage"}, // it came to its RunE, which asked for the usage
		"--help":                 nil,
		"--version":              nil,
		"version":                nil,
		"version --early":        nil,
		"help":                   nil,
		"help remote":            nil,
		"remote":                 nil, // cobra shows the help
		"group":                  nil,
		"remote add":             nil, // an argument is missing: it never ran
		"remote --nonsense":      nil,
		"nonsense":               nil,
		"completion bash":        nil,
		"__complete remote ":     nil,
		"__completeNoDesc rem":   nil,
		"telemetry":              nil,
		"telemetry status":       nil,
		"telemetry upload":       nil,
		"telemetry status --xyz": nil,
	} {
		t.Run(line, func(t *testing.T) {
			h := newHome(t)
			r := &recorder{}
			p := &props.Props{Tool: h.tool, Collector: r}
			root := bigTool()
			for range 2 { // calling it twice is as good as once
				if err := Wire(root, p, WithCore(h.core()...)); err != nil {
					t.Fatal(err)
				}
			}
			args := strings.Split(line, " ") // keeps the empty word that __complete wants
			if line == "" {
				args = []string{}
			}
			root.SetArgs(args)
			root.SetOut(io.Discard)
			root.SetErr(io.Discard)
			_ = root.Execute()
			switch {
			case want == nil && (len(r.runs) > 0 || r.closed > 0):
				t.Errorf("recorded %+v, closed %d times", r.runs, r.closed)
			case want != nil && (len(r.runs) != 1 || r.closed != 1):
				t.Errorf("recorded %+v, closed %d times; want %+v once", r.runs, r.closed, *want)
			case want != nil:
				if len(r.runs[0].args) == 0 {
					r.runs[0].args = nil
				}
				if !reflect.DeepEqual(r.runs[0], *want) {
					t.Errorf("recorded %+v, want %+v", r.runs[0], *want)
				}
			}
		})
	}
}

func TestAPanicIsRecordedAndGoesOnAsItWas(t *testing.T) {
	h := newHome(t)
	r := &recorder{}
	root := bigTool()
	if err := Wire(root, &props.Props{Tool: h.tool, Collector: r}, WithCore(h.core()...)); err != nil {
		t.Fatal(err)
	}
	var stack string
	func() {
		defer func() {
			if recover() != "oh" {
				t.Error("the panic's value changed")
			}
			buffer := make([]byte, 64<<10)
			stack = string(buffer[:runtime.Stack(buffer, false)])
		}()
		root.SetArgs([]string{"panic"})
		_ = root.Execute()
	}()
	if !strings.Contains(stack, "bigTool.func") {
		t.Error("the stack does not lead to where the panic began")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		root.SetArgs([]string{"goexit"})
		_ = root.Execute()
	}()
	<-done
	if len(r.runs) != 2 || r.runs[0].exitCode != 2 || r.runs[1].exitCode != 2 || r.closed != 2 {
		t.Errorf("recorded %+v", r.runs)
	}
}

// What main sees and the person reads is the same with and without Wire.
func TestWiringChangesNeitherErrorNorOutput(t *testing.T) {
	for _, line := range []string{"coded", "pre", "usage", "remote add bad", "remote add", "--version", "help remote", "nonsense", "group"} {
		for _, silent := range []bool{false, true} {
			result := func(wire bool) string {
				root := bigTool()
				root.SilenceErrors = silent
				var out bytes.Buffer
				root.SetOut(&out)
				root.SetErr(&out)
				if wire {
					h := newHome(t)
					if err := Wire(root, &props.Props{Tool: h.tool, Collector: &recorder{}}, WithCore(h.core()...)); err != nil {
						t.Fatal(err)
					}
					root.RemoveCommand(child(root, "telemetry")) // help lists it, as it should
				}
				root.SetArgs(strings.Fields(line))
				err := root.Execute()
				return fmt.Sprintf("%T %v %d\n%s", err, err, ExitCode(err), out.String())
			}
			if with, without := result(true), result(false); with != without {
				t.Errorf("%s:\nwith\n%s\nwithout\n%s", line, with, without)
			}
		}
	}
}

func TestWithTheFeatureOffWireDoesNothingAtAll(t *testing.T) {
	h := newHome(t)
	h.tool.Features = props.SetFeatures(props.Disable(props.TelemetryCmd))
	root := bigTool()
	before := reflect.ValueOf(root.Run).Pointer()
	p := props.New(h.tool)
	if err := Wire(root, p, WithCore(h.core()...)); err != nil {
		t.Fatal(err)
	}
	if reflect.ValueOf(root.Run).Pointer() != before || root.Annotations != nil || child(root, "telemetry") != nil {
		t.Error("the tree changed")
	}
	if p.Collector != (props.Discard{}) {
		t.Errorf("the collector is %T", p.Collector)
	}
}

func TestAMistakeOfTheAuthorIsReportedAndTheToolGoesOn(t *testing.T) {
	h := newHome(t)
	h.tool.Telemetry.Backend = "posthog"
	root := bigTool()
	p := &props.Props{Tool: h.tool} // no collector at all
	err := Wire(root, p, WithCore(h.core()...))
	var config *driver.ConfigError
	if !errors.As(err, &config) || config.Field != "Telemetry.Backend" {
		t.Errorf("Wire: %v", err)
	}
	if p.Collector == nil || p.Collector.Enabled() {
		t.Error("the collector is not the silent one")
	}
	root.SetArgs([]string{"remote", "add", "x"})
	if err := root.Execute(); err != nil {
		t.Error(err)
	}
	p.Collector.Track("feature.used", "x", nil)

	h = newHome(t)
	root = bigTool()
	root.AddCommand(&cobra.Command{Use: "telemetry", Run: nothing})
	if err := Wire(root, props.New(h.tool), WithCore(h.core()...)); err == nil || !strings.Contains(err.Error(), "rename it") {
		t.Errorf("a command of that name: %v", err)
	}
}

func TestTheCollectorThatWireOpensRecordsForReal(t *testing.T) {
	h := newHome(t)
	h.env["CI"] = "true" // sends before it returns
	h.must("telemetry", "enable")
	if _, _, code := h.run("fail"); code != 7 {
		t.Errorf("exit code %d", code)
	}
	sent := strings.Join(h.sent(), "")
	for _, want := range []string{`"name":"fail"`, `"exit_code":7`, `"duration_ms":`} {
		if strings.Count(sent, want) != 1 {
			t.Errorf("%s is not there once in %s", want, sent)
		}
	}
	if strings.Contains(sent, "it failed") {
		t.Errorf("the error's text was sent without ExtendedCollection: %s", sent)
	}
}

func TestExitCodes(t *testing.T) {
	program := func(script string) error {
		if runtime.GOOS == "windows" {
			t.Skip("needs sh")
		}
		return exec.Command("sh", "-c", script).Run()
	}
	flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
	flags.Int("n", 0, "")
	for name, test := range map[string]struct {
		err  error
		want int
	}{
		"none":              {nil, 0},
		"any":               {errors.New("x"), 1},
		"coded":             {fmt.Errorf("wrapped: %w", coded(42)), 42},
		"coded 0":           {coded(0), 0},
		"coded below 0":     {coded(-1), 1},
		"joined":            {errors.Join(errors.New("x"), coded(5)), 5},
		"another program":   {program("exit 3"), 3},
		"killed by SIGTERM": {fmt.Errorf("wrapped: %w", program("kill -TERM $$")), 143},
		"unknown flag":      {flags.Parse([]string{"--x"}), 2},
		"wrong value":       {flags.Parse([]string{"--n=x"}), 2},
		"missing value":     {flags.Parse([]string{"--n"}), 2},
		"wrong use":         {UsageError(errors.New("x")), 2},
		"coded wrong flag":  {fmt.Errorf("%w: %w", coded(64), flags.Parse([]string{"--x"})), 64},
		"unknown command":   {errors.New(`unknown command "x" for "mytool"`), 1},
		"cancelled":         {fmt.Errorf("wrapped: %w", context.Canceled), 130},
		"late":              {context.DeadlineExceeded, 1},
	} {
		if got := ExitCode(test.err); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func TestWhoReadsTheOutputIsSeenInTheFlags(t *testing.T) {
	for line, want := range map[string]bool{
		"":                       false,
		"--output json":          true,
		"--output=JSON":          true,
		"-o yaml":                true,
		"-o jsonpath={.x}":       true,
		"-o wide":                false,
		"-o file.txt":            false,
		"--format ndjson":        true,
		"--format table":         false,
		"--json":                 true,
		"--json=false":           false,
		"--quiet":                true,
		"--porcelain":            true,
		"--plain":                true,
		"--no-input":             true,
		"--interactive=false":    true,
		"--fields a":             false,
		"--template {{.Name}}":   true,
		"--author-rule":          true,
		"--verbose --fields x,y": false,
	} {
		cmd := &cobra.Command{Use: "x", Run: nothing}
		f := cmd.Flags()
		f.StringP("output", "o", "table", "")
		f.String("format", "text", "")
		f.String("fields", "", "")
		f.String("template", "", "")
		for _, name := range []string{"json", "quiet", "porcelain", "plain", "no-input", "verbose", "author-rule"} {
			f.Bool(name, false, "")
		}
		f.Bool("interactive", true, "")
		o := gather([]Option{WithMachineReadable(func(cmd *cobra.Command) bool {
			set, _ := cmd.Flags().GetBool("author-rule")
			return set
		})})
		if err := cmd.ParseFlags(strings.Fields(line)); err != nil {
			t.Fatal(err)
		}
		if got := o.machineReads(cmd); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

// The floor is the same tree without Wire.
func BenchmarkCommandWithTelemetryOff(b *testing.B) {
	for _, wire := range []bool{false, true} {
		b.Run(fmt.Sprintf("wired=%v", wire), func(b *testing.B) {
			root := &cobra.Command{Use: "mytool", Run: nothing}
			if wire {
				tool := props.Tool{Name: "mytool", Features: props.SetFeatures(props.Enable(props.TelemetryCmd))}
				if err := Wire(root, props.New(tool), WithCore(core.WithStateDir(b.TempDir()))); err != nil {
					b.Fatal(err)
				}
			}
			root.SetIn(strings.NewReader(""))
			for b.Loop() {
				root.Run(root, nil)
			}
		})
	}
}
