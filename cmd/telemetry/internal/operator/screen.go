package operator

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// screen writes what people read, as that of telemetrycmd does: aligned and with a little
// colour on a terminal, lines that stand for themselves in a pipe.
type screen struct {
	io.Writer
	terminal bool
	colour   bool
}

func (s surroundings) screen(w io.Writer) screen {
	terminal := isTerminal(w)
	noColour, _ := s.lookup("NO_COLOR")
	kind, _ := s.lookup("TERM")
	return screen{w, terminal, terminal && noColour == "" && kind != "dumb"}
}

// isTerminal does not use Fd, which would put the file into blocking mode.
func isTerminal(of any) bool {
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

type colour string

const (
	bold    colour = "\x1b[1m"
	dim     colour = "\x1b[2m"
	red     colour = "\x1b[31m"
	green   colour = "\x1b[32m"
	noPaint colour = ""
)

func (s screen) paint(c colour, text string) string {
	if !s.colour || c == noPaint || text == "" {
		return text
	}
	return string(c) + text + "\x1b[0m"
}

// row is one line of a table of two columns.
type row struct {
	label, value string
	colour       colour
}

func (s screen) table(rows []row) {
	width := 0
	for _, r := range rows {
		width = max(width, utf8.RuneCountInString(r.label))
	}
	last := ""
	for _, r := range rows {
		value := s.paint(r.colour, clean(r.value))
		if !s.terminal {
			fmt.Fprintf(s, "%s: %s\n", r.label, value)
			continue
		}
		label := r.label
		if label == last {
			label = ""
		}
		last = r.label
		fmt.Fprintf(s, "%s%s  %s\n", s.paint(dim, label), strings.Repeat(" ", width-utf8.RuneCountInString(label)), value)
	}
}

// cell is a field of a table with a heading. Programs that read a pipe get all of it.
type cell struct {
	short, full string
	colour      colour
}

func same(text string, c colour) cell { return cell{text, text, c} }

// grid writes a table with a heading. In a pipe, fields are separated by tabs, and the
// heading is left out.
func (s screen) grid(heading []string, rows [][]cell) {
	if !s.terminal {
		for _, row := range rows {
			fields := make([]string, len(row))
			for i, c := range row {
				fields[i] = clean(c.full)
			}
			fmt.Fprintln(s, strings.Join(fields, "\t"))
		}
		return
	}
	widths := make([]int, len(heading))
	for i, h := range heading {
		widths[i] = utf8.RuneCountInString(h)
		for _, row := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i].short))
		}
	}
	line := func(row []cell) {
		var b strings.Builder
		for i, c := range row {
			text := clean(c.short)
			b.WriteString(s.paint(c.colour, text))
			if i+1 < len(row) {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)+2))
			}
		}
		fmt.Fprintln(s, strings.TrimRight(b.String(), " "))
	}
	top := make([]cell, len(heading))
	for i, h := range heading {
		top[i] = same(h, dim)
	}
	line(top)
	for _, row := range rows {
		line(row)
	}
}

// writeJSON is the other output format. Times are RFC 3339 in UTC.
func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// clean makes text from elsewhere, such as a vendor's answer, fit for a terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

func when(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

// age is a duration in the one unit that matters.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "0s" // somebody's clock was ahead
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func count(n int64, singular, plural string) string {
	if n == 1 {
		return "1 " + singular
	}
	return fmt.Sprintf("%d %s", n, plural)
}
