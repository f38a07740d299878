//go:build !notelemetry

package report

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/plaintext"
	"github.com/gotoolbase/telemetry/relay/store"
)

const (
	// pause is how often counts are written: a page is a minute behind at most, and a process
	// that is killed loses little.
	pause = 10 * time.Second
	// lastWrite is how long the last writing may take when the program ends.
	lastWrite = 10 * time.Second
	// recentEvents is how many IDs are remembered at least, at 8 bytes and the map's own.
	recentEvents = 1 << 16
	// recentMachines is how many installations are remembered so.
	recentMachines = 1 << 16
	// writerKept is for how long it is known what a process wrote last, which ended.
	writerKept = 30 * day
)

// Options are what Open may be told.
type Options struct {
	// Now is the clock: time.Now if it is nil.
	Now func() time.Time
	// Log gets what Run could not write: nobody if it is nil.
	Log *slog.Logger
}

// Rollups counts events as they pass, and writes the counts to a database that other
// processes write to as well. It may be used by several goroutines at once.
type Rollups struct {
	db  *store.DB
	now func() time.Time
	log *slog.Logger

	mu      sync.Mutex // of what follows
	open    map[window]*hasher
	pending *tally

	writing sync.Mutex // of what follows, and held while something is written
	writer  string
	batch   int64
	unsent  *tally // the batch that is written, or whose end is not known
	// unscrubbed says that keys were erased which the database's files may still hold.
	unscrubbed bool
}

// Open gets the keys of the windows that are open, and makes those that are not there. The
// database has the tables of Schema.
func Open(ctx context.Context, db *store.DB, o Options) (*Rollups, error) {
	r := &Rollups{db: db, now: o.Now, log: o.Log, writer: rand.Text(), open: map[window]*hasher{}}
	if r.now == nil {
		r.now = time.Now
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.pending = newTally(r.hasher, newRecent(recentEvents))
	if err := r.turn(ctx); err != nil {
		return nil, fmt.Errorf("opening the counts of the report: %w", err)
	}
	return r, nil
}

// hasher is called with r.mu held.
func (r *Rollups) hasher(w window) *hasher {
	if !w.open(r.now()) {
		return nil
	}
	return r.open[w]
}

// Add counts events of a tool that came in at a time. It waits for nobody and cannot fail:
// call it once they are accepted, not before, since who is refused comes again. What it keeps
// in memory is bounded by the number of groups, whatever comes.
func (r *Rollups) Add(tool string, events []driver.Event, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range events {
		r.pending.add(tool, &events[i], at)
	}
}

// Run writes counts until ctx is done, and then what is left.
func (r *Rollups) Run(ctx context.Context) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
			defer cancel()
			r.try(last)
			return
		case <-ticker.C:
			r.try(ctx)
		}
	}
}

func (r *Rollups) try(ctx context.Context) {
	if err := r.Flush(ctx); err != nil && ctx.Err() == nil {
		r.log.Warn("the counts of the report could not be written, and wait in memory", "error", plaintext.Clean(err.Error()))
	}
}

// Flush writes what was counted, closes windows that are over and makes those that come. With
// an error, what was not written waits for the next call.
func (r *Rollups) Flush(ctx context.Context) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	return errors.Join(r.write(ctx), r.turn(ctx))
}

// write writes a batch: first the one before, if its end is not known.
func (r *Rollups) write(ctx context.Context) error {
	for range 2 {
		if r.unsent == nil && !r.take() {
			return nil
		}
		if err := r.send(ctx, r.unsent); err != nil {
			return err
		}
		r.unsent = nil
	}
	return nil
}

// take makes a batch of what is pending.
func (r *Rollups) take() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pending.cells) == 0 {
		return false
	}
	r.unsent, r.pending = r.pending, r.pending.next()
	for _, h := range r.open {
		h.forget()
	}
	r.batch++
	return true
}

