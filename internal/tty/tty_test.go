package tty_test

import (
	"os"
	"testing"

	"github.com/gotoolbase/telemetry/internal/tty"
)

func TestAClosedFileIsNoTerminal(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	r.Close()
	if tty.Is(r) || tty.Is((*os.File)(nil)) || tty.Is(nil) {
		t.Error("it is one")
	}
}
