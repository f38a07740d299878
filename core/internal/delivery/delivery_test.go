package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/internal/state"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// vendor answers each Send by a rule and remembers what it accepted.
type vendor struct {
	answer   func(events []driver.Event) error
	attempts [][]driver.Event
	accepted []string
}

func (v *vendor) Send(_ context.Context, events []driver.Event) error {
	v.attempts = append(v.attempts, slices.Clone(events))
	var err error
	if v.answer != nil {
		err = v.answer(events)
	}
	var partial *driver.Partial
	for _, e := range events {
		if err == nil || errors.As(err, &partial) && slices.Contains(partial.Accepted, e.ID) {
			v.accepted = append(v.accepted, e.ID)
		}
	}
	return err
}

func (v *vendor) Close() error { return nil }

// fixture is a queue with events in it and a sender for it. The clock stands still
// until a test moves it.
type fixture struct {
	*testing.T
	now    time.Time
	vendor *vendor
	sender *delivery.Sender
	// route is what is answered for the receipt that events are recorded under.
	route delivery.Route
	// folds makes track queue records of one.
	folds bool
}

// receipt is what events are recorded under where a test does not say otherwise.
const receipt = "0123456789abcdef0123456789abcdef"

func newFixture(t *testing.T, events int) *fixture {
	dir := state.At(t.TempDir())
	f := &fixture{T: t, now: noon, vendor: &vendor{}}
	clock := func() time.Time { return f.now }
	losses := 0
	queue := &spool.Queue{
		Dir: dir, MaxBytes: 8 << 20, MaxAge: 30 * 24 * time.Hour, Now: time.Now,
		LossLine: func(l spool.Loss) []byte {
			losses++
			e := driver.Event{
				ID: fmt.Sprintf("loss-%031d", losses), Type: "telemetry.loss", Name: l.Reason, Time: time.Now().UTC(),
				Metadata: map[string]string{"count": strconv.Itoa(l.Count)},
			}
			return append(e.AppendJSON(nil), '\n')
		},
	}
	f.route = delivery.Route{
		Backend: f.vendor, Receipt: receipt, MachineID: strings.Repeat("0f", 16), Allowed: func() error { return nil },
	}
	f.sender = &delivery.Sender{
		Dir: dir, Queue: queue, Now: clock, Interval: 10 * time.Minute, OSVersion: "debian 12",
		Route: func(string) (delivery.Route, error) { return f.route, nil },
		Erase: func() error { _, err := queue.Erase(); return err },
	}
	f.track(0, events)
	return f
}

// track queues the events from to to-1.
func (f *fixture) track(from, to int) {
	f.Helper()
	w, err := f.sender.Queue.Writer(receipt, 512)
	if err != nil {
		f.Fatal(err)
	}
	defer func() { w.Close() }()
	for i := from; i < to; i++ {
		e := driver.Event{ID: id(i), Type: "feature.used", Name: "export", Time: time.Now().UTC().Truncate(time.Millisecond)}
		if f.folds {
			e.Count = 1
		}
		line := append(e.AppendJSON(nil), '\n')
		err := w.Append(line)
		if errors.Is(err, spool.ErrFull) {
			w.Close()
			if w, err = f.sender.Queue.Writer(receipt, len(line)); err == nil {
				err = w.Append(line)
			}
		}
		if err != nil {
			f.Fatal(err)
		}
	}
}

func id(i int) string { return fmt.Sprintf("test-%031d", i) }

func ids(from, to int) (list []string) {
	for i := from; i < to; i++ {
		list = append(list, id(i))
	}
	return list
}

func (f *fixture) run() (delivery.Report, error) { return f.sender.Run(f.Context(), 0) }

// mustRun runs without an error and expects that so many were sent and are kept.
func (f *fixture) mustRun(sent, kept int) delivery.Report {
	f.Helper()
	r, err := f.run()
	if err != nil || r.Sent != sent || r.Kept != kept {
		f.Errorf("sent %d, kept %d, %v; want %d, %d", r.Sent, r.Kept, err, sent, kept)
	}
	return r
}

func (f *fixture) wantAccepted(want []string) {
	f.Helper()
	if !slices.Equal(f.vendor.accepted, want) {
		f.Errorf("accepted %v, want %v", f.vendor.accepted, want)
	}
}

