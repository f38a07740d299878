//go:build !notelemetry

package events

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

func full() driver.Event {
	exit, took := -1, int64(123456789)
	return driver.Event{
		ID: "0193a3c0-0000-7000-8000-000000000001", Type: "a", Name: "b \"quoted\" \\ \u2028 é 😀 \x01", Time: time.Date(2026, 11, 22, 10, 0, 0, 120e6, time.UTC),
		DurationMS: &took, ExitCode: &exit, Args: []string{"x", ""}, Flags: []string{"f"}, Error: "line\nline\ttab", ErrorClass: "usage",
		Tool: "mytool", Version: "1", OS: "linux", Arch: "amd64", OSVersion: "debian 12", GoVersion: "go1.26", CI: true, CIProvider: "c",
		Interactive: true, Agent: "codex", Container: true, RunID: "r", MachineID: "m", ConsentID: "n",
		Metadata: map[string]string{"k": "v", "": ""}, Count: 3, Failures: 1, Durations: []int{1, 0, 2}, SampleRate: 10, Truncated: 4, Redacted: 5, TimeAdjusted: true,
	}
}

func TestWhatIsEncodedIsDecoded(t *testing.T) {
	t.Parallel()
	sent := []driver.Event{full(), {ID: "0193a3c0-0000-7000-8000-000000000002", Time: time.Unix(0, 0).UTC()}}
	list, err := decode(string(driver.AppendJSONArray(nil, sent)))
	if err != nil || len(list) != 2 {
		t.Fatal(err)
	}
	for i, e := range list {
		if got, want := string(e.event.AppendJSON(nil)), string(sent[i].AppendJSON(nil)); got != want || e.malformed || e.unknown != 0 || e.bytes != len(want) {
			t.Errorf("got %s (%d bytes), want %s", got, e.bytes, want)
		}
	}
}

// A bomb is not unpacked beyond what a body may be.
func TestNoMoreIsUnpackedThanABodyMayHold(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(make([]byte, 50<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := unpack(b.String())
	if err != nil || len(text) != maxBody+1 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

// Whatever is read here is JSON to a whole parser too, and says the same there.
func FuzzDecode(f *testing.F) {
	e := full()
	f.Add(string(driver.AppendJSONArray(nil, []driver.Event{e, e})))
	for _, body := range []string{
		`[]`, ` [ ] `, `[{"id":"%a"}]`, `[{"id":"%a","x":[{"y":1e5}],"z":-0.5}]`, `[{"id":"%a","name":"\u00e9\ud83d\ude00\ud800"}]`,
		`[{"id":"%a","ci":true,"ci":null}]`, `[{"id":"%a","count":01}]`, `[{"id":"%a",}]`, `[{"id":"%a"},]`, `[{"id":"%a","metadata":{"a":"b"}}]`,
		`[{"id":"%a","durations":[1,2.5]}]`, "[{\"id\":\"%a\",\"name\":\"\xff\"}]", `[{"id":"%a","timestamp":"2026-11-22T10:00:00+02:00"}]`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		body = strings.ReplaceAll(body, "%a", e.ID)
		// An event of 45 bytes, which an ID alone takes, is a structure of 700, in a slice that doubles.
		fuzzing.Allocs(t, len(body), 16<<10, 128, func() { _, _ = decode(body) })
		list, err := decode(body)
		if err != nil {
			return
		}
		var raw []map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &raw); err != nil || len(raw) != len(list) {
			t.Fatalf("%q is read as %d events; encoding/json: %d, %v", body, len(list), len(raw), err)
		}
		if slices.ContainsFunc(list, func(e received) bool { return e.malformed || e.unknown > 0 }) || strings.Contains(body, "null") {
			return // encoding/json reads names in any case, and stops at the first that is of another kind
		}
		var want []driver.Event
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		for i := range want {
			if want[i].Time.IsZero() {
				continue
			}
			want[i].Time = want[i].Time.UTC().Truncate(time.Millisecond)
			if got, want := string(list[i].event.AppendJSON(nil)), string(want[i].AppendJSON(nil)); got != want {
				t.Errorf("%q is read as %s; encoding/json: %s", body, got, want)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	e := full()
	body := string(driver.AppendJSONArray(nil, slices.Repeat([]driver.Event{e}, 100)))
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := decode(body); err != nil {
			b.Fatal(err)
		}
	}
}
