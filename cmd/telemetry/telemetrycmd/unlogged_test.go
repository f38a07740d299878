package telemetrycmd

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// says runs a command of telemetry, and reports whether what it prints, in whatever lines, has
// a text.
func (p *place) says(text string, args ...string) bool {
	p.t.Helper()
	return strings.Contains(strings.Join(strings.Fields(p.must(append([]string{"telemetry"}, args...)...)), " "), text)
}

// json runs a command of telemetry and returns what it prints.
func (p *place) asJSON(args ...string) map[string]any {
	p.t.Helper()
	var all map[string]any
	out, _ := p.command(append([]string{"telemetry"}, args...)...).Output() // an export says with its code that it is not whole
	if err := json.Unmarshal(out, &all); err != nil {
		p.t.Fatalf("%v: %v: %s", args, err, out)
	}
	return all
}

func (p *place) arrived() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.events)
}

// frozen binds a file or folder over itself, and keeps it from being written to until thaw.
func frozen(t *testing.T, path string) (thaw func()) {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("needs a file system of its own")
	}
	if out, err := exec.Command("mount", "--bind", path, path).CombinedOutput(); err != nil {
		t.Skipf("nothing can be mounted here: %s", out)
	}
	thaw = func() { _ = exec.Command("umount", "-l", path).Run() }
	t.Cleanup(thaw)
	if out, err := exec.Command("mount", "-o", "remount,ro,bind", path).CombinedOutput(); err != nil {
		t.Skipf("nothing can be mounted here: %s", out)
	}
	return thaw
}

const (
	uncounted    = "What is sent now can be written into no log, and is not counted"
	neverCounted = "What is sent while nothing can be stored here is in no log"
)

func TestWhatIsSentWhereNothingCanBeStoredIsInNoLogAndThatIsSaid(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]bool{"before anything was stored": false, "after it was": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			if before {
				p.must("deploy")
			} else {
				p.env = append(p.env, "MYTOOL_TELEMETRY=on")
				if err := os.RemoveAll(p.state); err != nil {
					t.Fatal(err)
				}
			}
			sent := p.arrived()
			thaw := frozen(t, filepath.Dir(p.state))
			p.must("deploy")
			if p.arrived() <= sent {
				t.Fatal("it was not sent, so there is nothing to be told")
			}
			for _, args := range [][]string{{"status"}, {"log"}, {"log", "--verify"}} {
				if !p.says(uncounted, args...) {
					t.Errorf("%s does not say that there is no log:\n%s", args, p.must(append([]string{"telemetry"}, args...)...))
				}
			}
			for _, args := range [][]string{{"status", "--output", "json"}, {"log", "--output", "json"}, {"log", "--verify", "--output", "json"}, {"export"}} {
				all := p.asJSON(args...)
				if args[0] == "export" {
					all = all["sent"].(map[string]any)
				}
				if all["unlogged"] != true {
					t.Errorf("%s says nothing of it: %v", args, all)
				}
			}
			thaw()
			for _, args := range [][]string{{"status"}, {"log"}, {"log", "--verify"}} {
				if p.says(uncounted, args...) {
					t.Errorf("%s says that there is no log where there can be one", args)
				}
			}
			if !p.says(neverCounted, "log", "--verify") || !p.says(neverCounted, "log", "--help") {
				t.Error("nobody is told afterwards that the log may lack something")
			}
		})
	}
}

// onAMachine runs the tool below a first process that is an init, as on no container.
func (p *place) onAMachine(args ...string) string {
	p.t.Helper()
	init := filepath.Join(p.t.TempDir(), "init")
	sh, err := exec.LookPath("sh")
	if err == nil {
		err = os.Symlink(sh, init) // the kernel names a process by what was run
	}
	if err != nil {
		p.t.Skip(err)
	}
	cmd := exec.Command("unshare", append([]string{"--pid", "--fork", "--mount-proc", "--", init, "-c", `"$@"; exit $?`, "init", p.exe}, args...)...)
	cmd.Env = p.env
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil || strings.HasPrefix(string(out), "unshare: ") {
		p.t.Skipf("no process of its own kind can be made here: %v %s", err, out)
	}
	return string(out)
}