func sizes(attempts [][]driver.Event) (list []int) {
	for _, batch := range attempts {
		list = append(list, len(batch))
	}
	return list
}

func TestAcceptedEventsLeaveTheQueueCompleted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	f.mustRun(3, 0)
	f.wantAccepted(ids(0, 3))
	for _, e := range f.vendor.attempts[0] {
		if e.MachineID != f.route.MachineID || e.ConsentID != receipt || e.OSVersion != "debian 12" {
			t.Errorf("%+v lacks what is put in at sending", e)
		}
	}
	f.mustRun(0, 0)
	if len(f.vendor.attempts) != 1 {
		t.Errorf("%d attempts, want 1", len(f.vendor.attempts))
	}
}

func TestAnUnknownOutcomeKeepsTheBatchUnchanged(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	f.vendor.answer = func([]driver.Event) error { return errors.New("connection reset") }
	if r, err := f.run(); err == nil || r.Kept != 3 || r.Sent != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	f.vendor.answer = nil
	f.mustRun(3, 0)
	f.wantAccepted(ids(0, 3))
	for i, e := range f.vendor.attempts[0] {
		again := f.vendor.attempts[1][i]
		if e.ID != again.ID || !e.Time.Equal(again.Time) || e.MachineID != again.MachineID {
			t.Errorf("first %+v, then %+v", e, again)
		}
	}
}

func TestAFailureStopsTheRunAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 10)
	f.route.Limits.Events = 4
	f.vendor.answer = func(events []driver.Event) error {
		if len(f.vendor.attempts) == 2 {
			return errors.New("gone")
		}
		return nil
	}
	if r, err := f.run(); err == nil || r.Sent != 4 || r.Kept != 6 {
		t.Errorf("%+v, %v", r, err)
	}
	f.vendor.answer = nil
	f.mustRun(6, 0)
	f.wantAccepted(ids(0, 10))
}

func TestABatchStaysWithinTheDriversLimits(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 10)
	f.route.Limits = driver.Limits{Events: 100, Bytes: 1000, EventBytes: 900}
	f.mustRun(10, 0)
	if len(f.vendor.attempts) < 3 {
		t.Errorf("batches of %v within 1000 bytes", sizes(f.vendor.attempts))
	}
	f.wantAccepted(ids(0, 10))
}

func TestAnEventOverTheLimitIsLostAloneAndCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	f.route.Limits.EventBytes = 100
	r, err := f.run()
	if err != nil || r.Lost[spool.LossRefused] != 2 || len(f.vendor.attempts) != 0 {
		t.Errorf("%+v, %v, %d attempts", r, err, len(f.vendor.attempts))
	}
}

func TestAPermanentRefusalDoesNotBlockWhatIsBehind(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 6)
	f.route.Limits.Events = 2
	f.vendor.answer = func(events []driver.Event) error {
		if events[0].ID == id(2) {
			return driver.Permanent(errors.New("400"))
		}
		return nil
	}
	r := f.mustRun(4, 1) // the report of the loss waits
	if r.Lost[spool.LossRefused] != 2 {
		t.Errorf("lost %v", r.Lost)
	}
	f.wantAccepted([]string{id(0), id(1), id(4), id(5)})
	f.vendor.accepted = nil
	f.mustRun(1, 0)
	report := f.vendor.attempts[len(f.vendor.attempts)-1][0]
	if report.Type != "telemetry.loss" || report.Name != spool.LossRefused || report.Metadata["count"] != "2" {
		t.Errorf("the next batch says %+v", report)
	}
}

func TestAVendorThatRefusesEverythingIsAtRestInTheEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	f.vendor.answer = func([]driver.Event) error { return driver.Permanent(errors.New("no")) }
	f.mustRun(0, 1)
	f.mustRun(0, 0) // the report is refused too, and not reported again
	f.mustRun(0, 0)
	if len(f.vendor.attempts) != 2 {
		t.Errorf("%d attempts, want 2", len(f.vendor.attempts))
	}
}

