package telemetrycmd

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gotoolbase/telemetry/core/props"
)

// Annotate adds a pair to the metadata of the event that Wire records for the command
// which runs; ctx is that command's context or comes from it. It is kept as extra of
// Collector.Track is, and the last value of a key wins. In a context of no such command,
// after the event was recorded, and with a nil context, which commands have whose RunE a
// test calls, it does nothing. Several goroutines may call it.
//
//	telemetrycmd.Annotate(cmd.Context(), "format", "json")
func Annotate(ctx context.Context, key, value string) {
	if r := runIn(ctx); r != nil {
		r.annotate(key, value)
	}
}

// Exit records the command that runs with an exit code, closes the collector and ends the
// process, as os.Exit does: nothing that was deferred runs. Any goroutine may call it.
//
// It takes the command's context, or one that comes from it, because that is where Wire
// leaves what knows the command: the package keeps no state of its own. With any other
// context, and with nil, it is os.Exit.
func Exit(ctx context.Context, code int) {
	for r := runIn(ctx); r != nil; r = r.outer {
		r.start() // in a hook it may not have been yet
		r.record(nil, code, false)
	}
	os.Exit(code)
}

// commandRun is one run of one command, from its first hook on.
type commandRun struct {
	w         *wiring
	cmd       *cobra.Command
	execution *execution  // that records it; nil where it records itself
	outer     *commandRun // of the command that called this one's RunE

	// These are of the goroutine that runs the command.
	inHook, hookFailed bool
	entered, left      bool  // its RunE was called; it is over
	err                error // what a hook or RunE returned
	before, bound      context.Context

	mu         sync.Mutex
	args       []string
	flags      []string // nil before they were looked at
	collector  props.Collector
	invocation props.Invocation // nil where nothing is recorded
	extra      [][2]string      // annotations from before there was an invocation
	recorded   bool
}

// runKey is the key of a run in a context.
type runKey struct{}

// runIn returns the run that a context, which may be nil, is of; nil if none.
func runIn(ctx context.Context) *commandRun {
	if ctx == nil {
		return nil
	}
	r, _ := ctx.Value(runKey{}).(*commandRun)
	return r
}

// runOf returns the run of cmd that has not come to its RunE yet, or a new one. enter says
// that it comes to it now.
func (w *wiring) runOf(cmd *cobra.Command, args []string, enter bool) *commandRun {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.execution
	if e != nil && e.run == nil {
		e.run = w.newRun(cmd)
		e.run.execution = e
		if e.outer != nil {
			e.run.outer = e.outer.run
		}
	}
	r := runIn(contextOf(cmd))
	if e != nil && (r == nil || e.run.is(cmd)) {
		r = e.run // also where the tool gave the command another context
	}
	if !r.is(cmd) {
		caller := r
		r = w.newRun(cmd)
		if caller != nil && !caller.left {
			r.outer = caller
		}
	}
	r.entered = enter
	r.called(args)
	return r
}

// is reports whether r is a run of cmd that has not come to its RunE.
func (r *commandRun) is(cmd *cobra.Command) bool {
	return r != nil && r.cmd == cmd && !r.entered && !r.hookFailed && !r.left
}

// newRun returns a run of cmd, and puts it into the command's context.
func (w *wiring) newRun(cmd *cobra.Command) *commandRun {
	r := &commandRun{w: w, cmd: cmd, before: cmd.Context()}
	r.bound = context.WithValue(contextOf(cmd), runKey{}, r)
	cmd.SetContext(r.bound)
	return r
}

// leave takes the run out of the command's context, unless the tool put another one there:
// cobra keeps it for the next time, in a tool that runs its tree several times.
func (r *commandRun) leave() {
	r.left = true
	if r.cmd.Context() == r.bound {
		r.cmd.SetContext(r.before)
	}
}

// called notes how the command was called. A tool may set flags by itself later on, such as
// from a configuration file, so the first look counts.
func (r *commandRun) called(args []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.args = args
	if r.flags == nil && r.w.props.Collector.Enabled() {
		r.flags = flagNames(r.cmd)
	}
}

