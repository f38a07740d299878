package page

import "strings"

// maxDepth is how far JSON is indented. What is nested deeper stays on its line: a body of
// brackets alone would otherwise grow with the square of its size.
const maxDepth = 16

// maxColoured is how many tokens of a text are set apart. A body of small numbers alone would
// otherwise be thousands of elements, which keep a browser busy.
const maxColoured = 400

// json writes JSON in lines, with its keys set apart, and marks what was searched for. It
// changes nothing but the space between tokens. What only looks like JSON, or was cut, is
// written as far as it goes.
func (m *markup) json(text, search string) {
	depth, tokens := 0, 0
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case ' ', '\t', '\r', '\n':
			i++
		case '{', '[':
			m.b.WriteByte(c)
			i++
			depth++
			if next := skipSpace(text, i); next < len(text) && text[next] == c+2 { // "{}" or "[]"
				m.b.WriteByte(c + 2)
				i = next + 1
				depth--
				continue
			}
			m.newLine(depth)
		case '}', ']':
			depth = max(0, depth-1)
			m.newLine(depth)
			m.b.WriteByte(c)
			i++
		case ',':
			m.b.WriteByte(c)
			i++
			m.newLine(depth)
		case ':':
			m.b.WriteString(": ")
			i++
		default:
			end := tokenEnd(text, i)
			if tokens++; tokens <= maxColoured {
				m.token(text, i, end, search)
			} else {
				m.marked(text[i:end], search)
			}
			i = end
		}
	}
}

// token writes a string, a number or a word, each set apart.
func (m *markup) token(text string, from, end int, search string) {
	next := skipSpace(text, end)
	switch {
	case text[from] != '"':
		m.b.WriteString(`<span class="n">`)
	case next < len(text) && text[next] == ':':
		m.b.WriteString(`<span class="k">`)
	default:
		m.b.WriteString(`<span>`)
	}
	m.marked(text[from:end], search)
	m.b.WriteString(`</span>`)
}

func (m *markup) newLine(depth int) {
	if depth <= maxDepth {
		m.b.WriteByte('\n')
		m.b.WriteString(strings.Repeat("  ", depth))
	}
}

// tokenEnd is where the token ends that begins at from: at least one byte later.
func tokenEnd(text string, from int) int {
	if text[from] == '"' {
		for i := from + 1; i < len(text); i++ {
			switch text[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
		return len(text)
	}
	for i := from + 1; i < len(text); i++ {
		if strings.IndexByte("{}[],: \t\r\n\"", text[i]) >= 0 {
			return i
		}
	}
	return len(text)
}

func skipSpace(text string, i int) int {
	for i < len(text) && strings.IndexByte(" \t\r\n", text[i]) >= 0 {
		i++
	}
	return i
}

// looksLikeJSON reports whether text is to be laid out.
func looksLikeJSON(text string) bool {
	i := skipSpace(text, 0)
	return i < len(text) && (text[i] == '{' || text[i] == '[')
}
