package delivery

import (
	"slices"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/spool"
)

// Folded events are recorded as any other, each as a record of one: with a Count of 1. The
// sender adds up what is equal but for that, and fixes the sum in the slot before it sends it
// the first time: so it is the same at every attempt, whatever is recorded in between.

// foldGrowth is more than the numbers of a record of one grow by when others are added.
const foldGrowth = 20 * 20

// folds reports whether an event is a record that others may be added to.
func folds(it item) bool { return it.event.Count > 0 }

// groups are what records were added up to, in the order of the first of each.
type groups struct {
	list    []*driver.Event
	by      map[string]*driver.Event
	entries []spool.Entry // what they are in the place of
}

// add adds a record to the one that is equal, if that stays below most bytes.
func (g *groups) add(it item, most int) {
	g.entries = append(g.entries, it.entry)
	key := foldKey(it.event)
	if same := g.by[key]; same != nil && len(it.entry.Line)+foldGrowth <= most {
		merge(same, &it.event)
		return
	}
	if g.by == nil {
		g.by = map[string]*driver.Event{}
	}
	it.event.Durations = slices.Clone(it.event.Durations) // they are added to
	g.by[key] = &it.event
	g.list = append(g.list, &it.event)
}

// foldKey is the same for records that may be added up: for those of one command, outcome,
// context and day.
func foldKey(e driver.Event) string {
	e.ID, e.Time = "", dayOf(e.Time)
	e.Count, e.Failures, e.Durations, e.Truncated, e.Redacted = 0, 0, nil, 0, 0
	return string(e.AppendJSON(nil))
}

// merge adds a record to another one. That keeps its ID, which no receiver has seen yet, and has
// the time of the earlier one.
func merge(sum, e *driver.Event) {
	if e.Time.Before(sum.Time) {
		sum.Time = e.Time
	}
	sum.Count += e.Count
	sum.Failures += e.Failures
	sum.Truncated += e.Truncated
	sum.Redacted += e.Redacted
	for len(sum.Durations) < len(e.Durations) {
		sum.Durations = append(sum.Durations, 0)
	}
	for i, n := range e.Durations {
		sum.Durations[i] += n
	}
}

func (g *groups) lines() [][]byte {
	lines := make([][]byte, len(g.list))
	for i, event := range g.list {
		lines[i] = event.AppendJSON(nil)
	}
	return lines
}

func (g *groups) size() (n int64) {
	for _, line := range g.lines() {
		n += int64(len(line))
	}
	return n
}

// compact makes room in the slot of records that wait on, if that is worth waiting for the disk.
func (g *groups) compact(claim *spool.Claim) {
	if 2*len(g.list) <= len(g.entries) {
		_ = claim.Compact(g.entries, g.lines()) // a full disk: then they are added up another time
	}
}

// fold adds up the records among the items that may be, and returns what is to be sent and
// what waits on. The records that are sent are fixed in the slot first, each of them: one
// that was sent and is then added to another one would count twice. Where that cannot be
// written they wait.
func (s *Sender) fold(claim *spool.Claim, route Route, items []item) (send []item, held groups) {
	most := bounded(route.Limits).EventBytes - stampBytes
	today := dayOf(s.Now())
	var now groups
	for _, it := range items {
		switch {
		case !folds(it) || it.entry.Fixed || claim.Legacy:
			send = append(send, it)
		case s.hold && !route.Local && dayOf(it.event.Time).Equal(today):
			held.add(it, most)
		default:
			now.add(it, most)
		}
	}
	if held.size() > s.Queue.SlotBytes()/2 { // so different that they would fill the queue
		now.list, now.entries = append(now.list, held.list...), append(now.entries, held.entries...)
		held = groups{}
	}
	if len(now.list) == 0 {
		return send, held
	}
	fixed, err := claim.Fold(now.entries, now.lines(), nil)
	if err != nil {
		s.unfixed = err
		return send, held
	}
	for i, entry := range fixed {
		send = append(send, item{entry, *now.list[i]})
	}
	return send, held
}
