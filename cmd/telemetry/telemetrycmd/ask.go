package telemetrycmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gotoolbase/telemetry/cmd/internal/screen"
	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/internal/guard"
)

// skipFlag is the flag of commands that ask by themselves; see AddSkipFlag.
const skipFlag = "skip-telemetry"

// AddSkipFlag gives a tool's `init` command the flag --skip-telemetry, which is true in
// continuous integration. A command that has it asks with Ask, when it sees fit; Wire
// leaves the question to it.
func AddSkipFlag(cmd *cobra.Command, m *core.Manager) {
	cmd.Flags().Bool(skipFlag, consent.InCI(m.Lookup), "do not ask whether usage data may be sent")
}

// Ask asks the person whether usage data may be sent, if nobody has said anything yet
// and there is somebody to ask: a terminal on stdin, stdout and stderr, not in
// continuous integration, no coding agent, no machine-readable output, no
// --skip-telemetry. Enter means no. An answer that does not come is no, and the question
// is not put again until what is collected changes.
//
// An error that wraps the one of the command's context says that the context ended
// while the question was waiting, as with Ctrl-C in a tool that uses
// signal.NotifyContext: return it, ExitCode knows it. Any other says that the answer
// could not be stored; the command can go on all the same, without telemetry.
func Ask(cmd *cobra.Command, m *core.Manager, list ...Option) error {
	if skip, err := cmd.Flags().GetBool(skipFlag); err == nil && skip {
		return nil
	}
	_, err := gather(list).ask(cmd, m)
	return err
}

// ask is Ask without the flag. It reports whether an answer was stored.
func (o *options) ask(cmd *cobra.Command, m *core.Manager) (answered bool, err error) {
	in, terminal, ok := o.somebodyThere(cmd, m)
	if !ok || o.wouldCostTooMuch(contextOf(cmd)) {
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
	if typedAhead(in) {
		return false, nil // it is for the tool; the next command asks
	}
	name := m.Tool().Name
	group := name + " telemetry "
	fmt.Fprintf(terminal, "\n%s\n", notice(m.Tool(), status, group+"disable"))
	question := "Send usage data?"
	if status.Backend.Local {
		question = "Keep usage data?"
	}
	answer, reply := consent.AnswerNo, "No usage data is collected. To change that: "+group+"enable\n"
	switch said, err := askYesNo(contextOf(cmd), in, terminal, question, o.patience); {
	case err != nil:
		cmd.SilenceUsage = true // it was called in the right way
		return false, err
	case said == saidYes:
		answer, reply = consent.AnswerYes, "Thank you.\n"
	case said == saidBefore:
		fmt.Fprintln(terminal, "Not asked now, because something was typed already.")
		return false, nil
	case said == saidNothing:
		fmt.Fprintf(terminal, "Not answered, so nothing is collected. To answer later: %senable\n\n", group)
		return false, couldNotStore(m.NoteUnanswered(), "that you were asked", name)
	}
	err = m.Answer(answer, seen)
	if errors.Is(err, core.ErrChanged) {
		return true, nil // the other answer stands; status tells it
	}
	if err != nil {
		return false, couldNotStore(err, "your answer", name)
	}
	fmt.Fprintln(terminal, reply)
	return true, nil
}

// couldNotStore says what to do where err kept something from being stored; nil stays nil.
func couldNotStore(err error, what, tool string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s could not be stored, so nothing is collected (%w); to not be asked again, set %s=off",
		what, err, consent.EnvName(tool))
}

// somebodyThere finds out whether a person can be asked or told something here, cheap
// checks first. Who looks at what would be recorded has not come to be asked.
func (o *options) somebodyThere(cmd *cobra.Command, m *core.Manager) (in, terminal *os.File, ok bool) {
	in, isFile := cmd.InOrStdin().(*os.File)
	terminal, isFileToo := cmd.ErrOrStderr().(*os.File)
	if !isFile || !isFileToo || !screen.IsTerminal(in) || !screen.IsTerminal(terminal) || !printsToTerminal(cmd) {
		return nil, nil, false
	}
	if m.Debugging() || consent.InCI(m.Lookup) || o.machineReads(cmd) || !inForeground(in) {
		return nil, nil, false
	}
	if _, agent := consent.Agent(m.Lookup); agent {
		return nil, nil, false
	}
	return in, terminal, true
}