func TestTooLargeHalvesDownToTheCulprit(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 8)
	f.vendor.answer = func(events []driver.Event) error {
		if slices.ContainsFunc(events, func(e driver.Event) bool { return e.ID == id(5) }) {
			return driver.TooLarge(errors.New("413"))
		}
		return nil
	}
	r := f.mustRun(7, 1)
	if r.Lost[spool.LossRefused] != 1 {
		t.Errorf("lost %v, want event 5 alone", r.Lost)
	}
	f.wantAccepted(slices.Concat(ids(0, 5), ids(6, 8)))
	if want := []int{8, 4, 4, 2, 1, 1, 2}; !slices.Equal(sizes(f.vendor.attempts), want) {
		t.Errorf("batches of %v, want %v", sizes(f.vendor.attempts), want)
	}
}

func TestPartialVerdictsSettleEventByEvent(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 4)
	f.vendor.answer = func(events []driver.Event) error {
		if len(f.vendor.attempts) > 1 {
			return nil
		}
		return &driver.Partial{Accepted: []string{id(0), id(2)}, Rejected: []string{id(1)}, Wait: time.Hour, Err: errors.New("207")}
	}
	r, err := f.run()
	if err == nil || r.Sent != 2 || r.Lost[spool.LossRefused] != 1 || r.Kept != 2 { // event 3, and the report
		t.Errorf("%+v, %v", r, err)
	}
	if want := noon.Add(time.Hour); r.WaitUntil.Before(want) {
		t.Errorf("to wait until %v, want %v", r.WaitUntil, want)
	}
	f.mustRun(2, 0)
	f.wantAccepted([]string{id(0), id(2), id(3), "loss-" + fmt.Sprintf("%031d", 1)})
}

func TestUnnamedRejectionsSettleTheWholeBatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 4)
	f.vendor.answer = func([]driver.Event) error { return &driver.Partial{Unnamed: 3, Err: errors.New("rejected")} }
	r := f.mustRun(1, 1)
	if r.Lost[spool.LossRefused] != 3 {
		t.Errorf("lost %v", r.Lost)
	}
}

func TestThrottlingHoldsEveryProcessBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.vendor.answer = func([]driver.Event) error { return driver.Throttled(errors.New("429"), time.Hour) }
	if !delivery.Due(f.sender.Dir, f.now) {
		t.Fatal("the first upload is not due")
	}
	r, err := f.run()
	if err == nil || !r.WaitUntil.Equal(noon.Add(time.Hour)) {
		t.Fatalf("%+v, %v", r, err)
	}
	for after, due := range map[time.Duration]bool{0: false, 59 * time.Minute: false, 2 * time.Hour: true} {
		if got := delivery.Due(f.sender.Dir, noon.Add(after)); got != due {
			t.Errorf("%v later: due %v", after, got)
		}
	}
	if notes := delivery.ReadNotes(f.sender.Dir); notes.Failures != 1 || notes.Problem != "429" || !notes.WaitUntil.Equal(noon.Add(time.Hour)) {
		t.Errorf("%+v", notes)
	}
}

func TestAWaitIsCapped(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.vendor.answer = func([]driver.Event) error { return driver.Throttled(errors.New("429"), 1<<62) }
	if r, _ := f.run(); !r.WaitUntil.Equal(noon.Add(24 * time.Hour)) {
		t.Errorf("waits until %v", r.WaitUntil)
	}
}

func TestFailuresBackOffAndASuccessEndsThat(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.vendor.answer = func([]driver.Event) error { return errors.New("down") }
	for i := range 12 {
		r, _ := f.run()
		wait := r.NextAt.Sub(f.now)
		nominal := 10 * time.Minute << min(i, 6)
		if wait < nominal/2 || wait > nominal*3/2+time.Nanosecond {
			t.Errorf("after %d failures: %v, want %v give or take half", i+1, wait, nominal)
		}
	}
	f.vendor.answer = nil
	f.mustRun(1, 0)
	if r := f.mustRun(0, 0); !r.NextAt.Equal(f.now.Add(10 * time.Minute)) {
		t.Errorf("after a success: %v", r.NextAt)
	}
}

func TestAClockTurnedBackDoesNotSilenceForever(t *testing.T) {
	t.Parallel()
	dir := state.At(t.TempDir())
	delivery.Postpone(dir, noon.Add(10*365*24*time.Hour))
	if !delivery.Due(dir, noon) {
		t.Error("an upload ten years away holds the next one back")
	}
}

