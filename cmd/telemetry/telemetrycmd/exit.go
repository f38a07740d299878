package telemetrycmd

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Exit codes, as shells have them.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitPanic   = 2 // what Go's runtime ends with
	exitSignal  = 128
)

// ExitCode returns the exit code of a command that ended with err, for os.Exit and for
// what is recorded:
//
//	nil                                            0
//	an error with the method ExitCode() int        what that returns
//	*exec.ExitError                                the other program's; 128+n if signal n ended it
//	a wrong flag, or what UsageError marks         2
//	a signal, at the question of Wire or Ask       128+n, where the tool's context tells it; else 130
//	any other                                      1
func ExitCode(err error) int {
	if err == nil {
		return exitOK
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return exitSignal + int(status.Signal())
		}
	}
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		if code := coded.ExitCode(); code >= 0 {
			return code
		}
		return exitFailure
	}
	var (
		unknown *pflag.NotExistError
		missing *pflag.ValueRequiredError
		value   *pflag.InvalidValueError
		syntax  *pflag.InvalidSyntaxError
	)
	if errors.As(err, &unknown) || errors.As(err, &missing) || errors.As(err, &value) || errors.As(err, &syntax) {
		return exitUsage
	}
	return exitFailure
}

// UsageError marks err as a mistake in how a command was called: its ExitCode is 2.
func UsageError(err error) error { return &usageError{err} }

type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }
func (e *usageError) ExitCode() int { return exitUsage }

// endedError says that a context ended while a question was waiting for its answer.
type endedError struct{ ctx context.Context }

func (e *endedError) Error() string {
	return context.Cause(e.ctx).Error() + " while a question was waiting for its answer"
}

func (e *endedError) Unwrap() error { return e.ctx.Err() }

// ExitCode is a signal's, unless it was the time that ran out: what else cancels a
// command that only waits for a person is the key that they press. Which signal it was
// is in what signal.NotifyContext gives as the cause, in words only.
func (e *endedError) ExitCode() int {
	if errors.Is(e.ctx.Err(), context.DeadlineExceeded) {
		return exitFailure
	}
	cause := context.Cause(e.ctx).Error()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if cause == s.String()+" signal received" {
			return exitSignal + int(s)
		}
	}
	return exitSignal + int(syscall.SIGINT)
}

// flat puts an error of several lines, which is what errors.Join makes, into one.
type flat struct{ err error }

func (e flat) Error() string { return strings.ReplaceAll(e.err.Error(), "\n", "; ") }
func (e flat) Unwrap() error { return e.err }

func asUsageError(_ *cobra.Command, err error) error { return UsageError(err) }
