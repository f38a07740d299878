package console

import (
	"slices"
	"strings"

	"github.com/gotoolbase/telemetry/internal/spelling"
)

// Unknown is the error for a word that is none of the commands, for a command library that
// does not know what people try: an [*UsageError] that names what was likely meant, or else
// what there is. Nothing is run for a word that is only near: it may be about a consent.
func Unknown(list []*Command, word string, options ...Option) error {
	s := gather(options)
	if names := meant(list, word); len(names) > 0 {
		return &UsageError{s.errorf("unknown command %[1]q; did you mean %[2]s?", word, strings.Join(names, s.text(" or ")))}
	}
	var names []string
	for _, c := range list {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	return &UsageError{s.errorf("unknown command %[1]q; there are %[2]s", word, strings.Join(names, ", "))}
}

// meant returns the names of the commands that people look for under a word, or else of those
// that it is a slip of.
func meant(list []*Command, word string) (names []string) {
	word = strings.ToLower(word)
	for _, c := range list {
		if slices.Contains(c.SuggestFor, word) {
			names = append(names, c.Name)
		}
	}
	if len(names) > 0 {
		return names
	}
	// Two letters that changed places are two slips. In a word of three letters two others are
	// another word.
	least := min(len(word)/2, 2)
	for _, c := range list {
		if c.Hidden {
			continue
		}
		slips := least + 1
		for _, name := range append([]string{c.Name}, c.Aliases...) {
			slips = min(slips, spelling.Distance(word, name))
			if strings.HasPrefix(name, word) {
				slips = min(slips, 1) // a word that was not typed to its end
			}
		}
		switch {
		case slips < least:
			names, least = []string{c.Name}, slips
		case slips == least:
			names = append(names, c.Name)
		}
	}
	return names
}