// printsToTerminal reports whether what cmd prints goes to a terminal. Many commands print
// to os.Stdout without cobra. A writer of the tool's own, such as one that adds colour,
// is taken to lead there too.
func printsToTerminal(cmd *cobra.Command) bool {
	out, isFile := cmd.OutOrStdout().(*os.File)
	return screen.IsTerminal(os.Stdout) && (!isFile || screen.IsTerminal(out))
}

// wouldCostTooMuch reports whether a question could take half of the time that is left
// to the command, or more. There is none left where the command has been cancelled.
func (o *options) wouldCostTooMuch(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() != nil || limited && time.Until(deadline) < 2*tries*o.patience
}

// machineReads reports whether another program reads what cmd prints, as far as its
// flags tell. The names are those in common use.
func (o *options) machineReads(cmd *cobra.Command) bool {
	if o.machineReadable != nil && guard.Ask(true, func() bool { return o.machineReadable(cmd) }) {
		return true
	}
	machine := false
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		machine = machine || machineFlag(f)
	})
	return machine
}

func machineFlag(f *pflag.Flag) bool {
	value := strings.ToLower(f.Value.String())
	isBool := f.Value.Type() == "bool"
	switch f.Name {
	case "json", "jq", "jsonpath", "template", "go-template":
		// A switch, or as with gh the fields to print.
		return isBool && value == "true" || !isBool && f.Changed
	case "yaml", "xml", "csv", "tsv", "ndjson", "porcelain", "quiet", "silent", "plain", "raw", "batch",
		"no-input", "non-interactive":
		return isBool && value == "true" || !isBool && f.Changed && value != ""
	case "interactive":
		return isBool && value == "false" && f.Changed
	}
	if !slices.Contains([]string{"output", "format", "output-format"}, f.Name) && f.Shorthand != "o" {
		return false
	}
	// "template={{.Name}}", "jsonpath='{.items}'", "custom-columns=…"
	kind, _, _ := strings.Cut(value, "=")
	switch kind {
	case "json", "jsonl", "ndjson", "json-pretty", "yaml", "yml", "xml", "toml", "csv", "tsv",
		"template", "go-template", "jsonpath", "jsonpath-as-json", "custom-columns", "name", "porcelain", "raw":
		return true
	}
	return false
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

// askYesNo asks on a terminal. Enter means no. It gives up where nobody has typed a line
// within patience, at the end of the input and after the third answer that it does not
// understand. The error is that of ctx, which ended meanwhile.
//
// patience begins anew with all that comes. From a terminal that is a line: before Enter
// it tells nothing of what is typed, unless its mode is changed, and a command that is
// killed then would leave it so.
func askYesNo(ctx context.Context, in *os.File, terminal io.Writer, question string, patience time.Duration) (said, error) {
	none := saidBefore
	for range tries {
		// A line that comes before the prompt was meant for something else. From here to
		// the prompt is too short for anybody to type one.
		if typedAhead(in) {
			return none, nil
		}
		fmt.Fprintf(terminal, "%s [y/N] ", question)
		none = saidNothing
		line, err := readLine(ctx, in, patience)
		if err != nil {
			fmt.Fprintln(terminal)
			// What a signal does to the terminal may be seen before what it does to ctx:
			// one that goes away has no foreground, and on Windows Ctrl-C ends the input.
			select {
			case <-ctx.Done():
				return none, &endedError{ctx}
			case <-time.After(glance):
				return none, nil
			}
		}
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "", "n", "no":
			return saidNo, nil
		case "y", "yes":
			return saidYes, nil
		}
		fmt.Fprintln(terminal, "Please type y or n.")
	}
	return none, nil
}

// glance is how often a question looks whether its context has ended: when somebody
// pressed Ctrl-C and the tool handles that signal itself, it must seem at once.
const glance = 50 * time.Millisecond

// readLine reads one line and not a byte more: what follows is the tool's to read. It
// reads byte by byte, in this goroutine, only when there is something to read, so that
// nothing is left behind that would swallow input after it has given up.
func readLine(ctx context.Context, in *os.File, patience time.Duration) (string, error) {
	const enough = 80 // the rest of a longer line is read and forgotten
	var line []byte
	var b [1]byte
	for begun := false; ; begun = true {
		if err := waitReadable(ctx, in, begun, patience); err != nil {
			return "", err
		}
		switch n, err := in.Read(b[:]); {
		case err != nil:
			return "", err
		case n == 0:
			return "", io.EOF
		}
		switch c := b[0]; {
		case c == '\n', c == '\r' && runtime.GOOS != "windows": // \r: a terminal in raw mode
			return string(line), nil
		case len(line) < enough:
			line = append(line, c)
		}
	}
}
