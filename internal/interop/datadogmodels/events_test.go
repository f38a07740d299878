package datadogmodels

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

var seedFlag = flag.Uint64("seed", 0, "makes the random events of an earlier run")

// random returns a source, and tells how to have the same one again.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("the same events again: -seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// pieces is what strings are made of: what JSON escapes, what a tag or a tag list is made
// of, what is longer than one byte or than one UTF-16 unit, and what HTML escapes.
var pieces = []string{
	"a", "Z", "0", "word", " ", "_", "-", ".", "/", ":", ",", ";", "=", `"`, `\`, `\u0041`, "'", "<", ">", "&", "%", "{", "}", "[", "]",
	"\x00", "\x01", "\x1f", "\b", "\f", "\n", "\r", "\t", "\x7f", "\u0085", "\u00a0", "\u2028", "\u2029", "\ufeff", "\ufffd", "\uffff",
	"é", "e\u0301", "ß", "Ж", "中", "\u200d", "🙂", "👩‍🚀", "\U0010ffff", "null", "true", "1e400", "-0", "${x}", "@timestamp",
}

func text(r *rand.Rand, most int) string {
	var b strings.Builder
	for range r.IntN(most + 1) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

// sometimes picks one of values, or what otherwise makes.
func sometimes[T any](r *rand.Rand, otherwise func() T, values ...T) T {
	if r.IntN(2) == 0 {
		return values[r.IntN(len(values))]
	}
	return otherwise()
}

func integer(r *rand.Rand) int64 {
	return sometimes(r, func() int64 { return int64(r.Uint64()) },
		0, 1, -1, 42, 1<<31, 1<<53, 1<<53+1, -1<<53-1, math.MaxInt64, math.MaxInt64-1, math.MinInt64)
}

func randomEvent(r *rand.Rand, now time.Time) driver.Event {
	e := driver.Event{
		ID:   fmt.Sprintf("%08x-%04x-7%03x-8%03x-%012x", r.Uint32(), r.Uint32N(1<<16), r.Uint32N(1<<12), r.Uint32N(1<<12), r.Uint64N(1<<48)),
		Type: sometimes(r, func() string { return text(r, 60) }, "command.invocation", "feature.used", strings.Repeat("t", 99)+"é", ""),
		Name: sometimes(r, func() string { return text(r, 120) }, "remote add", "", strings.Repeat("中", 80)),
		Time: sometimes(r, func() time.Time { return now.Add(-time.Duration(r.Int64N(int64(40 * time.Hour)))) },
			now, time.Time{}, time.Unix(0, 0), now.Add(30*time.Minute), now.Add(5*time.Hour), now.Add(-15*time.Hour-30*time.Minute),
			now.Add(-17*time.Hour), now.AddDate(-1, 0, 0), time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)).UTC().Truncate(time.Millisecond),
		Error:     sometimes(r, func() string { return text(r, 200) }, "", "", "no <remote> & \"none\""),
		Tool:      sometimes(r, func() string { return text(r, 10) }, "mytool", ""),
		Version:   sometimes(r, func() string { return text(r, 20) }, "", "v1.2.3", "v1.2.3-rc.1+dirty", "1:2,3"),
		OS:        sometimes(r, func() string { return text(r, 3) }, "linux", "windows", ""),
		Arch:      sometimes(r, func() string { return text(r, 3) }, "amd64", "arm64", ""),
		OSVersion: sometimes(r, func() string { return text(r, 8) }, "", "debian 12"),
		GoVersion: sometimes(r, func() string { return text(r, 8) }, "", "go1.26"),
		MachineID: sometimes(r, func() string { return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64()) }, "", strings.Repeat("0", 32)),
		ConsentID: sometimes(r, func() string { return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64()) }, ""),
		Truncated: sometimes(r, func() int { return r.IntN(1000) }, 0, 1, math.MaxInt),

		ErrorClass:   sometimes(r, func() string { return text(r, 10) }, "", "", "usage", "interrupted", "ended_unrecorded"),
		CI:           r.IntN(2) == 0,
		CIProvider:   sometimes(r, func() string { return text(r, 5) }, "", "github-actions"),
		Interactive:  r.IntN(2) == 0,
		Agent:        sometimes(r, func() string { return text(r, 5) }, "", "codex"),
		Container:    r.IntN(2) == 0,
		RunID:        sometimes(r, func() string { return text(r, 20) }, "", "01890a5d-ac96-774b-bcce-b302099a0000"),
		Count:        sometimes(r, func() int { return r.IntN(1000) }, 0, math.MaxInt),
		Failures:     sometimes(r, func() int { return r.IntN(1000) }, 0, 0),
		SampleRate:   sometimes(r, func() int { return r.IntN(1000) }, 0),
		Redacted:     sometimes(r, func() int { return r.IntN(1000) }, 0),
		TimeAdjusted: r.IntN(2) == 0,
	}
	for range r.IntN(len(buckets) + 1) {
		e.Durations = append(e.Durations, r.IntN(1000))
	}
	for range r.IntN(4) {
		e.Flags = append(e.Flags, text(r, 5))
	}
	if r.IntN(3) > 0 {
		d := integer(r)
		e.DurationMS = &d
	}
	if r.IntN(3) > 0 {
		code := int(integer(r))
		e.ExitCode = &code
	}
	for range r.IntN(6) {
		e.Args = append(e.Args, text(r, 15))
	}
	for range r.IntN(12) {
		if e.Metadata == nil {
			e.Metadata = map[string]string{}
		}
		// Keys that Datadog reads at the top of a log, and those that we use there.
		key := sometimes(r, func() string { return text(r, 6) }, "host", "hostname", "service", "status", "date", "timestamp", "message",
			"ddsource", "ddtags", "event_id", "metadata", "trace_id", "", "a.b", "@x")
		e.Metadata[key] = text(r, 40)
	}
	return e
}

func randomEvents(r *rand.Rand, n int) []driver.Event {
	now := time.Now()
	events := make([]driver.Event, n)
	for i := range events {
		events[i] = randomEvent(r, now)
	}
	return events
}

// handPicked are the events that a reader would ask for by name.
func handPicked() []driver.Event {
	now := time.Now().UTC().Truncate(time.Millisecond)
	plain := driver.Event{
		ID: "01890a5d-ac96-774b-bcce-b302099a8057", Type: "command.invocation", Name: "remote add", Time: now, DurationMS: new(int64(142)),
		ExitCode: new(0), Tool: "mytool", Version: "v1.2.3", OS: "linux", Arch: "amd64", OSVersion: "debian 12", GoVersion: "go1.26",
		MachineID: strings.Repeat("ab", 16), ConsentID: strings.Repeat("cd", 16),
	}
	var events []driver.Event
	add := func(change func(*driver.Event)) {
		e := plain
		change(&e)
		e.ID = fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", len(events))
		events = append(events, e)
	}
	add(func(*driver.Event) {})
	add(func(e *driver.Event) { e.Args, e.Metadata = []string{}, map[string]string{} })
	add(func(e *driver.Event) { e.Args, e.Metadata = []string{""}, map[string]string{"": ""} })
	add(func(e *driver.Event) { e.DurationMS, e.ExitCode = nil, nil })
	add(func(e *driver.Event) { e.DurationMS, e.ExitCode = new(int64(0)), new(-1) })
	add(func(e *driver.Event) { e.DurationMS, e.ExitCode = new(int64(math.MaxInt64)), new(math.MinInt) })
	add(func(e *driver.Event) { e.DurationMS = new(int64(1<<53 + 1)) })
	add(func(e *driver.Event) { e.Time = time.Time{} })
	add(func(e *driver.Event) { e.Time = now.Add(-30 * time.Hour) })
	add(func(e *driver.Event) { e.Time = now.Add(30 * time.Hour) })
	add(func(e *driver.Event) { e.Truncated = 7 })
	add(func(e *driver.Event) { e.DurationMS = new(int64(math.MaxInt64)) })
	add(func(e *driver.Event) { e.ExitCode, e.ErrorClass = new(130), "interrupted" })
	add(func(e *driver.Event) { e.Tool = "MyTool" })
	add(func(e *driver.Event) { e.Error = "open \"a\\b\": <no> & \u2028\u2029\x00\x1f" })
	add(func(e *driver.Event) { e.Name, e.Args = "日本 🙂", []string{"e\u0301", "\U0010ffff"} })
	add(func(e *driver.Event) { e.Name = strings.Repeat("é", 500) })
	add(func(e *driver.Event) { e.Version, e.Type = "v1,env:prod", "a b,c:d" })
	add(func(e *driver.Event) {
		e.Metadata = map[string]string{"hostname": "h", "service": "s", "message": "m", "ddtags": "a:b", "status": "error", "timestamp": "1"}
	})
	events = append(events, driver.Event{ID: "01890a5d-ac96-774b-bcce-b302099a8058", Time: now})
	return events
}
