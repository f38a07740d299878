package core

import (
	"context"
	"errors"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/identity"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/core/props"
)

// CheckReport is what the receiver answered to a check.
type CheckReport struct {
	// Event was sent: its ID finds it at the receiver.
	Event driver.Event
	// Class is what the answer means to the collector, and Reason why it is no acceptance, in
	// the backend's words. Wait is how long the receiver asks not to be called.
	Class  driver.Class
	Reason string
	Wait   time.Duration
	// Took is how long the attempt lasted, without the wait for another process that was
	// delivering.
	Took time.Duration
	// Warned counts, by the names of BackendInfo.Warnings, the warnings with which the receiver
	// accepted the event.
	Warned map[string]int
}

// Check sends one event of the type props.EventCheck to the declared backend, at once and
// past the queue, and reports the answer. It makes one attempt, whatever an earlier answer
// asked for: an author who has mended a key need not wait for an hour to see it.
//
// The event is sent under the person's yes and machine ID as any other, so that a reset has it
// deleted. The error says why none was sent: it wraps ErrOff without a yes to this receiver,
// ErrLocal where everything stays on this machine, ErrChanged where another process changed the
// answer to another yes meanwhile, ErrBusy where one is delivering, or is a *driver.ConfigError.
func (m *Manager) Check(ctx context.Context) (CheckReport, error) {
	in := m.in
	if in.dirErr != nil {
		return CheckReport{}, in.dirErr
	}
	if err := in.check(); err != nil {
		return CheckReport{}, err
	}
	u := &uploader{installation: in, decision: in.decide()}
	own, err := in.selectBackend()
	switch {
	case err != nil:
		return CheckReport{}, err
	case !u.decision.Enabled:
		return CheckReport{}, ErrOff
	case u.decision.LocalOnly:
		return CheckReport{}, ErrLocal
	case own.reachesNobody():
		return CheckReport{}, &driver.ConfigError{Field: "Telemetry.Backend", Problem: "names no receiver that could be checked"}
	}
	u.own = own
	if err := in.dir.Create(); err != nil {
		return CheckReport{}, err
	}
	receipt, err := in.store().Record(u.decision, in.terms(), in.now())
	switch {
	case !errors.Is(err, consent.ErrRetired):
	case in.decide().Enabled: // and another yes came
		return CheckReport{}, ErrChanged
	default:
		return CheckReport{}, ErrOff
	}
	if err != nil {
		return CheckReport{}, err
	}
	e := driver.Event{Type: string(props.EventCheck), Name: "check", ConsentID: receipt.ID, OSVersion: identity.OSVersion()}
	in.complete(&e)
	if e.MachineID, err = u.identifyOnce(); err != nil {
		return CheckReport{}, err
	}
	notSent := error(nil)
	open := func() (driver.Backend, error) {
		if notSent = u.allowed(receipt); notSent != nil {
			return nil, notSent
		}
		backend, err := own.open(in)
		notSent = err
		return backend, err
	}
	single, err := delivery.Unqueued(ctx, in.dir, in.now, []driver.Event{e}, own.driver, open)
	switch {
	case errors.Is(notSent, delivery.ErrErased):
		return CheckReport{}, ErrChanged
	case notSent != nil, errors.Is(err, state.ErrBusy), errors.Is(err, delivery.ErrNotAllowed):
		return CheckReport{}, err
	}
	report := CheckReport{Event: e, Class: driver.Classify(err), Wait: driver.Wait(err), Took: single.Took, Warned: single.Warned}
	if report.Class != driver.ClassAccepted {
		report.Reason = err.Error()
	}
	return report, nil
}
