package posthogstore_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/interop/posthogstore"
)

// home is an installation of a tool whose person has said yes.
type home struct {
	*testing.T
	tool    props.Tool
	options []core.Option
}

// install makes one that sends to a store, in batches of at most so many events.
func install(t *testing.T, s *posthogstore.Store, batch int, more ...core.Option) home {
	t.Helper()
	d := posthog.Driver()
	d.Limits.Events = batch
	h := home{T: t, tool: props.Tool{
		Name: "mytool", Version: "v1.2.3",
		Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{
			Backend: "posthog", Drivers: []driver.Driver{d},
			Settings: map[string]string{"project_key": projectKey, "endpoint": serve(t, s).URL},
		},
	}}
	h.options = append([]core.Option{
		core.WithStateDir(filepath.Join(t.TempDir(), "telemetry")),
		core.WithEnv(func(string) (string, bool) { return "", false }),
		core.WithPolicyFile(filepath.Join(t.TempDir(), "none")),
	}, more...)
	m := core.NewManager(h.tool, h.options...)
	if err := m.Answer(consent.AnswerYes, m.Stored(), ""); err != nil {
		t.Fatal(err)
	}
	return h
}

// run is one run of the tool.
func (h home) run() *core.Collector {
	h.Helper()
	c, err := core.Open(h.tool, h.options...)
	if err != nil {
		h.Fatal(err)
	}
	return c
}

// numbers returns which of the events that were tracked with a number the store holds, in
// order of the numbers.
func numbers(t *testing.T, rows []posthogstore.Row) (list []int) {
	t.Helper()
	for _, row := range rows {
		text, _ := row.Properties["n"].(string)
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("a row without a number: %+v", row)
		}
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}

func upTo(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

func TestFiftyEventsAreFiftyRowsWhenAnAnswerIsLostInTheMiddle(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		batch      int
		first      []posthogstore.Behaviour
		rowsBefore int // what is stored when the first Flush has failed
		inserted   int
	}{
		"third of five batches":  {10, []posthogstore.Behaviour{posthogstore.Work, posthogstore.Work, posthogstore.LoseAnswer}, 30, 60},
		"the only batch":         {posthog.Driver().Limits.Events, []posthogstore.Behaviour{posthogstore.LoseAnswer}, 50, 100},
		"a portal in the middle": {10, []posthogstore.Behaviour{posthogstore.Work, posthogstore.Work, posthogstore.Portal}, 20, 50},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// To PostHog it is about noon: midnight, where two rows are right, is far away.
			toNoon := 12*time.Hour - time.Now().UTC().Sub(time.Now().UTC().Truncate(24*time.Hour))
			s := &posthogstore.Store{Now: func() time.Time { return time.Now().Add(toNoon) }}
			h := install(t, s, tt.batch)
			c := h.run()
			for i := range 50 {
				c.TrackCommand("remote add", int64(i), 0, map[string]string{"n": strconv.Itoa(i)})
			}
			s.Then(tt.first...)
			if err := c.Flush(t.Context()); err == nil {
				t.Fatal("a lost answer is no error")
			}
			if rows := len(s.Rows()); rows != tt.rowsBefore {
				t.Errorf("%d rows after the first Flush, want %d", rows, tt.rowsBefore)
			}
			if err := h.run().Flush(t.Context()); err != nil { // the next run of the tool
				t.Fatal(err)
			}
			rows := s.Rows()
			if got := numbers(t, rows); !slices.Equal(got, upTo(50)) {
				t.Fatalf("stored %d rows: %v", len(rows), got)
			}
			if inserted := len(s.Inserted()); inserted != tt.inserted {
				t.Errorf("%d insertions, want %d", inserted, tt.inserted)
			}
			if err := h.run().Flush(t.Context()); err != nil || len(s.Inserted()) != tt.inserted {
				t.Errorf("a Flush of nothing: %v, %d insertions", err, len(s.Inserted()))
			}
			people := map[string]bool{}
			for _, row := range rows {
				people[row.Person] = true
				if row.Properties["$ip"] != "0.0.0.0" {
					t.Errorf("$ip is %v", row.Properties["$ip"])
				}
			}
			if len(people) != 1 || people[""] {
				t.Errorf("the events belong to %v", people)
			}
			if deleted := s.Delete(rows[0].DistinctID, s.Now()); deleted != tt.inserted || len(s.Rows()) != 0 {
				t.Errorf("a deletion took %d of %d and left %d", deleted, tt.inserted, len(s.Rows()))
			}
		})
	}
}

func TestTheCollectorLosesThePoisonedEventAndReportsIt(t *testing.T) {
	t.Parallel()
	s := &posthogstore.Store{Poison: func(event string) bool { return event == "feature.poisoned" }}
	h := install(t, s, posthog.Driver().Limits.Events)
	c := h.run()
	for i := range 50 {
		kind := props.EventFeatureUsed
		if i == 31 {
			kind = "feature.poisoned"
		}
		c.Track(kind, "export", map[string]string{"n": strconv.Itoa(i)})
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := numbers(t, s.Rows()), slices.Delete(upTo(50), 31, 32); !slices.Equal(got, want) || len(s.Inserted()) != 49 {
		t.Errorf("stored %v in %d insertions", got, len(s.Inserted()))
	}
	if err := h.run().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows := s.Rows()
	if len(rows) != 50 {
		t.Fatalf("%d rows, want 50", len(rows))
	}
	if last := rows[49]; last.Event != "telemetry.loss" || fmt.Sprint(last.Properties["metadata_count"]) != "1" {
		t.Errorf("the last row is %+v", last)
	}
}

func TestTheCollectorWaitsAsLongAsPostHogAsks(t *testing.T) {
	t.Parallel()
	s := &posthogstore.Store{}
	// Of the collector alone: sent_at is by the clock of the system.
	later := time.Duration(0)
	h := install(t, s, 10, core.WithClock(func() time.Time { return time.Now().Add(later) }))
	c := h.run()
	for i := range 25 {
		c.TrackCommand("remote add", int64(i), 0, map[string]string{"n": strconv.Itoa(i)})
	}
	s.Then(posthogstore.Work, posthogstore.Refuse(429, "3600"))
	if err := c.Flush(t.Context()); driver.Wait(err) != time.Hour {
		t.Errorf("%v, wait %v", err, driver.Wait(err))
	}
	if err := h.run().Flush(t.Context()); !errors.Is(err, core.ErrWait) || len(s.Requests()) != 2 {
		t.Errorf("%v after %d requests", err, len(s.Requests()))
	}
	later = time.Hour + time.Second
	if err := h.run().Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if got := numbers(t, s.Rows()); !slices.Equal(got, upTo(25)) || len(s.Inserted()) != 25 {
		t.Errorf("stored %v in %d insertions", got, len(s.Inserted()))
	}
}
