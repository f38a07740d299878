package console

import (
	"fmt"
	"strings"

	"github.com/gotoolbase/telemetry/internal/screen"
)

// Messages translates what is printed: each text by the English one, which may be a format of
// package fmt. A translation may take its arguments in another order, as in "%[2]s: %[1]s". A
// text that is not there stays English. MessageTexts lists all.
//
// What the author declares, such as the notice, and what a receiver answers is printed as it is.
type Messages map[string]string

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

// events is a number of events.
func (s *settings) events(n int) string { return s.count(n, "%d event", "%d events") }

// say prints a sentence to standard output.
func (c *call) say(format string, args ...any) { c.out.Line(screen.Plain, c.text(format, args...)) }
