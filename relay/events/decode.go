//go:build !notelemetry

package events

import (
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/gotoolbase/telemetry/core/driver"
)

const (
	// maxBody bounds a body, packed and unpacked: the http backend posts at most 1 000 000
	// bytes of events, and commas. A packed one of 1 MiB that unpacks to a thousand is refused
	// when it has unpacked to one.
	maxBody = 1 << 20
	// maxEvents is twice what the http backend posts at once.
	maxEvents = 1000
	// maxEventBytes is the http backend's bound of an event, which fits into every column and
	// message of the vendors that have a driver.
	maxEventBytes = 64<<10 - 1
	// maxDepth is how deep values are looked at that no event has; three would do for those
	// that one has.
	maxDepth = 32
)

var errForm = errors.New("the body is no JSON array of events with IDs")

// received is an event as it came in.
type received struct {
	event driver.Event
	// bytes is its size in the body.
	bytes int
	// unknown is how many fields it had that no event has.
	unknown int
	// malformed says that a field was of another kind than that field is.
	malformed bool
}

// decode reads a body: a JSON array of the canonical encoding of driver.Event. It is not
// encoding/json that reads it, since the gateway has to see what is in an event beside what
// belongs there, and since reading is most of what the gateway does. Of what it does not know
// it keeps nothing. errForm says that the body as a whole cannot be judged event by event.
func decode(body string) ([]received, error) {
	r := &reader{text: body}
	var list []received
	if !r.take('[') {
		return nil, errForm
	}
	for !r.take(']') {
		if len(list) > 0 && !r.take(',') || len(list) == maxEvents {
			return nil, errForm
		}
		r.space()
		start := r.at
		list = append(list, received{})
		e := &list[len(list)-1]
		if !r.object(func(key string) bool { return r.field(e, key) }) || !isEventID(e.event.ID) {
			return nil, errForm
		}
		e.bytes = r.at - start
	}
	if r.space(); r.at < len(body) {
		return nil, errForm
	}
	return list, nil
}

// field reads the value of a field into the event.
func (r *reader) field(e *received, key string) bool {
	to := &e.event
	switch key {
	case "id":
		return r.readText(e, &to.ID)
	case "type":
		return r.readText(e, &to.Type)
	case "name":
		return r.readText(e, &to.Name)
	case "timestamp":
		return r.readTime(e, &to.Time)
	case "duration_ms":
		var n int64
		ok, set := r.readNumber(e, &n)
		if set {
			to.DurationMS = &n
		}
		return ok
	case "exit_code":
		var n int64
		ok, set := r.readNumber(e, &n)
		if set {
			code := int(n)
			to.ExitCode = &code
		}
		return ok
	case "args":
		return r.readTexts(e, &to.Args)
	case "flags":
		return r.readTexts(e, &to.Flags)
	case "error":
		return r.readText(e, &to.Error)
	case "error_class":
		return r.readText(e, &to.ErrorClass)
	case "tool_name":
		return r.readText(e, &to.Tool)
	case "tool_version":
		return r.readText(e, &to.Version)
	case "os":
		return r.readText(e, &to.OS)
	case "arch":
		return r.readText(e, &to.Arch)
	case "os_version":
		return r.readText(e, &to.OSVersion)
	case "go_version":
		return r.readText(e, &to.GoVersion)
	case "ci":
		return r.readFlag(e, &to.CI)
	case "ci_provider":
		return r.readText(e, &to.CIProvider)
	case "interactive":
		return r.readFlag(e, &to.Interactive)
	case "agent":
		return r.readText(e, &to.Agent)
	case "container":
		return r.readFlag(e, &to.Container)
	case "run_id":
		return r.readText(e, &to.RunID)
	case "machine_id":
		return r.readText(e, &to.MachineID)
	case "consent_id":
		return r.readText(e, &to.ConsentID)
	case "metadata":
		return r.readMetadata(e)
	case "count":
		return r.readCount(e, &to.Count)
	case "failures":
		return r.readCount(e, &to.Failures)
	case "durations":
		return r.readCounts(e, &to.Durations)
	case "sample_rate":
		return r.readCount(e, &to.SampleRate)
	case "truncated":
		return r.readCount(e, &to.Truncated)
	case "redacted":
		return r.readCount(e, &to.Redacted)
	case "time_adjusted":
		return r.readFlag(e, &to.TimeAdjusted)
	}
	e.unknown++
	return r.skip(0)
}

