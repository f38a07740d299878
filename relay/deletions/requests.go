//go:build !notelemetry

package deletions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/store"
)

var (
	// ErrProof: the deletion key is not the machine ID's.
	ErrProof = errors.New("the deletion key is not that of the machine ID")
	// ErrUnknownTool: the tool is not in Config.Tools.
	ErrUnknownTool = errors.New("the tool is not one of this relay's")
	// ErrUnknown: there is no such deletion.
	ErrUnknown = errors.New("there is no such deletion")
	// ErrTooLate: a vendor was asked already.
	ErrTooLate = errors.New("a vendor was asked already, so the deletion cannot be taken back")
	// ErrOthers: somebody else asked for the same deletion, who has not taken that back.
	ErrOthers = errors.New("somebody else asked for the same deletion, so it cannot be taken back")
	// ErrNobody: nothing says who vouches for what is to be written down.
	ErrNobody = errors.New("it has to be said who does it and why: that is the evidence")
	// ErrNothingLeft: no vendor of the deletion needs a person, or is still to delete.
	ErrNothingLeft = errors.New("nothing is left to be done for this deletion")
)

// Demand is a request for a deletion.
type Demand struct {
	Tool, MachineID string
	// RequestedAt is when the person asked, as far as that is known; zero is now.
	RequestedAt time.Time
	// DeletionKey proves that it comes from the installation. Without one, By and Why say who
	// vouches for it, such as "a clerk" and "letter of 3 May".
	DeletionKey string
	By, Why     string

	// bucket is a number for the network that it came from; see queue.
	bucket int64
}

// Terms are what a deletion is received on.
type Terms struct {
	// Vendors are the names of all to whom the tool's data goes. A deletion keeps them.
	Vendors []string
	// Quiet and Due are as in Config.
	Quiet, Due time.Duration
}

// Receipt is what is told about a deletion.
type Receipt struct {
	ID, Tool, MachineID string
	// State is what the person is told: Acknowledged, Verified or Refused. Own is the ledger's,
	// which may also be Done or Cancelled.
	State, Own deletion.State
	// Detail is a sentence for the person.
	Detail                              string
	RequestedAt, ReceivedAt, VerifiedAt time.Time
	// DueAt is until when it is to be done.
	DueAt time.Time
	// New says that this request began it, and Asked that a vendor was asked, or is just being
	// asked: then it cannot be taken back.
	New, Asked bool
}

func (r *requestState) receipt(isNew bool) Receipt {
	told := Receipt{
		ID: r.id, Tool: r.tool, MachineID: r.machine, State: r.state, Own: r.state,
		RequestedAt: r.claimed, ReceivedAt: r.received, VerifiedAt: r.verified, DueAt: r.due, New: isNew,
	}
	handedOver := true
	for _, v := range r.vendors {
		handedOver = handedOver && v.state != deletion.Requested
		told.Asked = told.Asked || v.begun()
	}
	switch {
	case r.state == deletion.Verified:
		told.Detail = "The data is gone from all services that held it."
	case r.state == deletion.Refused:
		told.Detail = fmt.Sprintf("A service that holds the data refused to delete it: the people who run %s have to see to it.", r.tool)
	case r.state == Done:
		told.State, told.Detail = deletion.Acknowledged, fmt.Sprintf("The people who run %s say that they have deleted the data by hand.", r.tool)
	case r.state == Cancelled:
		told.State, told.Detail = deletion.Refused, "The request was taken back before the data was deleted."
	case handedOver:
		told.Detail = "The services that hold the data were asked to delete it, and some have not confirmed that it is gone."
	case r.quiet.duration() >= time.Hour:
		told.Detail = fmt.Sprintf("The data will be deleted, after %d hours in which the last of it may still come in.", int(r.quiet.duration().Hours()))
	default:
		told.Detail = "The data will be deleted."
	}
	return told
}

// Add receives a request, and returns when it is durably stored. One for a machine whose
// deletion is under way joins that, and gets its receipt. One that comes when nothing is under way any
// more begins a new deletion: what was sent since is not in the old one. Errors wrap ErrProof,
// ErrNobody, deletion.ErrInvalidID or store.ErrUnavailable.
func (l *Ledger) Add(d Demand, t Terms) (Receipt, error) {
	if err := (deletion.Request{MachineID: d.MachineID}).Validate(); err != nil {
		return Receipt{}, err
	}
	first := entry{
		Event: received, ID: newReceiptID(), Tool: d.Tool, MachineID: d.MachineID,
		By: oneLine(d.By), Why: oneLine(d.Why), Vendors: t.Vendors, Wait: inMillis(t.Quiet),
	}
	if !d.RequestedAt.IsZero() {
		first.RequestedAt = d.RequestedAt.UTC().Truncate(time.Millisecond)
	}
	switch {
	case d.DeletionKey != "" && !deletion.Proves(d.DeletionKey, d.MachineID):
		return Receipt{}, ErrProof
	case d.DeletionKey != "":
		first.Proof = "verified"
	case first.By == "" || first.Why == "":
		return Receipt{}, ErrNobody
	}
	var receipt Receipt
	err := l.write(func(ctx context.Context, b *batch) error {
		known, err := one(ctx, b.Tx, `machine_id = ? AND tool = ? ORDER BY number DESC LIMIT 1`, d.MachineID, d.Tool)
		if err != nil {
			return err
		}
		if known != nil && known.open() && known.waiting() {
			e := entry{Event: joined, ID: known.id, RequestedAt: first.RequestedAt, Proof: first.Proof, By: first.By, Why: first.Why}
			e.DueAt = e.since(t.Due)
			err := b.join(ctx, known, e)
			receipt = known.receipt(false)
			return err
		}
		e := first
		if e.RequestedAt.IsZero() {
			e.RequestedAt = b.now
		}
		e.DueAt = b.now.Add(t.Due)
		if due := e.since(t.Due); !due.IsZero() && due.Before(e.DueAt) {
			e.DueAt = due
		}
		if err := b.add(&e, 0); err != nil {
			return err
		}
		r, err := begin(e)
		if err != nil {
			return err
		}
		for i := range r.vendors {
			r.vendors[i].bucket = d.bucket
		}
		receipt = r.receipt(true)
		return b.insert(ctx, r)
	})
	return receipt, err
}

