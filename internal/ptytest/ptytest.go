//go:build linux || darwin

// Package ptytest runs a program on a pseudo-terminal, for tests of what a person sees there
// and types.
package ptytest

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// Terminal is a program and the terminal that it runs on.
type Terminal struct {
	Cmd *exec.Cmd
	// Keyboard is the other side of the terminal. Closed, the terminal goes away.
	Keyboard *os.File

	t    testing.TB
	done chan struct{} // the screen has been read to its end

	mu     sync.Mutex
	screen bytes.Buffer
	more   chan struct{}
}

// Start starts a program on a terminal of its own that is so many columns wide, 0 for one that
// does not say it. What cmd has of Stdin, Stdout and Stderr already stays as it is. The
// program is killed with the test.
func Start(t testing.TB, columns int, cmd *exec.Cmd) *Terminal {
	t.Helper()
	ptmx, tty, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	defer tty.Close()
	if columns > 0 {
		if err := pty.Setsize(ptmx, &pty.Winsize{Rows: 40, Cols: uint16(columns)}); err != nil {
			t.Fatal(err)
		}
	}
	x := &Terminal{t: t, Cmd: cmd, Keyboard: unblocked(t, ptmx), done: make(chan struct{}), more: make(chan struct{}, 1)}
	t.Cleanup(func() { x.Keyboard.Close() })
	control := -1
	if cmd.Stderr == nil {
		cmd.Stderr, control = tty, 2
	}
	if cmd.Stdout == nil {
		cmd.Stdout, control = tty, 1
	}
	if cmd.Stdin == nil {
		cmd.Stdin, control = tty, 0
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: control}
	if err := startInterruptible(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	go x.read()
	return x
}

// startInterruptible starts a program that Ctrl-C ends, as from a person's shell. Where these
// tests run in the background of a script, or under go tool test2json, they ignore SIGINT, and a
// program inherits that. What its parent handles when it starts has the system's default in it.
func startInterruptible(cmd *exec.Cmd) error {
	handled := make(chan os.Signal, 1)
	signal.Notify(handled, os.Interrupt, syscall.SIGQUIT)
	defer signal.Stop(handled)
	return cmd.Start()
}

// unblocked returns f in a form in which Close does not wait for the Read under way, as
// package pty leaves it: a terminal that goes away does so at once.
func unblocked(t testing.TB, f *os.File) *os.File {
	t.Helper()
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), f.Name())
}

func (x *Terminal) read() {
	defer close(x.done)
	buffer := make([]byte, 4096)
	for {
		n, err := x.Keyboard.Read(buffer)
		x.mu.Lock()
		x.screen.Write(buffer[:n])
		x.mu.Unlock()
		select {
		case x.more <- struct{}{}:
		default:
		}
		if err != nil { // EIO: nobody has the terminal open any more
			return
		}
	}
}

// Shown returns what the terminal has shown so far.
func (x *Terminal) Shown() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return strings.ReplaceAll(x.screen.String(), "\r\n", "\n")
}

// Expect waits until text is shown n times.
func (x *Terminal) Expect(n int, text string) {
	x.t.Helper()
	limit := time.After(patience)
	for strings.Count(x.Shown(), text) < n {
		select {
		case <-x.more:
		case <-limit:
			x.t.Fatalf("%q was not shown %d times:\n%s", text, n, x.Shown())
		}
	}
}

// Type types keys.
func (x *Terminal) Type(keys string) {
	x.t.Helper()
	if _, err := io.WriteString(x.Keyboard, keys); err != nil {
		x.t.Fatal(err)
	}
}

// End waits for the program and returns all that was shown.
func (x *Terminal) End() string {
	x.t.Helper()
	timer := time.AfterFunc(patience, func() { _ = x.Cmd.Process.Kill() })
	err := x.Cmd.Wait()
	if !timer.Stop() {
		x.t.Fatalf("the program did not end (%v):\n%s", err, x.Shown())
	}
	select {
	case <-x.done:
	case <-time.After(patience):
		x.t.Fatal("the terminal stayed open")
	}
	return x.Shown()
}
