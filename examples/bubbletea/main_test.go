//go:build linux || darwin

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/internal/ptytest"
)

// asTodo makes the test binary the tool.
const asTodo = "TODO_AS_TOOL"

func TestMain(m *testing.M) {
	if os.Getenv(asTodo) != "" {
		main()
	}
	os.Exit(m.Run())
}

// program returns a file that is the test binary under the tool's own name: under that of a test
// binary, telemetry sleeps.
func program(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "todo")
	if os.Link(exe, file) == nil {
		return file
	}
	// Another file system. A process of its own writes it: a file that this one has open to be
	// written could not be run while a copy of that handle is on its way to another child.
	if out, err := exec.Command("cp", exe, file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

// What a terminal is sent where the whole screen begins and ends.
const screenBegins, screenEnds = "\x1b[?1049h", "\x1b[?1049l"

func TestTheQuestionComesBeforeTheScreenAndNothingOfTelemetryOverIt(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	exe := program(t)
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command(exe, args...)
		cmd.Env = []string{asTodo + "=1", "HOME=" + home, "XDG_STATE_HOME=" + home, "TERM=xterm-256color"}
		return cmd
	}
	x := ptytest.Start(t, 80, command())
	x.Expect(1, "Keep usage data? [y/N] ")
	if shown := x.Shown(); strings.Contains(shown, screenBegins) {
		t.Errorf("the screen is up while it asks:\n%q", shown)
	}
	x.Type("y\n")
	x.Expect(1, "wash")
	x.Type("xq")
	shown := x.End()
	before, screen, up := strings.Cut(shown, screenBegins)
	screen, after, down := strings.Cut(screen, screenEnds)
	if !up || !down || !strings.Contains(before, "Thank you.") || strings.Contains(screen, "usage data") || strings.Contains(after, "telemetry") {
		t.Errorf("it showed\n%q", shown)
	}
	out, err := command("telemetry", "export").Output()
	if err != nil || !strings.Contains(string(out), `"mark"`) || !strings.Contains(string(out), `"list"`) {
		t.Errorf("%v; kept in %s:\n%s", err, filepath.Join(home, "todo"), out)
	}
}
