package erasures

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
)

// Erasure is one request, as the ledger has it.
type Erasure struct {
	// ID is the receipt's.
	ID              string
	Tool, MachineID string
	// RequestedAt is when the person asked, as far as their machine knew. ReceivedAt is
	// when the relay got the request and its proof.
	RequestedAt, ReceivedAt time.Time
	// State is Acknowledged, Verified or Refused: what the person is told.
	State deletion.State
	// VerifiedAt is when the last vendor was done, zero if one is not.
	VerifiedAt time.Time
	Vendors    []VendorState
	// Steps are all that happened, in order. Their times may go backwards if the machine's
	// clock did.
	Steps []Step
	// NextAttempt is about when a vendor is called next, zero if the relay waits for
	// nothing. One that is over is due. Follow-ups come no earlier, and some hours later
	// if the last ones brought nothing new.
	NextAttempt time.Time
}

// NeedsPerson reports whether nothing goes on with one of the vendors until the operator
// has acted; see Retry.
func (e Erasure) NeedsPerson() bool {
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
	// Attempts is how often it was asked to erase, and Lost how often it did not know its
	// receipt later.
	Attempts, Lost int
	// Problem is what the last call came to, empty if all went well.
	Problem     string
	NextAttempt time.Time
}

// NeedsPerson reports whether the relay has stopped asking it.
func (v VendorState) NeedsPerson() bool {
	return v.State == deletion.Refused || v.State == deletion.Manual
}

// Step is one line of the ledger about one erasure.
type Step struct {
	At time.Time
	// Event is the line's word: received, asking, answered, checked, failed, refused, lost
	// or retried.
	Event string
	// Vendor is empty where it is about all.
	Vendor string
	// State is what the vendor's receipt says, empty if the step brought none.
	State deletion.State
	// Detail is the receipt's or the problem, in one line.
	Detail string
}

func step(e entry) Step {
	s := Step{At: e.wall(), Event: string(e.Event), Vendor: e.Vendor, Detail: e.Problem}
	switch {
	case e.Receipt != nil:
		s.State, s.Detail = handedOver(e.Receipt.State), e.Receipt.Detail
	case e.Event == received:
		s.Detail = "the proof was " + e.Proof
	}
	return s
}

func (r *erasure) view() Erasure {
	e := Erasure{
		ID: r.id.String(), Tool: r.key.tool, MachineID: r.machineID(), RequestedAt: r.claimed, ReceivedAt: r.receivedAt,
		State: r.state(), VerifiedAt: r.verifiedAt(), Steps: slices.Clone(r.steps),
	}
	for _, v := range r.vendors {
		seen := VendorState{Name: v.name, State: v.state, Since: v.since, Attempts: v.attempts, Lost: v.lost, Problem: v.problem}
		if v.receipt != nil {
			seen.Receipt = v.receipt.receipt()
		}
		if v.state != deletion.Verified && !v.halted() {
			seen.NextAttempt = v.nextAt
		}
		e.Vendors = append(e.Vendors, seen)
		if next := seen.NextAttempt; !next.IsZero() && (e.NextAttempt.IsZero() || next.Before(e.NextAttempt)) {
			e.NextAttempt = next
		}
	}
	return e
}

// ReadLedger returns all erasures in the order in which they came. It takes no lock, so a
// relay may be at work, and leaves out a line that is only half there. With a *DamageError
// come those erasures, in that state, that are before the damage.
func ReadLedger(dir string) ([]Erasure, error) {
	b := newBook()
	b.steps = true
	_, err := read(dir, b.apply)
	list := make([]Erasure, 0, len(b.byID))
	for _, r := range slices.SortedFunc(maps.Values(b.byID), func(x, y *erasure) int { return cmp.Compare(x.number, y.number) }) {
		list = append(list, r.view())
	}
	return list, err
}

// Audit is what a ledger's chain of hashes says.
type Audit struct {
	// Lines is how many lines follow from one another, and Head the SHA-256 of the last.
	// A ledger that once had this Head after so many lines has it after as many for ever.
	Lines int64
	Head  string
	// LastAt is when the last line was written.
	LastAt time.Time
	// TornBytes is what follows the last whole line: a write that was cut off, or is just
	// going on.
	TornBytes int64
}

// Verify holds a ledger against its chain of hashes, and against itself. It takes no lock.
// The Audit that comes with a *DamageError is of the lines before the damage.
func Verify(dir string) (Audit, error) {
	end, err := read(dir, newBook().apply)
	return Audit{end.seq, end.head, end.wall, end.torn}, err
}

func read(dir string, f func(entry) error) (end, error) {
	file, err := os.Open(filepath.Join(dir, ledgerName))
	if err != nil {
		return end{}, fmt.Errorf("reading the ledger: %w", err)
	}
	defer file.Close()
	return scan(file, f)
}

// retryPrefix begins the name of a file by which Retry tells a relay an erasure.
const retryPrefix = "retry-"

// Retry has a relay ask those vendors again that refused an erasure, or that left it to a
// person. The relay sees to it within a minute if it runs, else when it starts.
func Retry(dir, id string) error {
	if _, ok := parseID(id); !ok {
		return fmt.Errorf("%q is no ID of an erasure", id)
	}
	if _, err := os.Stat(filepath.Join(dir, ledgerName)); err != nil {
		return fmt.Errorf("looking for the ledger: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, retryPrefix+id), os.O_WRONLY|os.O_CREATE, fileMode)
	if err != nil {
		return fmt.Errorf("leaving word for the relay: %w", err)
	}
	if err := errors.Join(f.Close(), syncDir(dir)); err != nil {
		return fmt.Errorf("leaving word for the relay: %w", err)
	}
	return nil
}
