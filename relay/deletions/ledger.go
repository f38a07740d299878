//go:build !notelemetry

package deletions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/store"
)

const (
	// maxQueue is how many requests and answers may wait for the database in one process. They
	// are one transaction, and thousands of waiting requests would help nobody.
	maxQueue = 1024
	// maxWrite bounds a transaction: an answer that comes later is one that nobody waits for.
	maxWrite = 30 * time.Second
	// jump is from which difference on it is told that the machine's clock was set. A machine
	// that slept looks the same.
	jump = time.Hour
)

// epoch is before anything was written with this program: a clock that shows less has not
// been set.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Schema is the tables of the ledger, for store.Open.
//
//	deletions         one row a request: its present state
//	deletion_vendors  one row for each of its vendors: how far that is, and what is to be done when
//	deletion_steps    the evidence, which is only added to: a line of JSON each, which holds the
//	                  hash of the one before it
//	deletion_head     one row: the number and hash of the last step, and the ledger's clock
//	deletion_totals   how many deletions are in which state
//	deletion_lanes    one row a vendor of a tool: until when it wants no call, and what is wrong
//	                  with its canary
func Schema() store.Schema {
	return store.Schema{Name: "erasures", Steps: []string{
		`CREATE TABLE erasures (
			number BIGINT PRIMARY KEY, id TEXT NOT NULL UNIQUE, tool TEXT NOT NULL, machine_id TEXT NOT NULL,
			state TEXT NOT NULL, claimed BIGINT NOT NULL, received BIGINT NOT NULL, bound BIGINT NOT NULL,
			due BIGINT NOT NULL, verified BIGINT NOT NULL, quiet BIGINT NOT NULL,
			is_open BIGINT NOT NULL, is_waiting BIGINT NOT NULL)`,
		`CREATE INDEX erasures_machine ON erasures (machine_id, tool, number)`,
		`CREATE INDEX erasures_state ON erasures (state, number)`,
		`CREATE INDEX erasures_due ON erasures (due) WHERE is_open = 1`,
		`CREATE INDEX erasures_waiting ON erasures (tool, received) WHERE is_waiting = 1`,
		`CREATE TABLE erasure_vendors (
			erasure BIGINT NOT NULL REFERENCES erasures (number), position BIGINT NOT NULL,
			tool TEXT NOT NULL, vendor TEXT NOT NULL, state TEXT NOT NULL, since BIGINT NOT NULL,
			attempts BIGINT NOT NULL, failures BIGINT NOT NULL, lost BIGINT NOT NULL,
			receipt TEXT NOT NULL, problem TEXT NOT NULL, asked BIGINT NOT NULL,
			todo BIGINT NOT NULL, next BIGINT NOT NULL, turn BIGINT NOT NULL, bucket BIGINT NOT NULL, holder TEXT NOT NULL,
			PRIMARY KEY (erasure, position))`,
		`CREATE INDEX erasure_vendors_next ON erasure_vendors (tool, vendor, todo, next) WHERE todo > 0`,
		`CREATE INDEX erasure_vendors_turn ON erasure_vendors (tool, vendor, turn, erasure) WHERE turn > 0`,
		`CREATE INDEX erasure_vendors_halted ON erasure_vendors (tool, vendor) WHERE state IN ('refused', 'manual')`,
		`CREATE TABLE erasure_steps (seq BIGINT PRIMARY KEY, erasure BIGINT NOT NULL, line TEXT NOT NULL)`,
		`CREATE INDEX erasure_steps_erasure ON erasure_steps (erasure, seq)`,
		`CREATE TABLE erasure_head (
			one BIGINT PRIMARY KEY, seq BIGINT NOT NULL, hash TEXT NOT NULL,
			at BIGINT NOT NULL, wall BIGINT NOT NULL, clock BIGINT NOT NULL)`,
		`INSERT INTO erasure_head VALUES (1, 0, '` + firstPrev + `', 0, 0, 0)`,
		`CREATE TABLE erasure_totals (tool TEXT NOT NULL, state TEXT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (tool, state))`,
		`CREATE TABLE erasure_lanes (tool TEXT NOT NULL, vendor TEXT NOT NULL, hold BIGINT NOT NULL, canary TEXT NOT NULL,
			PRIMARY KEY (tool, vendor))`,
		// From here on what a vendor does is called a deletion, in the database as everywhere. Indexes
		// cannot be renamed in both engines, so they are made anew: seconds for a million requests.
		`ALTER TABLE erasures RENAME TO deletions`,
		`ALTER TABLE erasure_vendors RENAME TO deletion_vendors`,
		`ALTER TABLE deletion_vendors RENAME COLUMN erasure TO deletion`,
		`ALTER TABLE erasure_steps RENAME TO deletion_steps`,
		`ALTER TABLE deletion_steps RENAME COLUMN erasure TO deletion`,
		`ALTER TABLE erasure_head RENAME TO deletion_head`,
		`ALTER TABLE erasure_totals RENAME TO deletion_totals`,
		`ALTER TABLE erasure_lanes RENAME TO deletion_lanes`,
		`DROP INDEX erasures_machine`, `CREATE INDEX deletions_machine ON deletions (machine_id, tool, number)`,
		`DROP INDEX erasures_state`, `CREATE INDEX deletions_state ON deletions (state, number)`,
		`DROP INDEX erasures_due`, `CREATE INDEX deletions_due ON deletions (due) WHERE is_open = 1`,
		`DROP INDEX erasures_waiting`, `CREATE INDEX deletions_waiting ON deletions (tool, received) WHERE is_waiting = 1`,
		`DROP INDEX erasure_vendors_next`,
		`CREATE INDEX deletion_vendors_next ON deletion_vendors (tool, vendor, todo, next) WHERE todo > 0`,
		`DROP INDEX erasure_vendors_turn`,
		`CREATE INDEX deletion_vendors_turn ON deletion_vendors (tool, vendor, turn, deletion) WHERE turn > 0`,
		`DROP INDEX erasure_vendors_halted`,
		`CREATE INDEX deletion_vendors_halted ON deletion_vendors (tool, vendor) WHERE state IN ('refused', 'manual')`,
		`DROP INDEX erasure_steps_erasure`, `CREATE INDEX deletion_steps_deletion ON deletion_steps (deletion, seq)`,
	}}
}

