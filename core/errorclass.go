package core

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"

	"github.com/gotoolbase/telemetry/core/props"
)

const (
	exitFailure = 1
	exitPanic   = 2 // what Go's runtime ends with
)

// exitCode returns what a process ends with after an outcome.
func exitCode(outcome props.Outcome) int {
	if outcome.ExitCode != 0 || outcome.Err == nil {
		return outcome.ExitCode
	}
	var coded interface{ ExitCode() int }
	if errors.As(outcome.Err, &coded) {
		if code := coded.ExitCode(); code >= 0 {
			return code
		}
	}
	return exitFailure
}

// classOf returns the class to record of an outcome: of a closed list, whatever an error
// says of itself.
func classOf(outcome props.Outcome, own []props.ErrorClass) props.ErrorClass {
	class := outcome.Class
	if class == "" {
		class = derivedClass(outcome.Err)
	}
	if class == "" && exitCode(outcome) != 0 {
		class = props.ErrorOther
	}
	if class != "" && !knownClass(class, own) {
		return props.ErrorOther
	}
	return class
}

// derivedClass returns what an error says of itself, or what the standard library knows
// of it.
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
	return props.ErrorOther
}
