//go:build !notelemetry

package report_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/report"
	"github.com/gotoolbase/telemetry/relay/report/internal/samples"
)

// plain counts by a loop over all events, with maps of machine IDs: what the report does in
// another way.
type plain struct {
	active   map[string]map[string]bool // by day or week and kind
	calls    map[string]int64
	using    map[string]map[string]bool // machines by week, dimension and value
	ended    map[string]int64
	failed   map[string]int64
	duration map[string][]int64 // by command: calls in each range
}

const lastWeek = "2026-11-16" // the last that is over at samples.Now

func count(list []driver.Event, from time.Time) *plain {
	p := &plain{map[string]map[string]bool{}, map[string]int64{}, map[string]map[string]bool{}, map[string]int64{}, map[string]int64{}, map[string][]int64{}}
	mark := func(m map[string]map[string]bool, key, machine string) {
		if m[key] == nil {
			m[key] = map[string]bool{}
		}
		m[key][machine] = true
	}
	for _, e := range list {
		if e.Time.Before(from) {
			continue
		}
		monday := e.Time
		for monday.Weekday() != time.Monday {
			monday = monday.AddDate(0, 0, -1)
		}
		kind := "installations"
		if e.CI {
			kind = "jobs"
		}
		mark(p.active, e.Time.Format(time.DateOnly)+kind, e.MachineID)
		mark(p.active, "week "+monday.Format(time.DateOnly)+kind, e.MachineID)
		weight := int64(1)
		if e.Count > 0 {
			weight = int64(e.Count)
		}
		if e.SampleRate > 0 {
			weight *= int64(e.SampleRate)
		}
		who := "scripts"
		switch {
		case e.CI:
			who = "ci"
		case e.Agent != "":
			who = "agents"
		case e.Interactive:
			who = "people"
		}
		p.calls["who "+who] += weight
		for _, group := range []string{"version " + e.Version, "system " + e.OS + " " + e.Arch} {
			if !e.CI {
				mark(p.using, monday.Format(time.DateOnly)+group, e.MachineID)
			}
		}
		if e.Type != "command.invocation" {
			continue
		}
		if !e.CI {
			mark(p.using, monday.Format(time.DateOnly)+"command "+e.Name, e.MachineID)
		}
		bad := *e.ExitCode != 0 && e.ErrorClass != "usage"
		for _, group := range []string{"command " + e.Name, "version " + e.Version} {
			p.calls[group] += weight
			p.ended[group] += weight
			if bad {
				p.failed[group] += weight
			}
		}
		if p.duration[e.Name] == nil {
			p.duration[e.Name] = make([]int64, 14)
		}
		if e.DurationMS != nil {
			i, _ := slices.BinarySearch(driver.DurationBounds(), *e.DurationMS)
			p.duration[e.Name][i]++
		}
		for i, n := range e.Durations {
			p.duration[e.Name][i] += int64(n * max(e.SampleRate, 1))
		}
	}
	return p
}

func (p *plain) machines(key string) string { return strconv.Itoa(len(p.active[key+"installations"])) }

