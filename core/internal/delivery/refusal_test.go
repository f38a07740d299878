package delivery_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/spool"
)

// wantRefusal compares what is noted of the last refusal, "" for none.
func (f *fixture) wantRefusal(reason string, at time.Time) {
	f.Helper()
	notes := delivery.ReadNotes(f.sender.Dir)
	if notes.Refusal != reason || !notes.RefusedAt.Equal(at) {
		f.Errorf("noted %q at %v, want %q at %v", notes.Refusal, notes.RefusedAt, reason, at)
	}
}

func TestTheReasonOfARefusalIsKeptHoweverItWasSaid(t *testing.T) {
	t.Parallel()
	has := func(events []driver.Event, i int) bool {
		return slices.ContainsFunc(events, func(e driver.Event) bool { return e.ID == id(i) })
	}
	for name, test := range map[string]struct {
		answer func(events []driver.Event) error
		reason string
	}{
		"of the whole batch": {func([]driver.Event) error { return driver.Permanent(errors.New("over quota")) }, "over quota"},
		"of events that are named": {func(events []driver.Event) error {
			return &driver.Partial{Accepted: []string{id(0), id(2), id(3)}, Rejected: []string{id(1)}, Err: errors.New("1 dropped (too old)")}
		}, "1 dropped (too old)"},
		"of events that are not named": {func([]driver.Event) error {
			return &driver.Partial{Unnamed: 2, Err: errors.New("2 records rejected")}
		}, "2 records rejected"},
		"without a word": {func(events []driver.Event) error {
			return &driver.Partial{Accepted: []string{id(0), id(2), id(3)}, Rejected: []string{id(1)}}
		}, "the receiver did not say why"},
		"of one after halving": {func(events []driver.Event) error {
			if has(events, 1) {
				return driver.Refused(errors.New("a field is wrong"), len(events))
			}
			return nil
		}, "a field is wrong"},
		"of one that was in doubt until another was taken": {func(events []driver.Event) error {
			if has(events, 0) {
				return driver.TooLarge(errors.New("413"))
			}
			return nil
		}, "413"},
		"on several lines": {func([]driver.Event) error { return driver.Permanent(errors.New("a\x1b[2J\nb")) }, "a [2J b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, 4)
			f.vendor.answer = test.answer
			r, err := f.run()
			if err != nil || r.Lost[spool.LossRefused] == 0 || r.Refusal != test.reason {
				t.Errorf("lost %v for %q, %v", r.Lost, r.Refusal, err)
			}
			f.wantRefusal(test.reason, noon)
		})
	}
}

func TestAnEventThatIsOverTheLimitIsRefusedInOurOwnWords(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.route.Limits.EventBytes = 300
	if r := f.mustRun(0, 1); !strings.Contains(r.Refusal, "300 bytes") {
		t.Errorf("it says %q", r.Refusal)
	}
}

// What else went out after a refusal says that it is over. The report of the loss does not: it
// follows every refusal.
func TestAReasonIsKeptUntilEventsGoOutWithoutARefusal(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	f.vendor.answer = func([]driver.Event) error { return driver.Permanent(errors.New("over quota")) }
	f.mustRun(0, 1)
	f.vendor.answer = nil
	f.now = f.now.Add(time.Hour)
	f.mustRun(1, 0) // the report
	f.wantRefusal("over quota", noon)
	f.track(2, 3)
	f.vendor.answer = func([]driver.Event) error { return errors.New("503") }
	if _, err := f.run(); err == nil {
		t.Fatal("no error")
	}
	f.wantRefusal("over quota", noon)
	f.vendor.answer = nil
	f.mustRun(1, 0)
	f.wantRefusal("", time.Time{})
}

func TestAReasonIsKeptWhereOneIsTakenAndAnotherRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	f.route.Limits.Events = 1
	f.vendor.answer = func(events []driver.Event) error {
		if events[0].ID == id(0) {
			return driver.Permanent(errors.New("over quota"))
		}
		return nil
	}
	f.mustRun(1, 1)
	f.wantRefusal("over quota", noon)
}

func TestAReportOfLossesThatIsRefusedIsToldAndComesToRest(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]func(events []driver.Event) error{
		"with the batch": func([]driver.Event) error { return driver.Permanent(errors.New("over quota")) },
		"by its name": func(events []driver.Event) error {
			p := &driver.Partial{Err: errors.New("over quota")}
			for _, e := range events {
				p.Rejected = append(p.Rejected, e.ID)
			}
			return p
		},
		"without a name": func(events []driver.Event) error {
			return &driver.Partial{Unnamed: len(events), Err: errors.New("over quota")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, 3)
			f.vendor.answer = refuse
			if r := f.mustRun(0, 1); r.Lost[spool.LossRefused] != 3 || r.Unreported != 0 {
				t.Errorf("lost %v, %d reports", r.Lost, r.Unreported)
			}
			if n := delivery.ReadNotes(f.sender.Dir); n.Delivered != 0 || !n.LastDelivered.IsZero() || n.LastAttempt.IsZero() {
				t.Errorf("%d delivered, last on %v", n.Delivered, n.LastDelivered)
			}
			if r := f.mustRun(0, 0); len(r.Lost) != 0 || r.Unreported != 1 || r.Refusal != "over quota" {
				t.Errorf("lost %v, %d reports for %q", r.Lost, r.Unreported, r.Refusal)
			}
			if r := f.mustRun(0, 0); r.Unreported != 0 {
				t.Errorf("%d reports once more", r.Unreported)
			}
		})
	}
}

// A receiver that names none has refused events, as far as there are any in the batch.
func TestOfABatchThatNamesNoneTheEventsCountAsRefusedFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.vendor.answer = func([]driver.Event) error { return driver.Permanent(errors.New("no")) }
	f.mustRun(0, 1)
	f.track(1, 3)
	f.vendor.answer = func([]driver.Event) error { return &driver.Partial{Unnamed: 2, Err: errors.New("no")} }
	if r := f.mustRun(1, 1); r.Lost[spool.LossRefused] != 2 || r.Unreported != 0 {
		t.Errorf("lost %v, %d reports", r.Lost, r.Unreported)
	}
}
