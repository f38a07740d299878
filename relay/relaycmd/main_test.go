//go:build !notelemetry

package relaycmd

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	stdflag "flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/cmd/telemetry/telemetrycmd"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/amplitude"
	ddog "github.com/gotoolbase/telemetry/deletion/datadog"
	phog "github.com/gotoolbase/telemetry/deletion/posthog"
	"github.com/gotoolbase/telemetry/deletion/segment"
	"github.com/gotoolbase/telemetry/internal/standin/datadog"
	"github.com/gotoolbase/telemetry/internal/standin/posthog"
)

var update = stdflag.Bool("update", false, "rewrite the golden files")

// binary is the program, built once.
var binary string

func TestMain(m *testing.M) {
	time.Local = time.UTC // golden files hold local times
	// Run under nohup, which ignores it, the children would ignore it too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	stdflag.Parse()
	if stdflag.Lookup("test.fuzz").Value.String() != "" { // each worker would build a program that it starts nowhere
		os.Exit(m.Run())
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "telemetry-relay")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "telemetry-relay")
		if runtime.GOOS == "windows" {
			binary += ".exe"
		}
		if out, err := exec.Command("go", "build", "-o", binary, "github.com/gotoolbase/telemetry/cmd/telemetry-relay").CombinedOutput(); err != nil {
			panic(string(out))
		}
		return m.Run()
	}())
}

