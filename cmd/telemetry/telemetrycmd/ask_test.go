//go:build linux || darwin

package telemetrycmd

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/gotoolbase/telemetry/core/consent"
)

// terminal is a tool that runs on a pseudo-terminal.
type terminal struct {
	t    *testing.T
	pty  *os.File
	cmd  *exec.Cmd
	dir  string // the state directory
	out  *bytes.Buffer
	done chan struct{} // the screen has been read to its end

	mu     sync.Mutex
	screen bytes.Buffer
	more   chan struct{}
}

// patience is how long a test waits for what must come.
const testPatience = 20 * time.Second

type setup struct {
	args  []string
	env   []string
	dir   string
	pipes string // which of "in", "out" and "err" are no terminal
}

func start(t *testing.T, s setup) *terminal {
	t.Helper()
	ptmx, tty, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	t.Cleanup(func() { ptmx.Close() })
	if err := pty.Setsize(ptmx, &pty.Winsize{Rows: 40, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	if s.dir == "" {
		s.dir = filepath.Join(t.TempDir(), "state")
	}
	x := &terminal{t: t, pty: ptmx, dir: s.dir, out: &bytes.Buffer{}, done: make(chan struct{}), more: make(chan struct{}, 1)}
	x.cmd = exec.Command(os.Args[0], s.args...)
	x.cmd.Env = append([]string{
		toolSwitch + "=" + s.dir, toolEndpoint + "=http://127.0.0.1:9/events", "TERM=xterm", "TZ=UTC", "PATH=" + os.Getenv("PATH"),
		"GORACE=atexit_sleep_ms=0", // with -race every process would sleep for a second
	}, s.env...)
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = tty, tty, tty
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	for _, name := range strings.Fields(s.pipes) {
		switch name {
		case "in":
			x.cmd.Stdin = strings.NewReader("a line for the tool\n")
			x.cmd.SysProcAttr.Ctty = 2
		case "out":
			x.cmd.Stdout = x.out
		case "err":
			x.cmd.Stderr = x.out
		}
	}
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	t.Cleanup(func() { _ = x.cmd.Process.Kill() })
	go x.read()
	return x
}

func (x *terminal) read() {
	defer close(x.done)
	buffer := make([]byte, 4096)
	for {
		n, err := x.pty.Read(buffer)
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

func (x *terminal) shown() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return strings.ReplaceAll(x.screen.String(), "\r\n", "\n")
}

// expect waits until text is shown n times.
func (x *terminal) expect(n int, text string) {
	x.t.Helper()
	limit := time.After(testPatience)
	for strings.Count(x.shown(), text) < n {
		select {
		case <-x.more:
		case <-limit:
			x.t.Fatalf("%q was not shown %d times:\n%s", text, n, x.shown())
		}
	}
}

func (x *terminal) typed(keys string) {
	x.t.Helper()
	if _, err := io.WriteString(x.pty, keys); err != nil {
		x.t.Fatal(err)
	}
}

// end waits for the tool and returns all that was shown.
func (x *terminal) end() string {
	x.t.Helper()
	timer := time.AfterFunc(testPatience, func() { _ = x.cmd.Process.Kill() })
	err := x.cmd.Wait()
	if !timer.Stop() {
		x.t.Fatalf("the tool did not end (%v):\n%s", err, x.shown())
	}
	select {
	case <-x.done:
	case <-time.After(testPatience):
		x.t.Fatal("the terminal stayed open")
	}
	return x.shown()
}

func stored(dir string) consent.Answer { return consent.NewStore(dir).Load().Answer }

// queued returns what the tool recorded.
func queued(t *testing.T, dir string) string {
	t.Helper()
	var all []byte
	slots, _ := filepath.Glob(filepath.Join(dir, "queue", "*"))
	for _, slot := range slots {
		content, err := os.ReadFile(slot)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, content...)
	}
	return string(all)
}

func untouched(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the state directory was made (%v)", err)
	}
}

const theQuestion = "Send usage data? [y/N] "

func TestAYesIsAskedForOnceAndRecordsTheCommandThatAsked(t *testing.T) {
	x := start(t, setup{args: []string{"hello"}})
	x.expect(1, theQuestion)
	untouched(t, x.dir)
	x.typed("y\n")
	screen := x.end()
	golden(t, "ask_yes", ports.ReplaceAllString(screen, "SERVER"))
	if got := stored(x.dir); got != consent.AnswerYes {
		t.Errorf("stored %q", got)
	}
	if q := queued(t, x.dir); strings.Count(q, `"name":"hello"`) != 1 {
		t.Errorf("recorded %q", q)
	}
	again := start(t, setup{args: []string{"hello"}, dir: x.dir})
	if screen := again.end(); screen != "hello\n" {
		t.Errorf("the second run showed %q", screen)
	}
	if q := queued(t, x.dir); strings.Count(q, `"name":"hello"`) != 2 {
		t.Errorf("recorded %q", q)
	}
}

func TestEnterAndNMeanNoAndNothingIsRecorded(t *testing.T) {
	for name, keys := range map[string]string{"enter": "\n", "n": "n\n", "no": " NO \n", "raw enter": "\r"} {
		t.Run(name, func(t *testing.T) {
			x := start(t, setup{args: []string{"hello"}})
			x.expect(1, theQuestion)
			x.typed(keys)
			screen := x.end()
			if name == "enter" {
				golden(t, "ask_no", ports.ReplaceAllString(screen, "SERVER"))
			}
			if got := stored(x.dir); got != consent.AnswerNo {
				t.Errorf("stored %q", got)
			}
			if q := queued(t, x.dir); q != "" {
				t.Errorf("recorded %q", q)
			}
			if screen := start(t, setup{args: []string{"hello"}, dir: x.dir}).end(); screen != "hello\n" {
				t.Errorf("the second run showed %q", screen)
			}
		})
	}
}

func TestAnAnswerThatDoesNotComeStoresNothingAndTheCommandRuns(t *testing.T) {
	for name, test := range map[string]struct {
		env  []string
		act  func(x *terminal)
		want string
	}{
		"three answers that are none": {nil, func(x *terminal) {
			for i, keys := range []string{"what\n", "yesterday\n", strings.Repeat("y", 500) + "\n"} {
				x.expect(i+1, theQuestion)
				x.typed(keys)
			}
		}, "Please type y or n."},
		"the end of the input": {nil, func(x *terminal) {
			x.expect(1, theQuestion)
			x.typed("\x04")
		}, "Not answered"},
		"half an answer and the end of the input": {nil, func(x *terminal) {
			x.expect(1, theQuestion)
			x.typed("y\x04")
			x.typed("\x04")
		}, "Not answered"},
		"nobody there": {[]string{toolPatience + "=300ms"}, func(x *terminal) {}, "Not answered"},
	} {
		t.Run(name, func(t *testing.T) {
			x := start(t, setup{args: []string{"hello"}, env: test.env})
			test.act(x)
			screen := x.end()
			if !strings.HasSuffix(screen, "hello\n") || !strings.Contains(screen, test.want) {
				t.Errorf("shown:\n%s", screen)
			}
			if code := x.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			untouched(t, x.dir)
		})
	}
}

func TestCtrlCAtTheQuestionDoesWhatItWouldWithoutIt(t *testing.T) {
	x := start(t, setup{args: []string{"hello"}})
	x.expect(1, theQuestion)
	x.typed("\x03")
	screen := x.end()
	if status := x.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("ended with %v", x.cmd.ProcessState)
	}
	if strings.Contains(screen, "hello\n") {
		t.Errorf("the command ran:\n%s", screen)
	}
	untouched(t, x.dir)

	x = start(t, setup{args: []string{"handles-signals"}})
	x.expect(1, theQuestion)
	x.typed("\x03")
	if screen := x.end(); !strings.Contains(screen, "the tool's own context says: context canceled") {
		t.Errorf("shown:\n%s", screen)
	}
	untouched(t, x.dir)
}

