package erasures

import (
	"errors"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
)

// book is what the lines of a ledger come to.
type book struct {
	byID  map[receiptID]*erasure
	byKey map[erasureKey]*erasure
	// open are those that are not verified, fresh those that the worker does not know yet.
	open   map[*erasure]struct{}
	fresh  []*erasure
	counts map[stateCount]int
	// names holds one copy of each tool's and vendor's name: there are few, and many
	// erasures.
	names map[string]string
	// steps keeps the history too, for readers. A relay does without.
	steps bool
}

// erasureKey is what there is one erasure of.
type erasureKey struct {
	tool    string
	machine [16]byte
}

type stateCount struct {
	tool  string
	state deletion.State
}

func newBook() *book {
	return &book{
		byID: map[receiptID]*erasure{}, byKey: map[erasureKey]*erasure{},
		open: map[*erasure]struct{}{}, counts: map[stateCount]int{}, names: map[string]string{},
	}
}

// erasure is one request and what became of it.
type erasure struct {
	id      receiptID
	key     erasureKey
	number  int64 // of the line that says it was received
	claimed time.Time
	// receivedAt is what the machine's clock said, and asOf the later time that vendors get.
	receivedAt, asOf time.Time
	received, quiet  time.Duration // on and by the ledger's clock
	vendors          []vendorState
	steps            []Step
}

func (e *erasure) machineID() string { return receiptID(e.key.machine).String() }

// vendorState is how far one vendor is with one erasure.
type vendorState struct {
	name string
	// state is Requested until the vendor has taken the request.
	state    deletion.State
	since    time.Time
	attempts int
	failures int // in a row
	lost     int
	receipt  *storedReceipt
	problem  string
	asked    time.Duration // when it took the request, by the ledger's clock
	next     time.Duration // when the next call may be, by the same
	nextAt   time.Time     // about when that is, by the machine's clock; zero if there is none
}

// halted reports whether a person has to act before anything goes on.
func (v *vendorState) halted() bool {
	return v.state == deletion.Refused || v.state == deletion.Manual
}

// state is what the person is told. Manual is the operator's work, not theirs.
func (e *erasure) state() deletion.State {
	state := deletion.Verified
	for i := range e.vendors {
		switch e.vendors[i].state {
		case deletion.Verified:
		case deletion.Refused:
			return deletion.Refused
		default:
			state = deletion.Acknowledged
		}
	}
	return state
}

// verifiedAt is when the last vendor was done, zero if one is not.
func (e *erasure) verifiedAt() (at time.Time) {
	if e.state() != deletion.Verified {
		return at
	}
	for _, v := range e.vendors {
		if v.since.After(at) {
			at = v.since
		}
	}
	return at
}

func (b *book) name(s string) string {
	if known, ok := b.names[s]; ok {
		return known
	}
	b.names[s] = s
	return s
}

// aboutOne are the events about one erasure that there already is.
var aboutOne = []event{asking, answered, checked, failed, refused, lost, retried}

// apply takes a line in. An error means that no relay wrote it after the lines before it,
// and that nothing was changed.
func (b *book) apply(e entry) error {
	switch e.Event {
	case created, started, stopped, writable, repaired:
		return nil
	case received:
		return b.receive(e)
	}
	if !slices.Contains(aboutOne, e.Event) {
		return ErrNewer
	}
	known := b.byID[e.ID]
	if known == nil {
		return errors.New("it is about an erasure that no line before it has")
	}
	before := known.state()
	if err := known.apply(e); err != nil {
		return err
	}
	if b.steps {
		known.steps = append(known.steps, step(e))
	}
	if after := known.state(); after != before {
		b.counts[stateCount{known.key.tool, before}]--
		b.counts[stateCount{known.key.tool, after}]++
		if after == deletion.Verified {
			delete(b.open, known)
		} else {
			b.open[known] = struct{}{}
		}
	}
	return nil
}

func (b *book) receive(e entry) error {
	machine, ok := parseID(e.MachineID)
	if !ok || e.Tool == "" || e.ID == (receiptID{}) || len(e.Vendors) == 0 || e.Proof == "" {
		return errors.New("it is no complete request")
	}
	key := erasureKey{b.name(e.Tool), machine}
	if b.byID[e.ID] != nil || b.byKey[key] != nil {
		return errors.New("it is about an erasure that was received before")
	}
	r := &erasure{
		id: e.ID, key: key, number: e.Seq, claimed: e.RequestedAt, receivedAt: e.wall(), asOf: e.At,
		received: e.Clock.duration(), quiet: e.Wait.duration(),
	}
	for i, name := range e.Vendors {
		if name == "" || slices.Contains(e.Vendors[:i], name) {
			return errors.New("its vendors have no names of their own")
		}
		r.vendors = append(r.vendors, vendorState{
			name: b.name(name), state: deletion.Requested, since: e.wall(),
			next: r.received + r.quiet, nextAt: e.wall().Add(r.quiet),
		})
	}
	if b.steps {
		r.steps = []Step{step(e)}
	}
	b.byID[r.id], b.byKey[key] = r, r
	b.open[r] = struct{}{}
	b.fresh = append(b.fresh, r)
	b.counts[stateCount{key.tool, deletion.Acknowledged}]++
	return nil
}

func (r *erasure) apply(e entry) error {
	if e.Event == retried {
		for i := range r.vendors {
			if v := &r.vendors[i]; v.halted() {
				*v = vendorState{name: v.name, state: deletion.Requested, since: e.wall(), attempts: v.attempts,
					next: e.Clock.duration(), nextAt: e.wall()}
			}
		}
		return nil
	}
	i := slices.IndexFunc(r.vendors, func(v vendorState) bool { return v.name == e.Vendor })
	if i < 0 {
		return errors.New("it is about a vendor that the erasure does not have")
	}
	v := &r.vendors[i]
	then := func() {
		v.next, v.nextAt = e.Clock.duration()+e.Wait.duration(), time.Time{}
		if e.Wait > 0 {
			v.nextAt = e.wall().Add(e.Wait.duration())
		}
	}
	enter := func(s deletion.State) {
		if v.state != s {
			v.state, v.since = s, e.wall()
		}
	}
	switch e.Event {
	case asking:
		v.attempts++
	case answered, checked:
		if e.Receipt == nil {
			return errors.New("it has no receipt")
		}
		if e.Event == answered {
			v.asked = e.Clock.duration()
		}
		v.receipt, v.failures, v.problem = e.Receipt, 0, ""
		enter(handedOver(e.Receipt.State))
		if v.halted() {
			v.problem = e.Receipt.Detail
		}
		then()
	case failed:
		v.failures++
		v.problem = e.Problem
		then()
	case refused:
		v.problem = e.Problem
		enter(deletion.Refused)
		then()
	case lost:
		v.lost++
		v.receipt, v.failures, v.problem = nil, 0, e.Problem
		enter(deletion.Requested)
		then()
		if v.nextAt.IsZero() {
			v.nextAt = e.wall()
		}
	}
	return nil
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
