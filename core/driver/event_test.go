package driver_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// full is an event with every field set. TestFullEventLeavesNoFieldOut keeps it so.
func full() driver.Event {
	duration, exit := int64(1234), 3
	return driver.Event{
		ID:           "01890a5d-ac96-774b-bcce-b302099a8057",
		Type:         "command.invocation",
		Name:         "remote add",
		Time:         time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC),
		DurationMS:   &duration,
		ExitCode:     &exit,
		Args:         []string{"--force", "", `C:\temp`},
		Flags:        []string{"force", "depth"},
		Error:        "no such remote",
		ErrorClass:   "not_found",
		Tool:         "mytool",
		Version:      "v1.2.3",
		OS:           "linux",
		Arch:         "amd64",
		OSVersion:    "debian 12",
		GoVersion:    "go1.26",
		CI:           true,
		CIProvider:   "github-actions",
		Interactive:  true,
		Agent:        "codex",
		Container:    true,
		RunID:        "01890a5d-ac96-774b-bcce-b302099a8058",
		MachineID:    "0123456789abcdef0123456789abcdef",
		ConsentID:    "fedcba98765432100123456789abcdef",
		Metadata:     map[string]string{"z": "last", "a": "first", "": "empty key", "m": ""},
		Count:        7,
		Failures:     3,
		Durations:    []int{1, 0, 6},
		SampleRate:   10,
		Truncated:    2,
		Redacted:     1,
		TimeAdjusted: true,
	}
}

// reference is the encoding that AppendJSON promises.
func reference(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatalf("encoding/json: %v", err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// unicodeEdges are strings at which encoders differ.
var unicodeEdges = map[string]string{
	"every ASCII character":       ascii(),
	"quote, backslash and slash":  `"\/`,
	"what HTML escaping changes":  `<a href="x">&amp;</a>`,
	"line separators":             "a\u2028b\u2029c",
	"neighbours of separators":    "\u2027\u202a",
	"delete and C1 controls":      "\x7f\u0080\u009b\u009f",
	"two, three and four bytes":   "é€😀",
	"last rune of every length":   "\u007f\u07ff\uffff\U0010ffff",
	"byte order mark":             "\ufeff",
	"replacement character":       "\ufffd",
	"escaped text stays text":     `\u0000 \n`,
	"lone continuation byte":      "a\x80b",
	"torn two bytes at the end":   "a\xc3",
	"torn four bytes at the end":  "a\xf0\x9f\x98",
	"torn sequence in the middle": "\xe2\x82x",
	"overlong slash":              "\xc0\xaf",
	"surrogate half":              "\xed\xa0\x80",
	"beyond the last rune":        "\xf4\x90\x80\x80",
	"bytes that never occur":      "\xfe\xff",
	"invalid between separators":  "\u2028\xff\u2029",
	"empty":                       "",
}

func ascii() string {
	b := make([]byte, 128)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b)
}

func TestFullEventLeavesNoFieldOut(t *testing.T) {
	t.Parallel()
	v := reflect.ValueOf(full())
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("full() does not set %s: the encoding of it goes untested", v.Type().Field(i).Name)
		}
	}
}

func TestAppendJSONEqualsEncodingJSON(t *testing.T) {
	t.Parallel()
	zeroDuration, minDuration, zeroExit, minExit := int64(0), int64(-1<<63), 0, -1
	many := map[string]string{}
	for i := range 100 {
		many[fmt.Sprint("key ", i)] = fmt.Sprint(i)
	}
	cases := map[string]func(*driver.Event){
		"every field set": func(*driver.Event) {},
		"no field set":    func(e *driver.Event) { *e = driver.Event{} },
		"zero is a value": func(e *driver.Event) { e.DurationMS, e.ExitCode = &zeroDuration, &zeroExit },
		"negative numbers": func(e *driver.Event) {
			e.DurationMS, e.ExitCode, e.Truncated, e.Redacted = &minDuration, &minExit, -1, -1
			e.Count, e.Failures, e.SampleRate, e.Durations = -1, -1, -1, []int{-1}
		},
		"empty slice and map": func(e *driver.Event) {
			e.Args, e.Flags, e.Durations, e.Metadata = []string{}, []string{}, []int{}, map[string]string{}
		},
		"one empty argument":       func(e *driver.Event) { e.Args = []string{""} },
		"more keys than the array": func(e *driver.Event) { e.Metadata = many },
		"keys that are prefixes":   func(e *driver.Event) { e.Metadata = map[string]string{"ab": "", "a": "", "abc": "", "b": ""} },
		"keys that are not UTF-8":  func(e *driver.Event) { e.Metadata = map[string]string{"\xff": "1", "\xfe": "2", "é": "3"} },
		"whole seconds":            func(e *driver.Event) { e.Time = time.Unix(1, 0).UTC() },
		"nanoseconds":              func(e *driver.Event) { e.Time = time.Unix(1, 1).UTC() },
		"another time zone":        func(e *driver.Event) { e.Time = e.Time.In(time.FixedZone("", -(3*3600 + 1800))) },
		"the year 9999":            func(e *driver.Event) { e.Time = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) },
	}
	for name, s := range unicodeEdges {
		cases["string: "+name] = func(e *driver.Event) {
			e.ID, e.Type, e.Name, e.Error, e.Tool, e.Version = s, s, s, s, s, s
			e.OS, e.Arch, e.OSVersion, e.GoVersion, e.MachineID, e.ConsentID = s, s, s, s, s, s
			e.ErrorClass, e.CIProvider, e.Agent, e.RunID, e.Flags = s, s, s, s, []string{s, s}
			e.Args, e.Metadata = []string{s, s}, map[string]string{s: s, "other": s}
		}
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := full()
			change(&e)
			if got, want := string(e.AppendJSON(nil)), reference(t, e); got != want {
				t.Errorf("AppendJSON differs\n got %s\nwant %s", got, want)
			}
		})
	}
}

