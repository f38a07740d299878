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

	"github.com/gotoolbase/telemetry/cmd/telemetry/internal/screen"
	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
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
// and there is somebody to ask: a terminal on stdin and stderr, not in continuous
// integration, no machine-readable output, no --skip-telemetry. Enter means no, and an
// answer that does not come stores nothing. The error says that the answer could not be
// stored; the command can go on all the same, without telemetry.
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
	if !ok {
		return false, nil
	}
	// What is stored now is what the person is asked about: a no that another process
	// stores meanwhile outlives a yes given here.
	seen := m.Stored()
	if seen.Err != nil || !m.Decision().Undecided {
		return false, nil
	}
	status := m.Status()
	if status.Backend.Name == "noop" || m.Writable() != nil {
		return false, nil // a question whose answer leads to nothing, at every command
	}
	name := m.Tool().Name
	group := name + " telemetry "
	fmt.Fprintf(terminal, "\n%s\n", notice(m.Tool(), status, group+"disable"))
	question := "Send usage data?"
	if status.Backend.Local {
		question = "Keep usage data?"
	}
	answer, reply := consent.AnswerNo, "No usage data is collected. To change that: "+group+"enable\n"
	switch askYesNo(contextOf(cmd), in, terminal, question, o.patience) {
	case saidYes:
		answer, reply = consent.AnswerYes, "Thank you.\n"
	case saidNothing:
		fmt.Fprintln(terminal, "Not answered, so nothing is collected.")
		return false, nil
	}
	err = m.Answer(answer, seen)
	if errors.Is(err, core.ErrChanged) {
		return true, nil // the other answer stands; status tells it
	}
	if err != nil {
		return false, fmt.Errorf("your answer could not be stored, so nothing is collected (%w); to not be asked again, set %s=off",
			err, consent.EnvName(name))
	}
	fmt.Fprintln(terminal, reply)
	return true, nil
}

// somebodyThere finds out whether a person can be asked here, cheap checks first.
func (o *options) somebodyThere(cmd *cobra.Command, m *core.Manager) (in, terminal *os.File, ok bool) {
	in, isFile := cmd.InOrStdin().(*os.File)
	terminal, isFileToo := cmd.ErrOrStderr().(*os.File)
	if !isFile || !isFileToo || !screen.IsTerminal(in) || !screen.IsTerminal(terminal) {
		return nil, nil, false
	}
	if consent.InCI(m.Lookup) || o.machineReads(cmd) || !inForeground(in) {
		return nil, nil, false
	}
	return in, terminal, true
}

// machineReads reports whether another program reads what cmd prints, as far as its
// flags tell. The names are those in common use.
func (o *options) machineReads(cmd *cobra.Command) bool {
	if o.machineReadable != nil && o.machineReadable(cmd) {
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
	saidNo
	saidYes
)

// tries is how often an answer that is neither yes nor no is asked for again.
const tries = 3

// askYesNo asks on a terminal. Enter means no. It gives up after patience, at the end of
// the input, when ctx ends and after the third answer that it does not understand.
func askYesNo(ctx context.Context, in *os.File, terminal io.Writer, question string, patience time.Duration) said {
	deadline := time.Now().Add(patience)
	for range tries {
		fmt.Fprintf(terminal, "%s [y/N] ", question)
		line, err := readLine(ctx, in, deadline)
		if err != nil {
			fmt.Fprintln(terminal)
			return saidNothing
		}
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "", "n", "no":
			return saidNo
		case "y", "yes":
			return saidYes
		}
		fmt.Fprintln(terminal, "Please type y or n.")
	}
	return saidNothing
}

// readLine reads one line and not a byte more: what follows is the tool's to read. It
// reads byte by byte, in this goroutine, only when there is something to read, so that
// nothing is left behind that would swallow input after it has given up.
func readLine(ctx context.Context, in *os.File, deadline time.Time) (string, error) {
	const enough = 80 // the rest of a longer line is read and forgotten
	var line []byte
	var b [1]byte
	for {
		if err := waitReadable(ctx, in, deadline); err != nil {
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
