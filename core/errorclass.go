package core

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"slices"

	"github.com/gotoolbase/telemetry/core/props"
)

const (
	exitFailure = 1
	exitPanic   = 2   // what Go's runtime ends with
	exitSignal  = 128 // and the signal's number, as shells have it
	interrupt   = 2   // the number of the signal that Ctrl-C is
)

// endingSignals are the numbers of the signals by which a person, or whoever runs the tool,
// ends a process: HUP, INT, QUIT, KILL and TERM. All others tell of a fault of its own.
var endingSignals = []int{1, interrupt, 3, 9, 15}

// ExitCode returns the exit code of a command that ended with err: what is recorded of one
// that is given no other, and what main is to hand to os.Exit.
//
//	nil                                        0
//	of os/exec, for a program that signal n    128+n
//	ended
//	an error with the method ExitCode() int,   what that returns; 1 if it is below 0
//	which that of os/exec is
//	context.Canceled, or what wraps it         128+n where the text ends with that of a cause of
//	                                           signal.NotifyContext; else 130, as after Ctrl-C
//	any other                                  1
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	if n := endedBySignal(err); n != 0 {
		return exitSignal + n
	}
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		if code := coded.ExitCode(); code >= 0 {
			return code
		}
		return exitFailure
	}
	if n := cancelledBySignal(err); n != 0 {
		return exitSignal + n
	}
	if errors.Is(err, context.Canceled) {
		return exitSignal + interrupt
	}
	return exitFailure
}

// exitCode returns what a process ends with after an outcome.
func exitCode(outcome props.Outcome) int {
	if outcome.ExitCode != 0 {
		return outcome.ExitCode
	}
	return ExitCode(outcome.Err)
}

// classOf returns the class to record of an outcome: of a closed list, whatever an error
// says of itself.
func classOf(outcome props.Outcome, own []props.ErrorClass) props.ErrorClass {
	class := outcome.Class
	if class == "" {
		class = derivedClass(outcome.Err)
	}
	if class == "" {
		class = classOfExitCode(exitCode(outcome))
	}
	if class == "" && outcome.Err != nil {
		class = props.ErrorOther
	}
	if class != "" && !knownClass(class, own) {
		return props.ErrorOther
	}
	return class
}

// classOfExitCode returns what an exit code alone tells: by the convention of shells, that
// somebody ended the process, or that something went wrong.
func classOfExitCode(code int) props.ErrorClass {
	switch {
	case code == 0:
		return ""
	case slices.Contains(endingSignals, code-exitSignal):
		return props.ErrorInterrupted
	}
	return props.ErrorOther
}

// derivedClass returns what an error says of itself, or what the standard library knows
// of it, "" where that is nothing.
func derivedClass(err error) props.ErrorClass {
	if err == nil {
		return ""
	}
	var classed interface{ TelemetryClass() string }
	if errors.As(err, &classed) {
		return props.ErrorClass(classed.TelemetryClass())
	}
	var timeout interface{ Timeout() bool }
	var network net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return props.ErrorInterrupted
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return props.ErrorTimeout
	case errors.As(err, &network):
		return props.ErrorNetwork
	case errors.Is(err, fs.ErrPermission):
		return props.ErrorPermission
	case errors.Is(err, fs.ErrNotExist):
		return props.ErrorNotFound
	}
	return ""
}
