package core

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gotoolbase/telemetry/core/props"
)

const (
	// maxShort caps a value of which little is known. It has room for a UUID, a version or
	// some words, and for none of the texts that people write.
	maxShort = 64
	// maxDigits is what a float64 holds of any number, and below the length of card numbers.
	maxDigits = 15
	// maxVersionParts: 1.2.3 and, on Windows, a build. maxVersionDigits is room for a date as one
	// of them, and maxReleaseDigits for all that Windows has together: below what the numbers of
	// cards have, and of most telephones.
	maxVersionParts, maxVersionDigits, maxReleaseDigits = 4, 8, 12
)

// kept returns a declared value as it is kept. ok is false for one that the type does not
// have. A text is not looked at here: it is for the scrubber.
func (f *field) kept(value string) (kept string, ok bool) {
	switch f.Type.Kind {
	case props.KindOneOf:
		return value, slices.Contains(f.Type.Values, value)
	case props.KindNumber:
		return number(value)
	case props.KindBool:
		return boolean(value)
	case props.KindVersion:
		return version(value)
	case props.KindBuckets:
		return f.bucket(value)
	}
	return value, true
}

// boolean reads what strconv.ParseBool does, which allocates an error for anything else.
func boolean(s string) (kept string, ok bool) {
	switch s {
	case "1", "t", "T", "true", "TRUE", "True":
		return "true", true
	case "0", "f", "F", "false", "FALSE", "False":
		return "false", true
	}
	return "", false
}

// number returns a decimal number in the one form that it is kept in.
func number(s string) (kept string, ok bool) {
	s = strings.TrimPrefix(s, "+")
	whole, fraction, dotted := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	switch {
	case !digits(whole) || dotted && !digits(fraction), len(whole)+len(fraction) > maxDigits,
		len(whole) > 1 && whole[0] == '0': // that is the number of an account, not a quantity
		return "", false
	}
	if dotted {
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		s = "0"
	}
	return s, true
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// preliminary are the words that a version which is not final may have. Others may be
// anything: the name of a customer, an account, a token.
var preliminary = []string{"alpha", "beta", "rc", "pre", "preview", "dev", "snapshot", "nightly", "canary", "next", "a", "b", "m"}

// version returns a version without the "v" before it and without what Semantic Versioning
// calls build metadata, which may name who built it, and where.
func version(s string) (kept string, ok bool) {
	s = strings.TrimPrefix(s, "v")
	if plus := strings.IndexByte(s, '+'); plus >= 0 {
		s = s[:plus]
	}
	release, _ := cutCommit(s)
	numbers, rest, set := strings.Cut(release, "-")
	if len(s) > maxShort || !isRelease(numbers) || set && !isPreliminary(rest) {
		return "", false
	}
	return s, true
}

// cutCommit returns a version of Go's without the time and the commit at its end, by which
// go.dev/ref/mod#pseudo-versions names what has no version yet.
func cutCommit(s string) (release string, cut bool) {
	const timeDigits, commitDigits = 14, 12
	at := len(s) - timeDigits - len("-") - commitDigits
	if at < 1 || s[at-1] != '-' && s[at-1] != '.' || s[at+timeDigits] != '-' || !digits(s[at:at+timeDigits]) ||
		strings.Trim(s[at+timeDigits+1:], "0123456789abcdef") != "" {
		return s, false
	}
	return strings.TrimSuffix(s[:at-1], ".0"), true
}

// isRelease reports whether s is the numbers of a version, and not those of an address.
func isRelease(s string) bool {
	parts, small := 0, true
	for part := range strings.SplitSeq(s, ".") {
		parts++
		if !digits(part) || len(part) > maxVersionDigits || parts > maxVersionParts {
			return false
		}
		small = small && (len(part) < 3 || len(part) == 3 && part <= "255")
	}
	return (parts < maxVersionParts || !small) && len(s)-parts+1 <= maxReleaseDigits
}

// isPreliminary reports whether s is known words and short numbers with dots or dashes
// between them, such as rc.1, or a word and a number in one, such as beta2.
func isPreliminary(s string) bool {
	parts := 0
	for s != "" || parts == 0 {
		parts++
		end := strings.IndexAny(s, ".-")
		part := s
		if s = ""; end >= 0 {
			part, s = part[:end], part[end+1:]
			if s == "" {
				return false
			}
		}
		word := strings.TrimRight(part, "0123456789")
		if number := part[len(word):]; part == "" || len(number) > maxVersionDigits || parts > maxVersionParts ||
			word != "" && !slices.ContainsFunc(preliminary, func(known string) bool { return equalASCII(known, word) }) {
			return false
		}
	}
	return true
}

// equalASCII reports whether word is known, in capitals or not. Letters of other alphabets that
// fold to those of ours are longer.
func equalASCII(known, word string) bool {
	return len(known) == len(word) && strings.EqualFold(known, word)
}

// bucket returns the bucket of a count.
func (f *field) bucket(s string) (label string, ok bool) {
	if !digits(s) {
		return "", false
	}
	s = strings.TrimLeft(s, "0")
	const longest = 18 // digits of an int64, whatever they are
	if len(s) > longest {
		return f.labels[len(f.labels)-1], true
	}
	count := int64(0)
	for i := range len(s) {
		count = 10*count + int64(s[i]-'0')
	}
	i := 0
	for i < len(f.Type.Bounds) && count >= f.Type.Bounds[i] {
		i++
	}
	return f.labels[i], true
}

// bucketLabels names the buckets: "0-9", "10-99", "100+".
func bucketLabels(bounds []int64) []string {
	labels := make([]string, 0, len(bounds)+1)
	least := int64(0)
	for _, bound := range bounds {
		label := strconv.FormatInt(least, 10)
		if last := bound - 1; last > least {
			label += "-" + strconv.FormatInt(last, 10)
		}
		labels, least = append(labels, label), bound
	}
	return append(labels, strconv.FormatInt(least, 10)+"+")
}

// isUUID reports whether s has the form of a UUID. As a word of 32 digits it looks like a
// secret to the scrubber; with its dashes it is what names runs and sessions.
func isUUID(s string) bool {
	const form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if len(s) != len(form) {
		return false
	}
	for i := range len(form) {
		c := s[i]
		digit := '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
		if form[i] == 'x' && !digit || form[i] == '-' && c != '-' {
			return false
		}
	}
	return true
}
