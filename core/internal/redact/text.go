package redact

// How a text is read. Every function here looks at bytes; those of other scripts count
// as letters. What has a loop and is called from many places is kept from being inlined
// there: every tool links this package.

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

// The bytes of a word, as bits: letters, digits and the signs that paths and addresses
// are made of.
const (
	wordLow  uint64 = 0x3ff<<'0' | 1<<'.' | 1<<'-' | 1<<'/' | 1<<':' | 1<<'+' | 1<<'%' | 1<<'#' | 1<<'$'
	wordHigh uint64 = 0x3ffffff<<('A'-64) | 0x3ffffff<<('a'-64) | 1<<('_'-64) | 1<<('\\'-64) | 1<<('@'-64) | 1<<('~'-64)
)

func inWord(c byte) bool {
	switch {
	case c < 64:
		return wordLow>>c&1 != 0
	case c < 128:
		return wordHigh>>(c-64)&1 != 0
	}
	return true
}

func inScheme(c byte) bool { return isAlnum(c) || c == '+' || c == '.' || c == '-' }

// inName holds for what the name of a host or of an account is made of.
func inName(c byte) bool { return isAlnum(c) || c == '-' || c == '.' || c == '_' }

// chunkEnd returns the end of the chunk that holds i.
//
//go:noinline
func chunkEnd(v string, i int) int {
	const ends uint64 = 1<<' ' | 1<<'"' | 1<<'\'' | 1<<'<' | 1<<'>'
	for i < len(v) && (v[i] >= 64 || ends>>v[i]&1 == 0) && v[i] != '`' {
		i++
	}
	return i
}

// runEnd returns the next space at or behind i.
//
//go:noinline
func runEnd(v string, i int) int {
	for i < len(v) && !isSpace(v[i]) {
		i++
	}
	return i
}

// nameEnd returns the end of the name that begins at i, without the dot of a sentence.
//
//go:noinline
func nameEnd(v string, i int) int {
	start := i
	for i < len(v) && inName(v[i]) {
		i++
	}
	for i > start && v[i-1] == '.' {
		i--
	}
	return i
}

// afterSpaces returns the next byte at or behind i that is no space.
//
//go:noinline
func afterSpaces(v string, i int) int {
	for i < len(v) && isSpace(v[i]) {
		i++
	}
	return i
}

// afterQuotes returns the next byte at or behind i that is neither a quotation mark nor
// a backslash before one: \"password\" is how one language writes another's.
//
//go:noinline
func afterQuotes(v string, i int) int {
	for i < len(v) && (isQuote(v[i]) || escapedQuote(v, i)) {
		i++
	}
	return i
}

// escapedQuote reports that v[i] is a backslash that only guards a quotation mark.
//
//go:noinline
func escapedQuote(v string, i int) bool {
	if v[i] != '\\' {
		return false
	}
	for i < len(v) && v[i] == '\\' {
		i++
	}
	return i < len(v) && (v[i] == '"' || v[i] == '\'')
}

// wordBefore returns the word that ends before i, with no more than spaces between.
//
//go:noinline
func wordBefore(v string, i int) (start, end int) {
	const most = 32 // Longer than any word that is asked for.
	for i > 0 && isSpace(v[i-1]) {
		i--
	}
	end = i
	for i > 0 && end-i < most && !isSpace(v[i-1]) {
		i--
	}
	return i, end
}

// equalFold reports that word is lowered but for its case.
//
//go:noinline
func equalFold(lowered, word string) bool {
	if len(lowered) != len(word) {
		return false
	}
	for i := range len(word) {
		if lower(word[i]) != lowered[i] {
			return false
		}
	}
	return true
}

// hasAt reports that text stands at i.
//
//go:noinline
func hasAt(v string, i int, text string) bool {
	return i >= 0 && i <= len(v)-len(text) && v[i:i+len(text)] == text
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
	case '\\':
		if escapedQuote(v, i) {
			end := i
			for v[end] == '\\' {
				end++
			}
			return quotationEnd(v, end+1, v[i:end+1])
		}
	case "“"[0]:
		for _, pair := range [...]struct{ open, close string }{
			{"“", "”"}, {"„", "“"}, {"‘", "’"}, {"‚", "‘"}, {"‹", "›"},
		} {
			if hasAt(v, i, pair.open) {
				return quotationEnd(v, i+len(pair.open), pair.close)
			}
		}
	case "«"[0]:
		if hasAt(v, i, "«") {
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
		if !hasAt(v, i, mark) {
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
