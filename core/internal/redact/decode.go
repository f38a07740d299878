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
		name := v[1:end]
		k := strings.Index(entities, " "+name+":")
		if name != "" && k >= 0 {
			return rune(entities[k+len(name)+2]), end + 1
		}
	}
	return 0, 0
}

// entities are those of HTML that stand in the way of a rule.
const entities = " quot:\" #34:\" #x22:\" apos:' #39:' lt:< gt:> amp:& #61:= #x3d:= #58:: #64:@ "

// spelled returns what the (at) or [dot] that v begins with stands for in an address, and
// its length with a space behind.
func spelled(v string) (r rune, n int) {
	v = v[:min(len(v), len("[dot] "))]
	if v[0] != '[' && v[0] != '(' {
		return 0, 0
	}
	end := strings.IndexAny(v, "])")
	switch {
	case end < 0:
		return 0, 0
	case equalFold("at", v[1:end]):
		r = '@'
	case equalFold("dot", v[1:end]):
		r = '.'
	default:
		return 0, 0
	}
	if n = end + 1; n < len(v) && isSpace(v[n]) {
		n++
	}
	return r, n
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
