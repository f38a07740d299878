//go:build !notelemetry

package report

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"
	"hash"
	"hash/maphash"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// maxValues is how many groups are kept of one dimension in one window. What comes beyond
// them is counted together: somebody who makes names up fills no disk.
const maxValues = 300

const keySize = 32

func newKey() []byte {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails: it ends the program instead
	return key
}

// hasher makes hashes of installations in one window.
type hasher struct {
	mac hash.Hash
	// Events of one installation come one after the other.
	tool, machine string
	sum           []byte
}

func newHasher(key []byte) *hasher { return &hasher{mac: hmac.New(sha512.New, key)} }

// of returns the hash of an installation in a dimension.
func (h *hasher) of(tool, machine string, d dimension) uint64 {
	if h.sum == nil || h.machine != machine || h.tool != tool {
		h.mac.Reset()
		h.mac.Write([]byte(tool))
		h.mac.Write([]byte{0})
		h.mac.Write([]byte(machine))
		h.tool, h.machine, h.sum = tool, machine, h.mac.Sum(h.sum[:0])
	}
	return binary.BigEndian.Uint64(h.sum[8*slots[d]:])
}

// forget takes the last ID out of memory.
func (h *hasher) forget() { h.tool, h.machine, h.sum = "", "", nil }

// section is one dimension of a tool in one window.
type section struct {
	tool string
	window
	dim dimension
}

// group is one value in a section.
type group struct {
	section
	value string
}

// cell is what is known of a group.
type cell struct {
	numbers
	seen *sketch
}

// tally counts in memory. It holds numbers and hashes only.
type tally struct {
	cells  map[group]*cell
	values map[section]int
	// hasherOf returns the hasher of an open window, or nil.
	hasherOf func(window) *hasher
	// counted are the latest events, and returned the latest installations that were put into
	// their cohorts, of which there are nine a week: for most events that is done already.
	counted, returned *recent
}

func newTally(hasherOf func(window) *hasher, counted *recent) *tally {
	return &tally{map[group]*cell{}, map[section]int{}, hasherOf, counted, newRecent(recentMachines)}
}

// next returns an empty one that remembers what this one does.
func (t *tally) next() *tally {
	return &tally{map[group]*cell{}, map[section]int{}, t.hasherOf, t.counted, t.returned}
}

// cell returns that of a group, or of the rest where there are too many.
func (t *tally) cell(g group) *cell {
	c := t.cells[g]
	if c == nil && t.values[g.section] >= maxValues && g.value != rest {
		return t.cell(group{g.section, rest})
	}
	if c == nil {
		c = &cell{seen: newSketch()}
		t.cells[g] = c
		t.values[g.section]++
	}
	return c
}

// add counts an event that came in at a time.
func (t *tally) add(tool string, e *driver.Event, at time.Time) {
	if !counts(e) {
		return
	}
	out := func(reason string) {
		t.cell(group{section{tool, dayOf(at), leftOut}, reason}).events++
	}
	n, ok := weigh(e)
	if !ok {
		out(implausible)
		return
	}
	if e.ID != "" && t.counted.has(t.counted.hash(e.ID)) {
		out(twice)
		return
	}
	when := momentOf(e, at)
	day, week := dayOf(when), weekOf(when)
	ofDay, ofWeek := t.hasherOf(day), t.hasherOf(week)
	if ofDay == nil && ofWeek == nil {
		out(late)
		return
	}
	put := func(w window, h *hasher, p place) {
		c := t.cell(group{section{tool, w, p.dim}, p.value})
		c.numbers.add(n)
		if p.hashed && e.MachineID != "" {
			c.seen.add(h.of(tool, e.MachineID, p.dim))
		}
	}
	groups := places(e)
	if ofDay != nil {
		put(day, ofDay, groups[0])
	}
	if ofWeek == nil {
		return
	}
	for _, p := range groups {
		put(week, ofWeek, p)
	}
	if groups[0].value != machines || e.MachineID == "" || t.returned.has(ofWeek.of(tool, e.MachineID, byActivity)) {
		return
	}
	for i := range cohortWeeks + 1 {
		if c := week.cohort(i); t.hasherOf(c) != nil {
			t.cell(group{section{tool, c, ofReturn}, weekNumbers[i]}).seen.add(t.hasherOf(c).of(tool, e.MachineID, ofReturn))
		}
	}
}

// weekNumbers are the values of ofReturn.
var weekNumbers = [cohortWeeks + 1]string{"0", "1", "2", "3", "4", "5", "6", "7", "8"}

// recent remembers the latest of some hashes: at least so many as its size, and at most twice
// as many.
type recent struct {
	size     int
	seed     maphash.Seed
	now, old map[uint64]struct{}
}

func newRecent(size int) *recent {
	return &recent{size: size, seed: maphash.MakeSeed(), now: map[uint64]struct{}{}}
}

// hash is that of a text, in this process.
func (r *recent) hash(text string) uint64 { return maphash.String(r.seed, text) }

// has reports whether a hash is known, and remembers it.
func (r *recent) has(h uint64) bool {
	if _, found := r.now[h]; found {
		return true
	}
	_, found := r.old[h]
	if len(r.now) >= r.size {
		r.old, r.now = r.now, make(map[uint64]struct{}, r.size)
	}
	r.now[h] = struct{}{}
	return found
}

// settled is a group whose installations are a number.
type settled struct {
	group
	numbers
	// installations is how many there were, and tail how many there were in this group and
	// in all that are smaller: with it, small groups can be put together and told to be
	// large enough, when no hash is left to ask.
	installations, tail int64
}

// settle makes numbers of the installations of a section.
func settle(list []settled, seen func(group) *sketch) {
	for i := range list {
		list[i].installations = seen(list[i].group).count()
	}
	slices.SortFunc(list, ascending)
	tail := newSketch()
	for i := range list {
		tail.merge(seen(list[i].group))
		list[i].tail = tail.count()
	}
}

// ascending is the order in which tails are counted.
func ascending(a, b settled) int {
	switch {
	case a.installations != b.installations:
		return int(min(max(a.installations-b.installations, -1), 1))
	case a.value < b.value:
		return -1
	case a.value > b.value:
		return 1
	}
	return 0
}
