//go:build !windows && (!unix || solaris || aix)

package telemetrycmd

import (
	"context"
	"os"
	"time"
)

// waitReadable does not wait: here a terminal cannot be waited for without taking from
// its input, so a question stays until it is answered. That is the one of reset: core
// records nothing on these systems, and nobody is asked whether it may.
func waitReadable(ctx context.Context, _ *os.File, _ bool, _ time.Duration) error { return ctx.Err() }

func typedAhead(*os.File) bool { return false }

func inForeground(*os.File) bool { return true }
