//go:build !notelemetry

package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Chart is one picture, with the numbers that it is drawn from.
type Chart struct {
	// Name is what its CSV is called, without an ending.
	Name string
	// Title says what is to be seen, and Measure what is counted, and in what.
	Title, Measure string
	// Notes say what is left out and why.
	Notes   []string
	Columns []Column
	Rows    []Row

	// Kind chooses the drawing: columns, bars, histograms or heat.
	Kind string
	Axis Axis
	// CSVLink is where the numbers can be had.
	CSVLink string
}

// Column is one of a table.
type Column struct {
	// Name is that in a CSV, which stays; Title is for people.
	Name, Title string
	Number      bool
}

// Row is a line of a table, and what is drawn of it.
type Row struct {
	Cells []Cell
	// Size is how long its bar is or how high its column, of a hundred.
	Size float64
	// Soft is drawn fainter: what is put together, or a time that is not over.
	Soft bool
	// Bars are the parts of a histogram, of a hundred; Mid and Far are those in which the
	// 50th and the 95th percentile lie.
	Bars     []float64
	Mid, Far int
	// Label is what the drawing says of it.
	Label string
}

// Cell is one value, for people and for a CSV.
type Cell struct {
	Text, Raw string
	// Heat is how dark it is drawn, of nine.
	Heat int
	// None says that there is no value to show.
	None bool
}

// Axis is what stands beside columns.
type Axis struct {
	Top, Middle string
	First, Last string
}

func textCell(s string) Cell   { return Cell{Text: s, Raw: s} }
func countCell(n int64) Cell   { return Cell{Text: number(n), Raw: strconv.FormatInt(n, 10)} }
func missing(why string) Cell  { return Cell{Text: why, None: true} }
func dateCell(w window) Cell   { return textCell(w.begin().Format(time.DateOnly)) }
func (v view) tooFew() Cell    { return missing(fmt.Sprintf("under %d", v.k)) }
func (r *Row) bar(n, of int64) { r.Size = 100 * float64(n) / float64(max(of, 1)) }

func shareCell(part, of int64) Cell { return Cell{Text: percent(part, of), Raw: ratio(part, of)} }

// names of values that are words of this package.
var words = map[string]string{
	people: "people", scripts: "scripts", inCI: "CI jobs", agents: "agents",
}

// other is what small groups are called together.
const other = "other"

func nameCell(t total, none string) Cell {
	switch {
	case t.other:
		return Cell{Text: other, Raw: "(other)"}
	case t.value == rest:
		return Cell{Text: "further names", Raw: "(further)"}
	case t.value == "":
		return Cell{Text: none, Raw: ""}
	}
	return textCell(t.value)
}

// maxRows is how many groups a chart shows: a screen of them.
const maxRows = 15

// cut keeps a chart to the groups that matter, and says what it leaves out. All are in the CSV.
func (c *Chart) cut() {
	if n := len(c.Rows) - maxRows; n > 0 {
		c.Notes = append(c.Notes, fmt.Sprintf("%s more in the CSV.", number(int64(n))))
	}
}

// Shown are the rows that are drawn.
func (c *Chart) Shown() []Row {
	if c.Kind == "columns" || c.Kind == "heat" {
		return c.Rows
	}
	return c.Rows[:min(len(c.Rows), maxRows)]
}

func (c *Chart) hiddenNote(v view, hidden int) {
	if hidden > 0 {
		c.Notes = append(c.Notes, fmt.Sprintf("Left out: %s with fewer than %d installations in all.", plural(int64(hidden), "week", "weeks"), v.k))
	}
}

// charts makes all that there is something to show of.
func (v view) charts() []*Chart {
	weeks := v.shownWeeks()
	days := v.shownDays(weeks)
	if len(weeks) == 0 && len(days) == 0 {
		return nil
	}
	list := []*Chart{v.daily(days), v.weekly(weeks)}
	if len(weeks) > 0 {
		commands, hiddenCommands := v.totals(weeks, byCommand)
		versions, hiddenVersions := v.totals(weeks, byVersion)
		list = append(list,
			v.uses("commands", "command", "Command", "of calls", commands, hiddenCommands),
			v.failures("failures-by-command", "command", "Command", commands, hiddenCommands),
			v.installed(weeks, "versions", "version", "Version", byVersion),
			v.failures("failures-by-version", "version", "Version", versions, hiddenVersions),
			v.durations(commands, hiddenCommands),
			v.installed(weeks, "systems", "system", "System", bySystem),
			v.installed(weeks, "os-versions", "os_version", "System version", byOS),
			v.who(weeks),
			v.runners(weeks),
		)
		events, hiddenEvents := v.totals(weeks, byEvent)
		list = append(list, v.uses("other-events", "event", "Event", "of other events", events, hiddenEvents), v.retention(weeks))
	}
	return slices.DeleteFunc(list, func(c *Chart) bool { return c == nil || len(c.Rows) == 0 })
}

