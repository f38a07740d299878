package telemetrycmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/guard"
)

// Exit codes, as shells have them.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitPanic   = 2 // what Go's runtime ends with
)

// ExitCode returns the exit code of a command that ended with err, for os.Exit and for
// what is recorded: 2 for a wrong flag and for what UsageError marks, and else what
// core.ExitCode says of err. So an error with the method ExitCode() int brings its own,
// an interruption is 130, a program that signal n ended is 128+n, and any other error is 1,
// cobra's unknown command and wrong arguments among them.
func ExitCode(err error) int {
	return guard.Ask(exitFailure, func() int { return exitCodeOf(err) })
}

func exitCodeOf(err error) int {
	own := has[interface {
		error
		ExitCode() int
	}](err)
	if !own && isFlagError(err) {
		return exitUsage
	}
	return core.ExitCode(err)
}

// exitCodeIn is ExitCode where the context of the command is known: its cause may tell
// which signal ended it.
func exitCodeIn(ctx context.Context, err error) int {
	if endedBySignal(ctx) && errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%w: %w", err, context.Cause(ctx))
	}
	return ExitCode(err)
}

// endedBySignal reports whether a signal ended ctx, by signal.NotifyContext.
func endedBySignal(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return errors.Is(cause, context.Canceled) && strings.HasSuffix(cause.Error(), " signal received")
}

// has reports whether an error in err's tree is a T.
func has[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

// UsageError marks err as a mistake in how a command was called: its ExitCode is 2, its
// class props.ErrorUsage, and its text is never recorded.
func UsageError(err error) error { return &console.UsageError{Err: err} }

// isFlagError recognises what pflag says of a wrong flag.
func isFlagError(err error) bool {
	return has[*pflag.NotExistError](err) || has[*pflag.ValueRequiredError](err) ||
		has[*pflag.InvalidValueError](err) || has[*pflag.InvalidSyntaxError](err)
}

// cobraUsage are what cobra's errors about wrong use have in common: they have no type.
// They need to be known where a command returns them itself, which calls cobra's validators
// or has a tree of commands under it that no author wired.
var cobraUsage = []string{
	`unknown command "`, "unknown flag: --", "unknown shorthand flag: ", "flag needs an argument: ",
	`invalid argument "`, "arg(s), ", `required flag(s) "`, "flags in the group [",
}

// isUsage recognises mistakes in how a command was called.
func isUsage(err error) bool {
	if err == nil {
		return false
	}
	if has[*console.UsageError](err) || isFlagError(err) {
		return true
	}
	text := guard.Ask("", err.Error)
	return slices.ContainsFunc(cobraUsage, func(part string) bool { return strings.Contains(text, part) })
}

// class returns the class of an error as far as core does not derive it. beforeRun says
// that cobra refused the call.
func (o *options) class(ctx context.Context, err error, beforeRun bool) props.ErrorClass {
	if o.errorClass != nil {
		if class := guard.Ask("", func() props.ErrorClass { return o.errorClass(err) }); class != "" {
			return class
		}
	}
	if classed, ok := errors.AsType[interface {
		error
		TelemetryClass() string
	}](err); ok {
		return props.ErrorClass(guard.Ask(string(props.ErrorOther), classed.TelemetryClass))
	}
	switch {
	case beforeRun || isUsage(err):
		return props.ErrorUsage
	case endedBySignal(ctx): // whatever its libraries made of that
		return props.ErrorInterrupted
	}
	return ""
}

func asUsageError(_ *cobra.Command, err error) error { return UsageError(err) }
