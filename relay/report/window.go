//go:build !notelemetry

package report

import (
	"cmp"
	"time"
)

const (
	day  = 24 * time.Hour
	week = 7 * day

	// Grace is how long after its end a window waits for what comes late. Tools send soon
	// after a run, or with the next one; what comes later than that is left out, and counted.
	Grace = 3 * day
	// cohortWeeks is for how many weeks after one it is known who came back.
	cohortWeeks = 8
	// ahead is by how much a machine's clock may be before the gateway's. Beyond it, events
	// are counted at the time of their arrival.
	ahead = time.Hour
)

// kind says how long a window is, and what is counted in it.
type kind string

const (
	ofDay  kind = "day"  // who was active
	ofWeek kind = "week" // everything else, by group
	// ofCohort begins with a week and ends eight weeks after that: who was active in its
	// first week, and in each of the others.
	ofCohort kind = "cohort"
)

// window is a time in which installations are told from each other. Its start is in
// milliseconds since 1970, as in the tables.
type window struct {
	kind  kind
	start int64
}

func dayOf(t time.Time) window { return window{ofDay, t.UTC().Truncate(day).UnixMilli()} }

// weekOf is the week that begins on a Monday. Truncate counts from the year 1, which began
// with one.
func weekOf(t time.Time) window { return window{ofWeek, t.UTC().Truncate(week).UnixMilli()} }

// cohort is the window of those who were active in the week that is n weeks before w.
func (w window) cohort(n int) window {
	return window{ofCohort, w.start - int64(n)*week.Milliseconds()}
}

// after is the week that is n weeks after a cohort's first.
func (w window) after(n int) window {
	return window{ofWeek, w.start + int64(n)*week.Milliseconds()}
}

func (w window) begin() time.Time { return time.UnixMilli(w.start).UTC() }

func (w window) end() time.Time {
	switch w.kind {
	case ofDay:
		return w.begin().Add(day)
	case ofCohort:
		return w.begin().Add((cohortWeeks + 1) * week)
	}
	return w.begin().Add(week)
}

func (w window) closes() time.Time { return w.end().Add(Grace) }

// open says that events may be counted in the window.
func (w window) open(now time.Time) bool { return now.Before(w.closes()) }

// compare orders windows: days, weeks, cohorts, each by time. All who lock several do so in
// this order.
func (w window) compare(o window) int {
	rank := func(k kind) int {
		switch k {
		case ofDay:
			return 0
		case ofWeek:
			return 1
		}
		return 2
	}
	return cmp.Or(cmp.Compare(rank(w.kind), rank(o.kind)), cmp.Compare(w.start, o.start))
}

// openWindows are all that events of now and of the day that follows may be counted in.
func openWindows(now time.Time) []window {
	var list []window
	tomorrow := dayOf(now.Add(day))
	for w := dayOf(now.Add(-day - Grace)); w.start <= tomorrow.start; w.start += day.Milliseconds() {
		list = append(list, w)
	}
	thisWeek := weekOf(now.Add(day))
	for w := weekOf(now.Add(-week - Grace)); w.start <= thisWeek.start; w.start += week.Milliseconds() {
		list = append(list, w)
	}
	for c := weekOf(now.Add(-week - Grace)).cohort(cohortWeeks); c.start <= thisWeek.start; c.start += week.Milliseconds() {
		list = append(list, c)
	}
	kept := list[:0]
	for _, w := range list {
		if w.open(now) {
			kept = append(kept, w)
		}
	}
	return kept
}
