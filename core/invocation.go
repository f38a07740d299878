package core

import (
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/core/props"
)

// Command says that a command begins; see props.Collector.
func (c *Collector) Command(name string) props.Invocation {
	if !c.on.Load() {
		return props.Discard{}.Command(name)
	}
	i := &invocation{collector: c, name: name, start: time.Now()}
	i.id, i.note = c.begin(name)
	return i
}

// invocation is a command that runs and is to be recorded.
type invocation struct {
	collector *Collector
	name      string
	start     time.Time // with the monotonic clock, for the duration
	id        string    // of its event, "" where note is nil
	note      *slot     // that it runs, nil where none could be made

	mu    sync.Mutex
	done  bool
	flags []string
	args  []string
	extra map[string]string
}

// Flags adds names of flags; see props.Invocation.
func (i *invocation) Flags(names ...string) props.Invocation {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.flags = append(i.flags, names...)
	return i
}

// Args adds arguments; see props.Invocation.
func (i *invocation) Args(args ...string) props.Invocation {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.args = append(i.args, args...)
	return i
}

// Annotate adds a pair of metadata; see props.Invocation.
func (i *invocation) Annotate(key, value string) props.Invocation {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.extra == nil {
		i.extra = map[string]string{}
	}
	i.extra[key] = value
	return i
}

// End records the command; see props.Invocation.
func (i *invocation) End(err *error) {
	if recovered := recover(); recovered != nil {
		i.Done(props.Outcome{ExitCode: exitPanic, Class: props.ErrorPanic})
		panic(recovered) // the frames below are still there, so the trace is the one of the cause
	}
	var outcome props.Outcome
	if err != nil {
		outcome.Err = *err
	}
	i.Done(outcome)
}

// Done records the command; see props.Invocation.
func (i *invocation) Done(outcome props.Outcome) {
	took := time.Since(i.start)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.done {
		return
	}
	i.done = true
	// Afterwards: killed in between, the command is recorded, and its note has the same ID.
	defer i.collector.ended(i.note)
	c := i.collector
	if !c.on.Load() || i.note != nil && i.note.ended(c.in) {
		return // a no takes back also what began before it, whatever was said since
	}
	config := &c.in.tool.Telemetry
	e := event{
		id: i.id, note: i.note, kind: props.EventCommandInvocation, name: i.name, timed: true, durationMS: took.Milliseconds(),
		exitCode: exitCode(outcome), flags: i.flags, class: classOf(outcome, config.ErrorClasses),
	}
	// In a command that was called wrongly, a misspelt word may be anything. Its error says it.
	if config.ExtendedCollection && e.class != props.ErrorUsage {
		e.args, e.errMsg = i.args, errorText(outcome.Err)
	}
	c.record(e, i.extra)
}
