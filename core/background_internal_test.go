package core

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/detach"
	"github.com/gotoolbase/telemetry/core/props"
)

func nothing(string) (string, bool) { return "", false }

// A certificate has line breaks, and goes through the pipe all the same. What is too long for
// it keeps the command from leaving the work to a process that would send elsewhere.
func TestADeclarationIsHandedOverWholeOrNotRelyedOn(t *testing.T) {
	t.Parallel()
	tool := props.Tool{Name: "sometool", Telemetry: props.TelemetryConfig{Backend: "own", Drivers: []driver.Driver{{
		Name: "own", Settings: []driver.Setting{{Name: "certificate"}}, Hosts: func(map[string]string) []string { return []string{"a.example"} },
		Open: func(driver.Config) (driver.Backend, error) { return nil, nil },
	}}}}
	for value, want := range map[string]bool{
		"short": true, "-----BEGIN-----\nabc\r\n-----END-----\n": true, `"quoted"`: true, "with = and \\n": true,
		strings.Repeat("x", 5000): false, strings.Repeat("\n", 3000): false,
	} {
		tool.Telemetry.Settings = map[string]string{"certificate": value}
		b := background{newInstallation(tool, []Option{WithUploadCommand("upload"), WithEnv(nothing), WithStateDir(t.TempDir())})}
		data := b.declaration()
		if fits := len(data) <= detach.MaxInput; fits != want || !fits && b.inside() == "" {
			t.Errorf("%.20q: fits %v", value, fits)
		}
		process := background{newInstallation(props.Tool{Name: "sometool"}, nil)}
		process.adoptDeclaration(data)
		if got := process.tool.Telemetry; got.Settings["certificate"] != value || got.Backend != "own" {
			t.Errorf("%.20q arrives as %.20q", value, got.Settings["certificate"])
		}
	}
}

// A process that does not get the variable which turned telemetry on would find it off, and
// nobody would know why nothing arrives.
func TestABackgroundProcessThatFoundTelemetryOffIsTold(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 2, 3, 14, 5, 6, 0, time.UTC)
	tool := props.Tool{
		Name: "sometool", Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{Endpoint: "http://127.0.0.1:9"},
	}
	in := newInstallation(tool, []Option{WithEnv(nothing), WithStateDir(filepath.Join(t.TempDir(), "telemetry")), WithClock(func() time.Time { return now })})
	m := &Manager{in}
	if err := in.store().Yes(consent.Past{At: now, Decided: consent.AnswerYes, By: consent.SourceCommand, Terms: in.terms()}, m.Stored()); err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{-time.Hour, time.Hour} { // than the yes
		notes := backgroundNotes{began: now, ended: now, off: now.Add(after), offBy: "the tool"}
		if err := (background{in}).writeNotes(notes); err != nil {
			t.Fatal(err)
		}
		if got := m.Status().Background; strings.Contains(got, "found telemetry off on") != (after > 0) {
			t.Errorf("%v after the yes: %q", after, got)
		}
	}
}

// Go names the main package of a test binary after the tested package, unless that is a main
// package itself: then the build is the tool's own.
func TestATestBinaryIsKnownByItsNameItsArgumentsOrItsCallers(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"/tmp/go-build1/b001/mytool.test -test.timeout=10m": true, "./own -test.v": true,
		"./mytool.test": true, "./MyTool.TEST.EXE": true, "mytool": false, "mytool test": false, "mytool build -testing": false, "test": false, "": false,
	} {
		if got := startedAsTest(strings.Fields(line)); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
	if !calledByTest() {
		t.Error("this test is not seen")
	}
}

// What was started in the background runs a test binary, or a tool that takes no notice of its
// arguments, from the beginning: with a home of its own it would start the next one, for ever.
func TestWhatIsABackgroundProcessStartsNone(t *testing.T) {
	t.Setenv(detach.Marker, "sometool")
	b := background{newInstallation(props.Tool{Name: "sometool"}, []Option{WithUploadCommand("upload"), WithEnv(nothing), WithStateDir(t.TempDir())})}
	if got := b.inside(); got != InsideTest {
		t.Errorf("it sends by itself because of %q", got)
	}
	if err := b.start(); !errors.Is(err, errMarked) {
		t.Errorf("started: %v", err)
	}
}
