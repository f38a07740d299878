package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/spool"
)

// Receipts beside the usual one, each with a slot of its own.
const (
	second = "22222222222222222222222222222222"
	third  = "33333333333333333333333333333333"
)

// record queues the events from to to-1 under a receipt, as recorded at a time.
func (f *fixture) record(receipt string, from, to int, at time.Time) {
	f.Helper()
	for i := from; i < to; i++ {
		e := driver.Event{ID: id(i), Type: "feature.used", Name: "export", Time: at.UTC().Truncate(time.Millisecond)}
		line := append(e.AppendJSON(nil), '\n')
		w, err := f.sender.Queue.Writer(receipt, len(line))
		if err != nil {
			f.Fatal(err)
		}
		if err := errors.Join(w.Append(line), w.Close()); err != nil {
			f.Fatal(err)
		}
	}
}

// routes answers Route by receipt, and notes what was asked for.
func (f *fixture) routes(table map[string]delivery.Route) (asked *[]string) {
	asked = new([]string)
	f.sender.Route = func(id string) (delivery.Route, error) {
		*asked = append(*asked, id)
		route, ok := table[id]
		if !ok {
			return delivery.Route{}, errors.New("an unexpected receipt")
		}
		return route, nil
	}
	return asked
}

// to is a route to a receiver that takes everything for now.
func to(v *vendor, receipt string, local bool) delivery.Route {
	return delivery.Route{Backend: v, Local: local, Stays: local, Receipt: receipt, Allowed: func() error { return nil }}
}

// waiting lists what is in the queue by its receipt: the IDs, or the reports of losses as
// reason=count.
func (f *fixture) waiting() map[string][]string {
	f.Helper()
	list := map[string][]string{}
	slots, err := f.sender.Queue.Slots()
	if err != nil {
		f.Fatal(err)
	}
	for _, slot := range slots {
		claim, err := f.sender.Queue.Claim(slot)
		if err != nil {
			f.Fatal(err)
		}
		for _, entry := range claim.Entries {
			text := string(entry.Line)
			_, text, _ = strings.Cut(text, `"id":"`)
			text, _, _ = strings.Cut(text, `"`)
			if strings.HasPrefix(text, "loss-") {
				_, name, _ := strings.Cut(string(entry.Line), `"name":"`)
				name, _, _ = strings.Cut(name, `"`)
				report, _ := spool.ReportOf(entry.Line)
				text = fmt.Sprintf("%s=%d", name, report.Count)
			}
			list[claim.Receipt] = append(list[claim.Receipt], text)
		}
		claim.Close()
	}
	return list
}

