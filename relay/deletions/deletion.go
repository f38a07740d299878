//go:build !notelemetry

package deletions

import (
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
)

// Deletion is one request, as the ledger has it.
type Deletion struct {
	// ID is the receipt's.
	ID              string
	Tool, MachineID string
	// RequestedAt is when the person asked, as far as their machine knew, or who vouches for the
	// request. ReceivedAt is when the relay got it, and DueAt until when it is to be done.
	RequestedAt, ReceivedAt, DueAt time.Time
	// State is Acknowledged, Verified, Refused, Done or Cancelled.
	State deletion.State
	// Open says that it is not known to be deleted, nor was it taken back.
	Open bool
	// VerifiedAt is when the last vendor was done, zero if one is not.
	VerifiedAt time.Time
	Vendors    []VendorState
	// Steps are all that happened, in order. Their times may go backwards if a machine's clock
	// did.
	Steps []Step
	// NextAttempt is about when a vendor is called next, zero if the relay waits for nothing.
	// One that is over is due.
	NextAttempt time.Time
}

// NeedsPerson reports whether nothing goes on with one of the vendors until the operator has
// acted; see Ledger.Retry and Ledger.Done.
func (e Deletion) NeedsPerson() bool {
	return slices.ContainsFunc(e.Vendors, VendorState.NeedsPerson)
}

// VendorState is how far one vendor is.
type VendorState struct {
	Name string
	// State is Requested until the vendor has taken the request.
	State deletion.State
	// Since is when it came into that state.
	Since time.Time
	// Receipt is the vendor's last one.
	Receipt deletion.Receipt
	// Attempts is how often it was asked to delete, and Lost how often it did not know its
	// receipt later, or had something left.
	Attempts, Lost int64
	// Problem is what the last call came to, empty if all went well.
	Problem string
	// HeldUntil is until when the vendor is not called at all, for nobody: it said so, or refused
	// the key. Zero if it may be called. A start of a relay and Ledger.Retry end it.
	HeldUntil time.Time
	// Canary is what is wrong with the vendor's canary, without which nothing is called verified
	// there; empty if nothing is.
	Canary string
	// NextAttempt is when it is called next. For one that is Verified that is the last count.
	NextAttempt time.Time
}

// Failing reports whether something went wrong that a person may have seen to; see Ledger.Retry.
func (v VendorState) Failing() bool {
	return v.NeedsPerson() || !v.NextAttempt.IsZero() && (v.Problem != "" || !v.HeldUntil.IsZero())
}

// NeedsPerson reports whether the relay has stopped asking it.
func (v VendorState) NeedsPerson() bool {
	return v.State == deletion.Refused || v.State == deletion.Manual
}

// Step is a piece of evidence.
type Step struct {
	At time.Time
	// Event is its word: received, joined, asking, answered, checked, failed, refused, lost, confirmed,
	// reopened, retried, done or cancelled.
	Event string
	// Vendor is empty where it is about all.
	Vendor string
	// State is what the vendor's receipt says, empty if the step brought none.
	State deletion.State
	// Detail is the receipt's or the problem, in one line.
	Detail string
	// By and Why are those of a person, where it was one. RequestedAt is when the person asked,
	// by the word of one who joined.
	By, Why     string
	RequestedAt time.Time
}

func step(e entry) Step {
	s := Step{At: e.wall(), Event: string(e.Event), Vendor: e.Vendor, Detail: e.Problem, By: e.By, Why: e.Why}
	if e.Event == joined && e.Proof == "" {
		s.RequestedAt = e.RequestedAt
	}
	switch {
	case e.Receipt != nil:
		s.State, s.Detail = handedOver(e.Receipt.State), e.Receipt.Detail
	case e.Proof != "":
		s.Detail = "the proof was " + e.Proof
	}
	return s
}

// view is what callers see. The head says how the ledger's clock and the machine's go together.
func (r *requestState) view(h head, lanes map[[2]string]known) Deletion {
	e := Deletion{
		ID: r.id, Tool: r.tool, MachineID: r.machine, RequestedAt: r.claimed, ReceivedAt: r.received, DueAt: r.due,
		State: r.state, Open: r.open(), VerifiedAt: r.verified,
	}
	for _, v := range r.vendors {
		seen := VendorState{Name: v.name, State: v.state, Since: v.since, Attempts: v.attempts, Lost: v.lost, Problem: v.problem}
		if v.receipt != nil {
			seen.Receipt = v.receipt.receipt()
		}
		at := func(m millis) time.Time { return h.wall.Add((m - h.clock).duration()) }
		if lane := lanes[[2]string{v.tool, v.name}]; v.todo != nothing {
			seen.NextAttempt, seen.Canary = at(max(v.next, lane.hold)), lane.canary
			if lane.hold > h.clock {
				seen.HeldUntil = at(lane.hold)
			}
		}
		e.Vendors = append(e.Vendors, seen)
		if next := seen.NextAttempt; v.todo != again && !next.IsZero() && (e.NextAttempt.IsZero() || next.Before(e.NextAttempt)) {
			e.NextAttempt = next
		}
	}
	return e
}
