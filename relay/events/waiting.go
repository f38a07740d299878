//go:build !notelemetry

package events

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/store"
)

const (
	// lease is how long a replica has a destination to itself: longer than a batch takes. One
	// that dies gives it back by not coming again.
	lease = 2 * sendTime
	// look is how often the database is asked for what waits: a read of a few rows.
	look = time.Second
	// sweep is how often what is too old, or of somebody who was deleted, is looked for.
	sweep = time.Hour
	// tell is how often it is logged at most that events were lost: while a destination is away
	// and its room is full, each request pushes some out.
	tell = time.Minute
	// rowsAtOnce bounds a statement, and what one transaction holds up.
	rowsAtOnce = 100
	// sweptAtOnce is how many rows are deleted in one transaction.
	sweptAtOnce = 2000
)

// newHolder names this process among those that share the database.
func newHolder() string { return rand.Text() }

// keep stores what destinations miss. When it returns nil, that is durable.
func (g *Gateway) keep(ctx context.Context, t *tool, events []driver.Event, missed []missing) error {
	ctx, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	of := map[*destination][]driver.Event{}
	for _, m := range missed {
		of[m.destination] = append(of[m.destination], events[m.event])
	}
	now := store.Millis(g.cfg.Now())
	for _, d := range t.destinations { // in this order in every process, so none waits in a circle
		list := of[d]
		if len(list) == 0 {
			continue
		}
		var stored, cut int64
		err := g.cfg.DB.Write(ctx, func(tx *store.Tx) (err error) {
			if stored, cut, err = g.put(ctx, tx, d, list, now); err != nil {
				return fmt.Errorf("storing what %s misses: %w", d.Name, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
		g.counts.Add(int(stored), metricStored, "tool", d.tool, "destination", d.Name)
		g.lost(int(cut), loss{d.tool, d.Name, "bytes"})
	}
	return nil
}

// put stores events for a destination, and takes out the oldest where there are too many.
func (g *Gateway) put(ctx context.Context, tx *store.Tx, d *destination, events []driver.Event, now int64) (stored, cut int64, err error) {
	// The row of the destination is locked first, so that its sums are right.
	if _, err := tx.Exec(ctx, `INSERT INTO events_backlog (tool, destination, events, bytes, leased, holder) VALUES (?, ?, 0, 0, 0, '')
		ON CONFLICT (tool, destination) DO UPDATE SET tool = excluded.tool`, d.tool, d.Name); err != nil {
		return 0, 0, err
	}
	var bytes int64
	for part := range slices.Chunk(events, rowsAtOnce) {
		args := make([]any, 0, 7*len(part))
		for i := range part {
			e := &part[i]
			text := string(e.AppendJSON(nil))
			args = append(args, d.tool, d.Name, e.ID, e.MachineID, now, len(text), text)
		}
		err := tx.Query(ctx, func(scan func(...any) error) error {
			var n int64
			err := scan(&n)
			stored, bytes = stored+1, bytes+n
			return err
		}, `INSERT INTO events_waiting (tool, destination, id, machine_id, stored, bytes, event) VALUES `+rowsOf(len(part), 7)+
			` ON CONFLICT (tool, destination, id) DO NOTHING RETURNING bytes`, args...)
		if err != nil {
			return 0, 0, err
		}
	}
	if err := tally(ctx, tx, d.tool, d.Name, stored, bytes); err != nil {
		return 0, 0, err
	}
	var has int64
	if _, err := tx.One(ctx, []any{&has}, `SELECT bytes FROM events_backlog WHERE tool = ? AND destination = ?`, d.tool, d.Name); err != nil {
		return 0, 0, err
	}
	for has > g.cfg.Limits.WaitingBytes {
		var last, n, size int64
		err := tx.Query(ctx, func(scan func(...any) error) error {
			var seq, bytes int64
			if err := scan(&seq, &bytes); err != nil || has-size <= g.cfg.Limits.WaitingBytes {
				return err
			}
			last, n, size = seq, n+1, size+bytes
			return nil
		}, `SELECT seq, bytes FROM events_waiting WHERE tool = ? AND destination = ? ORDER BY seq LIMIT ?`, d.tool, d.Name, rowsAtOnce)
		if err != nil {
			return 0, 0, err
		}
		if n == 0 {
			break
		}
		if _, err := tx.Exec(ctx, `DELETE FROM events_waiting WHERE tool = ? AND destination = ? AND seq <= ?`, d.tool, d.Name, last); err != nil {
			return 0, 0, err
		}
		if err := tally(ctx, tx, d.tool, d.Name, -n, -size); err != nil {
			return 0, 0, err
		}
		has, cut = has-size, cut+n
	}
	return stored, cut, nil
}

// tally keeps the sums of a destination, of rows that came or went.
func tally(ctx context.Context, tx *store.Tx, tool, destination string, events, bytes int64) error {
	if err := deleted(ctx, tx, max(0, -events)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE events_backlog SET events = events + ?, bytes = bytes + ? WHERE tool = ? AND destination = ?`, events, bytes, tool, destination)
	return err
}

// rowsOf writes the placeholders of so many rows.
func rowsOf(rows, columns int) string {
	row := "(?" + strings.Repeat(", ?", columns-1) + ")"
	return row + strings.Repeat(", "+row, rows-1)
}

// Run sends what is stored for destinations that were away, deletes what is too old, and returns
// when ctx ends. Several processes may run on one database: one at a time has a destination.
func (g *Gateway) Run(ctx context.Context) error {
	ticks := time.NewTicker(look)
	defer ticks.Stop()
	defer g.losses.tell(g.cfg.Log)
	failing := false
	var told time.Time
	for next := g.cfg.Now(); ; {
		err := g.drain(ctx)
		if now := g.cfg.Now(); err == nil && !now.Before(next) {
			err = g.sweep(ctx)
			next = now.Add(sweep)
		}
		if failed := err != nil && ctx.Err() == nil; failed != failing {
			if failing = failed; failing {
				g.cfg.Log.Error("what waits for destinations is not sent", "error", err)
			} else {
				g.cfg.Log.Info("what waits for destinations is sent again")
			}
		}
		if now := g.cfg.Now(); now.Sub(told) >= tell && g.losses.tell(g.cfg.Log) {
			told = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
	}
}

// drain sends what is stored for each destination that is there.
func (g *Gateway) drain(ctx context.Context) error {
	logs, err := g.backlogs(ctx)
	if err != nil {
		return err
	}
	var problems []error
	for _, b := range logs {
		t, known := g.tools[b.tool]
		if b.events == 0 || !known {
			continue
		}
		for _, d := range t.destinations {
			if d.Name == b.destination && d.away() == 0 {
				problems = append(problems, g.drainOf(ctx, d))
			}
		}
	}
	return errors.Join(problems...)
}

// row is an event that waits.
type row struct {
	seq, bytes int64
	stored     time.Time
	event      driver.Event
	readable   bool
}

// drainOf sends what is stored for a destination, oldest first, until nothing is left or the
// destination is away again.
func (g *Gateway) drainOf(ctx context.Context, d *destination) error {
	for ctx.Err() == nil {
		rows, err := g.claim(ctx, d)
		if err != nil || len(rows) == 0 {
			return err
		}
		done, wait, err := g.resend(ctx, d, rows)
		if err != nil {
			return err
		}
		if err := g.settled(ctx, d, done, len(done) == len(rows), wait); err != nil {
			return err
		}
		if len(done) < len(rows) {
			return nil
		}
	}
	return nil
}

// claim takes the destination for this process, and returns the oldest events that fit into a
// batch: none if another process has it.
func (g *Gateway) claim(ctx context.Context, d *destination) ([]row, error) {
	most, room := d.limits()
	now := g.cfg.Now()
	var rows []row
	err := g.cfg.DB.Write(ctx, func(tx *store.Tx) error {
		rows = nil
		n, err := tx.Exec(ctx, `UPDATE events_backlog SET leased = ?, holder = ? WHERE tool = ? AND destination = ? AND (leased <= ? OR holder = ?)`,
			store.Millis(now.Add(lease)), g.holder, d.tool, d.Name, store.Millis(now), g.holder)
		if err != nil || n == 0 {
			return err
		}
		return tx.Query(ctx, func(scan func(...any) error) error {
			var r row
			var stored int64
			var text string
			if err := scan(&r.seq, &r.bytes, &stored, &text); err != nil {
				return err
			}
			if room -= int(r.bytes); room < 0 && len(rows) > 0 {
				return nil
			}
			r.stored = store.FromMillis(stored)
			if list, err := decode("[" + text + "]"); err == nil {
				r.event, r.readable = list[0].event, true
			}
			rows = append(rows, r)
			return nil
		}, `SELECT seq, bytes, stored, event FROM events_waiting WHERE tool = ? AND destination = ? ORDER BY seq LIMIT ?`, d.tool, d.Name, most)
	})
	return rows, err
}

// resend sends rows, and returns those with which nothing more is to be done.
func (g *Gateway) resend(ctx context.Context, d *destination, rows []row) (done []row, wait time.Duration, err error) {
	machines := map[string]bool{}
	for _, r := range rows {
		if r.event.MachineID != "" {
			machines[r.event.MachineID] = false
		}
	}
	if err := g.deleted(ctx, d.tool, machines); err != nil {
		return nil, 0, err
	}
	oldest := g.cfg.Now().Add(-g.cfg.Limits.WaitingAge)
	cut := map[string]int{}
	var events []driver.Event
	var sent []row
	for _, r := range rows {
		switch {
		case !r.readable:
			cut["unreadable"]++
		case machines[r.event.MachineID]:
			cut["deleted"]++
		case r.stored.Before(oldest):
			cut["age"]++
		default:
			events, sent = append(events, r.event), append(sent, r)
			continue
		}
		done = append(done, r)
	}
	for reason, n := range cut {
		g.lost(n, loss{d.tool, d.Name, reason})
	}
	if len(events) == 0 {
		return done, 0, nil
	}
	// A batch that is cut off is one of which nobody knows: it is sent to its end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTime)
	defer cancel()
	verdicts, wait := d.deliver(ctx, events)
	for i, v := range verdicts {
		switch v {
		case never:
			g.lost(1, loss{d.tool, d.Name, "rejected"})
			fallthrough
		case has:
			done = append(done, sent[i])
		}
	}
	return done, wait, nil
}

// settled takes rows out. Where some are left, the destination is left alone for a while by all
// processes; else this one goes on.
func (g *Gateway) settled(ctx context.Context, d *destination, done []row, more bool, wait time.Duration) error {
	// Not to forget what was sent, also if the process is to end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), databaseTime)
	defer cancel()
	return g.cfg.DB.Write(ctx, func(tx *store.Tx) error {
		until, holder := g.cfg.Now().Add(lease), g.holder
		if !more {
			until, holder = g.cfg.Now().Add(wait), ""
		}
		if _, err := tx.Exec(ctx, `UPDATE events_backlog SET leased = ?, holder = ? WHERE tool = ? AND destination = ? AND holder = ?`,
			store.Millis(until), holder, d.tool, d.Name, g.holder); err != nil {
			return err
		}
		for part := range slices.Chunk(done, rowsAtOnce) {
			args := []any{}
			for _, r := range part {
				args = append(args, r.seq)
			}
			if _, err := remove(ctx, tx, d.tool, d.Name, `seq IN `+rowsOf(1, len(part)), args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// remove deletes those rows of a destination for which a condition holds, and returns how many.
func remove(ctx context.Context, tx *store.Tx, tool, destination, condition string, args ...any) (n int64, err error) {
	var size int64
	err = tx.Query(ctx, func(scan func(...any) error) error {
		var bytes int64
		err := scan(&bytes)
		n, size = n+1, size+bytes
		return err
	}, `DELETE FROM events_waiting WHERE tool = ? AND destination = ? AND `+condition+` RETURNING bytes`,
		append([]any{tool, destination}, args...)...)
	if err != nil {
		return 0, err
	}
	return n, tally(ctx, tx, tool, destination, -n, -size)
}

// sweep deletes what is too old, and what is of machines that were deleted meanwhile: also what
// waits for a destination that is no longer configured.
func (g *Gateway) sweep(ctx context.Context) error {
	logs, err := g.backlogs(ctx)
	if err != nil {
		return err
	}
	var problems []error
	for _, b := range logs {
		if b.events > 0 && !g.sendsTo(b.tool, b.destination) {
			g.cfg.Log.Warn("events wait for a destination that is not in the file: they are kept until they are too old, and sent if it comes back",
				"tool", b.tool, "destination", b.destination, "events", b.events, "age", g.cfg.Limits.WaitingAge)
		}
		problems = append(problems, g.sweepDeleted(ctx, b), g.sweepOld(ctx, b))
	}
	for _, d := range g.all() {
		if kept, ok := d.Backend.(*stored); ok {
			n, err := kept.expire(ctx, d.tool, g.cfg.Now())
			g.counts.Add(n, metricExpired, "tool", d.tool)
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

func (g *Gateway) sweepDeleted(ctx context.Context, b backlog) error {
	for after := ""; ; {
		machines := map[string]bool{}
		last := ""
		err := g.cfg.DB.Read(ctx, func(tx *store.Tx) error {
			clear(machines)
			return tx.Query(ctx, func(scan func(...any) error) error {
				err := scan(&last)
				machines[last] = false
				return err
			}, `SELECT DISTINCT machine_id FROM events_waiting WHERE tool = ? AND destination = ? AND machine_id > ? ORDER BY machine_id LIMIT ?`,
				b.tool, b.destination, after, rowsAtOnce)
		})
		if err != nil {
			return err
		}
		if len(machines) == 0 {
			return nil
		}
		if err := g.deleted(ctx, b.tool, machines); err != nil {
			return err
		}
		for id, deleted := range machines {
			if !deleted {
				continue
			}
			var n int64
			if err := g.cfg.DB.Write(ctx, func(tx *store.Tx) (err error) {
				n, err = remove(ctx, tx, b.tool, b.destination, `machine_id = ?`, id)
				return err
			}); err != nil {
				return err
			}
			g.lost(int(n), loss{b.tool, b.destination, "deleted"})
		}
		after = last
	}
}

func (g *Gateway) sweepOld(ctx context.Context, b backlog) error {
	oldest := store.Millis(g.cfg.Now().Add(-g.cfg.Limits.WaitingAge))
	for {
		var n int64
		err := g.cfg.DB.Write(ctx, func(tx *store.Tx) (err error) {
			n, err = remove(ctx, tx, b.tool, b.destination, `seq IN (SELECT seq FROM events_waiting WHERE tool = ? AND destination = ? AND stored < ? ORDER BY seq LIMIT ?)`,
				b.tool, b.destination, oldest, sweptAtOnce)
			return err
		})
		if err != nil {
			return err
		}
		g.lost(int(n), loss{b.tool, b.destination, "age"})
		if n < sweptAtOnce {
			return nil
		}
	}
}
