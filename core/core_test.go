package core_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/record"
	"github.com/gotoolbase/telemetry/core/props"
)

// The test binary is also the tool that runs in processes of its own; see tool_test.go.
func TestMain(m *testing.M) {
	if len(os.Args) == 5 && os.Args[1] == "tool" {
		runTool(os.Args[2], os.Args[3], os.Args[4])
	}
	if len(os.Args) == 5 && os.Args[1] == "command" {
		runCommand(os.Args[2], os.Args[3], os.Args[4])
	}
	if len(os.Args) == 4 && os.Args[1] == "panic" {
		runPanic(os.Args[2], os.Args[3])
	}
	if len(os.Args) == 4 && os.Args[1] == "send" {
		runSend(os.Args[2], os.Args[3])
	}
	if len(os.Args) == 4 && os.Args[1] == "reset" {
		runReset(os.Args[2], os.Args[3])
	}
	if len(os.Args) == 2 && os.Args[1] == "die" { // a background process that never comes to Open
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// intake is a server that understands the http backend.
type intake struct {
	*httptest.Server
	mu     sync.Mutex
	events []driver.Event
	posts  int
	answer func(w http.ResponseWriter) // nil accepts
	got    chan struct{}
}

func newIntake(t testing.TB) *intake {
	in := &intake{got: make(chan struct{}, 1000)}
	in.Server = httptest.NewServer(in)
	t.Cleanup(in.Close)
	return in
}

func (in *intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, "gzip", http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	var events []driver.Event
	if err := json.NewDecoder(body).Decode(&events); err != nil {
		http.Error(w, "json", http.StatusBadRequest)
		return
	}
	in.mu.Lock()
	in.posts++
	answer := in.answer
	if answer == nil {
		in.events = append(in.events, events...)
	}
	in.mu.Unlock()
	if answer != nil {
		answer(w)
	} else {
		w.WriteHeader(http.StatusAccepted)
	}
	in.got <- struct{}{}
}

func (in *intake) received() []driver.Event {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.events)
}

func (in *intake) postCount() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.posts
}

// wait waits for a post to arrive.
func (in *intake) wait(t *testing.T) {
	t.Helper()
	select {
	case <-in.got:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing arrived at the intake")
	}
}

func toolFor(endpoint string) props.Tool {
	tool := someTool()
	tool.Telemetry.Endpoint = endpoint
	return tool
}

func open(t *testing.T, tool props.Tool, options []core.Option) *core.Collector {
	t.Helper()
	c, err := core.Open(tool, options...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// files lists what is in a directory, recursively.
func files(dir string) (list []string) {
	_ = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && path != dir {
			list = append(list, path)
		}
		return nil
	})
	return list
}

func TestAnEventArrivesWithItsFields(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	tool.Telemetry.Metadata = map[string]string{"edition": "free", "tier": "a"}
	c := open(t, tool, enabled(t, tool, nil))
	before := time.Now().Add(-time.Second)
	c.TrackCommand("remote add", 142, 3, map[string]string{"format": "json", "tier": "b"})
	c.Track(props.EventFeatureUsed, "export", nil)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	events := in.received()
	if len(events) != 2 {
		t.Fatalf("%d events arrived", len(events))
	}
	e := events[0]
	if e.Type != "command.invocation" || e.Name != "remote add" || *e.DurationMS != 142 || *e.ExitCode != 3 ||
		e.Tool != "sometool" || e.Version != "1.2.3" || e.OS != runtime.GOOS || e.Arch != runtime.GOARCH ||
		e.GoVersion != runtime.Version() || len(e.MachineID) != 32 || e.Time.Before(before) || e.Time.Location() != time.UTC {
		t.Errorf("%+v", e)
	}
	if want := map[string]string{"edition": "free", "tier": "b", "format": "json"}; fmt.Sprint(e.Metadata) != fmt.Sprint(want) {
		t.Errorf("metadata %v, want %v", e.Metadata, want)
	}
	if e := events[1]; e.Type != "feature.used" || e.DurationMS != nil || e.ExitCode != nil || e.ID == events[0].ID {
		t.Errorf("%+v", e)
	}
}

func TestTheLineOnDiskIsTheCanonicalEncoding(t *testing.T) {
	t.Parallel()
	tool := someTool()
	tool.Telemetry.ExtendedCollection = true
	tool.Telemetry.Metadata = map[string]string{"a b": "c\"d", "z": "ü"}
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for _, ms := range []int{0, 5, 50, 500, 123, 999} {
		options := append(enabled(t, tool, nil), core.WithClock(func() time.Time { return at.Add(time.Duration(ms)*time.Millisecond + 789) }))
		c := open(t, tool, options)
		c.TrackCommandExtended("x\ny", []string{"--verbose", "--format=json"}, -5, 0, "it \"failed\"\n", map[string]string{"m": "\xff\x00", "k": strings.Repeat("long ", 900)})
		c.Track("custom.type", "", map[string]string{"m": "1"})
		content, err := os.ReadFile(filepath.Join(stateDir(options), "queue", "0000.events2"))
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
		if len(lines) != 3 || !bytes.HasPrefix(lines[0], []byte("#receipt=")) {
			t.Fatalf("%d lines", len(lines))
		}
		for _, line := range lines[1:] {
			e, err := record.Parse(line)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if canonical := e.AppendJSON(nil); !bytes.Equal(canonical, line) {
				t.Errorf("on disk\n%s\ncanonical\n%s", line, canonical)
			}
		}
	}
}

