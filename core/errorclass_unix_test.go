//go:build unix

package core_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"github.com/gotoolbase/telemetry/core/props"
)

func TestARequestThatASignalEndedIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer stop()
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	err := get(ctx, "http://"+closedPort(t), http.DefaultClient)
	for _, err := range []error{err, fmt.Errorf("fetching: %w", err), context.Cause(ctx), ctx.Err()} {
		if e := ended(t, someTool(), props.Outcome{Err: err}); e.ErrorClass != "interrupted" {
			t.Errorf("%v: %q", err, e.ErrorClass)
		}
	}
}

// A program is mostly killed for its memory. Ctrl-C is another signal.
func TestAProgramThatWasKilledIsAFailure(t *testing.T) {
	t.Parallel()
	err := exec.Command("sh", "-c", "kill -KILL $$").Run()
	if e := ended(t, someTool(), props.Outcome{Err: err}); e.ErrorClass != "other" || *e.ExitCode != 137 {
		t.Errorf("%v: class %q, code %d", err, e.ErrorClass, *e.ExitCode)
	}
	err = exec.Command("sh", "-c", "exit 42").Run()
	if e := ended(t, someTool(), props.Outcome{Err: err}); e.ErrorClass != "other" || *e.ExitCode != 42 {
		t.Errorf("%v: class %q, code %d", err, e.ErrorClass, *e.ExitCode)
	}
}
