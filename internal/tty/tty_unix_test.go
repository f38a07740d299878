//go:build linux || darwin

package tty_test

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/gotoolbase/telemetry/internal/tty"
)

// open returns a terminal and its keyboard. Nothing runs on it, so it has no foreground
// job but where a test makes it one.
func open(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, terminal, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	t.Cleanup(func() { keyboard.Close(); terminal.Close() })
	return keyboard, terminal
}

func TestATerminalIsKnownByWhatItAnswers(t *testing.T) {
	t.Parallel()
	keyboard, terminal := open(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if !tty.Is(terminal) || tty.Is(null) || tty.Is(strings.NewReader("")) {
		t.Errorf("terminal %v, null device %v, reader %v", tty.Is(terminal), tty.Is(null), tty.Is(strings.NewReader("")))
	}
	if !tty.Drops(null) || tty.Drops(terminal) || tty.Drops(keyboard) || tty.Drops(io.Discard) {
		t.Errorf("the null device drops what is written %v, a terminal %v", tty.Drops(null), tty.Drops(terminal))
	}
	if got := tty.Width(terminal); got != 0 {
		t.Errorf("a terminal without a width has %d columns", got)
	}
	if err := pty.Setsize(keyboard, &pty.Winsize{Rows: 10, Cols: 43}); err != nil {
		t.Fatal(err)
	}
	if got := tty.Width(terminal); got != 43 || tty.Width(null) != 0 || tty.Width(io.Discard) != 0 {
		t.Errorf("widths %d, %d, %d", got, tty.Width(null), tty.Width(io.Discard))
	}
}