func TestEventIDsAreVersion7UUIDsAndUnique(t *testing.T) {
	t.Parallel()
	tool := someTool()
	tool.Telemetry.MaxQueueBytes = 1 << 30 // all in one slot
	options := enabled(t, tool, nil)
	c := open(t, tool, options)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				c.Track("feature.used", "x", nil)
			}
		})
	}
	wg.Wait()
	content, err := os.ReadFile(filepath.Join(stateDir(options), "queue", "0000.events2"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range bytes.Lines(content[bytes.IndexByte(content, '\n')+1:]) {
		e, err := record.Parse(bytes.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		if e.ID[14] != '7' || !strings.ContainsRune("89ab", rune(e.ID[19])) || e.ID[8] != '-' || e.ID[23] != '-' || seen[e.ID] {
			t.Errorf("%s", e.ID)
		}
		seen[e.ID] = true
	}
	if len(seen) != 2000 {
		t.Errorf("%d events, want 2000", len(seen))
	}
}

func TestWithoutAYesNothingIsWrittenAnywhere(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]map[string]string{
		"nobody was asked":        nil,
		"DO_NOT_TRACK":            {"DO_NOT_TRACK": "1", "TELEMETRY_ENABLED": "1"},
		"TELEMETRY_ENABLED=false": {"TELEMETRY_ENABLED": "false"},
		"local only, but no yes":  {"TELEMETRY_LOCAL": "1"},
	} {
		dir := filepath.Join(t.TempDir(), "state", "telemetry")
		tool := someTool()
		c := open(t, tool, []core.Option{core.WithStateDir(dir), environment(env)})
		c.TrackCommand("count", 1, 0, extra)
		c.Command("count").End(nil)
		if err := errors.Join(c.Flush(t.Context()), c.Close(t.Context())); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		core.NewManager(tool, core.WithStateDir(dir), environment(env)).Status()
		if c.Enabled() {
			t.Errorf("%s: enabled", name)
		}
		if list := files(filepath.Dir(filepath.Dir(dir))); len(list) != 0 {
			t.Errorf("%s: made %v", name, list)
		}
	}
}

func TestATestBinarySleepsUnlessATestAsks(t *testing.T) { // not parallel: it sets the environment
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("LocalAppData", home)
	t.Setenv("TELEMETRY_ENABLED", "true")
	tool := someTool()
	c := open(t, tool, nil)
	c.Track("feature.used", "x", nil)
	defer c.Command("count").End(nil)
	m := core.NewManager(tool)
	if _, err := m.Disable(t.Context()); err == nil {
		t.Error("a test binary may change the real state")
	}
	if c.Enabled() || len(files(home)) != 0 {
		t.Errorf("enabled %v, made %v", c.Enabled(), files(home))
	}
}

func TestATestBinaryReachesOnlyLoopback(t *testing.T) {
	t.Parallel()
	tool := toolFor("https://192.0.2.1/events") // a documentation address, RFC 5737
	options := enabled(t, tool, nil)
	c := open(t, tool, options)
	c.Track("feature.used", "x", nil)
	err := c.Flush(t.Context())
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if s := core.NewManager(tool, options...).Status(); s.Queue.Events != 1 {
		t.Errorf("%d events wait", s.Queue.Events)
	}
}

// A driver that does not speak HTTP is held back in the same way.
func TestATestBinaryDialsOnlyLoopback(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var config driver.Config
	tool := toolFor("")
	tool.Telemetry = props.TelemetryConfig{Backend: "dialler", Drivers: []driver.Driver{{Name: "dialler", Hosts: somewhere, Open: func(c driver.Config) (driver.Backend, error) {
		config = c
		return nil, errors.New("that is all")
	}}}}
	c := open(t, tool, enabled(t, tool, nil))
	c.Track("feature.used", "x", nil)
	_ = c.Flush(t.Context())
	if config.Dial == nil {
		t.Fatal("the driver was opened without Dial")
	}
	for _, network := range []string{"tcp", "udp"} {
		if conn, err := config.Dial(t.Context(), network, "192.0.2.1:9"); err == nil || !strings.Contains(err.Error(), "only loopback") {
			t.Errorf("%s: %v, %v", network, conn, err)
		}
		conn, err := config.Dial(t.Context(), network, listener.Addr().String())
		if err != nil {
			t.Errorf("%s: %v", network, err)
			continue
		}
		conn.Close()
	}
}

func TestDisableReachesACommandThatIsRunning(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	options := enabled(t, tool, nil)
	m := core.NewManager(tool, options...)
	early, late := open(t, tool, options), open(t, tool, options) // late has read the yes, and holds no file yet
	early.Track("feature.used", "before", nil)
	early.Track("feature.used", "before", nil)
	if r, err := m.Disable(t.Context()); r.Erased != 2 || !r.Off || r.Sending || err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	for range 3 {
		early.Track("feature.used", "after", nil)
		late.Track("feature.used", "after", nil)
	}
	if err := errors.Join(early.Close(t.Context()), late.Close(t.Context())); err != nil {
		t.Error(err)
	}
	if s := m.Status(); s.Queue.Events != 0 || s.Decision.Enabled {
		t.Errorf("%d events wait, enabled %v", s.Queue.Events, s.Decision.Enabled)
	}
	if err := m.Enable(false, ""); err != nil {
		t.Fatal(err)
	}
	if r, err := m.Flush(t.Context(), nil); err != nil || r.Sent != 0 || in.postCount() != 0 {
		t.Errorf("%+v, %v, %d posts", r, err, in.postCount())
	}
}

func TestDropErasesAndStopsEvenWhereTelemetryIsOff(t *testing.T) {
	t.Parallel()
	tool := someTool()
	options := enabled(t, tool, nil)
	c := open(t, tool, options)
	c.Track("feature.used", "x", nil)
	off := open(t, tool, append(options, environment(map[string]string{"DO_NOT_TRACK": "1"})))
	if off.Enabled() {
		t.Fatal("DO_NOT_TRACK is not heeded")
	}
	if err := off.Drop(); err != nil {
		t.Fatal(err)
	}
	if s := core.NewManager(tool, options...).Status(); s.Queue.Events != 0 {
		t.Errorf("%d events wait", s.Queue.Events)
	}
	if err := c.Drop(); err != nil {
		t.Fatal(err)
	}
	c.Track("feature.used", "x", nil)
	if s := core.NewManager(tool, options...).Status(); s.Queue.Events != 0 || c.Enabled() {
		t.Errorf("%d events wait, enabled %v", s.Queue.Events, c.Enabled())
	}
}

func TestTheUsersLocalOnlyOverrulesTheAuthor(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	options := append(enabled(t, tool, nil), environment(map[string]string{"TELEMETRY_LOCAL": "1"}))
	c := open(t, tool, options)
	c.Track("feature.used", "x", nil)
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if in.postCount() != 0 || !c.BackendInfo().Local {
		t.Errorf("%d posts, backend %v", in.postCount(), c.BackendInfo())
	}
	log, err := os.ReadFile(filepath.Join(stateDir(options), "local", "events.ndjson"))
	if err != nil || !bytes.Contains(log, []byte(`"name":"x"`)) {
		t.Errorf("the local log holds %q, %v", log, err)
	}
}

// somewhere are the hosts of a driver that contacts nobody in these tests.
func somewhere(map[string]string) []string { return []string{"vendor.invalid"} }

func TestSelection(t *testing.T) {
	t.Parallel()
	opens := func(driver.Config) (driver.Backend, error) { return nil, errors.New("not opened here") }
	setting := driver.Setting{Name: "endpoint"}
	otlp := driver.Driver{Name: "otlp", Open: opens, Hosts: somewhere, Settings: []driver.Setting{setting}}
	posthog := driver.Driver{Name: "posthog", Open: opens, Hosts: somewhere, Settings: []driver.Setting{{Name: "project_key", Required: true, Secret: true}}}
	for name, c := range map[string]struct {
		config props.TelemetryConfig
		want   string // the backend, or
		err    []string
	}{
		"nothing":               {want: "noop"},
		"an endpoint":           {config: props.TelemetryConfig{Endpoint: "https://a.example"}, want: "http"},
		"a name before both":    {config: props.TelemetryConfig{Backend: "stdout", Endpoint: "https://a.example", OTelEndpoint: "https://b.example"}, want: "stdout"},
		"OTel before endpoint":  {config: props.TelemetryConfig{Endpoint: "https://a.example", OTelEndpoint: "https://b.example", Drivers: []driver.Driver{otlp}}, want: "otlp"},
		"a linked vendor":       {config: props.TelemetryConfig{Backend: "posthog", Drivers: []driver.Driver{posthog}, Settings: map[string]string{"project_key": "phc_x"}}, want: "posthog"},
		"a vendor not linked":   {config: props.TelemetryConfig{Backend: "posthog"}, err: []string{"Telemetry.Backend", "posthog", "file, http, noop, stdout", "Telemetry.Drivers"}},
		"OTel not linked":       {config: props.TelemetryConfig{OTelEndpoint: "https://b.example"}, err: []string{"Telemetry.OTelEndpoint", "otlp"}},
		"a missing setting":     {config: props.TelemetryConfig{Backend: "posthog", Drivers: []driver.Driver{posthog}}, err: []string{"Telemetry.Settings[project_key]"}},
		"a misspelt setting":    {config: props.TelemetryConfig{Backend: "posthog", Drivers: []driver.Driver{posthog}, Settings: map[string]string{"project_key": "k", "instanz": "eu"}}, err: []string{"Settings[instanz]", "project_key"}},
		"plain http":            {config: props.TelemetryConfig{Endpoint: "http://a.example"}, err: []string{"Telemetry.Endpoint"}},
		"plain http, insecure":  {config: props.TelemetryConfig{Endpoint: "http://a.example", Insecure: true}, want: "http"},
		"not a URL":             {config: props.TelemetryConfig{Endpoint: "::"}, err: []string{"Telemetry.Endpoint"}},
		"a host not known":      {config: props.TelemetryConfig{Backend: "x", Drivers: []driver.Driver{{Name: "x", Open: opens}}}, err: []string{"Telemetry.Backend", "x", "Hosts"}},
		"a driver twice":        {config: props.TelemetryConfig{Drivers: []driver.Driver{posthog, posthog}}, err: []string{"Telemetry.Drivers", "posthog"}},
		"a built-in's name":     {config: props.TelemetryConfig{Drivers: []driver.Driver{{Name: "http", Open: opens}}}, err: []string{"Telemetry.Drivers", "http"}},
		"a header of two lines": {config: props.TelemetryConfig{Endpoint: "https://a.example", Headers: map[string]string{"X-Key": "a\r\nb"}}, err: []string{"Telemetry.Headers"}},
		"an unknown mode":       {config: props.TelemetryConfig{DeliveryMode: "twice"}, err: []string{"Telemetry.DeliveryMode", "at_least_once"}},
		"a negative cap":        {config: props.TelemetryConfig{MaxQueueBytes: -1}, err: []string{"Telemetry.MaxQueueBytes"}},
	} {
		tool := someTool()
		tool.Telemetry = c.config
		got, err := core.Open(tool, enabled(t, someTool(), nil)...)
		if got == nil {
			t.Fatalf("%s: no collector", name)
		}
		if len(c.err) == 0 {
			if err != nil || got.BackendInfo().Name != c.want {
				t.Errorf("%s: %v, %v; want %s", name, got.BackendInfo(), err, c.want)
			}
			continue
		}
		var config *driver.ConfigError
		if !errors.As(err, &config) || got.Enabled() {
			t.Errorf("%s: %v, enabled %v", name, err, got.Enabled())
			continue
		}
		for _, part := range c.err {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not say %q", name, err, part)
			}
		}
		got.Track("feature.used", "x", nil) // does nothing, and does not panic
	}
}

