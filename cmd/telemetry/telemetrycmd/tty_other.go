//go:build !unix || solaris || aix

package telemetrycmd

import (
	"context"
	"os"
	"time"
)

// waitReadable does not wait: here a console cannot be waited for without taking from
// its input. The question then stays until it is answered or the program is ended.
func waitReadable(ctx context.Context, _ *os.File, _ time.Time) error { return ctx.Err() }

func inForeground(*os.File) bool { return true }
