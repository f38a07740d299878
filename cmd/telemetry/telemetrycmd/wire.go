package telemetrycmd

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/props"
)

// Wire gives a tool its telemetry, in one line: it opens the collector and puts it into
// p, adds the `telemetry` commands to root, and has every other command in the tree
// record itself and, before the first one, the person asked. Call it last, when all
// commands are in the tree. What commands return and print stays as it was; one whose
// context ends at the question is not run, and returns that.
//
// Where the author has not enabled props.TelemetryCmd it does nothing at all. A
// Collector of another kind than props.Discard is kept, such as a test's.
//
// The error is a mistake of the author's: in what was declared, as core.Open says, or a
// command of root's own that is named telemetry. The tool goes on without telemetry.
func Wire(root *cobra.Command, p *props.Props, list ...Option) error {
	if !p.Tool.Features.Enabled(props.TelemetryCmd) {
		_, err := core.Open(p.Tool, gather(list).core...)
		return err
	}
	w := &wiring{props: p, options: gather(list)}
	w.manager = core.NewManager(p.Tool, w.core...)
	var err error
	if _, silent := p.Collector.(props.Discard); p.Collector == nil || silent {
		p.Collector, err = core.Open(p.Tool, w.core...)
	}
	if taken := child(root, "telemetry"); taken == nil {
		root.AddCommand(New(w.manager, list...))
	} else if taken.Annotations[groupMark] == "" {
		err = errors.Join(err, errors.New("the tool has a command of its own that is named telemetry; rename it, so that people can change their mind"))
	}
	w.wrapTree(root)
	return err
}

// wiring is what the wrapped commands share.
type wiring struct {
	*options
	props   *props.Props
	manager *core.Manager
}

func child(cmd *cobra.Command, name string) *cobra.Command {
	for _, c := range cmd.Commands() {
		if c.Name() == name {
			return c
		}
	}
	return nil
}

// wrapTree wraps cmd and what is under it.
func (w *wiring) wrapTree(cmd *cobra.Command) {
	if cmd.Annotations[groupMark] != "" || isPlumbing(cmd) {
		return
	}
	w.wrap(cmd)
	for _, c := range cmd.Commands() {
		w.wrapTree(c)
	}
}

// isPlumbing recognises the commands that are called by shells, or to learn about the
// tool: they would be the bulk of all events and say nothing.
func isPlumbing(cmd *cobra.Command) bool {
	parent := cmd.Parent()
	if parent == nil || parent.HasParent() {
		return false
	}
	switch cmd.Name() {
	case "help", "version", "completion", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd:
		return true
	}
	return false
}

func (w *wiring) wrap(cmd *cobra.Command) {
	if cmd.Annotations[wiredMark] != "" {
		return
	}
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[wiredMark] = "yes"
	cmd.PersistentPreRunE = w.wrapHook(cmd.PersistentPreRunE)
	cmd.PreRunE = w.wrapHook(cmd.PreRunE)
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			return w.run(cmd, args, func() error { return run(cmd, args) })
		}
	} else if run := cmd.Run; run != nil {
		// cobra takes RunE where there are both. It is what can say that the command was
		// not run; Run stays for those who call it themselves.
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			return w.run(cmd, args, func() error { run(cmd, args); return nil })
		}
		cmd.Run = func(cmd *cobra.Command, args []string) { _ = cmd.RunE(cmd, args) }
	}
}

type runE = func(*cobra.Command, []string) error

// wrapHook records the command whose hook failed: it never comes to its Run. A
// persistent hook is its parent's, so cmd may be a command that is not recorded.
func (w *wiring) wrapHook(hook runE) runE {
	if hook == nil {
		return nil
	}
	return func(cmd *cobra.Command, args []string) error {
		start := time.Now()
		err := hook(cmd, args)
		if err != nil && cmd.Annotations[wiredMark] != "" {
			w.tell(cmd)
			w.record(w.props.Collector, cmd, args, start, err)
		}
		return err
	}
}

// run runs a command and records how it went. Where telemetry is off, and it was found
// out that nobody is to be asked, it sees to deletion requests that are due, and adds
// nothing else. A context that ends at the question is the end: the command is not run.
func (w *wiring) run(cmd *cobra.Command, args []string, run func() error) error {
	if w.props.Collector.Enabled() {
		w.tell(cmd)
	} else {
		if err := w.question(cmd); err != nil {
			return err
		}
		if !w.props.Collector.Enabled() {
			err := run()
			_ = w.props.Collector.Close(contextOf(cmd)) // reset --status tells what went wrong
			return err
		}
	}
	collector := w.props.Collector
	start := time.Now()
	returned := false
	// No recover: the panic goes on with its own stack.
	defer func() {
		if !returned {
			w.record(collector, cmd, args, start, errPanic)
		}
	}()
	err := run()
	returned = true
	w.record(collector, cmd, args, start, err)
	return err
}

// errPanic stands for a command that did not return.
var errPanic error = panicError{}

type panicError struct{}

func (panicError) Error() string { return "panic" }
func (panicError) ExitCode() int { return exitPanic }

// record records one run, and has an upload started if one is due.
func (w *wiring) record(collector props.Collector, cmd *cobra.Command, args []string, start time.Time, err error) {
	if !collector.Enabled() || errors.Is(err, pflag.ErrHelp) { // cobra prints the help for it
		return
	}
	took := time.Since(start).Milliseconds()
	text := ""
	if err != nil {
		text = err.Error()
	}
	collector.TrackCommandExtended(commandName(cmd), args, took, ExitCode(err), text, nil)
	_ = collector.Close(contextOf(cmd)) // status tells what went wrong
}

// commandName is the command's path without the root, or the root's name.
func commandName(cmd *cobra.Command) string {
	root := cmd.Root()
	if cmd == root {
		return root.Name()
	}
	return strings.TrimPrefix(cmd.CommandPath(), root.CommandPath()+" ")
}

// question asks the person once and opens the collector anew, so that the command that
// asked is recorded too after a yes. A command with --skip-telemetry asks by itself. The
// error says that the command's context ended at the question.
func (w *wiring) question(cmd *cobra.Command) error {
	if cmd.Flags().Lookup(skipFlag) != nil || !w.collects() {
		return nil
	}
	answered, err := w.ask(cmd, w.manager)
	if ended := (*endedError)(nil); errors.As(err, &ended) {
		return err
	}
	if err != nil {
		// The person has just answered and is owed this one line.
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %v\n", w.props.Tool.Name, err)
	}
	if answered {
		if collector, err := core.Open(w.props.Tool, w.core...); err == nil {
			w.props.Collector = collector
		}
	}
	return nil
}

// collects reports whether the collector is the one that Wire opened, not a test's.
func (w *wiring) collects() bool {
	_, ours := w.props.Collector.(*core.Collector)
	return ours
}

// tell tells the person, once and before anything is sent in their name, that a
// variable turned the tool's telemetry on which they may have set for another product.
// It stays a yes where there is nobody to be told; then a later command tells it.
func (w *wiring) tell(cmd *cobra.Command) {
	if _, set := w.manager.Lookup(consent.GeneralVariable); !set || !w.collects() {
		return // by far the most, and the cheapest look
	}
	_, terminal, ok := w.somebodyThere(cmd, w.manager)
	if !ok || w.manager.Told() {
		return
	}
	status := w.manager.Status()
	if !status.Recording || !status.Decision.ByGeneralVariable() || status.Backend.Local {
		return
	}
	fmt.Fprintln(terminal, turnedOn(w.props.Tool.Name, status))
	_ = w.manager.NoteTold() // else they are told once more
}
