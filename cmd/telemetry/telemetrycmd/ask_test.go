//go:build linux || darwin

package telemetrycmd

import (
	"bytes"
	"errors"
	"io/fs"
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

	"github.com/creack/pty"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/internal/ptytest"
)

// terminal is a tool that runs on a pseudo-terminal.
type terminal struct {
	*ptytest.Terminal
	dir  string        // the state directory
	out  *bytes.Buffer // what it wrote to pipes
	gate *os.File      // opens it for busy-before
}

type setup struct {
	args  []string
	env   []string
	dir   string
	pipes string // which of "in", "out" and "err" are no terminal
	// stdout is another terminal than that of stdin and stderr.
	stdout *os.File
	with   string // a program that runs the tool
	// unsized is a terminal of no rows and columns, as programs make them.
	unsized bool
	columns int // of the terminal, 80 if 0
}

func start(t *testing.T, s setup) *terminal {
	t.Helper()
	if s.dir == "" {
		s.dir = filepath.Join(t.TempDir(), "state")
	}
	x := &terminal{dir: s.dir, out: &bytes.Buffer{}}
	cmd := exec.Command(os.Args[0], s.args...)
	if s.with != "" {
		cmd = exec.Command(s.with, append([]string{os.Args[0]}, s.args...)...)
		cmd.Dir = t.TempDir()
	}
	cmd.Env = append([]string{
		toolSwitch + "=" + s.dir, toolEndpoint + "=http://127.0.0.1:9/events", "TERM=xterm", "TZ=UTC", "PATH=" + os.Getenv("PATH"),
		"GORACE=atexit_sleep_ms=0", // with -race every process would sleep for a second
	}, s.env...)
	if s.stdout != nil {
		cmd.Stdout = s.stdout
	}
	for _, name := range strings.Fields(s.pipes) {
		switch name {
		case "in":
			cmd.Stdin = strings.NewReader("a line for the tool\n")
		case "null":
			null, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			defer null.Close()
			cmd.Stdin = null
		case "out":
			cmd.Stdout = x.out
		case "err":
			cmd.Stderr = x.out
		}
	}
	gate, opener, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer gate.Close()
	t.Cleanup(func() { opener.Close() })
	x.gate, cmd.ExtraFiles = opener, []*os.File{gate}
	columns := 80
	switch {
	case s.unsized:
		columns = 0
	case s.columns > 0:
		columns = s.columns
	}
	x.Terminal = ptytest.Start(t, columns, cmd)
	return x
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

// The tool's own lines are its own.
func TestWhatIsSaidAfterTheQuestionFitsANarrowTerminal(t *testing.T) {
	t.Parallel()
	for answer, says := range map[string]string{
		"n\n":       "No usage data is collected. To change\nthat: ",
		"\x04":      "Not answered, so nothing is collected.\nTo answer later: ",
		"what\nn\n": "Please type y or n.\n",
	} {
		x := start(t, setup{args: []string{"hello"}, columns: 40})
		x.Expect(1, theQuestion)
		for line := range strings.Lines(answer) {
			x.Type(line)
			if line == "what\n" {
				x.Expect(2, theQuestion)
			}
		}
		shown := strings.ReplaceAll(x.End(), "\r\n", "\n")
		if !strings.Contains(shown, says) {
			t.Errorf("%q:\n%s", answer, shown)
		}
	}
}

func TestAYesIsAskedForOnceAndRecordsTheCommandThatAsked(t *testing.T) {
	t.Run("Execute", func(t *testing.T) { askedOnce(t) })
	t.Run("Wire alone", func(t *testing.T) { askedOnce(t, toolPlain+"=yes") })
}

func askedOnce(t *testing.T, env ...string) {
	x := start(t, setup{args: []string{"hello"}, env: env})
	x.Expect(1, theQuestion)
	untouched(t, x.dir)
	x.Type("y\n")
	screen := x.End()
	golden(t, "ask_yes", ports.ReplaceAllString(screen, "SERVER"))
	past, err := consent.NewStore(x.dir).History()
	if err != nil || len(past.Decisions) != 1 || past.Decisions[0].Shown == "" || !strings.Contains(screen, past.Decisions[0].Shown) {
		t.Errorf("what was shown is not what the history has: %v, %+v", err, past.Decisions)
	}
	if got := stored(x.dir); got != consent.AnswerYes {
		t.Errorf("stored %q", got)
	}
	if q := queued(t, x.dir); strings.Count(q, `"name":"hello"`) != 1 {
		t.Errorf("recorded %q", q)
	}
	again := start(t, setup{args: []string{"hello"}, dir: x.dir, env: env})
	if screen := again.End(); screen != "hello\n" {
		t.Errorf("the second run showed %q", screen)
	}
	if q := queued(t, x.dir); strings.Count(q, `"name":"hello"`) != 2 {
		t.Errorf("recorded %q", q)
	}
}

func TestWhatIsTypedIsUnderstoodOrAskedForAgain(t *testing.T) {
	for name, test := range map[string]struct {
		keys []string // for one prompt each
		want consent.Answer
	}{
		"enter":              {[]string{"\n"}, consent.AnswerNo},
		"n":                  {[]string{"n\n"}, consent.AnswerNo},
		"no":                 {[]string{" NO \n"}, consent.AnswerNo},
		"raw enter":          {[]string{"\r"}, consent.AnswerNo},
		"Y":                  {[]string{"Y\n"}, consent.AnswerYes},
		"yes with spaces":    {[]string{"\t Yes \n"}, consent.AnswerYes},
		"corrected":          {[]string{"y\x7fn\n"}, consent.AnswerNo},
		"yes please":         {[]string{"yes please\n", "y\n"}, consent.AnswerYes},
		"no UTF-8":           {[]string{"\xff\xfey\n", "\xc3\n", "n\n"}, consent.AnswerNo},
		"ten thousand of it": {[]string{strings.Repeat("y", 10_000) + "\n", "n\n"}, consent.AnswerNo},
	} {
		t.Run(name, func(t *testing.T) {
			x := start(t, setup{args: []string{"hello"}, unsized: true, env: []string{"TERM=dumb"}})
			for i, keys := range test.keys {
				x.Expect(i+1, theQuestion)
				x.Type(keys)
			}
			screen := x.End()
			if name == "enter" {
				golden(t, "ask_no", ports.ReplaceAllString(screen, "SERVER"))
			}
			if got := stored(x.dir); got != test.want {
				t.Errorf("stored %q:\n%s", got, screen)
			}
			if q := queued(t, x.dir); (q != "") != (test.want == consent.AnswerYes) {
				t.Errorf("recorded %q", q)
			}
			if screen := start(t, setup{args: []string{"hello"}, dir: x.dir}).End(); screen != "hello\n" {
				t.Errorf("the second run showed %q", screen)
			}
		})
	}
}

// onlyUnanswered holds that nothing is kept but that the question was put.
func onlyUnanswered(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "unanswered" {
		t.Errorf("the state directory holds %v (%v)", entries, err)
	}
}

func TestAQuestionThatIsNotAnsweredIsPutOnce(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		env  []string
		act  func(x *terminal)
	}{
		"three answers that are none": {act: func(x *terminal) {
			for i, keys := range []string{"what\n", "yesterday\n", strings.Repeat("y", 500) + "\n"} {
				x.Expect(i+1, theQuestion)
				x.Type(keys)
			}
		}},
		"the end of the input": {act: func(x *terminal) {
			x.Expect(1, theQuestion)
			x.Type("\x04")
		}},
		"half an answer and the end of the input": {act: func(x *terminal) {
			x.Expect(1, theQuestion)
			x.Type("y\x04")
			x.Type("\x04")
		}},
		"nobody there": {env: []string{toolPatience + "=300ms"}, act: func(x *terminal) {}},
	} {
		t.Run(name, func(t *testing.T) {
			x := start(t, setup{args: []string{"hello"}, env: test.env})
			test.act(x)
			screen := x.End()
			if !strings.HasSuffix(screen, "hello\n") {
				t.Errorf("the command did not run:\n%s", screen)
			}
			if name == "nobody there" {
				golden(t, "ask_unanswered", ports.ReplaceAllString(screen, "SERVER"))
			}
			if code := x.Cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			onlyUnanswered(t, x.dir)
			if screen := start(t, setup{args: []string{"hello"}, dir: x.dir}).End(); screen != "hello\n" {
				t.Errorf("the second run showed:\n%s", screen)
			}
		})
	}
}

