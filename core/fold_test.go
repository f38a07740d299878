package core_test

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/record"
	"github.com/gotoolbase/telemetry/core/props"
)

func foldingTool(endpoint string) props.Tool {
	tool := toolFor(endpoint)
	tool.Telemetry.Fold = true
	return tool
}

// lines returns what waits in the first slot.
func lines(t *testing.T, options []core.Option) [][]byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(stateDir(options), "queue", "0000.events2"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(content), []byte("\n"))[1:]
}

func TestCallsOfACommandArriveAsOneRecordForEachOutcome(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := foldingTool(in.URL)
	c := open(t, tool, enabled(t, tool, nil))
	want := make([]int, len(driver.DurationBounds())+1)
	for _, ms := range append(driver.DurationBounds(), -5, 0, 11, 300_000, 300_001, 1<<60) {
		c.TrackCommand("build", ms, 0, extra)
	}
	for i := range want { // each bound is in its own bucket
		want[i] = 1
	}
	want[0], want[1], want[12], want[13] = 3, 2, 2, 2
	for range 4 {
		c.Command("build").Done(props.Outcome{ExitCode: 3, Class: props.ErrorNetwork})
	}
	c.Track(props.EventFeatureUsed, "export", nil)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	events := in.received()
	slices.SortFunc(events, func(a, b driver.Event) int { return b.Count - a.Count })
	if len(events) != 3 {
		t.Fatalf("%d events arrive: %+v", len(events), events)
	}
	if e := events[0]; e.Count != 19 || e.Failures != 0 || !slices.Equal(e.Durations, want) || *e.ExitCode != 0 || e.DurationMS != nil || e.RunID != "" || e.Metadata["mode"] != "fast" {
		t.Errorf("%+v\nwant %v", e, want)
	}
	if e := events[1]; e.Count != 4 || e.Failures != 4 || *e.ExitCode != 3 || e.ErrorClass != "network" || sum(e.Durations) != 4 {
		t.Errorf("%+v", e)
	}
	if e := events[2]; e.Type != "feature.used" || e.Count != 0 || e.RunID == "" {
		t.Errorf("an event that is not a command's: %+v", e)
	}
}

func sum(list []int) (n int) {
	for _, i := range list {
		n += i
	}
	return n
}

// What is not in a record is not on the disk either.
func TestARecordHoldsNothingOfTheSingleCall(t *testing.T) {
	t.Parallel()
	tool := foldingTool("http://127.0.0.1:1/")
	tool.Telemetry.ExtendedCollection = true
	tool.Telemetry.Metadata = map[string]string{"a b": "c\"d"}
	tool.Telemetry.SampleRate = 1
	options := enabled(t, tool, nil)
	c := open(t, tool, options)
	c.TrackCommandExtended("push", []string{"canary"}, 1234567, 1, "canary", map[string]string{"k": strings.Repeat("long ", 900)})
	c.Command("push").Args("canary").Flags("force").Done(props.Outcome{Err: errors.New("canary")})
	c.Track(props.EventCommandInvocation, "push", nil) // without a duration
	for _, line := range lines(t, options) {
		e, err := record.Parse(line)
		if err != nil || e.Count != 1 {
			t.Errorf("%s: %v", line, err)
		}
		if canonical := e.AppendJSON(nil); !bytes.Equal(canonical, line) {
			t.Errorf("on disk\n%s\ncanonical\n%s", line, canonical)
		}
		for _, not := range []string{"canary", "1234567", "run_id", "args", "sample_rate", `"error":`} {
			if bytes.Contains(line, []byte(not)) {
				t.Errorf("%s holds %s", line, not)
			}
		}
	}
}

func TestASampleHoldsRunsWhole(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	tool.Telemetry.SampleRate = 4
	options := enabled(t, tool, nil)
	const runs = 400
	recorded := 0
	for range runs {
		c := open(t, tool, options)
		name, run, _ := strings.Cut(c.RunEnv()[0], "=")
		child := open(t, tool, append(options, environment(map[string]string{name: run})))
		before := core.NewManager(tool, options...).Status().Queue.Events
		c.TrackCommand("build", 1, 0, nil)
		c.Track(props.EventFeatureUsed, "export", nil)
		child.Command("build").End(nil)
		child.Track("telemetry.probe", "always", nil)
		switch n := core.NewManager(tool, options...).Status().Queue.Events - before; n {
		case 1:
		case 4:
			recorded++
		default:
			t.Fatalf("%d events of a run and its child are recorded, not 3 or none, and 1", n)
		}
		if err := errors.Join(c.Drop(), child.Drop()); err != nil {
			t.Fatal(err)
		}
	}
	// One in four of 400, and five times the standard deviation.
	if recorded < 100-44 || recorded > 100+44 {
		t.Errorf("%d runs of %d are recorded", recorded, runs)
	}
	if s := core.NewManager(tool, options...).Status(); s.TotalLost() != 0 {
		t.Errorf("what was not recorded counts as lost: %v", s.Lost)
	}
}