func TestToolNamesThatWouldLeaveTheDirectoryAreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", ".", "..", "../x", "a/b", `a\b`, "-x", ".hidden", "a b", "ü", strings.Repeat("x", 65)} {
		tool := someTool()
		tool.Name = name
		if _, err := core.Open(tool, core.WithStateDir(t.TempDir()), environment(nil)); err == nil {
			t.Errorf("%q is accepted", name)
		}
	}
}

func TestExtendedFieldsNeedTheAuthorsWordAndAreScrubbed(t *testing.T) {
	t.Parallel()
	for _, extended := range []bool{false, true} {
		in := newIntake(t)
		tool := toolFor(in.URL)
		tool.Telemetry.ExtendedCollection = extended
		c := open(t, tool, enabled(t, tool, map[string]string{"HOME": "/home/canary", "USER": "canary"}))
		c.TrackCommandExtended("push", []string{"--password", "hunter2", "/home/canary/x"}, 1, 1,
			"open /home/canary/private: permission denied", map[string]string{"token": "abc123", "who": "canary"})
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		events := in.received()
		if got := len(events[0].Args) > 0 && events[0].Error != ""; got != extended {
			t.Errorf("extended %v: args %q, error %q", extended, events[0].Args, events[0].Error)
		}
		raw, _ := json.Marshal(events)
		for _, secret := range []string{"canary", "hunter2", "abc123", "private"} {
			if bytes.Contains(raw, []byte(secret)) {
				t.Errorf("extended %v: %s arrived in %s", extended, secret, raw)
			}
		}
	}
}

