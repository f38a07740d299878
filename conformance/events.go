package conformance

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// The tool that the suite pretends to be.
const (
	toolName    = "sampletool"
	toolVersion = "v3.14.1"
)

// baseOf is the time of a run's samples: past, and never a whole second, where a backend that
// loses the milliseconds could not be told from one that keeps them.
func baseOf(now time.Time) time.Time {
	return now.UTC().Truncate(time.Second).Add(-563 * time.Millisecond)
}

// sampleEvents returns n events with every field set, each distinct from the others.
// Two calls with the same base and first return the same events.
func sampleEvents(base time.Time, first, n int) []driver.Event {
	list := make([]driver.Event, n)
	for i := range list {
		list[i] = sampleEvent(base, first+i)
	}
	return list
}

func sampleEvent(base time.Time, n int) driver.Event {
	duration, exit := int64(70_001+n), n%3
	at := base.Add(time.Duration(n) * time.Millisecond)
	return driver.Event{
		ID: sampleID(at, n), Type: "command.invocation", Name: fmt.Sprintf("remote add-%d", n), Time: at,
		DurationMS: &duration, ExitCode: &exit, Args: []string{"--depth", fmt.Sprint("level-", n)},
		Flags: []string{"depth", fmt.Sprint("flag-", n)},
		Error: fmt.Sprintf("error number %d", n), ErrorClass: sampleClasses[n%len(sampleClasses)], Tool: toolName, Version: toolVersion, OS: "linux", Arch: "arm64",
		OSVersion: "debian 12", GoVersion: "go1.26",
		CI: true, CIProvider: "github-actions", Interactive: true, Agent: "codex", Container: true, RunID: sampleRun(base, n),
		MachineID: strings.Repeat("5ca1ab1e", 4), ConsentID: sampleConsent(n),
		Metadata: map[string]string{"colour": fmt.Sprint("green-", n), "format": "table"},
		Count:    300 + n, Failures: 200 + n, Durations: []int{100 + n, 0, 7}, SampleRate: 10 + n%5,
		Truncated: n%5 + 2, Redacted: n%5 + 3, TimeAdjusted: true,
	}
}

// sampleClasses are classes of errors, one of them an author's own.
var sampleClasses = []string{"usage", "timeout", "other", "quota_exceeded"}

// sampleRun is the same for three events in a row, as if each command had recorded so many.
// A run begins before its events: some vendors look at the time in a session's ID.
func sampleRun(base time.Time, n int) string { return sampleID(base.Add(-time.Minute), 0xf0000+n/3) }

// lean takes from an event what not every event has, so that it is a single one of a person
// at a terminal.
func lean(e *driver.Event) {
	e.DurationMS, e.ExitCode, e.Args, e.Flags, e.Error, e.ErrorClass, e.Metadata = nil, nil, nil, nil, "", "", nil
	e.CI, e.CIProvider, e.Agent, e.Container = false, "", "", false
	e.Count, e.Failures, e.Durations, e.SampleRate = 0, 0, nil, 0
	e.Truncated, e.Redacted, e.TimeAdjusted = 0, 0, false
}

// smallEvent is one with nothing that may be left out but the IDs and versions.
func smallEvent(base time.Time, n int) driver.Event {
	e := sampleEvent(base, n)
	lean(&e)
	e.Type = "feature.used"
	return e
}

// paddedWith returns event n with as much of a text in it as makes a canonical encoding of
// size bytes, if it is not larger anyway.
func paddedWith(base time.Time, n, size int, unit string) driver.Event {
	e := sampleEvent(base, n)
	each := len(driver.AppendJSONString(nil, unit)) - len(`""`)
	if missing := size - len(e.AppendJSON(nil)) - len(`,"pad":""`); missing >= each {
		e.Metadata["pad"] = strings.Repeat(unit, missing/each)
	}
	return e
}

// sampleConsent is the same for two events in a row, as if a person had decided anew
// between every other pair: a batch holds several, and some more than once.
func sampleConsent(n int) string { return fmt.Sprintf("c0115e47%024x", n/2) }

// sampleID is a version 7 UUID made of a time and a number.
func sampleID(at time.Time, n int) string {
	return fmt.Sprintf("%08x-%04x-7%03x-8%03x-%012x", uint32(at.UnixMilli()>>16), uint16(at.UnixMilli()), n%4096, n%4096, 0xabc000000+int64(n))
}

// copyEvents copies what a backend could reach, so that a change shows.
func copyEvents(events []driver.Event) []driver.Event {
	list := slices.Clone(events)
	for i := range list {
		e := &list[i]
		e.Args, e.Flags, e.Durations = slices.Clone(e.Args), slices.Clone(e.Flags), slices.Clone(e.Durations)
		e.Metadata = maps.Clone(e.Metadata)
		if e.DurationMS != nil {
			d := *e.DurationMS
			e.DurationMS = &d
		}
		if e.ExitCode != nil {
			c := *e.ExitCode
			e.ExitCode = &c
		}
	}
	return list
}

