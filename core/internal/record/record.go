// Package record reads events back from the lines that driver.Event.AppendJSON wrote.
// It understands that encoding and no other JSON: a line that it refuses was not
// written by us, or was cut. (encoding/json would add 276 KiB to every tool.)
package record

import (
	"errors"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/gotoolbase/telemetry/core/driver"
)

// ErrMalformed says that a line is not an event.
var ErrMalformed = errors.New("not an event")

// Parse returns the event in line, which holds one JSON object and nothing after it.
// The event shares no memory with line.
func Parse(line []byte) (driver.Event, error) {
	p := parser{rest: line}
	var e driver.Event
	p.members(func(key string) {
		switch key {
		case "id":
			e.ID = p.string()
		case "type":
			e.Type = p.string()
		case "name":
			e.Name = p.string()
		case "timestamp":
			t, err := time.Parse(time.RFC3339Nano, p.string())
			p.failIf(err != nil)
			e.Time = t
		case "duration_ms":
			n := p.int()
			e.DurationMS = &n
		case "exit_code":
			n := int(p.int())
			e.ExitCode = &n
		case "args":
			e.Args = list(&p, p.string)
		case "flags":
			e.Flags = list(&p, p.string)
		case "error":
			e.Error = p.string()
		case "error_class":
			e.ErrorClass = p.string()
		case "tool_name":
			e.Tool = p.string()
		case "tool_version":
			e.Version = p.string()
		case "os":
			e.OS = p.string()
		case "arch":
			e.Arch = p.string()
		case "os_version":
			e.OSVersion = p.string()
		case "go_version":
			e.GoVersion = p.string()
		case "ci":
			e.CI = p.bool()
		case "ci_provider":
			e.CIProvider = p.string()
		case "interactive":
			e.Interactive = p.bool()
		case "agent":
			e.Agent = p.string()
		case "container":
			e.Container = p.bool()
		case "run_id":
			e.RunID = p.string()
		case "machine_id":
			e.MachineID = p.string()
		case "consent_id":
			e.ConsentID = p.string()
		case "metadata":
			e.Metadata = map[string]string{}
			p.members(func(key string) { e.Metadata[key] = p.string() })
		case "count":
			e.Count = int(p.int())
		case "failures":
			e.Failures = int(p.int())
		case "durations":
			e.Durations = list(&p, func() int { return int(p.int()) })
		case "sample_rate":
			e.SampleRate = int(p.int())
		case "truncated":
			e.Truncated = int(p.int())
		case "redacted":
			e.Redacted = int(p.int())
		case "time_adjusted":
			e.TimeAdjusted = p.bool()
		default:
			p.failed = true
		}
	})
	p.failIf(len(p.rest) > 0 || len(e.ID) != 36 || e.Type == "" || e.Time.IsZero())
	if p.failed {
		return driver.Event{}, ErrMalformed
	}
	return e, nil
}

// parser consumes rest. After a failure it consumes nothing more and returns zeros.
type parser struct {
	rest   []byte
	failed bool
}

func (p *parser) failIf(bad bool) {
	if bad {
		p.failed = true
		p.rest = nil
	}
}

// accept consumes c if it comes next.
func (p *parser) accept(c byte) bool {
	if len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *parser) expect(c byte) { p.failIf(!p.accept(c)) }

// members reads an object of at least one member, calling value for each key.
func (p *parser) members(value func(key string)) {
	p.expect('{')
	for !p.failed {
		key := p.string()
		p.expect(':')
		if p.failed {
			return
		}
		value(key)
		if !p.accept(',') {
			break
		}
	}
	p.expect('}')
}

// list reads an array of at least one element.
func list[T any](p *parser, element func() T) []T {
	var elements []T
	p.expect('[')
	for !p.failed {
		elements = append(elements, element())
		if !p.accept(',') {
			break
		}
	}
	p.expect(']')
	return elements
}

func (p *parser) bool() bool {
	for _, word := range []string{"true", "false"} {
		if len(p.rest) >= len(word) && string(p.rest[:len(word)]) == word {
			p.rest = p.rest[len(word):]
			return word == "true"
		}
	}
	p.failIf(true)
	return false
}

func (p *parser) int() int64 {
	n := 0
	for n < len(p.rest) && (p.rest[n] == '-' || p.rest[n] >= '0' && p.rest[n] <= '9') {
		n++
	}
	i, err := strconv.ParseInt(string(p.rest[:n]), 10, 64)
	p.rest = p.rest[n:]
	p.failIf(err != nil)
	return i
}

func (p *parser) string() string {
	p.expect('"')
	for i, c := range p.rest {
		switch {
		case c == '"':
			s := p.rest[:i]
			p.rest = p.rest[i+1:]
			p.failIf(!utf8.Valid(s))
			if p.failed {
				return ""
			}
			return string(s)
		case c == '\\':
			return p.escaped(i)
		case c < ' ':
			p.failIf(true)
			return ""
		}
	}
	p.failIf(true)
	return ""
}

// escaped reads a string whose first escape is at offset n.
func (p *parser) escaped(n int) string {
	s := append(make([]byte, 0, len(p.rest)), p.rest[:n]...)
	p.rest = p.rest[n:]
	for len(p.rest) > 0 {
		c := p.rest[0]
		p.rest = p.rest[1:]
		switch {
		case c == '"':
			p.failIf(!utf8.Valid(s))
			return string(s)
		case c < ' ':
			p.failIf(true)
		case c != '\\':
			s = append(s, c)
		default:
			s = p.escape(s)
		}
	}
	p.failIf(true)
	return ""
}

func (p *parser) escape(s []byte) []byte {
	if len(p.rest) == 0 {
		return s
	}
	c := p.rest[0]
	p.rest = p.rest[1:]
	switch c {
	case '"', '\\', '/':
		return append(s, c)
	case 'b':
		return append(s, '\b')
	case 'f':
		return append(s, '\f')
	case 'n':
		return append(s, '\n')
	case 'r':
		return append(s, '\r')
	case 't':
		return append(s, '\t')
	case 'u':
		r := p.hex4()
		if utf16.IsSurrogate(r) {
			p.failIf(!p.accept('\\') || !p.accept('u'))
			r = utf16.DecodeRune(r, p.hex4())
			p.failIf(r == utf8.RuneError)
		}
		return utf8.AppendRune(s, r)
	}
	p.failIf(true)
	return s
}

func (p *parser) hex4() rune {
	if len(p.rest) < 4 {
		p.failIf(true)
		return 0
	}
	n, err := strconv.ParseUint(string(p.rest[:4]), 16, 16)
	p.rest = p.rest[4:]
	p.failIf(err != nil)
	return rune(n)
}