func TestWhateverAnAuthorHandsOverIsBoundedAndCounted(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	tool.Telemetry.MetadataKeys = []string{"big", "many"}
	c := open(t, tool, enabled(t, tool, nil))
	c.Track("feature.used", "big", map[string]string{"big": strings.Repeat("x y ", 5<<20/4), "undeclared": "x"})
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	e := in.received()[0]
	if len(e.Metadata["big"]) > 1024 || len(e.Metadata) != 1 || e.Truncated != 2 {
		t.Errorf("%d bytes, %d keys, %d cut", len(e.Metadata["big"]), len(e.Metadata), e.Truncated)
	}
	tool.Telemetry.MetadataKeys = nil
	c = open(t, tool, enabled(t, tool, nil))
	many := map[string]string{}
	for i := range 100 {
		many[fmt.Sprint("k", i)] = "v"
	}
	c.Track("feature.used", "many", many)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := in.received()[1]; len(e.Metadata) != 32 || e.Truncated != 68 {
		t.Errorf("%d pairs, %d cut", len(e.Metadata), e.Truncated)
	}
}

func BenchmarkTrackFiveMegabytes(b *testing.B) {
	tool := someTool()
	options := enabled(b, tool, nil)
	c, err := core.Open(tool, options...)
	if err != nil {
		b.Fatal(err)
	}
	huge := map[string]string{"big": strings.Repeat("x y ", 5<<20/4)}
	for b.Loop() {
		c.Track("feature.used", "big", huge)
	}
}

