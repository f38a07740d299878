//go:build !notelemetry

package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"html/template"
	"io"
	"strings"
	"unicode"

	"github.com/gotoolbase/telemetry/internal/plaintext"
)

//go:embed style.css
var style string

//go:embed page.html
var markup string

// policy lets the page load nothing, from nowhere, and run nothing.
var policy = "default-src 'none'; style-src 'sha256-" + hashOf(style) + "'; img-src data:; base-uri 'none'; form-action 'none'"

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

var document = template.Must(template.New("page").Funcs(template.FuncMap{
	"style":   func() template.CSS { return template.CSS(style) },
	"decimal": func(f float64) string { return fmt.Sprintf("%.1f", f) },
	"times":   func(n int, f float64) string { return fmt.Sprintf("%.0f", float64(n)*f) },
	"minus":   func(f float64) string { return fmt.Sprintf("%.1f", 100-f) },
}).Parse(markup))

// PageOptions say how much a page shows.
type PageOptions struct {
	// K is how many installations a group has at least: DefaultK if it is 0. With 1, all is
	// shown, days and weeks that are not over too: for the operator, not to be published.
	K int
	// CSVLink gives the address of a chart's CSV; without it, the CSV is in the page.
	CSVLink func(name string) string
	// Links lead elsewhere, such as to another tool's page.
	Links []Link
	// FirstEvent is what an operator types to see a first event, where nothing came in.
	FirstEvent string
}

// Link is one of a page.
type Link struct {
	Text, Address string
	// Here says that it leads to this page.
	Here bool
}

// Page is what is shown of a tool.
type Page struct {
	Tool string
	// K is how many installations a group has at least. Public says that it can be published.
	K      int
	Public bool
	// Made is when, and From and To are the days it is about.
	Made, From, To string
	Tiles          []Tile
	Charts         []*Chart
	Notes          []string
	Links          []Link
	FirstEvent     string
	// Waiting says that something came in, of which nothing may be seen yet.
	Waiting bool
}

// Tile is a number that is seen first.
type Tile struct{ Term, Value, Anchor string }

// Page makes a page of what may be seen.
func (d *Data) Page(o PageOptions) *Page {
	if o.K == 0 {
		o.K = DefaultK
	}
	v := view{d, int64(max(o.K, 1))}
	p := &Page{Tool: d.Tool, K: int(v.k), Public: v.public(), Made: d.now.UTC().Format("2 Jan 2006, 15:04") + " UTC",
		Charts: v.charts(), Links: o.Links, FirstEvent: o.FirstEvent, Waiting: len(d.cells) > 0}
	weeks := v.shownWeeks()
	if days := v.shownDays(weeks); len(days) > 0 {
		p.From, p.To = longDate(days[0].begin()), longDate(days[len(days)-1].begin())
	}
	if len(p.Charts) > 0 {
		p.Tiles = v.tiles(weeks)
	}
	if !v.public() {
		p.Notes = v.leftOutNotes()
	}
	for _, c := range p.Charts {
		if o.CSVLink != nil {
			c.CSVLink = o.CSVLink(c.Name)
		}
	}
	return p
}

func (v view) tiles(weeks []window) []Tile {
	var list []Tile
	if i := v.lastOver(weeks); i >= 0 {
		if n, ok := v.active(weeks[i], machines); ok {
			list = append(list, Tile{"Installations, week of " + shortDate(weeks[i].begin()), number(n), "active-by-week"})
		}
	}
	var sum numbers
	all, _ := v.totals(weeks, byWho)
	for _, t := range all {
		sum.add(t.numbers)
	}
	if sum.events == 0 {
		return list
	}
	list = append(list, Tile{"Events", number(sum.events), "who"})
	if sum.ended > 0 {
		list = append(list, Tile{"Calls that failed", percent(sum.failures, sum.ended), "failures-by-command"})
	}
	if i := sum.quantile(0.5); i >= 0 {
		list = append(list, Tile{"Median call", between(i), "durations"})
	}
	return list
}

