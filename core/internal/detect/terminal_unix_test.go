//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package detect

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"github.com/creack/pty"
)

func TestInteractiveMeansThatInputAndErrorsAreOnATerminal(t *testing.T) {
	t.Parallel()
	ptmx, tty, err := pty.Open()
	if err != nil {
		t.Skip("no terminal is to be had: ", err)
	}
	defer ptmx.Close()
	defer tty.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for name, c := range map[string]struct {
		in, errors *os.File
		want       string
	}{
		"both on a terminal":          {tty, tty, "true"}, // and the output is not
		"input from a pipe":           {r, tty, "false"},
		"errors into a pipe":          {tty, w, "false"},
		"input from the null device":  {null, tty, "false"},
		"errors into the null device": {tty, null, "false"},
		"neither":                     {null, w, "false"},
	} {
		cmd := exec.Command(os.Args[0], "interactive")
		cmd.Stdin, cmd.Stderr = c.in, c.errors
		out, err := cmd.Output()
		if got := string(bytes.TrimSpace(out)); err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %s", name, got, err, c.want)
		}
	}
}