// columns draws a number a window.
func (v view) columns(c *Chart, windows []window) {
	c.Kind = "columns"
	most, seen := int64(0), false
	for _, w := range windows {
		if n, ok := v.active(w, machines); ok {
			most, seen = max(most, n), true
		}
	}
	top := niceTop(most)
	c.Axis = Axis{Top: number(top), Middle: number(top / 2), First: shortDate(windows[0].begin()), Last: shortDate(windows[len(windows)-1].begin())}
	for _, w := range windows {
		row := Row{Cells: []Cell{dateCell(w)}, Soft: !v.over(w), Label: longDate(w.begin()) + ": "}
		for _, kind := range []string{machines, jobs} {
			n, ok := v.active(w, kind)
			cell := v.tooFew()
			if ok {
				cell = countCell(n)
			}
			if kind == machines {
				row.Label += cell.Text
				if ok {
					row.bar(n, top)
				}
			}
			row.Cells = append(row.Cells, cell)
		}
		if row.Soft {
			row.Label += " so far"
		}
		c.Rows = append(c.Rows, row)
	}
	if !seen {
		c.Rows = nil // and without rows it is no chart
		return
	}
	if v.public() && slices.ContainsFunc(c.Rows, func(r Row) bool { return r.Cells[1].None }) {
		c.Notes = append(c.Notes, fmt.Sprintf("Numbers under %d are not shown.", v.k))
	}
	if c.Rows[len(c.Rows)-1].Soft {
		c.Notes = append(c.Notes, "The last, fainter column is not over.")
	}
}

// niceTop is the end of an axis: a round even number that is not far above n.
func niceTop(n int64) int64 {
	for _, top := range []int64{2, 4, 6, 8, 10} {
		if top >= n {
			return top
		}
	}
	for step := int64(1); ; step *= 10 {
		for _, f := range []int64{12, 16, 20, 24, 30, 40, 50, 60, 80, 100} {
			if f*step >= n {
				return f * step
			}
		}
	}
}

// lastOver is the last of some windows that has ended, or -1.
func (v view) lastOver(windows []window) int {
	for i := len(windows) - 1; i >= 0; i-- {
		if v.over(windows[i]) {
			return i
		}
	}
	return -1
}

const whoIsActive = "An installation is a machine ID; those in continuous integration and in containers are in the table."

func (v view) daily(days []window) *Chart {
	if len(days) == 0 {
		return nil
	}
	c := &Chart{Name: "active-by-day", Title: "Active installations a day",
		Measure: "Installations that something was recorded of, a day (UTC). " + whoIsActive,
		Columns: []Column{{"day", "Day", false}, {"installations", "Installations", true}, {"jobs", "In CI and containers", true}}}
	v.columns(c, days)
	if n, of := v.medianDay(days); of > 0 {
		c.Title = fmt.Sprintf("%s active on a median day of the last %d", plural(n, "installation was", "installations were"), of)
	}
	return c
}

// medianDay is the middle of up to 14 days that are over, which weekends do not move as they
// move the last one.
func (v view) medianDay(days []window) (median int64, of int) {
	end := v.lastOver(days) + 1
	var list []int64
	for _, d := range days[max(0, end-14):end] {
		n, ok := v.active(d, machines)
		if !ok {
			n = 0 // fewer than any that is shown
		}
		list = append(list, n)
	}
	if slices.Sort(list); len(list) == 0 || v.public() && list[len(list)/2] < v.k {
		return 0, 0
	}
	return list[len(list)/2], len(list)
}

