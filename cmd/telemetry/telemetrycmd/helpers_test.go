package telemetrycmd

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/props"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestMain lets the test binary be the small tool of tool_test.go, for the tests that
// need a process of their own.
func TestMain(m *testing.M) {
	time.Local = time.UTC // golden files hold local times
	if os.Getenv(toolSwitch) != "" {
		os.Exit(smallTool())
	}
	code := m.Run()
	os.RemoveAll(builtIn)
	os.Exit(code)
}

// golden compares what people read with testdata/name.golden. What differs between
// runs is replaced by a word.
func golden(t *testing.T, name, got string) {
	t.Helper()
	words := strings.ToLower(got)
	if runtime.GOOS == "windows" && (strings.Contains(words, "not a directory") || strings.Contains(words, "connection refused") ||
		strings.Contains(words, "actively refused") || strings.Contains(name, "impossible")) {
		t.Skip("the operating system's own words are others here")
	}
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if sizeless(got) != sizeless(string(want)) {
		t.Errorf("%s differs; -update accepts it.\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

// sizeless is a text without the sizes of events where these are not those of Linux: their
// system has a longer name.
func sizeless(text string) string {
	if runtime.GOOS == "linux" {
		return text
	}
	return sizes.ReplaceAllString(text, "SIZE")
}

var sizes = regexp.MustCompile(`\d+ bytes on disk|"bytes": \d+`)

var (
	uuids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	ids   = regexp.MustCompile(`\b[0-9a-f]{32}\b`)
	ports = regexp.MustCompile(`127\.0\.0\.1:\d+`)
)

// shortLived is what status says where the tests themselves run in a container.
var shortLived = regexp.MustCompile(`(?m)^Sent by: .* end with them, as in a container\n|^  "sent_by_commands": "short_lived",\n`)

// home is one installation of a tool with a server that it reports to.
type home struct {
	t      *testing.T
	dir    string
	tool   props.Tool
	env    map[string]string
	now    time.Time
	server *httptest.Server
	// inline makes commands do themselves what a background process would do.
	inline bool
	// answer is how the server answers; 200 if nil.
	answer http.HandlerFunc

	mu     sync.Mutex
	bodies []string
}

func newHome(t *testing.T) *home {
	t.Helper()
	h := &home{
		t:   t,
		dir: filepath.Join(t.TempDir(), "state"),
		env: map[string]string{},
		now: time.Date(2026, 2, 3, 14, 5, 6, 0, time.UTC),
	}
	h.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		h.bodies = append(h.bodies, string(body))
		answer := h.answer
		h.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(h.server.Close)
	h.tool = props.Tool{
		Name:     "mytool",
		Version:  "1.2.3",
		Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{
			Endpoint:   h.server.URL,
			Settings:   map[string]string{"compression": "none"},
			PrivacyURL: "https://example.com/privacy",
		},
	}
	return h
}

func (h *home) core() []core.Option {
	options := []core.Option{
		core.WithStateDir(h.dir),
		core.WithClock(func() time.Time { return h.now }),
		core.WithPolicyFile(filepath.Join(filepath.Dir(h.dir), "policy")),
		core.WithEnv(func(name string) (string, bool) {
			value, set := h.env[name]
			return value, set
		}),
	}
	if !h.inline {
		// Should a test start a background process after all, it does nothing.
		options = append(options, core.WithUploadCommand("-test.run=^$"))
	}
	return options
}

func (h *home) manager() *core.Manager { return core.NewManager(h.tool, h.core()...) }

// isOn reports whether anything but a no stands.
func (h *home) isOn() bool {
	s := h.manager().Status()
	return s.Recording || s.Decision.Undecided
}

// sent returns what the server was sent.
func (h *home) sent() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.bodies...)
}

// answers makes the server answer with a status and a header.
func (h *home) answers(status int, header ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}
}

// record tracks n events, which wait.
func (h *home) record(n int) {
	h.t.Helper()
	c, err := core.Open(h.tool, h.core()...)
	if err != nil {
		h.t.Fatal(err)
	}
	if !c.Enabled() {
		h.t.Fatal("telemetry is off")
	}
	for range n {
		c.TrackCommand("build", 142, 0, nil)
	}
	if err := c.Flush(cancelled()); err == nil { // gives the slot back, sends nothing
		h.t.Fatal("a flush without time succeeded")
	}
}

// sendOne says yes and sends one event, so that there is something to have deleted.
func (h *home) sendOne() {
	h.t.Helper()
	h.must("telemetry", "enable")
	h.record(1)
	h.must("telemetry", "flush")
}

// root is the tool: a command that works, one that fails, and telemetry.
func (h *home) root() *cobra.Command {
	root := &cobra.Command{Use: "mytool", SilenceErrors: true, Version: "1.2.3"}
	root.AddCommand(
		&cobra.Command{Use: "build", Run: func(*cobra.Command, []string) {}},
		&cobra.Command{Use: "fail", RunE: func(*cobra.Command, []string) error { return coded(7) }},
	)
	if err := Wire(root, props.New(h.tool), WithCore(h.core()...)); err != nil {
		h.t.Logf("Wire: %v", err)
	}
	return root
}

type coded int

func (c coded) Error() string { return "it failed" }
func (c coded) ExitCode() int { return int(c) }

// run runs the tool and returns what it printed, with the error as main would print it.
func (h *home) run(args ...string) (stdout, stderr string, code int) {
	h.t.Helper()
	root := h.root()
	var out, errs bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetIn(strings.NewReader(""))
	root.SetArgs(args)
	err := root.Execute()
	if err != nil {
		errs.WriteString("mytool: " + err.Error() + "\n")
	}
	return out.String(), errs.String(), ExitCode(err)
}

// setTime sets the time of a file of the state directory, where that says something.
func (h *home) setTime(name string, at time.Time) {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	f, err := os.OpenFile(path, os.O_CREATE, 0o600)
	if err == nil {
		err = errors.Join(f.Close(), os.Chtimes(path, at, at))
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// must runs the tool and stops the test if it fails.
func (h *home) must(args ...string) string {
	h.t.Helper()
	out, errs, code := h.run(args...)
	if code != 0 || errs != "" {
		h.t.Fatalf("%v: code %d, stderr %q", args, code, errs)
	}
	return out
}

// transcript is a run as a golden file shows it.
func (h *home) transcript(args ...string) string {
	h.t.Helper()
	out, errs, code := h.run(args...)
	var b strings.Builder
	b.WriteString("$ mytool " + strings.Join(args, " ") + "\n" + out)
	if errs != "" {
		b.WriteString("--- stderr\n" + errs)
	}
	b.WriteString("--- exit code " + string(rune('0'+code)) + "\n")
	return h.scrub(b.String())
}

func (h *home) scrub(text string) string {
	text = strings.ReplaceAll(text, h.dir, "STATE")
	if runtime.GOOS == "windows" {
		text = strings.ReplaceAll(text, strings.ReplaceAll(h.dir, `\`, `\\`), "STATE") // in JSON
		text = strings.ReplaceAll(text, `STATE\local\`, "STATE/local/")
	}
	text = ports.ReplaceAllString(text, "SERVER")
	text = shortLived.ReplaceAllString(text, "")
	text = uuids.ReplaceAllString(text, "EVENT-ID")
	return ids.ReplaceAllString(text, "MACHINE-ID")
}
