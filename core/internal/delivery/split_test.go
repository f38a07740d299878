package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/spool"
)

func tooLarge() error { return driver.TooLarge(errors.New("413")) }

// atMost answers TooLarge to more than n events.
func atMost(n int) func([]driver.Event) error {
	return func(events []driver.Event) error {
		if len(events) > n {
			return tooLarge()
		}
		return nil
	}
}

// total is what became of the events that were queued: sent, lost or kept, without the
// reports of losses.
func (f *fixture) total(r delivery.Report) (n int) {
	for _, lost := range r.Lost {
		n += lost
	}
	for _, id := range f.vendor.accepted {
		if strings.HasPrefix(id, "test-") {
			n++
		}
	}
	for _, list := range f.waiting() {
		for _, id := range list {
			if strings.HasPrefix(id, "test-") {
				n++
			}
		}
	}
	return n
}

func TestOneThatIsAcceptedConvictsThoseThatWereRefusedBefore(t *testing.T) {
	t.Parallel()
	for _, bad := range [][]string{ids(0, 1), ids(0, 2), {id(0), id(9)}, {id(3), id(4)}} {
		f := newFixture(t, 10)
		f.vendor.answer = refusing(bad...)
		r, err := f.run()
		if err != nil || r.Sent != 10-len(bad) || r.Lost[spool.LossRefused] != len(bad) {
			t.Errorf("%v are bad: %+v, %v", bad, r, err)
		}
		if n := len(f.vendor.attempts); n > 16 {
			t.Errorf("%v are bad: %d attempts, %v", bad, n, sizes(f.vendor.attempts))
		}
	}
}

// Where nothing was accepted, nothing is known of the events: also not of the last one.
func TestWhereNothingIsAcceptedNothingIsConvicted(t *testing.T) {
	t.Parallel()
	for _, events := range []int{1, 2, 3, 4, 50} {
		f := newFixture(t, events)
		f.vendor.answer = func([]driver.Event) error { return tooLarge() }
		attempts := 0
		for range 4 {
			f.vendor.attempts = nil
			r, err := f.run()
			if err == nil || r.Kept != events || len(r.Lost) > 0 {
				t.Errorf("%d events: %+v, %v", events, r, err)
			}
			attempts = len(f.vendor.attempts)
			f.now = r.NextAt
		}
		if attempts > 12 {
			t.Errorf("%d events: %d attempts in the last run", events, attempts)
		}
		f.vendor.answer = nil
		f.mustRun(events, 0)
	}
}

func TestABoundOfTheReceiversThatIsGoneIsForgotten(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 40)
	f.route.Limits.Events = 100
	f.vendor.answer = atMost(10)
	f.mustRun(40, 0)
	if batch := delivery.ReadNotes(f.sender.Dir).Batch; batch < 5 || batch > 10 {
		t.Errorf("noted is a bound of %d", batch)
	}
	f.vendor.answer, f.vendor.attempts = nil, nil
	f.track(40, 2000)
	f.mustRun(2000-40, 0)
	if most := slices.Max(sizes(f.vendor.attempts)); most != 100 || delivery.ReadNotes(f.sender.Dir).Batch != 0 {
		t.Errorf("batches of up to %d after it was gone, noted is a bound of %d", most, delivery.ReadNotes(f.sender.Dir).Batch)
	}
}

func TestARunSpendsABoundedNumberOfAttemptsOnManyBadEvents(t *testing.T) {
	t.Parallel()
	const events = 1000
	f := newFixture(t, events)
	f.vendor.answer = func(list []driver.Event) error {
		if slices.ContainsFunc(list, func(e driver.Event) bool { return strings.HasSuffix(e.ID, "7") && e.Type != "telemetry.loss" }) {
			return tooLarge()
		}
		return nil
	}
	lost := map[string]int{}
	for run := range 30 {
		before := len(f.vendor.attempts)
		r, err := f.run()
		// 64 splits, and what is accepted or convicted between them.
		if n := len(f.vendor.attempts) - before; n > 4*64 {
			t.Errorf("run %d made %d attempts", run, n)
		}
		for reason, n := range r.Lost {
			lost[reason] += n
		}
		if got := f.total(delivery.Report{Lost: lost}); got != events {
			t.Fatalf("after run %d %d events are accounted for, of %d: %v", run, got, events, lost)
		}
		if err == nil && r.Kept == 0 {
			break
		}
		f.now = r.NextAt
	}
	if lost[spool.LossRefused] != events/10 || len(f.waiting()) > 0 {
		t.Errorf("lost %v, and %d slots wait", lost, len(f.waiting()))
	}
}

