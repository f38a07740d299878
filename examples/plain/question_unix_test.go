//go:build linux || darwin

package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/internal/ptytest"
)

const (
	theQuestion = "Send usage data? [y/N] "
	columns     = 80
)

// session is a call of `plain greet world` by somebody who was not asked yet.
type session struct {
	*exec.Cmd
	t    *testing.T
	dir  string       // the state directory
	away bytes.Buffer // for what is to go past the terminal
}

func newSession(t *testing.T, env ...string) *session {
	t.Helper()
	s := &session{t: t, dir: filepath.Join(t.TempDir(), "state")}
	s.again(env...)
	return s
}

// again prepares the next call.
func (s *session) again(env ...string) *session {
	s.Cmd = exec.Command(os.Args[0], "greet", "-loud", "world")
	s.Env = append(environment(s.t.TempDir(), asTool+"="+s.dir, asEndpoint+"=http://127.0.0.1:9/events"), env...)
	return s
}

func (s *session) start() *ptytest.Terminal {
	s.t.Helper()
	return ptytest.Start(s.t, columns, s.Cmd)
}

func (s *session) setenv(pairs ...string) { s.Env = append(s.Env, pairs...) }

func (s *session) stored() consent.Answer { return consent.NewStore(s.dir).Load().Answer }

// queued returns what waits to be sent.
func (s *session) queued() string {
	s.t.Helper()
	var all []byte
	slots, _ := filepath.Glob(filepath.Join(s.dir, "queue", "*"))
	for _, slot := range slots {
		content, err := os.ReadFile(slot)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, content...)
	}
	return string(all)
}

func (s *session) untouched() {
	s.t.Helper()
	if _, err := os.Stat(s.dir); !errors.Is(err, fs.ErrNotExist) {
		s.t.Errorf("the state directory was made (%v)", err)
	}
}

// answer answers the question and returns what came after it.
func (s *session) answer(keys string) (after string) {
	s.t.Helper()
	x := s.start()
	x.Expect(1, theQuestion)
	s.untouched()
	x.Type(keys)
	_, after, _ = strings.Cut(x.End(), theQuestion)
	return after
}

func TestAYesRecordsTheCommandThatAskedAndIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	if after := s.answer("y\n"); after != "y\nThank you.\n\nHELLO WORLD!\n" {
		t.Errorf("shown:\n%s", after)
	}
	if q := s.queued(); s.stored() != consent.AnswerYes || strings.Count(q, `"name":"greet"`) != 1 ||
		!strings.Contains(q, `"flags":["loud"]`) || strings.Contains(q, "world") {
		t.Errorf("stored %q, recorded %q", s.stored(), q)
	}
	if shown := s.again().start().End(); shown != "HELLO WORLD!\n" {
		t.Errorf("the second call showed:\n%s", shown)
	}
	if q := s.queued(); strings.Count(q, `"name":"greet"`) != 2 {
		t.Errorf("recorded %q", q)
	}
}

func TestANoIsKeptAndNothingIsRecorded(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	if after := s.answer("\n"); !strings.Contains(after, "No usage data is collected. To change that: plain telemetry enable\n\nHELLO") {
		t.Errorf("shown:\n%s", after)
	}
	if shown := s.again().start().End(); shown != "HELLO WORLD!\n" || s.queued() != "" || s.stored() != consent.AnswerNo {
		t.Errorf("the second call showed:\n%s\nrecorded %q", shown, s.queued())
	}
}

// What a command was called wrongly with may be anything: only that it was is recorded.
func TestAUsageErrorIsRecordedWithItsClass(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	s.answer("y\n")
	s.again()
	s.Args = []string{s.Args[0], "greet"}
	s.start().End()
	if code := s.ProcessState.ExitCode(); code != 2 || !strings.Contains(s.queued(), `"exit_code":2,"error_class":"usage"`) {
		t.Errorf("code %d, recorded %s", code, s.queued())
	}
}

