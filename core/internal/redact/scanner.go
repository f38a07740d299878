package redact

import "strings"

// The markers. None holds a space, so that each is part of one word only.
const (
	markPath   = "<path>"
	markURL    = "<url>"
	markEmail  = "<email>"
	markIP     = "<ip>"
	markMAC    = "<mac>"
	markSecret = "<secret>"
	markUser   = "<user>"
	markHost   = "<host>"
	markQuoted = "<quoted>"
	markName   = "<name>"
	markNumber = "<number>"
	markArg    = "<arg>"
	markMore   = "<more>"
	markCut    = "<cut>"
)

// marker returns the length of the marker that v begins with, 0 if there is none.
func marker(v string) int {
	for _, m := range [...]string{
		markPath, markURL, markEmail, markIP, markMAC, markSecret, markUser, markHost, markQuoted, markName, markNumber,
		markArg, markMore, markCut,
	} {
		if strings.HasPrefix(v, m) {
			return len(m)
		}
	}
	return 0
}

// scanner goes over a text once, from left to right.
//
// A text is read as chunks, which end at a space, a quotation mark, < or >; chunks as
// words, which also end at other signs that no path or address holds; words as parts
// between colons. A marker ends them all. What a URL or a secret is told by the chunk,
// the rest by the word or the part.
type scanner struct {
	names  []name
	strict bool   // An error text.
	paths  bool   // An absolute path came by: what has a slash may be its rest.
	v      string // The text.
	done   int    // How much of it is kept, as long as all is.
	dst    []byte // What is left of it, once something was taken out.
}

// keep passes on what comes next in the text.
func (s *scanner) keep(text string) {
	if s.dst == nil {
		s.done += len(text)
		return
	}
	s.dst = append(s.dst, text...)
}

// mark puts a marker in the place of what comes next.
func (s *scanner) mark(marker string) {
	if s.dst == nil {
		s.dst = make([]byte, 0, len(s.v)+spare)
		s.dst = append(s.dst, s.v[:s.done]...)
	}
	s.dst = append(s.dst, marker...)
}

// spare is room for the first markers that are longer than what they replace.
const spare = 32

// scan goes over the text and returns what is left of it.
func (s *scanner) scan() string {
	s.text(s.v)
	if s.dst == nil {
		return s.v
	}
	return string(s.dst)
}

func (s *scanner) text(v string) {
	chunk := 0 // The end of the last chunk that was looked at as a whole.
	for i := 0; i < len(v); {
		if v[i] == '<' {
			if n := marker(v[i:]); n > 0 {
				s.paths = s.paths || v[i:i+n] == markPath
				s.keep(v[i : i+n])
				i += n
				continue
			}
		}
		if s.strict {
			if end := quotation(v, i); end > 0 {
				s.mark(markQuoted)
				i = beyond(v, i, end)
				continue
			}
		}
		if !inWord(v[i]) {
			s.keep(v[i : i+1])
			i++
			continue
		}
		if i >= chunk {
			chunk = chunkEnd(v, i)
			if userinfo(v[i:chunk]) {
				s.mark(markSecret)
				i = beyond(v, i, chunk)
				continue
			}
		}
		i = s.word(v, i, s.wordEnd(v, i))
	}
}

// word scrubs the word v[i:end], with what belongs to it behind, and returns where the
// text goes on.
func (s *scanner) word(v string, i, end int) int {
	word := v[i:end]
	if harmless(s.names, word) && secretValue(v, i, end) == 0 {
		if s.isPath(word) {
			s.mark(markPath) // In an error text, or behind another.
		} else {
			s.rest(word)
		}
		return end
	}
	if strings.Contains(word, pem) {
		s.mark(markSecret)
		return len(v)
	}
	start := i
	for k := i; k <= end; k++ {
		if k < end && v[k] != ':' {
			continue
		}
		if value := secretValue(v, start, k); value > 0 {
			s.parts(v[i:k])
			s.keep(v[k:value])
			if value < len(v) {
				s.mark(markSecret)
			}
			return secretEnd(v, value, v[start:k])
		}
		if strings.HasPrefix(v[k:], "://") {
			break
		}
		start = k + 1
	}
	if k := strings.Index(word, "://"); k >= 0 {
		begin := k
		for begin > 0 && inScheme(word[begin-1]) {
			begin--
		}
		s.parts(word[:begin])
		if strings.EqualFold(word[begin:k], "file") {
			s.mark(markPath)
		} else {
			s.mark(markURL)
		}
		return beyond(v, i, chunkEnd(v, end))
	}
	s.parts(word)
	return end
}

// parts scrubs a word, or a piece of one, part by part.
func (s *scanner) parts(w string) {
	if windowsPath(w) {
		s.paths = true
		s.mark(markPath)
		return
	}
	if len(w) >= minForm && (secretForm(w) || random(w)) {
		s.mark(markSecret)
		return
	}
	for {
		// An address with colons may stand behind a part of another kind: "host:fe80::1".
		if m := colonAddress(w); m != "" {
			s.mark(m)
			return
		}
		k := strings.IndexByte(w, ':')
		if k < 0 {
			s.part(w)
			return
		}
		s.part(w[:k])
		s.keep(":")
		w = w[k+1:]
	}
}