// leftOutNotes say what came in and is in no chart.
func (v view) leftOutNotes() []string {
	by := map[string]int64{}
	for s, list := range v.cells {
		if s.dim != leftOut {
			continue
		}
		for _, c := range list {
			by[c.value] += c.events
		}
	}
	var notes []string
	for _, reason := range []struct{ value, text string }{
		{late, "came more than three days after the day and the week they are of"},
		{twice, "came twice and are counted once"},
		{implausible, "hold numbers that no tool writes"},
	} {
		if n := by[reason.value]; n > 0 {
			notes = append(notes, "In no chart: "+plural(n, "event", "events")+" that "+reason.text+".")
		}
	}
	return notes
}

// Policy is the page's Content-Security-Policy.
func (*Page) Policy() string { return policy }

// Chart finds one by its name.
func (p *Page) Chart(name string) (*Chart, bool) {
	for _, c := range p.Charts {
		if c.Name == name {
			return c, true
		}
	}
	return nil, false
}

// WriteHTML writes the page. It is whole in itself: no script, and nothing to load.
func (p *Page) WriteHTML(w io.Writer) error { return document.Execute(w, p) }

// WriteCSV writes the numbers of a chart, with a name of its columns in the first line. What
// a spreadsheet could take for a formula has a ' in front: names come from elsewhere.
func (c *Chart) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	line := make([]string, len(c.Columns))
	for i, column := range c.Columns {
		line[i] = column.Name
	}
	lines := [][]string{line}
	for _, row := range c.Rows {
		line := make([]string, len(row.Cells))
		for i, cell := range row.Cells {
			line[i] = noFormula(cell.Raw)
		}
		lines = append(lines, line)
	}
	return out.WriteAll(lines) // which flushes
}

// noFormula puts a ' before each sign that would begin a formula: the first of the cell that is
// seen, and the first after what begins a cell where a comma is the decimal sign, or where a
// table is pasted. East Asian input writes the signs wide, which some programs read as well.
func noFormula(cell string) string {
	var b strings.Builder
	first := true
	for _, r := range cell {
		if first && strings.ContainsRune("=+-@\uff1d\uff0b\uff0d\uff20", r) {
			b.WriteByte('\'')
		}
		unseen := unicode.IsSpace(r) || !unicode.IsPrint(r)
		first = first && unseen || strings.ContainsRune(";\t\r\n", r)
		b.WriteRune(r)
	}
	return b.String()
}

// Download is the address of the CSV: one elsewhere, or the CSV itself.
func (c *Chart) Download() (template.URL, error) {
	if c.CSVLink != "" {
		return template.URL(c.CSVLink), nil
	}
	var b strings.Builder
	if err := c.WriteCSV(&b); err != nil {
		return "", err
	}
	return template.URL("data:text/csv;charset=utf-8;base64," + base64.StdEncoding.EncodeToString([]byte(b.String()))), nil
}

// Heads are the columns that people see.
func (c *Chart) Heads() []Column {
	var list []Column
	for _, column := range c.Columns {
		if column.Title != "" {
			list = append(list, column)
		}
	}
	return list
}

// Seen are the cells of a row that people see.
func (c *Chart) Seen(r Row) []Cell {
	var list []Cell
	for i, cell := range r.Cells {
		if i > 0 && c.Columns[i].Title != "" {
			cell.Text = plaintext.Clean(cell.Text)
			list = append(list, cell)
		}
	}
	return list
}

// IsNumber says how a cell that people see is set.
func (c *Chart) IsNumber(i int) bool { return c.Heads()[i+1].Number }

// Drawn says which part of a histogram holds what.
func (r Row) Drawn(i int) string {
	switch i {
	case r.Mid:
		return "mid"
	case r.Far:
		return "far"
	}
	return ""
}
