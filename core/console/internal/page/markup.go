package page

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// html is markup that stands in this package's source. Only constants become one, so that no
// text from elsewhere is ever taken for markup.
type html string

// maxValue is how many bytes of a single value are shown: some lines of a narrow screen.
// Longer ones end in an ellipsis; bodies, events and notices have bounds of their own.
const maxValue = 600

// markup writes a document. The package html/template would do the same, and link reflection
// over the methods of everything in the tool.
type markup struct {
	b  strings.Builder
	tr func(string) string
}

// add writes a template, with a value in the place of each {}. Every value is cleaned, cut
// and escaped, both for text and for attributes in double quotes.
func (m *markup) add(template html, values ...string) {
	rest := string(template)
	for _, v := range values {
		before, after, _ := strings.Cut(rest, "{}")
		m.b.WriteString(before)
		m.escape(line(v))
		rest = after
	}
	m.b.WriteString(rest)
}

// line is a value in one line. What is far too long is not looked at to its end.
func line(value string) string {
	const most = 4 * maxValue // cleaning makes text shorter
	short := plaintext.Line(cut(value, most), maxValue)
	if len(value) > most && !strings.HasSuffix(short, "…") {
		short += "…"
	}
	return short
}

// escape writes text that is clean.
func (m *markup) escape(text string) {
	last := 0
	for i := range len(text) {
		var entity string
		switch text[i] {
		case '<':
			entity = "&lt;"
		case '>':
			entity = "&gt;"
		case '&':
			entity = "&amp;"
		case '"':
			entity = "&#34;"
		case '\'':
			entity = "&#39;"
		default:
			continue
		}
		m.b.WriteString(text[last:i])
		m.b.WriteString(entity)
		last = i + 1
	}
	m.b.WriteString(text[last:])
}

// say returns one of this package's sentences in the reader's language.
func (m *markup) say(text string, values ...any) string {
	if len(values) == 0 {
		return m.tr(text)
	}
	return fmt.Sprintf(m.tr(text), values...)
}

// lines writes text that has lines of its own, at most limit bytes of it.
func (m *markup) lines(text string, limit int) {
	shown := cut(text, limit)
	for i, line := range strings.Split(shown, "\n") {
		if i > 0 {
			m.b.WriteByte('\n')
		}
		m.escape(plaintext.Clean(strings.TrimSuffix(line, "\r")))
	}
}

// cutNote says under a text that was cut how much of it is shown.
func (m *markup) cutNote(text string, limit int) {
	if len(text) > limit {
		m.add(`<p class="cut">{}</p>`, m.say("Cut here: the first %s of %s are shown.", size(int64(limit)), size(int64(len(text)))))
	}
}

// restNote says under a list that was cut how much of it is shown.
func (m *markup) restNote(shown, total int) {
	if shown < total {
		m.add(`<p class="cut">{}</p>`, m.say("Shown here: %s of %s.", number(shown), number(total)))
	}
}

// cut returns at most limit bytes of text, and no part of a character.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// time writes a moment, for people in this machine's zone.
func (m *markup) time(at time.Time) {
	if at.IsZero() {
		m.add(`<span class="none" aria-label="{}">–</span>`, m.say("not known"))
		return
	}
	m.add(`<time datetime="{}">{}</time>`, at.UTC().Format(time.RFC3339), moment(at))
}

// moment is a time in this machine's zone.
func moment(at time.Time) string { return at.Local().Format("2006-01-02 15:04") }

// badge writes a word with its tone. The tone is never said by the colour alone.
func (m *markup) badge(tone Tone, words string) {
	m.add(`<span class="badge {}">{}</span>`, tone.class(), words)
}

func (t Tone) class() string {
	switch t {
	case Good:
		return "good"
	case Caution:
		return "caution"
	case Bad:
		return "bad"
	}
	return "neutral"
}

// number groups digits by narrow spaces, which every language reads.
func number(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return digits
}

// size is a number of bytes for people.
func size(bytes int64) string {
	switch {
	case bytes < 1<<10:
		return number(int(bytes)) + "\u202fB"
	case bytes < 1<<20:
		return number(int(bytes>>10)) + "\u202fKiB"
	}
	return strconv.FormatFloat(float64(bytes)/(1<<20), 'f', 1, 64) + "\u202fMiB"
}