// reachable are the vendors of the program that is built.
func reachable() []deletion.Vendor {
	return []deletion.Vendor{amplitude.Vendor(), ddog.Vendor(), phog.Vendor(), segment.Vendor()}
}

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// golden compares what people read with testdata/name.golden.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if runtime.GOOS == "windows" && strings.Contains(got, "DIR") {
		t.Skip("paths are written in another way here")
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
	if got != string(want) {
		t.Errorf("%s differs; -update accepts it.\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

// person is one installation, with its key and the ID that belongs to it.
type person struct{ key, id string }

func somebody(n int) person {
	key := [deletion.KeyBytes]byte{0xee, byte(n)}
	return person{hex.EncodeToString(key[:]), deletion.MachineID(key)}
}

// The keys of the vendors, of which nothing may ever be seen.
const (
	postHogKey     = "phx_9Secret9PostHog9Key"
	apiKey         = "5ec12e7a9100000000000000000000aa"
	applicationKey = "5ec12e7a9100000000000000000000000000000b"
)

func holdsKey(text string) bool {
	return strings.Contains(text, postHogKey) || strings.Contains(text, apiKey) || strings.Contains(text, applicationKey)
}

// place is a folder with keys, and the vendors.
type place struct {
	*testing.T
	dir         string
	env         []string
	postHog     *posthog.Server
	dataDog     *datadog.Server
	postHogURL  string
	dataDogURL  string
	certificate *http.Client // takes the relay's certificate
}

func newPlace(t *testing.T) *place {
	return placeAt(t, time.Now)
}

func placeAt(t *testing.T, now func() time.Time) *place {
	t.Helper()
	p := &place{
		T: t, dir: t.TempDir(),
		postHog: posthog.New(posthog.Options{Key: postHogKey, Now: now}),
		dataDog: datadog.New(datadog.Options{APIKey: apiKey, ApplicationKey: applicationKey, Now: now}),
	}
	p.postHog.Capture(canary().id, now())
	p.dataDog.Store(datadog.Log{Host: canary().id, Service: "mylogs"})
	for _, v := range []struct {
		handler http.Handler
		url     *string
	}{{p.postHog, &p.postHogURL}, {p.dataDog, &p.dataDogURL}} {
		server := httptest.NewServer(v.handler)
		t.Cleanup(server.Close)
		*v.url = server.URL
	}
	p.write("posthog.key", postHogKey+"\n")
	p.write("api.key", apiKey+"\n")
	p.write("application.key", applicationKey)
	p.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "USERPROFILE=" + p.dir, "LocalAppData=" + p.dir,
		"SystemRoot=" + os.Getenv("SystemRoot"), "TZ=UTC", "TERM=xterm", "GORACE=atexit_sleep_ms=0",
		"POSTHOG_KEY=" + postHogKey,
	}
	return p
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

func (p *place) write(name, content string) string {
	p.Helper()
	if err := os.WriteFile(p.path(name), []byte(content), 0o600); err != nil {
		p.Fatal(err)
	}
	return p.path(name)
}

// canary is a machine of which the vendors have something, and keep it.
func canary() person { return somebody(250) }

// Vendors as a relay's file has them.
func (p *place) postHogVendor() string {
	return fmt.Sprintf(`{vendor: posthog, endpoint: %q, project: "12345", key_file: posthog.key, canary: %s}`, p.postHogURL, canary().id)
}

func (p *place) dataDogVendor() string {
	return fmt.Sprintf(`{vendor: datadog, endpoint: %q, retention: 15d, api_key_file: api.key, application_key_file: application.key, canary: %s}`, p.dataDogURL, canary().id)
}

// declare writes a relay's file with mytool at PostHog, mylogs at Datadog and big at both.
func (p *place) declare(lines ...string) string {
	p.Helper()
	return p.write("relay.yaml", strings.Join(append(lines,
		"listen: 127.0.0.1:0",
		"database: sqlite:data/relay.db",
		"quiet: 1ms",
		"limits: {per_address: {per_second: 1000, burst: 1000}}",
		"tools:",
		"  mytool: {deletions: ["+p.postHogVendor()+"]}",
		"  mylogs: {deletions: ["+p.dataDogVendor()+"]}",
		"  big:",
		"    deletions:",
		"    - "+p.postHogVendor(),
		"    - "+p.dataDogVendor(),
	), "\n")+"\n")
}

func (p *place) command(args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.Env = p.dir, slices.Clone(p.env)
	return cmd
}

func (p *place) run(args ...string) (stdout, stderr string, code int) {
	p.Helper()
	var out, errs bytes.Buffer
	cmd := p.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	if holdsKey(out.String() + errs.String()) {
		p.Errorf("%q shows a key: %s%s", args, &out, &errs)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (p *place) must(args ...string) string {
	p.Helper()
	out, errs, code := p.run(args...)
	if code != 0 || errs != "" {
		p.Fatalf("%q: code %d, stderr %q", args, code, errs)
	}
	return out
}

// completes returns what the shell offers.
func (p *place) completes(args ...string) string {
	p.Helper()
	out, _, code := p.run(append([]string{"__complete"}, args...)...)
	if code != 0 {
		p.Fatalf("%q: code %d", args, code)
	}
	return out
}

// fails runs what must end with a code and say something.
func (p *place) fails(code int, want string, args ...string) string {
	p.Helper()
	out, errs, got := p.run(args...)
	if got != code || !strings.Contains(errs, want) {
		p.Errorf("%q: code %d, want %d; stderr %q, want %q in it", args, got, code, errs, want)
	}
	return out
}

// transcript is a run as a golden file shows it.
func (p *place) transcript(args ...string) string {
	p.Helper()
	out, errs, code := p.run(args...)
	return p.scrub(transcript(args, out, errs, code))
}

func transcript(args []string, out, errs string, code int) string {
	text := "$ telemetry-relay " + strings.Join(args, " ") + "\n" + out
	if errs != "" {
		text += "--- stderr\n" + errs
	}
	return text + fmt.Sprintf("--- exit code %d\n", code)
}

var (
	uuids  = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	looks  = regexp.MustCompile(`nothing-\d{8}T\d{6}Z`)
	hashes = regexp.MustCompile(`\b[0-9a-f]{64}\b`)
	ports  = regexp.MustCompile(`127\.0\.0\.1:[1-9]\d*`)
	times  = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| UTC)`)
)

// scrub replaces what differs between runs by a word.
func (p *place) scrub(text string) string {
	text = strings.ReplaceAll(text, p.dir, "DIR")
	text = ports.ReplaceAllString(text, "SERVER")
	return hashes.ReplaceAllString(text, "HASH")
}

// inProcess runs the commands with a clock and, on a terminal, with the screen that w is.
func (p *place) inProcess(now time.Time, w io.Writer, args ...string) (stdout, stderr string, code int) {
	p.Helper()
	root := &cobra.Command{Use: program, SilenceErrors: true, SilenceUsage: true}
	root.PersistentFlags().String("config", "", "")
	s := surroundings{lookup: func(name string) (string, bool) {
		value, found := map[string]string{"TERM": "xterm", "POSTHOG_KEY": postHogKey}[name]
		return value, found
	}, now: func() time.Time { return now }, vendors: reachable()}
	root.AddCommand(s.commands()...)
	var out, errs bytes.Buffer
	if w == nil {
		w = &out
	}
	root.SetOut(w)
	root.SetErr(&errs)
	root.SetIn(strings.NewReader(""))
	root.SetArgs(args)
	err := root.Execute()
	if err != nil {
		errs.WriteString("telemetry-relay: " + err.Error() + "\n")
	}
	return out.String(), errs.String(), telemetrycmd.ExitCode(err)
}

// lines collects what a process or a logger writes, by lines.
type lines struct {
	mu   sync.Mutex
	all  []string
	half string
	more chan struct{}
}

func newLines() *lines { return &lines{more: make(chan struct{}, 1)} }

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	whole := strings.Split(l.half+string(b), "\n")
	l.all, l.half = append(l.all, whole[:len(whole)-1]...), whole[len(whole)-1]
	select {
	case l.more <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (l *lines) with(text string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.all {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// expect waits for n lines that hold a text, and returns them.
func (l *lines) expect(t testing.TB, n int, text string) []string {
	t.Helper()
	return l.expectWithin(t, patience, n, text)
}

func (l *lines) expectWithin(t testing.TB, most time.Duration, n int, text string) []string {
	t.Helper()
	limit := time.After(most)
	for {
		if found := l.with(text); len(found) >= n {
			return found
		}
		select {
		case <-l.more:
		case <-limit:
			t.Fatalf("%q was not said %d times, but\n%s", text, n, strings.Join(l.with(""), "\n"))
		}
	}
}

// running is a relay.
type running struct {
	p      *place
	cmd    *exec.Cmd
	log    *lines
	public string
	ended  chan struct{}
}

// start starts a relay and returns when it listens.
func (p *place) start(args ...string) *running {
	p.Helper()
	r := &running{p: p, log: newLines(), ended: make(chan struct{})}
	r.cmd = p.command(append([]string{"serve", "--config", p.path("relay.yaml")}, args...)...)
	r.cmd.Stderr = r.log
	if err := r.cmd.Start(); err != nil {
		p.Fatal(err)
	}
	go func() { _ = r.cmd.Wait(); close(r.ended) }()
	p.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		<-r.ended
		if log := strings.Join(r.log.with(""), "\n"); holdsKey(log) {
			p.Errorf("the log shows a key:\n%s", log)
		}
	})
	r.public = r.url("requests of tools")
	return r
}

// url returns where a relay listens for something.
func (r *running) url(what string) string {
	r.p.Helper()
	line := r.log.expect(r.p, 1, what)[0]
	var said struct{ Msg, URL string }
	if err := json.Unmarshal([]byte(line), &said); err != nil || said.Msg != "listening" {
		r.p.Fatalf("%q is not where it listens: %v", line, err)
	}
	return said.URL
}

// wait waits for the end of a relay and returns its exit code.
func (r *running) wait() int {
	r.p.Helper()
	select {
	case <-r.ended:
	case <-time.After(patience):
		r.p.Fatal("the relay does not end")
	}
	return r.cmd.ProcessState.ExitCode()
}

func (r *running) signal(s os.Signal) {
	r.p.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.p.Fatal(err)
	}
}

func (p *place) client() *http.Client {
	if p.certificate != nil {
		return p.certificate
	}
	return &http.Client{Timeout: patience}
}

func body(tool string, who person) string {
	return fmt.Sprintf(`{"machine_id":%q,"deletion_key":%q,"tool":%q,"requested_at":"2026-11-22T11:59:00Z"}`, who.id, who.key, tool)
}

// answer is what a tool gets.
type answer struct {
	status int
	ID     string
	State  string
	Error  string
}

func (r *running) do(method, path, content string, header ...string) answer {
	r.p.Helper()
	req, err := http.NewRequest(method, r.public+path, strings.NewReader(content))
	if err != nil {
		r.p.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := r.p.client().Do(req)
	if err != nil {
		r.p.Fatal(err)
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		r.p.Fatal(err)
	}
	return a
}

// post posts a request that is accepted, and returns its ID.
func (r *running) post(tool string, who person) string {
	r.p.Helper()
	a := r.do(http.MethodPost, "/v1/deletions", body(tool, who))
	if a.status != http.StatusAccepted || len(a.ID) != 32 {
		r.p.Fatalf("answered %+v", a)
	}
	return a.ID
}
