package redact

import "strings"

// name is a name of the person's, and what takes its place.
type name struct {
	text   string // In lower case.
	marker string
	bits   uint64 // Of every byte, to rule out most texts at once.
}

// bit folds a byte to one of 64: upper and lower case to the same.
func bit(c byte) uint64 { return 1 << ((c | 0x20) & 63) }

// shortName is the length below which a name has to stand alone: "al" and "vm" are
// also pieces of "al-1" and "vm_create".
const shortName = 3

// names are what a person and their machine are called.
type names struct {
	words   []name
	phrases [][]string // Full names with a part that is a word like any other.
}

// namesOf lists the names in what New is given.
func namesOf(home, user, host string, full []string) names {
	var n names
	// A Windows account may be DOMAIN\user, user@domain or two words; texts are matched
	// part by part.
	for _, account := range []string{user, homeName(home)} {
		for _, part := range strings.FieldsFunc(account, func(r rune) bool {
			return r < 0x80 && (!inWord(byte(r)) || strings.ContainsRune(`\/:@`, r))
		}) {
			n.add(part, markUser)
		}
	}
	for _, name := range full {
		n.addFull(name)
	}
	first, _, _ := strings.Cut(host, ".")
	n.add(host, markHost)
	n.add(first, markHost)
	return n
}

func (n *names) add(text, marker string) {
	text = strings.Map(lowerRune, text)
	// A single letter is nobody's name. root and localhost are everybody's.
	if len(text) < 2 || text == "root" || text == "localhost" {
		return
	}
	added := name{text: text, marker: marker}
	for i := range len(text) {
		added.bits |= bit(text[i])
	}
	// Inserting keeps longer names first, so that a host's full name goes before its
	// first part.
	at := 0
	for ; at < len(n.words) && len(n.words[at].text) >= len(text); at++ {
		if n.words[at].text == text {
			return
		}
	}
	n.words = append(n.words, added)
	copy(n.words[at+1:], n.words[at:])
	n.words[at] = added
}

// addFull adds the name that a person is called by: each part of it, and the parts
// written as one. What is also a word of everyday counts only beside another part.
func (n *names) addFull(full string) {
	parts := strings.FieldsFunc(full, func(r rune) bool { return r == ' ' || r == ',' || r == '.' || r == '"' || r == '(' || r == ')' })
	if len(parts) == 0 {
		return
	}
	everyday := false
	for i, part := range parts {
		parts[i] = strings.Map(lowerRune, part)
		if len(part) < shortName || is(wordEveryday, parts[i]) {
			everyday = true
			continue
		}
		n.add(part, markUser)
		if upper := strings.ToUpper(part); strings.Map(lowerRune, upper) != parts[i] {
			n.add(upper, markUser) // Of other scripts, only the case that is asked for is found.
		}
	}
	if len(parts) > 1 {
		n.add(strings.Join(parts, ""), markUser)
		if everyday {
			n.phrases = append(n.phrases, parts)
		}
	}
}

// phraseAt returns the length of the full name that stands at i, 0 if none does.
func (n *names) phraseAt(v string, i int) int {
	if len(n.phrases) == 0 || i > 0 && isLetter(v[i-1]) {
		return 0
	}
	for _, parts := range n.phrases {
		if end := inOrder(v, i, parts, 1); end > 0 {
			return end - i
		}
		if end := inOrder(v, i, parts, -1); end > 0 { // Canary, Zoe
			return end - i
		}
	}
	return 0
}

func (n *names) holdsPhrase(w string) bool {
	for i := range len(w) {
		if n.phraseAt(w, i) > 0 {
			return true
		}
	}
	return false
}

// inOrder returns the end of the parts that stand at i with a sign or two between, from
// first to last or, with step -1, from last to first. It is 0 if they do not.
func inOrder(v string, i int, parts []string, step int) int {
	k := 0
	if step < 0 {
		k = len(parts) - 1
	}
	for n := range parts {
		if n > 0 {
			start := i
			for i < len(v) && i-start < 2 && strings.IndexByte(" ._-,", v[i]) >= 0 {
				i++
			}
			if i == start {
				return 0
			}
		}
		part := parts[k]
		if len(v)-i < len(part) || !equalFold(part, v[i:i+len(part)]) {
			return 0
		}
		i += len(part)
		k += step
	}
	if i < len(v) && isLetter(v[i]) {
		return 0
	}
	return i
}

func lowerRune(r rune) rune {
	if r < 0x80 {
		return rune(lower(byte(r)))
	}
	return r
}

// homeName returns the last element of a home directory where homes usually are.
// Elsewhere, as in a container's /build, it is a word like any other.
func homeName(home string) string {
	home = strings.TrimRight(strings.ReplaceAll(home, `\`, "/"), "/")
	parent, last, ok := cutLast(home)
	_, parent, _ = cutLast(parent)
	if ok && (strings.EqualFold(parent, "home") || strings.EqualFold(parent, "users")) {
		return last
	}
	return ""
}

func cutLast(path string) (before, after string, found bool) {
	k := strings.LastIndexByte(path, '/')
	if k < 0 {
		return "", path, false
	}
	return path[:k], path[k+1:], true
}

// find returns which of the names stands first in w, and where, or -1 if none does.
func (n *names) find(w string) (which, at int) {
	at = -1
	for k := range n.words {
		if i := n.words[k].find(w); i >= 0 && (at < 0 || i < at) {
			which, at = k, i
		}
	}
	return which, at
}

// find returns where the name stands in w as a word of its own, -1 if it does not: no
// letter stands next to its letters, no digit next to its digits.
func (n *name) find(w string) int {
	first, last := n.text[0], n.text[len(n.text)-1]
	for i := 0; i+len(n.text) <= len(w); i++ {
		if lower(w[i]) != first || !n.at(w[i:]) {
			continue
		}
		end := i + len(n.text)
		if (i == 0 || !n.glued(w[i-1], first)) && (end == len(w) || !n.glued(w[end], last)) {
			return i
		}
	}
	return -1
}

func (n *name) at(w string) bool {
	for k := range len(n.text) {
		if lower(w[k]) != n.text[k] {
			return false
		}
	}
	return true
}

func (n *name) glued(outside, edge byte) bool {
	if len(n.text) < shortName {
		return isAlnum(outside) || outside >= 0x80 || outside == '-' || outside == '_' || outside == '.'
	}
	return isLetter(outside) && isLetter(edge) || isDigit(outside) && isDigit(edge)
}