func TestEveryNumberIsWhatASimpleLoopCounts(t *testing.T) {
	t.Parallel()
	list := events(3, 14, 150)
	page := counted(t, report.Query{Now: samples.Now}, list).Page(report.PageOptions{K: 1})
	all := tables(t, page)
	from := time.Date(2026, 9, 7, 0, 0, 0, 0, time.UTC) // twelve weeks, of which the last is not over
	p := count(list, from)

	days, byDay := rows(t, all["active-by-day"])
	if days[0] != "2026-09-07" || days[len(days)-1] != "2026-11-25" || len(days) != 80 {
		t.Errorf("days from %s to %s", days[0], days[len(days)-1])
	}
	for _, d := range days {
		if got := byDay[d]["installations"]; got != p.machines(d) {
			t.Errorf("%s: %s installations, want %s", d, got, p.machines(d))
		}
		if got, want := byDay[d]["jobs"], strconv.Itoa(len(p.active[d+"jobs"])); got != want {
			t.Errorf("%s: %s jobs, want %s", d, got, want)
		}
	}
	weeks, byWeek := rows(t, all["active-by-week"])
	if len(weeks) != 12 || weeks[0] != "2026-09-07" {
		t.Errorf("weeks %v", weeks)
	}
	for _, w := range weeks {
		if got := byWeek[w]["installations"]; got != p.machines("week "+w) {
			t.Errorf("the week of %s: %s installations, want %s", w, got, p.machines("week "+w))
		}
	}
	checked := 0
	for name, column := range map[string]string{"commands": "command", "who": "who"} {
		names, by := rows(t, all[name])
		for _, value := range names {
			if want := p.calls[column+" "+value]; by[value]["events"] != strconv.FormatInt(want, 10) {
				t.Errorf("%s %s: %s events, want %d", column, value, by[value]["events"], want)
			}
			if want := len(p.using[lastWeek+column+" "+value]); column == "command" && by[value]["installations"] != strconv.Itoa(want) {
				t.Errorf("%s %s: %s installations, want %d", column, value, by[value]["installations"], want)
			}
			checked++
		}
	}
	for name, column := range map[string]string{"versions": "version", "systems": "system"} {
		names, by := rows(t, all[name])
		for _, value := range names {
			if want := len(p.using[lastWeek+column+" "+value]); by[value]["installations"] != strconv.Itoa(want) || want == 0 {
				t.Errorf("%s %s: %s installations, want %d", column, value, by[value]["installations"], want)
			}
			checked++
		}
	}
	for name, column := range map[string]string{"failures-by-command": "command", "failures-by-version": "version"} {
		names, by := rows(t, all[name])
		for _, value := range names {
			key, row := column+" "+value, by[value]
			rate := fmt.Sprintf("%.6f", float64(p.failed[key])/float64(p.ended[key]))
			if row["failures"] != strconv.FormatInt(p.failed[key], 10) || row["ended"] != strconv.FormatInt(p.ended[key], 10) || row["failure_rate"] != rate {
				t.Errorf("%s: %v, want %d of %d, %s", key, row, p.failed[key], p.ended[key], rate)
			}
			checked++
		}
	}
	names, by := rows(t, all["durations"])
	for _, value := range names {
		ranges, sum := p.duration[value], int64(0)
		for i, n := range ranges {
			column := "ms_more"
			if i < 13 {
				column = fmt.Sprintf("ms_%d", driver.DurationBounds()[i])
			}
			if by[value][column] != strconv.FormatInt(n, 10) {
				t.Errorf("%s: %s has %s, want %d", value, column, by[value][column], n)
			}
			sum += n
		}
		for column, q := range map[string]float64{"p50": 0.5, "p95": 0.95} {
			left, upTo := int64(math.Ceil(q*float64(sum))), ""
			for i, n := range ranges {
				if left -= n; left <= 0 {
					if i < 13 {
						upTo = strconv.FormatInt(driver.DurationBounds()[i], 10)
					}
					break
				}
			}
			if got := by[value][column+"_ms_up_to"]; got != upTo {
				t.Errorf("%s: %s is up to %q, want %q", value, column, got, upTo)
			}
		}
		checked++
	}
	if checked < 30 {
		t.Errorf("only %d groups were looked at", checked)
	}

	cohorts, by := rows(t, all["retention"])
	cells := 0
	for _, c := range cohorts {
		first := p.active["week "+c+"installations"]
		begin, err := time.Parse(time.DateOnly, c)
		if err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= 8; n++ {
			later := begin.AddDate(0, 0, 7*n).Format(time.DateOnly)
			got := by[c][fmt.Sprintf("week_%d", n)]
			if later > lastWeek {
				if got != "" {
					t.Errorf("%s has a number for the week of %s, which is not over: %s", c, later, got)
				}
				continue
			}
			back := 0
			for machine := range first {
				if p.active["week "+later+"installations"][machine] {
					back++
				}
			}
			if want := fmt.Sprintf("%.6f", float64(back)/float64(len(first))); got != want {
				t.Errorf("of %s, %s came back in the week of %s, want %s", c, got, later, want)
			}
			cells++
		}
	}
	if cells < 50 {
		t.Errorf("only %d cells of retention were looked at", cells)
	}
}

// The pages are looked at in a browser too, as they are in testdata: see make web.
func TestThePagesAndTheirTablesAreThose(t *testing.T) {
	t.Parallel()
	data := counted(t, report.Query{Now: samples.Now}, events(5, 14, 90))
	published := data.Page(report.PageOptions{})
	var b strings.Builder
	for _, c := range published.Charts {
		fmt.Fprintf(&b, "== %s.csv\n", c.Name)
		if err := c.WriteCSV(&b); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "tables.csv", b.String())
	golden(t, "published.html", pageOf(t, published))
	golden(t, "operator.html", pageOf(t, data.Page(report.PageOptions{K: 1, Links: []report.Link{
		{Text: "mytool", Address: "?tool=mytool", Here: true}, {Text: "othertool", Address: "?tool=othertool"}, {Text: "As it can be published", Address: "?tool=mytool&k=5"}}})))
	empty, err := report.NewCounter(report.Query{Now: samples.Now}).Data()
	if !errors.Is(err, report.ErrNoTool) {
		t.Fatal(err)
	}
	golden(t, "empty.html", pageOf(t, empty.Page(report.PageOptions{FirstEvent: report.FirstEvent})))
	golden(t, "hostile.html", pageOf(t, counted(t, report.Query{Now: samples.Now}, hostile()).Page(report.PageOptions{K: 1})))
}

