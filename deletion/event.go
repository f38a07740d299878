package deletion

import (
	"context"

	"github.com/gotoolbase/telemetry/core/driver"
)

// Event returns the Requestor that sends a data.deletion_request event through a
// backend, for the author to act on. It hands the request over and no more: the state
// is Delivered. complete fills in the event's ID, time and tool.
func Event(backend driver.Backend, complete func(*driver.Event)) Requestor {
	return Func(func(ctx context.Context, req Request) (Receipt, error) {
		if err := req.Validate(); err != nil {
			return Receipt{}, err
		}
		event := driver.Event{
			Type:      "data.deletion_request",
			Name:      "deletion_request",
			MachineID: req.MachineID,
			// The key proves to whoever acts on the event that it comes from the
			// installation itself. It is of no other use, and of none after the erasure.
			Metadata: map[string]string{"erasure_key": req.ErasureKey},
		}
		complete(&event)
		if err := backend.Send(ctx, []driver.Event{event}); err != nil {
			return Receipt{}, err
		}
		return Receipt{State: Delivered, ID: event.ID}, nil
	})
}
