package telemetrycmd

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/spf13/cobra"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/props"
)

// Wire gives a tool its telemetry, in one line: it opens the collector and puts it into
// p, adds the `telemetry` commands to root, and has every other command in the tree
// record itself and, before the first one, the person asked. Call it last, when all
// commands are in the tree; Execute then runs it. What commands return and print stays as
// it was; one whose context ends at the question is not run, and returns that. Calling it
// again wires what was added since, with the options of the first time.
//
// Of the tool's words only "telemetry" is taken, and its help may list that. Flags of root
// keep their shorthands: those of the telemetry commands give way.
//
// The commands under `telemetry` are made where the process's arguments may lead to them or to
// help. A command that walks the whole tree, as one that writes pages does, calls Whole before.
//
// Where the author has not enabled props.TelemetryCmd it does nothing at all. A
// Collector of another kind than props.Discard is kept, such as a test's.
//
// The error is a mistake of the author's: in what was declared, as core.Open says, a flag
// to ExcludeFlags that there is not, or a command of root's own that is named telemetry or has
// that alias.
// The tool goes on, with the last of them without telemetry.
func Wire(root *cobra.Command, p *props.Props, list ...Option) error {
	if !p.Tool.Features.Enabled(props.TelemetryCmd) {
		_, err := core.Open(p.Tool, gather(list).core...)
		return err
	}
	if p.Collector == nil {
		p.Collector = props.Discard{}
	}
	for _, c := range children(root) {
		if !isOurs(c) && answersTo(c, groupName) {
			return fmt.Errorf("the tool's own command %q is named telemetry, or has that alias; rename it, so that people can change their mind", c.Name())
		}
	}
	group := child(root, groupName)
	w := wiringOf(root)
	alone := w == nil && root.Runnable() && !root.HasSubCommands()
	var err error
	if w == nil {
		w = &wiring{props: p, options: gather(list)}
		w.manager = core.NewManager(p.Tool, w.core...)
		if _, silent := p.Collector.(props.Discard); silent {
			p.Collector, err = core.Open(p.Tool, w.core...)
		}
		if group == nil {
			var add func()
			group, add = newGroup(w.manager, list...)
			root.AddCommand(group)
			if w.mayNeedCommands(root) {
				add()
			} else {
				w.postpone(root, group, add)
			}
		}
		// A tool may give root another context before it runs; the group's it has no use for.
		root.SetContext(context.WithValue(contextOf(root), wiringKey{}, w))
		group.SetContext(context.WithValue(contextOf(group), wiringKey{}, w))
	}
	w.wrapTree(root)
	if alone {
		w.keepAlone(root, group)
	}
	w.giveWay(root)
	if unknown := unknownExclusions(root); unknown != nil {
		err = errors.Join(err, unknown)
	}
	return err
}

// wiring is what the wrapped commands share.
type wiring struct {
	*options
	props   *props.Props
	manager *core.Manager

	mu        sync.Mutex
	execution *execution // that runs, nil outside of Execute
	notAlone  func()     // undoes keepAlone; nil where nothing is to be undone

	addCommands func() // those under `telemetry`; nil where they are there
}

// wiringKey is the key of a wiring in a context.
type wiringKey struct{}