func TestAtMostOnceNeverSendsTwice(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	f.sender.AtMostOnce = true
	f.vendor.answer = func([]driver.Event) error { return errors.New("no answer") }
	r, err := f.run()
	if err == nil || r.Lost[spool.LossUnsent] != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	f.vendor.answer = nil
	f.mustRun(1, 0) // the report
	attempts := map[string]int{}
	for _, batch := range f.vendor.attempts {
		for _, e := range batch {
			attempts[e.ID]++
		}
	}
	for i := range 3 {
		if attempts[id(i)] != 1 {
			t.Errorf("event %d was attempted %d times", i, attempts[id(i)])
		}
	}
}

func TestAWithdrawalInTheMiddleSendsNothingMoreAndErases(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 9)
	f.route.Limits.Events = 3
	f.route.Allowed = func() error {
		if len(f.vendor.attempts) == 1 {
			return delivery.ErrWithdrawn
		}
		return nil
	}
	if _, err := f.run(); !errors.Is(err, delivery.ErrWithdrawn) {
		t.Errorf("%v", err)
	}
	f.wantAccepted(ids(0, 3))
	if stats, _ := f.sender.Queue.Stats(); stats.Total() != 0 {
		t.Errorf("%d events still wait", stats.Total())
	}
}

// reset is what a reset does while an upload goes on.
func (f *fixture) reset() {
	f.Helper()
	_, err := f.sender.Queue.Erase()
	if err := errors.Join(err, delivery.Disown(f.sender.Dir), delivery.Forget(f.sender.Dir)); err != nil {
		f.Error(err)
	}
}

func TestADisownedSenderNotesNothingAndMakesNoFurtherAttempt(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]error{
		"accepted": nil, "failed": errors.New("no answer"), "refused": driver.Permanent(errors.New("no")),
		"withdrawn": delivery.ErrWithdrawn, "too large": driver.TooLarge(errors.New("large")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, 9)
			f.route.Limits.Events = 3
			f.vendor.answer = func([]driver.Event) error { f.reset(); return answer }
			if r, err := f.run(); !errors.Is(err, delivery.ErrDisowned) || !errors.Is(err, delivery.ErrNotAllowed) || len(f.vendor.attempts) != 1 {
				t.Errorf("%+v, %v after %d attempts", r, err, len(f.vendor.attempts))
			}
			left, err := os.ReadDir(f.sender.Dir.Path())
			for _, entry := range left {
				if entry.Name() != "queue" {
					t.Errorf("%s is there again", entry.Name())
				}
			}
			if stats, _ := f.sender.Queue.Stats(); err != nil || stats.Total() != 0 {
				t.Errorf("%d events wait, %v", stats.Total(), err)
			}
		})
	}
}

func TestASenderBesideADisownedOneIsNotDisturbed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	second := *f.sender
	beside := &vendor{}
	second.Route = func(string) (delivery.Route, error) {
		route := f.route
		route.Backend = beside
		return route, nil
	}
	next := time.Time{}
	f.vendor.answer = func([]driver.Event) error {
		f.reset()
		f.track(10, 12)
		if r, err := second.Run(t.Context(), 0); err != nil || r.Sent != 2 {
			t.Errorf("%+v, %v", r, err)
		}
		f.now, next = f.now.Add(time.Second), delivery.NextAt(f.sender.Dir)
		f.track(20, 21) // for a later one
		return nil
	}
	if _, err := f.run(); !errors.Is(err, delivery.ErrDisowned) {
		t.Error(err)
	}
	notes := delivery.ReadNotes(f.sender.Dir)
	if notes.Delivered != 2 || !notes.LastDelivered.Equal(noon) || !delivery.NextAt(f.sender.Dir).Equal(next) {
		t.Errorf("%+v, next at %v", notes, delivery.NextAt(f.sender.Dir))
	}
	if stats, _ := f.sender.Queue.Stats(); stats.Total() != 1 || !slices.Equal(beside.accepted, ids(10, 12)) {
		t.Errorf("%d wait, %v were accepted", stats.Total(), beside.accepted)
	}
}

