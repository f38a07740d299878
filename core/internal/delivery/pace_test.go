package delivery_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/internal/state"
)

// perMinute is the rate of these tests.
const perMinute = 10

func paced(t *testing.T, events int) *fixture {
	f := newFixture(t, events)
	f.route.Limits = driver.Limits{Events: 4, PerMinute: perMinute}
	return f
}

// The backlog of a machine that was away leaves in parts, over as many runs as it takes.
func TestABacklogLeavesAtTheDriversRate(t *testing.T) {
	t.Parallel()
	f := paced(t, 25)
	r := f.mustRun(10, 15)
	if want := []int{4, 4, 2}; !slices.Equal(sizes(f.vendor.attempts), want) {
		t.Errorf("batches %v, want %v", sizes(f.vendor.attempts), want)
	}
	until := noon.Add(time.Minute)
	if r.Paced != perMinute || !r.PacedUntil.Equal(until) || !r.NextAt.Equal(until) {
		t.Errorf("paced %d until %v, next at %v; want %d, %v, the same", r.Paced, r.PacedUntil, r.NextAt, perMinute, until)
	}
	if notes := delivery.ReadNotes(f.sender.Dir); notes.Paced != perMinute || !notes.PacedUntil.Equal(until) || notes.Problem != "" || notes.Failures != 0 {
		t.Errorf("noted %+v: that is no failure", notes)
	}
	f.now = until.Add(-time.Second)
	f.mustRun(0, 15)
	f.now = until
	f.mustRun(10, 5)
	f.now = until.Add(time.Minute)
	if r := f.mustRun(5, 0); r.Paced != 0 || !r.PacedUntil.IsZero() || !r.NextAt.Equal(f.now.Add(10*time.Minute)) {
		t.Errorf("after the last of it: %+v", r)
	}
	if notes := delivery.ReadNotes(f.sender.Dir); notes.Paced != 0 || !notes.PacedUntil.IsZero() {
		t.Errorf("still noted: %+v", notes)
	}
	f.wantAccepted(ids(0, 25))
}

// Runs at any time, some of which fail: no 60 seconds, wherever they begin, hold more
// events than the rate.
func TestNo60SecondsHoldMoreThanTheRate(t *testing.T) {
	t.Parallel()
	f := paced(t, 0)
	type sent struct {
		at time.Time
		n  int
	}
	var log []sent
	rng := rand.New(rand.NewPCG(1, 2))
	f.vendor.answer = func(events []driver.Event) error {
		log = append(log, sent{f.now, len(events)})
		f.now = f.now.Add(time.Duration(rng.IntN(3000)) * time.Millisecond)
		switch rng.IntN(6) {
		case 0:
			return errors.New("no answer")
		case 1:
			return driver.TooLarge(errors.New("halves, please"))
		}
		return nil
	}
	queued := 0
	for range 400 {
		if n := rng.IntN(8); n > 0 {
			f.track(queued, queued+n)
			queued += n
		}
		if _, err := f.run(); err != nil && len(log) == 0 {
			t.Fatal(err)
		}
		f.now = f.now.Add(time.Duration(rng.IntN(40_000)) * time.Millisecond)
	}
	for i := range log {
		total := 0
		for _, s := range log[i:] {
			if s.at.Sub(log[i].at) >= time.Minute {
				break
			}
			total += s.n
		}
		if total > perMinute {
			t.Fatalf("%d events in the 60 seconds from %v", total, log[i].at)
		}
	}
	if len(log) < 100 {
		t.Errorf("only %d attempts were looked at", len(log))
	}
}

// What is noted has whole seconds, and a minute must not be shorter for that.
func TestAMinuteHasItsLastFractionOfASecond(t *testing.T) {
	t.Parallel()
	f := paced(t, 2*perMinute)
	f.now = noon.Add(900 * time.Millisecond)
	f.mustRun(perMinute, perMinute)
	f.now = f.now.Add(time.Minute - time.Millisecond)
	f.mustRun(0, perMinute)
	f.now = noon.Add(61 * time.Second)
	f.mustRun(perMinute, 0)
}

