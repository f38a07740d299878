package redact

import (
	"strings"
	"unicode/utf8"
)

// decoded returns v without its escapes, once: %3D of URLs, &quot; of HTML, \u0022 and
// \x22 of programs. It is never longer than v.
func decoded(v string) string {
	if strings.IndexByte(v, '%') < 0 && strings.IndexByte(v, '&') < 0 && strings.IndexByte(v, '\\') < 0 &&
		strings.IndexByte(v, '[') < 0 && strings.IndexByte(v, '(') < 0 {
		return v
	}
	var out []byte
	for i := 0; i < len(v); {
		r, n := escape(v[i:])
		if n == 0 && isSpace(v[i]) && i+1 < len(v) {
			if r, n = spelled(v[i+1:]); n > 0 {
				n++
			}
		}
		if n == 0 {
			if out != nil {
				out = append(out, v[i])
			}
			i++
			continue
		}
		if out == nil {
			out = append(make([]byte, 0, len(v)), v[:i]...)
		}
		if v[i] == '%' {
			out = append(out, byte(r))
		} else {
			out = utf8.AppendRune(out, r)
		}
		i += n
	}
	if out == nil {
		return v
	}
	return string(out)
}

// escape returns what the escape that v begins with stands for, and its length, which
// is 0 if none does.
func escape(v string) (r rune, n int) {
	switch v[0] {
	case '[', '(':
		return spelled(v)
	case '%':
		if r, ok := hexRune(v, 1, 2); ok {
			return r, 3
		}
	case '\\':
		if len(v) < 2 || v[1] != 'u' && v[1] != 'x' {
			return 0, 0
		}
		digits := 2
		if v[1] == 'u' {
			digits = 4
		}
		if r, ok := hexRune(v, 2, digits); ok {
			return r, 2 + digits
		}
	case '&':
		end := strings.IndexByte(v[:min(len(v), len("&quot;")+2)], ';')
		if end < 0 {
			return 0, 0
		}
		for _, entity := range [...]struct {
			name string
			r    rune
		}{{"quot", '"'}, {"apos", '\''}, {"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"#34", '"'}, {"#39", '\''}, {"#61", '='}, {"#58", ':'}, {"#64", '@'}, {"#x22", '"'}, {"#x3d", '='}} {
			if equalFoldString(entity.name, v[1:end]) {
				return entity.r, end + 1
			}
		}
	}
	return 0, 0
}

// spelled returns what the (at) or [dot] that v begins with stands for in an address, and
// its length with a space behind.
func spelled(v string) (r rune, n int) {
	if v[0] != '[' && v[0] != '(' {
		return 0, 0
	}
	for _, word := range [...]struct {
		name string
		r    rune
	}{{"at", '@'}, {"dot", '.'}} {
		end := 1 + len(word.name)
		if len(v) <= end || !equalFold(word.name, v[1:end]) || v[end] != ']' && v[end] != ')' {
			continue
		}
		if end++; end < len(v) && isSpace(v[end]) {
			end++
		}
		return word.r, end
	}
	return 0, 0
}

// hexRune reads hexadecimal digits at i.
func hexRune(v string, i, digits int) (r rune, ok bool) {
	if len(v) < i+digits {
		return 0, false
	}
	for _, c := range []byte(v[i : i+digits]) {
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case isHex(c):
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
