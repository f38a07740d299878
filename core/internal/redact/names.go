package redact

import (
	"slices"
	"strings"
)

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

// namesOf lists the names in what New is given.
func namesOf(home, user, host string) []name {
	var names []name
	add := func(text, marker string) {
		text = strings.Map(lowerRune, text)
		// A single letter is nobody's name. root and localhost are everybody's.
		if len(text) < 2 || text == "root" || text == "localhost" {
			return
		}
		n := name{text: text, marker: marker}
		for i := range len(text) {
			n.bits |= bit(text[i])
		}
		// Inserting keeps longer names first, so that a host's full name goes before its
		// first part.
		at := 0
		for ; at < len(names) && len(names[at].text) >= len(text); at++ {
			if names[at].text == text {
				return
			}
		}
		names = slices.Insert(names, at, n)
	}
	// A Windows account may be DOMAIN\user, user@domain or two words; texts are matched
	// part by part.
	for _, account := range []string{user, homeName(home)} {
		for _, part := range strings.FieldsFunc(account, func(r rune) bool {
			return r < 0x80 && (!inWord(byte(r)) || strings.ContainsRune(`\/:@`, r))
		}) {
			add(part, markUser)
		}
	}
	first, _, _ := strings.Cut(host, ".")
	add(host, markHost)
	add(first, markHost)
	return names
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
func find(names []name, w string) (which, at int) {
	at = -1
	for k := range names {
		if i := names[k].find(w); i >= 0 && (at < 0 || i < at) {
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