func (v view) weekly(weeks []window) *Chart {
	if len(weeks) == 0 {
		return nil
	}
	c := &Chart{Name: "active-by-week", Title: "Active installations a week",
		Measure: "Installations that something was recorded of, a week from Monday (UTC). Above " + number(sketchSize) + ", a number is an estimate with a standard error of 2.2" + thin + "%.",
		Columns: []Column{{"week", "Week of", false}, {"installations", "Installations", true}, {"jobs", "In CI and containers", true}}}
	v.columns(c, weeks)
	i := v.lastOver(weeks)
	if i < 0 {
		return c
	}
	n, ok := v.active(weeks[i], machines)
	if !ok {
		return c
	}
	c.Title = fmt.Sprintf("%s active in the week of %s", plural(n, "installation was", "installations were"), longDate(weeks[i].begin()))
	if i > 0 {
		if before, ok := v.active(weeks[i-1], machines); ok && before > 0 && v.over(weeks[i-1]) {
			switch {
			case n > before:
				c.Title += ", " + percent(n-before, before) + " more than the week before"
			case n < before:
				c.Title += ", " + percent(before-n, before) + " fewer than the week before"
			default:
				c.Title += ", as many as the week before"
			}
		}
	}
	return c
}

// uses shows how often each of some groups occurs.
func (v view) uses(name, column, title, ofWhat string, list []total, hidden int) *Chart {
	c := &Chart{Name: name, Kind: "bars", Columns: []Column{
		{column, title, false}, {"events", "Times", true}, {"share", "Share", true}, {"installations", "Installations, a week", true}}}
	sum, most, hides := int64(0), int64(0), false
	for _, t := range list {
		sum, most = sum+t.events, max(most, t.events)
	}
	for _, t := range list {
		active := countCell(t.installations)
		if t.hidden {
			active, hides = missing("–"), true
		}
		row := Row{Cells: []Cell{nameCell(t, "(no name)"), countCell(t.events), shareCell(t.events, sum), active}, Soft: t.other}
		row.bar(t.events, most)
		c.Rows = append(c.Rows, row)
	}
	if len(list) > 0 {
		c.Title = fmt.Sprintf("“%s” is %s %s", c.Rows[0].Cells[0].Text, percent(list[0].events, sum), ofWhat)
	}
	c.Measure = "How often each was recorded, in all weeks shown, and by how many installations in the last week that is over."
	if hides {
		c.Notes = append(c.Notes, fmt.Sprintf("A dash: fewer than %d in that week, or put together with others.", v.k))
	}
	c.hiddenNote(v, hidden)
	c.cut()
	return c
}

// enoughCalls is from how many calls on a failure rate is compared with others: one failure
// of one call is not the worst.
const enoughCalls = 50

func (v view) failures(name, column, title string, list []total, hidden int) *Chart {
	list = slices.DeleteFunc(slices.Clone(list), func(t total) bool { return t.ended == 0 })
	if len(list) == 0 {
		return nil
	}
	slices.SortStableFunc(list, func(a, b total) int {
		if a.other != b.other {
			return map[bool]int{true: 1, false: -1}[a.other]
		}
		if few := a.ended < enoughCalls; few != (b.ended < enoughCalls) {
			return map[bool]int{true: 1, false: -1}[few]
		}
		return cmp.Compare(float64(b.failures)/float64(b.ended), float64(a.failures)/float64(a.ended))
	})
	c := &Chart{Name: name, Kind: "bars", Title: "How often calls fail",
		Measure: "Share of calls with an exit code other than 0, of those that ended with one. Wrong usage and interruptions are no failures. What has fewer than 50 calls comes last: they say little.",
		Columns: []Column{{column, title, false}, {"failure_rate", "Failure rate", true}, {"failures", "Failures", true}, {"ended", "Calls", true}}}
	most := 0.0
	if hidden == 0 && !slices.ContainsFunc(list, func(t total) bool { return t.failures > 0 }) {
		c.Title = "No call failed"
	}
	for _, t := range list {
		if !v.few(t.failures) {
			most = max(most, float64(t.failures)/float64(t.ended))
		}
	}
	for _, t := range list {
		row := Row{Cells: []Cell{nameCell(t, "(not known)"), shareCell(t.failures, t.ended), countCell(t.failures), countCell(t.ended)}, Soft: t.other}
		if v.few(t.failures) {
			row.Cells[1], row.Cells[2] = missing("under "+percent(v.k, max(t.ended, v.k))), v.tooFew()
		} else if most > 0 {
			row.Size = 100 * float64(t.failures) / float64(t.ended) / most
		}
		c.Rows = append(c.Rows, row)
	}
	if first := list[0]; first.failures > 0 && !first.other && !v.few(first.failures) {
		c.Title = fmt.Sprintf("“%s” fails most: %s of its calls", c.Rows[0].Cells[0].Text, c.Rows[0].Cells[1].Text)
		if column == "version" {
			c.Title = fmt.Sprintf("Version %s fails most: %s of calls", c.Rows[0].Cells[0].Text, c.Rows[0].Cells[1].Text)
		}
	}
	c.hiddenNote(v, hidden)
	c.cut()
	return c
}

