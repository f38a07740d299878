//go:build !notelemetry

package deletions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/store"
)

const (
	deletionColumns = `number, id, tool, machine_id, state, claimed, received, bound, due, verified, quiet, is_open, is_waiting`
	vendorColumns   = `deletion, position, tool, vendor, state, since, attempts, failures, lost, receipt, problem, asked,
		todo, next, turn, bucket, holder`
	// page is how many deletions are in memory at a time, whatever is read.
	page = 200
)

func scanDeletion(scan func(...any) error) (*requestState, error) {
	r := &requestState{}
	var claimed, received, bound, due, verified int64
	err := scan(&r.number, &r.id, &r.tool, &r.machine, &r.state, &claimed, &received, &bound, &due, &verified, &r.quiet, &r.isOpen, &r.isWaiting)
	r.claimed, r.received, r.bound = store.FromMillis(claimed), store.FromMillis(received), store.FromMillis(bound)
	r.due, r.verified = store.FromMillis(due), store.FromMillis(verified)
	return r, err
}

func scanVendor(scan func(...any) error) (v vendorState, err error) {
	var since int64
	var receipt string
	if err := scan(&v.number, &v.position, &v.tool, &v.name, &v.state, &since, &v.attempts, &v.failures, &v.lost, &receipt, &v.problem,
		&v.asked, &v.todo, &v.next, &v.turn, &v.bucket, &v.holder); err != nil {
		return v, err
	}
	v.since = store.FromMillis(since)
	v.receipt, err = readReceipt(receipt)
	return v, err
}

// find reads the deletions that a condition names, with their vendors, in the order
// that it says.
func find(ctx context.Context, tx *store.Tx, condition string, args ...any) (list []*requestState, err error) {
	err = tx.Query(ctx, func(scan func(...any) error) error {
		r, err := scanDeletion(scan)
		list = append(list, r)
		return err
	}, `SELECT `+deletionColumns+` FROM deletions WHERE `+condition, args...)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	byNumber := map[int64]*requestState{}
	for _, r := range list {
		byNumber[r.number] = r
	}
	numbers := slices.Collect(maps.Keys(byNumber))
	err = tx.Query(ctx, func(scan func(...any) error) error {
		v, err := scanVendor(scan)
		if r := byNumber[v.number]; r != nil {
			r.vendors = append(r.vendors, v)
		}
		return err
	}, `SELECT `+vendorColumns+` FROM deletion_vendors WHERE deletion IN (`+marks(len(numbers))+`) ORDER BY deletion, position`, anys(numbers)...)
	return list, err
}

func one(ctx context.Context, tx *store.Tx, condition string, args ...any) (*requestState, error) {
	list, err := find(ctx, tx, condition, args...)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

// marks are placeholders for a list.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

// steps returns the steps of some deletions by their numbers, in order.
func steps(ctx context.Context, tx *store.Tx, numbers []int64) (map[int64][]entry, error) {
	byNumber := map[int64][]entry{}
	if len(numbers) == 0 {
		return byNumber, nil
	}
	err := tx.Query(ctx, func(scan func(...any) error) error {
		var number int64
		var line string
		if err := scan(&number, &line); err != nil {
			return err
		}
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			e.Problem = "this step is damaged" // which Verify tells more of
		}
		byNumber[number] = append(byNumber[number], e)
		return nil
	}, `SELECT deletion, line FROM deletion_steps WHERE deletion IN (`+marks(len(numbers))+`) ORDER BY deletion, seq`, anys(numbers)...)
	return byNumber, err
}

// Filter says which deletions are listed. Its zero value is all of them.
type Filter struct {
	State           deletion.State
	Tool, MachineID string
	// DueBefore, where not zero, is for those that are due before it and not known to be deleted.
	DueBefore time.Time
	// After is the ID of the deletion after which the list begins, and Limit how long it is at
	// most, 0 for all.
	After string
	Limit int
	// Newest has the list begin with the newest.
	Newest bool
	// Steps has all that happened read as well.
	Steps bool
}