// send writes a batch unless it is written.
func (r *Rollups) send(ctx context.Context, t *tally) error {
	return r.db.Write(ctx, func(tx *store.Tx) error {
		var last int64
		if _, err := tx.One(ctx, []any{&last}, `SELECT batch FROM report_writers WHERE id = ?`, r.writer); err != nil || last >= r.batch {
			return err
		}
		if err := t.into(ctx, tx, r.now()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO report_writers (id, batch, at) VALUES (?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET batch = excluded.batch, at = excluded.at`, r.writer, r.batch, store.Millis(r.now()))
		return err
	})
}

// into adds the tally to the tables. It changes nothing in memory, since it may run again.
func (t *tally) into(ctx context.Context, tx *store.Tx, now time.Time) error {
	groups := slices.SortedFunc(maps.Keys(t.cells), compareGroups)
	closed := map[window]bool{}
	// The windows are locked in one order, by all. So two processes that join the same sets
	// take turns, and none is added to while it is closed.
	for i, g := range groups {
		if i > 0 && g.window == groups[i-1].window {
			continue
		}
		n, err := tx.Exec(ctx, `UPDATE report_windows SET turns = turns + 1 WHERE kind = ? AND start = ? AND closed = 0`, string(g.kind), g.start)
		if err != nil {
			return err
		}
		closed[g.window] = n == 0
	}
	var missed int64
	values := map[section]map[string]bool{}
	for _, g := range groups {
		c := t.cells[g]
		if closed[g.window] || g.kind == ofCohort && closed[g.window.after(slices.Index(weekNumbers[:], g.value))] {
			if g.kind == ofWeek && g.dim == byActivity {
				missed += c.events
			}
			continue
		}
		if values[g.section] == nil {
			known, err := valuesOf(ctx, tx, g.section)
			if err != nil {
				return err
			}
			values[g.section] = known
		}
		if known := values[g.section]; !known[g.value] && len(known) >= maxValues {
			g.value = rest
		}
		values[g.section][g.value] = true
		if _, err := tx.Exec(ctx, addCell, c.numbers.args(g)...); err != nil {
			return err
		}
		if err := c.seen.into(ctx, tx, g); err != nil {
			return err
		}
	}
	if missed == 0 {
		return nil
	}
	for _, g := range groups {
		if g.kind == ofWeek {
			_, err := tx.Exec(ctx, addCell, numbers{events: missed}.args(group{section{g.tool, dayOf(now), leftOut}, late})...)
			return err
		}
	}
	return nil
}

func compareGroups(a, b group) int {
	if c := a.window.compare(b.window); c != 0 {
		return c
	}
	switch x, y := a.tool+"\x00"+string(a.dim)+"\x00"+a.value, b.tool+"\x00"+string(b.dim)+"\x00"+b.value; {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func valuesOf(ctx context.Context, tx *store.Tx, s section) (map[string]bool, error) {
	known := map[string]bool{}
	err := tx.Query(ctx, func(scan func(...any) error) error {
		var v string
		if err := scan(&v); err != nil {
			return err
		}
		known[v] = true
		return nil
	}, `SELECT value FROM report_cells WHERE tool = ? AND kind = ? AND start = ? AND dimension = ?`, s.tool, string(s.kind), s.start, string(s.dim))
	return known, err
}

// into joins the set with that of a group in the tables.
func (s *sketch) into(ctx context.Context, tx *store.Tx, g group) error {
	if len(s.hashes) == 0 {
		return nil
	}
	var b []byte
	found, err := tx.One(ctx, []any{&b}, `SELECT hashes FROM report_sketches WHERE kind = ? AND start = ? AND tool = ? AND dimension = ? AND value = ?`,
		string(g.kind), g.start, g.tool, string(g.dim), g.value)
	if err != nil {
		return err
	}
	joined := newSketch()
	if found {
		if joined, err = readSketch(b, g); err != nil {
			return err
		}
	}
	if !joined.merge(s) {
		return nil
	}
	return joined.put(ctx, tx, g)
}

func (s *sketch) put(ctx context.Context, tx *store.Tx, g group) error {
	_, err := tx.Exec(ctx, `INSERT INTO report_sketches (kind, start, tool, dimension, value, hashes) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (kind, start, tool, dimension, value) DO UPDATE SET hashes = excluded.hashes`,
		string(g.kind), g.start, g.tool, string(g.dim), g.value, s.bytes())
	return err
}

// ErrDamaged: what is in the tables was not written by this package.
var ErrDamaged = errors.New("the counts of the report are damaged")

func readSketch(b []byte, g group) (*sketch, error) {
	s, ok := parseSketch(b)
	if !ok {
		return nil, fmt.Errorf("%w: the installations of %s in the %s of %s", ErrDamaged, g.dim, g.kind, g.begin().Format(time.DateOnly))
	}
	return s, nil
}

// turn closes the windows that are over, and gets the keys of those that are open: of the
// next day's as well, so that they are there when it begins.
func (r *Rollups) turn(ctx context.Context) error {
	if err := r.closeAll(ctx); err != nil {
		return err
	}
	now := r.now()
	var keys map[window][]byte
	read := func(tx *store.Tx) (err error) {
		keys, err = openKeys(ctx, tx)
		return err
	}
	if err := r.db.Read(ctx, read); err != nil {
		return err
	}
	missing := slices.DeleteFunc(openWindows(now), func(w window) bool { return keys[w] != nil })
	if len(missing) > 0 {
		err := r.db.Write(ctx, func(tx *store.Tx) error {
			for _, w := range missing {
				if _, err := tx.Exec(ctx, `INSERT INTO report_windows (kind, start, closes, closed, turns, seal) VALUES (?, ?, ?, 0, 0, ?)
					ON CONFLICT (kind, start) DO NOTHING`, string(w.kind), w.start, store.Millis(w.closes()), newKey()); err != nil {
					return err
				}
			}
			_, err := tx.Exec(ctx, `DELETE FROM report_writers WHERE at < ?`, store.Millis(now.Add(-writerKept)))
			return err
		})
		if err != nil {
			return err
		}
		// Another process may have been first.
		if err := r.db.Read(ctx, read); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for w := range r.open {
		if keys[w] == nil {
			delete(r.open, w)
		}
	}
	for w, key := range keys {
		if r.open[w] == nil {
			r.open[w] = newHasher(key)
		}
	}
	return nil
}

// openKeys reads the keys of the windows that are not closed.
func openKeys(ctx context.Context, tx *store.Tx) (map[window][]byte, error) {
	keys := map[window][]byte{}
	err := tx.Query(ctx, func(scan func(...any) error) error {
		var w window
		var key []byte
		if err := scan((*string)(&w.kind), &w.start, &key); err != nil {
			return err
		}
		keys[w] = key
		return nil
	}, `SELECT kind, start, seal FROM report_windows WHERE closed = 0`)
	return keys, err
}

// Forget is the function of that name, for this process's memory too. What another process
// counted in the last seconds and has not written yet comes after: the gateway refuses a
// machine that is deleted before it calls this.
func (r *Rollups) Forget(ctx context.Context, tool, machine string) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	hashers, err := forget(ctx, r.db, tool, machine)
	if err != nil {
		return err
	}
	r.unscrubbed = true // with the next Flush, for many at once
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range []*tally{r.pending, r.unsent} {
		if t == nil {
			continue
		}
		for g, c := range t.cells {
			if h := hashers[g.window]; g.tool == tool && h != nil && g.dim != leftOut {
				c.seen.remove(h.of(tool, machine, g.dim))
			}
		}
	}
	return nil
}

// Forget takes an installation out of the sets of the windows that are open. Numbers of
// windows that are closed hold no trace of it that anybody could find. It is for programs
// beside the gateway.
func Forget(ctx context.Context, db *store.DB, tool, machine string) error {
	if _, err := forget(ctx, db, tool, machine); err != nil {
		return err
	}
	return db.Scrub(ctx)
}

// forget returns the hashers of the windows that are open, as well.
func forget(ctx context.Context, db *store.DB, tool, machine string) (map[window]*hasher, error) {
	hashers := map[window]*hasher{}
	err := db.Write(ctx, func(tx *store.Tx) error {
		clear(hashers)
		keys, err := openKeys(ctx, tx)
		if err != nil {
			return err
		}
		for _, w := range slices.SortedFunc(maps.Keys(keys), window.compare) {
			hashers[w] = newHasher(keys[w])
			if err := forgetIn(ctx, tx, w, tool, machine, hashers[w]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("taking a machine out of the counts: %w", err)
	}
	return hashers, nil
}

func forgetIn(ctx context.Context, tx *store.Tx, w window, tool, machine string, h *hasher) error {
	if _, err := tx.Exec(ctx, `UPDATE report_windows SET turns = turns + 1 WHERE kind = ? AND start = ?`, string(w.kind), w.start); err != nil {
		return err
	}
	sets, err := sketchesOf(ctx, tx, w, tool)
	if err != nil {
		return err
	}
	for g, s := range sets {
		if s.remove(h.of(tool, machine, g.dim)) {
			if err := s.put(ctx, tx, g); err != nil {
				return err
			}
		}
	}
	return nil
}

// sketchesOf reads the sets of a window, of one tool or, if that is empty, of all.
func sketchesOf(ctx context.Context, tx *store.Tx, w window, tool string) (map[group]*sketch, error) {
	sets := map[group]*sketch{}
	query, args := `SELECT tool, dimension, value, hashes FROM report_sketches WHERE kind = ? AND start = ?`, []any{string(w.kind), w.start}
	if tool != "" {
		query, args = query+` AND tool = ?`, append(args, tool)
	}
	err := tx.Query(ctx, func(scan func(...any) error) error {
		g := group{section: section{window: w}}
		var b []byte
		if err := scan(&g.tool, (*string)(&g.dim), &g.value, &b); err != nil {
			return err
		}
		s, err := readSketch(b, g)
		sets[g] = s
		return err
	}, query, args...)
	return sets, err
}
