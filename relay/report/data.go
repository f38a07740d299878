//go:build !notelemetry

package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/relay/store"
)

// DefaultWeeks is how many weeks a report shows, and MaxWeeks how many at most: more columns
// than that are a line of dust.
const (
	DefaultWeeks = 12
	MaxWeeks     = 53
)

// ErrNoTool: the tool that is asked for, or any, was not seen.
var ErrNoTool = errors.New("nothing was counted of such a tool")

// Query says what a report is about.
type Query struct {
	// Tool is the tool's name. It may be empty where there is one only.
	Tool string
	// Weeks is how many weeks are shown: DefaultWeeks if it is 0.
	Weeks int
	// Now is the time of the report, by which windows are over.
	Now time.Time
}

func (q Query) weeks() int {
	if q.Weeks <= 0 {
		return DefaultWeeks
	}
	return min(q.Weeks, MaxWeeks)
}

// from is the first window that is of interest where the last is a week: some more than are
// shown, since those that are open may be left out.
func (q Query) from(last window) int64 {
	return last.start - int64(q.weeks()+2)*week.Milliseconds()
}

// Data is what was counted of a tool. A page shows it, as far as it may be seen.
type Data struct {
	// Tool is the tool's name, and Tools are those that something was counted of.
	Tool  string
	Tools []string

	weeks int
	now   time.Time
	until time.Time // the latest moment that a page may show
	cells map[section][]settled
	// unclosed are windows that something may be added to still, whatever the time is.
	unclosed map[window]bool
}

// TooManyError says that a tool has to be chosen.
type TooManyError struct{ Tools []string }

func (e *TooManyError) Error() string {
	return "several tools were counted, of which a report shows one: " + strings.Join(e.Tools, ", ")
}

// choose finds the tool that a report is about.
func choose(wanted string, tools []string) (string, error) {
	switch {
	case wanted != "" && slices.Contains(tools, wanted):
		return wanted, nil
	case wanted != "":
		return wanted, ErrNoTool
	case len(tools) == 0:
		return "", ErrNoTool
	case len(tools) > 1:
		return "", &TooManyError{tools}
	}
	return tools[0], nil
}

// Read reads what was counted of a tool. Where that is nothing, it returns data without
// counts and an error that wraps ErrNoTool: a page of them says how a first event comes in.
func Read(ctx context.Context, db *store.DB, q Query) (*Data, error) {
	d := &Data{weeks: q.weeks(), now: q.Now, until: q.Now, cells: map[section][]settled{}}
	err := db.Read(ctx, func(tx *store.Tx) error {
		d.Tools, d.cells, d.unclosed = nil, map[section][]settled{}, map[window]bool{}
		err := tx.Query(ctx, func(scan func(...any) error) error {
			var tool string
			err := scan(&tool)
			d.Tools = append(d.Tools, tool)
			return err
		}, `SELECT DISTINCT tool FROM report_cells WHERE kind = ? AND start >= ? ORDER BY tool`, string(ofDay), q.from(weekOf(d.until)))
		if err != nil {
			return err
		}
		if d.Tool, err = choose(q.Tool, d.Tools); err != nil {
			return err
		}
		return d.load(ctx, tx, q.from(weekOf(d.until)))
	})
	if err != nil {
		return d, fmt.Errorf("reading the counts: %w", err)
	}
	return d, nil
}

// load reads all windows that begin at a time or later.
func (d *Data) load(ctx context.Context, tx *store.Tx, from int64) error {
	closed := map[window]bool{}
	err := tx.Query(ctx, func(scan func(...any) error) error {
		var w window
		var done int64
		if err := scan((*string)(&w.kind), &w.start, &done); err != nil {
			return err
		}
		closed[w] = done != 0
		return nil
	}, `SELECT kind, start, closed FROM report_windows WHERE start >= ?`, from)
	if err != nil {
		return err
	}
	for w, done := range closed {
		if !done {
			d.unclosed[w] = true
		}
		cells, err := cellsOf(ctx, tx, w, d.Tool)
		if err != nil {
			return err
		}
		sets := map[group]*sketch{}
		if !done {
			if sets, err = sketchesOf(ctx, tx, w, d.Tool); err != nil {
				return err
			}
		}
		for s, list := range cells {
			d.put(s, list, sets, done)
		}
	}
	return nil
}

// put takes in the groups of a section, whose installations are numbers where it is closed,
// and sets where not.
func (d *Data) put(s section, list []settled, sets map[group]*sketch, closed bool) {
	switch {
	case s.kind == ofCohort:
		for i := range list {
			if list[i].installations < 0 {
				first := orEmpty(sets[group{s, weekNumbers[0]}])
				list[i].installations = first.common(orEmpty(sets[list[i].group]))
			}
		}
	case closed:
		slices.SortFunc(list, ascending)
	default:
		settle(list, func(g group) *sketch { return orEmpty(sets[g]) })
	}
	d.cells[s] = list
}

// of returns the groups of a dimension in a window, the smallest first.
func (d *Data) of(w window, dim dimension) []settled { return d.cells[section{d.Tool, w, dim}] }

// find returns one of them.
func (d *Data) find(w window, dim dimension, value string) (settled, bool) {
	for _, c := range d.of(w, dim) {
		if c.value == value {
			return c, true
		}
	}
	return settled{}, false
}