// List calls f with each deletion, the oldest first, as of one moment. It keeps a page of them
// in memory. Errors are f's, ErrUnknown for After, or wrap store.ErrUnavailable.
func (l *Ledger) List(ctx context.Context, o Filter, f func(Deletion) error) error {
	return l.db.Read(ctx, func(tx *store.Tx) error {
		h, err := readHead(ctx, tx)
		if err != nil {
			return err
		}
		after := int64(0)
		if o.Newest {
			after = math.MaxInt64
		}
		if o.After != "" {
			if found, err := tx.One(ctx, []any{&after}, `SELECT number FROM deletions WHERE id = ?`, o.After); err != nil || !found {
				return errors.Join(err, ErrUnknown)
			}
		}
		condition, args := o.condition()
		for left := o.Limit; ; {
			n := page
			if o.Limit > 0 {
				n = min(n, left)
			}
			from := ` AND number > ? ORDER BY number LIMIT `
			if o.Newest {
				from = ` AND number < ? ORDER BY number DESC LIMIT `
			}
			list, err := find(ctx, tx, condition+from+strconv.Itoa(n), append(slices.Clone(args), after)...)
			if err != nil {
				return err
			}
			if err := l.tell(ctx, tx, h, o.Steps, list, f); err != nil {
				return err
			}
			if left -= len(list); len(list) < n || o.Limit > 0 && left <= 0 {
				return nil
			}
			after = list[len(list)-1].number
		}
	})
}