// hostile is what somebody sends who wants the page to break.
func hostile() []driver.Event {
	var list []driver.Event
	for i, name := range []string{`<script>alert(1)</script>`, `"><svg onload=alert(1)>`, "\u202eevil\u2066", strings.Repeat("long", 100), strings.Repeat("words ", 100), "{{.}}", "\x1b[31mred", "=HYPERLINK(1)", "日本語のコマンド", ""} {
		for n := range 3 {
			code, ms := n/2, int64(math.Pow(7, float64(n*3)))
			list = append(list, driver.Event{ID: fmt.Sprint(i, n), Type: []string{"command.invocation", "command.invocation", "x" + name}[n], Name: name, Version: name, OS: name, Arch: name, OSVersion: name,
				Agent: []string{"", name}[n%2], Time: samples.Now.Add(time.Duration(-n*i) * 24 * time.Hour), Tool: `<b>"tool"</b>`, MachineID: fmt.Sprint(n), ExitCode: &code, DurationMS: &ms, Count: 0})
		}
	}
	for n := range 40 {
		code := 1
		list = append(list, driver.Event{ID: fmt.Sprint("many", n), Type: "command.invocation", Name: fmt.Sprintf("command with a number %d", n), Version: fmt.Sprintf("0.0.0-2026%04d.%012x+dirty", n, n*977), Time: samples.Now,
			Tool: `<b>"tool"</b>`, MachineID: "m", ExitCode: &code, ErrorClass: "other", Count: 1_000_000, Failures: 1_000_000, Durations: []int{0, 0, 0, 0, 1_000_000}})
	}
	return list
}