// since is when a month is over that began when the person asked, and zero where that is not
// known: who vouches knows it. A tool's clock may be years back, and says nothing.
func (e entry) since(due time.Duration) time.Time {
	if e.Proof != "" || e.RequestedAt.IsZero() {
		return time.Time{}
	}
	return e.RequestedAt.Add(due)
}

// join writes down that somebody asks for what is under way already, unless that is known: a
// tool may ask as often as it likes.
func (b *batch) join(ctx context.Context, r *requestState, e entry) error {
	history, err := b.history(ctx, r)
	if err != nil {
		return err
	}
	earlier := !e.DueAt.IsZero() && e.DueAt.Before(r.due)
	for _, o := range history {
		if _, asks := o.asker(); !earlier && asks && (o.Proof != "" && e.Proof != "" || o.Proof == e.Proof && o.By == e.By && o.Why == e.Why) {
			return nil
		}
	}
	return b.advance(ctx, r, &e)
}

// history returns the steps of a deletion, also those of this transaction.
func (b *batch) history(ctx context.Context, r *requestState) ([]entry, error) {
	if err := b.flushLines(ctx); err != nil {
		return nil, err
	}
	all, err := steps(ctx, b.Tx, []int64{r.number})
	return all[r.number], err
}

// Receipt returns how far a deletion is. Errors wrap ErrUnknown or store.ErrUnavailable.
func (l *Ledger) Receipt(ctx context.Context, id string) (Receipt, error) {
	if !isID(id) {
		return Receipt{}, ErrUnknown
	}
	var r *requestState
	err := l.db.Read(ctx, func(tx *store.Tx) (err error) {
		r, err = one(ctx, tx, `id = ?`, id)
		return err
	})
	if err != nil || r == nil {
		return Receipt{}, errors.Join(err, ErrUnknown)
	}
	return r.receipt(false), nil
}

// Cancel takes deletions back for which no vendor was asked yet, and nobody asked but who takes
// them back, by the name that was the Demand's: all or, with an error, none. What a person's own
// proof came with is never taken back. By and why are written down. Errors wrap ErrUnknown,
// ErrTooLate, ErrOthers, ErrNobody or store.ErrUnavailable.
func (l *Ledger) Cancel(ids []string, by, why string) error {
	return l.act(ids, cancelled, by, why, func(ctx context.Context, b *batch, r *requestState) error {
		for i := range r.vendors {
			if r.vendors[i].begun() {
				return ErrTooLate
			}
		}
		history, err := b.history(ctx, r)
		for _, e := range history {
			if asker, asks := e.asker(); asks && asker != oneLine(by) {
				return ErrOthers
			}
		}
		return err
	})
}

// Done writes down that a person has deleted by hand what vendors did not: those that the
// deletion still waits for. Errors wrap ErrUnknown, ErrNobody, ErrNothingLeft or
// store.ErrUnavailable.
func (l *Ledger) Done(id, by, why string) error {
	return l.act([]string{id}, done, by, why, func(_ context.Context, _ *batch, r *requestState) error {
		if !r.open() {
			return ErrNothingLeft
		}
		return nil
	})
}

// Retry has those vendors asked again that refused a deletion, that left it to a person, or that
// are tried again later: a person has seen to what was wrong. It ends the time in which such a
// vendor is not called at all. A relay takes it up within a minute if one runs, else when it
// starts. Errors wrap ErrUnknown, ErrNothingLeft or store.ErrUnavailable.
func (l *Ledger) Retry(id string) error {
	return l.act([]string{id}, retried, "", "", func(ctx context.Context, b *batch, r *requestState) error {
		stuck := false
		for i := range r.vendors {
			v := &r.vendors[i]
			stuck = stuck || v.halted() || v.failing()
			if v.over() {
				continue
			}
			ended, err := b.Exec(ctx, `UPDATE deletion_lanes SET hold = 0 WHERE tool = ? AND vendor = ? AND hold > ?`, v.tool, v.name, int64(b.clock))
			if err != nil {
				return err
			}
			stuck = stuck || ended > 0
		}
		if !stuck {
			return ErrNothingLeft
		}
		return nil
	})
}

// act writes down what a person does, unless allowed says no to one of the deletions.
func (l *Ledger) act(ids []string, what event, by, why string, allowed func(context.Context, *batch, *requestState) error) error {
	e := entry{Event: what, By: oneLine(by), Why: oneLine(why)}
	if what != retried && (e.By == "" || e.Why == "") {
		return ErrNobody
	}
	return l.write(func(ctx context.Context, b *batch) error {
		var all []*requestState
		for _, id := range ids {
			r, err := one(ctx, b.Tx, `id = ?`, id)
			if err != nil {
				return err
			}
			if r == nil {
				return ErrUnknown
			}
			if err := allowed(ctx, b, r); err != nil {
				return err
			}
			all = append(all, r)
		}
		for _, r := range all {
			e := e
			if err := b.advance(ctx, r, &e); err != nil {
				return err
			}
		}
		return nil
	})
}