// foreign puts the state directory where this user may not make it.
func (s *session) foreign() {
	home := filepath.Join(s.t.TempDir(), "home")
	if err := os.Mkdir(home, 0o500); err != nil {
		s.t.Fatal(err)
	}
	if os.Geteuid() == 0 { // who may write everywhere, and keeps nothing in what is another's
		if err := os.Chown(home, 65534, 65534); err != nil {
			s.t.Fatal(err)
		}
	}
	s.dir = filepath.Join(home, ".local", "state", "plain")
	s.setenv(asTool + "=" + s.dir)
}

// The rules are those that docs/explanation/consent.md lists, in its words.
func TestNobodyIsAskedWhere(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "explanation", "consent.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, listed, _ := strings.Cut(string(page), "## When the question is not put")
	rules := map[string]func(t *testing.T, s *session){
		"standard input is a pipe": func(_ *testing.T, s *session) { s.Stdin = strings.NewReader("y\n") },
		"standard input is the null device": func(t *testing.T, s *session) {
			null, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { null.Close() })
			s.Stdin = null
		},
		"standard output is a pipe":             func(_ *testing.T, s *session) { s.Stdout = &s.away },
		"standard error is a pipe":              func(_ *testing.T, s *session) { s.Stderr = &s.away },
		"it is continuous integration":          func(_ *testing.T, s *session) { s.setenv("CI=true") },
		"a build system does not set CI":        func(_ *testing.T, s *session) { s.setenv("TF_BUILD=True") },
		"a coding agent runs it":                func(_ *testing.T, s *session) { s.setenv("CLAUDECODE=1") },
		"it is a job in the background":         func(_ *testing.T, s *session) { s.setenv(asJob + "=yes") },
		"the deadline is nearer than an answer": func(_ *testing.T, s *session) { s.setenv(asDeadline + "=1m") },
		"the context has ended":                 func(_ *testing.T, s *session) { s.setenv(asDeadline + "=0s") },
		"the tool names no receiver":            func(_ *testing.T, s *session) { s.setenv(asEndpoint + "=") },
		"the home cannot be written to":         func(_ *testing.T, s *session) { s.foreign() },
		"the author says so":                    func(_ *testing.T, s *session) { s.setenv(asUnasked + "=yes") },
		"a variable says no":                    func(_ *testing.T, s *session) { s.setenv("DO_NOT_TRACK=1") },
		"a telemetry command runs":              func(_ *testing.T, s *session) { s.Args = []string{s.Args[0], "telemetry", "schema"} },
		"help is asked for":                     func(_ *testing.T, s *session) { s.Args = []string{s.Args[0], "greet", "--help"} },
		"the call is wrong":                     func(_ *testing.T, s *session) { s.Args = []string{s.Args[0], "grete"} },
	}
	for _, rule := range regexp.MustCompile(`\*\*([^*]+)\*\*`).FindAllStringSubmatch(listed, -1) {
		if rules[rule[1]] == nil {
			t.Errorf("the page lists %q, which is not tested", rule[1])
		}
	}
	for name, without := range rules {
		if !strings.Contains(listed, "**"+name+"**") {
			t.Errorf("the page does not list %q", name)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSession(t)
			without(t, s)
			all := s.start().End() + s.away.String()
			if strings.Contains(all, "[y/N]") || strings.Contains(all, "can report how") {
				t.Errorf("asked:\n%s", all)
			}
			if s.Args[1] == "greet" && len(s.Args) > 3 && all != "HELLO WORLD!\n" {
				t.Errorf("the command did something else:\n%s", all)
			}
			s.untouched()
		})
	}
}

// What keeps the question away keeps it from being answered too: the next command asks.
func TestALineThatWasTypedAheadIsLeftToTheToolAndTheNextCommandAsks(t *testing.T) {
	t.Parallel()
	s := newSession(t, asBusy+"=yes")
	gate, opener, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer opener.Close()
	s.ExtraFiles = []*os.File{gate}
	x := s.start()
	gate.Close()
	x.Expect(1, "busy\n")
	x.Type("y\n")
	x.Expect(1, "busy\ny\n") // the terminal has it
	if _, err := opener.WriteString("!"); err != nil {
		t.Fatal(err)
	}
	if shown := x.End(); shown != "busy\ny\nHELLO WORLD!\n" {
		t.Errorf("shown:\n%s", shown)
	}
	s.untouched()
	s.again().answer("n\n")
}

