//go:build unix

package cli

import (
	"bufio"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A literal copy: the production list is what is tested.
var forwardedInTest = []os.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2,
}

// running is exec with the helper under it, in a session of its own: signals come from
// us alone.
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func (p *place) run(do string, command ...string) *running {
	p.t.Helper()
	cmd := p.command(append([]string{"exec", "--name", "helper", "--"}, command...)...)
	cmd.Env = append(cmd.Env, helperSwitch+"="+do)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return launch(p.t, cmd)
}

func launch(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(2*patience, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() { timer.Stop() })
	r := &running{t, cmd, bufio.NewScanner(out)}
	r.expect("ready")
	return r
}

func (r *running) expect(want string) {
	r.t.Helper()
	if !r.lines.Scan() || r.lines.Text() != want {
		r.t.Fatalf("the command said %q, want %q (%v)", r.lines.Text(), want, r.lines.Err())
	}
}

func (r *running) send(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// end returns what else the command said and how exec ended.
func (r *running) end() (rest []string, status syscall.WaitStatus) {
	for r.lines.Scan() {
		rest = append(rest, r.lines.Text())
	}
	_ = r.cmd.Wait()
	return rest, r.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

func TestEverySignalReachesTheCommandOnce(t *testing.T) {
	p := newPlace(t)
	r := p.run("count 300ms", os.Args[0])
	for _, s := range forwardedInTest {
		r.send(s.(syscall.Signal))
		r.expect("got " + s.String())
	}
	if rest, status := r.end(); len(rest) > 0 || !status.Exited() || status.ExitStatus() != 0 {
		t.Errorf("then came %q, and it ended with %v", rest, status)
	}
}

func TestACommandThatASignalEndsIsRecordedAndEndsExecLikewise(t *testing.T) {
	p := newPlace(t)
	p.must("enable")
	for i, test := range []struct {
		signal syscall.Signal
		raised bool
	}{
		{syscall.SIGTERM, true},
		{syscall.SIGINT, true},
		{syscall.SIGHUP, true},
		{syscall.SIGUSR1, false},
	} {
		r := p.run("", "sh", "-c", "echo ready; exec sleep 60") // Go's runtime would catch some of them
		r.send(test.signal)
		_, status := r.end()
		if test.raised && (!status.Signaled() || status.Signal() != test.signal) {
			t.Errorf("%v: ended with %v", test.signal, r.cmd.ProcessState)
		}
		if !test.raised && (!status.Exited() || status.ExitStatus() != 128+int(test.signal)) {
			t.Errorf("%v: ended with %v", test.signal, r.cmd.ProcessState)
		}
		if i > 0 {
			p.settle()
		}
		if e := p.next(); e.Name != "helper" || e.ExitCode == nil || *e.ExitCode != 128+int(test.signal) {
			t.Errorf("%v: arrived %+v", test.signal, e)
		}
		p.settle()
	}
}

func TestSIGKILLOfTheCommandIsExitCode137(t *testing.T) {
	p := newPlace(t)
	out, _, code := outcome(p.command("exec", "--", "sh", "-c", "kill -KILL $$"))
	if code != 137 || out != "" {
		t.Errorf("code %d, %q", code, out)
	}
}

// nohup ignores SIGHUP for whatever it starts, which exec must not undo.
func TestASignalThatWasIgnoredStaysIgnored(t *testing.T) {
	p := newPlace(t)
	cmd := exec.Command("sh", "-c", `trap "" HUP; exec "$@"`, "sh", binary, "--config", p.config, "exec", "--", os.Args[0])
	cmd.Env = append(p.env, helperSwitch+"=wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	r := launch(t, cmd)
	r.send(syscall.SIGHUP)
	r.send(syscall.SIGTERM)
	if _, status := r.end(); !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("ended with %v", r.cmd.ProcessState)
	}
}

func TestExecStartsNoCommandTwiceAndLeavesNoneBehind(t *testing.T) {
	p := newPlace(t)
	mark := filepath.Join(p.dir, "mark")
	out, errs, code := outcome(p.command("exec", "--", "sh", "-c", `echo once >> "$1"; exit 5`, "sh", mark))
	content, err := os.ReadFile(mark)
	if code != 5 || out+errs != "" || err != nil || strings.Count(string(content), "once") != 1 {
		t.Errorf("code %d, %q, %q, file %q %v", code, out, errs, content, err)
	}
}

// begun waits until the command that runs is noted on disk: it is noted when it runs.
func (p *place) begun() {
	p.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		noted := false
		_ = filepath.WalkDir(filepath.Join(p.dir, "home"), func(path string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".running") {
				info, err := d.Info()
				noted = noted || err == nil && info.Size() > 0
			}
			return nil
		})
		if noted {
			return
		}
	}
	p.t.Fatal("the command that runs is noted nowhere")
}

func TestACommandWhoseExecIsKilledIsToldAllTheSame(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.must("enable")
	r := p.run("wait", os.Args[0])
	p.begun()
	r.send(syscall.SIGKILL)
	_, _ = r.cmd.Process.Wait()
	defer func() { _ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL) }() // the command lives on
	p.must("flush")
	if e := p.next(); e.Type != "command.invocation" || e.Name != "helper" || e.ErrorClass != "ended_unrecorded" {
		t.Errorf("arrived: %+v", e)
	}
}

func TestACommandOfExecThatANoCameIntoIsNotRecorded(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.must("enable")
	r := p.run("wait", os.Args[0])
	p.begun()
	p.must("disable")
	p.must("enable")
	r.send(syscall.SIGTERM)
	r.end()
	p.must("track", "feature.used", "after")
	if e := p.next(); e.Name != "after" {
		t.Errorf("arrived: %+v", e)
	}
	p.settle()
	if out := p.must("inspect"); out != "" || len(p.events) > 0 {
		t.Errorf("%d more arrived, and there wait: %s", len(p.events), out)
	}
}
