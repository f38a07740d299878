// Package screen writes what the commands have to say. A person at a terminal reads it
// aligned and with a little colour, whoever reads a pipe gets lines that stand for
// themselves, and programs get JSON. The commands of tools and those of the operator
// share it, so that it links no more than tools can bear.
package screen

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// Screen is a place to write to.
type Screen struct {
	io.Writer
	// Terminal says that a person reads it.
	Terminal bool
	// Colour says that it knows escape sequences: for colours, and to redraw a line.
	Colour bool
}

// New looks at what w is, and at NO_COLOR (no-color.org) and TERM.
func New(w io.Writer, lookup func(string) (string, bool)) Screen {
	terminal := IsTerminal(w)
	noColour, _ := lookup("NO_COLOR")
	kind, _ := lookup("TERM")
	return Screen{Writer: w, Terminal: terminal, Colour: terminal && noColour == "" && kind != "dumb"}
}

// IsTerminal reports whether of, a reader or a writer, is a terminal. It does not use Fd,
// which would put the file into blocking mode under whoever reads it later.
func IsTerminal(of any) bool {
	f, ok := of.(*os.File)
	if !ok {
		return false
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	is := false
	err = raw.Control(func(fd uintptr) { is = term.IsTerminal(int(fd)) })
	return err == nil && is
}

// Colour is how text looks where there is colour.
type Colour string

// The colours. Plain is none.
const (
	Plain Colour = ""
	Bold  Colour = "\x1b[1m"
	Red   Colour = "\x1b[31m"
	Green Colour = "\x1b[32m"

	dim Colour = "\x1b[2m"
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

// Table writes rows as they are: Clean what is from elsewhere. A label that is the same as
// the one before is not repeated on a terminal; in a pipe each line stands for itself.
func (s Screen) Table(rows []Row) {
	width := 0
	for _, r := range rows {
		width = max(width, utf8.RuneCountInString(r.Label))
	}
	last := ""
	for _, r := range rows {
		value := s.Paint(r.Colour, r.Value)
		if !s.Terminal {
			fmt.Fprintf(s, "%s: %s\n", r.Label, value)
			continue
		}
		label := r.Label
		if label == last {
			label = ""
		}
		last = r.Label
		fmt.Fprintf(s, "%s%s  %s\n", s.Paint(dim, label), strings.Repeat(" ", width-utf8.RuneCountInString(label)), value)
	}
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
// by tabs, and the heading is left out.
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
		widths[i] = utf8.RuneCountInString(h)
		for _, row := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i].Short))
		}
	}
	line := func(row []Cell) {
		var b strings.Builder
		for i, c := range row {
			text := Clean(c.Short)
			b.WriteString(s.Paint(c.Colour, text))
			if i+1 < len(row) {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)+2))
			}
		}
		fmt.Fprintln(s, strings.TrimRight(b.String(), " "))
	}
	top := make([]Cell, len(heading))
	for i, h := range heading {
		top[i] = Same(h, dim)
	}
	line(top)
	for _, row := range rows {
		line(row)
	}
}

// WriteJSON writes the other output format. Times in it are RFC 3339 in UTC.
func WriteJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
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
