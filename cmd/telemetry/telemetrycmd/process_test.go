package telemetrycmd

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
)

// builtIn is the directory of built, "" before it was called; TestMain removes it.
var builtIn string

// built is the tool of testdata/tool, built once for all tests that run it.
var built = sync.OnceValues(func() (string, error) {
	var err error
	if builtIn, err = os.MkdirTemp("", "telemetrycmd"); err != nil {
		return "", err
	}
	path := filepath.Join(builtIn, "mytool.exe") // a name that every system runs
	if out, err := exec.Command("go", "build", "-o", path, "./testdata/tool").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// place is where a tool was installed, said yes to, and reports to a server.
type place struct {
	t     *testing.T
	exe   string
	state string
	env   []string
	attr  *syscall.SysProcAttr // how its processes are started, nil for as usual

	mu       sync.Mutex
	down     bool            // the server takes nothing, for now
	received strings.Builder // all of the requests
	events   []driver.Event
}

func newPlace(t *testing.T, env ...string) *place {
	t.Helper()
	p := newEmptyPlace(t, t.TempDir(), env...)
	p.must("telemetry", "enable")
	return p
}

// newEmptyPlace is a place in a directory, where nobody has said anything yet.
func newEmptyPlace(t *testing.T, dir string, env ...string) *place {
	t.Helper()
	exe, err := built()
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t: t, exe: exe, state: filepath.Join(dir, "state")}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var events []driver.Event
		if err == nil {
			err = json.Unmarshal(body, &events)
		}
		if err != nil {
			t.Errorf("%v in %s", err, body)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.down {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(&p.received, r.Method, r.URL, r.Header, string(body))
		p.events = append(p.events, events...)
	}))
	t.Cleanup(server.Close)
	// In a job the commands themselves send, so no process is left behind.
	p.env = append([]string{"PATH=" + os.Getenv("PATH"), "CI=true", "HOME=" + t.TempDir(),
		"TOOL_STATE=" + p.state, "TOOL_ENDPOINT=" + server.URL}, env...)
	return p
}

// command is the tool with arguments, not yet started.
func (p *place) command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.exe, args...)
	cmd.Env, cmd.SysProcAttr = p.env, p.attr
	return cmd
}

// run runs the tool and returns its exit code.
func (p *place) run(args ...string) int {
	p.t.Helper()
	cmd := p.command(args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		p.t.Fatalf("%v: %v: %s", args, err, out)
	}
	return cmd.ProcessState.ExitCode()
}

// must runs the tool, which must succeed, and returns what it printed.
func (p *place) must(args ...string) string {
	p.t.Helper()
	out, err := p.command(args...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("%v: %v: %s", args, err, out)
	}
	return string(out)
}

// flushed returns all events that were sent, after whatever waits was.
func (p *place) flushed() []driver.Event {
	p.t.Helper()
	p.must("telemetry", "flush")
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]driver.Event(nil), p.events...)
}