func received(e driver.Event) Received { return Received(e) }

func eventIDs(events []driver.Event) []string {
	ids := make([]string, len(events))
	for i := range events {
		ids[i] = events[i].ID
	}
	return ids
}

func receivedIDs(list []Received) []string {
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	return ids
}

// differences compares what arrived with what was sent, field by field, except for the
// fields that the subject omits.
func (s *Subject) differences(got Received, want driver.Event) []string {
	var list []string
	compare := func(field, got, want string) {
		if _, omitted := s.Omits[field]; !omitted && got != want {
			list = append(list, fmt.Sprintf("%s arrived as %s, want %s", field, short(got), short(want)))
		}
	}
	w := received(want)
	compare("ID", got.ID, w.ID)
	for _, f := range []struct{ name, got, want string }{
		{"Type", got.Type, w.Type}, {"Name", got.Name, w.Name}, {"Error", got.Error, w.Error}, {"Tool", got.Tool, w.Tool},
		{"Version", got.Version, w.Version}, {"OS", got.OS, w.OS}, {"Arch", got.Arch, w.Arch}, {"OSVersion", got.OSVersion, w.OSVersion},
		{"GoVersion", got.GoVersion, w.GoVersion}, {"MachineID", got.MachineID, w.MachineID}, {"ConsentID", got.ConsentID, w.ConsentID},
		{"ErrorClass", got.ErrorClass, w.ErrorClass}, {"CIProvider", got.CIProvider, w.CIProvider}, {"Agent", got.Agent, w.Agent}, {"RunID", got.RunID, w.RunID},
	} {
		compare(f.name, sameText(f.got), sameText(f.want))
	}
	compare("Time", got.Time.UTC().Format(time.RFC3339Nano), w.Time.UTC().Format(time.RFC3339Nano))
	compare("DurationMS", pointed(got.DurationMS), pointed(w.DurationMS))
	compare("ExitCode", pointed(got.ExitCode), pointed(w.ExitCode))
	for _, f := range []struct {
		name      string
		got, want any
	}{
		{"CI", got.CI, w.CI}, {"Interactive", got.Interactive, w.Interactive}, {"Container", got.Container, w.Container},
		{"Count", got.Count, w.Count}, {"Failures", got.Failures, w.Failures}, {"Durations", sameBuckets(got.Durations), sameBuckets(w.Durations)},
		{"SampleRate", got.SampleRate, w.SampleRate}, {"Truncated", got.Truncated, w.Truncated}, {"Redacted", got.Redacted, w.Redacted},
		{"TimeAdjusted", got.TimeAdjusted, w.TimeAdjusted},
	} {
		compare(f.name, fmt.Sprint(f.got), fmt.Sprint(f.want))
	}
	compare("Args", joined(got.Args), joined(w.Args))
	compare("Flags", joined(got.Flags), joined(w.Flags))
	if _, omitted := s.Omits["Metadata"]; !omitted {
		gotMeta, wantMeta := sameTexts(got.Metadata), sameTexts(w.Metadata)
		for _, key := range slices.Sorted(maps.Keys(wantMeta)) {
			value, there := gotMeta[key]
			if !there {
				value = "nothing"
			}
			compare("Metadata["+short(key)+"]", value, wantMeta[key])
		}
		for _, key := range slices.Sorted(maps.Keys(gotMeta)) {
			if _, expected := wantMeta[key]; !expected {
				list = append(list, fmt.Sprintf("Metadata[%s] arrived, which the event does not have", short(key)))
			}
		}
	}
	return list
}

// sameText makes the ways equal in which invalid UTF-8 may be replaced: a character for
// each byte, or one for a run of them.
func sameText(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	for strings.Contains(s, "\ufffd\ufffd") {
		s = strings.ReplaceAll(s, "\ufffd\ufffd", "\ufffd")
	}
	return s
}

func sameTexts(m map[string]string) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[sameText(k)] = sameText(v)
	}
	return out
}

func joined(list []string) string {
	texts := make([]string, len(list))
	for i, s := range list {
		texts[i] = sameText(s)
	}
	return fmt.Sprintf("%q", texts)
}

func pointed[T int | int64](p *T) string {
	if p == nil {
		return "nothing"
	}
	return fmt.Sprint(*p)
}

// short keeps a value readable in a finding.
func short(s string) string {
	const enough = 120
	if len(s) > enough {
		return fmt.Sprintf("%q… (%d bytes)", s[:enough], len(s))
	}
	return fmt.Sprintf("%q", s)
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }
