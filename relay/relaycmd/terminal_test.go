//go:build !notelemetry && (linux || darwin)

package relaycmd

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/gotoolbase/telemetry/internal/standin/datadog"
	"github.com/gotoolbase/telemetry/internal/standin/posthog"
)

// shown returns what a command writes to a terminal of so many columns.
func (h *history) shown(columns uint16, args ...string) string {
	h.Helper()
	ptmx, tty, err := pty.Open()
	if err != nil {
		h.Skipf("no pseudo-terminal: %v", err)
	}
	defer ptmx.Close()
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: columns}); err != nil {
		h.Fatal(err)
	}
	var out bytes.Buffer
	done := make(chan struct{})
	go func() { defer close(done); _, _ = io.Copy(&out, ptmx) }() // ends with EIO once nobody has it open
	_, errs, code := h.inProcess(later, tty, append(args, "--database", "sqlite:"+h.path("data/relay.db"))...)
	tty.Close()
	<-done
	text := strings.ReplaceAll(out.String(), "\r\n", "\n")
	return h.scrub(transcript(args, strings.ReplaceAll(text, "\x1b", "ESC"), errs, code))
}

func TestOnATerminalThereAreTablesAndColours(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	golden(t, "terminal_list", h.shown(160, "deletions", "list"))
	golden(t, "terminal_list_narrow", h.shown(60, "deletions", "list"))
	golden(t, "terminal_list_none", h.shown(160, "deletions", "list", "--tool", "nobodys"))
	golden(t, "terminal_show", h.shown(300, "deletions", "show", h.ids[2]))
	golden(t, "terminal_verify", h.shown(160, "deletions", "verify"))
}

// dialogue is a command on a terminal, with somebody in front of it.
type dialogue struct {
	t      *testing.T
	pty    *os.File
	cmd    *exec.Cmd
	mu     sync.Mutex
	screen bytes.Buffer
	more   chan struct{}
	done   chan struct{}
}

func (p *place) talk(args ...string) *dialogue {
	p.Helper()
	ptmx, tty, err := pty.Open()
	if err != nil {
		p.Skipf("no pseudo-terminal: %v", err)
	}
	p.Cleanup(func() { ptmx.Close() })
	d := &dialogue{t: p.T, pty: ptmx, cmd: p.command(args...), more: make(chan struct{}, 1), done: make(chan struct{})}
	d.cmd.Stdin, d.cmd.Stdout, d.cmd.Stderr = tty, tty, tty
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := d.cmd.Start(); err != nil {
		p.Fatal(err)
	}
	tty.Close()
	timer := time.AfterFunc(2*patience, func() { _ = d.cmd.Process.Kill() })
	p.Cleanup(func() { timer.Stop() })
	go d.read()
	return d
}

func (d *dialogue) read() {
	defer close(d.done)
	buffer := make([]byte, 4096)
	for {
		n, err := d.pty.Read(buffer)
		d.mu.Lock()
		d.screen.Write(buffer[:n])
		d.mu.Unlock()
		select {
		case d.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (d *dialogue) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.ReplaceAll(d.screen.String(), "\r\n", "\n")
}

// expect waits until something is shown.
func (d *dialogue) expect(text string) {
	d.t.Helper()
	limit := time.After(patience)
	for !strings.Contains(d.text(), text) {
		select {
		case <-d.more:
		case <-limit:
			d.t.Fatalf("%q was not shown:\n%s", text, d.text())
		}
	}
}

func (d *dialogue) types(keys string) {
	d.t.Helper()
	if _, err := io.WriteString(d.pty, keys); err != nil {
		d.t.Fatal(err)
	}
}

// end returns the exit code.
func (d *dialogue) end() int {
	d.t.Helper()
	err := d.cmd.Wait()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		d.t.Fatal(err)
	}
	<-d.done
	return d.cmd.ProcessState.ExitCode()
}

const haveItDeleted = "Have it deleted? [y/N] "

func TestOnATerminalAPersonSeesWhatThereIsAndIsAskedBeforeItIsDeleted(t *testing.T) {
	t.Parallel()
	for keys, deleted := range map[string]bool{"y\n": true, "YES\n": true, "n\n": false, "\n": false, "what\n": false, "\x04": false} {
		p := newPlace(t)
		who := somebody(1)
		p.postHog.Capture(who.id, time.Now())
		d := p.talk(p.atPostHog(who)...)
		d.expect(haveItDeleted)
		if !strings.Contains(d.text(), "has of the machine "+who.id) || p.postHog.Count(posthog.BulkDelete) > 0 {
			t.Errorf("before the question: %s", d.text())
		}
		d.types(keys)
		code := d.end()
		if deleted != (p.postHog.Count(posthog.BulkDelete) == 1) || deleted != (code == 0) {
			t.Errorf("%q: code %d, asked %d times:\n%s", keys, code, p.postHog.Count(posthog.BulkDelete), d.text())
		}
		if !deleted && !strings.Contains(d.text(), "telemetry-relay: nothing was changed\n") {
			t.Errorf("%q: %s", keys, d.text())
		}
		if holdsKey(d.text()) {
			t.Errorf("a key is shown: %s", d.text())
		}
	}
}

func TestWithYesNobodyIsAskedOnATerminalEither(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	who := somebody(1)
	p.dataDog.Store(datadog.Log{Host: who.id, Service: "mytool"})
	d := p.talk(p.atDataDog(who, "--yes")...)
	if code := d.end(); code != 0 || strings.Contains(d.text(), "[y/N]") {
		t.Errorf("code %d: %s", code, d.text())
	}
	// The dialogue for taking it back.
	back := p.talk(p.atDataDog(who, "--cancel", "753")...)
	back.expect("Take the request back? [y/N] ")
	back.types("y\n")
	if code := back.end(); code != 0 || p.dataDog.Requests()[0].Status != datadog.Cancelled {
		t.Errorf("code %d: %s", code, back.text())
	}
}

func TestTheLogIsTextOnATerminal(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.declare()
	d := p.talk("serve", "--config", "relay.yaml")
	d.expect("level=INFO msg=listening url=http://127.0.0.1:")
	// As Ctrl-C does, but for one thing: the key also throws away what is on its way to the
	// terminal, and with it what the relay says last.
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := d.end(); code != 0 || !strings.Contains(d.text(), "msg=ended") {
		t.Errorf("code %d: %s", code, d.text())
	}
}