// What a process sent that is killed is not noted event by event, so all of the minute
// counts as used up, from the last moment at which it may have sent.
func TestAKilledSenderHasUsedUpTheRate(t *testing.T) {
	t.Parallel()
	f := paced(t, 20)
	var left string // the state as the killed process leaves it
	f.vendor.answer = func([]driver.Event) error {
		if len(f.vendor.attempts) == 2 {
			left = filepath.Join(t.TempDir(), "left")
			if err := os.CopyFS(left, os.DirFS(f.sender.Dir.Path())); err != nil {
				t.Fatal(err)
			}
		}
		return nil
	}
	f.mustRun(10, 10)
	dir := state.At(left)
	queue := *f.sender.Queue
	queue.Dir = dir
	next := &vendor{}
	route := f.route
	route.Backend = next
	sender := &delivery.Sender{
		Dir: dir, Queue: &queue, Interval: 10 * time.Minute, Now: func() time.Time { return f.now },
		Route: func(string) (delivery.Route, error) { return route, nil },
		Erase: func() error { _, err := queue.Erase(); return err },
	}
	for _, later := range []time.Duration{0, time.Minute, 99 * time.Second} {
		f.now = noon.Add(later)
		if r, err := sender.Run(t.Context(), 0); err != nil || r.Sent != 0 || r.Paced != perMinute {
			t.Errorf("%v later: %+v, %v", later, r, err)
		}
	}
	f.now = noon.Add(100 * time.Second)
	if r, err := sender.Run(t.Context(), 0); err != nil || r.Sent != perMinute {
		t.Errorf("then: %+v, %v", r, err)
	}
}

func TestAClockThatWasTurnedBackCostsAMinuteAndNotADay(t *testing.T) {
	t.Parallel()
	f := paced(t, 20)
	f.mustRun(10, 10)
	f.now = noon.Add(-24 * time.Hour)
	if r := f.mustRun(0, 10); !r.PacedUntil.Equal(f.now.Add(time.Minute)) {
		t.Errorf("until %v, want a minute from %v", r.PacedUntil, f.now)
	}
	f.now = f.now.Add(time.Minute)
	f.mustRun(10, 0)
}

// The rate is of what leaves the machine, and of drivers that declare one.
func TestNothingElseIsPaced(t *testing.T) {
	t.Parallel()
	f := paced(t, 25)
	f.route.Local = true
	f.mustRun(25, 0)
	f = newFixture(t, 25)
	f.route.Limits.Events = 4
	f.mustRun(25, 0)
}

func TestAtMostOnceGivesUpNothingThatTheRateKeeps(t *testing.T) {
	t.Parallel()
	f := paced(t, 25)
	f.sender.AtMostOnce = true
	if r := f.mustRun(10, 15); len(r.Lost) != 0 {
		t.Errorf("lost %v", r.Lost)
	}
}

var warnings = []driver.Warning{{Name: "nobody", Doc: "it belongs to nobody"}, {Name: "late", Doc: "it came late"}}

// warn accepts everything, with warnings.
func warn(counts map[string]int) func([]driver.Event) error {
	return func(events []driver.Event) error {
		verdicts := &driver.Partial{Warnings: counts}
		for _, e := range events {
			verdicts.Accepted = append(verdicts.Accepted, e.ID)
		}
		return verdicts
	}
}

func TestWhatIsAcceptedWithAWarningIsDeliveredAndCounted(t *testing.T) {
	t.Parallel()
	for _, atMostOnce := range []bool{false, true} {
		f := newFixture(t, 6)
		f.sender.AtMostOnce = atMostOnce
		f.route.Limits.Events, f.route.Warnings = 3, warnings
		f.vendor.answer = warn(map[string]int{"nobody": 2, "late": 1})
		r := f.mustRun(6, 0)
		if r.Warned["nobody"] != 4 || r.Warned["late"] != 2 || len(r.Lost) != 0 {
			t.Errorf("at most once %v: %+v", atMostOnce, r)
		}
		notes := delivery.ReadNotes(f.sender.Dir)
		if notes.Warned["nobody"] != 4 || notes.Warned["late"] != 2 || notes.Delivered != 6 || notes.Problem != "" || notes.TotalLost() != 0 {
			t.Errorf("at most once %v: noted %+v", atMostOnce, notes)
		}
		f.wantAccepted(ids(0, 6))
	}
}

