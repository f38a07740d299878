package driver

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// Event is one thing that happened in a tool. The fields are a closed list: what is
// not here does not leave the machine. Strings are valid UTF-8, scrubbed and capped
// by the collector before an Event is stored. A backend may be handed events from
// several runs and versions of the tool in one batch.
//
// The JSON names are the canonical encoding, used by the spool and by the stdout,
// file and http backends alike; see [Event.AppendJSON].
type Event struct {
	// ID is a version 7 UUID in its canonical form of 36 lower-case characters. It is
	// given once, when the event is recorded, and is the same at every attempt.
	ID string `json:"id"`
	// Type says what kind of thing happened, for example "command.invocation".
	Type string `json:"type"`
	// Name says which one, for example the command's path "remote add". An author may leave
	// it empty.
	Name string `json:"name"`
	// Time is when it happened: UTC, in whole milliseconds, stable over attempts.
	Time time.Time `json:"timestamp"`
	// DurationMS is how long it took in milliseconds, nil where nothing was timed.
	DurationMS *int64 `json:"duration_ms,omitempty"`
	// ExitCode is the command's exit code, nil where there was none. 0 is a value.
	ExitCode *int `json:"exit_code,omitempty"`
	// Args are the command's arguments, scrubbed. Empty unless the tool's author
	// turned ExtendedCollection on.
	Args []string `json:"args,omitempty"`
	// Flags are the names of the flags that were set, as the author declared them and in the
	// order in which the command declares them, without dashes: never a value.
	Flags []string `json:"flags,omitempty"`
	// Error is the command's error text, scrubbed. Empty unless the tool's author
	// turned ExtendedCollection on.
	Error string `json:"error,omitempty"`
	// ErrorClass says in one word of a closed list what went wrong, such as "usage" or
	// "timeout": one of package props, or one that the tool's author declared. Empty where
	// nothing did, or where that is not known.
	ErrorClass string `json:"error_class,omitempty"`
	// Tool and Version name the program as its author declared it.
	Tool    string `json:"tool_name"`
	Version string `json:"tool_version,omitempty"`
	// OS and Arch are Go's names for the platform, for example "linux" and "amd64".
	OS   string `json:"os"`
	Arch string `json:"arch"`
	// OSVersion is the system's family, such as "debian 12" or "macos 15": never a
	// build or kernel release, which single out machines.
	OSVersion string `json:"os_version,omitempty"`
	// GoVersion is the Go release that built the tool, for example "go1.26".
	GoVersion string `json:"go_version,omitempty"`
	// CI says that the tool ran in continuous integration. CIProvider is the system's name
	// from a closed list, such as "github-actions", and empty for one that is not in it.
	CI         bool   `json:"ci"`
	CIProvider string `json:"ci_provider,omitempty"`
	// Interactive says that standard input and standard error were terminals.
	Interactive bool `json:"interactive"`
	// Agent is the coding agent that ran the tool, from a closed list, such as "codex", or
	// "other"; empty where none made itself known.
	Agent string `json:"agent,omitempty"`
	// Container says that the tool ran in a container, as far as that shows.
	Container bool `json:"container"`
	// RunID is common to what one run of the tool recorded, and to what its children did
	// that were handed it: a version 7 UUID like ID, random, derived from nothing. Empty in
	// what no run recorded, which are reports of losses and records of several runs.
	RunID string `json:"run_id,omitempty"`
	// MachineID is the installation's pseudonym: 32 hexadecimal characters, different
	// for each tool, gone with reset. It is put in when the event is sent, and empty where
	// none can be stored: no person could have the event deleted by it.
	MachineID string `json:"machine_id,omitempty"`
	// ConsentID is the ID of the receipt, which is of the person's decision under which
	// the event was recorded: 32 lower-case hexadecimal characters, random, derived from
	// nothing, new with each decision. Events of one batch may have been recorded under
	// several. It is put in when the event is sent.
	ConsentID string `json:"consent_id,omitempty"`
	// Metadata holds the author's own pairs.
	Metadata map[string]string `json:"metadata,omitempty"`
	// Count is how many events this one stands for, where events were folded into one for
	// each command, outcome and day: 0 means that it is a single one. Records of the same
	// command, outcome and day are merged by adding Count, Failures and Durations up.
	Count int `json:"count,omitempty"`
	// Failures is how many of them ended with an exit code other than 0.
	Failures int `json:"failures,omitempty"`
	// Durations says how long they took: how many were in each bucket of [DurationBounds].
	// Empty for a single event, whose duration is DurationMS.
	Durations []int `json:"durations,omitempty"`
	// SampleRate is n where one run of n is recorded, 0 where every one is.
	SampleRate int `json:"sample_rate,omitempty"`
	// Truncated counts the author's values that were cut to their cap, and those that were
	// left out, for a cap or because the author did not declare them: so a reader knows that
	// something is missing.
	Truncated int `json:"truncated,omitempty"`
	// Redacted counts the author's values of which the scrubber replaced something.
	Redacted int `json:"redacted,omitempty"`
	// TimeAdjusted says that the clock was ahead when the event was recorded, so that Time is
	// that of sending.
	TimeAdjusted bool `json:"time_adjusted,omitempty"`
}

// DurationBounds are the upper bounds in milliseconds, inclusive, of all buckets of
// [Event.Durations] but the last, which has none. They never change: records of different
// versions can be merged.
func DurationBounds() []int64 {
	return []int64{10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000}
}

// maxSortedKeys is how many metadata keys are sorted without allocating. The
// collector keeps fewer; a longer map is still encoded in order.
const maxSortedKeys = 40

