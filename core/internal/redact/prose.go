package redact

import "strings"

// What is announced in sentences and on command lines, where only a space stands
// between a name and its value. Most words that follow "password" are none: "password
// expired". So either the sentence must say that one follows, or it must look like one.

// schemeValue returns the credentials that follow "Bearer" and its like.
func schemeValue(v, key string, at int) value {
	end := runEnd(v, at)
	word := v[at:end]
	switch {
	case equalFold("bearer", key) && !is(wordNoBearer, trimmed(word)):
	case equalFold("basic", key) && credentials(word) && !strings.HasPrefix(word, "realm="): // Which is a word too.
	default:
		return value{}
	}
	return value{at, secretEnd(v, at, ""), markSecret}
}

// scheme reports that w names a way to log in, which credentials follow.
func scheme(w string) bool {
	return spoken(w) == wordSaysScheme || equalFold("token", w) || equalFold("negotiate", w)
}

// credentials reports that w may be base64 rather than a word.
func credentials(w string) bool {
	for i := range len(w) {
		if isUpper(w[i]) || isDigit(w[i]) || w[i] == '=' {
			return true
		}
	}
	return false
}

// prose returns the password that follows the word v[from:to] in a sentence. english says
// that the sentence's other words are known, so that what they are not is the password.
func prose(v string, from, to, at int, english bool) value {
	told, verb := false, false // told: that one follows.
	for range 4 {              // "is", "is:", "for zoe is", "was set to"
		end := runEnd(v, at)
		word := strings.TrimRight(v[at:end], ":")
		next := afterSpaces(v, end)
		switch {
		case next == len(v):
		case is(wordBecomes, word):
			told, verb = false, true
		case is(wordFor, word): // Whose it is, and then "is".
			if then := isWord(v, next); then > 0 || !verb {
				next = then
			}
		case is(wordIs, word):
			told = told || english || v[end-1] == ':'
		default:
			next = 0
		}
		if next == 0 || next == len(v) {
			break
		}
		at = next
	}
	end := runEnd(v, at)
	word := trimmed(v[at:end])
	switch c := v[at]; {
	case marker(v[at:]) > 0:
		return value{}
	case isQuote(c), escapedQuote(v, at):
		if end := afterQuotes(v, at); end == len(v) || end > at+2 {
			return value{}
		}
	case looksSecret(v, at):
	case c == '(':
		return value{}
	case equalFold("pin", v[from:to]), equalFold("otp", v[from:to]):
		if !isDigit(c) || len(word) < 4 {
			return value{}
		}
	case told, english && passwordExpected(v, from):
		if is(wordProse, word) || is(wordStatus, word) || participle(word) || !hasAlnum(word) {
			return value{}
		}
	default:
		return value{}
	}
	end = secretEnd(v, at, v[from:to])
	if hasAt(v, end, " to ") && looksSecret(v, end+len(" to ")) {
		end = runEnd(v, end+len(" to ")) // changed from … to …
	}
	return value{at, end, markSecret}
}

// isWord returns where the word "is" stands that a few words at i are followed by, 0 if
// none does.
func isWord(v string, i int) int {
	for range 4 {
		i = afterSpaces(v, runEnd(v, i))
		if i < len(v) && isWordAt(v, i) {
			return i
		}
	}
	return 0
}

// isWordAt reports that "is" or its like stands at i, with or without a colon.
func isWordAt(v string, i int) bool {
	return i < len(v) && is(wordIs, strings.TrimRight(v[i:runEnd(v, i)], ":"))
}

// codeKey reports that v[from:to] is the word "code" of a number that one logs in with.
func codeKey(v string, from, to int) bool {
	if !equalFold("code", v[from:to]) {
		return false
	}
	start, end := wordBefore(v, from)
	return is(wordCodeBefore, v[start:end])
}

// codeValue returns the code at i, which the word "is" may stand before.
func codeValue(v string, i int) value {
	if isWordAt(v, i) {
		i = afterSpaces(v, runEnd(v, i))
	}
	end := i
	for end < len(v) && isDigit(v[end]) {
		end++
	}
	if end-i < 4 {
		return value{}
	}
	return value{i, end, markSecret}
}

// passwordExpected reports that what stands before the word "password" at i makes its
// value follow: "with password …", "login zoe password …".
func passwordExpected(v string, i int) bool {
	start, end := wordBefore(v, i)
	if is(wordPasswordBefore, v[start:end]) {
		return true
	}
	if equalFold("and", v[start:end]) {
		start, _ = wordBefore(v, start)
	}
	start, end = wordBefore(v, start)
	return is(wordLoginBefore, v[start:end])
}

// participle reports that a word has the end of what is said of things: "encrypted".
func participle(word string) bool {
	const shortest = 6
	return len(word) >= shortest && (endsIn(word, "ed") || endsIn(word, "able") || endsIn(word, "ible") || endsIn(word, "ing"))
}

