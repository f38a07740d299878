package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/coretest"
	"github.com/gotoolbase/telemetry/core/props"
)

// recorder notes what is tracked, and what had been printed by then.
type recorder struct {
	props.Discard
	out     *bytes.Buffer
	tracked []string
	printed []string
}

func (r *recorder) Track(kind props.EventType, name string, extra map[string]string) {
	r.tracked = append(r.tracked, string(kind)+" "+name+" "+extra["i"])
	r.printed = append(r.printed, r.out.String())
}

// run runs a command line and returns what it printed.
func runWith(t *testing.T, ctx context.Context, c props.Collector, out *bytes.Buffer, args ...string) error {
	t.Helper()
	tool, err := declare(build{version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	p := props.New(tool)
	p.Collector = c
	root := newRoot(p)
	root.SetOut(out)
	root.SetErr(out)
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

func runTool(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := runWith(t, t.Context(), props.Discard{}, &out, args...)
	return out.String(), err
}

func TestBurstSaysTrackedAfterEachTrack(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := &recorder{out: &out}
	if err := runWith(t, t.Context(), r, &out, "burst", "3", "--pause", "1ns"); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(r.tracked, ", "), "feature.used burst 1, feature.used burst 2, feature.used burst 3"; got != want {
		t.Errorf("tracked %s, want %s", got, want)
	}
	if got, want := strings.Join(r.printed, "|"), "|tracked 1\n|tracked 1\ntracked 2\n"; got != want {
		t.Errorf("printed before each Track: %q, want %q", got, want)
	}
	if want := "tracked 1\ntracked 2\ntracked 3\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

func TestFailBringsItsCode(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]int{"fail": 1, "fail --code 3": 3, "fail --code 255": 255} {
		_, err := runTool(t, strings.Fields(args)...)
		var coded interface{ ExitCode() int }
		if !errors.As(err, &coded) || coded.ExitCode() != want {
			t.Errorf("%s: error is %v, want one with exit code %d", args, err, want)
		}
	}
	if _, err := runTool(t, "fail", "--code", "0"); err != nil {
		t.Errorf("code 0: %v", err)
	}
}

func TestWrongUseIsAnError(t *testing.T) {
	t.Parallel()
	for _, args := range []string{
		"fail --code 256", "fail --code -1", "fail --code x", "fail now",
		"sleep", "sleep long", "sleep -1s", "sleep 1s 2s",
		"burst", "burst many", "burst -- -1", "burst 1 --pause x", "nothing",
	} {
		if out, err := runTool(t, strings.Fields(args)...); err == nil || out != "" {
			t.Errorf("%s: printed %q and returned %v", args, out, err)
		}
	}
}

func TestSleepAndBurstEndWithTheirContext(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"sleep 10h", "burst 2 --pause 10h"} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var out bytes.Buffer
		if err := runWith(t, ctx, props.Discard{}, &out, strings.Fields(args)...); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", args, err)
		}
	}
	if _, err := runTool(t, "sleep", "0"); err != nil {
		t.Error(err)
	}
}

func TestVersionFlagPrintsTheVersion(t *testing.T) {
	t.Parallel()
	if out, err := runTool(t, "--version"); err != nil || out != "mytool version 1.2.3\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

// What may be sent is in telemetry.lock and TELEMETRY.md.
func TestWhatIsSentIsWhatTheNoticeSays(t *testing.T) {
	tool, err := declare(built())
	if err != nil {
		t.Fatal(err)
	}
	coretest.CheckSchema(t, tool)
}

func TestDeclareTakesWhatTheBuildSays(t *testing.T) {
	t.Parallel()
	tool, err := declare(build{
		version: "1", endpoint: "https://e.example/x", backend: "http",
		settings: "compression=none, key=a=b,empty=", interval: "90s",
	})
	if err != nil {
		t.Fatal(err)
	}
	config := tool.Telemetry
	if !tool.Features.Enabled(props.TelemetryCmd) || tool.Version != "1" || config.Endpoint != "https://e.example/x" ||
		config.Backend != "http" || config.UploadInterval != 90*time.Second {
		t.Errorf("got %+v", tool)
	}
	if want := map[string]string{"compression": "none", "key": "a=b", "empty": ""}; !maps.Equal(config.Settings, want) {
		t.Errorf("settings are %v, want %v", config.Settings, want)
	}
}

func TestAWrongBuildReportsToNobodyAndSaysWhy(t *testing.T) {
	t.Parallel()
	const secret = "phc_secret"
	for want, b := range map[string]build{
		"main.settings: part 1 is not k=v":  {settings: secret},
		"main.settings: part 2 is not k=v":  {settings: "a=b,=" + secret},
		"main.settings: \"a\" is set twice": {settings: "a=" + secret + ",a=" + secret},
		"main.interval: \"soon\" is not":    {interval: "soon", endpoint: "https://e.example"},
		"main.interval: \"-1s\" is not":     {interval: "-1s"},
	} {
		tool, err := declare(b)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%+v: error is %v, want one that begins with %s", b, err, want)
		}
		if config := tool.Telemetry; tool.Name != "mytool" || config.Endpoint != "" || config.Backend != "" {
			t.Errorf("%+v: got %+v, want a tool that reports to nobody", b, tool)
		}
	}
}

// The build of a test binary of a main package is the tool's own: it must be known all the same,
// or each test would start the tests again in the background.
func TestATestOfAMainPackageStartsNothing(t *testing.T) {
	t.Parallel()
	tool := props.Tool{
		Name: "mytool", Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{Endpoint: "http://127.0.0.1:1/events"},
	}
	if c, err := core.Open(tool); err == nil && c.Enabled() {
		t.Error("telemetry is awake in a test")
	}
	dir := t.TempDir()
	yes := func(name string) (string, bool) {
		if name == "TELEMETRY_ENABLED" {
			return "1", true
		}
		return "", false
	}
	c, err := core.Open(tool, core.WithStateDir(dir), core.WithEnv(yes))
	if err != nil {
		t.Fatal(err)
	}
	if !c.Enabled() {
		t.Error("nothing is recorded, so nothing is shown")
	}
	c.TrackCommand("build", 1, 0, nil)
	_ = c.Close(t.Context()) // it sends by itself, to where nobody listens
	if _, err := os.Stat(filepath.Join(dir, "background-started")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a background process was started: %v", err)
	}
}
