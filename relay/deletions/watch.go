//go:build !notelemetry

package deletions

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/store"
)

// dueSoon is how long before its due date a deletion is told of: time enough for a vendor that
// has to be written to.
const dueSoon = 7 * 24 * time.Hour

// watched is what the daily looks came to, for the metrics.
type watched struct {
	mu       sync.Mutex
	canaries map[[2]string]bool // by tool and vendor, of those that need one
	damaged  int64
}

// looks reports whether the vendor can be asked for a known machine, and so has to be.
func (v Vendor) looks() bool {
	_, finds := v.Requestor.(deletion.Finder)
	_, counts := v.Requestor.(deletion.Counter)
	return (finds || counts) && !v.Own
}

// NoCanary is what is wrong with a vendor that will never be said to have deleted, empty if
// nothing is.
func (v Vendor) NoCanary() string {
	if !v.looks() || v.Canary != "" {
		return ""
	}
	return "no canary is set, so nothing is going to be called verified there: with a key for the wrong project, nothing would be found of anybody"
}

// has reports whether a vendor has something of a machine.
func (v Vendor) has(ctx context.Context, machineID string) (has bool, err error) {
	err = guarded(func() error {
		if c, ok := v.Requestor.(deletion.Counter); ok {
			n, err := c.Count(ctx, machineID)
			has = n > 0
			return err
		}
		f, ok := v.Requestor.(deletion.Finder)
		if !ok {
			return errors.New("it cannot be asked for a machine")
		}
		found, err := f.Find(ctx, machineID)
		has = !found.Nothing
		return err
	})
	return has, err
}

var errNoCanary = errors.New("the canary is not there: is it another project, or was the canary's data deleted or kept for too short a time?")

// LookUpCanary reports whether the vendor has something of its Canary. Where it has not,
// whatever it says about others proves nothing.
func (v Vendor) LookUpCanary(ctx context.Context) error {
	has, err := v.has(ctx, v.Canary)
	switch {
	case err != nil:
		return fmt.Errorf("the canary cannot be looked up: %w", err)
	case !has:
		return errNoCanary
	}
	return nil
}

// lookUpCanary is the call that does so for a lane.
func (w *worker) lookUpCanary(l *lane) result {
	ctx, cancel := context.WithTimeout(w.calls, w.pace.attempt)
	defer cancel()
	err := l.LookUpCanary(ctx)
	found := err == nil
	if err != nil && w.calls.Err() == nil {
		w.log.Error("nothing is called verified until the canary is found", "tool", l.tool(), "vendor", l.Name,
			"problem", describe(err.Error(), l.Canary))
	}
	if w.calls.Err() == nil {
		problem := ""
		if err != nil {
			problem = describe(err.Error(), l.Canary)
		}
		if err := w.ledger.db.Write(w.calls, func(tx *store.Tx) error {
			_, err := tx.Exec(w.calls, `UPDATE deletion_lanes SET canary = ? WHERE tool = ? AND vendor = ?`, problem, l.lane[0], l.lane[1])
			return err
		}); err != nil {
			w.log.Error("writing down what is wrong with a canary", "error", err)
		}
	}
	w.watched.mu.Lock()
	defer w.watched.mu.Unlock()
	w.watched.canaries[l.lane] = found
	return result{lane: l, canary: true, away: err != nil && !errors.Is(err, errNoCanary)}
}

// count is called where a vendor says that it has deleted. It returns how much is left, and an
// error if nothing proves that the vendor would know.
func (w *worker) count(ctx context.Context, l *lane, machineID string) (left int64, err error) {
	if l.looks() {
		w.watched.mu.Lock()
		found := w.watched.canaries[l.lane]
		w.watched.mu.Unlock()
		if !found {
			return 0, errors.New("it says that the data is gone, which is not believed until the canary is found there")
		}
	}
	c, counts := l.Requestor.(deletion.Counter)
	if !counts {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, w.pace.attempt)
	defer cancel()
	err = guarded(func() (err error) { left, err = c.Count(ctx, machineID); return err })
	return left, err
}

// watch tells what has to be told once a day. The evidence is read beside the work.
func (w *worker) watch(ctx context.Context) {
	var soon, over int64
	err := w.ledger.db.Read(ctx, func(tx *store.Tx) error {
		_, err := tx.One(ctx, []any{&soon, &over}, dueQuery, store.Millis(w.now()), store.Millis(w.now().Add(dueSoon)))
		return err
	})
	switch {
	case err != nil:
		w.log.Error("looking for deletions that are due", "error", err)
	case soon > 0:
		w.log.Warn("deletions have to be done within a week", "deletions", soon, "overdue", over)
	}
	go func() {
		a, err := w.ledger.Verify(ctx)
		if err != nil {
			if ctx.Err() == nil {
				w.log.Error("reading the evidence", "error", err)
			}
			return
		}
		w.watched.mu.Lock()
		w.watched.damaged = a.Damaged
		w.watched.mu.Unlock()
		if a.Damaged > 0 {
			w.log.Error("the evidence is not as it was written", "places", a.Damaged, "first", a.Damage[0].String())
			return
		}
		// The log is the copy that somebody who changes the database does not reach.
		w.log.Info("the evidence is as it was written", "lines", a.Lines, "head", a.Head)
	}()
}
