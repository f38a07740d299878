package telemetrycmd

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

// screen writes what people read: plain lines in a pipe, aligned and with a little
// colour on a terminal.
type screen struct {
	io.Writer
	terminal bool
	colour   bool
}

// newScreen looks at what w is, and at NO_COLOR (no-color.org) and TERM.
func newScreen(w io.Writer, lookup func(string) (string, bool)) screen {
	s := screen{Writer: w}
	if f, ok := w.(*os.File); ok {
		s.terminal = isTerminal(f)
	}
	noColour, _ := lookup("NO_COLOR")
	kind, _ := lookup("TERM")
	s.colour = s.terminal && noColour == "" && kind != "dumb"
	return s
}

// isTerminal does not use Fd, which would put the file into blocking mode under
// whoever reads it later.
func isTerminal(f *os.File) bool {
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
	bold  colour = "\x1b[1m"
	dim   colour = "\x1b[2m"
	red   colour = "\x1b[31m"
	green colour = "\x1b[32m"
	plain colour = ""
)

func (s screen) paint(c colour, text string) string {
	if !s.colour || c == plain {
		return text
	}
	return string(c) + text + "\x1b[0m"
}

// row is one line of a table of two columns.
type row struct {
	label, value string
	colour       colour
}

// table writes rows. A label that is the same as the one before is not repeated on a
// terminal; in a pipe each line stands for itself.
func (s screen) table(rows []row) {
	width := 0
	for _, r := range rows {
		width = max(width, utf8.RuneCountInString(r.label))
	}
	last := ""
	for _, r := range rows {
		value := s.paint(r.colour, r.value)
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

// writeJSON is the other output format. Times are RFC 3339 in UTC.
func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// clean makes text from elsewhere, such as a server's answer, fit for a terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

func when(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

func count(n int, singular, plural string) string {
	if n == 1 {
		return "1 " + singular
	}
	return fmt.Sprintf("%d %s", n, plural)
}

func events(n int) string { return count(n, "event", "events") }

func size(bytes int64) string {
	switch {
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	case bytes >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10))
	}
	return count(int(bytes), "byte", "bytes")
}