func TestAnEventOfNoQueueIsNotNotedAfterAReset(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	f.vendor.answer = func([]driver.Event) error { f.reset(); return nil }
	_, err := delivery.Unqueued(t.Context(), f.sender.Dir, f.sender.Now, []driver.Event{{ID: "a"}}, driver.Driver{},
		func() (driver.Backend, error) { return f.vendor, nil })
	if notes := delivery.ReadNotes(f.sender.Dir); err != nil || notes.Delivered != 0 || len(f.vendor.accepted) != 1 {
		t.Errorf("%+v, %v", notes, err)
	}
}

func TestADoubtStopsWithoutErasing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	f.route.Allowed = func() error { return delivery.ErrNotAllowed }
	if _, err := f.run(); !errors.Is(err, delivery.ErrNotAllowed) {
		t.Errorf("%v", err)
	}
	if stats, _ := f.sender.Queue.Stats(); stats.Total() != 3 || len(f.vendor.attempts) != 0 {
		t.Errorf("%d events wait, %d attempts", stats.Total(), len(f.vendor.attempts))
	}
}

func TestDamageIsSetAsideOnceAndCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	slot := f.sender.Dir.Join("queue") + "/0000.events2"
	whole, err := os.ReadFile(slot)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(slot, append(whole, []byte("noise\n{\"id\":1}\n")...), 0o600); err != nil {
		t.Fatal(err)
	}
	f.vendor.answer = func([]driver.Event) error { return errors.New("down") }
	for range 3 {
		f.run() //nolint:errcheck // it is down
	}
	f.vendor.answer = nil
	f.mustRun(3, 0) // two events and one report, though it was tried four times
	report := f.vendor.attempts[len(f.vendor.attempts)-1]
	if got := report[len(report)-1].Metadata["count"]; got != "2" {
		t.Errorf("%s lines are reported unreadable, want 2", got)
	}
	if aside, err := f.sender.Dir.ReadFile(delivery.AsideName); err != nil || !strings.Contains(string(aside), "noise") {
		t.Errorf("set aside: %q, %v", aside, err)
	}
}

func TestABackendThatPanicsHasOnlyFailed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.vendor.answer = func([]driver.Event) error { panic("boom") }
	if r, err := f.run(); err == nil || r.Kept != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestOnlyOneDeliversAtATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.vendor.answer = func([]driver.Event) error {
		other := *f.sender
		if _, err := other.Run(t.Context(), 0); !errors.Is(err, state.ErrBusy) {
			t.Errorf("a second sender says %v", err)
		}
		return nil
	}
	f.mustRun(1, 0)
}

func TestACommandThatRunsKeepsItsEventsForLater(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	w, err := f.sender.Queue.Writer(receipt, 512)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := f.run(); err != nil || r.Busy != 1 || r.Sent != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	w.Close()
	f.mustRun(1, 0)
}

func TestAProblemIsOneShortLine(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.vendor.answer = func([]driver.Event) error { return errors.New("a\nb\x1b[31m" + strings.Repeat("é", 1000)) }
	f.run() //nolint:errcheck // it fails
	problem := delivery.ReadNotes(f.sender.Dir).Problem
	if !strings.HasPrefix(problem, "a b [31m") || len(problem) > 250 {
		t.Errorf("%q", problem)
	}
}

func TestWhatKilledWritersLeftBehindIsRemoved(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	old, fresh := f.sender.Dir.Join(".consent.1.tmp"), f.sender.Dir.Join(".consent.2.tmp")
	yesterday := time.Now().Add(-24 * time.Hour)
	err := errors.Join(os.WriteFile(old, nil, 0o600), os.Chtimes(old, yesterday, yesterday), os.WriteFile(fresh, nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	f.mustRun(1, 0)
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old one: %v", err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("the one that may still be written: %v", err)
	}
}

// refusing answers TooLarge to every batch with one of those events in it.
func refusing(bad ...string) func([]driver.Event) error {
	return func(events []driver.Event) error {
		if slices.ContainsFunc(events, func(e driver.Event) bool { return slices.Contains(bad, e.ID) }) {
			return driver.TooLarge(errors.New("413"))
		}
		return nil
	}
}

func TestOneBadEventOfFiveHundredCostsItselfAndFewRequests(t *testing.T) {
	t.Parallel()
	for _, bad := range []int{0, 250, 499} {
		f := newFixture(t, 500)
		f.vendor.answer = refusing(id(bad))
		if r, err := f.run(); err != nil && bad != 499 || r.Sent != 499 || r.Lost[spool.LossRefused] != 1 {
			t.Errorf("event %d: sent %d, lost %v, %v", bad, r.Sent, r.Lost, err)
		}
		if n := len(f.vendor.attempts); n > 25 {
			t.Errorf("event %d: %d attempts", bad, n)
		}
	}
}

func TestAReceiverThatRefusesEverythingAsTooLargeLosesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 300)
	f.vendor.answer = func([]driver.Event) error { return driver.TooLarge(errors.New("413")) }
	r, err := f.run()
	if err == nil || r.Kept != 300 || len(r.Lost) > 0 || len(f.vendor.attempts) > 15 {
		t.Errorf("%+v, %v, %d attempts", r, err, len(f.vendor.attempts))
	}
	if next := r.NextAt.Sub(f.now); next < 5*time.Minute {
		t.Errorf("the next upload is in %v", next)
	}
	f.vendor.answer = nil // the middlebox is gone
	f.mustRun(300, 0)
}