func TestEverySlotIsAskedForOnceByItsReceipt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	f.record(receipt, 0, 2, time.Now())
	f.record(second, 2, 4, time.Now())
	f.record(third, 4, 5, time.Now())
	legacy := driver.Event{ID: id(9), Type: "feature.used", Time: time.Now().UTC()}
	queue := f.sender.Dir.Join("queue")
	err := errors.Join(
		os.WriteFile(filepath.Join(queue, "0000"), append(legacy.AppendJSON(nil), '\n'), 0o600),
		os.WriteFile(filepath.Join(queue, "0077.events2"), append([]byte("#receipt=damaged\n"), append(legacy.AppendJSON(nil), '\n')...), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	asked := f.routes(map[string]delivery.Route{
		"": to(f.vendor, second, false), receipt: to(f.vendor, receipt, false), second: to(f.vendor, second, false), third: {Keep: "later"},
	})
	r, err := f.run()
	if err != nil || r.Sent != 5 || r.Left != "later" || r.Lost[spool.LossUnreadable] != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if want := []string{"", receipt, second, third}; !slices.Equal(*asked, want) {
		t.Errorf("asked for %q, want %q", *asked, want)
	}
	for _, batch := range f.vendor.attempts {
		for _, e := range batch {
			if want := map[string]string{id(0): receipt, id(1): receipt}[e.ID]; want == "" && e.ConsentID != second || want != "" && e.ConsentID != want {
				t.Errorf("%s goes out under %s", e.ID, e.ConsentID)
			}
		}
	}
	if waiting := f.waiting()[third]; !slices.Equal(waiting, []string{id(4)}) {
		t.Errorf("kept are %v", waiting)
	}
}

func TestAReceiverThatFailsDoesNotStopTheOther(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	for _, c := range []struct {
		name          string
		remote, local error
		sent, kept    int
	}{
		{"both work", nil, nil, 6, 0},
		{"the network is down", down, nil, 2, 4},
		{"the log cannot be written", nil, down, 4, 2},
		{"neither works", down, down, 0, 6},
	} {
		f := newFixture(t, 0)
		f.record(receipt, 0, 2, time.Now())
		f.record(second, 2, 4, time.Now())
		f.record(third, 4, 6, time.Now())
		log := &vendor{answer: func([]driver.Event) error { return c.local }}
		f.vendor.answer = func([]driver.Event) error { return c.remote }
		f.routes(map[string]delivery.Route{receipt: to(f.vendor, receipt, false), second: to(log, second, true), third: to(f.vendor, third, false)})
		r, err := f.run()
		if r.Sent != c.sent || r.Kept != c.kept || (err != nil) != (c.remote != nil || c.local != nil) {
			t.Errorf("%s: %+v, %v", c.name, r, err)
		}
		if c.remote != nil && len(f.vendor.attempts) != 1 || c.local != nil && len(log.attempts) != 1 {
			t.Errorf("%s: %d attempts at the network, %d at the log", c.name, len(f.vendor.attempts), len(log.attempts))
		}
		if c.local == nil && (!slices.Equal(log.accepted, ids(2, 4)) || r.Stayed != 2) {
			t.Errorf("%s: the log has %v, stayed %d", c.name, log.accepted, r.Stayed)
		}
	}
}

func TestAReceiverThatCannotBeOpenedStopsNothingElse(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	f.record(receipt, 0, 2, time.Now())
	f.record(second, 2, 4, time.Now())
	log := &vendor{}
	f.routes(map[string]delivery.Route{second: to(log, second, true)}) // an error for the other
	if r, err := f.run(); err == nil || r.Sent != 2 || r.Kept != 2 || !slices.Equal(log.accepted, ids(2, 4)) {
		t.Errorf("%+v, %v", r, err)
	}
	if notes := delivery.ReadNotes(f.sender.Dir); notes.Failures != 1 || notes.Problem == "" || notes.LastAttempt.IsZero() {
		t.Errorf("%+v", notes)
	}
}

func TestWhereOneReceiptHasEndedTheOthersGoOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	f.record(receipt, 0, 4, time.Now())
	f.record(second, 4, 6, time.Now())
	ending := to(f.vendor, receipt, false)
	ending.Limits.Events = 2
	ending.Allowed = func() error {
		if len(f.vendor.attempts) > 0 {
			return delivery.ErrErased
		}
		return nil
	}
	f.routes(map[string]delivery.Route{receipt: ending, second: to(f.vendor, second, false)})
	f.mustRun(4, 2)
	f.wantAccepted([]string{id(0), id(1), id(4), id(5)})
}

func TestWhatIsErasedBetweenTwoBatchesIsNotSentAndTheNewIsLeftAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 4)
	f.route.Limits.Events = 1
	f.vendor.answer = func([]driver.Event) error {
		if len(f.vendor.attempts) > 1 {
			return nil
		}
		if _, err := f.sender.Queue.Erase(); err != nil {
			return err
		}
		f.record(second, 7, 8, time.Now()) // in a slot of the same name
		return nil
	}
	f.mustRun(1, 1)
	f.wantAccepted(ids(0, 1))
	if waiting := f.waiting(); !slices.Equal(waiting[second], []string{id(7)}) {
		t.Errorf("waiting %v", waiting)
	}
}

