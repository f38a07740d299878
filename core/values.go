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
	// maxVersionParts: 1.2.3 and, on Windows, a build.
	maxVersionParts = 4
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

// version returns a version without the "v" before it and without what Semantic Versioning
// calls build metadata, which may name who built it, and where.
func version(s string) (kept string, ok bool) {
	s = strings.TrimPrefix(s, "v")
	if plus := strings.IndexByte(s, '+'); plus >= 0 {
		s = s[:plus]
	}
	numbers, preliminary, set := strings.Cut(s, "-")
	if len(s) > maxShort || set && !dotted(preliminary) {
		return "", false
	}
	for parts := 1; ; parts++ {
		part, rest, more := strings.Cut(numbers, ".")
		if !digits(part) || len(part) > maxDigits || parts > maxVersionParts {
			return "", false
		}
		if !more {
			return s, true
		}
		numbers = rest
	}
}

// dotted reports whether s is letters, digits and dashes with dots between them.
func dotted(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case '0' <= c && c <= '9', 'a' <= c|0x20 && c|0x20 <= 'z', c == '-':
		case c == '.' && i > 0 && s[i-1] != '.':
		default:
			return false
		}
	}
	return s != "" && s[len(s)-1] != '.'
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