// A vendor that refuses a batch for one event in it refuses that for good once it is alone.
// What refuses everything in the same words has not looked at the events.
func TestAReceiverThatRefusesEverythingForOneEventLosesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 300)
	f.vendor.answer = func(events []driver.Event) error { return driver.Refused(errors.New("400"), len(events)) }
	for range 3 {
		f.vendor.attempts = nil
		r, err := f.run()
		if err == nil || r.Kept != 300 || len(r.Lost) > 0 || len(f.vendor.attempts) > 15 {
			t.Errorf("%+v, %v, %d attempts", r, err, len(f.vendor.attempts))
		}
		f.now = r.NextAt
	}
	f.vendor.answer = func(events []driver.Event) error {
		if slices.ContainsFunc(events, func(e driver.Event) bool { return e.ID == id(7) }) {
			return driver.Refused(errors.New("400"), len(events))
		}
		return nil
	}
	if r := f.mustRun(299, 1); r.Lost[spool.LossRefused] != 1 { // kept is the report of the loss
		t.Errorf("%+v", r)
	}
}

func TestASingleEventIsNotTakenForTooLargeOnAMiddleboxesWord(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.vendor.answer = func([]driver.Event) error { return driver.TooLarge(errors.New("413")) }
	if r, err := f.run(); err == nil || r.Kept != 1 || len(r.Lost) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	f.route.Limits.EventBytes = 400 // now it is near the driver's own limit
	if r, err := f.run(); err != nil || r.Lost[spool.LossRefused] != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestTheSizeThatWasAcceptedIsRememberedAcrossRuns(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 200)
	f.vendor.answer = func(events []driver.Event) error {
		if len(events) > 10 {
			return driver.TooLarge(errors.New("413"))
		}
		return nil
	}
	f.mustRun(200, 0)
	wasted := func() (n int) {
		for _, batch := range f.vendor.attempts {
			if len(batch) > 10 {
				n++
			}
		}
		return n
	}
	if n := wasted(); n > 10 {
		t.Errorf("%d of %d attempts were too large: %v", n, len(f.vendor.attempts), sizes(f.vendor.attempts))
	}
	f.vendor.attempts = nil
	f.track(200, 240)
	f.mustRun(40, 0)
	if n := wasted(); n > 1 {
		t.Errorf("in the next run %v were attempted", sizes(f.vendor.attempts))
	}
}

func TestAnAttemptIsNotedBeforeItIsMade(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	f.vendor.answer = func([]driver.Event) error {
		notes := delivery.ReadNotes(f.sender.Dir)
		if !notes.LastAttempt.Equal(noon) || notes.Failures != 1 || notes.Problem == "" || delivery.Due(f.sender.Dir, f.now) {
			t.Errorf("in the attempt: %+v, due %v", notes, delivery.Due(f.sender.Dir, f.now))
		}
		return nil
	}
	f.mustRun(3, 0)
	if notes := delivery.ReadNotes(f.sender.Dir); notes.Failures != 0 || notes.Problem != "" || notes.Delivered != 3 {
		t.Errorf("after it: %+v", notes)
	}
}