func TestFilesMayBeCompressedAndInAnyOrder(t *testing.T) {
	t.Parallel()
	list := events(2, 6, 40)
	want := tables(t, counted(t, report.Query{Now: samples.Now}, list).Page(report.PageOptions{K: 1}))
	c := report.NewCounter(report.Query{Now: samples.Now})
	var zipped bytes.Buffer
	for _, part := range [][]driver.Event{list[len(list)/2:], list[:len(list)/2]} { // two members in one file, the later first
		z := gzip.NewWriter(&zipped)
		if _, err := z.Write(ndjson(part)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Read("events.ndjson.gz", &zipped); err != nil {
		t.Fatal(err)
	}
	d, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	same(t, want, tables(t, d.Page(report.PageOptions{K: 1})))
}

func TestAFoldedRecordCountsForAsManyAsWereFolded(t *testing.T) {
	t.Parallel()
	code, ms := 1, int64(30)
	at := samples.Now.Add(-week)
	base := driver.Event{Type: "command.invocation", Name: "build", Time: at, Tool: "x", OS: "linux", Arch: "amd64", MachineID: "m", ExitCode: &code}
	single, folded, sampled, usage := base, base, base, base
	single.ID, single.DurationMS = "1", &ms
	folded.ID, folded.Count, folded.Failures, folded.Durations, folded.ErrorClass = "2", 7, 7, []int{0, 0, 4, 0, 3}, "network"
	sampled.ID, sampled.Count, sampled.Failures, sampled.Durations, sampled.SampleRate = "3", 2, 2, []int{2}, 10
	usage.ID, usage.Count, usage.Failures, usage.ErrorClass = "4", 5, 5, "usage"
	all := tables(t, counted(t, report.Query{Now: samples.Now}, []driver.Event{single, folded, sampled, usage}).Page(report.PageOptions{K: 1}))
	_, commands := rows(t, all["commands"])
	if got := commands["build"]; got["events"] != "33" || got["installations"] != "1" {
		t.Errorf("1 + 7 + 2 × 10 + 5 calls of one machine are %v", got)
	}
	_, failures := rows(t, all["failures-by-command"])
	if got := failures["build"]; got["failures"] != "28" || got["ended"] != "33" {
		t.Errorf("of which 28 failed: %v", got)
	}
	_, durations := rows(t, all["durations"])
	if got := durations["build"]; got["ms_10"] != "20" || got["ms_50"] != "5" || got["ms_250"] != "3" || got["timed"] != "28" {
		t.Errorf("%v", got)
	}
}

func TestNumbersThatNoToolWritesAreLeftOutAndCounted(t *testing.T) {
	t.Parallel()
	good := driver.Event{ID: "0", Type: "feature.used", Time: samples.Now, Tool: "x", MachineID: "m"}
	list := []driver.Event{good}
	for i, spoil := range []func(*driver.Event){
		func(e *driver.Event) { e.Count = -1 },
		func(e *driver.Event) { e.Count = math.MaxInt },
		func(e *driver.Event) { e.SampleRate = math.MaxInt },
		func(e *driver.Event) { e.Count, e.SampleRate = 10_000_000, 10_000_000 },
		func(e *driver.Event) { e.Count, e.Failures = 1, 2 },
		func(e *driver.Event) { e.Count, e.Durations = 1, []int{1, 1} },
		func(e *driver.Event) { e.Count, e.Durations = 1, []int{-1} },
		func(e *driver.Event) { e.Durations = make([]int, 15) },
		func(e *driver.Event) { n := int64(-1); e.DurationMS = &n },
	} {
		e := good
		e.ID = strconv.Itoa(i + 1)
		spoil(&e)
		list = append(list, e)
	}
	page := counted(t, report.Query{Now: samples.Now}, list).Page(report.PageOptions{K: 1})
	if _, by := rows(t, tables(t, page)["other-events"]); by["feature.used"]["events"] != "1" {
		t.Errorf("%v", by)
	}
	if !strings.Contains(strings.Join(page.Notes, "\n"), "9 events that hold numbers that no tool writes") {
		t.Errorf("notes %q", page.Notes)
	}
}

func TestWhatIsAboutTelemetryItselfIsNoUse(t *testing.T) {
	t.Parallel()
	var list []driver.Event
	for i, kind := range []string{"telemetry.loss", "telemetry.check", "data.deletion_request", "feature.used"} {
		list = append(list, driver.Event{ID: strconv.Itoa(i), Type: kind, Time: samples.Now, Tool: "x", MachineID: kind})
	}
	all := tables(t, counted(t, report.Query{Now: samples.Now}, list).Page(report.PageOptions{K: 1}))
	if _, by := rows(t, all["active-by-day"]); by["2026-11-25"]["installations"] != "1" {
		t.Errorf("%v", by)
	}
}

func TestAMachineWithAFastClockCountsWhenItsEventsArrive(t *testing.T) {
	t.Parallel()
	e := driver.Event{ID: "1", Type: "feature.used", Time: samples.Now.AddDate(3, 0, 0), Tool: "x", MachineID: "m"}
	all := tables(t, counted(t, report.Query{Now: samples.Now}, []driver.Event{e}).Page(report.PageOptions{K: 1}))
	if days, by := rows(t, all["active-by-day"]); len(days) != 1 || by["2026-11-25"]["installations"] != "1" {
		t.Errorf("%v", by)
	}
}

func TestAnEmptyPageSaysHowAFirstEventIsSeen(t *testing.T) {
	t.Parallel()
	d, err := report.NewCounter(report.Query{Now: samples.Now}).Data()
	if err == nil {
		t.Error("there is a tool")
	}
	if page := pageOf(t, d.Page(report.PageOptions{FirstEvent: report.FirstEvent})); !strings.Contains(page, "telemetry flush") || !strings.Contains(page, "No event has come in yet") {
		t.Error(page)
	}
	// What came in today is not yet to be published.
	today := []driver.Event{{ID: "1", Type: "feature.used", Time: samples.Now, Tool: "x", MachineID: "m"}}
	if page := pageOf(t, counted(t, report.Query{Now: samples.Now}, today).Page(report.PageOptions{})); !strings.Contains(page, "Nothing may be shown yet") {
		t.Error(page)
	}
}

func TestNamesFromElsewhereAreTextInThePageAndInTheTables(t *testing.T) {
	t.Parallel()
	e := driver.Event{ID: "1", Type: "command.invocation", Name: `<script>alert(1)</script>"'&` + "\u202e\x1b[31m", Version: "=1+1", Time: samples.Now, Tool: "</title><b>", MachineID: "m"}
	page := counted(t, report.Query{Now: samples.Now}, []driver.Event{e}).Page(report.PageOptions{K: 1})
	text := pageOf(t, page)
	for _, bad := range []string{"<script", "<b>", "\u202e", "\x1b"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	if !strings.Contains(text, "&lt;script&gt;") {
		t.Error("the name is not there at all")
	}
	if _, by := rows(t, tables(t, page)["versions"]); by["'=1+1"] == nil {
		t.Errorf("%v", by)
	}
}

func TestMadeUpNamesTakeNoMoreThanTheirPlace(t *testing.T) {
	t.Parallel()
	var list []driver.Event
	for i := range 1000 {
		list = append(list, driver.Event{ID: strconv.Itoa(i), Type: "command.invocation", Name: "c" + strconv.Itoa(i), Time: samples.Now, Tool: "x", MachineID: "m"})
	}
	names, by := rows(t, tables(t, counted(t, report.Query{Now: samples.Now}, list).Page(report.PageOptions{K: 1}))["commands"])
	if len(names) != 301 || by["(further)"]["events"] != "700" {
		t.Errorf("%d names, %v", len(names), by["(further)"])
	}
}
