//go:build !notelemetry

package report

import (
	"context"
	"slices"

	"github.com/gotoolbase/telemetry/relay/store"
)

// closeAll makes numbers of the hashes of all windows that are over, and erases their keys.
// Several processes share the work.
func (r *Rollups) closeAll(ctx context.Context) error {
	now := store.Millis(r.now())
	var due []window
	err := r.db.Read(ctx, func(tx *store.Tx) error {
		due = due[:0]
		return tx.Query(ctx, func(scan func(...any) error) error {
			var w window
			if err := scan((*string)(&w.kind), &w.start); err != nil {
				return err
			}
			due = append(due, w)
			return nil
		}, `SELECT kind, start FROM report_windows WHERE closed = 0 AND closes <= ?`, now)
	})
	if err != nil {
		return err
	}
	slices.SortFunc(due, window.compare) // weeks before the cohorts that are counted with them
	for _, w := range due {
		if err := r.db.Write(ctx, func(tx *store.Tx) error { return closeWindow(ctx, tx, w) }); err != nil {
			return err
		}
		r.unscrubbed = true
	}
	if !r.unscrubbed {
		return nil
	}
	if err := r.db.Scrub(ctx); err != nil {
		return err
	}
	r.unscrubbed = false
	return nil
}

// closeWindow closes one, unless another process does.
func closeWindow(ctx context.Context, tx *store.Tx, w window) error {
	var turns int64
	mine, err := tx.One(ctx, []any{&turns}, `SELECT turns FROM report_windows WHERE kind = ? AND start = ? AND closed = 0`+tx.SkipLocked(), string(w.kind), w.start)
	if err != nil || !mine {
		return err
	}
	switch w.kind {
	case ofCohort:
		// Who came back is counted as each week is closed. The last may be under way elsewhere.
		var open int64
		if _, err := tx.One(ctx, []any{&open}, `SELECT COUNT(*) FROM report_windows WHERE kind = ? AND start >= ? AND start <= ? AND closed = 0`,
			string(ofWeek), w.start, w.after(cohortWeeks).start); err != nil || open > 0 {
			return err
		}
	default:
		sets, err := sketchesOf(ctx, tx, w, "")
		if err != nil {
			return err
		}
		cells, err := cellsOf(ctx, tx, w, "")
		if err != nil {
			return err
		}
		for _, list := range cells {
			settle(list, func(g group) *sketch { return orEmpty(sets[g]) })
			for _, c := range list {
				if err := c.put(ctx, tx); err != nil {
					return err
				}
			}
		}
	}
	if w.kind == ofWeek {
		if err := closeReturns(ctx, tx, w); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `DELETE FROM report_sketches WHERE kind = ? AND start = ?`, string(w.kind), w.start); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE report_windows SET closed = 1, seal = ? WHERE kind = ? AND start = ?`, []byte{}, string(w.kind), w.start)
	return err
}

// closeReturns counts who of each cohort was active in a week. The set of the first week stays
// until the cohort is closed, to be compared with the others.
func closeReturns(ctx context.Context, tx *store.Tx, w window) error {
	for i := range cohortWeeks + 1 {
		c := w.cohort(i)
		sets, err := sketchesOf(ctx, tx, c, "")
		if err != nil {
			return err
		}
		for g, s := range sets {
			if g.value != weekNumbers[i] {
				continue
			}
			first := orEmpty(sets[group{g.section, weekNumbers[0]}])
			done := settled{group: g, installations: first.common(s)}
			if err := done.put(ctx, tx); err != nil {
				return err
			}
			if i == 0 {
				continue
			}
			if _, err := tx.Exec(ctx, `DELETE FROM report_sketches WHERE kind = ? AND start = ? AND tool = ? AND dimension = ? AND value = ?`,
				string(c.kind), c.start, g.tool, string(g.dim), g.value); err != nil {
				return err
			}
		}
	}
	return nil
}

// put writes the number of installations of a group.
func (s settled) put(ctx context.Context, tx *store.Tx) error {
	_, err := tx.Exec(ctx, `UPDATE report_cells SET installations = ?, tail = ? WHERE tool = ? AND kind = ? AND start = ? AND dimension = ? AND value = ?`,
		s.installations, s.tail, s.tool, string(s.kind), s.start, string(s.dim), s.value)
	return err
}

func orEmpty(s *sketch) *sketch {
	if s == nil {
		return newSketch()
	}
	return s
}

// cellsOf reads the groups of a window, of one tool or, if that is empty, of all.
func cellsOf(ctx context.Context, tx *store.Tx, w window, tool string) (map[section][]settled, error) {
	cells := map[section][]settled{}
	query, args := `SELECT tool, dimension, value, `+counted+`, installations, tail FROM report_cells WHERE kind = ? AND start = ?`, []any{string(w.kind), w.start}
	if tool != "" {
		query, args = query+` AND tool = ?`, append(args, tool)
	}
	err := tx.Query(ctx, func(scan func(...any) error) error {
		c := settled{group: group{section: section{window: w}}}
		to := append([]any{&c.tool, (*string)(&c.dim), &c.value}, c.scanned()...)
		if err := scan(append(to, &c.installations, &c.tail)...); err != nil {
			return err
		}
		cells[c.section] = append(cells[c.section], c)
		return nil
	}, query, args...)
	return cells, err
}