func TestAQuestionThatNobodyAnswersIsOverSoonAndIsNotPutAgain(t *testing.T) {
	t.Parallel()
	const patience = 300 * time.Millisecond
	s := newSession(t, asPatience+"="+patience.String())
	start := time.Now()
	shown := s.start().End()
	if waited := time.Since(start); waited < patience {
		t.Errorf("it waited %v", waited)
	}
	if !strings.HasSuffix(shown, theQuestion+"\nNot answered, so nothing is collected. To answer later: plain telemetry enable\n\nHELLO WORLD!\n") {
		t.Errorf("shown:\n%s", shown)
	}
	if entries, err := os.ReadDir(s.dir); err != nil || len(entries) != 1 || entries[0].Name() != "unanswered" {
		t.Errorf("the state directory holds %v, %v", entries, err)
	}
	for range 2 {
		if shown := s.again().start().End(); shown != "HELLO WORLD!\n" {
			t.Errorf("a later call showed:\n%s", shown)
		}
	}
	if s.stored() != consent.AnswerNone || s.queued() != "" {
		t.Errorf("stored %q, recorded %q", s.stored(), s.queued())
	}
}

// Somebody who types, and never an answer, is asked three times and no more.
func TestAMachineThatTypesNonsenseIsAskedThreeTimes(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	x := s.start()
	for i := range 3 {
		x.Expect(i+1, theQuestion)
		x.Type("login:\n")
	}
	if shown := x.End(); strings.Count(shown, theQuestion) != 3 || !strings.HasSuffix(shown, "HELLO WORLD!\n") {
		t.Errorf("shown:\n%s", shown)
	}
	if shown := s.again().start().End(); shown != "HELLO WORLD!\n" {
		t.Errorf("the next call showed:\n%s", shown)
	}
}

func TestAnAnswerThatIsGivenElsewhereMeanwhileStands(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	x := s.start()
	x.Expect(1, theQuestion)
	if err := consent.NewStore(s.dir).No(consent.SourceCommand, "", consent.Terms{NoticeVersion: 0}, time.Now()); err != nil {
		t.Fatal(err)
	}
	x.Type("y\n")
	if shown := x.End(); !strings.HasSuffix(shown, theQuestion+"y\nHELLO WORLD!\n") || s.stored() != consent.AnswerNo || s.queued() != "" {
		t.Errorf("stored %q, recorded %q, shown:\n%s", s.stored(), s.queued(), shown)
	}
}

func TestCtrlCAtTheQuestionIsTheEndOfTheCommand(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	x := s.start()
	x.Expect(1, theQuestion)
	x.Type("\x03")
	if shown := x.End(); s.ProcessState.ExitCode() != 130 || strings.Contains(shown, "HELLO") {
		t.Errorf("ended with %v:\n%s", s.ProcessState, shown)
	}
	s.untouched()
}

func TestAnAnswerThatCannotBeStoredIsOneLineAndTheCommandRuns(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	x := s.start()
	x.Expect(1, theQuestion)
	if err := os.WriteFile(s.dir, nil, 0o600); err != nil { // where the directory would be
		t.Fatal(err)
	}
	x.Type("y\n")
	_, after, _ := strings.Cut(x.End(), theQuestion+"y\n")
	lines := strings.Split(strings.TrimSuffix(after, "\n"), "\n")
	if len(lines) != 2 || lines[1] != "HELLO WORLD!" || !strings.Contains(lines[0], "could not be stored") || !strings.Contains(lines[0], "PLAIN_TELEMETRY=off") {
		t.Errorf("shown after the answer:\n%s", after)
	}
}