// Whatever is in place of the state, the command goes on, and status says what is wrong.
func TestDamagedStateIsSurvivedAndReported(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("links and modes are not for everyone on Windows")
	}
	for name, damage := range map[string]func(dir string) error{
		"the consent is damaged": func(dir string) error { return os.WriteFile(filepath.Join(dir, "consent"), []byte("noise"), 0o600) },
		"the consent is a folder": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "consent")), os.Mkdir(filepath.Join(dir, "consent"), 0o700))
		},
		"the consent is a link": func(dir string) error {
			return errors.Join(os.Rename(filepath.Join(dir, "consent"), dir+".moved"), os.Symlink(dir+".moved", filepath.Join(dir, "consent")))
		},
		"the directory is a link": func(dir string) error {
			return errors.Join(os.Rename(dir, dir+".moved"), os.Symlink(dir+".moved", dir))
		},
		"the directory is open to others": func(dir string) error { return os.Chmod(dir, 0o777) },
		"the identity is damaged":         func(dir string) error { return os.WriteFile(filepath.Join(dir, "identity"), []byte("noise"), 0o600) },
		"the queue is a file":             func(dir string) error { return os.WriteFile(filepath.Join(dir, "queue"), nil, 0o600) },
		"the queue holds noise": func(dir string) error {
			return errors.Join(os.Mkdir(filepath.Join(dir, "queue"), 0o700), os.WriteFile(filepath.Join(dir, "queue", "0000.events2"), []byte("noise\x00\n"), 0o600))
		},
		"the directory belongs to another": func(dir string) error { return foreign(dir) },
	} {
		in := newIntake(t)
		tool := toolFor(in.URL)
		options := enabled(t, tool, nil)
		if err := damage(stateDir(options)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c, err := core.Open(tool, options...)
		if err != nil {
			t.Errorf("%s: Open says %v", name, err)
		}
		c.TrackCommand("count", 1, 0, extra)
		_ = c.Flush(t.Context())
		s := core.NewManager(tool, options...).Status()
		if c.Enabled() && strings.Contains(name, "consent") {
			t.Errorf("%s: enabled all the same", name)
		}
		reported := len(s.Faults) > 0 || strings.Contains(fmt.Sprint(s.Decision.Layers), "cannot be read")
		// Noise and a lost identity mend themselves, with a count or a copy kept.
		mended := s.TotalLost() > 0 || len(in.received()) > 0
		if !reported && !mended {
			t.Errorf("%s: status says nothing: %+v", name, s)
		}
		for _, fault := range s.Faults {
			if strings.Contains(fault, stateDir(options)) {
				t.Errorf("%s: a path in %q", name, fault)
			}
		}
	}
}

// foreign gives a directory to somebody else, or, where that is not ours to do, takes
// our rights away, which comes to the same.
func foreign(dir string) error {
	if os.Geteuid() == 0 {
		return os.Chown(dir, 4242, 4242)
	}
	return os.Chmod(dir, 0o777)
}

func TestAFullDiskCostsEventsAndSaysSo(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("needs a small file system of its own")
	}
	small := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", small).CombinedOutput(); err != nil {
		t.Skipf("no tmpfs here: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", small).Run() })
	in := newIntake(t)
	tool := toolFor(in.URL)
	now := time.Now()
	options := []core.Option{core.WithStateDir(filepath.Join(small, "telemetry")), environment(nil), core.WithClock(func() time.Time { return now })}
	m := core.NewManager(tool, options...)
	if err := m.Answer(consent.AnswerYes, m.Stored(), ""); err != nil {
		t.Fatal(err)
	}
	c := open(t, tool, options)
	const tracked = 2000
	for range tracked / 2 {
		c.Track("feature.used", "x", extra)
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Second) // the collector tries the disk again
	for range tracked / 2 {
		c.Track("feature.used", "x", extra)
	}
	now = now.Add(2 * time.Second)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Track("feature.used", "last", nil)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	arrived, lost := 0, 0
	for _, e := range in.received() {
		if e.Type == "telemetry.loss" {
			var n int
			fmt.Sscan(e.Metadata["count"], &n) //nolint:errcheck // 0 shows below
			lost += n
		} else {
			arrived++
		}
	}
	if arrived+lost != tracked+1 || lost == 0 {
		t.Errorf("%d arrived and %d are reported lost, of %d", arrived, lost, tracked+1)
	}
}

