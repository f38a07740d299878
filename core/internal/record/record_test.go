package record_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/record"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

func full() driver.Event {
	duration, code := int64(142), 0
	return driver.Event{
		ID: "0193a3c0-0000-7000-8000-000000000001", Type: "command.invocation", Name: "count",
		Time:       time.Date(2026, 11, 22, 10, 0, 0, 5e6, time.UTC),
		DurationMS: &duration, ExitCode: &code,
		Args: []string{"--format", "<path>", "quote \" back \\ tab\t"}, Flags: []string{"format", "dry-run"},
		Error: "line one\nline two", ErrorClass: "quota_exceeded",
		Tool: "mytool", Version: "1.2.3", OS: "linux", Arch: "amd64", OSVersion: "debian 12", GoVersion: "go1.26",
		CI: true, CIProvider: "github-actions", Interactive: true, Agent: "codex", Container: true,
		RunID:     "0193a3c0-0000-7000-8000-00000000000a",
		MachineID: "0123456789abcdef0123456789abcdef",
		ConsentID: "fedcba98765432100123456789abcdef",
		Metadata:  map[string]string{"a": "1", "ключ": "значение", "emoji": "👩‍🚀", "sep": "\u2028\u2029", "nul": "\x00\x1f\x7f"},
		Count:     9, Failures: 3, Durations: []int{0, 4, 0, 5}, SampleRate: 10,
		Truncated: 2, Redacted: 1, TimeAdjusted: true,
	}
}

func TestFullEventLeavesNoFieldOut(t *testing.T) {
	t.Parallel()
	v := reflect.ValueOf(full())
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("full() does not set %s: the reading of it goes untested", v.Type().Field(i).Name)
		}
	}
}

func TestParseReadsBackWhatAppendJSONWrote(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]driver.Event{
		"full":    full(),
		"minimal": {ID: full().ID, Type: "feature.used", Time: full().Time},
	} {
		got, err := record.Parse(e.AppendJSON(nil))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(got, e) {
			t.Errorf("%s: read %+v, want %+v", name, got, e)
		}
	}
}

func TestParseRefusesALineCutAnywhere(t *testing.T) {
	t.Parallel()
	e := full()
	line := e.AppendJSON(nil)
	for i := range line {
		if _, err := record.Parse(line[:i]); err == nil {
			t.Errorf("accepted the first %d of %d bytes: %s", i, len(line), line[:i])
		}
	}
}

func TestParseRefusesWhatIsNotAnEvent(t *testing.T) {
	t.Parallel()
	e := full()
	whole := string(e.AppendJSON(nil))
	for _, line := range []string{
		"", "{}", "[]", "null", "noise", "\x00\x00\x00", whole + whole, whole + " ", " " + whole,
		`{"id":"0193a3c0-0000-7000-8000-000000000001"}`,
		`{"id":"short","type":"a","name":"b","timestamp":"2026-11-22T10:00:00Z"}`,
		`{"unknown":"x",` + whole[1:],
		`{"metadata":{},` + whole[1:],
		`{"id":"\ud800",` + whole[1:],
	} {
		if _, err := record.Parse([]byte(line)); err == nil {
			t.Errorf("accepted %q", line)
		}
	}
}

// Whatever Parse accepts, encoding/json reads in the same way, and it comes back from
// our encoder unchanged.
func FuzzParse(f *testing.F) {
	e := full()
	f.Add(e.AppendJSON(nil))
	f.Add([]byte(`{"id":"0193a3c0-0000-7000-8000-000000000001","type":"a","name":"\u00e9\ud83d\ude00\/","timestamp":"2026-11-22T10:00:00.5Z","os":"","arch":"","tool_name":""}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		// A text of three bytes in a list has a header of 16, and one in a map its share of it; slices
		// double.
		fuzzing.Allocs(t, len(line), 4<<10, 64, func() { _, _ = record.Parse(line) })
		got, err := record.Parse(line)
		if err != nil {
			return
		}
		var want driver.Event
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatalf("encoding/json refuses what we accept: %v", err)
		}
		if !got.Time.Equal(want.Time) {
			t.Errorf("time %v, encoding/json reads %v", got.Time, want.Time)
		}
		got.Time = want.Time
		if !reflect.DeepEqual(got, want) {
			t.Errorf("read %+v, encoding/json reads %+v", got, want)
		}
		again, err := record.Parse(got.AppendJSON(nil))
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("does not survive a second trip: %+v, %v", again, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	e := full()
	line := e.AppendJSON(nil)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := record.Parse(line); err != nil {
			b.Fatal(err)
		}
	}
}
