//go:build linux || darwin

package cli

import (
	"bufio"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// The terminal sends Ctrl-C to exec and to the command alike. Passed on as well, it
// would come twice, and many programs take the second for "now, at once".
func TestCtrlCReachesTheCommandOnce(t *testing.T) {
	p := newPlace(t)
	ptmx, tty, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	defer ptmx.Close()
	cmd := p.command("exec", "--", os.Args[0])
	cmd.Env = append(cmd.Env, helperSwitch+"=count 500ms")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	timer := time.AfterFunc(2*patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	lines := bufio.NewScanner(ptmx)
	var said []string
	for lines.Scan() { // ends with an error once nobody has the terminal open
		line := strings.TrimSpace(lines.Text())
		said = append(said, line)
		if line == "ready" {
			if _, err := io.WriteString(ptmx, "\x03"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("exec: %v", err)
	}
	if got := strings.Count(strings.Join(said, "\n"), "got interrupt"); got != 1 {
		t.Errorf("Ctrl-C came %d times: %q", got, said)
	}
}
