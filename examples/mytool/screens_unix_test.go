//go:build linux || darwin

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/internal/ptytest"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// looks are what a person sees of telemetry, from the question to the last look after a reset.
// Not among them is what prints a document or a request as it goes out, which has its own lines, and
// errors, which a tool prints in its own way.
var looks = []string{
	"telemetry status", "sleep 1ns", "telemetry enable", "burst 2 --pause 1ns", "fail", "telemetry status", "telemetry status --explain",
	"telemetry inspect", "telemetry schema", "telemetry receipts", "telemetry flush", "telemetry log",
	"telemetry log --verify", "telemetry share", "telemetry status", "telemetry reset --status",
	"telemetry reset --yes", "telemetry status", "telemetry status --explain", "telemetry receipts", "telemetry log", "telemetry inspect", "telemetry off",
	"telemetry", "telemetry enable --help", "telemetry disable --help", "telemetry status --help", "telemetry inspect --help",
	"telemetry log --help", "telemetry receipts --help", "telemetry export --help", "telemetry flush --help", "telemetry reset --help",
	"telemetry schema --help", "telemetry share --help",
}

// named are the colours that each person's terminal shows as they are used to: bold, and
// red and green of the first eight, which people choose so that they can be read. Any other way
// to name a colour brings one that somebody's background hides, and so does dim.
var named = regexp.MustCompile("\x1b\\[(0|1|31|32)m")

// redrawn is how a line of progress begins that is drawn over another.
var redrawn = regexp.MustCompile("\r?\x1b\\[K|\r")

func TestEveryScreenFitsItsTerminalInColoursThatCanBeRead(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	tool := filepath.Join(t.TempDir(), "mytool")
	build := exec.Command("go", "build", "-ldflags", "-X main.endpoint="+server.URL, "-o", tool, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, columns := range []int{40, 80, 200} {
		for _, look := range []string{"NO_COLOR=1", "NO_COLOR="} {
			t.Run(fmt.Sprintf("%d columns with %s", columns, look), func(t *testing.T) {
				t.Parallel()
				home := t.TempDir()
				for _, line := range looks {
					cmd := exec.Command(tool, strings.Fields(line)...)
					cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "TERM=xterm", "TZ=UTC", look}
					x := ptytest.Start(t, columns, cmd)
					if strings.HasPrefix(line, "sleep") {
						x.Expect(1, "[y/N] ")
						x.Type("y\n")
					}
					shown := x.End()
					plain := redrawn.ReplaceAllString(named.ReplaceAllString(shown, ""), "\n")
					if strings.Contains(plain, "\x1b") || look == "NO_COLOR=1" && named.MatchString(shown) {
						t.Errorf("%s shows other colours: %q", line, shown)
					}
					fits(t, line, strings.ReplaceAll(plain, home, "~"), columns)
				}
			})
		}
	}
}

// fits complains of lines that are wider than the terminal, unless they are a word that people
// copy, such as a path: that stays in one piece.
func fits(t *testing.T, command, shown string, columns int) {
	t.Helper()
	for line := range strings.Lines(shown) {
		line = strings.TrimSuffix(line, "\n")
		if screen.Width(line) > columns && len(strings.Fields(line)) > 1 {
			t.Errorf("%s shows %d columns: %s", command, screen.Width(line), line)
		}
	}
}