// reader reads JSON (RFC 8259). Its methods return false where the text is none.
type reader struct {
	text string
	at   int
}

func (r *reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return
		}
	}
}

func (r *reader) take(c byte) bool {
	r.space()
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

// next is the first byte of the next value, 0 at the end.
func (r *reader) next() byte {
	r.space()
	if r.at == len(r.text) {
		return 0
	}
	return r.text[r.at]
}

func (r *reader) word(word string) bool {
	if !strings.HasPrefix(r.text[r.at:], word) {
		return false
	}
	r.at += len(word)
	return true
}

// object reads an object; value reads what is under each key.
func (r *reader) object(value func(key string) bool) bool {
	if !r.take('{') {
		return false
	}
	for first := true; !r.take('}'); first = false {
		if !first && !r.take(',') {
			return false
		}
		key, ok := r.string()
		if !ok || !r.take(':') || !value(key) {
			return false
		}
	}
	return true
}

func (r *reader) array(value func() bool) bool {
	if !r.take('[') {
		return false
	}
	for first := true; !r.take(']'); first = false {
		if !first && !r.take(',') || !value() {
			return false
		}
	}
	return true
}

// string reads a string. Where nothing in it is escaped it is a part of the text.
func (r *reader) string() (string, bool) {
	if !r.take('"') {
		return "", false
	}
	start := r.at
	for ; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			return r.text[start : r.at-1], true
		case c == '\\':
			return r.escaped(start)
		case c < ' ':
			return "", false
		}
	}
	return "", false
}

// escaped goes on with a string at its first backslash.
func (r *reader) escaped(start int) (string, bool) {
	b := []byte(r.text[start:r.at])
	for r.at < len(r.text) {
		c := r.text[r.at]
		r.at++
		switch {
		case c == '"':
			return string(b), true
		case c < ' ':
			return "", false
		case c != '\\':
			b = append(b, c)
			continue
		}
		if r.at == len(r.text) {
			return "", false
		}
		c = r.text[r.at]
		r.at++
		switch c {
		case '"', '\\', '/':
			b = append(b, c)
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			unit, ok := r.unit()
			if !ok {
				return "", false
			}
			if utf16.IsSurrogate(unit) {
				unit = r.surrogate(unit)
			}
			b = utf8.AppendRune(b, unit)
		default:
			return "", false
		}
	}
	return "", false
}

// unit reads the four digits after \u.
func (r *reader) unit() (rune, bool) {
	if len(r.text)-r.at < 4 {
		return 0, false
	}
	digits := r.text[r.at : r.at+4]
	if strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 16)
	r.at += 4
	return rune(n), err == nil
}

// surrogate reads the second half of a pair, and stays where it is if there is none.
func (r *reader) surrogate(first rune) rune {
	at := r.at
	if r.word(`\u`) {
		if second, ok := r.unit(); ok {
			if both := utf16.DecodeRune(first, second); both != utf8.RuneError {
				return both
			}
		}
	}
	r.at = at
	return utf8.RuneError
}

// number reads a number, as it is written.
func (r *reader) number() (string, bool) {
	r.space()
	start := r.at
	digits := func() bool {
		from := r.at
		for r.at < len(r.text) && r.text[r.at]-'0' < 10 {
			r.at++
		}
		return r.at > from
	}
	sign := func(set string) {
		if r.at < len(r.text) && strings.IndexByte(set, r.text[r.at]) >= 0 {
			r.at++
		}
	}
	sign("-")
	whole := r.at
	if !digits() || r.text[whole] == '0' && r.at > whole+1 {
		return "", false
	}
	if r.at < len(r.text) && r.text[r.at] == '.' {
		if r.at++; !digits() {
			return "", false
		}
	}
	if r.at < len(r.text) && r.text[r.at]|0x20 == 'e' {
		r.at++
		if sign("+-"); !digits() {
			return "", false
		}
	}
	return r.text[start:r.at], true
}

