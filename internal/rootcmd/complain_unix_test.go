//go:build linux || darwin

package rootcmd

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/creack/pty"
)

func TestAnErrorIsOneLineInAPipeAndFitsATerminal(t *testing.T) {
	t.Parallel()
	err := errors.New("1 deletion request is still open; to try again: mytool telemetry\nreset --resume")
	const line = "mytool: 1 deletion request is still open; to try again: mytool telemetry reset --resume"
	var pipe bytes.Buffer
	Complain(&pipe, "mytool", err)
	if pipe.String() != line+"\n" {
		t.Errorf("in a pipe: %q", pipe.String())
	}
	ptmx, terminal, openErr := pty.Open()
	if openErr != nil {
		t.Skipf("no terminals here: %v", openErr)
	}
	defer ptmx.Close()
	if err := pty.Setsize(terminal, &pty.Winsize{Rows: 40, Cols: 40}); err != nil {
		t.Fatal(err)
	}
	shown := make(chan string, 1)
	go func() {
		all, _ := io.ReadAll(ptmx)
		shown <- strings.ReplaceAll(string(all), "\r\n", "\n")
	}()
	Complain(terminal, "mytool", err)
	terminal.Close()
	text := <-shown
	for part := range strings.Lines(text) {
		if len(part) > len("\n")+40 {
			t.Errorf("too wide: %q", part)
		}
	}
	if strings.Join(strings.Fields(text), " ") != line {
		t.Errorf("on a terminal: %q", text)
	}
}
