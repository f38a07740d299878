// Package props is what a tool's author declares: the tool, its features, where its
// telemetry goes, and the Props that commands receive. It has no behaviour of its
// own; package core opens what is declared here.
package props

import (
	"context"
	"strings"

	"github.com/gotoolbase/telemetry/core/driver"
)

// Tool declares a command-line tool.
type Tool struct {
	// Name is the tool's name as a user types it. It names the state directory and the
	// variable <NAME>_TELEMETRY. Letters, digits, '-', '_' and '.'.
	Name string
	// Version is the tool's own version, sent with each event.
	Version string
	// Features says which optional parts of the tool are on.
	Features Features
	// Telemetry says where usage events go and what they may hold.
	Telemetry TelemetryConfig
}

// Props is what a tool hands to its commands.
type Props struct {
	Tool Tool
	// Collector records usage. It is never nil in a Props made by New, and does
	// nothing until the tool opens one with core.Open.
	Collector Collector
}

// New returns the Props of a tool with a Collector that does nothing.
func New(tool Tool) *Props {
	return &Props{Tool: tool, Collector: Discard{}}
}

// Collector records usage events. Its methods may be called by several goroutines at
// once; none of them writes to the terminal, panics or returns anything that a
// command would have to handle, except where the caller asks to wait.
//
// *core.Collector is the real one, Discard the silent one, and coretest has one for
// the tests of a tool.
type Collector interface {
	// Track records an event of the author's choice. extra may be nil and is not kept.
	// When Track returns, the event is on disk.
	Track(eventType EventType, name string, extra map[string]string)
	// TrackCommand records that a command ran, as EventCommandInvocation whatever the
	// exit code: a failure is an invocation too. Its class is what the exit code tells:
	// ErrorInterrupted where shells say that a signal ended it, else ErrorOther.
	TrackCommand(name string, durationMs int64, exitCode int, extra map[string]string)
	// TrackCommandExtended is TrackCommand with the arguments and the error text. Both
	// are scrubbed, and dropped unless the author set ExtendedCollection.
	TrackCommandExtended(name string, args []string, durationMs int64, exitCode int, errMsg string, extra map[string]string)
	// Command says that a command begins, by its path without the tool's name. End of what
	// it returns records it, with what was told about it in between:
	//
	//	func build() (err error) {
	//		defer p.Collector.Command("build").End(&err)
	//
	// A command that never comes to its End, because something ended the process, is recorded
	// by a later run with the class ErrorUnrecorded, without duration and exit code.
	Command(name string) Invocation
	// RunEnv returns what makes the events of a child of this tool's own be of the same run,
	// for its environment: cmd.Env = append(cmd.Environ(), p.Collector.RunEnv()...). nil
	// where nothing is recorded. A variable is handed on: what the child starts is of the run
	// too, unless it takes the variable out. It is believed for a day, and not beyond an answer.
	RunEnv() []string
	// Flush sends everything that waits, now, and returns when it is sent or ctx ends. A
	// nil error means that nothing waits any more but what other commands, still running,
	// hold.
	Flush(ctx context.Context) error
	// Close ends this run's recording: where an upload is due, it is started in the
	// background. A Track after Close works and is sent by a later run. Where nothing is
	// recorded it still has deletion requests made that are due.
	Close(ctx context.Context) error
	// Drop erases everything that waits, unsent, and stops recording in this process.
	Drop() error
	// Enabled reports whether Track records anything.
	Enabled() bool
	// BackendInfo says where events go.
	BackendInfo() BackendInfo
}

// BackendInfo says where events go.
type BackendInfo struct {
	// Name is the driver's name, "noop" where nothing is sent.
	Name string
	// Hosts are the hosts that the backend may contact, none for a local one.
	Hosts []string
	// Local says that events stay on this machine.
	Local bool
	// Accepted says what the receiver's acceptance does not mean, empty if it means that it
	// keeps the events.
	Accepted string
	// Warnings are those with which the receiver may accept an event.
	Warnings []driver.Warning
}

// String is for people: "posthog (eu.i.posthog.com)".
func (b BackendInfo) String() string {
	switch {
	case len(b.Hosts) > 0:
		return b.Name + " (" + strings.Join(b.Hosts, ", ") + ")"
	case b.Local && b.Name != "noop":
		return b.Name + " (this machine only)"
	}
	return b.Name
}

// EventType is the kind of an event. Authors add their own beside these.
type EventType string

// The event types that every tool shares.
const (
	EventCommandInvocation EventType = "command.invocation"
	EventCommandError      EventType = "command.error"
	EventFeatureUsed       EventType = "feature.used"
	EventUpdateCheck       EventType = "update.check"
	EventUpdateApplied     EventType = "update.applied"
	EventDeletionRequest   EventType = "data.deletion_request"
	// EventLoss is recorded by the collector itself: Name says why events were lost
	// and the metadata key "count" how many.
	EventLoss EventType = "telemetry.loss"
	// EventCheck is what the author's own check sends, to see what the receiver answers.
	EventCheck EventType = "telemetry.check"
)

// Discard is the Collector that does nothing.
type Discard struct{}

// Command returns an Invocation that records nothing. Its End gives a panic on.
func (Discard) Command(string) Invocation { return discarded{} }

// RunEnv returns nil.
func (Discard) RunEnv() []string { return nil }

// Track does nothing, like every method of Discard.
func (Discard) Track(EventType, string, map[string]string) {}

// TrackCommand does nothing.
func (Discard) TrackCommand(string, int64, int, map[string]string) {}

// TrackCommandExtended does nothing.
func (Discard) TrackCommandExtended(string, []string, int64, int, string, map[string]string) {}

// Flush returns nil: nothing waits.
func (Discard) Flush(context.Context) error { return nil }

// Close returns nil.
func (Discard) Close(context.Context) error { return nil }

// Drop returns nil: nothing waits.
func (Discard) Drop() error { return nil }

// Enabled returns false.
func (Discard) Enabled() bool { return false }

// BackendInfo names the noop backend.
func (Discard) BackendInfo() BackendInfo { return BackendInfo{Name: "noop", Local: true} }
