package screen

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PageWidth is how wide text is set where nothing says how wide it may be, and on a terminal
// that is wider: longer lines are hard to read.
const PageWidth = 78

// widestLine is where a sentence ends on a wide terminal that stands alone. It is wider than a page,
// so that the command which many of them name can be copied in one piece.
const widestLine = 100

// Paragraph writes text with line breaks.
func (s Screen) Paragraph(text string) { s.Item("", text) }

// Item writes a paragraph with a mark before its first line, under which the others begin.
func (s Screen) Item(mark, text string) {
	room := PageWidth
	if s.Columns > 0 {
		room = min(room, s.Columns)
	}
	for i, line := range Wrap(text, room-Width(mark)) {
		if i > 0 {
			mark = strings.Repeat(" ", Width(mark))
		}
		_, _ = s.Write([]byte(strings.TrimRight(mark+line, " ") + "\n"))
	}
}

// Line writes a sentence in a colour, cleaned: with line breaks on a terminal, in one line
// elsewhere.
func (s Screen) Line(c Colour, text string) {
	lines := []string{Clean(text)}
	if s.Columns > 0 {
		lines = Wrap(text, min(s.Columns, widestLine))
	}
	for _, line := range lines {
		_, _ = s.Write([]byte(s.Paint(c, line) + "\n"))
	}
}

// Text writes text that somebody has laid out: its lines stay, and on a terminal those that are
// too long are broken, under their own indentation.
func (s Screen) Text(text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(Clean(strings.TrimRight(line, "\r\n")), " ")
		rest := strings.TrimLeft(line, " ")
		if s.Columns == 0 || Width(line) <= s.Columns {
			_, _ = s.Write([]byte(line + "\n"))
			continue
		}
		s.Item(line[:len(line)-len(rest)], rest)
	}
}

// Help writes the help of a command: its lines stay where they fit. On a terminal that is too
// narrow for one, a paragraph is set anew, and what stands beside the names of commands or of flags
// stays in its column, or comes under all the names of a list where that leaves one too little.
func (s Screen) Help(text string) {
	if s.Columns == 0 {
		s.Text(text)
		return
	}
	var paragraph []string
	var list []entry
	end := func() {
		if slices.ContainsFunc(paragraph, func(line string) bool { return Width(line) > s.Columns }) {
			s.Paragraph(joined(paragraph))
		} else {
			s.Text(strings.Join(paragraph, "\n"))
		}
		s.list(list)
		paragraph, list = nil, nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(Clean(strings.TrimRight(line, "\r\n")), " ")
		switch {
		case line == "":
			end()
			_, _ = s.Write([]byte("\n"))
		case line[0] == ' ':
			if paragraph != nil {
				end()
			}
			list = append(list, newEntry(line, list))
		default:
			if list != nil {
				end()
			}
			paragraph = append(paragraph, line)
		}
	}
	end()
}

// entry is a line of a list: a name with the spaces around it, "" where there is nothing beside
// one, and what is.
type entry struct{ line, name, beside string }

// newEntry splits a line of a list. What goes on with the line before has a name of spaces; the
// longest name may have but one space behind it.
func newEntry(line string, before []entry) entry {
	inner := strings.TrimLeft(line, " ")
	indent := line[:len(line)-len(inner)]
	if strings.HasPrefix(inner, "# ") && len(indent) > len(underName) {
		return entry{line, indent, inner}
	}
	if len(before) > 0 {
		column := Width(before[len(before)-1].name)
		word, _, _ := strings.Cut(inner, " ")
		for _, name := range []string{indent, indent + word + " "} {
			if column > 0 && Width(name) == column && strings.HasPrefix(line, name) {
				return entry{line, name, line[len(name):]}
			}
		}
	}
	gap := strings.Index(inner, "  ")
	if gap < 0 {
		return entry{line: line}
	}
	beside := strings.TrimLeft(inner[gap:], " ")
	return entry{line, strings.TrimSuffix(line, beside), beside}
}

// underName is how far in stands what is beside a name elsewhere.
const underName = "        "

// list writes the lines of one list, all of them in the same way.
func (s Screen) list(entries []entry) {
	under := slices.ContainsFunc(entries, func(e entry) bool {
		return Width(e.line) > s.Columns && e.name != "" && s.Columns-Width(e.name) < leastBeside
	})
	for _, e := range entries {
		name := strings.TrimRight(e.name, " ")
		switch {
		case e.name == "" || !under && Width(e.line) <= s.Columns:
			s.line(e.line)
		case !under:
			s.beside(e.name, e.beside)
		default:
			if name != "" {
				s.line(name)
			}
			s.beside(underName, e.beside)
		}
	}
}

// line writes a line of a list. What goes on with one that is too wide stands further in: it is no
// line of its own, such as another example. What stands under a name is none already.
func (s Screen) line(text string) {
	if Width(text) <= s.Columns {
		_, _ = s.Write([]byte(text + "\n"))
		return
	}
	rest := strings.TrimLeft(text, " ")
	indent := text[:len(text)-len(rest)]
	if strings.HasPrefix(rest, "# ") {
		s.beside(indent, rest)
		return
	}
	first := Wrap(rest, s.Columns-len(indent))[0]
	_, _ = s.Write([]byte(indent + first + "\n"))
	if rest = strings.TrimPrefix(rest, first); rest != "" {
		if len(indent) < len(underName) {
			indent += "    "
		}
		s.Item(indent, rest)
	}
}