// A disk that has room and no more files to give does not give the file either in which losses
// are counted: it has to be there before.
func TestADiskThatGivesNoMoreFilesCountsWhatItDoesNotTake(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("needs a small file system of its own")
	}
	small := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=64", "tmpfs", small).CombinedOutput(); err != nil {
		t.Skipf("no tmpfs here: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", small).Run() })
	in := newIntake(t)
	tool := toolFor(in.URL)
	now := time.Now()
	options := []core.Option{core.WithStateDir(filepath.Join(small, "telemetry")), environment(nil), core.WithClock(func() time.Time { return now })}
	m := core.NewManager(tool, options...)
	if err := m.Answer(consent.AnswerYes, m.Stored(), ""); err != nil {
		t.Fatal(err)
	}
	track := func(n int) {
		c := open(t, tool, options)
		for range n {
			c.Track("feature.used", "x", nil)
		}
		if err := c.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	track(3)
	holder := open(t, tool, options) // has the only file for events there is
	holder.Track("feature.used", "x", nil)
	var ballast []string
	for {
		f, err := os.CreateTemp(small, "ballast")
		if err != nil {
			break
		}
		f.Close()
		ballast = append(ballast, f.Name())
	}
	in.answer = func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }
	c := open(t, tool, options)
	for range 5 {
		c.Track("feature.used", "x", nil)
	}
	_ = c.Close(t.Context()) // from memory, and in vain
	_ = holder.Close(t.Context())
	in.answer = nil
	now = now.Add(time.Hour)
	for _, name := range ballast {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	track(1) // reports the loss, which goes with the next
	track(1)
	arrived, lost := 0, 0
	for _, e := range in.received() {
		if e.Type == "telemetry.loss" {
			n, err := strconv.Atoi(e.Metadata["count"])
			if err != nil {
				t.Error(err)
			}
			lost += n
		} else {
			arrived++
		}
	}
	if arrived+lost != 11 || lost == 0 {
		t.Errorf("%d arrived and %d are reported lost, of 11", arrived, lost)
	}
}

func TestAReadOnlyDiskIsSurvivedAndReported(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("needs a file system of its own")
	}
	disk := t.TempDir()
	mount := func(options string) {
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", disk).CombinedOutput(); err != nil {
			t.Skipf("no tmpfs here: %s", out)
		}
	}
	mount("size=1m")
	t.Cleanup(func() { _ = exec.Command("umount", "-l", disk).Run() })
	tool := someTool()
	options := []core.Option{core.WithStateDir(filepath.Join(disk, "telemetry")), environment(nil)}
	m := core.NewManager(tool, options...)
	if err := m.Enable(false, ""); err != nil {
		t.Fatal(err)
	}
	mount("remount,ro")
	c := open(t, tool, options)
	c.TrackCommand("count", 1, 0, nil)
	if err := c.Close(t.Context()); err != nil {
		t.Errorf("Close says %v", err)
	}
	s := m.Status()
	if len(s.Faults) != 1 || !strings.Contains(s.Faults[0], "read-only") || !s.Recording || !s.Unstored {
		t.Errorf("status says %v, recording %v, unstored %v", s.Faults, s.Recording, s.Unstored)
	}
	if _, err := m.Disable(t.Context()); err == nil {
		t.Error("a no that cannot be stored is no error")
	}
}

func TestThrottlingIsRespectedByEveryCommand(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	in.answer = func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	}
	tool := toolFor(in.URL)
	env := map[string]string{"CI": "true"} // so that Close sends from the command itself
	options := append(enabled(t, tool, nil), environment(env))
	for range 10 {
		c := open(t, tool, options)
		c.Track("feature.used", "x", nil)
		_ = c.Close(t.Context())
	}
	if in.postCount() != 1 {
		t.Errorf("%d posts, want 1", in.postCount())
	}
	m := core.NewManager(tool, options...)
	if _, err := m.Flush(t.Context(), nil); !errors.Is(err, core.ErrWait) {
		t.Errorf("flush says %v", err)
	}
	if s := m.Status(); s.Queue.Events != 10 || time.Until(s.WaitUntil) < 59*time.Minute {
		t.Errorf("%d wait until %v", s.Queue.Events, s.WaitUntil)
	}
}

