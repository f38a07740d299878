//go:build !notelemetry

package report

import (
	"cmp"
	"slices"
)

// DefaultK is how many installations a group has at least on a page that can be published.
const DefaultK = 5

// view is data as far as it may be seen. With a k of 1 that is all, for the operator. With
// more, it can be published:
//
//   - A window is shown once it is closed, whole: nobody learns what one day or one late
//     installation adds by taking an older page from a newer one.
//   - In each week, groups of fewer than k installations are put together with the next
//     larger ones until the installations of all of them are k or more. What is put together
//     cannot be had by taking the others from the sum, and where even all are fewer, the week
//     is left out.
//   - What is shown is rounded down to a multiple of k. Groups of one chart are parts of those of
//     another, such as the versions of a system, and a difference of one would be one installation.
type view struct {
	*Data
	k int64
}

func (v view) public() bool { return v.k > 1 }

// coarse is a number as it is shown.
func (v view) coarse(n int64) int64 {
	if !v.public() {
		return n
	}
	return n - n%v.k
}

// few says of a number that no more may be seen than that.
func (v view) few(n int64) bool { return v.public() && 0 < n && n < v.k }

// shows says that a window may be seen.
func (v view) shows(w window) bool { return !v.public() || !w.open(v.now) && !v.unclosed[w] }

// over says that a window has ended, so that its numbers can be compared with others.
func (v view) over(w window) bool { return !v.now.Before(w.end()) }

// shownWeeks are the weeks from the first that something is known of.
func (v view) shownWeeks() []window {
	last := weekOf(v.until)
	for v.public() && !v.shows(last) {
		last = last.after(-1)
	}
	var list []window
	for i := v.weeks - 1; i >= 0; i-- {
		w := last.after(-i)
		if v.shows(w) && (len(list) > 0 || len(v.of(w, byActivity)) > 0) {
			list = append(list, w)
		}
	}
	return list
}

// shownDays are the days of those weeks, and those after them that may be seen.
func (v view) shownDays(weeks []window) []window {
	if len(weeks) == 0 {
		return nil
	}
	var list []window
	for d := dayOf(weeks[0].begin()); !d.begin().After(v.until) && v.shows(d); d.start += day.Milliseconds() {
		if len(list) > 0 || len(v.of(d, byActivity)) > 0 {
			list = append(list, d)
		}
	}
	return list
}

// total is a group over several weeks.
type total struct {
	value string
	// other is what small groups are put together as.
	other bool
	numbers
	// installations is how many there were in the last of the weeks that is over, and hidden
	// says that this may not be seen: the group is too small then, or put together with others.
	installations int64
	hidden        bool
	weeks         int
}

// groups returns the groups of a dimension in a week that may be seen, the smallest first,
// and what the others are together. ok is false where they are too few for that too.
func (v view) groups(w window, dim dimension) (list []settled, other *settled, ok bool) {
	all := v.of(w, dim)
	n := 0 // how many of the smallest are put together
	for n < len(all) && all[n].installations < v.k && v.public() || n > 0 && n < len(all) && all[n-1].tail < v.k {
		n++
	}
	if n > 0 && all[n-1].tail < v.k {
		return nil, nil, false
	}
	list = slices.Clone(all[n:])
	for i := range list {
		list[i].installations = v.coarse(list[i].installations)
	}
	if n == 0 {
		return list, nil, true
	}
	sum := settled{group: all[n-1].group, installations: v.coarse(all[n-1].tail), tail: all[n-1].tail}
	for _, c := range all[:n] {
		sum.numbers.add(c.numbers)
	}
	return list, &sum, true
}

// totals adds the groups of a dimension up over weeks: the largest first, what is put
// together last. hidden is in how many weeks there is nothing that may be seen.
func (v view) totals(weeks []window, dim dimension) (list []total, hidden int) {
	by := map[string]*total{}
	last := weeks[max(v.lastOver(weeks), 0)]
	add := func(key string, w window, c settled, other bool) {
		t := by[key]
		if t == nil {
			t = &total{value: c.value, other: other, hidden: v.public()}
			by[key] = t
		}
		t.numbers.add(c.numbers)
		t.weeks++
		if w == last {
			t.installations, t.hidden = c.installations, false
		}
	}
	for _, w := range weeks {
		groups, other, ok := v.groups(w, dim)
		if !ok {
			hidden++
			continue
		}
		for _, c := range groups {
			add("="+c.value, w, c, false)
		}
		if other != nil {
			add("other", w, *other, true)
		}
	}
	for _, t := range by {
		if t.events, t.ended = v.coarse(t.events), v.coarse(t.ended); !v.few(t.failures) {
			t.failures = v.coarse(t.failures)
		}
		list = append(list, *t)
	}
	slices.SortFunc(list, func(a, b total) int {
		switch {
		case a.other != b.other && a.other:
			return 1
		case a.other != b.other:
			return -1
		}
		return cmp.Or(cmp.Compare(b.events, a.events), cmp.Compare(a.value, b.value))
	})
	return list, hidden
}

// active is how many installations of a kind were active in a window. ok is false where that
// may not be seen.
func (v view) active(w window, value string) (n int64, ok bool) {
	c, _ := v.find(w, byActivity, value)
	if n = max(c.installations, 0); n < v.k && v.public() {
		return n, false
	}
	return v.coarse(n), true
}

// returned is how many of a week's installations were active n weeks after it. Both they and
// the others have to be k or more: that nearly all or nearly none came back says something of
// each one.
func (v view) returned(c window, n int) (back, of int64, ok bool) {
	first, _ := v.find(c, ofReturn, weekNumbers[0])
	later, _ := v.find(c, ofReturn, weekNumbers[n])
	back, of = max(later.installations, 0), max(first.installations, 0)
	if of == 0 {
		return 0, 0, false
	}
	ok = !v.public() || back >= v.k && of-back >= v.k
	return v.coarse(back), v.coarse(of), ok
}