func TestAnUnansweredQuestionIsPutAgainWithANewNoticeAndCanBeAnsweredMeanwhile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	same, newer := []string{toolVersion + "=1"}, []string{toolVersion + "=2"}
	first := start(t, setup{args: []string{"hello"}, dir: dir, env: same})
	first.Expect(1, theQuestion)
	first.Type("\x04")
	first.End()
	if screen := start(t, setup{args: []string{"hello"}, dir: dir, env: same}).End(); screen != "hello\n" {
		t.Errorf("the same notice:\n%s", screen)
	}
	x := start(t, setup{args: []string{"hello"}, dir: dir, env: newer})
	x.Expect(1, theQuestion)
	x.Type("\x04")
	x.End()
	if screen := start(t, setup{args: []string{"hello"}, dir: dir, env: newer}).End(); screen != "hello\n" {
		t.Errorf("the newer notice for the second time:\n%s", screen)
	}
	start(t, setup{args: []string{"telemetry", "enable"}, dir: dir, env: newer}).End()
	if got := stored(dir); got != consent.AnswerYes {
		t.Errorf("stored %q", got)
	}
}

func TestCtrlCAtTheQuestionEndsAToolThatDoesNotHandleIt(t *testing.T) {
	x := start(t, setup{args: []string{"hello"}})
	x.Expect(1, theQuestion)
	x.Type("\x03")
	screen := x.End()
	if status := x.Cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("ended with %v", x.Cmd.ProcessState)
	}
	if strings.Contains(screen, "hello\n") {
		t.Errorf("the command ran:\n%s", screen)
	}
	untouched(t, x.dir)
}

