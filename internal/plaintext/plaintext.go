// Package plaintext makes text that comes from elsewhere (a server, a file, another
// program) fit to be shown in a line of a terminal or kept in a line of a file.
package plaintext

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"
)

// Clean replaces by spaces what would end the line, command a terminal or turn the
// direction in which it is read, and invalid UTF-8 by a question mark.
func Clean(text string) string {
	for i := range len(text) {
		if text[i] < ' ' || text[i] >= 0x7f { // most texts are plain ASCII, and stay as they are
			return cleaned(text, "")
		}
	}
	return text
}

// Lines is Clean for text of several lines, such as a notice: line feeds stay.
func Lines(text string) string { return cleaned(text, "\n") }

func cleaned(text, kept string) string {
	return strings.Map(func(r rune) rune {
		if controls(r) && !strings.ContainsRune(kept, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// controls reports whether a rune is anything but text: the two blocks of control
// characters, line and paragraph separators, and the marks of the Unicode Bidirectional
// Algorithm (UAX #9, table 4).
func controls(r rune) bool {
	switch {
	case r < ' ', 0x7f <= r && r < 0xa0:
		return true
	case r == '\u2028', r == '\u2029', r == '\ufeff':
		return true
	case r == '\u061c', r == '\u200e', r == '\u200f', '\u202a' <= r && r <= '\u202e', '\u2066' <= r && r <= '\u2069':
		return true
	}
	return false
}

// JSON escapes in a JSON text what Clean would replace outside of ASCII, where it can only be
// in a string: its meaning stays, and a terminal that it is printed on obeys nothing.
func JSON(text []byte) []byte {
	if !bytes.ContainsFunc(text, func(r rune) bool { return r >= 0x7f && controls(r) }) {
		return text
	}
	var b []byte
	for _, r := range string(text) {
		if r >= 0x7f && controls(r) {
			b = fmt.Appendf(b, `\u%04x`, r)
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}

// Line is Clean, cut to a number of bytes: where something is cut off, an ellipsis says so.
func Line(text string, limit int) string {
	text = Clean(text)
	if len(text) <= limit {
		return text
	}
	return Cut(text, limit) + "…"
}

// Cut is Clean, cut to a number of bytes, for what is no prose: an ID, a name, an address.
func Cut(text string, limit int) string {
	text = Clean(text)
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// Bare returns err without the path that the os package puts into it, which may hold a
// user's name: what was tried, and the cause.
func Bare(err error) error {
	if op, cause := parts(err); cause != nil {
		return fmt.Errorf("%s: %w", op, cause)
	}
	return err
}

// Cause is Bare without what was tried, for callers that say it in their own words.
func Cause(err error) error {
	if _, cause := parts(err); cause != nil {
		return cause
	}
	return err
}

// parts takes apart the errors that hold a path.
func parts(err error) (op string, cause error) {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Op, e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Op, e.Err
	}
	return "", nil
}
