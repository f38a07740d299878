package cli

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binary is the program, built once; see TestMain.
var binary string

func TestMain(m *testing.M) {
	if os.Getenv(helperSwitch) != "" {
		os.Exit(helper())
	}
	// Run under nohup, which ignores it, the children would ignore it too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "telemetry")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "telemetry")
		if runtime.GOOS == "windows" {
			binary += ".exe"
		}
		if out, err := exec.Command("go", "build", "-o", binary, "github.com/gotoolbase/telemetry/cmd/telemetry").CombinedOutput(); err != nil {
			panic(string(out))
		}
		return m.Run()
	}())
}

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// event is what the server is sent.
type event struct {
	Type       string
	Name       string
	DurationMS *int64 `json:"duration_ms"`
	ExitCode   *int   `json:"exit_code"`
	ErrorClass string `json:"error_class"`
	MachineID  string `json:"machine_id"`
	Metadata   map[string]string
}

// place is a home with a declared tool, and the server that it reports to.
type place struct {
	t       *testing.T
	dir     string
	program string
	config  string
	env     []string
	events  chan event
}

func newPlace(t *testing.T) *place {
	t.Helper()
	return newPlaceIn(t, t.TempDir())
}

func newPlaceIn(t *testing.T, dir string) *place {
	t.Helper()
	p := &place{t: t, dir: dir, program: binary, events: make(chan event, 100)}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			var err error
			if body, err = gzip.NewReader(r.Body); err != nil {
				t.Error(err)
				return
			}
		}
		var batch []event
		if err := json.NewDecoder(body).Decode(&batch); err != nil {
			t.Error(err)
		}
		for _, e := range batch {
			p.events <- e
		}
	}))
	t.Cleanup(server.Close)
	p.config = filepath.Join(p.dir, "mytool.yaml")
	p.declare("Name: mytool\nVersion: 1.2.3\nTelemetry:\n  Controller: the test\n  Endpoint: " + server.URL + "\n")
	home := filepath.Join(p.dir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	p.env = []string{
		"HOME=" + home, "XDG_STATE_HOME=" + filepath.Join(home, "state"), "LocalAppData=" + home, "USERPROFILE=" + home,
		"GORACE=atexit_sleep_ms=0", "PATH=" + os.Getenv("PATH"), "SystemRoot=" + os.Getenv("SystemRoot"),
	}
	return p
}

