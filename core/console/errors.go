package console

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// UsageError is a mistake in how a command was called. Its exit code is 2.
type UsageError struct{ Err error }

// Error repeats what was typed, which another program may have made up.
func (e *UsageError) Error() string { return plaintext.Lines(e.Err.Error()) }
func (e *UsageError) Unwrap() error { return e.Err }

// ExitCode is what shells use for wrong usage.
func (e *UsageError) ExitCode() int { return 2 }

// TelemetryClass is what is recorded of it. Its text never is: it repeats what was typed.
func (e *UsageError) TelemetryClass() string { return string(props.ErrorUsage) }

// InterruptedError says that a context ended while a question was waiting for its answer, or
// the page was shown. It wraps the context's error.
type InterruptedError struct {
	ctx   context.Context
	while string
}

func (e *InterruptedError) Error() string {
	return context.Cause(e.ctx).Error() + " while " + e.while
}

func (e *InterruptedError) Unwrap() error { return e.ctx.Err() }

// ExitCode is a signal's, unless it was the time that ran out: what else cancels a
// command that only waits for a person is the key that they press.
func (e *InterruptedError) ExitCode() int {
	if errors.Is(e.ctx.Err(), context.DeadlineExceeded) {
		return 1
	}
	return core.ExitCode(fmt.Errorf("%w: %w", e.ctx.Err(), context.Cause(e.ctx)))
}

// flat puts an error of several lines, which is what errors.Join makes, into one.
type flat struct{ err error }

func (e flat) Error() string { return strings.ReplaceAll(e.err.Error(), "\n", "; ") }
func (e flat) Unwrap() error { return e.err }