func TestTheQuestionTakesOneLineAndLeavesTheRestToTheTool(t *testing.T) {
	x := start(t, setup{args: []string{"echo"}})
	x.expect(1, theQuestion)
	x.typed("n\nfor the tool\n")
	if screen := x.end(); !strings.Contains(screen, `the tool read "for the tool\n", <nil>`) {
		t.Errorf("shown:\n%s", screen)
	}
	// Given up, it has left nobody behind who reads.
	x = start(t, setup{args: []string{"echo"}, env: []string{toolPatience + "=200ms"}})
	x.expect(1, "Not answered")
	x.typed("for the tool\n")
	if screen := x.end(); !strings.Contains(screen, `the tool read "for the tool\n", <nil>`) {
		t.Errorf("shown:\n%s", screen)
	}
}

func TestTheQuestionStaysOutOfStdout(t *testing.T) {
	x := start(t, setup{args: []string{"hello"}, pipes: "out"})
	x.expect(1, theQuestion)
	x.typed("n\n")
	x.end()
	if got := x.out.String(); got != "hello\n" {
		t.Errorf("stdout holds %q", got)
	}
}

func TestNobodyIsAskedWhere(t *testing.T) {
	foreign := func(t *testing.T) string {
		if os.Geteuid() != 0 {
			t.Skip("needs root")
		}
		home := filepath.Join(t.TempDir(), "home")
		if err := os.Mkdir(home, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(home, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(home, ".local", "state", "mytool")
	}
	for name, s := range map[string]setup{
		"stdin is a pipe":                   {pipes: "in"},
		"stderr is a pipe":                  {pipes: "err"},
		"it is continuous integration":      {env: []string{"CI=true"}},
		"DO_NOT_TRACK is set":               {env: []string{"DO_NOT_TRACK=1"}},
		"the tool's variable says no":       {env: []string{"MYTOOL_TELEMETRY=off"}},
		"a variable says yes":               {env: []string{"TELEMETRY_ENABLED=1"}},
		"a program reads the output":        {args: []string{"hello", "--output", "json"}},
		"the tool names no receiver":        {env: []string{toolEndpoint + "="}},
		"the declaration is wrong":          {env: []string{toolEndpoint + "=http://example.com"}},
		"the feature is off":                {env: []string{toolFeature + "=off"}},
		"the tool runs in the background":   {env: []string{toolLaunch + "=1"}},
		"the help is shown":                 {args: []string{"hello", "--help"}},
		"the shell completes":               {args: []string{"__complete", "hel"}},
		"a telemetry command is run":        {args: []string{"telemetry", "status"}},
		"the home is somebody else's":       {dir: "foreign"},
		"--skip-telemetry is given to init": {args: []string{"init", "--skip-telemetry"}},
		"init runs in CI":                   {args: []string{"init"}, env: []string{"CI=1"}},
	} {
		t.Run(name, func(t *testing.T) {
			if s.args == nil {
				s.args = []string{"hello"}
			}
			if s.dir == "foreign" {
				s.dir = foreign(t)
			}
			x := start(t, s)
			screen := x.end()
			all := screen + x.out.String()
			if strings.Contains(all, "[y/N]") || strings.Contains(all, "can report how") {
				t.Errorf("asked:\n%s", all)
			}
			if name == "a variable says yes" {
				return // there it records
			}
			untouched(t, x.dir)
			if s.args[0] == "hello" && len(s.args) == 1 && !strings.HasSuffix(all, "hello\n") {
				t.Errorf("shown:\n%s", all)
			}
		})
	}
}

func TestInitAsksByItselfAndOnce(t *testing.T) {
	x := start(t, setup{args: []string{"init"}})
	x.expect(1, theQuestion)
	if shown := x.shown(); !strings.HasPrefix(shown, "making a project\n") {
		t.Errorf("asked before the command wanted it:\n%s", shown)
	}
	x.typed("yes\n")
	x.end()
	if got := stored(x.dir); got != consent.AnswerYes {
		t.Errorf("stored %q", got)
	}
}

func TestAnAnswerFromElsewhereMeanwhileStands(t *testing.T) {
	x := start(t, setup{args: []string{"hello"}})
	x.expect(1, theQuestion)
	err := consent.NewStore(x.dir).No(0, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	x.typed("y\n")
	screen := x.end()
	if got := stored(x.dir); got != consent.AnswerNo {
		t.Errorf("stored %q", got)
	}
	if !strings.HasSuffix(screen, theQuestion+"y\nhello\n") {
		t.Errorf("shown:\n%s", screen)
	}
	if q := queued(t, x.dir); q != "" {
		t.Errorf("recorded %q", q)
	}
}

func TestAnAnswerThatCannotBeStoredIsOneLine(t *testing.T) {
	x := start(t, setup{args: []string{"hello"}})
	x.expect(1, theQuestion)
	if err := os.WriteFile(x.dir, nil, 0o600); err != nil { // where the directory would be
		t.Fatal(err)
	}
	x.typed("y\n")
	screen := x.end()
	_, after, _ := strings.Cut(screen, theQuestion+"y\n")
	lines := strings.Split(strings.TrimSuffix(after, "\n"), "\n")
	if len(lines) != 2 || lines[1] != "hello" || !strings.Contains(lines[0], "could not be stored") || !strings.Contains(lines[0], "MYTOOL_TELEMETRY=off") {
		t.Errorf("shown after the answer:\n%s", after)
	}
}

func TestOnATerminalStatusIsATableWithColourUnlessNotWanted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := consent.NewStore(dir).No(0, time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	for name, env := range map[string]string{"terminal": "X=1", "no_color": "NO_COLOR=1", "dumb": "TERM=dumb"} {
		x := start(t, setup{args: []string{"telemetry", "status", "--explain"}, dir: dir, env: []string{env}})
		golden(t, "status_"+name, strings.ReplaceAll(x.end(), dir, "STATE"))
	}
}

func TestResetAsksOnATerminalOnly(t *testing.T) {
	enable := func() string {
		x := start(t, setup{args: []string{"telemetry", "enable"}})
		x.end()
		return x.dir
	}
	dir := enable()
	x := start(t, setup{args: []string{"telemetry", "reset"}, dir: dir})
	x.expect(1, "Go on? [y/N] ")
	x.typed("\n")
	screen := x.end()
	golden(t, "reset_declined", screen)
	if code := x.cmd.ProcessState.ExitCode(); code != 1 || stored(dir) != consent.AnswerYes {
		t.Errorf("code %d, stored %q", code, stored(dir))
	}
	x = start(t, setup{args: []string{"telemetry", "reset"}, dir: dir})
	x.expect(1, "Go on? [y/N] ")
	x.typed("y\n")
	x.end()
	if got := stored(dir); got != consent.AnswerNo {
		t.Errorf("stored %q", got)
	}
	for _, s := range []setup{
		{args: []string{"telemetry", "reset", "--yes"}},
		{args: []string{"telemetry", "reset"}, pipes: "in"},
		{args: []string{"telemetry", "reset"}, pipes: "err"},
	} {
		s.dir = enable()
		x := start(t, s)
		screen := x.end()
		if strings.Contains(screen, "Go on?") || stored(s.dir) != consent.AnswerNo {
			t.Errorf("%v %s: stored %q\n%s", s.args, s.pipes, stored(s.dir), screen)
		}
	}
}

func TestAFlushThatTakesLongSaysSoOnATerminal(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case <-release:
		case <-time.After(testPatience):
		}
	}))
	defer server.Close()
	env := []string{"TELEMETRY_ENABLED=1", toolEndpoint + "=" + server.URL}
	x := start(t, setup{args: []string{"hello"}, env: env})
	x.end()
	x = start(t, setup{args: []string{"telemetry", "flush"}, env: env, dir: x.dir})
	x.expect(1, ": 0 of 1 event …")
	close(release)
	screen := ports.ReplaceAllString(x.end(), "SERVER")
	const drawn = "\r\x1b[KSending to http (SERVER): 0 of 1 event …"
	if !strings.HasPrefix(screen, drawn) || strings.ReplaceAll(screen, drawn, "") != "\r\x1b[KSent 1 event to http (SERVER).\n" {
		t.Errorf("shown: %q", screen)
	}
}

func TestAResetThatTakesLongSaysSoOnATerminal(t *testing.T) {
	release := make(chan struct{})
	var posts atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if posts.Add(1) == 1 {
			return // the event
		}
		select {
		case <-release:
		case <-time.After(testPatience):
		}
	}))
	defer server.Close()
	env := []string{toolEndpoint + "=" + server.URL}
	x := start(t, setup{args: []string{"telemetry", "enable"}, env: env})
	x.end()
	for _, args := range [][]string{{"hello"}, {"telemetry", "flush"}} {
		x = start(t, setup{args: args, env: env, dir: x.dir})
		x.end()
	}
	x = start(t, setup{args: []string{"telemetry", "reset", "--yes"}, env: env, dir: x.dir})
	x.expect(1, "Asking for the deletion: 0 of 1 request …")
	close(release)
	if screen := x.end(); !strings.Contains(screen, "handed over to http") {
		t.Errorf("shown: %q", screen)
	}
}