func TestTheQuestionEndsWithTheContextAndTheCommandIsNotRun(t *testing.T) {
	signalled := func(s os.Signal) func(*terminal) {
		return func(x *terminal) {
			if err := x.Cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, test := range map[string]struct {
		act  func(*terminal)
		code int
	}{
		"Ctrl-C":                   {func(x *terminal) { x.Type("\x03") }, 130},
		"SIGTERM":                  {signalled(syscall.SIGTERM), 143},
		"the terminal is gone":     {func(x *terminal) { x.Keyboard.Close() }, 129},
		"Ctrl-C in half an answer": {func(x *terminal) { x.Type("ye\x03") }, 130},
	} {
		for _, command := range []string{"handles-signals", "handles-signals-run"} {
			t.Run(name+" in "+command, func(t *testing.T) {
				x := start(t, setup{args: []string{command}})
				x.Expect(1, theQuestion)
				test.act(x)
				screen := x.End()
				if code := x.Cmd.ProcessState.ExitCode(); code != test.code {
					t.Errorf("ended with %v, want %d", x.Cmd.ProcessState, test.code)
				}
				if strings.Contains(screen, "the tool's own context") || strings.Contains(screen, "hello") || strings.Contains(screen, "Usage:") {
					t.Errorf("the command ran, or its usage was shown:\n%s", screen)
				}
				untouched(t, x.dir)
			})
		}
	}
}

func TestATerminalThatGoesAwayDoesNotEndAToolThatStays(t *testing.T) {
	x := start(t, setup{args: []string{"ignores-hangup"}})
	x.Expect(1, theQuestion)
	x.Keyboard.Close()
	x.End()
	if code := x.Cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("ended with %v", x.Cmd.ProcessState)
	}
	onlyUnanswered(t, x.dir)
}

func TestTheTimeInWhichTheToolIsStoppedIsNotTheTimeToAnswer(t *testing.T) {
	const patience = 2 * time.Second
	x := start(t, setup{args: []string{"hello"}, env: []string{toolPatience + "=" + patience.String()}})
	x.Expect(1, theQuestion)
	if err := x.Cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(patience) // what passes is what is tested
	if err := x.Cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	x.Type("y\n")
	if screen := x.End(); stored(x.dir) != consent.AnswerYes {
		t.Errorf("stored %q:\n%s", stored(x.dir), screen)
	}
}

func TestWhatWasTypedBeforeTheQuestionIsNoAnswerToIt(t *testing.T) {
	t.Run("a whole line is left to the tool, and the next command asks", func(t *testing.T) {
		x := start(t, setup{args: []string{"busy-before"}})
		x.Expect(1, "busy\n")
		x.Type("y\n")
		x.Expect(1, "busy\ny\n")
		x.gate.WriteString("!")
		if screen := x.End(); screen != "busy\ny\nthe tool read \"y\\n\", <nil>\n" {
			t.Errorf("shown:\n%s", screen)
		}
		untouched(t, x.dir)
		x = start(t, setup{args: []string{"hello"}, dir: x.dir})
		x.Expect(1, theQuestion)
		x.Type("n\n")
		x.End()
	})
	t.Run("half a line is not completed to a yes", func(t *testing.T) {
		x := start(t, setup{args: []string{"busy-before"}})
		x.Expect(1, "busy\n")
		x.Type("y")
		x.Expect(1, "busy\ny")
		x.gate.WriteString("!")
		x.Expect(1, theQuestion)
		x.Type("\n")
		x.Type("for the tool\n")
		if screen := x.End(); stored(x.dir) != consent.AnswerNo || !strings.Contains(screen, `the tool read "for the tool\n"`) {
			t.Errorf("stored %q:\n%s", stored(x.dir), screen)
		}
	})
	t.Run("of several lines the second does not answer for the first", func(t *testing.T) {
		x := start(t, setup{args: []string{"echo"}})
		x.Expect(1, theQuestion)
		x.Type("make\ny\n")
		screen := x.End()
		if !strings.Contains(screen, `the tool read "y\n"`) || strings.Count(screen, theQuestion) != 1 {
			t.Errorf("shown:\n%s", screen)
		}
		onlyUnanswered(t, x.dir)
	})
}

func TestNobodyIsAskedOutOfTheTimeOfACommandThatHasLittle(t *testing.T) {
	screen := start(t, setup{args: []string{"hello"}, env: []string{toolDeadline + "=1m"}}).End()
	if screen != "hello\n" {
		t.Errorf("shown:\n%s", screen)
	}
	x := start(t, setup{args: []string{"hello"}, env: []string{toolDeadline + "=1m", toolPatience + "=2s"}})
	x.Expect(1, theQuestion)
	x.Type("n\n")
	x.End()
}

func TestTheQuestionTakesOneLineAndLeavesTheRestToTheTool(t *testing.T) {
	x := start(t, setup{args: []string{"echo"}})
	x.Expect(1, theQuestion)
	x.Type("n\nfor the tool\n")
	if screen := x.End(); !strings.Contains(screen, `the tool read "for the tool\n", <nil>`) {
		t.Errorf("shown:\n%s", screen)
	}
	// Given up, it has left nobody behind who reads.
	x = start(t, setup{args: []string{"echo"}, env: []string{toolPatience + "=200ms"}})
	x.Expect(1, "Not answered")
	x.Type("for the tool\n")
	if screen := x.End(); !strings.Contains(screen, `the tool read "for the tool\n", <nil>`) {
		t.Errorf("shown:\n%s", screen)
	}
}

func TestTheQuestionStaysOutOfStdout(t *testing.T) {
	ptmx, tty, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	defer ptmx.Close()
	x := start(t, setup{args: []string{"hello"}, stdout: tty})
	tty.Close()
	x.Expect(1, theQuestion)
	x.Type("n\n")
	x.End()
	out := make([]byte, 4096)
	if n, err := ptmx.Read(out); string(out[:n]) != "hello\r\n" {
		t.Errorf("stdout showed %q, %v", out[:n], err)
	}
}

// closesStdin returns a program that runs another one without a standard input.
func closesStdin(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "without-stdin")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexec \"$@\" <&-\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
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
		"stdin is /dev/null":                {pipes: "null"},
		"stdin is closed":                   {with: closesStdin(t)},
		"stdout is a pipe":                  {pipes: "out"},
		"stderr is a pipe":                  {pipes: "err"},
		"a coding agent runs it":            {env: []string{"CLAUDECODE=1"}},
		"an agent of no name runs it":       {env: []string{"AI_AGENT=new-one@1"}},
		"it is continuous integration":      {env: []string{"CI=true"}},
		"it is CI that does not set CI":     {env: []string{"TF_BUILD=True"}},
		"DO_NOT_TRACK is set":               {env: []string{"DO_NOT_TRACK=1"}},
		"the tool's variable says no":       {env: []string{"MYTOOL_TELEMETRY=off"}},
		"a variable says yes":               {env: []string{"TELEMETRY_ENABLED=1"}},
		"a program reads the output":        {args: []string{"hello", "--output", "json"}},
		"the tool names no receiver":        {env: []string{toolEndpoint + "="}},
		"the declaration is wrong":          {env: []string{toolEndpoint + "=http://example.com"}},
		"a setting goes with no other":      {env: []string{toolEndpoint + "=setting:http://example.com"}},
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
			screen := x.End()
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

func TestNohupLeavesNobodyToBeAsked(t *testing.T) {
	nohup, err := exec.LookPath("nohup")
	if err != nil {
		t.Skip(err)
	}
	x := start(t, setup{args: []string{"hello"}, with: nohup})
	screen := x.End()
	out, err := os.ReadFile(filepath.Join(x.Cmd.Dir, "nohup.out"))
	if err != nil || string(out) != "hello\n" {
		t.Errorf("stdout holds %q, %v; shown:\n%s", out, err, screen)
	}
	untouched(t, x.dir)
}

func TestInitAsksByItselfAndOnce(t *testing.T) {
	x := start(t, setup{args: []string{"init"}})
	x.Expect(1, theQuestion)
	if shown := x.Shown(); !strings.HasPrefix(shown, "making a project\n") {
		t.Errorf("asked before the command wanted it:\n%s", shown)
	}
	x.Type("yes\n")
	x.End()
	if got := stored(x.dir); got != consent.AnswerYes {
		t.Errorf("stored %q", got)
	}
}

func TestAnEndAtTheQuestionOfInitIsItsEnd(t *testing.T) {
	x := start(t, setup{args: []string{"init"}})
	x.Expect(1, theQuestion)
	x.Type("\x03")
	screen := x.End()
	if code := x.Cmd.ProcessState.ExitCode(); code != 130 || strings.Contains(screen, "Usage:") {
		t.Errorf("ended with %v:\n%s", x.Cmd.ProcessState, screen)
	}
	untouched(t, x.dir)
}

func TestAnAnswerFromElsewhereMeanwhileStands(t *testing.T) {
	x := start(t, setup{args: []string{"hello"}})
	x.Expect(1, theQuestion)
	err := consent.NewStore(x.dir).No(consent.SourceCommand, "", consent.Terms{NoticeVersion: 0}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	x.Type("y\n")
	screen := x.End()
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
	x.Expect(1, theQuestion)
	if err := os.WriteFile(x.dir, nil, 0o600); err != nil { // where the directory would be
		t.Fatal(err)
	}
	x.Type("y\n")
	screen := x.End()
	_, after, _ := strings.Cut(screen, theQuestion+"y\n")
	lines := strings.Split(strings.TrimSuffix(after, "\n"), "\n")
	if len(lines) != 2 || lines[1] != "hello" || !strings.Contains(lines[0], "could not be stored") || !strings.Contains(lines[0], "MYTOOL_TELEMETRY=off") {
		t.Errorf("shown after the answer:\n%s", after)
	}
}

func TestOnATerminalStatusIsATableWithColourUnlessNotWanted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := consent.NewStore(dir).No(consent.SourceCommand, "", consent.Terms{NoticeVersion: 0}, time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	for name, env := range map[string]string{"terminal": "X=1", "no_color": "NO_COLOR=1", "dumb": "TERM=dumb"} {
		x := start(t, setup{args: []string{"telemetry", "status", "--explain"}, dir: dir, env: []string{env}})
		golden(t, "status_"+name, strings.ReplaceAll(x.End(), dir, "STATE"))
	}
}

func TestResetAsksOnATerminalOnly(t *testing.T) {
	enable := func() string {
		x := start(t, setup{args: []string{"telemetry", "enable"}})
		x.End()
		return x.dir
	}
	dir := enable()
	x := start(t, setup{args: []string{"telemetry", "reset"}, dir: dir})
	x.Expect(1, "Go on? [y/N] ")
	x.Type("\n")
	screen := x.End()
	golden(t, "reset_declined", screen)
	if code := x.Cmd.ProcessState.ExitCode(); code != 1 || stored(dir) != consent.AnswerYes {
		t.Errorf("code %d, stored %q", code, stored(dir))
	}
	x = start(t, setup{args: []string{"telemetry", "reset"}, dir: dir})
	x.Expect(1, "Go on? [y/N] ")
	x.Type("y\n")
	x.End()
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
		screen := x.End()
		if strings.Contains(screen, "Go on?") || stored(s.dir) != consent.AnswerNo {
			t.Errorf("%v %s: stored %q\n%s", s.args, s.pipes, stored(s.dir), screen)
		}
	}
}

func TestAFlushThatTakesLongSaysSoOnATerminal(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	env := []string{"TELEMETRY_ENABLED=1", toolEndpoint + "=" + server.URL}
	x := start(t, setup{args: []string{"hello"}, env: env})
	x.End()
	x = start(t, setup{args: []string{"telemetry", "flush"}, env: env, dir: x.dir})
	x.Expect(1, ": 0 of 1 event …")
	close(release)
	screen := ports.ReplaceAllString(x.End(), "SERVER")
	const drawn = "\r\x1b[KSending to http (SERVER): 0 of 1 event …"
	if !strings.HasPrefix(screen, drawn) || strings.ReplaceAll(screen, drawn, "") != "\r\x1b[KSent 1 event to http (SERVER).\n" {
		t.Errorf("shown: %q", screen)
	}
}

func TestAResetThatTakesLongSaysSoOnATerminal(t *testing.T) {
	release := make(chan struct{})
	var posts atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if posts.Add(1) == 1 {
			return // the event
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	env := []string{toolEndpoint + "=" + server.URL}
	x := start(t, setup{args: []string{"telemetry", "enable"}, env: env})
	x.End()
	for _, args := range [][]string{{"hello"}, {"telemetry", "flush"}} {
		x = start(t, setup{args: args, env: env, dir: x.dir})
		x.End()
	}
	x = start(t, setup{args: []string{"telemetry", "reset", "--yes"}, env: env, dir: x.dir})
	x.Expect(1, "Asking for the deletion: 0 of 1 request …")
	close(release)
	if screen := x.End(); !strings.Contains(screen, "handed over to http") {
		t.Errorf("shown: %q", screen)
	}
}