// beside writes what stands beside a name. A comment goes on as one.
func (s Screen) beside(name, text string) {
	const hash = "# "
	comment, is := strings.CutPrefix(text, hash)
	if !is {
		s.Item(name, text)
		return
	}
	for _, part := range Wrap(comment, s.Columns-Width(name)-len(hash)) {
		_, _ = s.Write([]byte(name + hash + part + "\n"))
		name = strings.Repeat(" ", Width(name))
	}
}

// leastBeside is the least room beside a name in which words do not stand one under the other.
const leastBeside = 20

// joined makes one line of a paragraph. Scripts that write no spaces have none at a line's end.
func joined(lines []string) string {
	text := ""
	for _, line := range lines {
		last, _ := utf8.DecodeLastRuneInString(text)
		first, _ := utf8.DecodeRuneInString(line)
		if text != "" && !(isIdeographic(last) && isIdeographic(first)) {
			text += " "
		}
		text += line
	}
	return text
}

// Wrap breaks text into lines of at most so many columns: between words and, in scripts that
// write none, between characters. A word that is longer has a line of its own: what a person
// copies, such as a path, is left in one piece. There is always one line.
func Wrap(text string, columns int) []string {
	var lines []string
	line, used := "", 0
	for _, piece := range pieces(text) {
		gap := 0
		if piece.spaced && used > 0 {
			gap = 1
		}
		n := Width(piece.text)
		if used > 0 && used+gap+n > columns {
			lines = append(lines, line)
			line, used, gap = "", 0, 0
		}
		line += strings.Repeat(" ", gap) + piece.text
		used += gap + n
	}
	return append(lines, line)
}

// piece is what no line break parts. spaced says that there was a space before it.
type piece struct {
	text   string
	spaced bool
}

// pieces splits words, and those of scripts without spaces into characters. Marks that end
// something stay with what is before them, those that begin something with what follows.
func pieces(text string) (list []piece) {
	for _, word := range strings.Fields(Clean(text)) {
		begin, spaced := 0, true
		runes := []rune(word)
		for i := 1; i <= len(runes); i++ {
			if i < len(runes) && !mayBreak(runes[i-1], runes[i]) {
				continue
			}
			list = append(list, piece{string(runes[begin:i]), spaced})
			begin, spaced = i, false
		}
	}
	return list
}

// closing are characters before which no line begins, opening those after which none ends:
// what the Japanese rules (JIS X 4051) agree on with everybody's sense.
const (
	closing = "、。，．：；！？）」』】〉》〕］｝ー々ァィゥェォッャュョぁぃぅぇぉっゃゅょ…,.:;!?)]}"
	opening = "（「『【〈《〔［｛([{"
)

func mayBreak(before, after rune) bool {
	if !isIdeographic(before) && !isIdeographic(after) {
		return false
	}
	return !strings.ContainsRune(closing, after) && !strings.ContainsRune(opening, before) && columnsOf(after) > 0
}

// isIdeographic reports whether a script without spaces has the rune.
func isIdeographic(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) || 0x3000 <= r && r <= 0x303f || 0xff00 <= r && r <= 0xff60
}

// Width returns how many columns of a terminal a text takes.
func Width(text string) (columns int) {
	for _, r := range text {
		columns += columnsOf(r)
	}
	return columns
}

// Cut shortens a text to so many columns, 0 for as many as it takes: an ellipsis says that
// something is cut off.
func Cut(text string, columns int) string {
	if columns <= 0 || Width(text) <= columns {
		return text
	}
	used := 1 // the ellipsis
	for i, r := range text {
		if used += columnsOf(r); used > columns {
			return text[:i] + "…"
		}
	}
	return text
}

// wide are the blocks whose characters take two columns: East Asian Width W and F (Unicode
// Standard Annex #11), and the emoji that terminals show so, in ranges that hold nothing
// narrow that is in use.
var wide = [][2]rune{
	{0x1100, 0x115f}, {0x231a, 0x231b}, {0x23e9, 0x23ec}, {0x2614, 0x2615}, {0x2648, 0x2653}, {0x26a1, 0x26a1},
	{0x26bd, 0x26be}, {0x2705, 0x2705}, {0x274c, 0x274c}, {0x2753, 0x2757}, {0x2795, 0x2797}, {0x2b50, 0x2b55},
	{0x2e80, 0x303e}, {0x3041, 0x33ff}, {0x3400, 0x4dbf}, {0x4e00, 0x9fff}, {0xa000, 0xa4cf}, {0xa960, 0xa97f},
	{0xac00, 0xd7a3}, {0xf900, 0xfaff}, {0xfe10, 0xfe19}, {0xfe30, 0xfe6f}, {0xff01, 0xff60}, {0xffe0, 0xffe6},
	{0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
}

func columnsOf(r rune) int {
	const firstWide = 0x1100
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r < firstWide:
		return 1
	}
	_, is := slices.BinarySearchFunc(wide, r, func(block [2]rune, r rune) int {
		switch {
		case block[1] < r:
			return -1
		case block[0] > r:
			return 1
		}
		return 0
	})
	if is {
		return 2
	}
	return 1
}
