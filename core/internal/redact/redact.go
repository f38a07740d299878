// Package redact takes out of a text what would tell who a person is, where they keep
// their things, or how to get at them. The collector puts through it whatever a tool's
// author hands over; read it to know what such a text still holds when it is sent.
//
// It is the second line of defence. The first is that an author declares what is
// recorded: a name that no rule knows, in a sentence of plain words, passes.
//
// What is taken out is replaced by a marker that says what kind of thing it was:
//
//	<path>    an absolute path, with anything that may be its rest; in error texts every path
//	<url>     a URL, whole: hosts, queries and fragments say as much as the user before the @
//	<email>   an e-mail address, and anything else of the form user@host
//	<ip>      an IPv4 or IPv6 address
//	<mac>     a hardware address
//	<secret>  a known form of token, a long random-looking word, the value of a secret's name
//	<user>    the name of the person or of their account
//	<host>    the name of their machine, or of another
//	<number>  a telephone, card or bank account number; in error texts any long one
//	<quoted>  a quotation, <name> a name with a dot in it: error texts only
//	<arg>     an argument, <more> those that follow
//	<cut>     the end of a text that was too long
//
// Where a rule is in doubt, it takes out too much. No regular expression is involved,
// and no text is looked at beyond its cap: the time that a value takes has a bound
// whatever its length and content. What was scrubbed can be scrubbed again and stays.
//
// The files, in the order in which a text meets them: this one; scanner.go, which goes
// over a text word by word; announce.go, prose.go and flags.go, what a word says of the
// next; secretnames.go, hosts.go and numbers.go, what that may be; tokens.go, secrets that
// are known by their look; classes.go, paths and addresses; names.go, the person's names;
// text.go, how all of them read bytes. args.go is for command lines.
package redact

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// Scrubber scrubs texts. The zero Scrubber knows no names; it and any other may be
// used by several goroutines at once.
type Scrubber struct{ names names }

// New returns a Scrubber that also takes out the names of the person's account and
// machine, as whole words and in any case. home is their home directory, whose last
// element is often another name of theirs; user may hold several names, separated by
// spaces; full are the names that they are called by, as "Zoe Miller". Any may be empty.
func New(home, user, host string, full ...string) *Scrubber {
	return &Scrubber{namesOf(home, user, host, full)}
}

// Value scrubs a value of an author's metadata, or a name. out is valid UTF-8 without
// control characters and at most limit bytes long; cut says that something was left
// off for that.
func (s *Scrubber) Value(v string, limit int) (out string, cut bool) {
	if len(v) <= limit && (harmless(&s.names, v) || isoTime(v) || s.plain(v, false)) {
		return v, false
	}
	return s.scrub(v, limit, false)
}

// Secret is what stands for the value of a secret's name, also as a Value.
const Secret = markSecret

// Replaced reports whether something was replaced in a text that Value or ErrorText was
// given, beyond what was cut off at its end.
func Replaced(v, out string, cut bool) bool {
	if cut {
		return !strings.HasPrefix(v, strings.TrimSuffix(out, markCut))
	}
	return out != v
}

// SecretName reports that a name is given to secrets: "password", "API-Key", "dbPass",
// "AWS_SECRET_ACCESS_KEY". Nothing of a pair with such a key may be kept but the key.
func SecretName(name string) bool { return secretName(name) }

// ErrorText scrubs the text of an error. More is taken out than of a Value, as the
// text is not the author's alone: it repeats what the person typed and what their
// system answered. Every quotation goes, every path, every name with a dot in it and
// every long number.
func (s *Scrubber) ErrorText(v string, limit int) (out string, cut bool) {
	if len(v) <= limit && s.plain(v, true) {
		return v, false
	}
	return s.scrub(v, limit, true)
}

// maxPasses bounds how often a text is gone over. The last pass confirms the one
// before: next to a marker, a word may look like something else. Of millions of texts
// made up to be hard none took a fifth pass; one that takes all eight is dropped whole.
const maxPasses = 8

func (s *Scrubber) scrub(v string, limit int, strict bool) (string, bool) {
	v, cut := shorten(v, limit)
	v, more := shorten(plaintext.Clean(v), limit)
	cut = cut || more
	for range maxPasses {
		out := s.decodedPass(v, strict)
		if out == "" {
			if out = joinPaths(s.pass(v, strict)); out == v {
				return v, cut
			}
		}
		v, more = shorten(out, limit)
		cut = cut || more
	}
	v, more = shorten(markSecret, limit)
	return v, cut || more
}

// between are the words that stand between two paths. Others are part of one path, whose names
// have blanks in them.
var between = []string{"to", "and", "or", "from", "in", "into", "as", "with", "not", "is", "->", "=>", "=", "-", "|", "&&"}

// joinPaths makes one marker of two and what is between them, unless that is a word from the
// list above or ends a clause.
func joinPaths(v string) string {
	for from := 0; ; {
		first := strings.Index(v[from:], markPath)
		if first < 0 {
			return v
		}
		first += from + len(markPath)
		next := strings.Index(v[first:], markPath)
		if next < 0 {
			return v
		}
		words := strings.TrimSpace(v[first : first+next])
		if words == "" || strings.ContainsAny(words, ":,;()[]{}\"'`<>?!") || slices.Contains(between, words) {
			from = first
			continue
		}
		v = v[:first] + v[first+next+len(markPath):]
		from = first - len(markPath)
	}
}

