package core

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/outbox"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/deletion"
)

// Erasure is one deletion request and how far it came: everything that was sent under one
// machine ID.
type Erasure struct {
	MachineID string
	// State is Requested as long as nobody is known to have the request.
	State deletion.State
	// Reached is when each state was reached, Requested included.
	Reached map[deletion.State]time.Time
	// Receipt is what the other side answered last.
	Receipt deletion.Receipt
	// Problem is what went wrong the last time, empty if nothing did. Attempts counts such
	// failures in a row.
	Problem  string
	Attempts int
	// Next is when it is looked at again by itself, in the background of a later command.
	// Zero means never: it is finished, or a person has to do something.
	Next time.Time
}

// Open reports whether the request is not known to have been handed over.
func (e Erasure) Open() bool { return e.State == deletion.Requested || e.State == deletion.Refused }

// ResetReport is what Reset did.
type ResetReport struct {
	// Erased is how many events were still waiting, and are gone.
	Erased int
	// Off says that the no is stored.
	Off bool
	// Requests are those of this reset and those from before that were not finished. None
	// means that nothing was ever sent from here.
	Requests []Erasure
}

// Reset forgets this installation: it turns telemetry off, erases what waits and what
// was logged here, and retires the identity, so that a later yes gets a new one. For
// every identity under which something was sent it stores a deletion request, and tries
// at once to hand it over, telling progress how far it is. A request stays until the data
// is known to be gone; later commands make it again in the background.
//
// The error is of this machine: a disk, a lock. What the other side said is in Requests.
func (m *Manager) Reset(ctx context.Context, progress func(done, total int)) (ResetReport, error) {
	in := m.in
	var report ResetReport
	if in.dirErr != nil {
		return report, in.dirErr
	}
	if err := in.dir.Check(); errors.Is(err, fs.ErrNotExist) {
		return report, nil // nothing was ever stored
	}
	erased, err := m.Disable()
	report.Erased, report.Off = erased, in.store().Load().Answer == consent.AnswerNo
	if !report.Off {
		return report, fmt.Errorf("turning telemetry off: %w", err)
	}
	if removeErr := os.RemoveAll(in.dir.Join(localDir)); removeErr != nil {
		err = errors.Join(err, state.Bare(removeErr))
	}
	err = errors.Join(err, delivery.Forget(in.dir), in.retire())
	// What is under way arrives before the request does, as far as that is in our hands.
	delivery.Quiesce(ctx, in.dir)
	err = errors.Join(err, in.workOutbox(ctx, true, progress))
	all, readErr := m.Erasures()
	for _, e := range all {
		if e.State != deletion.Verified || e.Reached[deletion.Verified].After(in.now().Add(-time.Minute)) {
			report.Requests = append(report.Requests, e)
		}
	}
	return report, errors.Join(err, readErr)
}

// Resume takes every unfinished deletion request a step further, whatever its time, and
// returns all requests. The error is of this machine.
func (m *Manager) Resume(ctx context.Context, progress func(done, total int)) ([]Erasure, error) {
	if m.in.dirErr != nil {
		return nil, m.in.dirErr
	}
	err := m.in.workOutbox(ctx, true, progress)
	all, readErr := m.Erasures()
	return all, errors.Join(err, readErr)
}

// Erasures returns the deletion requests that were made from here, oldest first. It
// changes nothing.
func (m *Manager) Erasures() ([]Erasure, error) {
	if m.in.dirErr != nil {
		return nil, m.in.dirErr
	}
	entries, err := m.in.outbox().Entries()
	var list []Erasure
	for _, e := range entries {
		list = append(list, Erasure{
			MachineID: e.MachineID, State: e.State, Reached: maps.Clone(e.Reached), Receipt: e.Receipt,
			Problem: e.Problem, Attempts: e.Attempts, Next: e.Next,
		})
	}
	return list, err
}

func (in *installation) outbox() outbox.Box { return outbox.Box{Dir: in.dir, Now: in.now} }

// retire hands the identity over to the outbox. Killed in between, the next reset or yes
// does the same again.
func (in *installation) retire() error {
	lock, err := in.lockIdentities()
	if err != nil {
		return fmt.Errorf("retiring the identity: %w", err)
	}
	defer lock.Unlock()
	ids, err := in.loadIdentities()
	if err != nil {
		if errors.Is(err, state.ErrCorrupt) { // kept aside: a key in it may still be of use
			err = errors.Join(err, in.dir.Rename(ids.file(), damagedIdentity))
		}
		return fmt.Errorf("the identity cannot be read, so its deletion cannot be asked for: %w", err)
	}
	return in.hand(ids)
}

// hand moves the keys of an identity into the outbox, if anything was sent under them, and
// forgets it. It is called with the identities locked.
func (in *installation) hand(ids identities) error {
	if ids.used && len(ids.keys) > 0 {
		keys := map[string]string{}
		for _, key := range ids.keys {
			keys[key.MachineID()] = key.Hex()
		}
		if err := in.outbox().Put(keys); err != nil {
			return fmt.Errorf("storing the deletion request: %w", err)
		}
	}
	if err := in.dir.Remove(ids.file()); err != nil {
		return fmt.Errorf("retiring the identity: %w", err)
	}
	return nil
}

// outboxWait is how long somebody who waits lets a background process finish its work on
// the deletion requests.
const outboxWait = 5 * time.Second

// workOutbox makes the deletion requests that are due, or all if a person insists.
func (in *installation) workOutbox(ctx context.Context, insist bool, progress func(done, total int)) error {
	requestor, release := in.requestor()
	defer release()
	run := outbox.Run{Requestor: requestor, Tool: in.tool.Name, Insist: insist, Progress: progress}
	if insist {
		run.Wait = outboxWait
	}
	if err := in.outbox().Run(ctx, run); err != nil && !(errors.Is(err, state.ErrBusy) && !insist) {
		return fmt.Errorf("the deletion requests: %w", err)
	}
	return nil
}

// requestor returns the author's requestor, or the one that sends the event through the
// backend that events go to.
func (in *installation) requestor() (r deletion.Requestor, release func()) {
	if r := in.tool.Telemetry.DeletionRequestor; r != nil {
		return r, func() {}
	}
	always := func(receipt deletion.Receipt, err error) deletion.Requestor {
		return deletion.Func(func(context.Context, deletion.Request) (deletion.Receipt, error) { return receipt, err })
	}
	s, err := in.selectBackend(false)
	if err != nil {
		return always(deletion.Receipt{}, err), func() {}
	}
	if s.driver.Local {
		return always(deletion.Receipt{
			State:  deletion.Manual,
			Detail: "This version of " + in.tool.Name + " sends to nobody, so it cannot pass the request on: ask the authors, naming the machine ID.",
		}, nil), func() {}
	}
	backend, err := in.open(s)
	if err != nil {
		return always(deletion.Receipt{}, err), func() {}
	}
	complete := func(e *driver.Event) { in.complete(e, in.now()) }
	return deletion.Event(backend, complete), func() { backend.Close() }
}
