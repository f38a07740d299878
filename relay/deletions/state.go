//go:build !notelemetry

package deletions

import (
	"errors"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
)

// States that a deletion or a vendor has in the ledger, besides those of package deletion.
const (
	// Done: the operator says that it was deleted by hand. Nothing showed it, so the person is
	// told no more than that it was acknowledged.
	Done deletion.State = "done"
	// Cancelled: the request was taken back before a vendor was asked.
	Cancelled deletion.State = "cancelled"
)

// todo is what the relay has to do at a vendor.
type todo int64

const (
	nothing todo = iota
	// ask: ask it to delete, once next is over. ready: that is so, and it has its turn.
	ask
	ready
	// follow: look how far it is. again: count once more what it has deleted.
	follow
	again
)

// vendorState is how far one vendor is with one deletion: a row of deletion_vendors.
type vendorState struct {
	number, position int64
	tool, name       string
	// state is Requested until the vendor has taken the request.
	state    deletion.State
	since    time.Time
	attempts int64
	failures int64 // in a row
	lost     int64
	receipt  *storedReceipt
	problem  string
	asked    millis // when it took the request, by the ledger's clock
	// What follows is for the work alone, and no evidence.
	todo todo
	next millis // when that may be done, by the ledger's clock
	turn int64
	// bucket stands for who asked, as a number that means nothing to another process; see
	// queue. It is forgotten when the vendor has taken the request.
	bucket int64
	// holder is the run that works on it now, until next.
	holder string
}

// halted reports whether a person has to act before anything goes on.
func (v *vendorState) halted() bool { return v.state == deletion.Refused || v.state == deletion.Manual }

// failing reports whether something went wrong the last time, and it is going to be tried again.
func (v *vendorState) failing() bool { return v.problem != "" && v.todo != nothing }

// begun reports whether the vendor was asked, or is just being asked.
func (v *vendorState) begun() bool {
	return v.attempts > 0 || v.holder != "" || v.state != deletion.Requested && v.state != Cancelled
}

// over reports whether nothing is expected of the vendor any more.
func (v *vendorState) over() bool {
	return v.state == deletion.Verified || v.state == Done || v.state == Cancelled
}

// requestState is one request and what became of it: a row of deletions, with its vendors.
type requestState struct {
	number        int64 // of the step that says that it was received
	id            string
	tool, machine string
	state         deletion.State
	claimed       time.Time
	// received is what the machine's clock said, and bound the later time that vendors get.
	received, bound, due, verified time.Time
	quiet                          millis
	// isOpen and isWaiting are what the row says of open and waiting, for what is looked up by them.
	isOpen, isWaiting int64
	vendors           []vendorState
}

// begin returns the deletion that a step of the kind received begins.
func begin(e entry) (*requestState, error) {
	if !isID(e.MachineID) || !isID(e.ID) || e.Tool == "" || len(e.Vendors) == 0 || e.Proof == "" && e.By == "" {
		return nil, errors.New("it is no complete request")
	}
	r := &requestState{
		number: e.Seq, id: e.ID, tool: e.Tool, machine: e.MachineID, claimed: e.RequestedAt,
		received: e.wall(), bound: e.At, due: e.DueAt, quiet: e.Wait,
	}
	if r.due.IsZero() { // of a ledger that was a file
		r.due = r.received.Add(maxDue)
	}
	for i, name := range e.Vendors {
		if name == "" || slices.Contains(e.Vendors[:i], name) {
			return nil, errors.New("its vendors have no names of their own")
		}
		r.vendors = append(r.vendors, vendorState{
			number: r.number, position: int64(i), tool: e.Tool, name: name,
			state: deletion.Requested, since: e.wall(), todo: ask, next: e.Clock + e.Wait,
		})
	}
	r.settle()
	return r, nil
}