func TestInCICommandsSendFromInsideOnceAMinute(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	now := &clock{now: time.Now()}
	options := append(enabled(t, tool, nil), environment(map[string]string{"CI": "1"}), core.WithClock(now.Now))
	for _, want := range []struct {
		after           time.Duration
		posts, received int
	}{
		{0, 1, 1},
		{20 * time.Second, 1, 1}, // the interval is not over
		{20 * time.Second, 1, 1},
		{20 * time.Second, 2, 4}, // though the author's would not be
	} {
		now.add(want.after)
		c := open(t, tool, options)
		c.Track("feature.used", "x", nil)
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if posts, got := in.postCount(), len(in.received()); posts != want.posts || got != want.received {
			t.Errorf("%d posts with %d events, want %+v", posts, got, want)
		}
	}
}

func TestABackendThatDoesNotHeedItsContextCannotHoldTheCommand(t *testing.T) {
	t.Parallel()
	s := stuck{make(chan struct{}), make(chan struct{})}
	tool := someTool()
	tool.Telemetry = props.TelemetryConfig{Backend: "stuck", Drivers: []driver.Driver{{
		Name: "stuck", Hosts: somewhere, Open: func(driver.Config) (driver.Backend, error) { return s, nil },
	}}}
	c := open(t, tool, append(enabled(t, tool, nil), environment(map[string]string{"CI": "1"})))
	c.Track("feature.used", "x", nil)
	done := make(chan error, 1)
	go func() { done <- c.Close(t.Context()) }()
	select {
	case err := <-done:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	case <-time.After(20 * time.Second): // the budget is 1 s; the rest is for a slow machine
		t.Error("Close still waits")
	}
	close(s.release)
	<-s.closed // what it left behind is over before its directory goes
}

type stuck struct{ release, closed chan struct{} }

func (s stuck) Send(context.Context, []driver.Event) error { <-s.release; return nil }
func (s stuck) Close() error                               { close(s.closed); return nil }

// What is not noted would look as if it were still under way.
func TestHowAnAttemptInsideACommandEndedIsNotedWithinItsSecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where time passes only while everybody waits
		tool := someTool()
		tool.Telemetry = props.TelemetryConfig{Backend: "hanging", Drivers: []driver.Driver{{
			Name: "hanging", Hosts: somewhere, Open: func(driver.Config) (driver.Backend, error) { return hanging{}, nil },
		}}}
		options := append(enabled(t, tool, nil), environment(map[string]string{"CI": "1"}))
		c := open(t, tool, options)
		c.Track("feature.used", "x", nil)
		start := time.Now()
		if err := c.Close(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("Close took %v", took)
		}
		if s := core.NewManager(tool, options...).Status(); s.Underway || s.Problem == "" {
			t.Errorf("under way: %v, problem: %q", s.Underway, s.Problem)
		}
	})
}

type hanging struct{}

func (hanging) Send(ctx context.Context, _ []driver.Event) error { <-ctx.Done(); return ctx.Err() }
func (hanging) Close() error                                     { return nil }