// Ledger is the durable record of all deletions, in a database that other processes may use
// too. It may be used by several goroutines at once.
type Ledger struct {
	db  *store.DB
	log *slog.Logger

	// commit is held while a transaction writes.
	commit sync.Mutex

	mu      sync.Mutex
	waiting []*pending
	failing error // of the last write
	clock   clock

	lookups lookups
}

// NewLedger returns the ledger in a database that was opened with Schema. It is made once in
// a process: requests that come at the same time share a transaction.
func NewLedger(db *store.DB) *Ledger {
	return &Ledger{db: db, log: slog.New(slog.DiscardHandler), clock: clock{now: time.Now}}
}

// clock is the ledger's own: it counts the time that passes while a relay runs and does not
// see when a machine's clock is set. See "Time" in the package comment.
type clock struct {
	base  millis
	start time.Time // with the monotonic reading; zero where no relay runs in this process
	now   func() time.Time
	// written is what was last written of it.
	written millis
}

func (c *clock) elapsed() millis {
	if c.start.IsZero() {
		return c.base
	}
	return c.base + millis(time.Since(c.start)/time.Millisecond)
}

// atLeast moves the clock on to what another process has written.
func (c *clock) atLeast(m millis) { c.base += max(0, m-c.elapsed()) }

// elapsed reads the ledger's clock.
func (l *Ledger) elapsed() millis {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clock.elapsed()
}

// begin starts the clock. maxGap is how much of the time since the last write of any process
// may count as passed.
func (l *Ledger) begin(ctx context.Context, now func() time.Time, maxGap time.Duration, log *slog.Logger) error {
	var h head
	if err := l.db.Read(ctx, func(tx *store.Tx) (err error) { h, err = readHead(ctx, tx); return err }); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.clock.start.IsZero() {
		return errors.New("the ledger already has a relay")
	}
	base := h.clock
	switch {
	case h.wall.IsZero():
		base = millis(store.Millis(now()))
	default:
		base += inMillis(min(max(now().Sub(h.wall), 0), maxGap))
	}
	l.clock, l.log = clock{base: base, start: time.Now(), now: now}, log
	return nil
}

// head is where the ledger stands.
type head struct {
	seq      int64
	hash     string
	at, wall time.Time
	clock    millis
}

func readHead(ctx context.Context, tx *store.Tx) (h head, err error) {
	var at, wall int64
	found, err := tx.One(ctx, []any{&h.seq, &h.hash, &at, &wall, &h.clock}, `SELECT seq, hash, at, wall, clock FROM deletion_head WHERE one = 1`)
	h.at, h.wall = store.FromMillis(at), store.FromMillis(wall)
	if err == nil && !found {
		err = fmt.Errorf("%w: the row of the ledger that says where it ends is gone", store.ErrUnavailable)
	}
	return h, err
}

// batch is a transaction in which steps are added.
type batch struct {
	*store.Tx
	head
	now    time.Time
	lines  []any // seq, deletion and line of each that is new
	totals map[total]int64
	lanes  map[[2]string]bool // that are there
	warn   func()
}

type total struct {
	tool  string
	state deletion.State
}

// change is something to be written. It may run more than once, and an error of its own comes
// before its first statement that writes.
type change func(ctx context.Context, b *batch) error

