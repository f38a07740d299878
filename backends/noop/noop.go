// Package noop is the backend that accepts every event and forgets it. Tool authors
// name it "noop" to see what telemetry costs, or to try consent and commands without
// a server. Nothing leaves the process.
package noop

import (
	"context"

	"github.com/gotoolbase/telemetry/core/driver"
)

// Driver returns the driver "noop". Its backend has no state, so that any number of
// goroutines may use it.
func Driver() driver.Driver {
	return driver.Driver{
		Name:  "noop",
		Doc:   "accepts every event and forgets it",
		Local: true,
		Open:  func(driver.Config) (driver.Backend, error) { return backend{}, nil },
	}
}

type backend struct{}

// Send takes the batch unless ctx has ended: what the caller gave up is not accepted.
func (backend) Send(ctx context.Context, events []driver.Event) error {
	if len(events) == 0 {
		return nil
	}
	return ctx.Err()
}

func (backend) Close() error { return nil }
