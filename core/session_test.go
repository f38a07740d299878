package core_test

import (
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
)

// PostHog leaves a session out of its counts whose ID is later than its first event. Here the
// clock goes on by a millisecond with each look.
func TestTheIDOfARunIsNotLaterThanItsFirstEvent(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	options := enabled(t, tool, nil)
	start, looks := time.Now(), atomic.Int64{}
	clock := func() time.Time { return start.Add(time.Duration(looks.Add(1)) * time.Millisecond) }
	c := open(t, tool, append(options, core.WithClock(clock)))
	c.Track("feature.used", "x", nil)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := in.received()
	if len(got) != 1 {
		t.Fatalf("%d events", len(got))
	}
	digits := strings.ReplaceAll(got[0].RunID, "-", "")
	made, err := strconv.ParseInt(digits[:12], 16, 64) // RFC 9562, section 5.7
	if err != nil || time.UnixMilli(made).After(got[0].Time) || got[0].Time.Sub(time.UnixMilli(made)) > time.Hour {
		t.Errorf("the run %s was made at %v, and its first event at %v (%v)", got[0].RunID, time.UnixMilli(made), got[0].Time, err)
	}
}