func (s *Scrubber) pass(v string, strict bool) string {
	scan := scanner{names: &s.names, strict: strict, v: v}
	return scan.scan()
}

// decodedPass looks at what a text says without its escapes, and returns what is left of
// that; "" if nothing in it is to go, and the text can stay as it is.
func (s *Scrubber) decodedPass(v string, strict bool) string {
	const depth = 2 // An address in an address, as in a redirect.
	for range depth {
		plain := decoded(v)
		if plain == v {
			break
		}
		v = plaintext.Clean(plain)
		if out := s.pass(v, strict); out != v {
			return out
		}
	}
	return ""
}

// shorten cuts a text that is longer than limit. The word that the cut goes through is
// dropped as well: a rule may need the end of a word to know it, and half a secret is
// one too.
func shorten(v string, limit int) (out string, cut bool) {
	if len(v) <= limit {
		return v, false
	}
	if limit < len(markCut) {
		return "", true
	}
	n := limit - len(markCut)
	for n > 0 && !utf8.RuneStart(v[n]) {
		n--
	}
	// A script that is written without spaces is not given up for that.
	for n > 0 && !isSpace(v[n]) && v[n-1] < utf8.RuneSelf && !isSpace(v[n-1]) {
		n--
	}
	return v[:n] + markCut, true
}

// plain reports that v is several harmless words, none of which speaks of the next. In an
// error text, none may have a sign of a path or of a name, either.
func (s *Scrubber) plain(v string, strict bool) bool {
	digit := false // In a word that is not the first: a secret or a telephone number may be.
	for start, i := 0, 0; i <= len(v); i++ {
		if i < len(v) && v[i] != ' ' {
			digit = digit || isDigit(v[i])
			continue
		}
		word := v[start:i]
		if i > start && v[i-1] == ',' {
			word = v[start : i-1]
		}
		if digit && start > 0 && len(word) > maxPlainDigits || !harmless(&s.names, word) || strict && !plainError(word) ||
			i < len(v) && word != "" && (word[0] == '-' || spoken(word) != 0) {
			return false
		}
		start, digit = i+1, false
	}
	return len(s.names.phrases) == 0
}

// maxPlainDigits is the length of the longest word with digits that is plain: a few in a
// row may be a telephone number, but not if they are that short.
const maxPlainDigits = 1

// plainError reports that no rule for an error text alone applies to a harmless word.
func plainError(w string) bool {
	for i := range len(w) {
		if w[i] == '/' || w[i] == '.' && i+1 < len(w) {
			return false
		}
	}
	return !longNumber(w) && (w == "" || w[0] != '-')
}

// isoTime reports that v is a time of ISO 8601, as programs write it: as often as words,
// and much like an address to every rule.
func isoTime(v string) bool {
	const shape = "0000-00-00T00:00:00"
	if len(v) < len(shape) || v[4] != '-' {
		return false
	}
	for i := range len(shape) {
		if shape[i] == '0' != isDigit(v[i]) || shape[i] != '0' && v[i] != shape[i] && (shape[i] != 'T' || v[i] != ' ') {
			return false
		}
	}
	v = v[len(shape):]
	if v != "" && v[0] == '.' {
		for v = v[1:]; v != "" && isDigit(v[0]); {
			v = v[1:]
		}
	}
	if len(v) == len("+00:00") && (v[0] == '+' || v[0] == '-') && v[3] == ':' {
		return digitsOnly(v[1:3]) && digitsOnly(v[4:])
	}
	return v == "" || v == "Z"
}

// maxHarmless is the longest word that harmless judges: most words are far shorter.
const maxHarmless = 32

// harmless reports that no rule for a Value can apply to the word w, by a glance: it is
// of letters, digits and -._ only, or two such words with a slash between them. Nearly
// every word is, and every value in practice is one or two, so this is what scrubbing
// costs.
func harmless(n *names, w string) bool {
	if len(w) > maxHarmless {
		return false
	}
	var seen uint64
	dots, dashes, small := 0, 0, byte(0x20)
	for i := 0; i < len(w); i++ {
		c := w[i]
		seen |= bit(c)
		small &= c // Only capitals and _ have not this bit.
		if isAlnum(c) {
			continue
		}
		switch {
		case c == '_':
		case c == '.':
			dots++
		case c == '-':
			dashes++
		case c == '/' && i > 0 && isAlnum(w[i-1]) && w[0] != '-' && w[0] != '.':
		default:
			return false
		}
	}
	// Three dots may be an IP address, five hyphens a hardware address.
	if dots > 2 || dashes > 4 || len(w) >= minForm && (secretForm(w) || random(w) || small == 0 && basicCredentials(w)) {
		return false
	}
	if dots > 0 && (isLetter(w[len(w)-1]) && hostName(w) || dots == 2 && ciscoMAC(w) || dots <= 2 && kubeadm(w)) ||
		dashes > 0 && (machineName(w) || w[0] == '-' && len(w) > 2 && w[1] != '-') ||
		len(w) >= minNumber && !isLower(w[0]) && number(w, 0) > 0 {
		return false
	}
	// The shortest come last.
	for i := len(n.words) - 1; i >= 0 && len(n.words[i].text) <= len(w); i-- {
		if n.words[i].bits&^seen == 0 && n.words[i].find(w) >= 0 {
			return false
		}
	}
	return len(n.phrases) == 0 || !n.holdsPhrase(w)
}

// minNumber is the length of the shortest number that is written without spaces.
const minNumber = len("0301234567")