func TestTheRateIsOnTheEventsOfASample(t *testing.T) {
	t.Parallel()
	for _, fold := range []bool{false, true} {
		tool := toolFor("http://127.0.0.1:1/")
		tool.Telemetry.SampleRate, tool.Telemetry.Fold = 2, fold
		for {
			options := enabled(t, tool, nil)
			c := open(t, tool, options)
			c.Track("telemetry.probe", "always", nil)
			c.TrackCommand("build", 1, 0, nil)
			list := lines(t, options)
			if len(list) < 2 {
				continue // not one of the sample
			}
			for i, line := range list {
				e, err := record.Parse(line)
				if err != nil || e.SampleRate != 2*i || (e.Count == 1) != (fold && i == 1) {
					t.Errorf("%s: %v", line, err)
				}
				if !bytes.Equal(e.AppendJSON(nil), line) {
					t.Errorf("%s is not the canonical encoding", line)
				}
			}
			break
		}
	}
}

func TestANegativeRateIsAMistake(t *testing.T) {
	t.Parallel()
	tool := someTool()
	tool.Telemetry.SampleRate = -1
	c, err := core.Open(tool, enabled(t, someTool(), nil)...)
	var mistake *driver.ConfigError
	if !errors.As(err, &mistake) || mistake.Field != "Telemetry.SampleRate" || c.Enabled() {
		t.Errorf("%v, enabled %v", err, c.Enabled())
	}
}

// In CI the disk may go with the job: nothing waits there for the day to be over.
func TestInCIRecordsAreSentOnceAMinute(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := foldingTool(in.URL)
	now := &clock{now: time.Now().UTC().Truncate(24 * time.Hour).Add(-12 * time.Hour)}
	options := append(enabled(t, tool, nil), environment(map[string]string{"CI": "1"}), core.WithClock(now.Now))
	for i := range 8 {
		c := open(t, tool, options)
		c.TrackCommand("build", 1, 0, nil)
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		now.add(25 * time.Second)
		if want := 1 + i/3; in.postCount() != want {
			t.Errorf("call %d: %d posts, want %d", i, in.postCount(), want)
		}
	}
	if events := in.received(); len(events) != 3 || events[1].Count != 3 {
		t.Errorf("%+v", events)
	}
}

// A process costs a command a moment: with nothing but records to send, one is started by the
// first call of a day, and by one that finds the queue filling up.
func TestACommandThatRecordsNothingElseStartsOneUploadADay(t *testing.T) {
	t.Parallel()
	tool := foldingTool("http://127.0.0.1:1/")
	tool.Telemetry.MaxQueueBytes = 4 * 64 << 10 // four slots
	noon := time.Now().UTC().Truncate(24 * time.Hour).Add(12 * time.Hour)
	now := &clock{now: noon}
	options := append(enabled(t, tool, nil), core.WithClock(now.Now), core.WithUploadCommand("die"))
	in := func(name string) string { return filepath.Join(stateDir(options), name) }
	starts := func(record func(c *core.Collector)) bool {
		t.Helper()
		_ = os.Remove(in("next-upload")) // one may start
		_ = os.Remove(in("background-started"))
		c := open(t, tool, options)
		record(c)
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := os.Stat(in("background-started"))
		return err == nil
	}
	call := func(c *core.Collector) { c.TrackCommand("build", 1, 0, nil) }
	if !starts(call) {
		t.Error("the first call starts none")
	}
	midnight := noon.Add(12 * time.Hour)
	if err := errors.Join(os.WriteFile(in("next-folds"), nil, 0o600), os.Chtimes(in("next-folds"), midnight, midnight)); err != nil {
		t.Fatal(err)
	}
	if starts(call) {
		t.Error("another call of the day starts one")
	}
	if !starts(func(c *core.Collector) { call(c); c.Track(props.EventFeatureUsed, "export", nil) }) {
		t.Error("an event that is not folded starts none")
	}
	if starts(call) {
		t.Error("a call starts one for what another command recorded")
	}
	now.add(-13 * time.Hour)
	if !starts(call) {
		t.Error("a clock that was set back silences it")
	}
	now.add(13*time.Hour + 12*time.Hour)
	if !starts(call) {
		t.Error("the first call of the next day starts none")
	}
	now.add(-12 * time.Hour)
	if !starts(func(c *core.Collector) {
		for range 200 { // of some 400 bytes
			call(c)
		}
	}) || !starts(call) {
		t.Error("a queue that fills up starts none")
	}
}

func TestADeclaredEventIsFoldedWhereItsDeclarationSaysSo(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	tool.Telemetry.Events = []props.EventSpec{
		{Type: "cache.hit", Purpose: "whether the cache is worth it", Fold: true, Fields: []props.Field{
			{Name: "kind", Type: props.OneOf("disk", "memory"), Purpose: "which cache"},
		}},
		{Type: "export.finished", Purpose: "whether exports are used"},
	}
	c := open(t, tool, enabled(t, tool, nil))
	for _, kind := range []string{"disk", "memory", "disk"} {
		c.Track("cache.hit", "", map[string]string{"kind": kind})
		c.Track("export.finished", "", nil)
	}
	c.TrackCommand("build", 1, 0, nil)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, e := range in.received() {
		counts[string(e.Type)+" "+e.Metadata["kind"]] += 10*e.Count + 1
	}
	if want := map[string]int{"cache.hit disk": 21, "cache.hit memory": 11, "export.finished ": 3, "command.invocation ": 1}; !maps.Equal(counts, want) {
		t.Errorf("%v, want %v", counts, want)
	}
}
