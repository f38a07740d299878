package telemetrycmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Execute runs the tree of root, as root.Execute does, and returns the exit code for
// os.Exit: ExitCode of the command's error or, where the command's context was ended by a
// signal and the error wraps context.Canceled, 128+n.
//
// A tree that Wire has wired is recorded at the very end, with what really ended it. Only
// here can be seen what fails before the command runs, such as an unknown command or flag,
// what becomes of PostRun, and the command that was under way when a hook ended the process.
//
// cobra prints errors as it always does. report is called with what the command returned,
// if it is an error, before anything is recorded: for tools that set SilenceErrors and print
// it themselves.
func Execute(root *cobra.Command, report ...func(error)) int {
	return ExecuteContext(contextOf(root.Root()), root, report...)
}

// ExecuteContext is Execute with a context for the commands, as in root.ExecuteContext.
func ExecuteContext(ctx context.Context, root *cobra.Command, report ...func(error)) int {
	root = root.Root()
	e := &execution{w: wiringOf(root)}
	e.begin(root)
	returned := false
	// No recover: the panic goes on with its own stack.
	defer func() {
		if !returned {
			e.end(nil, errPanic)
		}
	}()
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil {
		for _, tell := range report {
			tell(err)
		}
	}
	returned = true
	return e.end(cmd, err)
}

// execution is one call of Execute.
type execution struct {
	w     *wiring     // nil in a tree without telemetry
	run   *commandRun // of the command that cobra came to, nil before its first hook
	outer *execution  // within a command of which this one was called
}

func (e *execution) begin(root *cobra.Command) {
	if e.w == nil {
		return
	}
	e.w.giveWay(root)
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	e.outer, e.w.execution = e.w.execution, e
}

// end records what the execution was, and returns its exit code. cmd is the deepest command
// that was recognised, nil after a panic.
func (e *execution) end(cmd *cobra.Command, err error) int {
	code := exitPanic
	if cmd != nil {
		code = exitCodeIn(contextOf(cmd), err)
	}
	if e.w == nil {
		return code
	}
	e.w.mu.Lock()
	e.w.execution = e.outer
	e.w.mu.Unlock()
	r, beforeRun := e.run, false
	switch {
	case r != nil:
		beforeRun = !r.entered && !r.hookFailed // required flags, groups of flags
		if err == nil && errors.Is(r.err, pflag.ErrHelp) {
			err = r.err
		}
	case cmd == nil || !isWired(cmd) || err == nil && !lacksCommand(cmd):
		if cmd != nil && e.w.manager.Debugging() && !isTelemetry(cmd) {
			_ = e.w.props.Collector.Close(contextOf(cmd)) // which says that nothing would be recorded
		}
		return code
	default:
		if err == nil {
			err = pflag.ErrHelp
		}
		r, beforeRun = e.w.newRun(cmd), true
	}
	r.start()
	r.record(err, code, beforeRun)
	r.leave()
	return code
}

// isTelemetry reports whether a command is one of `telemetry`.
func isTelemetry(cmd *cobra.Command) bool {
	for ; cmd != nil; cmd = cmd.Parent() {
		if cmd.Annotations[groupMark] != "" {
			return true
		}
	}
	return false
}

// lacksCommand reports whether a group was called without one of its commands, so that
// cobra printed its help though the person did not ask for that.
func lacksCommand(cmd *cobra.Command) bool {
	set := func(name string) bool {
		f := cmd.Flags().Lookup(name)
		return f != nil && f.Changed
	}
	return !cmd.Runnable() && !set("help") && !(cmd.Version != "" && set("version"))
}
