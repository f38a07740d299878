package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/internal/outbox"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/deletion"
)

// deleter has deleted what was sent under identities that were retired.
type deleter struct {
	*installation
	late int // outbox.Run.NotDeletable
}

// outboxWait is how long a person who waits lets a background process finish its work on
// the deletion requests.
const outboxWait = 5 * time.Second

// work makes the deletion requests that are due, or all if a person insists.
//
// Where the administrator's policy names a receiver, what went there is asked for there, and
// no other receiver is asked for anything: other requests wait for the end of that policy.
func (e *deleter) work(ctx context.Context, insist bool, progress func(done, total int)) error {
	if err := e.dir.Check(); err != nil && insist {
		return ignoreMissing(err)
	} else if err != nil {
		return nil // for status to tell, not for a command in whose way it is
	}
	e.readPolicy()
	requestor, release := e.requestor()
	defer release()
	run := e.run()
	run.Requestor, run.Insist, run.Progress = requestor, insist, progress
	if insist {
		run.Wait = outboxWait
	}
	if err := e.outbox().Run(ctx, run); err != nil && !(errors.Is(err, state.ErrBusy) && !insist) {
		return fmt.Errorf("the deletion requests: %w", err)
	}
	return nil
}

// run says who can be asked.
func (e *deleter) run() outbox.Run {
	run := outbox.Run{Tool: e.tool.Name, NotDeletable: e.late, SetByPolicy: consent.SetByPolicy}
	own, err := e.selectBackend()
	switch {
	case omitted:
		run.Held = "which a build without telemetry, like this one, cannot contact: another build has to ask"
	case e.pin().named, e.pin().unknown: // which may keep the tool from the author's side
		run.Held = outbox.HeldByPolicy
	}
	if own.pinned || err == nil && !e.pin().unknown && !own.driver.Local && e.tool.Telemetry.DeletionRequestor == nil {
		run.Receiver = e.terms().Receiver()
	}
	return run
}

// requestor returns the author's requestor, or the one that sends the event through the
// backend that events go to.
func (e *deleter) requestor() (r deletion.Requestor, release func()) {
	if r := e.tool.Telemetry.DeletionRequestor; r != nil && !e.pin().named {
		return r, func() {}
	}
	always := func(receipt deletion.Receipt, err error) deletion.Requestor {
		return deletion.Func(func(context.Context, deletion.Request) (deletion.Receipt, error) { return receipt, err })
	}
	s, err := e.selectBackend()
	if err != nil {
		return always(deletion.Receipt{}, err), func() {}
	}
	if s.driver.Local {
		return always(deletion.Receipt{
			State:  deletion.Manual,
			Detail: "This version of " + e.tool.Name + " sends to nobody, so it cannot pass the request on: ask the authors, naming the machine ID.",
		}, nil), func() {}
	}
	backend, err := s.open(e.installation)
	if err != nil {
		return always(deletion.Receipt{}, err), func() {}
	}
	return deletion.Event(backend, e.complete), func() { backend.Close() }
}
