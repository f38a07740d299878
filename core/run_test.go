package core_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

const runVariable = "SOMETOOL_TELEMETRY_RUN"

// runAt is the ID of a run that began then.
func runAt(at time.Time) string {
	ms := at.UnixMilli()
	return fmt.Sprintf("%08x-%04x-7000-8000-00000000000a", ms>>16, ms&0xffff)
}

// runs returns the runs of events, in their order.
func runs(events []driver.Event) (list []string) {
	for _, e := range events {
		list = append(list, e.RunID)
	}
	return list
}

func TestTheEventsOfOneRunShareAnIDAndThoseOfTwoDoNot(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	options := enabled(t, tool, nil)
	for range 2 {
		c := open(t, tool, options)
		c.Track("feature.used", "x", nil)
		c.TrackCommand("build", 1, 0, nil)
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Command("late").End(nil)
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got := runs(in.received())
	if len(got) != 6 || len(slices.Compact(slices.Clone(got))) != 2 || got[0] == got[5] {
		t.Errorf("%q", got)
	}
	for i, e := range in.received() {
		if e.RunID == e.ID || len(e.RunID) != 36 || e.RunID[14] != '7' {
			t.Errorf("event %d of the run %q has the ID %q", i, e.RunID, e.ID)
		}
	}
}

func TestAChildThatIsHandedTheRunIsPartOfIt(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	dir := said(t, in.URL)
	notDue(t, dir)
	c := open(t, processTool(in.URL), []core.Option{core.WithStateDir(dir), environment(nil)})
	env := c.RunEnv()
	if len(env) != 1 || !strings.HasPrefix(env[0], runVariable+"=") || !slices.Equal(env, c.RunEnv()) {
		t.Fatalf("%q, then %q", env, c.RunEnv())
	}
	c.Track("feature.used", "parent", nil)
	for _, env := range [][]string{env, nil} {
		if err := command(dir, in.URL, 1, env...).Run(); err != nil {
			t.Fatal(err)
		}
	}
	starts(t, dir, in.URL, "os.Exit", env...).dies()
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	run := strings.TrimPrefix(env[0], runVariable+"=")
	of := map[bool]int{}
	for _, e := range in.received() {
		of[e.RunID == run]++
	}
	if of[true] != 3 || of[false] != 1 {
		t.Errorf("%d of this run, %d not; want the parent's, the child's, the start's, and the other child's: %q", of[true], of[false], runs(in.received()))
	}
}

func TestARunThatIsNoneIsIgnored(t *testing.T) {
	t.Parallel()
	someRun := runAt(time.Now())
	for _, value := range []string{"", "canary", someRun[:35], someRun + "0", strings.ToUpper(someRun),
		strings.Replace(someRun, "-7", "-4", 1), strings.ReplaceAll(someRun, "-", "_"), "jane@example.com-7000-8000-000000000a",
		// What is set for good would name a person.
		runAt(time.Now().Add(-25 * time.Hour)), runAt(time.Now().Add(time.Hour)), "11111111-1111-7111-8111-111111111111",
		// What is from before the answer would join what a reset parts.
		runAt(time.Now().Add(-time.Minute))} {
		in := newIntake(t)
		tool := toolFor(in.URL)
		c := open(t, tool, append(enabled(t, tool, nil), environment(map[string]string{runVariable: value})))
		c.Track("feature.used", "x", nil)
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := runs(in.received()); len(got) != 1 || got[0] == value || len(got[0]) != 36 {
			t.Errorf("%q: %q", value, got)
		}
	}
}

func TestARunIsOverAfterADayHoweverOldTheAnswerIs(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for age, joined := range map[time.Duration]bool{23 * time.Hour: true, 25 * time.Hour: false, 9 * 24 * time.Hour: false} {
		in := newIntake(t)
		tool := toolFor(in.URL)
		options := []core.Option{core.WithStateDir(t.TempDir()), environment(map[string]string{runVariable: runAt(now.Add(-age))})}
		longAgo := core.WithClock(func() time.Time { return now.Add(-10 * 24 * time.Hour) })
		if err := core.NewManager(tool, append(options, longAgo)...).Enable(false, ""); err != nil {
			t.Fatal(err)
		}
		c := open(t, tool, options)
		c.Track("feature.used", "x", nil)
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := runs(in.received()); len(got) != 1 || (got[0] == runAt(now.Add(-age))) != joined {
			t.Errorf("a run of %v: %q", age, got)
		}
	}
}

func TestTwoToolsDoNotShareARun(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	one, two := toolFor(in.URL), toolFor(in.URL)
	two.Name = "othertool"
	for tool, want := range map[string]bool{one.Name: true, two.Name: false} {
		declared := one
		declared.Name = tool
		options, someRun := enabled(t, declared, nil), runAt(time.Now())
		c := open(t, declared, append(options, environment(map[string]string{runVariable: someRun})))
		if got := c.RunEnv(); len(got) != 1 || strings.HasSuffix(got[0], someRun) != want {
			t.Errorf("%s: %q", tool, got)
		}
	}
}

func TestWhereNothingIsRecordedNoRunIsHandedOver(t *testing.T) {
	t.Parallel()
	tool := someTool()
	off := open(t, tool, []core.Option{core.WithStateDir(t.TempDir()), environment(map[string]string{runVariable: runAt(time.Now())})})
	dropped := open(t, tool, enabled(t, tool, nil))
	if err := dropped.Drop(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []props.Collector{off, dropped, props.Discard{}} {
		if env := c.RunEnv(); env != nil {
			t.Errorf("%q", env)
		}
	}
}

// What nobody ran has no run: neither the process in the background, nor what it reports.
func TestTheReportOfALossIsOfNoRun(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	options, someRun := enabled(t, tool, nil), runAt(time.Now())
	c := open(t, tool, append(options, environment(map[string]string{runVariable: someRun})))
	c.Track("", "x", nil) // is lost, for want of a type
	c.Track("feature.used", "x", nil)
	for range 2 {
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := in.received(); len(got) != 2 || got[0].RunID != someRun || got[1].Type != "telemetry.loss" || got[1].RunID != "" {
		t.Errorf("%+v", got)
	}
}
