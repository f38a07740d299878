package deletion

import (
	"context"
	"errors"
	"slices"

	"github.com/gotoolbase/telemetry/core/driver"
)

// KeyField is the key of the event's metadata that holds Request.DeletionKey.
const KeyField = "deletion_key"

// FormerKeyField is what KeyField was called by programs that were built before 0.1.0. Who takes
// requests, or looks for keys in what was kept, has to know it too.
const FormerKeyField = "erasure_key"

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
			// The key proves to the author who acts on the event that it comes from the
			// installation itself. It is of no other use, and of none after the deletion.
			Metadata: map[string]string{KeyField: req.DeletionKey},
		}
		complete(&event)
		if err := ofOne(backend.Send(ctx, []driver.Event{event}), event.ID); err != nil {
			return Receipt{}, err
		}
		return Receipt{State: Delivered, ID: event.ID}, nil
	})
}

// ofOne makes a verdict on a batch one on its only event. Those that backends have for
// batches mean nothing to the caller who makes a request.
func ofOne(err error, id string) error {
	partial, _ := errors.AsType[*driver.Partial](err)
	if partial == nil && driver.Classify(err) != driver.ClassTooLarge {
		return err
	}
	bare := errors.New(err.Error())
	if partial != nil {
		switch {
		case slices.Contains(partial.Accepted, id):
			return nil
		case slices.Contains(partial.Rejected, id), partial.Unnamed > 0:
			return driver.Permanent(bare)
		case partial.Wait > 0:
			return driver.Throttled(bare, partial.Wait)
		}
	}
	// Too large is what a whole batch may be: smaller than one request there is nothing.
	return bare
}