// wiringOf returns the wiring of a tree, nil for one without.
func wiringOf(root *cobra.Command) *wiring {
	for _, cmd := range []*cobra.Command{root, child(root, groupName)} {
		if cmd == nil {
			continue
		}
		if w, ok := contextOf(cmd).Value(wiringKey{}).(*wiring); ok {
			return w
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
	for _, c := range children(cmd) {
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

// isWired reports whether cmd was in the tree when it was wired: the name of another may
// be a person's.
func isWired(cmd *cobra.Command) bool { return cmd.Annotations[wiredMark] != "" }

func (w *wiring) wrap(cmd *cobra.Command) {
	if isWired(cmd) {
		return
	}
	// What it is named now the author said. Later it may be under a command that a person named.
	name := w.props.Tool.Name
	if parent := cmd.Parent(); parent != nil {
		name = cmd.Name()
		if parent.HasParent() {
			name = parent.Annotations[wiredMark] + " " + name
		}
	}
	mark(cmd, wiredMark, name)
	cmd.PersistentPreRunE, cmd.PersistentPreRun = w.wrapHook(cmd.PersistentPreRunE, cmd.PersistentPreRun)
	cmd.PreRunE, cmd.PreRun = w.wrapHook(cmd.PreRunE, cmd.PreRun)
	cmd.PersistentPostRunE, cmd.PersistentPostRun = keepFromOurs(cmd.PersistentPostRunE, cmd.PersistentPostRun)
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

type (
	hookE = func(*cobra.Command, []string) error
	hook  = func(*cobra.Command, []string)
)

// wrapHook wraps both forms of a hook, of which cobra runs the first that there is. A
// persistent hook is its parent's, so what it is called for may be a command that is not
// wired.
func (w *wiring) wrapHook(withError hookE, without hook) (hookE, hook) {
	withError, without = keepFromOurs(withError, without)
	wrappedE, wrapped := withError, without
	if withError != nil {
		wrappedE = func(cmd *cobra.Command, args []string) error {
			return w.runHook(cmd, args, func() error { return withError(cmd, args) })
		}
	}
	if without != nil {
		wrapped = func(cmd *cobra.Command, args []string) {
			_ = w.runHook(cmd, args, func() error { without(cmd, args); return nil })
		}
	}
	return wrappedE, wrapped
}

// runHook runs a hook and records the command if that fails: it never comes to its Run.
func (w *wiring) runHook(cmd *cobra.Command, args []string, do func() error) error {
	if !isWired(cmd) {
		return do()
	}
	r := w.runOf(cmd, args, false)
	outermost := !r.inHook // hooks call those of the parent
	r.inHook = true
	if r.execution != nil {
		r.start()
	}
	returned := false
	// No recover: the panic goes on with its own stack.
	defer func() {
		if !outermost {
			return
		}
		r.inHook = false
		if !returned {
			r.failHook(errPanic)
		}
	}()
	err := do()
	returned = true
	if err != nil && outermost {
		r.failHook(err)
	}
	return err
}

// run runs a command and records how it went. Where telemetry is off, and it was found
// out that the person is not to be asked, it makes deletion requests that are due, and adds
// nothing else. A context that ends at the question is the end: the command is not run.
func (w *wiring) run(cmd *cobra.Command, args []string, do func() error) error {
	r := w.runOf(cmd, args, true)
	if !w.props.Collector.Enabled() && !isNeverRecorded(cmd) {
		if err := w.question(cmd); err != nil {
			r.leave()
			return err
		}
	}
	r.start()
	if r.execution != nil {
		r.err = do()
		return r.err
	}
	returned := false
	defer func() {
		if !returned {
			r.end(errPanic)
		}
	}()
	err := do()
	returned = true
	r.end(err)
	return err
}

// question asks the person once and opens the collector anew, so that the command that
// asked is recorded too after a yes. A command with --skip-telemetry asks by itself. The
// error says that the command's context ended at the question.
func (w *wiring) question(cmd *cobra.Command) error {
	if cmd.Flags().Lookup(skipFlag) != nil || !w.collects() {
		return nil
	}
	answered, err := w.ask(cmd, w.manager)
	if has[*console.InterruptedError](err) {
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

// tell has the person told that a variable turned telemetry on; see console.Tell.
func (w *wiring) tell(cmd *cobra.Command) {
	if _, set := w.manager.Lookup(consent.GeneralVariable); !set {
		return // by far the most, and the cheapest look
	}
	if w.collects() && !w.machineReads(cmd) {
		console.Tell(w.manager, w.with(cmd)...)
	}
}