func TestLossesAreReportedWhereTheEventsWouldHaveGone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	long := time.Now().Add(-31 * 24 * time.Hour)
	f.record(receipt, 0, 2, time.Now())
	f.record(receipt, 2, 5, long)
	f.record(second, 5, 9, long)
	f.record(second, 9, 10, time.Now())
	f.record(third, 10, 15, time.Now())
	f.now = time.Now() // of a moment, so that it does not decide by itself what is too old
	log := &vendor{answer: func([]driver.Event) error { return driver.Permanent(errors.New("no")) }}
	f.vendor.answer = func([]driver.Event) error { return driver.Permanent(errors.New("no")) }
	f.routes(map[string]delivery.Route{receipt: to(f.vendor, receipt, false), second: to(log, second, true), third: {Drop: spool.LossWithdrawn}})
	r, err := f.run()
	if err != nil || r.Lost[spool.LossExpired] != 7 || r.Lost[spool.LossRefused] != 3 || r.Lost[spool.LossWithdrawn] != 5 {
		t.Errorf("%+v, %v", r, err)
	}
	want := map[string][]string{receipt: {"expired=3", "refused=2"}, second: {"expired=4", "refused=1"}}
	got := f.waiting()
	for _, list := range got {
		slices.Sort(list)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("to be reported is %v, want %v", got, want)
	}
	f.vendor.answer, log.answer = nil, nil
	f.vendor.attempts, f.vendor.accepted = nil, nil
	f.mustRun(4, 0)
	for _, batch := range f.vendor.attempts {
		for _, e := range batch {
			if e.ConsentID != receipt {
				t.Errorf("the network is told of %s under %s", e.Name, e.ConsentID)
			}
		}
	}
	if total := delivery.ReadNotes(f.sender.Dir).TotalLost(); total != 15 {
		t.Errorf("%d losses are noted, want 15", total)
	}
}

// What a command could not store has no receipt. It is told under that of events which go
// over the network, and only counted where there are none.
func TestWhatCouldNotBeStoredIsNotToldUnderALocalReceipt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	f.record(second, 0, 1, time.Now())
	if err := spool.AddLosses(f.sender.Dir, spool.LossUnwritten, 5); err != nil {
		t.Fatal(err)
	}
	f.routes(map[string]delivery.Route{second: to(&vendor{}, second, true)})
	if r := f.mustRun(1, 0); r.Lost[spool.LossUnwritten] != 5 {
		t.Errorf("%+v", r)
	}
	if total := delivery.ReadNotes(f.sender.Dir).TotalLost(); total != 5 {
		t.Errorf("%d losses are noted, want 5", total)
	}
}

func TestATimeToComeIsThatOfTheFirstAttemptAtEveryAttempt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	f.now = time.Now().Truncate(time.Millisecond)
	first := f.now
	f.record(receipt, 0, 1, first.Add(-time.Hour))
	f.record(receipt, 1, 2, first.Add(5*365*24*time.Hour))
	f.vendor.answer = func([]driver.Event) error { return errors.New("down") }
	var after []int // how large the slot is after each attempt
	for range 3 {
		f.run() //nolint:errcheck // it is down
		f.now = f.now.Add(time.Hour)
		slot, err := os.ReadFile(filepath.Join(f.sender.Dir.Join("queue"), "0000.events2"))
		if err != nil {
			t.Fatal(err)
		}
		after = append(after, len(slot))
	}
	if after[0] != after[2] {
		t.Errorf("the slot grows with every attempt: %v", after)
	}
	f.vendor.answer = nil
	f.mustRun(2, 0)
	for i, batch := range f.vendor.attempts {
		if !batch[0].Time.Equal(first.Add(-time.Hour)) || !batch[1].Time.Equal(first) {
			t.Errorf("attempt %d says %v and %v, want %v and %v", i, batch[0].Time, batch[1].Time, first.Add(-time.Hour), first)
		}
		if batch[0].TimeAdjusted || !batch[1].TimeAdjusted {
			t.Errorf("attempt %d marks them as adjusted: %v and %v, want only the second", i, batch[0].TimeAdjusted, batch[1].TimeAdjusted)
		}
	}
}

// What is recorded after such an attempt, into the same slot, was recorded under a clock
// that may be right.
func TestATimeToComeDoesNotChangeTheTimesOfWhatIsRecordedLater(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	f.now = time.Now().Truncate(time.Millisecond)
	first := f.now
	f.record(receipt, 0, 1, first.Add(5*365*24*time.Hour))
	f.vendor.answer = func([]driver.Event) error { return errors.New("down") }
	f.run() //nolint:errcheck // it is down
	f.record(receipt, 1, 2, first.Add(time.Hour))
	f.record(receipt, 2, 3, first.Add(5*365*24*time.Hour))
	second := first.Add(2 * time.Hour)
	f.now = second
	f.run() //nolint:errcheck // it is down
	f.vendor.answer = nil
	f.now = first.Add(3 * time.Hour)
	f.mustRun(3, 0)
	for _, batch := range f.vendor.attempts[1:] {
		if !batch[0].Time.Equal(first) || !batch[1].Time.Equal(first.Add(time.Hour)) || !batch[2].Time.Equal(second) {
			t.Errorf("sent with %v, %v and %v; want %v, %v and %v",
				batch[0].Time, batch[1].Time, batch[2].Time, first, first.Add(time.Hour), second)
		}
		if !batch[0].TimeAdjusted || batch[1].TimeAdjusted || !batch[2].TimeAdjusted {
			t.Errorf("marked as adjusted: %v, %v and %v; want the first and the last",
				batch[0].TimeAdjusted, batch[1].TimeAdjusted, batch[2].TimeAdjusted)
		}
	}
}

func TestAClockBehindTheReceiptChangesNoTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	recorded := time.Now().UTC().Truncate(time.Millisecond)
	f.record(receipt, 0, 1, recorded)
	f.route.Since = recorded.Add(-time.Minute)
	f.now = recorded.Add(-24 * time.Hour) // a board that starts in the past
	f.mustRun(1, 0)
	if got := f.vendor.attempts[0][0]; !got.Time.Equal(recorded) || got.TimeAdjusted {
		t.Errorf("sent with %v, adjusted %v; want %v as it was", got.Time, got.TimeAdjusted, recorded)
	}
}

// A context that ends in an attempt is told to the backend and ends the run.
func TestAnEndedContextEndsTheRunAndCountsAsNoFailure(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 6)
	f.route.Limits.Events = 2
	f.vendor.answer = func([]driver.Event) error { return errors.New("down") }
	for range 3 {
		f.run() //nolint:errcheck // it is down
	}
	ctx, cancel := context.WithCancel(t.Context())
	f.vendor.attempts = nil
	f.vendor.answer = func([]driver.Event) error { cancel(); return ctx.Err() }
	if r, err := f.sender.Run(ctx, 0); !errors.Is(err, context.Canceled) || r.Kept != 6 || len(f.vendor.attempts) != 1 {
		t.Errorf("%+v, %v, %d attempts", r, err, len(f.vendor.attempts))
	}
	if notes := delivery.ReadNotes(f.sender.Dir); notes.Failures != 3 || notes.Problem != "down" { // as the last one that had an answer
		t.Errorf("%+v", notes)
	}
}

// Where nothing waits, nothing says under which receipt to report; the present decision does.
func TestALossIsReportedAlsoWhereNothingElseWaits(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	f.sender.ReportUnder = func() string { return second }
	if err := spool.AddLosses(f.sender.Dir, spool.LossUndeclared, 7); err != nil {
		t.Fatal(err)
	}
	f.routes(map[string]delivery.Route{})
	if r := f.mustRun(0, 1); r.Lost[spool.LossUndeclared] != 7 {
		t.Errorf("%+v", r)
	}
	if got := f.waiting()[second]; !slices.Equal(got, []string{"undeclared=7"}) {
		t.Errorf("waits: %q", got)
	}
}

// A report that is too old itself is made anew. What it reports was counted before.
func TestALossIsCountedOnceHoweverOftenItsReportIsLost(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	w, err := f.sender.Queue.Writer(second, 1000)
	if err != nil {
		t.Fatal(err)
	}
	old := driver.Event{ID: "loss-00000000000000000000000000000000", Type: "telemetry.loss", Name: spool.LossExpired,
		Time: f.sender.Now().Add(-40 * 24 * time.Hour), Metadata: map[string]string{"count": "10"}}
	old.ID = old.ID[:36]
	if err := w.Append(append(old.AppendJSON(nil), '\n')); err != nil {
		t.Fatal(err)
	}
	w.Close()
	f.routes(map[string]delivery.Route{second: to(&vendor{}, second, false)})
	if r := f.mustRun(0, 1); len(r.Lost) != 0 {
		t.Errorf("counted again: %+v", r.Lost)
	}
	if got := f.waiting()[second]; !slices.Equal(got, []string{"expired=10"}) {
		t.Errorf("waits: %q", got)
	}
	if total := delivery.ReadNotes(f.sender.Dir).TotalLost(); total != 0 {
		t.Errorf("%d losses are noted", total)
	}
}
