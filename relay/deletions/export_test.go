//go:build !notelemetry

package deletions

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/store"
)

// Hurry makes every wait a few milliseconds, for tests with real processes.
func (r *Relay) Hurry() {
	const d = 5 * time.Millisecond
	r.pace = pace{
		attempt: time.Second, lease: 3 * time.Second, grace: 10 * time.Second, firstRetry: d, lastRetry: 4 * d,
		firstPoll: d, lastPoll: 4 * d, lastLook: 4 * d, maxWait: 4 * d, disk: d, look: 4 * d, note: time.Second, watch: time.Hour,
	}
}

// Limiter is what stands before everything else.
type Limiter = limiter

// NewLimiter makes one, and Take asks it.
func NewLimiter(l Limit) *Limiter { return newLimiter(l) }

// Take reports whether an address may make a request.
func (l *limiter) Take(address string) bool { return l.take(address, costRequest) == 0 }

// ReadRequest returns what a body asks for, with the word of the refusal if it is none.
func ReadRequest(w http.ResponseWriter, req *http.Request) (deletion.Request, string) {
	a, no := readRequest(w, req)
	if no != nil {
		return deletion.Request{}, no.word
	}
	return deletion.Request{Tool: a.Tool, MachineID: a.MachineID, DeletionKey: a.DeletionKey, RequestedAt: a.at(time.Now())}, ""
}

// VerifyIn is Verify inside of a transaction that is going to be undone.
func VerifyIn(ctx context.Context, tx *store.Tx) (Audit, error) {
	a := Audit{Head: firstPrev}
	_, err := a.verifySteps(ctx, tx)
	for after, more := int64(-1<<63), true; more && err == nil; {
		after, more, err = a.verifyStates(ctx, tx, after)
	}
	return a, errors.Join(err, a.verifyRest(ctx, tx))
}

// NewServerOf is NewServer with another number of connections.
func NewServerOf(h http.Handler, most int) *http.Server { return newServer(h, most) }

// Fill writes deletions of a tool with one vendor that are verified, but for every tenth, which
// the vendor has in hand: what a ledger of some years holds.
func (l *Ledger) Fill(ctx context.Context, tool, vendor string, machines []string) error {
	return l.write(func(ctx context.Context, b *batch) error {
		for i, machine := range machines {
			e := entry{Event: received, ID: newReceiptID(), Tool: tool, MachineID: machine, Proof: "verified", Vendors: []string{vendor},
				RequestedAt: b.now, DueAt: b.now.Add(maxDue), Wait: inMillis(defaultQuiet)}
			if err := b.add(&e, 0); err != nil {
				return err
			}
			r, err := begin(e)
			if err != nil {
				return err
			}
			history := []entry{
				{Event: asking, ID: r.id, Vendor: vendor},
				{Event: answered, ID: r.id, Vendor: vendor, Wait: inMillis(defaultPace.firstPoll), Receipt: &storedReceipt{State: deletion.Acknowledged, ID: machine[:8], MachineID: machine}},
				{Event: checked, ID: r.id, Vendor: vendor, Receipt: &storedReceipt{State: deletion.Verified, ID: machine[:8], MachineID: machine}},
			}
			if i%10 == 0 {
				history = history[:2]
			}
			for _, e := range history {
				if err := b.add(&e, r.number); err != nil {
					return err
				}
				if err := r.apply(e); err != nil {
					return err
				}
			}
			if err := b.insert(ctx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// LookEvery sets how often a relay looks for what other processes left. Months of a look a
// minute would be most of what the tests do.
func (r *Relay) LookEvery(d time.Duration) { r.pace.look = d }