func TestWhereNothingIsStoredAndNothingSentNobodySpeaksOfALogThatLacksIt(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.must("deploy")
	for i, pair := range p.env {
		if strings.HasPrefix(pair, "CI=") {
			p.env[i] = "CI=false"
		}
	}
	defer frozen(t, filepath.Dir(p.state))()
	sent := p.arrived()
	p.onAMachine("deploy")
	if out := p.onAMachine("telemetry", "status"); !strings.Contains(out, "off (allowed, but something is wrong)") || p.arrived() != sent {
		t.Fatalf("%d more arrived, and status says:\n%s", p.arrived()-sent, out)
	}
	for _, args := range [][]string{{"status"}, {"log"}, {"log", "--verify"}, {"log", "-o", "json"}, {"export"}} {
		if out := p.onAMachine(append([]string{"telemetry"}, args...)...); strings.Contains(out, uncounted) || strings.Contains(out, `"unlogged"`) {
			t.Errorf("%v says:\n%s", args, out)
		}
	}
}

func TestRequestsThatAreNotInTheLogAreToldByEveryCommandThatTellsOfIt(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.must("deploy")
	p.must("telemetry", "flush")
	thaw := frozen(t, filepath.Join(p.state, "sent.log"))
	for range 2 {
		sent := p.arrived()
		p.must("deploy")
		p.must("telemetry", "flush")
		if p.arrived() <= sent {
			t.Fatal("it was not sent")
		}
	}
	for range 2 { // before the log can be written again, and after that
		for _, args := range [][]string{{"status"}, {"log"}, {"log", "--verify"}, {"export"}} {
			if !p.says("2 requests were sent and could not be written into the log", args...) {
				t.Errorf("%s does not tell of them:\n%s", args, p.must(append([]string{"telemetry"}, args...)...))
			}
		}
		if n := p.asJSON("status", "--output", "json")["log_gaps"]; n != 2.0 {
			t.Errorf("status counts %v", n)
		}
		if p.says(uncounted, "status") {
			t.Error("status says that they are not counted")
		}
		thaw()
		p.must("deploy")
		p.must("telemetry", "flush")
	}
}

