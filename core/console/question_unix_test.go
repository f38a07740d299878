//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package console

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/gotoolbase/telemetry/internal/screen"
	"github.com/gotoolbase/telemetry/internal/tty"
)

func TestALineThatWasTypedBeforeConfirmsNoReset(t *testing.T) {
	t.Parallel()
	ptmx, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer ptmx.Close()
	defer terminal.Close()
	if _, err := io.WriteString(ptmx, "y\n"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return tty.TypedAhead(terminal) })
	var shown bytes.Buffer
	if said, err := gather(nil).askYesNo(t.Context(), terminal, screen.Screen{Writer: &shown}, "Go on?", time.Second); said == saidYes || err != nil || shown.Len() > 0 {
		t.Errorf("said %v, %v, after %q", said, err, shown.String())
	}
	line := make([]byte, 8)
	if n, err := terminal.Read(line); string(line[:n]) != "y\n" {
		t.Errorf("left to read: %q, %v", line[:n], err)
	}
}

// waitFor waits until a terminal has done what it was told.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("it did not come")
		}
	}
}