// skip reads a value of any kind.
func (r *reader) skip(depth int) bool {
	if depth > maxDepth {
		return false
	}
	switch r.next() {
	case '{':
		return r.object(func(string) bool { return r.skip(depth + 1) })
	case '[':
		return r.array(func() bool { return r.skip(depth + 1) })
	case '"':
		_, ok := r.string()
		return ok
	case 't':
		return r.word("true")
	case 'f':
		return r.word("false")
	case 'n':
		return r.word("null")
	}
	_, ok := r.number()
	return ok
}

// other reads a value that is not of the kind of its field: null leaves the field as it is,
// anything else is noted.
func (r *reader) other(e *received) bool {
	if r.next() == 'n' {
		return r.word("null")
	}
	e.malformed = true
	return r.skip(0)
}

func (r *reader) readText(e *received, to *string) (ok bool) {
	if r.next() != '"' {
		return r.other(e)
	}
	*to, ok = r.string()
	return ok
}

func (r *reader) readTexts(e *received, to *[]string) bool {
	if r.next() != '[' {
		return r.other(e)
	}
	*to = nil
	return r.array(func() bool {
		*to = append(*to, "")
		return r.readText(e, &(*to)[len(*to)-1])
	})
}

func (r *reader) readFlag(e *received, to *bool) bool {
	switch r.next() {
	case 't':
		*to = true
		return r.word("true")
	case 'f':
		*to = false
		return r.word("false")
	}
	return r.other(e)
}

func (r *reader) readTime(e *received, to *time.Time) bool {
	var text string
	if !r.readText(e, &text) {
		return false
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		e.malformed = true
		return true
	}
	*to = at.UTC().Truncate(time.Millisecond)
	return true
}

// readNumber reads a whole number; set says that there was one.
func (r *reader) readNumber(e *received, to *int64) (ok, set bool) {
	if c := r.next(); c != '-' && c-'0' >= 10 {
		return r.other(e), false
	}
	text, ok := r.number()
	if !ok {
		return false, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		e.malformed = true
		return true, false
	}
	*to = n
	return true, true
}

// readCount reads a number that counts something.
func (r *reader) readCount(e *received, to *int) bool {
	var n int64
	ok, _ := r.readNumber(e, &n)
	if n < 0 || n > maxCount {
		e.malformed = true
		return ok
	}
	*to = int(n)
	return ok
}

// maxCount is more commands than anybody runs in a day, and far from where sums of many days
// and machines overflow.
const maxCount = 1e9

func (r *reader) readCounts(e *received, to *[]int) bool {
	if r.next() != '[' {
		return r.other(e)
	}
	*to = nil
	return r.array(func() bool {
		*to = append(*to, 0)
		return r.readCount(e, &(*to)[len(*to)-1])
	})
}

func (r *reader) readMetadata(e *received) bool {
	if r.next() != '{' {
		return r.other(e)
	}
	e.event.Metadata = map[string]string{}
	return r.object(func(key string) bool {
		var value string
		ok := r.readText(e, &value)
		e.event.Metadata[key] = value
		return ok
	})
}

// isEventID reports whether s is a version 7 UUID in its canonical form.
func isEventID(s string) bool { return isUUID(s) && s[14] == '7' }

func isUUID(s string) bool {
	const form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if len(s) != len(form) {
		return false
	}
	for i := range len(form) {
		if form[i] == '-' && s[i] != '-' || form[i] == 'x' && !isHex(s[i]) {
			return false
		}
	}
	return true
}

// isID reports whether s has the form of machine and consent IDs.
func isID(s string) bool {
	if len(s) != 32 {
		return false
	}
	for i := range len(s) {
		if !isHex(s[i]) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }
