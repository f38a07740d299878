// Package screen writes what the commands have to say. A person at a terminal reads it
// aligned and with a little colour, whoever reads a pipe gets lines that stand for
// themselves, and programs get JSON. The commands of tools and those of the operator
// share it, so that it links no more than tools can bear.
package screen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/internal/plaintext"
	"github.com/gotoolbase/telemetry/internal/tty"
)

// Screen is a place to write to.
type Screen struct {
	io.Writer
	// Terminal says that a person reads it.
	Terminal bool
	// Colour says that it knows escape sequences: for colours, and to redraw a line.
	Colour bool
	// Columns is how wide a terminal is. A pipe has no width: 0.
	Columns int
}

// usualColumns is how wide a terminal is taken to be that does not say it.
const usualColumns = 80

// New looks at what w is, and at NO_COLOR (no-color.org), TERM and, for a terminal that does
// not tell its width, COLUMNS.
func New(w io.Writer, lookup func(string) (string, bool)) Screen {
	s := Screen{Writer: w, Terminal: tty.Is(w)}
	if !s.Terminal {
		return s
	}
	noColour, _ := lookup("NO_COLOR")
	kind, _ := lookup("TERM")
	s.Colour = noColour == "" && kind != "dumb"
	if s.Columns = tty.Width(w); s.Columns <= 0 {
		columns, _ := lookup("COLUMNS")
		s.Columns, _ = strconv.Atoi(columns)
	}
	if s.Columns <= 0 {
		s.Columns = usualColumns
	}
	return s
}

// Colour is how text looks where there is colour.
type Colour string

// The colours. Plain is none. There is no dim one: what is dimmed on a ground that is neither
// black nor white, such as Solarized's, cannot be read.
const (
	Plain Colour = ""
	Bold  Colour = "\x1b[1m"
	Red   Colour = "\x1b[31m"
	Green Colour = "\x1b[32m"
)

// Paint returns text in a colour, or as it is where there are none.
func (s Screen) Paint(c Colour, text string) string {
	if !s.Colour || c == Plain || text == "" {
		return text
	}
	return string(c) + text + "\x1b[0m"
}

// Row is one line of a table of two columns.
type Row struct {
	Label, Value string
	Colour       Colour // of the value
}

// leastValue is the least width of a column of values beside its labels. On a narrower
// terminal values stand under their labels.
const leastValue = 28

// idColumns is how wide an ID or a receipt is. Where there is no room for one beside its label, it
// stands under it: in one piece it can be compared and copied.
const idColumns = 32

// Table writes rows, and cleans their values. A label that is the same as the one before is
// not repeated on a terminal; in a pipe each line stands for itself.
func (s Screen) Table(rows []Row) {
	if !s.Terminal {
		for _, r := range rows {
			fmt.Fprintf(s, "%s: %s\n", r.Label, Clean(r.Value))
		}
		return
	}
	width := 0
	for _, r := range rows {
		width = max(width, Width(r.Label))
	}
	s.table(rows, width)
}

// table writes rows on a terminal, beside labels that are so wide.
func (s Screen) table(rows []Row, width int) {
	roomBeside := s.Columns - width - 2
	last := ""
	for _, r := range rows {
		label := r.Label
		if label == last {
			label = ""
		}
		last = r.Label
		room := roomBeside
		stacked := room < leastValue || room < idColumns && longestWord(r.Value) == idColumns
		if stacked {
			room = s.Columns - 2
			if label != "" {
				fmt.Fprintln(s, label)
			}
		}
		for i, line := range Wrap(r.Value, min(room, PageWidth)) {
			beside := label
			if stacked || i > 0 {
				beside = ""
			}
			indent := 2
			if !stacked {
				indent += width - Width(beside)
			}
			fmt.Fprintf(s, "%s%s%s\n", beside, strings.Repeat(" ", indent), s.Paint(r.Colour, line))
		}
	}
}

// longestWord returns how wide the widest piece of a text is that no line break parts.
func longestWord(text string) (columns int) {
	for _, p := range pieces(text) {
		columns = max(columns, Width(p.text))
	}
	return columns
}

// Cell is a field of a grid. A terminal shows the short text; programs that read a pipe get
// the full one.
type Cell struct {
	Short, Full string
	Colour      Colour
}

// Same is a cell with one text for both.
func Same(text string, c Colour) Cell { return Cell{text, text, c} }

// Grid writes a table with a heading, and cleans its cells. In a pipe, fields are separated
// by tabs, and the heading is left out. Sentences, which are for the last column, are broken in
// it; a grid for which the terminal is too narrow all the same is stacked.
func (s Screen) Grid(heading []string, rows [][]Cell) {
	if !s.Terminal {
		for _, row := range rows {
			fields := make([]string, len(row))
			for i, c := range row {
				fields[i] = Clean(c.Full)
			}
			fmt.Fprintln(s, strings.Join(fields, "\t"))
		}
		return
	}
	widths := make([]int, len(heading))
	for i, h := range heading {
		widths[i] = Width(h)
		for _, row := range rows {
			widths[i] = max(widths[i], Width(Clean(row[i].Short)))
		}
	}
	last := len(heading) - 1
	room, needs := PageWidth, 0
	if s.Columns > 0 {
		room = min(room, s.Columns-sum(widths[:last])-2*last)
	}
	for _, row := range rows {
		needs = max(needs, longestWord(row[last].Short))
	}
	if widths[last] > room && (room < leastBeside || needs > room) {
		s.stack(heading, rows)
		return
	}
	line := func(row []Cell) {
		var b strings.Builder
		for i, c := range row[:last] {
			text := Clean(c.Short)
			b.WriteString(s.Paint(c.Colour, text))
			b.WriteString(strings.Repeat(" ", widths[i]-Width(text)+2))
		}
		for i, text := range Wrap(row[last].Short, room) {
			if i > 0 {
				b.WriteString("\n" + strings.Repeat(" ", sum(widths[:last])+2*last))
			}
			b.WriteString(s.Paint(row[last].Colour, text))
		}
		fmt.Fprintln(s, strings.TrimRight(b.String(), " "))
	}
	top := make([]Cell, len(heading))
	for i, h := range heading {
		top[i] = Same(h, Plain)
	}
	line(top)
	for _, row := range rows {
		line(row)
	}
}

// stack writes a grid that is wider than the terminal as one small table a row, all of them alike.
func (s Screen) stack(heading []string, rows [][]Cell) {
	width := 0
	for _, h := range heading {
		width = max(width, Width(h))
	}
	for i, row := range rows {
		if i > 0 {
			fmt.Fprintln(s)
		}
		var fields []Row
		for j, c := range row {
			if text := Clean(c.Short); text != "" {
				fields = append(fields, Row{heading[j], text, c.Colour})
			}
		}
		s.table(fields, width)
	}
}

func sum(list []int) (n int) {
	for _, v := range list {
		n += v
	}
	return n
}

// WriteJSON writes the other output format. Times in it are RFC 3339 in UTC. What would
// command a terminal is escaped in its texts.
func WriteJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(plaintext.JSON(b.Bytes()))
	return err
}

// Clean makes text from elsewhere, such as a server's answer, fit for a terminal.
func Clean(text string) string {
	return plaintext.Clean(text)
}

// When is a time as people read it where they are.
func When(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

// Count is a number of things.
func Count[N int | int64](n N, singular, plural string) string {
	if n == 1 {
		return "1 " + singular
	}
	return fmt.Sprintf("%d %s", n, plural)
}