// In at-most-once mode an event is settled before it is sent. Whatever the answer is, it is
// counted once: as sent, or as lost for one reason.
func TestAtMostOnceEveryEventIsCountedOnceWhateverTheAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(f *fixture, events []driver.Event) error
		want   map[string]int
		sent   int
	}{
		"accepted":  {func(*fixture, []driver.Event) error { return nil }, nil, 40},
		"no answer": {func(*fixture, []driver.Event) error { return errors.New("reset") }, map[string]int{spool.LossUnsent: 40}, 0},
		"refused": {func(*fixture, []driver.Event) error { return driver.Permanent(errors.New("400")) },
			map[string]int{spool.LossRefused: 40}, 0},
		"in small batches": {func(_ *fixture, events []driver.Event) error { return atMost(7)(events) }, nil, 40},
		"one bad event":    {func(_ *fixture, events []driver.Event) error { return refusing(id(17))(events) }, map[string]int{spool.LossRefused: 1}, 39},
		"named": {func(_ *fixture, events []driver.Event) error {
			return &driver.Partial{Accepted: ids(0, 10), Rejected: ids(10, 15), Err: errors.New("207")}
		}, map[string]int{spool.LossRefused: 5, spool.LossUnsent: 25}, 10},
		"unnamed": {func(*fixture, []driver.Event) error { return &driver.Partial{Unnamed: 3, Err: errors.New("some")} },
			map[string]int{spool.LossRefused: 3}, 37},
		"turned off between two attempts": {func(f *fixture, events []driver.Event) error {
			f.route.Allowed = nil
			return tooLarge()
		}, map[string]int{spool.LossUnsent: 40}, 0},
	} {
		f := newFixture(t, 40)
		f.sender.AtMostOnce = true
		f.route.Limits.Events = 40
		f.vendor.answer = func(events []driver.Event) error { return c.answer(f, events) }
		f.route.Allowed = func() error {
			if f.route.Allowed == nil {
				return delivery.ErrNotAllowed
			}
			return nil
		}
		r, _ := f.run()
		if r.Sent != c.sent || fmt.Sprint(r.Lost) != fmt.Sprint(c.want) {
			t.Errorf("%s: sent %d, lost %v; want %d and %v", name, r.Sent, r.Lost, c.sent, c.want)
		}
		if notes := delivery.ReadNotes(f.sender.Dir); notes.TotalLost()+notes.Delivered != 40 {
			t.Errorf("%s: noted are %d delivered and %v", name, notes.Delivered, notes.Lost)
		}
		for _, list := range f.waiting() {
			for _, id := range list {
				if strings.HasPrefix(id, "test-") {
					t.Errorf("%s: %s would be sent again", name, id)
				}
			}
		}
	}
}

func TestAtMostOnceAReceiverThatRefusesEverythingCostsFewRequestsAndNoCount(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 300)
	f.sender.AtMostOnce = true
	f.vendor.answer = func([]driver.Event) error { return tooLarge() }
	r, _ := f.run()
	if got := f.total(r); got != 300 {
		t.Errorf("%d of 300 events are accounted for: %+v", got, r)
	}
	if n := len(f.vendor.attempts); n > 4*64 {
		t.Errorf("%d attempts", n)
	}
}

// The context that ends a run also ends the splitting.
func TestSplittingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 100)
	ctx, cancel := context.WithCancel(t.Context())
	f.vendor.answer = func([]driver.Event) error {
		if len(f.vendor.attempts) == 3 {
			cancel()
		}
		return tooLarge()
	}
	if r, err := f.sender.Run(ctx, 0); !errors.Is(err, context.Canceled) || r.Kept != 100 || len(f.vendor.attempts) != 3 {
		t.Errorf("%+v, %v, %d attempts", r, err, len(f.vendor.attempts))
	}
}