// looksSecret reports that what begins at i looks like a secret rather than a word or a
// version: letters with digits or signs among them.
func looksSecret(v string, i int) bool {
	const shortest = 6 // "v1.2", "p50" and "md5" are none.
	letters, digits, signs, dots, start := 0, 0, 0, 0, i
	for ; i < len(v) && !isSpace(v[i]); i++ {
		switch c := v[i]; {
		case isDigit(c):
			digits++
		case isLetter(c):
			letters++
		case c == '!', c == '$', c == '*', c == '^', c == '#', c == '~', c == '&':
			signs++
		case c == '/', c == '<', c == '=', c == '[' && i > start, c == '{' && i > start:
			return false
		case c == '(' && i > start+1:
			return false
		case c == '.':
			dots++
		}
	}
	if letters == 0 || digits+signs == 0 {
		return false
	}
	w := trimmed(v[start:i])
	switch {
	case len(w) < shortest, digits == 0 && (w[0] == '$' || w[0] == '#' || strings.IndexByte("!*&", w[len(w)-1]) >= 0 && signs == 1):
		return false
	case isDigit(w[0]) && unit(w), is(wordTechnical, w), lower(w[0]) == 'v' && version(w):
		return false
	}
	return dots == 0 || !dotted(w) && !version(w)
}

// unit reports that w is a number and its unit: "100ms", "30days".
func unit(w string) bool {
	i := 0
	for i < len(w) && (isDigit(w[i]) || w[i] == '.' || w[i] == ',' || w[i] == ':' || w[i] == '-') {
		i++
	}
	return i > 0 && strings.IndexFunc(w[i:], func(r rune) bool { return r < 'a' || r > 'z' }) < 0
}

// trimmed returns a word without the signs of the sentence around it.
func trimmed(w string) string {
	for w != "" && ofSentence(w[0]) {
		w = w[1:]
	}
	for w != "" && ofSentence(w[len(w)-1]) {
		w = w[:len(w)-1]
	}
	return w
}

func ofSentence(c byte) bool {
	switch c {
	case '.', ',', ';', ':', '!', '?', '(', ')', '[', ']', '{', '}', '"', '\'', '`', '\\':
		return true
	}
	return false
}

func hasAlnum(w string) bool {
	for i := range len(w) {
		if isAlnum(w[i]) || w[i] >= 0x80 {
			return true
		}
	}
	return false
}

// innocent reports that what a secret's name is given at i is none: its state, its
// type, a mask, a count.
func innocent(kind kind, key, v string, i int) bool {
	start := afterQuotes(v, i)
	end := start
	for end < len(v) && !isSpace(v[end]) && !isQuote(v[end]) && v[end] != '<' && v[end] != ';' && v[end] != '&' && v[end] != ',' {
		end++
	}
	w := v[start:end]
	if start == i && (w == "" || !hasAlnum(w)) && marker(v[i:]) == 0 {
		// Signs only. In brackets and in quotation marks there may be more.
		rest := runEnd(v, i)
		return w != "" && end == rest && w[0] != '[' && w[0] != '(' && w[0] != '{' && !isQuote(v[i])
	}
	if start == i+2 && !escapedQuote(v, i) {
		return true // An empty quotation.
	}
	plain := strings.TrimRight(w, ".,;)]}!?:")
	switch {
	case scheme(plain) && afterSpaces(v, end) < len(v): // Of an Authorization.
		return false
	case wordy(key) && end < len(v):
		return false
	case is(wordStatus, plain), masked(plain):
		return true
	case w != plain && w[len(w)-1] == ':' && is(wordField, plain):
		return true // A field of what is called secret.
	case kind == keyKind:
		return plainName(plain) || len(plain) <= 3 && digitsOnly(plain)
	case key[len(key)-1]|0x20 == 's':
		return len(plain) <= 3 && digitsOnly(plain) // A count.
	}
	return false
}

// masked reports that w only stands for a secret: "****", "xxxx".
func masked(w string) bool {
	if len(w) < 3 || w[0] != 'x' && w[0] != 'X' && w[0] != '*' {
		return false
	}
	return strings.Trim(w, w[:1]) == ""
}

// plainName reports that w may be a column, a field or a key on the keyboard.
func plainName(w string) bool {
	const longest = 24
	if w == "" || len(w) > longest {
		return false
	}
	caps := isUpper(w[0])
	for i := range len(w) {
		if !isLower(w[i]) && strings.IndexByte("_.-+", w[i]) < 0 && (!caps || !isUpper(w[i])) && (len(w) > 3 || !isDigit(w[i])) {
			return false
		}
	}
	return true
}

func digitsOnly(w string) bool {
	for i := range len(w) {
		if !isDigit(w[i]) {
			return false
		}
	}
	return true
}