func TestTrackAfterCloseIsKept(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	options := append(enabled(t, tool, nil), core.WithUploadCommand("not started"))
	notDue(t, stateDir(options))
	c := open(t, tool, options)
	for range 3 {
		c.Track("feature.used", "x", nil)
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if s := core.NewManager(tool, options...).Status(); s.Queue.Events != 3 {
		t.Errorf("%d events wait, want 3", s.Queue.Events)
	}
}

func TestStatusChangesNothing(t *testing.T) {
	t.Parallel()
	tool := someTool()
	options := enabled(t, tool, nil)
	c := open(t, tool, options)
	c.Track("feature.used", "x", nil)
	look := func() string {
		var b strings.Builder
		for _, path := range files(stateDir(options)) {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&b, path, info.Size(), info.ModTime(), info.Mode())
		}
		return b.String()
	}
	before := look()
	if s := core.NewManager(tool, options...).Status(); s.Queue.Events != 1 || len(s.Faults) != 0 {
		t.Errorf("%+v", s)
	}
	if after := look(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

func TestARefusedConnectionKeepsTheEventsAndStatusSaysWhy(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // now nothing listens there
	tool := toolFor("http://" + l.Addr().String() + "/events")
	options := enabled(t, tool, nil)
	c := open(t, tool, options)
	c.Track("feature.used", "x", nil)
	if err := c.Flush(t.Context()); err == nil {
		t.Error("Flush says nothing")
	}
	s := core.NewManager(tool, options...).Status()
	if s.Queue.Events != 1 || s.Problem == "" || s.LastAttempt.IsZero() || !s.LastDelivered.IsZero() {
		t.Errorf("%+v", s)
	}
}

func TestWhatWasRecordedUnderAVariableIsKeptByAYesAndErasedByANo(t *testing.T) {
	t.Parallel()
	tool := someTool()
	dir := core.WithStateDir(filepath.Join(t.TempDir(), "telemetry"))
	c := open(t, tool, []core.Option{dir, environment(map[string]string{"TELEMETRY_ENABLED": "1"}), core.WithUploadCommand("not started")})
	notDue(t, mustCreate(t, dir))
	c.Track("feature.used", "x", nil)
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := core.NewManager(tool, dir, environment(nil))
	if got := m.Status().Queue.Events; got != 1 {
		t.Fatalf("%d events wait, want 1", got)
	}
	if err := m.Enable(false, ""); err != nil {
		t.Fatal(err)
	}
	if got := m.Status().Queue.Events; got != 1 {
		t.Errorf("after a yes %d events wait, want 1", got)
	}
	if _, err := m.Disable(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Enable(false, ""); err != nil {
		t.Fatal(err)
	}
	if got := m.Status().Queue.Events; got != 0 {
		t.Errorf("%d events from before the no wait to be sent", got)
	}
}

// mustCreate makes the state directory that an option names, and returns it.
func mustCreate(t *testing.T, dir core.Option) string {
	t.Helper()
	path := core.NewManager(someTool(), dir).Status().StateDir
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestASecondCloseStartsNothing(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	in.answer = func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) }
	tool := toolFor(in.URL)
	options := enabled(t, tool, nil)
	c := open(t, tool, options)
	c.Track("feature.used", "x", nil)
	if err := c.Close(t.Context()); err == nil {
		t.Error("a failed upload from the command itself is no error")
	}
	if err := os.Remove(filepath.Join(stateDir(options), "next-upload")); err != nil { // due again
		t.Fatal(err)
	}
	if err := c.Close(t.Context()); err != nil || in.postCount() != 1 {
		t.Errorf("%v, %d posts; want 1", err, in.postCount())
	}
}

func TestTheStdoutBackendPrintsWhenTheCommandCloses(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	tool := someTool()
	tool.Telemetry = props.TelemetryConfig{Backend: "stdout"}
	c := open(t, tool, append(enabled(t, tool, nil), core.WithStdout(&out)))
	c.Track("feature.used", "export", nil)
	if out.Len() > 0 {
		t.Errorf("it talks into the command: %s", &out)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var e driver.Event
	if err := json.Unmarshal(out.Bytes(), &e); err != nil || e.Name != "export" || len(e.MachineID) != 32 {
		t.Errorf("%v: %s", err, &out)
	}
}

// What a no finds on its way may arrive, and is then not said to be erased.
func TestANoTellsWhatWasErasedFromWhatArrivedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, no := range map[string]func(m *core.Manager) (erased, arrived int, err error){
		"disable": func(m *core.Manager) (int, int, error) {
			r, err := m.Disable(context.Background())
			return r.Erased, r.Arrived, err
		},
		"reset": func(m *core.Manager) (int, int, error) {
			r, err := m.Reset(context.Background(), nil)
			return r.Erased, r.Arrived, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newIntake(t)
			came, answer := make(chan struct{}), make(chan struct{})
			var once sync.Once
			in.answer = func(http.ResponseWriter) {
				once.Do(func() { close(came) })
				<-answer
			}
			tool := toolFor(in.URL)
			options := enabled(t, tool, nil)
			c := open(t, tool, options)
			for range 4 {
				c.Track("feature.used", "x", nil)
			}
			flushed := make(chan error)
			go func() { flushed <- c.Flush(context.Background()) }()
			<-came
			c2 := open(t, tool, options)
			c2.Track("feature.used", "later", nil)
			m := core.NewManager(tool, options...)
			var erased, arrived int
			done := make(chan error)
			go func() {
				var err error
				erased, arrived, err = no(m)
				done <- err
			}()
			// A slot that somebody holds may stay as an empty file.
			queue := filepath.Join(stateDir(options), "queue")
			for waits := true; waits; runtime.Gosched() {
				waits = false
				slots, _ := filepath.Glob(filepath.Join(queue, "*.events2"))
				for _, slot := range slots {
					info, err := os.Stat(slot)
					waits = waits || err == nil && info.Size() > 0
				}
			}
			close(answer)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			<-flushed
			if erased != 1 || arrived != 4 {
				t.Errorf("%d erased, %d arrived; want 1 and 4", erased, arrived)
			}
		})
	}
}

// The log on this machine is one file, whoever chose it: the person with "local", or the author
// with the backend "file" without a path.
func TestWhatTheAuthorKeepsInTheLogOnThisMachineIsCountedThere(t *testing.T) {
	t.Parallel()
	tool := someTool()
	tool.Telemetry = props.TelemetryConfig{Backend: "file"}
	m, _ := sentFrom(t, tool)
	if s := m.Status(); s.LocalLog == "" || s.Stayed != 1 || s.Delivered != 0 {
		t.Errorf("in the log %q there are %d, delivered %d", s.LocalLog, s.Stayed, s.Delivered)
	}
}