func (v view) durations(list []total, hidden int) *Chart {
	list = slices.DeleteFunc(slices.Clone(list), func(t total) bool { return t.timed() == 0 })
	if len(list) == 0 {
		return nil
	}
	c := &Chart{Name: "durations", Kind: "histograms",
		Title:   "How long commands take",
		Measure: "Half of the calls took no longer than p50, and 19 of 20 no longer than p95. Both lie in one of 14 ranges, which the drawing shows as columns: p50 in full colour, p95 in orange.",
		Columns: []Column{{"command", "Command", false}, {"p50_ms_over", "p50", false}, {"p50_ms_up_to", "", false}, {"p95_ms_over", "p95", false}, {"p95_ms_up_to", "", false}, {"timed", "Calls", true}}}
	for i := range buckets {
		name := "ms_more"
		if _, to := bucketEnds(i); to >= 0 {
			name = "ms_" + strconv.FormatInt(to, 10)
		}
		c.Columns = append(c.Columns, Column{Name: name})
	}
	slowest, at := "", -1
	for _, t := range list {
		mid, far := t.quantile(0.5), t.quantile(0.95)
		if t.timed() < enough {
			far = -1
		}
		name := nameCell(t, "(no name)")
		if far > at && !t.other {
			slowest, at = name.Text, far
		}
		row := Row{Mid: mid, Far: far, Soft: t.other, Label: "p50 " + between(mid) + ", p95 " + between(far)}
		row.Cells = []Cell{name}
		for _, place := range []int{mid, far} {
			from, to := Cell{Text: between(place)}, Cell{}
			if place >= 0 {
				a, b := bucketEnds(place)
				from.Raw = strconv.FormatInt(a, 10)
				if b >= 0 {
					to.Raw = strconv.FormatInt(b, 10)
				}
			} else {
				from = missing("under 20 calls")
			}
			row.Cells = append(row.Cells, from, to)
		}
		row.Cells = append(row.Cells, countCell(t.timed()))
		most := slices.Max(t.buckets[:])
		for _, n := range t.buckets {
			row.Bars = append(row.Bars, 100*float64(n)/float64(most))
			row.Cells = append(row.Cells, Cell{Raw: strconv.FormatInt(n, 10)})
		}
		c.Rows = append(c.Rows, row)
	}
	if at >= 0 {
		from, to := bucketEnds(at)
		switch {
		case from == 0:
			c.Title = "19 of 20 calls of every command take " + millis(to) + " or less"
		default:
			c.Title = fmt.Sprintf("“%s” is the slowest: one call in 20 takes over %s", slowest, millis(from))
		}
	}
	c.hiddenNote(v, hidden)
	c.cut()
	return c
}

