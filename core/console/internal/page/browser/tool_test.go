package browser

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// tool is the built example, with a home of its own and a receiver.
type tool struct {
	t       *testing.T
	path    string
	home    string
	refuses atomic.Bool
}

func newTool(t *testing.T) *tool {
	t.Helper()
	dir := t.TempDir()
	x := &tool{t: t, path: filepath.Join(dir, "mytool"), home: dir}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if x.refuses.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(receiver.Close)
	build := exec.Command("go", "build", "-ldflags", "-X main.version=1.2.3 -X main.endpoint="+receiver.URL+"/events", "-o", x.path, "./examples/mytool")
	build.Dir = filepath.Join("..", "..", "..", "..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return x
}

func (x *tool) command(args ...string) *exec.Cmd {
	cmd := exec.Command(x.path, args...)
	cmd.Env = []string{"HOME=" + x.home, "XDG_STATE_HOME=" + filepath.Join(x.home, "state"), "PATH=" + os.Getenv("PATH")}
	return cmd
}

func (x *tool) run(args ...string) {
	x.t.Helper()
	if out, err := x.command(args...).CombinedOutput(); err != nil {
		x.t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// serving is the tool that serves its page.
type serving struct {
	*exec.Cmd
	address string
	errs    bytes.Buffer
	rest    *bufio.Reader
}

func (x *tool) serve() *serving {
	x.t.Helper()
	s := &serving{Cmd: x.command("telemetry", "inspect", "--web")}
	s.Stderr = &s.errs
	out, err := s.StdoutPipe()
	if err != nil {
		x.t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { _ = s.Process.Kill() })
	s.rest = bufio.NewReader(out)
	line, err := s.rest.ReadString('\n')
	_, address, found := strings.Cut(strings.TrimSpace(line), "http://")
	if err != nil || !found {
		x.t.Fatalf("it says %q, %v\n%s", line, err, &s.errs)
	}
	s.address = "http://" + address
	return s
}

// ends waits until the process has ended by itself, and returns what it said last.
func (s *serving) ends(t *testing.T) string {
	t.Helper()
	limit := time.AfterFunc(90*time.Second, func() { _ = s.Process.Kill() })
	defer limit.Stop()
	said, _ := io.ReadAll(s.rest)
	if err := s.Wait(); err != nil {
		t.Fatalf("%v\n%s%s", err, said, &s.errs)
	}
	return string(said)
}

// text is what a section says.
func text(t *testing.T, ctx context.Context, section string) string {
	t.Helper()
	return ask[string](t, ctx, `document.querySelector("#`+section+`").textContent.replace(/\s+/g," ")`)
}

// TestTheToolShowsItsHistory looks at the page of a built tool that somebody has used.
func TestTheToolShowsItsHistory(t *testing.T) {
	t.Parallel()
	x := newTool(t)
	x.run("telemetry", "enable")
	for range 3 {
		x.run("count")
	}
	x.run("burst", "5")
	x.run("telemetry", "flush")
	x.refuses.Store(true)
	x.run("count")
	_ = x.command("telemetry", "flush").Run() // which is refused

	ctx := chromium(t)
	s := x.serve()
	tab, end := chromedp.NewContext(ctx)
	defer end()
	open(t, tab, s.address)
	for section, words := range map[string][]string{
		"state":     {"your answer decided"},
		"receiver":  {"127.0.0.1:", "the people who build this example", "90 days"},
		"waiting":   {"1 in all", "command.invocation count"},
		"sent":      {"accepted (200)", "failed (503)", "feature.used", "The log is as it was written"},
		"decisions": {"you, by a command", "mytool can report how it is used"},
		"fields":    {"machine_id", "which event of the burst it is"},
		"activity":  {"10 from", "count4", "feature.used burst5", "burst1"},
	} {
		shown := text(t, tab, section)
		for _, word := range words {
			if !strings.Contains(shown, word) {
				t.Errorf("%s says no %q: %s", section, word, shown)
			}
		}
	}
	picture(t, tab, "tool")
	if _, err := chromedp.RunResponse(tab, chromedp.SendKeys("#q", "(503)"+kb.Enter)); err != nil {
		t.Fatal(err)
	}
	do(t, tab, chromedp.WaitReady("#sent [role=status]"))
	if found := text(t, tab, "sent"); strings.Contains(found, "accepted (200)") || !strings.Contains(found, "failed (503)") {
		t.Errorf("the search for (503), which no random ID holds, finds %s", found)
	}
	if err := chromedp.Cancel(tab); err != nil {
		t.Fatal(err)
	}
	if said := s.ends(t); !strings.Contains(said, "so it is no longer served") {
		t.Errorf("it says %q", said)
	}

	x.refuses.Store(false)
	x.run("telemetry", "reset", "--yes")
	s = x.serve()
	open(t, ctx, s.address)
	if shown := text(t, ctx, "deletions"); !strings.Contains(shown, "delivered") {
		t.Errorf("of the reset it says %s", shown)
	}
	if shown := text(t, ctx, "main"); !strings.Contains(shown, "reset") {
		t.Errorf("after a reset the state is %s", shown)
	}
	picture(t, ctx, "tool-after-reset")
	if err := s.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = s.Wait()
	if status := s.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("Ctrl-C ends it with %v", s.ProcessState)
	}
}
