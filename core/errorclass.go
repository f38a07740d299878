package core

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"slices"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/guard"
)

const (
	exitFailure = 1
	exitPanic   = 2   // what Go's runtime ends with
	exitSignal  = 128 // and the signal's number, as shells have it
	interrupt   = 2   // the number of the signal that Ctrl-C is

	// exitControlC is what Windows ends a program with that Ctrl-C ends, or that is in a console
	// which is closed: STATUS_CONTROL_C_EXIT.
	exitControlC = 0xC000013A
)

// byControlC reports whether an exit code is exitControlC. As an int of 32 bits it is negative.
func byControlC(code int) bool { return uint32(code) == exitControlC }

// errorText returns what an error says.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	return guard.Ask("", err.Error)
}

// endingSignals are the numbers of the signals by which a person, or a program that runs the tool,
// ends a process: HUP, INT, QUIT and TERM. All others tell of a fault, KILL mostly of one of
// memory.
var endingSignals = []int{1, interrupt, 3, 15}

// ExitCode returns the exit code of a command that ended with err: what is recorded of one
// that is given no other, and what main is to hand to os.Exit.
//
//	nil                                        0
//	of os/exec, for a program that signal n    128+n
//	ended
//	an error with the method ExitCode() int,   what that returns; 1 if it is below 0, or 130 for
//	which that of os/exec is                   Ctrl-C of Windows, as an int of 32 bits has it
//	context.Canceled, or what wraps it         128+n where the text ends with that of a cause of
//	                                           signal.NotifyContext; else 130, as after Ctrl-C
//	any other                                  1
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	return guard.Ask(exitFailure, func() int { return exitCodeOf(err) })
}

func exitCodeOf(err error) int {
	if n := endedBySignal(err); n != 0 {
		return exitSignal + n
	}
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		switch code := coded.ExitCode(); {
		case code >= 0:
			return code
		case byControlC(code):
			return exitSignal + interrupt
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
	if class == "" && outcome.Err != nil {
		class = guard.Ask(props.ErrorOther, func() props.ErrorClass { return derivedClass(outcome.Err) })
	}
	if class == "" {
		class = classOfExitCode(exitCode(outcome))
	}
	if class != "" && !knownClass(class, own) {
		return props.ErrorOther
	}
	return class
}

// classOfExitCode returns what an exit code alone tells: by the convention of shells, that
// the process was ended from outside, or that something went wrong.
func classOfExitCode(code int) props.ErrorClass {
	switch {
	case code == 0:
		return ""
	case byControlC(code), slices.Contains(endingSignals, code-exitSignal):
		return props.ErrorInterrupted
	}
	return props.ErrorOther
}

// checkClasses returns what is wrong with the classes that an author lists.
func checkClasses(own []props.ErrorClass) error {
	const field, longest = "Telemetry.ErrorClasses", 64
	for i, class := range own {
		bad := class == "" || len(class) > longest
		for _, c := range class {
			bad = bad || !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '.' || c == '-')
		}
		switch {
		case bad:
			return &driver.ConfigError{Field: field, Problem: fmt.Sprintf("number %d must be 1 to %d lower-case letters, digits, '_', '.' or '-'", i+1, longest)}
		case knownClass(class, own[:i]):
			return &driver.ConfigError{Field: field, Problem: fmt.Sprintf("%q is there already: once is enough, and every tool has %q", class, props.ErrorClasses())}
		}
	}
	return nil
}

// knownClass reports whether a class is one that may be recorded.
func knownClass(class props.ErrorClass, own []props.ErrorClass) bool {
	return slices.Contains(props.ErrorClasses(), class) || slices.Contains(own, class)
}

// derivedClass returns what an error says of itself, or what the standard library knows of
// it. The cause counts before the place: what a socket was refused for lack of permission
// is a matter of permission.
func derivedClass(err error) props.ErrorClass {
	var classed interface{ TelemetryClass() string }
	if errors.As(err, &classed) {
		return props.ErrorClass(classed.TelemetryClass())
	}
	switch {
	case errors.Is(err, context.Canceled): // also what signal.NotifyContext gives as the cause
		return props.ErrorInterrupted
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), someIs(err, timedOut):
		return props.ErrorTimeout
	case errors.Is(err, fs.ErrPermission):
		return props.ErrorPermission
	case errors.Is(err, fs.ErrNotExist), someIs(err, notInPath):
		return props.ErrorNotFound
	case someIs(err, ofNetwork):
		return props.ErrorNetwork
	}
	return ""
}

// someIs reports whether an error or one that it wraps is such a one.
func someIs(err error, such func(error) bool) bool {
	if err == nil {
		return false
	}
	if such(err) {
		return true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return someIs(e.Unwrap(), such)
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), func(err error) bool { return someIs(err, such) })
	}
	return false
}

// timedOut reports whether an error says so of itself. Some only ask what they wrap, and
// syscall.Errno calls EAGAIN a timeout, which is a shortage of something.
func timedOut(err error) bool {
	switch e := err.(type) {
	case *fs.PathError, *os.SyscallError:
		return false
	case errno:
		return slices.Contains(timeoutErrnos, e)
	case interface{ Timeout() bool }:
		return e.Timeout()
	}
	return false
}

// notInPath recognises exec.ErrNotFound by its text, because nothing here may be able to
// start a program.
func notInPath(err error) bool {
	switch err.Error() {
	case "executable file not found in $PATH", "executable file not found in %PATH%", "executable file not found in $path":
		return true
	}
	return false
}

// ofNetwork reports whether an error is one of the network, and not of an address that
// cannot be read, though those have the methods of net.Error. So has syscall.Errno.
func ofNetwork(err error) bool {
	switch e := err.(type) {
	case *url.Error:
		return e.Op != "parse"
	case *net.ParseError, *net.AddrError, net.UnknownNetworkError, net.InvalidAddrError:
		return false
	case errno:
		return slices.Contains(networkErrnos, e)
	case net.Error:
		return true
	}
	return ofTLS(err)
}