// part scrubs what holds no colon.
func (s *scanner) part(w string) {
	for {
		k := strings.IndexByte(w, '@')
		if k <= 0 || k+1 == len(w) {
			break
		}
		if !version(w[k+1:]) {
			s.mark(markEmail)
			return
		}
		s.local(w[:k])
		s.keep("@")
		w = w[k+1:]
	}
	s.local(w)
}

// local scrubs what is no e-mail address either.
func (s *scanner) local(w string) {
	switch {
	case hasIPv4(w):
		s.mark(markIP)
		return
	case s.isPath(w):
		s.mark(markPath)
		return
	}
	for w != "" {
		which, at := find(s.names, w)
		if at < 0 {
			break
		}
		s.rest(w[:at])
		s.mark(s.names[which].marker)
		w = w[at+len(s.names[which].text):]
	}
	s.rest(w)
}

// isPath reports that w is a path, or may be the rest of one.
func (s *scanner) isPath(w string) bool {
	slash := strings.IndexByte(w, '/') >= 0
	if !slash && (w == "" || w[0] != '~') {
		return false
	}
	if absolute(w) {
		s.paths = true
		return true
	}
	// Short ones are no paths but "i/o" and "n/a".
	if slash && len(w) > 3 && (s.strict || s.paths) {
		return strings.Trim(w, "/") != ""
	}
	_, at := find(s.names, w)
	return slash && at >= 0
}

// rest scrubs what no other rule applied to.
func (s *scanner) rest(w string) {
	switch {
	case s.strict && dotted(w):
		s.mark(markName)
	case s.strict && longNumber(w):
		s.mark(markNumber)
	default:
		s.keep(w)
	}
}

// chunkEnd returns the end of the chunk that holds i.
func chunkEnd(v string, i int) int {
	for i < len(v) && !isSpace(v[i]) && !isQuote(v[i]) && v[i] != '<' && v[i] != '>' {
		i++
	}
	return i
}

// wordEnd returns the end of the word that begins at i.
func (s *scanner) wordEnd(v string, i int) int {
	for i++; i < len(v) && inWord(v[i]); i++ {
		// Other scripts' quotation marks count where quotations do.
		if s.strict && v[i] >= 0x80 && quotation(v, i) > 0 {
			break
		}
	}
	return i
}

// runEnd returns the next space at or behind i.
func runEnd(v string, i int) int {
	for i < len(v) && !isSpace(v[i]) {
		i++
	}
	return i
}

// afterSpaces returns the next byte at or behind i that is no space.
func afterSpaces(v string, i int) int {
	for i < len(v) && isSpace(v[i]) {
		i++
	}
	return i
}

// quotation returns the end of the quotation that begins at i, 0 if none does. One
// that is not closed goes on to the end of the text.
func quotation(v string, i int) int {
	switch c := v[i]; c {
	case '"', '`':
		return quotationEnd(v, i+1, string(rune(c)))
	case '\'':
		if i > 0 && (isAlnum(v[i-1]) || v[i-1] >= 0x80) {
			return 0 // An apostrophe.
		}
		return quotationEnd(v, i+1, "'")
	case "“"[0]:
		for _, pair := range [...]struct{ open, close string }{
			{"“", "”"}, {"„", "“"}, {"‘", "’"}, {"‚", "‘"}, {"‹", "›"},
		} {
			if strings.HasPrefix(v[i:], pair.open) {
				return quotationEnd(v, i+len(pair.open), pair.close)
			}
		}
	case "«"[0]:
		if strings.HasPrefix(v[i:], "«") {
			return quotationEnd(v, i+len("«"), "»")
		}
	}
	return 0
}

func quotationEnd(v string, i int, mark string) int {
	for ; i < len(v); i++ {
		if v[i] == '\\' && mark == `"` {
			i++ // As in Go, C and JSON.
			continue
		}
		if !strings.HasPrefix(v[i:], mark) {
			continue
		}
		end := i + len(mark)
		if mark == "'" && end < len(v) && (isAlnum(v[end]) || v[end] >= 0x80) {
			continue // An apostrophe.
		}
		return end
	}
	return len(v)
}

func isSpace(c byte) bool { return c == ' ' }

func isQuote(c byte) bool { return c == '"' || c == '\'' || c == '`' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }

// isLetter counts every byte of another script as a letter.
func isLetter(c byte) bool { return isLower(c|0x20) || c >= 0x80 }

func isAlnum(c byte) bool { return isDigit(c) || isLower(c|0x20) }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func lower(c byte) byte {
	if isUpper(c) {
		return c | 0x20
	}
	return c
}

// inWord holds for letters, digits and the signs that paths and addresses are made of.
func inWord(c byte) bool {
	if isAlnum(c) || c >= 0x80 {
		return true
	}
	switch c {
	case '_', '.', '-', '/', '\\', ':', '@', '~', '+', '%', '#', '$':
		return true
	}
	return false
}

func inScheme(c byte) bool { return isAlnum(c) || c == '+' || c == '.' || c == '-' }
