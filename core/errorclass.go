package core

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

const (
	exitFailure = 1
	exitPanic   = 2 // what Go's runtime ends with
)

// asked returns what somebody's error answers, and otherwise where it panics: many do
// whose pointer is nil. Telemetry never breaks the tool.
func asked[T any](otherwise T, ask func() T) (answer T) {
	defer func() {
		if recover() != nil {
			answer = otherwise
		}
	}()
	return ask()
}

// errorText returns what an error says.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	return asked("", err.Error)
}

// exitCode returns what a process ends with after an outcome.
func exitCode(outcome props.Outcome) int {
	if outcome.ExitCode != 0 || outcome.Err == nil {
		return outcome.ExitCode
	}
	return asked(exitFailure, func() int {
		var coded interface{ ExitCode() int }
		if errors.As(outcome.Err, &coded) {
			if code := coded.ExitCode(); code >= 0 { // -1 is what os/exec says of a signal
				return code
			}
		}
		return exitFailure
	})
}

// classOf returns the class to record of an outcome: of a closed list, whatever an error
// says of itself.
func classOf(outcome props.Outcome, own []props.ErrorClass) props.ErrorClass {
	class := outcome.Class
	if class == "" && outcome.Err != nil {
		class = asked(props.ErrorOther, func() props.ErrorClass { return derivedClass(outcome.Err) })
	}
	if class == "" && exitCode(outcome) != 0 {
		class = props.ErrorOther
	}
	if class != "" && !knownClass(class, own) {
		return props.ErrorOther
	}
	return class
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
	case errors.Is(err, context.Canceled), someIs(err, signalled):
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
	return props.ErrorOther
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

// signalled recognises by its text what ends a context of signal.NotifyContext, which what
// took the context may return in place of context.Canceled, as net/http does.
func signalled(err error) bool {
	cause, found := strings.CutSuffix(err.Error(), " signal received")
	return found && (cause == os.Interrupt.String() || cause == syscall.SIGTERM.String())
}

// timedOut reports whether an error says so of itself. Some only ask what they wrap, and
// syscall.Errno calls EAGAIN a timeout, which is a shortage of something.
func timedOut(err error) bool {
	switch e := err.(type) {
	case *fs.PathError, *os.SyscallError:
		return false
	case errno:
		return e == errnoTimedOut
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
	case net.Error, *tls.CertificateVerificationError, tls.AlertError, tls.RecordHeaderError:
		return true
	}
	return false
}