// installed shows what the installations of the last week that is over had.
func (v view) installed(weeks []window, name, column, title string, dim dimension) *Chart {
	i := v.lastOver(weeks)
	if i < 0 {
		i = len(weeks) - 1
	}
	w := weeks[i]
	list, hidden := v.totals(weeks[i:i+1], dim)
	list = slices.DeleteFunc(list, func(t total) bool { return t.installations == 0 })
	slices.SortStableFunc(list, func(a, b total) int {
		if a.other != b.other {
			return map[bool]int{true: 1, false: -1}[a.other]
		}
		return cmp.Compare(b.installations, a.installations)
	})
	c := &Chart{Name: name, Kind: "bars",
		Measure: fmt.Sprintf("Installations in the week of %s, without continuous integration and containers. One that had several is in each of them.", longDate(w.begin())),
		Columns: []Column{{column, title, false}, {"installations", "Installations", true}, {"share", "Share", true}, {"events", "Events", true}}}
	all, known := v.active(w, machines)
	most := int64(0)
	for _, t := range list {
		most = max(most, t.installations)
	}
	for _, t := range list {
		share := missing("–")
		if known {
			share = shareCell(min(t.installations, all), all)
		}
		row := Row{Cells: []Cell{nameCell(t, "(not known)"), countCell(t.installations), share, countCell(t.events)}, Soft: t.other}
		row.bar(t.installations, most)
		c.Rows = append(c.Rows, row)
	}
	if len(list) > 0 {
		share := plural(list[0].installations, "installation", "installations")
		if known {
			share = c.Rows[0].Cells[2].Text + " of installations"
		}
		switch dim {
		case byVersion:
			c.Title = fmt.Sprintf("%s have version %s", share, c.Rows[0].Cells[0].Text)
		case bySystem:
			c.Title = fmt.Sprintf("%s run on %s", share, c.Rows[0].Cells[0].Text)
		default:
			c.Title = fmt.Sprintf("%s have %s as their system", share, c.Rows[0].Cells[0].Text)
		}
	}
	c.hiddenNote(v, hidden)
	c.cut()
	return c
}

func (v view) who(weeks []window) *Chart {
	list, hidden := v.totals(weeks, byWho)
	c := v.uses("who", "who", "Who", "", list, hidden)
	if len(list) == 0 {
		return nil
	}
	sum := int64(0)
	for i, t := range list {
		sum += t.events
		if word := words[t.value]; word != "" && !t.other {
			c.Rows[i].Cells[0].Text = word
		}
	}
	c.Title = fmt.Sprintf("%s make %s of events", capital(c.Rows[0].Cells[0].Text), percent(list[0].events, sum))
	c.Measure = "Who ran the tool: people at a terminal, scripts without one, jobs of continuous integration, or coding agents elsewhere. Each job is an installation."
	return c
}

func (v view) runners(weeks []window) *Chart {
	list, hidden := v.totals(weeks, byRunner)
	c := v.uses("runners", "runner", "System or agent", "of what machines run", list, hidden)
	c.Measure = "Events by the CI system or the coding agent that ran the tool, where it is known by name. Each job is an installation."
	return c
}

func (v view) retention(weeks []window) *Chart {
	c := &Chart{Name: "retention", Kind: "heat", Title: "Who comes back is known after a week",
		Measure: "Of the installations that were active in a week, how many were active in each of the eight after it. Continuous integration and containers are not counted.",
		Columns: []Column{{"week", "Week of", false}, {"installations", "Active", true}}}
	for n := 1; n <= cohortWeeks; n++ {
		c.Columns = append(c.Columns, Column{fmt.Sprintf("week_%d", n), fmt.Sprintf("+%d", n), true})
	}
	back, of, any, hidden := int64(0), int64(0), false, false
	for _, w := range weeks {
		n, ok := v.active(w, machines)
		if !v.over(w) || n == 0 {
			continue
		}
		row := Row{Cells: []Cell{dateCell(w), countCell(n)}}
		if !ok {
			row.Cells[1] = v.tooFew()
		}
		for i := 1; i <= cohortWeeks; i++ {
			later := w.after(i)
			if !v.over(later) || !v.shows(later) || later.begin().After(v.until) {
				row.Cells = append(row.Cells, missing(""))
				continue
			}
			b, f, ok := v.returned(w.cohort(0), i)
			if !ok {
				hidden = true
				row.Cells = append(row.Cells, missing("–"))
				continue
			}
			any = true
			cell := shareCell(b, f)
			cell.Heat = 1 + int(min(8, 9*b/f))
			row.Cells = append(row.Cells, cell)
			if i == 1 {
				back, of = back+b, of+f
			}
		}
		c.Rows = append(c.Rows, row)
	}
	if !any {
		return nil
	}
	if of > 0 {
		c.Title = fmt.Sprintf("%s of the installations that are active in a week are so in the next", percent(back, of))
	}
	if hidden && v.public() {
		c.Notes = append(c.Notes, fmt.Sprintf("A dash: fewer than %d came back, or fewer than %d did not.", v.k, v.k))
	}
	return c
}

func capital(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}