func TestWhatIsForThisMachineGoesOnWhereTheNetworkFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	const local = "fedcba9876543210fedcba9876543210"
	w, err := f.sender.Queue.Writer(local, 512)
	if err != nil {
		t.Fatal(err)
	}
	e := driver.Event{ID: id(9), Type: "feature.used", Time: time.Now().UTC()}
	if err := errors.Join(w.Append(append(e.AppendJSON(nil), '\n')), w.Close()); err != nil {
		t.Fatal(err)
	}
	log := &vendor{}
	f.sender.Route = func(id string) (delivery.Route, error) {
		if id == local {
			return delivery.Route{Backend: log, Local: true, Stays: true, Receipt: local, Allowed: func() error { return nil }}, nil
		}
		return f.route, nil
	}
	f.vendor.answer = func([]driver.Event) error { return errors.New("down") }
	r, err := f.run()
	if err == nil || r.Sent != 1 || r.Stayed != 1 || r.Kept != 3 || !slices.Equal(log.accepted, []string{id(9)}) {
		t.Errorf("%+v, %v, the log has %v", r, err, log.accepted)
	}
	if notes := delivery.ReadNotes(f.sender.Dir); notes.Delivered != 0 || notes.Stayed != 1 {
		t.Errorf("%+v", notes)
	}
}

func TestWhatWasErasedIsSkippedAndTheRestGoesOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	f.route.Allowed = func() error { return delivery.ErrErased }
	f.mustRun(0, 3)
	f.route.Allowed = func() error { return nil }
	f.route.Limits.Events = 1
	f.vendor.answer = func([]driver.Event) error {
		_, err := f.sender.Queue.Erase()
		return err
	}
	f.mustRun(1, 0)
	if len(f.vendor.attempts) != 1 {
		t.Errorf("%d attempts; after the first the slot was gone", len(f.vendor.attempts))
	}
}

func TestARouteKeepsOrDropsWhatWaits(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	f.route = delivery.Route{Keep: "another receiver"}
	if r := f.mustRun(0, 3); r.Left != "another receiver" || delivery.ReadNotes(f.sender.Dir).Left != r.Left {
		t.Errorf("%+v", r)
	}
	f.route = delivery.Route{Drop: spool.LossWithdrawn}
	if r := f.mustRun(0, 0); r.Lost[spool.LossWithdrawn] != 3 || delivery.ReadNotes(f.sender.Dir).TotalLost() != 3 {
		t.Errorf("%+v", r)
	}
}

func TestWhatCouldNotBeStoredIsCountedAndReported(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	if err := errors.Join(spool.AddLosses(f.sender.Dir, spool.LossUnwritten, 3), spool.AddLosses(f.sender.Dir, spool.LossUnwritten, 4)); err != nil {
		t.Fatal(err)
	}
	if n := spool.Losses(f.sender.Dir)[spool.LossUnwritten]; n != 7 {
		t.Errorf("%d are counted, want 7", n)
	}
	if r := f.mustRun(1, 1); r.Lost[spool.LossUnwritten] != 7 || len(spool.Losses(f.sender.Dir)) != 0 {
		t.Errorf("%+v", r)
	}
	f.mustRun(1, 0)
	if report := f.vendor.attempts[1][0]; report.Name != spool.LossUnwritten || report.Metadata["count"] != "7" {
		t.Errorf("%+v", report)
	}
}

func TestEventsThatAreNamedCostThemselvesAndTheOthersGoAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 10)
	f.vendor.answer = func(events []driver.Event) error {
		for _, e := range events {
			if e.ID == id(3) || e.ID == id(7) {
				return &driver.Partial{Rejected: []string{e.ID}, Err: errors.New("400")}
			}
		}
		return nil
	}
	r, err := f.run()
	if err != nil || r.Sent != 8 || r.Lost[spool.LossRefused] != 2 || len(f.vendor.attempts) != 3 {
		t.Errorf("%+v, %v, %d attempts", r, err, len(f.vendor.attempts))
	}
}

func TestBadEventsAtTheHeadDoNotBlockTheRest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 20)
	f.vendor.answer = refusing(id(0), id(1), id(2))
	r, err := f.run()
	if err != nil || r.Sent != 17 || r.Lost[spool.LossRefused] != 3 {
		t.Errorf("%+v, %v, batches of %v", r, err, sizes(f.vendor.attempts))
	}
}