func (p *place) declare(text string) {
	p.t.Helper()
	if err := os.WriteFile(p.config, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// command is the program with --config before args.
func (p *place) command(args ...string) *exec.Cmd {
	return p.bare(append([]string{"--config", p.config}, args...)...)
}

func (p *place) bare(args ...string) *exec.Cmd {
	cmd := exec.Command(p.program, args...)
	cmd.Dir, cmd.Env = p.dir, p.env
	return cmd
}

func outcome(cmd *exec.Cmd) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (p *place) must(args ...string) string {
	p.t.Helper()
	out, errs, code := outcome(p.command(args...))
	if code != 0 || errs != "" {
		p.t.Fatalf("%v: code %d, stderr %q", args, code, errs)
	}
	return out
}

func (p *place) next() event {
	p.t.Helper()
	select {
	case e := <-p.events:
		return e
	case <-time.After(patience):
		p.t.Fatal("no event arrived")
	}
	return event{}
}

// settle waits until no background process is at work: flush waits for its lock.
func (p *place) settle() {
	p.t.Helper()
	p.must("flush")
}

func (p *place) stateless() {
	p.t.Helper()
	if entries, err := os.ReadDir(filepath.Join(p.dir, "home")); err != nil || len(entries) > 0 {
		p.t.Errorf("the home holds %v, %v", entries, err)
	}
}

func TestAfterAYesAnEventIsDeliveredByAProcessThatNobodyWaitsFor(t *testing.T) {
	p := newPlace(t)
	p.must("enable")
	if out := p.must("track", "command.invocation", "build", "--duration", "142ms", "--exit-code", "0", "--meta", "format=json", "--meta", "note=a=b, c"); out != "" {
		t.Errorf("track printed %q", out)
	}
	e := p.next()
	if e.Type != "command.invocation" || e.Name != "build" || e.DurationMS == nil || *e.DurationMS != 142 ||
		e.ExitCode == nil || *e.ExitCode != 0 || len(e.MachineID) != 32 || e.Metadata["format"] != "json" || e.Metadata["note"] != "a=b, c" {
		t.Errorf("arrived: %+v", e)
	}
	p.settle()
	p.must("track", "feature.used", "dark-mode")
	p.settle()
	if e := p.next(); e.Type != "feature.used" || e.DurationMS != nil || e.ExitCode != nil {
		t.Errorf("arrived: %+v", e)
	}
}

// The background process starts elsewhere, with an environment of its own.
func TestAFileNamedByARelativePathIsFoundByTheBackgroundProcess(t *testing.T) {
	p := newPlace(t)
	p.must("enable")
	if out, errs, code := outcome(p.bare("--config", "mytool.yaml", "track", "feature.used", "relative")); code != 0 || out+errs != "" {
		t.Fatalf("code %d, %q, %q", code, out, errs)
	}
	if e := p.next(); e.Name != "relative" {
		t.Errorf("arrived: %+v", e)
	}
	p.settle()
}

func TestWithoutAYesNothingIsRecordedPrintedOrMade(t *testing.T) {
	p := newPlace(t)
	if out := p.must("track", "feature.used", "x"); out != "" {
		t.Errorf("printed %q", out)
	}
	p.stateless()
	cmd := p.command("exec", "--", os.Args[0])
	cmd.Env = append(cmd.Env, helperSwitch+"=exit 3")
	if out, errs, code := outcome(cmd); code != 3 || out+errs != "" {
		t.Errorf("exec: code %d, %q, %q", code, out, errs)
	}
	p.stateless()
	p.must("status")
	p.stateless()
	p.declare("Name: mytool\nFeatures: {telemetry: false}\n")
	p.must("track", "feature.used", "x")
	p.stateless()
}

func TestConsentIsWithdrawnAndForgotten(t *testing.T) {
	p := newPlace(t)
	p.must("enable")
	p.must("track", "feature.used", "one")
	p.next()
	p.settle()
	p.must("track", "feature.used", "two")
	if out := p.must("disable"); !strings.Contains(out, "The event that was waiting to be sent is erased.") {
		t.Errorf("disable: %s", out)
	}
	out := p.must("reset")
	if !strings.Contains(out, "was handed over to http (127.0.0.1:") {
		t.Errorf("reset: %s", out)
	}
	if e := p.next(); e.Type != "data.deletion_request" {
		t.Errorf("arrived: %+v", e)
	}
	if len(p.events) > 0 {
		t.Errorf("arrived also: %+v", <-p.events)
	}
	if out := p.must("status", "--output", "json"); !strings.Contains(out, `"state": "off"`) {
		t.Errorf("status: %s", out)
	}
}

func TestWrongUseOfTrackIsNamedAndRecordsNothing(t *testing.T) {
	p := newPlace(t)
	for _, test := range []struct {
		args []string
		want string
		call bool // it is the call that is wrong, and not what a variable may hold
	}{
		{nil, "track takes a TYPE and a NAME, but was given 0 words", true},
		{[]string{"feature.used"}, "NAME is missing", false},
		{[]string{"x", "y", "z"}, "but was given 3 words", false},
		{[]string{" ", "y"}, "TYPE is empty", false},
		{[]string{"x", ""}, "NAME is missing", false},
		{[]string{"data.deletion_request", "y"}, "made by reset", false},
		{[]string{"telemetry.loss", "y"}, "by telemetry itself", false},
		{[]string{"command.invocation", "y", "--duration", "1s"}, "--duration and --exit-code go together", true},
		{[]string{"command.invocation", "y", "--exit-code", "1"}, "--duration and --exit-code go together", true},
		{[]string{"feature.used", "y", "--duration", "1s", "--exit-code", "1"}, "belong to command.invocation", false},
		{[]string{"command.invocation", "y", "--duration", "-1s", "--exit-code", "1"}, "--duration is negative", false},
		{[]string{"command.invocation", "y", "--duration", "142", "--exit-code", "1"}, "--duration is no duration", false},
		{[]string{"command.invocation", "y", "--duration", "", "--exit-code", ""}, "--duration is no duration", false},
		{[]string{"command.invocation", "y", "--duration", "1s", "--exit-code", "x"}, "--exit-code is no number", false},
		{[]string{"x", "y", "--meta", "s3cret"}, "--meta number 1 is not key=value", false},
		{[]string{"x", "y", "--meta", "a=1", "--meta", "=s3cret"}, "--meta number 2 is not key=value", false},
		{[]string{"x", "y", "--meta", "a=1", "--meta", "a=s3cret"}, "--meta number 2 has a key that was there before", false},
		{[]string{"x", "y", "--force"}, "unknown flag: --force", true},
	} {
		strict := append([]string{"track", "--strict"}, test.args...)
		out, errs, code := outcome(p.command(strict...))
		if code != 2 || out != "" || !strings.Contains(errs, test.want) || strings.Contains(errs, "s3cret") {
			t.Errorf("%q: code %d, %q, %q", strict, code, out, errs)
		}
		if !strings.HasPrefix(errs, "telemetry: ") || !strings.HasSuffix(errs, "telemetry track --help tells how it is used.\n") {
			t.Errorf("%q: stderr %q", strict, errs)
		}
		out, errs, code = outcome(p.command(append([]string{"track"}, test.args...)...))
		if test.call != (code == 2) || !test.call && (code != 0 || strings.Count(errs, "\n") != 1) {
			t.Errorf("%q: code %d, %q", test.args, code, errs)
		}
		if out != "" || !strings.HasPrefix(errs, "telemetry: ") || !strings.Contains(errs, test.want) || strings.Contains(errs, "s3cret") {
			t.Errorf("%q: %q, %q", test.args, out, errs)
		}
	}
	p.stateless()
}

func TestAWrongFileIsOneLineInAScriptAndAnErrorWithStrict(t *testing.T) {
	p := newPlace(t)
	for text, want := range map[string]string{
		"Name: mytool\nTelemetry:\n  Bakcend: x\n":                                                                           `line 3: Telemetry.Bakcend: unknown key; did you mean "Backend"?`,
		"Name: mytool\nTelemetry: {Backend: mixpanel}\n":                                                                     "backend \"mixpanel\" is not linked into this program, which has amplitude, datadog, file, http, noop, otlp, posthog, segment, stdout",
		"Name: mytool\nTelemetry: {Backend: posthog}\n":                                                                      "Telemetry.Settings[project_key]: required",
		"Name: mytool\nTelemetry: {Backend: posthog, Settings: {project_key: phc_k, instance: ue}}\n":                        "\"ue\" is not one of us, eu",
		"Name: mytool\nTelemetry: {Backend: posthog, Settings: {project_key: phc_k, instance: eu, endpoint: 'https://h'}}\n": "Telemetry.Settings[endpoint]: instance is set as well",
		"Name: mytool\nTelemetry: {Backend: datadog}\n":                                                                      "Telemetry.Settings[api_key]: no key",
		"Name: mytool\nTelemetry: {Backend: otlp, Settings: {endpoint: 'http://h.example'}}\n":                               "Telemetry.Settings[endpoint]: plain http://",
		"Name: mytool\nTelemetry: {Backend: segment, Settings: {write_key: k}}\n":                                            "Telemetry.Settings[instance]: not set",
		"Name: my tool\n": "Name: must be",
		"Name: mytool\nTelemetry: {Endpoint: 'http://e'}": "Telemetry.Endpoint",
		"": "the file is empty",
	} {
		p.declare(text)
		out, errs, code := outcome(p.command("track", "feature.used", "x"))
		if code != 0 || out != "" || !strings.HasPrefix(errs, "telemetry: --config: ") || !strings.Contains(errs, want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("track with %q: code %d, %q", text, code, errs)
		}
		for _, strict := range [][]string{{"track", "--strict", "feature.used", "x"}, {"exec", "--strict", "--", os.Args[0]}} {
			out, again, code := outcome(p.command(strict...))
			if code != 2 || out != "" || again != errs {
				t.Errorf("%q with %q: code %d, %q", strict, text, code, again)
			}
		}
		cmd := p.command("exec", "--", os.Args[0])
		cmd.Env = append(cmd.Env, helperSwitch+"=exit 7")
		out, errs, code = outcome(cmd)
		if code != 7 || !strings.HasPrefix(errs, "telemetry: --config: ") || strings.Count(errs, "\n") != 1 {
			t.Errorf("exec with %q: code %d, %q, %q", text, code, out, errs)
		}
	}
	if _, errs, code := outcome(p.bare("--config", filepath.Join(p.dir, "none.yaml"), "status")); code != 2 || strings.Contains(errs, p.dir) {
		t.Errorf("a file that is not there: code %d, %q", code, errs)
	}
	p.stateless()
}

// Whoever could put a file or a variable there could send the events elsewhere.
func TestTheFileIsNeverLookedForInEnvironmentOrDirectory(t *testing.T) {
	p := newPlace(t)
	text, err := os.ReadFile(p.config)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"telemetry.yaml", "telemetry.yml", ".telemetry.yaml", "config.yaml", ".env"} {
		if err := os.WriteFile(filepath.Join(p.dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.env = append(p.env, "TELEMETRY_CONFIG="+p.config, "TELEMETRY_YAML="+p.config, "CONFIG="+p.config)
	for _, args := range [][]string{{"status"}, {"track", "feature.used", "x"}, {"exec", "--", os.Args[0]}, {"--config=", "status"}} {
		cmd := p.bare(args...)
		cmd.Env = append(cmd.Env, helperSwitch+"=exit 0")
		_, errs, code := outcome(cmd)
		if code != 2 || !strings.Contains(errs, "--config is required") {
			t.Errorf("%q: code %d, %q", args, code, errs)
		}
	}
}

func TestTheShellAndTheCuriousNeedNoFile(t *testing.T) {
	p := newPlace(t)
	for line, want := range map[string]string{
		"":                      "Available Commands:",
		"--help":                "Available Commands:",
		"--version":             "telemetry version ",
		"exec --help":           "128+n",
		"help track":            "--meta key=value",
		"completion bash":       "bash completion",
		"__complete track com":  "command.invocation\t",
		"__complete track --d":  "--duration\thow long a command ran, a duration such as",
		"__complete exec --m":   "--meta\ta detail, as key=value;",
		"__complete status -o ": "json\t",
	} {
		args := strings.Split(line, " ")
		if line == "" {
			args = nil
		}
		if out, _, code := outcome(p.bare(args...)); code != 0 || !strings.Contains(out, want) {
			t.Errorf("%q: code %d, %q", line, code, out)
		}
	}
	for line, want := range map[string]string{
		"trak":    `unknown command "trak"; did you mean track?`,
		"start":   `unknown command "start"; did you mean enable?`,
		"stop":    `unknown command "stop"; did you mean disable?`,
		"--nosuc": "unknown flag: --nosuc",
		"foo":     "unknown command \"foo\"\n",
		"exec":    "exec needs a command to run",
	} {
		if _, errs, code := outcome(p.command(strings.Fields(line)...)); code != 2 || !strings.Contains(errs, want) {
			t.Errorf("%q: code %d, %q", line, code, errs)
		}
	}
	p.stateless()
}

func TestHintsNameTheFileAsItWasTyped(t *testing.T) {
	p := newPlace(t)
	odd := filepath.Join(p.dir, "my tool's.yaml")
	if err := os.Rename(p.config, odd); err != nil {
		t.Fatal(err)
	}
	out, _, _ := outcome(p.bare("--config", "my tool's.yaml", "enable"))
	if !strings.Contains(out, `telemetry --config 'my tool'\''s.yaml' disable`) {
		t.Errorf("enable printed %s", out)
	}
}

func TestExecPassesOnCodeAndStreamsAndRecordsAProgramsNameButNoFiles(t *testing.T) {
	p := newPlace(t)
	program := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	p.env = append(p.env, "PATH="+filepath.Dir(os.Args[0])+string(os.PathListSeparator)+os.Getenv("PATH"))
	p.must("enable")
	for i, test := range []struct {
		args []string
		do   string
		name string
		code int
		meta string
	}{
		{[]string{"exec", "--", filepath.Base(os.Args[0])}, "exit 0", program, 0, ""},
		{[]string{"exec", "--", os.Args[0]}, "exit 0", "command", 0, ""},
		{[]string{"exec", "./" + filepath.Base(os.Args[0])}, "exit 0", "command", 0, ""},
		{[]string{"exec", filepath.Base(os.Args[0]), "--name", "not ours"}, "exit 3", program, 3, ""},
		{[]string{"exec", "--meta", "format=json", "--meta", "s3cret", "--", os.Args[0]}, "exit 0", "command", 0, "json"},
		{[]string{"exec", "--name", "build all", "--", os.Args[0], "--", "--help"}, "cat 255", "build all", 255, ""},
	} {
		cmd := p.command(test.args...)
		cmd.Env = append(cmd.Env, helperSwitch+"="+test.do)
		cmd.Dir = filepath.Dir(os.Args[0])
		cmd.Stdin = strings.NewReader("through the pipe")
		out, errs, code := outcome(cmd)
		if code != test.code {
			t.Errorf("%q: code %d, want %d (%q)", test.args, code, test.code, errs)
		}
		if strings.HasPrefix(test.do, "cat") && (out != "through the pipe" || errs != "-- --help\n") {
			t.Errorf("%q: stdout %q, stderr %q", test.args, out, errs)
		}
		if i > 0 {
			p.settle()
		}
		e := p.next()
		if e.Type != "command.invocation" || e.Name != test.name || e.ExitCode == nil || *e.ExitCode != test.code || e.DurationMS == nil || e.Metadata["format"] != test.meta || len(e.Metadata) > 1 {
			t.Errorf("%q: arrived %+v", test.args, e)
		}
		p.settle()
	}
}

func TestExecWithNothingToRunEndsAsAShellDoesAndRecordsNothing(t *testing.T) {
	p := newPlace(t)
	p.must("enable")
	plain := filepath.Join(p.dir, "plain")
	if err := os.WriteFile(plain, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := 126
	if runtime.GOOS == "windows" {
		want = 127 // what cannot be run does not count as found there
	}
	for command, code := range map[string]int{"no-such-command-anywhere": 127, filepath.Join(p.dir, "none"): 127, plain: want} {
		_, errs, got := outcome(p.command("exec", "--", command))
		if got != code || strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "telemetry: "+command+": ") {
			t.Errorf("%s: code %d, %q", command, got, errs)
		}
	}
	if out := p.must("flush"); out != "Nothing was waiting to be sent.\n" {
		t.Errorf("flush: %q", out)
	}
}

func TestAHomeThatCannotBeWrittenChangesNothingForTheScript(t *testing.T) {
	p := newPlace(t)
	for i, entry := range p.env {
		if strings.HasPrefix(entry, "HOME=") || strings.HasPrefix(entry, "XDG_STATE_HOME=") || strings.HasPrefix(entry, "LocalAppData=") {
			p.env[i], _, _ = strings.Cut(entry, "=")
			p.env[i] += "=" + filepath.Join(p.config, "below a file")
		}
	}
	p.env = append(p.env, "TELEMETRY_ENABLED=1")
	if out := p.must("track", "feature.used", "x"); out != "" {
		t.Errorf("track printed %q", out)
	}
	cmd := p.command("exec", "--", os.Args[0])
	cmd.Env = append(cmd.Env, helperSwitch+"=exit 4")
	if out, errs, code := outcome(cmd); code != 4 || out+errs != "" {
		t.Errorf("exec: code %d, %q, %q", code, out, errs)
	}
	if _, err := os.Stat(p.config); errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestACommandOfOperatorsSaysWhereItWent(t *testing.T) {
	p := newPlace(t)
	for line, now := range map[string]string{
		"relay --config relay.yaml":      "what was telemetry relay is telemetry-relay serve now",
		"erasures list --ledger x":       "what was telemetry erasures is telemetry-relay deletions now",
		"erase --machine-id x --dry-run": "what was telemetry erase is telemetry-relay delete now",
		"erase --help":                   "what was telemetry erase is telemetry-relay delete now",
	} {
		out, errs, code := outcome(p.bare(strings.Fields(line)...))
		if code != 2 || out != "" || errs != "telemetry: "+now+", a program of its own\n" {
			t.Errorf("%q: code %d, %q, %q", line, code, out, errs)
		}
	}
	if out, _, _ := outcome(p.bare("--help")); strings.Contains(out, "\n  erase") || strings.Contains(out, "relay") {
		t.Errorf("the help still lists them:\n%s", out)
	}
}