func TestARequestIsCountedWhereNoFileCanBeMade(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.must("deploy")
	p.must("telemetry", "flush")
	p.must("deploy")
	// A file that is there can be touched on a disk that holds no other one.
	for _, name := range []string{"sent.log", "sent.log.head"} {
		if err := os.Remove(filepath.Join(p.state, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(p.state, "sent.gaps")); err != nil {
		t.Errorf("what counts is not there from the beginning: %v", err)
	}
	if err := os.Mkdir(filepath.Join(p.state, "sent.log"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.must("telemetry", "flush")
	if n := p.asJSON("status", "--output", "json")["log_gaps"]; n == nil {
		t.Error("what was sent was not counted")
	}
}

func TestThatALogWasErasedOrLostItsEndIsTold(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.must("deploy")
	log, head := filepath.Join(p.state, "sent.log"), filepath.Join(p.state, "sent.log.head")
	content, err := os.ReadFile(log)
	if err != nil || p.arrived() == 0 {
		t.Fatal(err)
	}
	if p.says("nothing is in the log", "log") {
		t.Error("a log that is there is told as erased")
	}
	if err := errors.Join(os.Remove(head), os.WriteFile(log, content[:bytes.IndexByte(content, '\n')+1], 0o600)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // also after another request
		if p.run("telemetry", "log", "--verify") != 1 {
			t.Errorf("the end is missing, and nothing says so: %s", p.must("telemetry", "log", "--verify"))
		}
		p.must("deploy")
		p.must("telemetry", "flush")
	}
	// With what says which entry was the last, it is known by the events that were delivered alone.
	if err := errors.Join(os.Remove(head), os.Remove(log), os.Remove(filepath.Join(p.state, "logged"))); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"log"}, {"log", "--verify"}} {
		if !p.says("that were delivered nothing is in the log", args...) {
			t.Errorf("%s tells nothing of a log that is gone: %s", args, p.must(append([]string{"telemetry"}, args...)...))
		}
	}
}

func TestAPreviewSaysWhichTimesAreNotKnownYet(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.must("deploy")
	p.must("deploy")
	slots, err := filepath.Glob(filepath.Join(p.state, "queue", "*.events2"))
	if err != nil {
		t.Fatal(err)
	}
	ahead := time.Now().Add(24 * time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")
	changed := 0
	for _, slot := range slots {
		content, err := os.ReadFile(slot)
		if err != nil {
			t.Fatal(err)
		}
		moved := timestamps.ReplaceAll(content, []byte(`"timestamp":"`+ahead+`"`))
		if err := os.WriteFile(slot, moved, 0o600); err != nil {
			t.Fatal(err)
		}
		changed += bytes.Count(moved, []byte(ahead))
	}
	if changed == 0 {
		t.Fatal("nothing waits")
	}
	for _, args := range [][]string{{"inspect"}, {"inspect", "--next"}, {"inspect", "--next", "--raw"}} {
		if !p.says("with the time of sending", args...) {
			t.Errorf("%s does not say that the time is another one: %s", args, p.must(append([]string{"telemetry"}, args...)...))
		}
	}
	if n := p.asJSON("inspect", "--next", "--output", "json")["request"].(map[string]any)["times_of_sending"]; n != float64(changed) {
		t.Errorf("%v of the request, %d were changed", n, changed)
	}
	for i, w := range p.asJSON("inspect", "--output", "json")["waiting"].([]any) {
		if w.(map[string]any)["time_of_sending"] != true {
			t.Errorf("event %d: %v", i, w)
		}
	}
}

// tear leaves the log of what was sent as a process does that is killed while it writes.
func (h *home) tear() {
	h.t.Helper()
	path := filepath.Join(h.dir, "sent.log")
	content, err := os.ReadFile(path)
	if err != nil {
		h.t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(content, []byte("\n")), []byte("\n"))
	torn := fmt.Sprintf("%x", sha256.Sum256(lines[len(lines)-1]))[:20]
	if err := os.WriteFile(path, append(content, torn...), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

var timestamps = regexp.MustCompile(`"timestamp":"[^"]*"`)

func TestAPreviewSaysThatThereIsNoMachineIDYet(t *testing.T) {
	t.Parallel()
	const remark = "There is no machine ID yet"
	h := newHome(t)
	h.env["TELEMETRY_ENABLED"] = "1"
	h.record(1)
	if err := os.Remove(filepath.Join(h.dir, "identity.unused")); err != nil { // as where no process has looked yet
		t.Fatal(err)
	}
	for _, args := range [][]string{{"telemetry", "inspect"}, {"telemetry", "inspect", "--next"}, {"telemetry", "inspect", "--next", "--raw"}} {
		out, errs, code := h.run(args...)
		if code != 0 || !strings.Contains(out+errs, remark) {
			t.Errorf("%v: code %d, %q, %q", args, code, out, errs)
		}
	}
	if out := h.must("telemetry", "flush"); strings.Contains(out, remark) || !strings.Contains(h.sent()[0], `"machine_id":"`) {
		t.Errorf("%q, sent %q", out, h.sent())
	}
	h.record(1)
	if out, errs, code := h.run("telemetry", "inspect"); code != 0 || errs != "" || !strings.Contains(out, `"machine_id":"`) {
		t.Errorf("with an ID: code %d, %q, %q", code, out, errs)
	}
}

func TestALookThatWaitedForAnUploadSaysWhatTookTheEvents(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"telemetry", "inspect"}, {"telemetry", "inspect", "--next"}} {
		h := newHome(t)
		h.must("telemetry", "enable")
		h.record(1)
		said := make(chan string, 1)
		h.mu.Lock()
		h.answer = func(http.ResponseWriter, *http.Request) {
			go func() {
				out, errs, _ := h.run(args...)
				said <- out + errs
			}()
			for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
				if waits, _ := filepath.Glob(filepath.Join(h.dir, ".preview-*")); len(waits) > 0 {
					return
				}
			}
			t.Error("nobody looked")
		}
		h.mu.Unlock()
		h.run("telemetry", "flush")
		if text := <-said; !strings.Contains(text, "An upload was under way, and nothing waits any more. What it sent: mytool telemetry log") {
			t.Errorf("%v: %s", args, text)
		}
	}
}