// The words are the driver's: what a server made up, and counts out of all proportion, do
// not come into the notes.
func TestWarningsAreThoseThatTheDriverDeclares(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	f.route.Warnings = warnings
	f.vendor.answer = warn(map[string]int{"nobody": math.MaxInt32, "late": -5, "from\nthe server": 1, "another": 1})
	if r := f.mustRun(3, 0); len(r.Warned) != 2 || r.Warned["nobody"] != 3 || r.Warned["other"] != 2 {
		t.Errorf("%v", r.Warned)
	}
}

func TestAWarningSaysNothingOfEventsThatAreNotNamed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	f.route.Warnings = warnings
	f.vendor.answer = func(events []driver.Event) error {
		return &driver.Partial{Accepted: []string{events[1].ID}, Warnings: map[string]int{"nobody": 1}}
	}
	if r, err := f.run(); err == nil || r.Sent != 1 || r.Kept != 2 || r.Warned["nobody"] != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	f.vendor.answer = func([]driver.Event) error { return (*driver.Partial)(nil) }
	if r, err := f.run(); err == nil || r.Sent != 0 || r.Kept != 2 {
		t.Errorf("a nil verdict: %+v, %v", r, err)
	}
}

// An acceptance with warnings says as much of a receiver as one without: it takes others, so
// it meant the refusal of the one before.
func TestAnAcceptanceWithWarningsSettlesWhatWasInDoubt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 4)
	f.route.Limits.Events, f.route.Warnings = 1, warnings
	f.vendor.answer = func(events []driver.Event) error {
		if events[0].ID == id(0) {
			return driver.TooLarge(errors.New("too large"))
		}
		return warn(map[string]int{"late": 1})(events)
	}
	r, err := f.run()
	if err != nil || r.Sent != 3 || r.Lost[spool.LossRefused] != 1 || r.Warned["late"] != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestWhatNoQueueHoldsCountsForTheRateAndForTheWarnings(t *testing.T) {
	t.Parallel()
	f := paced(t, 20)
	f.vendor.answer = warn(map[string]int{"nobody": 1, "from the server": 1})
	d := driver.Driver{Limits: f.route.Limits, Warnings: warnings}
	single, err := delivery.Unqueued(t.Context(), f.sender.Dir, f.sender.Now, []driver.Event{{ID: "a"}, {ID: "b"}}, d,
		func() (driver.Backend, error) { return f.vendor, nil })
	if driver.Classify(err) != driver.ClassAccepted || single.Warned["nobody"] != 1 || single.Warned["other"] != 1 {
		t.Fatal(single, err)
	}
	notes := delivery.ReadNotes(f.sender.Dir)
	if notes.Delivered != 2 || notes.Warned["nobody"] != 1 || notes.Warned["other"] != 1 || len(notes.Warned) != 2 {
		t.Errorf("noted %+v", notes)
	}
	f.vendor.answer = nil
	f.mustRun(perMinute-2, 20-(perMinute-2))
}

// Somebody who checks a receiver wants to know how fast that is, not how busy this machine is.
func TestAnAttemptLastsFromItsOwnBeginning(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	if err := f.sender.Dir.Create(); err != nil {
		t.Fatal(err)
	}
	lock, err := f.sender.Dir.WaitLock(t.Context(), "upload.lock")
	if err != nil {
		t.Fatal(err)
	}
	const busy = 300 * time.Millisecond
	start := time.Now() // before the lock is freed, and before the attempt begins
	timer := time.AfterFunc(busy, lock.Unlock)
	defer timer.Stop()
	single, err := delivery.Unqueued(t.Context(), f.sender.Dir, f.sender.Now, []driver.Event{{ID: "a"}}, driver.Driver{},
		func() (driver.Backend, error) { return f.vendor, nil })
	if whole := time.Since(start); err != nil || whole < busy || single.Took <= 0 || single.Took > whole-busy {
		t.Errorf("it took %v of %v, %v", single.Took, whole, err)
	}
}