// AppendJSON appends the canonical JSON encoding to b and returns the extended
// slice. It is what encoding/json makes of an Event with HTML escaping off (a test
// and a fuzz test hold the two together) at a fraction of the cost, and it does not
// allocate if b has room. It keeps nothing of b.
func (e *Event) AppendJSON(b []byte) []byte {
	b = append(b, `{"id":`...)
	b = AppendJSONString(b, e.ID)
	b = append(b, `,"type":`...)
	b = AppendJSONString(b, e.Type)
	b = append(b, `,"name":`...)
	b = AppendJSONString(b, e.Name)
	b = append(b, `,"timestamp":"`...)
	b = e.Time.AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	if e.DurationMS != nil {
		b = append(b, `,"duration_ms":`...)
		b = strconv.AppendInt(b, *e.DurationMS, 10)
	}
	if e.ExitCode != nil {
		b = append(b, `,"exit_code":`...)
		b = strconv.AppendInt(b, int64(*e.ExitCode), 10)
	}
	if len(e.Args) > 0 {
		b = AppendJSONStrings(append(b, `,"args":`...), e.Args)
	}
	if len(e.Flags) > 0 {
		b = AppendJSONStrings(append(b, `,"flags":`...), e.Flags)
	}
	b = appendOptional(b, `,"error":`, e.Error)
	b = appendOptional(b, `,"error_class":`, e.ErrorClass)
	b = append(b, `,"tool_name":`...)
	b = AppendJSONString(b, e.Tool)
	b = appendOptional(b, `,"tool_version":`, e.Version)
	b = append(b, `,"os":`...)
	b = AppendJSONString(b, e.OS)
	b = append(b, `,"arch":`...)
	b = AppendJSONString(b, e.Arch)
	b = appendOptional(b, `,"os_version":`, e.OSVersion)
	b = appendOptional(b, `,"go_version":`, e.GoVersion)
	b = strconv.AppendBool(append(b, `,"ci":`...), e.CI)
	b = appendOptional(b, `,"ci_provider":`, e.CIProvider)
	b = strconv.AppendBool(append(b, `,"interactive":`...), e.Interactive)
	b = appendOptional(b, `,"agent":`, e.Agent)
	b = strconv.AppendBool(append(b, `,"container":`...), e.Container)
	b = appendOptional(b, `,"run_id":`, e.RunID)
	b = appendOptional(b, `,"machine_id":`, e.MachineID)
	b = appendOptional(b, `,"consent_id":`, e.ConsentID)
	if len(e.Metadata) > 0 {
		b = append(b, `,"metadata":`...)
		b = appendMap(b, e.Metadata)
	}
	b = appendCount(b, `,"count":`, e.Count)
	b = appendCount(b, `,"failures":`, e.Failures)
	for i, n := range e.Durations {
		if i == 0 {
			b = append(b, `,"durations":[`...)
		} else {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	if len(e.Durations) > 0 {
		b = append(b, ']')
	}
	b = appendCount(b, `,"sample_rate":`, e.SampleRate)
	b = appendCount(b, `,"truncated":`, e.Truncated)
	b = appendCount(b, `,"redacted":`, e.Redacted)
	if e.TimeAdjusted {
		b = append(b, `,"time_adjusted":true`...)
	}
	return append(b, '}')
}

// AppendJSONArray appends events as one JSON array, the body of the http backend.
func AppendJSONArray(b []byte, events []Event) []byte {
	b = append(b, '[')
	for i := range events {
		if i > 0 {
			b = append(b, ',')
		}
		b = events[i].AppendJSON(b)
	}
	return append(b, ']')
}

func appendOptional(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	return AppendJSONString(append(b, key...), value)
}

func appendCount(b []byte, key string, n int) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(append(b, key...), int64(n), 10)
}

func appendMap(b []byte, m map[string]string) []byte {
	var array [maxSortedKeys]string
	keys := array[:0]
	for k := range m {
		keys = append(keys, k)
	}
	// Insertion sort: a handful of keys, and no allocation.
	for i := 1; i < len(keys); i++ {
		for j := i; j > 0 && keys[j] < keys[j-1]; j-- {
			keys[j], keys[j-1] = keys[j-1], keys[j]
		}
	}
	for i, k := range keys {
		if i == 0 {
			b = append(b, '{')
		} else {
			b = append(b, ',')
		}
		b = AppendJSONString(b, k)
		b = append(b, ':')
		b = AppendJSONString(b, m[k])
	}
	return append(b, '}')
}

const hex = "0123456789abcdef"

// plain reports whether a byte stands for itself in a JSON string.
func plain(c byte) bool { return c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' }

// AppendJSONStrings appends list to b as a JSON array, each by AppendJSONString.
func AppendJSONStrings(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendJSONString(b, s)
	}
	return append(b, ']')
}

// AppendJSONString appends s to b as a JSON string, in the way of AppendJSON: invalid
// UTF-8 becomes U+FFFD, and the line separators U+2028 and U+2029 are escaped.
func AppendJSONString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain(c) {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = append(b, s[start:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\b':
				b = append(b, '\\', 'b')
			case '\f':
				b = append(b, '\\', 'f')
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(b, s[start:i]...)
			b = append(b, `\ufffd`...)
		case r == '\u2028' || r == '\u2029':
			b = append(b, s[start:i]...)
			b = append(b, `\u202`...)
			b = append(b, hex[r&0xf])
		default:
			i += size
			continue
		}
		i += size
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