// tell calls f with what callers see of deletions.
func (l *Ledger) tell(ctx context.Context, tx *store.Tx, h head, withSteps bool, list []*requestState, f func(Deletion) error) error {
	var history map[int64][]entry
	if withSteps {
		var numbers []int64
		for _, r := range list {
			numbers = append(numbers, r.number)
		}
		var err error
		if history, err = steps(ctx, tx, numbers); err != nil {
			return err
		}
	}
	lanes, err := readLanes(ctx, tx)
	if err != nil {
		return err
	}
	for _, r := range list {
		e := r.view(h, lanes)
		for _, s := range history[r.number] {
			e.Steps = append(e.Steps, step(s))
		}
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}

// Canaries returns what was wrong with the canary of each vendor when it was looked up last, by
// tool and vendor: only those with which something was. The error wraps store.ErrUnavailable.
func (l *Ledger) Canaries(ctx context.Context) (map[[2]string]string, error) {
	problems := map[[2]string]string{}
	err := l.db.Read(ctx, func(tx *store.Tx) error {
		lanes, err := readLanes(ctx, tx)
		for of, k := range lanes {
			if k.canary != "" {
				problems[of] = k.canary
			}
		}
		return err
	})
	return problems, err
}

// known is what is known of a vendor of a tool.
type known struct {
	hold   millis
	canary string
}

func readLanes(ctx context.Context, tx *store.Tx) (map[[2]string]known, error) {
	lanes := map[[2]string]known{}
	err := tx.Query(ctx, func(scan func(...any) error) error {
		var of [2]string
		var k known
		err := scan(&of[0], &of[1], &k.hold, &k.canary)
		lanes[of] = k
		return err
	}, `SELECT tool, vendor, hold, canary FROM deletion_lanes`)
	return lanes, err
}

func (o Filter) condition() (string, []any) {
	condition, args := `1 = 1`, []any{}
	add := func(what string, value any) {
		condition += ` AND ` + what
		args = append(args, value)
	}
	if o.State != "" {
		add(`state = ?`, string(o.State))
	}
	if o.Tool != "" {
		add(`tool = ?`, o.Tool)
	}
	if o.MachineID != "" {
		add(`machine_id = ?`, o.MachineID)
	}
	if !o.DueBefore.IsZero() {
		add(`is_open = 1 AND due < ?`, store.Millis(o.DueBefore))
	}
	return condition, args
}

// Find returns the deletions whose ID begins so, with all that happened: two at most, which is
// enough to know that it is not the ID of one.
func (l *Ledger) Find(ctx context.Context, prefix string) (list []Deletion, err error) {
	err = l.db.Read(ctx, func(tx *store.Tx) error {
		list = nil
		h, err := readHead(ctx, tx)
		if err != nil {
			return err
		}
		// "g" is behind all digits of an ID.
		found, err := find(ctx, tx, `id >= ? AND id < ? ORDER BY id LIMIT 2`, prefix, prefix+"g")
		if err != nil {
			return err
		}
		return l.tell(ctx, tx, h, true, found, func(e Deletion) error { list = append(list, e); return nil })
	})
	return list, err
}

// Total is how many deletions of a tool are in a state.
type Total struct {
	Tool  string
	State deletion.State
	N     int64
}

// Totals are the numbers of all deletions, and how many are due before a time and not known to
// be done.
func (l *Ledger) Totals(ctx context.Context, dueBefore time.Time) (totals []Total, due int64, err error) {
	err = l.db.Read(ctx, func(tx *store.Tx) error {
		totals = nil
		if err := tx.Query(ctx, func(scan func(...any) error) error {
			var t Total
			err := scan(&t.Tool, &t.State, &t.N)
			totals = append(totals, t)
			return err
		}, `SELECT tool, state, n FROM deletion_totals WHERE n > 0 ORDER BY tool, state`); err != nil {
			return err
		}
		_, err := tx.One(ctx, []any{&due}, `SELECT COUNT(*) FROM deletions WHERE is_open = 1 AND due < ?`, store.Millis(dueBefore))
		return err
	})
	return totals, due, err
}

// Audit is what the evidence says of itself.
type Audit struct {
	// Lines is how many steps there are, and Head the SHA-256 of the last. A ledger that once
	// had this Head after so many lines has it after as many for ever.
	Lines int64
	Head  string
	// LastAt is when the last step was written.
	LastAt time.Time
	// Deletions is how many there are.
	Deletions int64
	// Damage is what is not as it was written: its first places, of which there are Damaged.
	Damage  []Damage
	Damaged int64

	// lastWall and clock are what the two clocks said at the last step.
	lastWall time.Time
	clock    millis
}

// Damage is one place that is not as it was written.
type Damage struct {
	// Line is the number of a step, or 0 where it is the state of an Deletion, or of none.
	Line     int64
	Deletion string
	Problem  string
}

func (d Damage) String() string {
	if d.Line > 0 {
		return fmt.Sprintf("line %d: %s", d.Line, d.Problem)
	}
	if d.Deletion == "" {
		return d.Problem
	}
	return fmt.Sprintf("deletion %s: %s", d.Deletion, d.Problem)
}

// maxDamage is how many places are told one by one.
const maxDamage = 20

func (a *Audit) damaged(d Damage) {
	a.Damaged++
	if len(a.Damage) < maxDamage {
		a.Damage = append(a.Damage, d)
	}
}

// Head returns where the evidence ends, without holding it against anything.
func (l *Ledger) Head(ctx context.Context) (a Audit, err error) {
	err = l.db.Read(ctx, func(tx *store.Tx) error {
		h, err := readHead(ctx, tx)
		a.Lines, a.Head, a.LastAt = h.seq, h.hash, h.at
		return err
	})
	return a, err
}

// Verify holds the steps against their chain of hashes, and the present states against the
// steps. A relay may be at work, also in other processes. The error wraps store.ErrUnavailable;
// what is not as it was written is in the Audit.
func (l *Ledger) Verify(ctx context.Context) (Audit, error) {
	a := Audit{Head: firstPrev}
	for more := true; more; {
		so := a
		if err := l.db.Read(ctx, func(tx *store.Tx) (err error) {
			a = so
			more, err = a.verifySteps(ctx, tx)
			return err
		}); err != nil {
			return a, err
		}
	}
	for after, more := int64(math.MinInt64), true; more; {
		so, from := a, after
		if err := l.db.Read(ctx, func(tx *store.Tx) (err error) {
			a = so
			after, more, err = a.verifyStates(ctx, tx, from)
			return err
		}); err != nil {
			return a, err
		}
	}
	so := a
	err := l.db.Read(ctx, func(tx *store.Tx) error {
		a = so
		return a.verifyRest(ctx, tx)
	})
	return a, err
}

// verifySteps holds the next steps against the chain, and reports whether there may be more.
// After the last one it holds the head against that.
func (a *Audit) verifySteps(ctx context.Context, tx *store.Tx) (more bool, err error) {
	const atOnce = 5000 // some megabytes
	read := 0
	err = tx.Query(ctx, func(scan func(...any) error) error {
		var seq, number int64
		var line string
		if err := scan(&seq, &number, &line); err != nil {
			return err
		}
		read++
		a.step(seq, number, []byte(line))
		return nil
	}, `SELECT seq, deletion, line FROM deletion_steps WHERE seq > ? ORDER BY seq LIMIT 5000`, a.Lines)
	if err != nil || read == atOnce {
		return read == atOnce, err
	}
	h, err := readHead(ctx, tx)
	if err == nil && a.Lines == 0 && h.seq != 0 {
		a.damaged(Damage{Line: h.seq, Problem: "it is not the last one any more, or not as it was written"})
	} else if err == nil {
		a.holdHead(h)
	}
	return false, err
}

// step holds one step against the one before it.
func (a *Audit) step(seq, number int64, line []byte) {
	var e entry
	err := json.Unmarshal(line, &e)
	problem := ""
	switch {
	case err != nil || e.Seq != seq:
		problem = "it is not as it was written"
	case seq != a.Lines+1:
		problem = fmt.Sprintf("%d lines before it are missing", seq-a.Lines-1)
	case e.Prev != a.Head:
		problem = "it, or the line before it, is not as it was written"
	case (number != 0) != (e.ID != ""):
		problem = "it is not among those of its deletion"
	}
	if problem != "" {
		a.damaged(Damage{Line: seq, Problem: problem})
	}
	if e.Clock < a.clock {
		a.damaged(Damage{Line: seq, Problem: "it was written at an earlier time by the ledger's clock than the one before it"})
	}
	a.Lines, a.Head, a.LastAt, a.lastWall, a.clock = seq, hashOf(line), e.At, e.wall(), e.Clock
}

// holdHead holds what the head says of times against the last step: by them it is known what is
// to be done now. Between two steps the head alone is written, so its clock may be ahead, by no
// more than the machine's was.
func (a *Audit) holdHead(h head) {
	off := h.wall.Sub(a.lastWall)
	switch {
	case a.Lines == 0: // nothing is known of any time
	case h.seq != a.Lines || h.hash != a.Head, !h.at.Equal(a.LastAt.Truncate(time.Millisecond)):
		a.damaged(Damage{Line: h.seq, Problem: "it is not the last one any more, or not as it was written"})
	case h.clock < a.clock || h.clock > a.clock+longest+inMillis(max(off, 0)):
		a.damaged(Damage{Problem: "the ledger's clock is not where the last step and the machine's clock left it: waits would be too long, or left out"})
	}
}

// verifyStates holds the next deletions against their steps, and returns the number of the last
// one, and whether there are more. What came in since the steps were read is held against its
// steps too, and not counted: it is behind the head that is told.
func (a *Audit) verifyStates(ctx context.Context, tx *store.Tx, after int64) (last int64, more bool, err error) {
	list, err := find(ctx, tx, `number > ? ORDER BY number LIMIT 200`, after)
	if err != nil || len(list) == 0 {
		return after, false, err
	}
	h, err := readHead(ctx, tx)
	if err != nil {
		return after, false, err
	}
	var numbers []int64
	for _, r := range list {
		numbers = append(numbers, r.number)
	}
	history, err := steps(ctx, tx, numbers)
	if err != nil {
		return after, false, err
	}
	for _, r := range list {
		if r.number <= a.Lines {
			a.Deletions++
		}
		if problem := r.differs(history[r.number], h.clock); problem != "" {
			a.damaged(Damage{Deletion: r.id, Problem: problem})
		}
	}
	return list[len(list)-1].number, true, nil
}

// verifyRest looks for what belongs to no deletion, and holds what is counted against what there
// is.
func (a *Audit) verifyRest(ctx context.Context, tx *store.Tx) error {
	orphan := func(what, problem string) error {
		return tx.Query(ctx, func(scan func(...any) error) error {
			var n int64
			err := scan(&n)
			a.damaged(Damage{Line: n, Problem: problem})
			return err
		}, what)
	}
	if err := orphan(`SELECT s.seq FROM deletion_steps s WHERE s.deletion <> 0
		AND NOT EXISTS (SELECT 1 FROM deletions e WHERE e.number = s.deletion) ORDER BY s.seq LIMIT 20`,
		"the deletion that it tells of is gone"); err != nil {
		return err
	}
	if err := orphan(`SELECT v.deletion FROM deletion_vendors v
		WHERE NOT EXISTS (SELECT 1 FROM deletions e WHERE e.number = v.deletion) ORDER BY v.deletion LIMIT 20`,
		"a vendor is to delete what no step tells of"); err != nil {
		return err
	}
	h, err := readHead(ctx, tx)
	if err != nil {
		return err
	}
	if err := tx.Query(ctx, func(scan func(...any) error) error {
		var tool, vendor string
		err := scan(&tool, &vendor)
		a.damaged(Damage{Problem: fmt.Sprintf("the vendor %s of %s is left alone for longer than any could ask for", vendor, tool)})
		return err
	}, `SELECT tool, vendor FROM deletion_lanes WHERE hold > ? ORDER BY tool, vendor LIMIT 20`, int64(h.clock+longest)); err != nil {
		return err
	}
	return tx.Query(ctx, func(scan func(...any) error) error {
		var tool, state string
		var told, there int64
		err := scan(&tool, &state, &told, &there)
		a.damaged(Damage{Problem: fmt.Sprintf("%d deletions of %s are said to be %s, and %d are", told, tool, state, there)})
		return err
	}, `SELECT tool, state, CAST(SUM(told) AS BIGINT), CAST(SUM(there) AS BIGINT) FROM (
			SELECT tool, state, n AS told, 0 AS there FROM deletion_totals
			UNION ALL SELECT tool, state, 0, COUNT(*) FROM deletions GROUP BY tool, state
		) AS counted GROUP BY tool, state HAVING SUM(told) <> SUM(there) ORDER BY tool, state LIMIT 20`)
}

// longest is more than any wait that no step tells of: a lease, a vendor's own wish, or the time
// between two looks that came to nothing new, by a clock that is an hour behind.
const longest = millis(2 * 24 * time.Hour / time.Millisecond)

// differs says what is wrong with a state, by the steps that led to it.
func (r *requestState) differs(history []entry, now millis) string {
	if len(history) == 0 || history[0].Event != received {
		return "no step tells that it was received"
	}
	want, err := begin(history[0])
	for _, e := range history[1:] {
		if e.ID != r.id {
			return "steps of another deletion are among its own"
		}
		if err == nil {
			err = want.apply(e)
		}
	}
	if err != nil {
		return "its steps do not follow from one another: " + err.Error()
	}
	same := r.id == want.id && r.tool == want.tool && r.machine == want.machine && r.state == want.state &&
		r.claimed.Equal(want.claimed) && r.received.Equal(want.received) && r.bound.Equal(want.bound) && r.due.Equal(want.due) &&
		r.verified.Equal(want.verified) && slices.EqualFunc(r.vendors, want.vendors, func(x, y vendorState) bool {
		return x.position == y.position && x.tool == y.tool && x.name == y.name && x.state == y.state && x.since.Equal(y.since) && x.attempts == y.attempts && x.lost == y.lost && x.problem == y.problem &&
			(x.receipt == nil) == (y.receipt == nil) && (x.receipt == nil || x.receipt.equal(*y.receipt))
	})
	switch {
	case !same:
		return "its state is not the one to which its steps led"
	case r.isOpen != number(want.open()) || r.isWaiting != number(want.waiting()):
		return "it is not counted as what it is: it would be left out of what is due"
	}
	for i := range want.vendors {
		if r.vendors[i].strays(want.vendors[i], now) {
			return "what is to be done next at " + r.vendors[i].name + " is not what its steps led to"
		}
	}
	return ""
}

// strays reports whether work would not be done, or too early. What a step does not tell is that it
// has its turn, that a run has it for now, and that a look came to nothing new: each moves
// it on by a time that is bounded.
func (v *vendorState) strays(want vendorState, now millis) bool {
	doing := v.todo
	if doing == ready {
		doing = ask
	}
	return doing != want.todo || (v.todo == ready) != (v.turn > 0) || v.asked != want.asked ||
		doing != nothing && (v.next < want.next || v.next > max(want.next, now+longest))
}