func TestAppendJSONAppends(t *testing.T) {
	t.Parallel()
	e := full()
	alone := string(e.AppendJSON(nil))
	if got := string(e.AppendJSON([]byte("before "))); got != "before "+alone {
		t.Errorf("got %s", got)
	}
}

func TestAppendJSONChangesNothingOfTheEvent(t *testing.T) {
	t.Parallel()
	e, want := full(), full()
	e.AppendJSON(nil)
	if !reflect.DeepEqual(e, want) {
		t.Errorf("event is now %+v", e)
	}
}

func TestAppendJSONArrayEqualsEncodingJSON(t *testing.T) {
	t.Parallel()
	for n := range 4 {
		events := make([]driver.Event, n)
		for i := range events {
			events[i] = full()
			events[i].ID = fmt.Sprint(i)
		}
		if got, want := string(driver.AppendJSONArray([]byte("x"), events)), "x"+reference(t, events); got != want {
			t.Errorf("%d events:\n got %s\nwant %s", n, got, want)
		}
	}
}

// AllocsPerRun must not run beside other tests, so this one is not parallel.
func TestAppendJSONDoesNotAllocateUpToFortyKeys(t *testing.T) {
	for _, keys := range []int{0, 4, 40} {
		e := full()
		e.Metadata = map[string]string{}
		for i := range keys {
			e.Metadata[fmt.Sprint("key ", i)] = "a \"value\"\n\u2028\xff"
		}
		b := e.AppendJSON(nil)
		if n := testing.AllocsPerRun(100, func() { b = e.AppendJSON(b[:0]) }); n != 0 {
			t.Errorf("%d keys: %v allocations, want 0", keys, n)
		}
	}
}

func FuzzAppendJSON(f *testing.F) {
	for _, s := range unicodeEdges {
		f.Add(s, s, s, int64(0), int64(0))
	}
	f.Add("a", "b", "c", int64(-1), int64(253402300799999))
	f.Fuzz(func(t *testing.T, a, b, c string, number, millis int64) {
		// encoding/json refuses years outside of 0 to 9999; the collector makes none.
		if at := time.UnixMilli(millis).UTC(); at.Year() < 0 || at.Year() > 9999 {
			millis %= 253402300800000
			if millis < 0 {
				millis = -millis
			}
		}
		exit := int(number)
		e := driver.Event{
			ID: a, Type: b, Name: c, Time: time.UnixMilli(millis).UTC(),
			DurationMS: &number, ExitCode: &exit, Args: []string{c, a}, Error: b,
			Tool: c, Version: a, OS: b, Arch: c, OSVersion: a, GoVersion: b, MachineID: c, ConsentID: a,
			Flags: []string{a, b}, ErrorClass: c, CI: exit > 0, CIProvider: a, Interactive: exit < 0, Agent: b, Container: exit == 0, RunID: c,
			Metadata: map[string]string{a: b, b: c, c: a}, Truncated: exit, Redacted: exit, TimeAdjusted: exit > 0,
			Count: exit, Failures: exit, Durations: []int{exit, 0}, SampleRate: exit,
		}
		if got, want := string(e.AppendJSON(nil)), reference(t, e); got != want {
			t.Errorf("AppendJSON differs\n got %s\nwant %s", got, want)
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	typical := full()
	typical.Args, typical.Error = nil, ""
	crowded := full()
	crowded.Metadata = maps.Clone(crowded.Metadata)
	for i := range 36 {
		crowded.Metadata[fmt.Sprint("key ", i)] = "value"
	}
	for name, e := range map[string]driver.Event{"typical": typical, "40 keys": crowded} {
		b.Run(name, func(b *testing.B) {
			buf := e.AppendJSON(nil)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				buf = e.AppendJSON(buf[:0])
			}
		})
	}
}