// everything returns what of a person's doings can be found: on the wire, in the state
// directory and in what status prints.
func (p *place) everything() string {
	p.t.Helper()
	var all strings.Builder
	all.WriteString(p.must("telemetry", "status", "--explain"))
	all.WriteString(p.must("telemetry", "status", "--output", "json", "--explain"))
	err := filepath.WalkDir(p.state, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		fmt.Fprintln(&all, path, string(content))
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return all.String() + p.received.String()
}

// Canaries are plain words, so that nothing is found by its looks.
const (
	canary  = "quokkaharbour"
	canary2 = "numbatlagoon"
)

func TestNothingThatAPersonTypedIsFoundAnywhere(t *testing.T) {
	t.Parallel()
	lines := [][]string{
		{"deploy", "--token=" + canary}, {"deploy", "--token", canary}, {"deploy", "-t" + canary}, {"deploy", "-t", canary},
		{"deploy", "-t=" + canary}, {"deploy", "-qt" + canary}, {"deploy", "-qt", canary}, {"--profile", canary, "deploy"},
		{"deploy", canary}, {"deploy", canary, canary2}, {"deploy", "--", "--" + canary}, {"deploy", "--", "-" + canary},
		{"deploy-" + canary}, {canary, "deploy"}, {"remote", canary}, {"remote", canary, "add"}, {"remote", "add", canary},
		{"remote", "add", canary, canary2}, {"strict", canary}, {"valid", canary},
		{"--" + canary}, {"--" + canary + "=" + canary2}, {"deploy", "--" + canary}, {"deploy", "--" + canary + "=" + canary2},
		{"deploy", "--" + canary, canary2}, {"deploy", "-" + canary}, {"deploy", "-q" + canary}, {"deploy", "--token-" + canary + "=x"},
		{"deploy", "--=" + canary}, {"deploy", "---" + canary}, {"deploy", "--quiet=" + canary},
		{"deploy", "--number=" + canary}, {"deploy", "-n" + canary}, {"deploy", "-qn", canary}, {"deploy", canary, "--token"},
		{"pass", "--" + canary, canary2}, {"pass", "--" + canary + "=" + canary2}, {"pass", "-" + canary}, {"pass", "--", canary},
		{"exit", canary}, {"help", canary}, {"completion", canary}, {"__complete", "deploy", canary}, {"telemetry", canary},
	}
	const silent = 4 // help, completion, __complete and telemetry
	for _, extended := range []string{"no", "yes"} {
		for _, execute := range []string{"yes", "no"} {
			t.Run("extended="+extended+",execute="+execute, func(t *testing.T) {
				t.Parallel()
				p := newPlace(t, "TOOL_EXTENDED="+extended, "TOOL_EXECUTE="+execute, "ACME_TOKEN="+canary, canary2+"="+canary)
				for _, line := range lines {
					p.run(line...)
				}
				waiting := p.everything()
				events := p.flushed()
				if execute == "yes" && len(events) != len(lines)-silent {
					t.Errorf("%d of %d commands recorded", len(events), len(lines)-silent)
				}
				for _, all := range []string{waiting, p.everything()} {
					for _, word := range []string{canary, canary2} {
						if at := strings.Index(strings.ToLower(all), word); at >= 0 {
							t.Errorf("%s is in …%s…", word, all[max(0, at-300):min(len(all), at+300)])
						}
					}
				}
				// Were there something to be seen, it would be.
				p.run("leak", canary)
				if !strings.Contains(p.everything(), canary) {
					t.Error("what is stored was not looked at")
				}
				p.flushed()
				if !strings.Contains(p.received.String(), canary) {
					t.Error("what is sent was not looked at")
				}
			})
		}
	}
}

func TestASignalEndsACommandAsAnInterruption(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals to send")
	}
	t.Parallel()
	for command, class := range map[string]string{"wait": "interrupted", "wait-cause": "interrupted", "wait-own": "interrupted", "wait-well": ""} {
		for signal, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 129} {
			for _, execute := range []string{"yes", "no"} {
				t.Run(fmt.Sprint(command, signal, execute), func(t *testing.T) {
					t.Parallel()
					code := code
					switch {
					case command == "wait-well":
						code = 0
					case command == "wait-own":
						code = 1
					case command == "wait" && execute == "no":
						code = 130 // the error is all that ExitCode knows
					}
					p := newPlace(t, "TOOL_EXECUTE="+execute)
					cmd := p.command(command)
					out, err := cmd.StdoutPipe()
					if err != nil {
						t.Fatal(err)
					}
					if err := cmd.Start(); err != nil {
						t.Fatal(err)
					}
					if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
						t.Fatal(err)
					}
					if err := cmd.Process.Signal(signal); err != nil {
						t.Fatal(err)
					}
					_ = cmd.Wait()
					if got := cmd.ProcessState.ExitCode(); got != code {
						t.Errorf("it ended with %d, want %d", got, code)
					}
					if sent := p.arrived(); sent != 1 { // the signal ended the command's context, not what is sent after it
						t.Errorf("%d events were sent by the command itself", sent)
					}
					one(t, p, command, code, class)
				})
			}
		}
	}
}

// one checks that one command was sent, and how it ended.
func one(t *testing.T, p *place, name string, code int, class string) driver.Event {
	t.Helper()
	events := p.flushed()
	if len(events) != 1 {
		t.Fatalf("sent %+v", events)
	}
	if e := events[0]; e.Name != name || *e.ExitCode != code || e.ErrorClass != class {
		t.Errorf("sent %s with %d, %q; want %s with %d, %q", e.Name, *e.ExitCode, e.ErrorClass, name, code, class)
	}
	return events[0]
}

func TestAProgramThatASignalEndedWasInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs sh")
	}
	t.Parallel()
	for script, want := range map[string]struct {
		code  int
		class string
	}{
		"kill -TERM $$": {143, "interrupted"},
		"kill -INT $$":  {130, "interrupted"},
		"kill -SEGV $$": {139, "other"},
		"exit 130":      {130, "interrupted"}, // as shells say that their program was
		"exit 3":        {3, "other"},
	} {
		p := newPlace(t)
		if code := p.run("sh", script); code != want.code {
			t.Errorf("%s: it ended with %d, want %d", script, code, want.code)
		}
		one(t, p, "sh", want.code, want.class)
	}
}

func TestExitRecordsTheCommandAndEndsTheProcess(t *testing.T) {
	t.Parallel()
	for _, execute := range []string{"yes", "no"} {
		for code, class := range map[string]string{"0": "", "3": "other", "130": "interrupted"} {
			p := newPlace(t, "TOOL_EXECUTE="+execute)
			got := p.run("exit", code)
			if fmt.Sprint(got) != code {
				t.Errorf("it ended with %d, want %s", got, code)
			}
			e := one(t, p, "exit", got, class)
			if e.Metadata["format"] != "json" {
				t.Errorf("the annotation is not there: %v", e.Metadata)
			}
		}
		p := newPlace(t, "TOOL_EXECUTE="+execute)
		if code := p.run("exit-in-hook"); code != 5 {
			t.Errorf("it ended with %d", code)
		}
		one(t, p, "exit-in-hook", 5, "other")
		p = newPlace(t, "TOOL_EXECUTE="+execute)
		if code := p.run("calls-exit", "4"); code != 4 {
			t.Errorf("it ended with %d", code)
		}
		var names []string
		for _, e := range p.flushed() {
			names = append(names, fmt.Sprint(e.Name, " ", *e.ExitCode))
		}
		if got := strings.Join(names, ", "); got != "exit 4, calls-exit 4" {
			t.Errorf("sent %s", got)
		}
	}
	p := newPlace(t)
	p.env = append(p.env, "TOOL_DIFFICULT=exit without a context")
	if code := p.run(); code != 7 {
		t.Errorf("without a context it ended with %d", code)
	}
}