// apply takes a later step in. An error means that it was not written after those before it,
// and that nothing was changed.
func (r *requestState) apply(e entry) error {
	switch e.Event {
	case joined: // it is evidence, and may say that the month began earlier
		if !e.DueAt.IsZero() && e.DueAt.Before(r.due) {
			r.due = e.DueAt
		}
		return nil
	case retried:
		for i := range r.vendors {
			if v := &r.vendors[i]; v.halted() {
				v.state, v.since, v.receipt, v.problem = deletion.Requested, e.wall(), nil, ""
				v.failures, v.lost, v.asked, v.todo, v.next = 0, 0, 0, ask, e.Clock
			} else if v.failing() {
				if v.failures = 0; v.holder == "" || v.next < e.Clock {
					v.next = e.Clock // else it is being done just now
				}
			}
		}
	case done, cancelled:
		for i := range r.vendors {
			v := &r.vendors[i]
			if v.over() || e.Vendor != "" && e.Vendor != v.name {
				continue
			}
			v.state, v.since, v.problem, v.todo, v.turn, v.bucket, v.holder = Done, e.wall(), "", nothing, 0, 0, ""
			if e.Event == cancelled {
				v.state = Cancelled
			}
		}
	default:
		i := slices.IndexFunc(r.vendors, func(v vendorState) bool { return v.name == e.Vendor })
		if i < 0 {
			return errors.New("it is about a vendor that the deletion does not have")
		}
		if err := r.vendors[i].apply(e); err != nil {
			return err
		}
	}
	r.settle()
	return nil
}

func (v *vendorState) apply(e entry) error {
	enter := func(s deletion.State) {
		if v.state != s {
			v.state, v.since = s, e.wall()
		}
	}
	then := func(t todo) { v.todo, v.next, v.turn, v.holder = t, e.Clock+e.Wait, 0, "" }
	switch e.Event {
	case asking:
		v.attempts++ // who asks has the lease that says when this is tried again
	case answered, checked:
		if e.Receipt == nil {
			return errors.New("it has no receipt")
		}
		if e.Event == answered {
			v.asked = e.Clock
		}
		v.receipt, v.failures, v.problem, v.bucket = e.Receipt, 0, "", 0
		enter(handedOver(e.Receipt.State))
		then(nothing)
		switch {
		case v.halted():
			v.problem = e.Receipt.Detail
		case e.Wait == 0:
		case v.state == deletion.Verified:
			v.todo = again
		default:
			v.todo = follow
		}
	case failed:
		v.failures++
		v.problem = e.Problem
		switch v.state {
		case deletion.Requested:
			then(ask)
		case deletion.Verified:
			then(again)
		default:
			then(follow)
		}
	case refused:
		v.problem, v.bucket = e.Problem, 0
		enter(deletion.Refused)
		then(nothing)
	case lost, reopened:
		v.lost++
		v.receipt, v.failures, v.problem = nil, 0, e.Problem
		enter(deletion.Requested)
		then(ask)
	case confirmed:
		v.problem = ""
		then(nothing)
	default:
		return errors.New("a later version of this program wrote it")
	}
	return nil
}

// settle finds out what the vendors' states come to. Manual is the operator's work, and not
// the person's.
func (r *requestState) settle() {
	state := deletion.Verified
	for i := range r.vendors {
		switch v := &r.vendors[i]; {
		case v.state == deletion.Refused:
			state = deletion.Refused
		case state == deletion.Refused:
		case !v.over():
			state = deletion.Acknowledged
		case v.state != deletion.Verified && state != deletion.Acknowledged:
			state = v.state
		}
	}
	r.state, r.verified = state, time.Time{}
	for _, v := range r.vendors {
		if state == deletion.Verified && v.since.After(r.verified) {
			r.verified = v.since
		}
	}
}

// waiting reports whether something is to be done that can still lead to Verified.
func (r *requestState) waiting() bool {
	return slices.ContainsFunc(r.vendors, func(v vendorState) bool {
		return v.halted() || v.todo == ask || v.todo == ready || v.todo == follow
	})
}

// open reports whether it is not known to be deleted, nor taken back.
func (r *requestState) open() bool {
	return slices.ContainsFunc(r.vendors, func(v vendorState) bool { return !v.over() })
}

// handedOver is the state of a request that was taken: a nil error says that it was,
// whatever the receipt says.
func handedOver(s deletion.State) deletion.State {
	switch s {
	case deletion.Acknowledged, deletion.Verified, deletion.Refused, deletion.Manual:
		return s
	}
	return deletion.Delivered
}