// start says that the command begins. Where nothing is recorded it does nothing.
func (r *commandRun) start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.invocation != nil || r.recorded {
		return
	}
	if isNeverRecorded(r.cmd) {
		if r.w.manager.Debugging() {
			r.collector = r.w.props.Collector // whose Close says that nothing would be recorded
		}
		return
	}
	r.collector = r.w.props.Collector
	if !r.collector.Enabled() {
		return
	}
	r.w.tell(r.cmd)
	r.invocation = begin(r.collector, recordedName(r.cmd))
	if r.flags == nil { // there was no yes
		r.flags = flagNames(r.cmd)
	}
	if len(r.flags) > 0 {
		r.invocation.Flags(r.flags...)
	}
	for _, pair := range r.extra {
		r.invocation.Annotate(pair[0], pair[1])
	}
}

func (r *commandRun) annotate(key, value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.invocation != nil {
		r.invocation.Annotate(key, value)
	} else {
		r.extra = append(r.extra, [2]string{key, value})
	}
}

// failHook notes that a hook failed: the command does not come to its RunE.
func (r *commandRun) failHook(err error) {
	r.hookFailed, r.err = true, err
	if r.execution == nil {
		r.start()
		r.end(err)
	}
}

// end records a run that Execute does not.
func (r *commandRun) end(err error) {
	r.record(err, ExitCode(err), false)
	r.leave()
}

// errPanic stands for a command that did not return.
var errPanic = errors.New("panic")

// outcome returns what err, which may be nil, and an exit code say of a run. beforeRun says
// that cobra refused the call.
func (r *commandRun) outcome(err error, code int, beforeRun bool) props.Outcome {
	outcome := props.Outcome{Err: err, ExitCode: code}
	switch {
	case err == nil:
	case err == errPanic:
		outcome = props.Outcome{ExitCode: exitPanic, Class: props.ErrorPanic}
	case errors.Is(err, pflag.ErrHelp): // cobra prints the help for it, and returns nil
		outcome = props.Outcome{Class: props.ErrorUsage}
	default:
		outcome.Class = r.w.class(contextOf(r.cmd), err, beforeRun)
	}
	if beforeRun || outcome.Class == props.ErrorUsage || isUsage(err) {
		// Text and arguments are what was typed, and may be anything, whatever the class.
		outcome.Err = nil
		r.called(nil)
	}
	return outcome
}

// isRecording reports whether there is an event that is still to be recorded.
func (r *commandRun) isRecording() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.invocation != nil && !r.recorded
}

// record records the run once, and has an upload started if one is due. See outcome.
func (r *commandRun) record(err error, code int, beforeRun bool) {
	var outcome props.Outcome
	if r.isRecording() { // or the author's own code is run for nothing
		outcome = r.outcome(err, code, beforeRun)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.recorded {
		return
	}
	r.recorded = true
	if r.invocation != nil {
		r.invocation.Args(positional(r.args)...).Done(outcome)
	}
	if r.collector != nil {
		// What ended the command's context must not fail the upload; that has its own limit.
		_ = r.collector.Close(context.WithoutCancel(r.bound)) // status tells what went wrong
	}
}

// positional returns arguments with "--" before the first that looks like a flag. It is none
// that the author declared, or cobra had taken it out, so its name is the person's too.
func positional(args []string) []string {
	i := slices.IndexFunc(args, func(arg string) bool { return len(arg) > 1 && arg[0] == '-' })
	if i < 0 || args[i] == "--" {
		return args
	}
	return slices.Insert(slices.Clone(args), i, "--")
}

// begin has a collector told that a command begins.
func begin(collector props.Collector, name string) props.Invocation {
	invocation := collector.Command(name)
	if invocation == (props.Discard{}).Command(name) {
		return &tracked{Invocation: invocation, collector: collector, name: name, start: time.Now()}
	}
	return invocation
}

// tracked is the invocation of a collector that records and has the Command of
// props.Discard: a test's own, which looks at TrackCommandExtended.
type tracked struct {
	props.Invocation // for what that does not record
	collector        props.Collector
	name             string
	start            time.Time
	args             []string
	extra            map[string]string
}

func (t *tracked) Args(args ...string) props.Invocation {
	t.args = args
	return t
}

func (t *tracked) Annotate(key, value string) props.Invocation {
	if t.extra == nil {
		t.extra = map[string]string{}
	}
	t.extra[key] = value
	return t
}

func (t *tracked) Done(outcome props.Outcome) {
	text := ""
	if outcome.Err != nil {
		text = outcome.Err.Error()
	}
	t.collector.TrackCommandExtended(t.name, t.args, time.Since(t.start).Milliseconds(), outcome.ExitCode, text, t.extra)
}
