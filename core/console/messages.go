package console

import (
	_ "embed" // for allTexts
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gotoolbase/telemetry/internal/screen"
)

// Messages translates what is printed: each text by the English one, which may be a format of
// package fmt. A translation may take its arguments in another order, as in "%[2]s: %[1]s". A
// text that is not there stays English; a test of the author's keeps their table complete with
// [Messages.Check]. Examples are in examples/translations; docs/how-to/translate.md tells how.
//
// What the author declares, such as the notice, and what a receiver answers is printed as it is.
// What core says of single cases stays English: faults, why something failed or waits, what has
// changed since a yes, and the type, the presence and, of the fields that every tool has, the
// purpose of a field. So do package flag's words about a wrong flag, what is written for programs
// (the names and states in JSON, the pages of schema, columns in a pipe), and how numbers and times
// are written.
type Messages map[string]string

// allTexts has all texts, one quoted Go string a line. A test holds it to the code.
//
//go:embed messages.txt
var allTexts string

// Check compares a table with the texts that there are, and returns those that it does not
// translate, and those of its keys that are no text: of an older version, or misspelt. A
// translation with other verbs of package fmt than its text is unknown too.
func (m Messages) Check() (missing, unknown []string) {
	known := map[string]bool{}
	for line := range strings.Lines(allTexts) {
		text, err := strconv.Unquote(strings.TrimSuffix(line, "\n"))
		if err != nil {
			continue
		}
		known[text] = true
		if m[text] == "" {
			missing = append(missing, text)
		}
	}
	for _, text := range slices.Sorted(maps.Keys(m)) {
		if !known[text] || !slices.Equal(verbs(text), verbs(m[text])) {
			unknown = append(unknown, text)
		}
	}
	return missing, unknown
}

// verbs returns the verbs of a format with the numbers of their arguments, sorted.
func verbs(format string) []string {
	var list []string
	next := 1
	for rest := format; ; {
		_, after, found := strings.Cut(rest, "%")
		if !found {
			slices.Sort(list)
			return list
		}
		verb := strings.IndexAny(after, "sdqvw%")
		if verb < 0 {
			return append(list, "broken")
		}
		flags := after[:verb]
		if n, ok := strings.CutPrefix(flags, "["); ok {
			next, _ = strconv.Atoi(strings.TrimSuffix(n, "]"))
		}
		if after[verb] != '%' {
			list = append(list, strconv.Itoa(next)+string(after[verb]))
			next++
		}
		rest = after[verb+1:]
	}
}

// text returns a text in the author's language.
func (s *settings) text(format string, args ...any) string {
	if translated, ok := s.messages[format]; ok {
		format = translated
	}
	if len(args) == 0 {
		return format
	}
	return fmt.Sprintf(format, args...)
}

// errorf is text as an error; with %w it wraps others.
func (s *settings) errorf(format string, args ...any) error {
	if translated, ok := s.messages[format]; ok {
		format = translated
	}
	return fmt.Errorf(format, args...)
}

// count returns one of two texts, whose first argument is n.
func (s *settings) count(n int, one, many string, args ...any) string {
	format := many
	if n == 1 {
		format = one
	}
	if !strings.Contains(s.text(format), "%") {
		return s.text(format) // it says the number in a word, or need not
	}
	return s.text(format, append([]any{n}, args...)...)
}

// countErrorf is count as an error.
func (s *settings) countErrorf(n int, one, many string, args ...any) error {
	format := many
	if n == 1 {
		format = one
	}
	return s.errorf(format, append([]any{n}, args...)...)
}

// translatedError is an error of core that is put into sentences of this package, in the
// author's language.
type translatedError struct {
	text string
	err  error
}

func (e translatedError) Error() string { return e.text }
func (e translatedError) Unwrap() error { return e.err }

// inWords translates an error of core.
func (s *settings) inWords(err error) error { return translatedError{s.text(err.Error()), err} }

// events is a number of events.
func (s *settings) events(n int) string { return s.count(n, "%d event", "%d events") }

// forColumns is the call in English where a program reads what it prints in columns: these must
// not depend on the language of the person who runs the program.
func (c *call) forColumns() *call {
	if c.out.Terminal {
		return c
	}
	english, set := *c, *c.settings
	set.messages = nil
	english.settings = &set
	return &english
}

// say prints a sentence to standard output.
func (c *call) say(format string, args ...any) { c.out.Line(screen.Plain, c.text(format, args...)) }
