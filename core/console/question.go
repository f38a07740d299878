package console

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/internal/screen"
	"github.com/gotoolbase/telemetry/internal/tty"
)

// Ask asks the person whether usage data may be sent, if they have said nothing yet and
// there is a person to ask, as the package comment tells. Enter means no. An answer that does
// not come is no, and the question is not put again until what is collected changes. Where
// telemetry is on already it does what [Tell] does.
//
// answered says that there is an answer now, so that a collector that was open before is to
// be opened anew. An [*InterruptedError] says that the context ended while the question was
// waiting, as with Ctrl-C in a tool that uses signal.NotifyContext: the command should end
// with it. Any other error says that the answer could not be stored; the command can go on all
// the same, without telemetry.
func Ask(ctx context.Context, m *core.Manager, options ...Option) (answered bool, err error) {
	s := gather(options)
	s.tell(m)
	in, terminal, ok := s.somebodyThere(m)
	if !ok || s.wouldCostTooMuch(ctx) {
		return false, nil
	}
	// What is stored now is what the person is asked about: a no that another process
	// stores meanwhile outlives a yes given here.
	seen := m.Stored()
	if seen.Err != nil || !m.Decision().Undecided {
		return false, nil
	}
	if _, before := m.Unanswered(); before {
		return false, nil
	}
	status := m.Status()
	if status.Backend.Name == "noop" || m.Writable() != nil {
		return false, nil // a question whose answer leads to nothing, at every command
	}
	if tty.TypedAhead(in) {
		return false, nil // it is for the tool; the next command asks
	}
	hint, on := s.hints(m), out(terminal, m)
	shown := s.notice(on, m.Tool(), status, hint("disable"))
	fmt.Fprintf(terminal, "\n%s\n", shown)
	question := s.text("Send usage data?")
	if status.Backend.Local {
		question = s.text("Keep usage data?")
	}
	say := func(text string) { on.Line(screen.Plain, text) }
	answer, reply := consent.AnswerNo, s.text("No usage data is collected. To change that: %s", hint("enable"))
	switch said, err := s.askYesNo(ctx, in, on, question, s.patience); {
	case err != nil:
		return false, err
	case said == saidYes:
		answer, reply = consent.AnswerYes, s.text("Thank you.")
	case said == saidBefore:
		say(s.text("Not asked now, because something was typed already."))
		return false, nil
	case said == saidNothing:
		say(s.text("Not answered, so nothing is collected. To answer later: %s", hint("enable")))
		fmt.Fprintln(terminal)
		return false, s.couldNotStore(m.NoteUnanswered(),
			"that you were asked could not be stored, so nothing is collected (%[1]w); to not be asked again, set %[2]s=off", m.Tool().Name)
	}
	err = m.Answer(answer, seen, shown)
	if errors.Is(err, core.ErrChanged) {
		return true, nil // the other answer stands; status tells it
	}
	if err != nil {
		return false, s.couldNotStore(err,
			"your answer could not be stored, so nothing is collected (%[1]w); to not be asked again, set %[2]s=off", m.Tool().Name)
	}
	say(reply)
	fmt.Fprintln(terminal)
	return true, nil
}

// Tell tells the person, once and before anything is sent in their name, that a variable
// turned the tool's telemetry on which they may have set for another product. It stays a yes
// where there is no person to be told; then a later command tells it.
func Tell(m *core.Manager, options ...Option) { gather(options).tell(m) }

func (s *settings) tell(m *core.Manager) {
	if _, set := m.Lookup(consent.GeneralVariable); !set {
		return // by far the most, and the cheapest look
	}
	_, terminal, ok := s.somebodyThere(m)
	if !ok || m.Told() {
		return
	}
	status := m.Status()
	if !status.Recording || !status.Decision.ByGeneralVariable() || status.Backend.Local {
		return
	}
	shown := s.turnedOn(out(terminal, m), m.Tool().Name, status, s.hints(m))
	fmt.Fprintln(terminal, shown)
	_ = m.NoteTold(shown) // else they are told once more
}

// couldNotStore says in a text what to do where err kept something from being stored; nil stays nil.
func (s *settings) couldNotStore(err error, text, tool string) error {
	if err == nil {
		return nil
	}
	return s.errorf(text, err, consent.EnvName(tool))
}

// somebodyThere finds out whether a person can be asked or told something here, cheap
// checks first. Many commands print to os.Stdout whatever stream they were given.
func (s *settings) somebodyThere(m *core.Manager) (in, terminal *os.File, ok bool) {
	if s.unasked {
		return nil, nil, false
	}
	streams := s.streams.complete()
	in, isFile := streams.In.(*os.File)
	terminal, isFileToo := streams.Err.(*os.File)
	if !isFile || !isFileToo || !tty.Is(in) || !tty.Is(terminal) || !tty.Is(os.Stdout) {
		return nil, nil, false
	}
	// A writer of the tool's own, such as one that adds colour, is taken to lead to a terminal.
	if file, is := streams.Out.(*os.File); is && !tty.Is(file) {
		return nil, nil, false
	}
	if m.Debugging() || consent.InCI(m.Lookup) || !tty.InForeground(in) {
		return nil, nil, false
	}
	if _, agent := consent.Agent(m.Lookup); agent {
		return nil, nil, false
	}
	return in, terminal, true
}

// wouldCostTooMuch reports whether a question could take half of the time that is left
// to the command, or more. There is none left where the command has been cancelled.
func (s *settings) wouldCostTooMuch(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() != nil || limited && time.Until(deadline) < 2*tries*s.patience
}

// said is what came of a question.
type said int

const (
	saidNothing said = iota // no answer, or none that could be understood
	saidBefore              // something was typed before the question was there
	saidNo
	saidYes
)

// tries is how often an answer that is neither yes nor no is asked for again.
const tries = 3

// askYesNo asks on a terminal. Enter means no. It gives up where the person has not typed a line
// within patience, at the end of the input and after the third answer that it does not
// understand. The error is that of ctx, which ended meanwhile.
//
// patience is for each line: before Enter a terminal tells nothing of what is typed, unless
// its mode is changed, and a command that is killed then would leave it so.
func (s *settings) askYesNo(ctx context.Context, in *os.File, terminal screen.Screen, question string, patience time.Duration) (said, error) {
	none := saidBefore
	for range tries {
		// A line that comes before the prompt was meant for something else. From here to
		// the prompt is too short for anybody to type one.
		if tty.TypedAhead(in) {
			return none, nil
		}
		fmt.Fprintf(terminal, "%s %s ", question, s.text("[y/N]"))
		none = saidNothing
		line, err := tty.ReadLine(ctx, in, patience)
		if err != nil {
			fmt.Fprintln(terminal)
			// What a signal does to the terminal may be seen before what it does to ctx:
			// one that goes away has no foreground, and on Windows Ctrl-C ends the input.
			if tty.Glance(ctx) {
				return none, &InterruptedError{ctx, "a question was waiting for its answer"}
			}
			return none, nil
		}
		switch word := strings.ToLower(strings.TrimSpace(line)); {
		case word == "", s.isOneOf(word, "n no"):
			return saidNo, nil
		case s.isOneOf(word, "y yes"):
			return saidYes, nil
		}
		terminal.Line(screen.Plain, s.text("Please type y or n."))
	}
	return none, nil
}

// isOneOf reports whether a word is one of the English words or of their translation.
func (s *settings) isOneOf(word, words string) bool {
	return slices.Contains(strings.Fields(words+" "+s.text(words)), word)
}