// pending is a change that waits for its transaction.
type pending struct {
	change change
	done   bool
	err    error
}

// write makes a change durable. Changes that come at the same time share a transaction. An
// error that wraps store.ErrUnavailable is the database's.
func (l *Ledger) write(c change) error {
	p := &pending{change: c}
	l.mu.Lock()
	if len(l.waiting) >= maxQueue {
		l.mu.Unlock()
		return fmt.Errorf("%w: too much waits for it", store.ErrUnavailable)
	}
	l.waiting = append(l.waiting, p)
	l.mu.Unlock()

	// Whoever gets the lock first writes what waits by then, also what others wait for.
	l.commit.Lock()
	defer l.commit.Unlock()
	if !p.done {
		l.writeAll()
	}
	return p.err
}

// writeAll writes what waits. It is called with commit held.
func (l *Ledger) writeAll() {
	l.mu.Lock()
	all := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	// The transaction is everybody's, so no one's context ends it.
	ctx, cancel := context.WithTimeout(context.Background(), maxWrite)
	defer cancel()
	var b *batch
	err := l.db.Write(ctx, func(tx *store.Tx) (err error) {
		if b, err = l.open(ctx, tx); err != nil {
			return err
		}
		for _, p := range all {
			if p.err = p.change(ctx, b); errors.Is(p.err, store.ErrUnavailable) {
				return p.err
			}
		}
		return b.flush(ctx)
	})
	for _, p := range all {
		p.done = true
		if err != nil {
			p.err = err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil && l.failing == nil:
		l.log.Error("no request is taken and no vendor asked until the ledger can be written", "error", err)
	case err == nil && l.failing != nil:
		l.log.Info("the ledger can be written again")
	}
	if l.failing = err; err != nil {
		return
	}
	if l.clock.written = b.clock; b.warn != nil {
		b.warn()
	}
}

// open takes the turn of this process to add steps.
func (l *Ledger) open(ctx context.Context, tx *store.Tx) (*batch, error) {
	// The row is locked by being written: one process at a time adds to the chain.
	if _, err := tx.Exec(ctx, `UPDATE deletion_head SET seq = seq WHERE one = 1`); err != nil {
		return nil, err
	}
	h, err := readHead(ctx, tx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock.atLeast(h.clock)
	b := &batch{Tx: tx, head: h, now: l.clock.now().UTC().Truncate(time.Millisecond), totals: map[total]int64{}, lanes: map[[2]string]bool{}}
	elapsed := l.clock.elapsed()
	if off := b.now.Sub(h.wall) - (elapsed - h.clock).duration(); !h.wall.IsZero() && !l.clock.start.IsZero() && off.Abs() > jump {
		b.warn = func() {
			l.log.Warn("the machine's clock was set, or the machine slept: no wait gets shorter by it", "by", off.Round(time.Second).String())
		}
	}
	b.clock = elapsed
	if !l.clock.start.IsZero() || h.wall.IsZero() {
		b.wall = b.now // else what passed while no relay ran would be forgotten
	}
	return b, nil
}

// add numbers, dates and chains a step.
func (b *batch) add(e *entry, number int64) error {
	e.Seq, e.Prev, e.Clock = b.seq+1, b.hash, b.clock
	e.At, e.Wall = b.now, time.Time{}
	if earliest := maxTime(b.at, epoch); e.At.Before(earliest) {
		e.At, e.Wall = earliest, b.now
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if e.Event == received {
		number = e.Seq
	}
	b.seq, b.hash, b.at = e.Seq, hashOf(line), e.At
	b.lines = append(b.lines, e.Seq, number, string(line))
	return nil
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// flushLines writes the steps.
func (b *batch) flushLines(ctx context.Context) error {
	const atOnce = 100 * 3 // placeholders of one statement, far below what either database takes
	for rest := b.lines; len(rest) > 0; {
		some := rest[:min(atOnce, len(rest))]
		rest = rest[len(some):]
		rows := strings.TrimSuffix(strings.Repeat("(?, ?, ?), ", len(some)/3), ", ")
		if _, err := b.Exec(ctx, `INSERT INTO deletion_steps (seq, deletion, line) VALUES `+rows, some...); err != nil {
			return err
		}
	}
	b.lines = nil
	return nil
}

// flush writes the steps, the totals and the head.
func (b *batch) flush(ctx context.Context) error {
	if err := b.flushLines(ctx); err != nil {
		return err
	}
	for t, n := range b.totals {
		if n == 0 {
			continue
		}
		if _, err := b.Exec(ctx, `INSERT INTO deletion_totals (tool, state, n) VALUES (?, ?, ?)
			ON CONFLICT (tool, state) DO UPDATE SET n = deletion_totals.n + excluded.n`, t.tool, string(t.state), n); err != nil {
			return err
		}
	}
	_, err := b.Exec(ctx, `UPDATE deletion_head SET seq = ?, hash = ?, at = ?, wall = ?, clock = ? WHERE one = 1`,
		b.seq, b.hash, store.Millis(b.at), store.Millis(b.wall), int64(b.clock))
	return err
}

// insert writes a new deletion.
func (b *batch) insert(ctx context.Context, r *requestState) error {
	if _, err := b.Exec(ctx, `INSERT INTO deletions
		(number, id, tool, machine_id, state, claimed, received, bound, due, verified, quiet, is_open, is_waiting)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.number, r.id, r.tool, r.machine, string(r.state), store.Millis(r.claimed), store.Millis(r.received), store.Millis(r.bound),
		store.Millis(r.due), store.Millis(r.verified), int64(r.quiet), number(r.open()), number(r.waiting())); err != nil {
		return err
	}
	b.totals[total{r.tool, r.state}]++
	for i := range r.vendors {
		v := &r.vendors[i]
		text, err := v.receipt.text()
		if err != nil {
			return err
		}
		if _, err := b.Exec(ctx, `INSERT INTO deletion_vendors (deletion, position, tool, vendor, state, since, attempts, failures, lost,
			receipt, problem, asked, todo, next, turn, bucket, holder) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			v.number, v.position, v.tool, v.name, string(v.state), store.Millis(v.since), v.attempts, v.failures, v.lost,
			text, v.problem, int64(v.asked), int64(v.todo), int64(v.next), v.turn, v.bucket, v.holder); err != nil {
			return err
		}
		if lane := [2]string{v.tool, v.name}; !b.lanes[lane] {
			if _, err := b.Exec(ctx, `INSERT INTO deletion_lanes (tool, vendor, hold, canary) VALUES (?, ?, 0, '') ON CONFLICT DO NOTHING`, v.tool, v.name); err != nil {
				return err
			}
			b.lanes[lane] = true
		}
	}
	return nil
}

// advance adds a step about a deletion, and writes what it comes to.
func (b *batch) advance(ctx context.Context, r *requestState, e *entry) error {
	e.ID = r.id
	if err := b.add(e, r.number); err != nil {
		return err
	}
	return b.apply(ctx, r, *e)
}

// apply writes what a step comes to.
func (b *batch) apply(ctx context.Context, r *requestState, e entry) error {
	before := r.state
	if err := r.apply(e); err != nil {
		return err
	}
	for i := range r.vendors {
		if v := &r.vendors[i]; e.Event != joined && (e.Vendor == "" || e.Vendor == v.name) {
			if err := b.update(ctx, v); err != nil {
				return err
			}
		}
	}
	b.totals[total{r.tool, before}]--
	b.totals[total{r.tool, r.state}]++
	_, err := b.Exec(ctx, `UPDATE deletions SET state = ?, due = ?, verified = ?, is_open = ?, is_waiting = ? WHERE number = ?`,
		string(r.state), store.Millis(r.due), store.Millis(r.verified), number(r.open()), number(r.waiting()), r.number)
	return err
}

func (b *batch) update(ctx context.Context, v *vendorState) error {
	text, err := v.receipt.text()
	if err != nil {
		return err
	}
	_, err = b.Exec(ctx, `UPDATE deletion_vendors SET state = ?, since = ?, attempts = ?, failures = ?, lost = ?, receipt = ?, problem = ?,
		asked = ?, todo = ?, next = ?, turn = ?, bucket = ?, holder = ? WHERE deletion = ? AND position = ?`,
		string(v.state), store.Millis(v.since), v.attempts, v.failures, v.lost, text, v.problem,
		int64(v.asked), int64(v.todo), int64(v.next), v.turn, v.bucket, v.holder, v.number, v.position)
	return err
}

func number(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// tick writes down how late it is, and so finds out whether the ledger can be written.
func (l *Ledger) tick() error { return l.write(func(context.Context, *batch) error { return nil }) }

// problem returns what the database fails with, after one more try.
func (l *Ledger) problem(ctx context.Context) error {
	l.mu.Lock()
	failing := l.failing
	l.mu.Unlock()
	if failing != nil {
		return l.tick()
	}
	return l.db.Ping(ctx)
}

// persist writes what must not be lost: it tries until ctx ends.
func (l *Ledger) persist(ctx context.Context, c change, pause time.Duration) error {
	for {
		err := l.write(c)
		if !errors.Is(err, store.ErrUnavailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// behind reports whether nothing was written down for so long.
func (l *Ledger) behind(d time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clock.elapsed()-l.clock.written >= inMillis(d)
}

// fails reports whether the last write failed.
func (l *Ledger) fails() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failing != nil
}
