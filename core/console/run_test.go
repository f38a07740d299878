package console_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/props"
)

// place is the home of a person, where nobody has decided yet.
type place struct {
	t   *testing.T
	dir string
	*core.Manager
}

func newPlace(t *testing.T) place {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	tool := props.Tool{
		Name: "mytool", Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{Endpoint: "http://127.0.0.1:9/events"},
	}
	m := core.NewManager(tool, core.WithStateDir(dir), core.WithPolicyFile(filepath.Join(dir, "no such policy")),
		core.WithEnv(func(string) (string, bool) { return "", false }), core.WithUploadCommand("-test.run=^$"))
	return place{t, dir, m}
}

// run calls Run and returns what it printed.
func (p place) run(args ...string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	err = console.Run(p.t.Context(), p.Manager, args, console.WithStreams(console.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}))
	return out.String(), errs.String(), err
}

func TestRunWithoutACommandAndHelpListWhatThereIs(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	plain, _, _ := p.run()
	for _, args := range [][]string{{}, {"help"}, {"--help"}, {"-h"}, {"-help"}, {"help", "bogus"}} {
		out, errs, err := p.run(args...)
		if out != plain || errs != "" || err != nil {
			t.Errorf("%q: %v, %q\n%s", args, err, errs, out)
		}
	}
	for _, c := range console.Commands(nil) {
		if listed := strings.Contains(plain, "\n  "+c.Name+" "); listed == c.Hidden {
			t.Errorf("%s, hidden %v, is listed: %v", c.Name, c.Hidden, listed)
		}
	}
}

func TestEachCommandSaysHowItIsUsed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, c := range console.Commands(nil) {
		help, errs, err := p.run(c.Name, "--help")
		if errs != "" || err != nil || !strings.HasPrefix(help, c.Help+"\n") || !strings.Contains(help, "mytool telemetry "+c.Name) {
			t.Errorf("%s: %v, %q\n%s", c.Name, err, errs, help)
		}
		for _, f := range c.List() {
			if shown := strings.Contains(help, "--"+f.Name); shown == f.Hidden {
				t.Errorf("%s --%s, hidden %v, is shown: %v", c.Name, f.Name, f.Hidden, shown)
			}
		}
		for _, args := range [][]string{{c.Name, "-h"}, {"help", c.Name}} {
			if again, _, err := p.run(args...); again != help || err != nil {
				t.Errorf("%q: %v\n%s", args, err, again)
			}
		}
	}
}

func TestFlagsAreTakenBeforeAndBehindAndInEveryForm(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	want, _, err := p.run("status", "--explain", "--output", "json")
	if err != nil || !strings.Contains(want, `"layers"`) {
		t.Fatalf("%v\n%s", err, want)
	}
	for _, args := range []string{"status --output json --explain", "status -o json --explain", "status -o=json --explain=true", "status --output=json -explain", "status --explain -o json --"} {
		if out, errs, err := p.run(strings.Fields(args)...); out != want || errs != "" || err != nil {
			t.Errorf("%s: %v, %q\n%s", args, err, errs, out)
		}
	}
}

func TestAMistakeInTheCallIsAUsageErrorThatNamesIt(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for args, named := range map[string]string{
		"statsu":                    `"statsu"`,
		"--explain status":          `"--explain"`,
		"status --colour":           "-colour",
		"status -x":                 "-x",
		"status --output xml":       "must be text or json",
		"status --output":           "-output",
		"status --explain=perhaps":  "perhaps",
		"status now":                `"now"`,
		"status now --output json":  `"now"`,
		"status -- --explain":       `"--explain"`,
		"schema --output xml":       "must be text, json, markdown or jsonschema",
		"flush --timeout tomorrow":  "tomorrow",
		"flush --timeout 0s":        "--timeout",
		"flush --timeout -1s":       "--timeout",
		"enable yes":                `"yes"`,
		"upload now":                `"now"`,
		"reset --status --resume x": `"x"`,
	} {
		out, errs, err := p.run(strings.Fields(args)...)
		var usage *console.UsageError
		if !errors.As(err, &usage) || core.ExitCode(err) != 2 || !strings.Contains(err.Error(), named) {
			t.Errorf("%s: %v", args, err)
		}
		if out+errs != "" {
			t.Errorf("%s printed %q and %q", args, out, errs)
		}
	}
	if _, err := os.Stat(p.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a mistake made the state directory (%v)", err)
	}
}

func TestTheFlagsOfACommandAreListedOnceWithAllAboutThem(t *testing.T) {
	t.Parallel()
	var shared []string
	for _, c := range console.Commands(nil) {
		if c.Hidden {
			continue
		}
		list := c.List()
		output := slices.IndexFunc(list, func(f console.Flag) bool { return f.Name == "output" })
		if output < 0 || list[output].Letter != "o" || list[output].Bool || !slices.Contains(list[output].Choices, "json\tfor programs") {
			t.Errorf("%s: --output is %+v", c.Name, list)
			continue
		}
		for _, choice := range list[output].Choices {
			value, words, _ := strings.Cut(choice, "\t")
			if err := c.Flags.Set("output", value); err != nil || words == "" {
				t.Errorf("%s --output %s (%q): %v", c.Name, value, words, err)
			}
		}
		shared = append(shared, c.Name)
	}
	if len(shared) < 7 {
		t.Errorf("there are %q only", shared)
	}
}

func TestAnExportIsTheSameWithOutputJSONAndThereIsNoneAsText(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	at := regexp.MustCompile(`"at": ".*"`)
	plain, _, err := p.run("export")
	if err != nil || !at.MatchString(plain) {
		t.Fatalf("%v: %s", err, plain)
	}
	for _, args := range [][]string{{"--output", "json"}, {"-o", "json"}, {"-", "--output=json"}} {
		got, _, err := p.run(append([]string{"export"}, args...)...)
		if err != nil || at.ReplaceAllString(got, "") != at.ReplaceAllString(plain, "") {
			t.Errorf("%v: %v\n%s\nwant\n%s", args, err, got, plain)
		}
	}
	out, _, err := p.run("export", "--output", "text")
	if usage, is := errors.AsType[*console.UsageError](err); !is || !strings.Contains(usage.Error(), "must be json") || out != "" {
		t.Errorf("as text: %v, %q", err, out)
	}
}
