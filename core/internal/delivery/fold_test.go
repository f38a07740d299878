package delivery_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/internal/state"
)

// call is a record of one call, as a command of a tool that folds writes it.
func call(i int, name string, exit int, at time.Time) driver.Event {
	e := driver.Event{
		ID: id(i), Type: "command.invocation", Name: name, Time: at.UTC().Truncate(time.Millisecond), ExitCode: &exit,
		Tool: "sometool", Version: "1.2.3", OS: "linux", Arch: "amd64",
		Count: 1, Durations: make([]int, len(driver.DurationBounds())+1),
	}
	if exit != 0 {
		e.Failures = 1
	}
	e.Durations[i%len(e.Durations)] = 1
	return e
}

// call queues records.
func (f *fixture) call(events ...driver.Event) {
	f.Helper()
	f.callBeside(0, events...)
}

// callBeside queues records while other commands have the first slots.
func (f *fixture) callBeside(others int, events ...driver.Event) {
	f.Helper()
	f.queueBeside(others, receipt, events...)
}

// queueBeside is callBeside for records under any receipt.
func (f *fixture) queueBeside(others int, receipt string, events ...driver.Event) {
	f.Helper()
	for range others {
		w, err := f.sender.Queue.Writer(receipt, 1)
		if err != nil {
			f.Fatal(err)
		}
		defer w.Close()
	}
	for _, e := range events {
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

// midday is one at which nothing is expired, whatever the day is.
func midday() time.Time { return time.Now().UTC().Truncate(24 * time.Hour).Add(-12 * time.Hour) }

func TestEqualRecordsAreAddedUpAndOthersAreNot(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	f.now = midday()
	differ := []func(*driver.Event){
		func(e *driver.Event) { e.Name = "other" },
		func(e *driver.Event) { code := 2; e.ExitCode = &code },
		func(e *driver.Event) { e.ExitCode = nil },
		func(e *driver.Event) { e.ErrorClass = "usage" },
		func(e *driver.Event) { e.Flags = []string{"force"} },
		func(e *driver.Event) { e.Version = "1.2.4" },
		func(e *driver.Event) { e.Agent = "codex" },
		func(e *driver.Event) { e.Interactive = true },
		func(e *driver.Event) { e.Metadata = map[string]string{"format": "json"} },
		func(e *driver.Event) { e.SampleRate = 10 },
		func(e *driver.Event) { e.Time = e.Time.Add(-13 * time.Hour) },
		func(e *driver.Event) { e.Type = "declared" },
		func(e *driver.Event) { e.TimeAdjusted = true },
	}
	n := 100
	for range 3 {
		a := call(n, "build", 0, f.now.Add(-time.Duration(n)*time.Minute))
		a.Truncated, a.Redacted = 1, 2
		f.call(a)
		for i, change := range differ {
			b := call(n+1+i, "build", 0, f.now)
			change(&b)
			f.call(b)
		}
		n += 100
	}
	f.mustRun(2+3*(1+len(differ)), 0)
	var got *driver.Event
	for _, e := range f.vendor.attempts[0] {
		switch {
		case e.Type == "feature.used" && e.Count == 0:
		case e.Count != 3:
			t.Errorf("%+v is of %d", e, e.Count)
		case e.ID == id(100):
			got = &e
		}
	}
	if len(f.vendor.attempts[0]) != 2+1+len(differ) || got == nil {
		t.Fatalf("%d arrive, the fold is %+v", len(f.vendor.attempts[0]), got)
	}
	want := call(100, "build", 0, f.now.Add(-300*time.Minute))
	want.Durations = make([]int, 14)
	want.Durations[100%14], want.Durations[200%14], want.Durations[300%14] = 1, 1, 1
	want.Count, want.Truncated, want.Redacted = 3, 3, 6
	want.ConsentID, want.MachineID, want.OSVersion = receipt, f.route.MachineID, "debian 12"
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got  %+v\nwant %+v", *got, want)
	}
}

func TestTheFirstCallOfADayIsDeliveredAndTheOthersWhenItIsOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	f.now, f.sender.Daily = midday(), true
	f.call(call(0, "build", 0, f.now))
	f.mustRun(1, 0)
	for i := range 5 {
		f.now = f.now.Add(time.Hour)
		f.call(call(1+i, "build", 0, f.now))
		f.track(i, i+1) // an event that is not folded waits for nothing
		f.mustRun(1, 1+i)
		if delivery.FoldsDue(f.sender.Dir, f.now) {
			t.Error("folded events are due a second time on one day")
		}
	}
	f.now = f.now.Add(12 * time.Hour)
	if !delivery.FoldsDue(f.sender.Dir, f.now) {
		t.Error("folded events are not due on the next day")
	}
	f.call(call(9, "build", 0, f.now))
	f.mustRun(6, 0)
	last := f.vendor.attempts[len(f.vendor.attempts)-1]
	if len(last) != 2 || last[0].Count != 5 || last[1].Count != 1 {
		t.Errorf("%+v arrive, not one record for each day", last)
	}
}

func TestADeliveryThatFailedIsNoDeliveryOfTheDay(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	f.now, f.sender.Daily = midday(), true
	f.call(call(0, "build", 0, f.now))
	f.vendor.answer = func([]driver.Event) error { return errors.New("reset") }
	if _, err := f.run(); err == nil || !delivery.FoldsDue(f.sender.Dir, f.now) {
		t.Errorf("%v, and folded events wait for another day", err)
	}
}

func TestAClockThatIsSetBackSilencesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	f.now, f.sender.Daily = midday(), true
	f.call(call(0, "build", 0, f.now))
	f.mustRun(1, 0)
	for _, back := range []time.Duration{13 * time.Hour, 48 * time.Hour, 365 * 24 * time.Hour} {
		if !delivery.FoldsDue(f.sender.Dir, f.now.Add(-back)) {
			t.Errorf("%v back, folded events are not due for more than a day", back)
		}
	}
}

func TestWhatStaysOnThisMachineWaitsForNoDay(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	f.now, f.sender.Daily = midday(), true
	f.route.Local, f.route.Stays = true, true
	for i := range 3 {
		f.call(call(2*i, "build", 0, f.now), call(2*i+1, "build", 0, f.now))
		f.mustRun(2, 0)
		if last := f.vendor.attempts[len(f.vendor.attempts)-1]; len(last) != 1 || last[0].Count != 2 {
			t.Errorf("%+v", last)
		}
	}
}

// held has a day that had its delivery.
func held(t *testing.T) *fixture {
	f := newFixture(t, 0)
	f.now, f.sender.Daily = midday(), true
	f.call(call(0, "build", 0, f.now))
	f.mustRun(1, 0)
	return f
}

func TestAFullSlotOfRecordsThatWaitIsCompacted(t *testing.T) {
	t.Parallel()
	f := held(t)
	const calls = 1000 // of some 70 KiB in all, where a slot has 64
	for i := range calls {
		f.call(call(1+i, fmt.Sprint("command ", i%4), i%2, f.now))
		if i%300 == 0 {
			f.mustRun(0, i+1)
		}
	}
	f.mustRun(0, calls)
	if stats, _ := f.sender.Queue.Stats(); stats.Bytes > 20<<10 {
		t.Errorf("%d bytes on disk for 4 records", stats.Bytes)
	}
	f.now = f.now.Add(24 * time.Hour)
	f.mustRun(calls, 0)
	if n := len(f.vendor.attempts[1]); n > 4*6 {
		t.Errorf("%d records arrive", n)
	}
}

// Where the calls are all different, adding up does not help, and the queue must not fill.
func TestRecordsThatWouldFillTheQueueDoNotWait(t *testing.T) {
	t.Parallel()
	f := held(t)
	for i := range 200 {
		f.call(call(1+i, fmt.Sprint("command ", i), 0, f.now))
	}
	r, err := f.run()
	if err != nil || r.Sent < 100 || r.Sent+r.Kept != 200 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestARecordThatIsRefusedCountsForAllThatIsInIt(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]error{
		"permanent": driver.Permanent(errors.New("400")),
		"by name":   &driver.Partial{Rejected: []string{id(0)}, Err: errors.New("207")},
		"unnamed":   &driver.Partial{Unnamed: 1, Err: errors.New("207")},
	} {
		f := newFixture(t, 0)
		f.now = midday()
		f.call(call(0, "build", 0, f.now), call(1, "build", 0, f.now), call(2, "build", 0, f.now))
		f.vendor.answer = func([]driver.Event) error { return answer }
		if r, _ := f.run(); r.Lost[spool.LossRefused] != 3 || r.Sent != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestARecordThatExpiresCountsForAllThatIsInIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	f.now = midday()
	f.call(call(0, "build", 0, f.now.Add(-28*24*time.Hour)), call(1, "build", 0, f.now.Add(-28*24*time.Hour)))
	f.vendor.answer = func([]driver.Event) error { return errors.New("reset") }
	_, _ = f.run()
	f.sender.Queue.Now = func() time.Time { return f.now.Add(72 * time.Hour) }
	if r, _ := f.run(); r.Lost[spool.LossExpired] != 2 {
		t.Errorf("%+v", r)
	}
}

func TestAtMostOnceCountsWhatARecordStandsForAndSendsItOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	f.now, f.sender.AtMostOnce = midday(), true
	f.call(call(0, "build", 0, f.now), call(1, "build", 0, f.now))
	f.vendor.answer = func([]driver.Event) error { return errors.New("reset") }
	r, _ := f.run()
	f.vendor.answer = nil
	_, _ = f.run()
	if r.Lost[spool.LossUnsent] != 2 || len(f.vendor.attempts) < 1 || len(f.vendor.accepted) > 1 || slices.Contains(f.vendor.accepted, id(0)) {
		t.Errorf("%+v, then %v", r, f.vendor.accepted)
	}
}

// ledger is a receiver that adds up what arrives, each ID once.
type ledger map[string]driver.Event

// take stores an event. One that comes again must be the same.
func (l ledger) take(t *testing.T, e driver.Event) {
	if before, known := l[e.ID]; known && !reflect.DeepEqual(before, e) {
		t.Errorf("it comes again and is another one:\n%s\n%s", before.AppendJSON(nil), e.AppendJSON(nil))
	}
	l[e.ID] = e
}

// sum is the record of each command, outcome and day.
func sum(events map[string]driver.Event) map[string]driver.Event {
	sums := map[string]driver.Event{}
	for _, e := range events {
		key := fmt.Sprint(e.Name, " ", *e.ExitCode, " ", e.Time.UTC().Format(time.DateOnly))
		all := sums[key]
		all.Count += e.Count
		all.Failures += e.Failures
		if all.Durations == nil {
			all.Durations = make([]int, len(e.Durations))
		}
		for i, n := range e.Durations {
			all.Durations[i] += n
		}
		sums[key] = all
	}
	return sums
}

// Whatever is recorded between the attempts, whatever becomes of them, and at whatever byte
// the sender is killed while it writes a fold: each call is counted once.
func TestWhateverHappensInBetweenEachCallIsCountedOnce(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for round := range 12 { // each run waits for the disk a few times
		random := rand.New(rand.NewPCG(seed, uint64(round)))
		f := newFixture(t, 0)
		f.now = midday().Add(-72 * time.Hour)
		recorded, received := map[string]driver.Event{}, ledger{}
		f.vendor.answer = func(events []driver.Event) error {
			arrives, err := len(events), error(nil)
			switch random.IntN(6) {
			case 0:
				arrives, err = 0, errors.New("refused")
			case 1:
				err = errors.New("stored, and the answer is lost")
			case 2:
				arrives = random.IntN(len(events) + 1)
				partial := &driver.Partial{Err: errors.New("207")}
				for _, e := range events[:arrives] {
					partial.Accepted = append(partial.Accepted, e.ID)
				}
				err = partial
			case 3:
				if len(events) > 1 {
					arrives, err = 0, tooLarge()
				}
			}
			for _, e := range events[:arrives] {
				received.take(t, e)
			}
			return err
		}
		allowed := f.route.Allowed
		for range 25 {
			for range random.IntN(40) {
				i := len(recorded)
				e := call(i, []string{"build", "test", "remote add"}[random.IntN(3)], random.IntN(2), f.now.Add(-time.Duration(random.IntN(3600))*time.Second))
				recorded[e.ID] = e
				f.callBeside(random.IntN(4), e)
			}
			f.sender.Daily = random.IntN(2) == 0
			f.route.Limits.Events = 1 + random.IntN(12)
			killed := random.IntN(3) == 0 // before the attempt
			if killed {
				f.route.Allowed = func() error { return delivery.ErrNotAllowed }
			}
			before, _ := f.lastLines()
			_, _ = f.run()
			f.route.Allowed = allowed
			if killed {
				f.cutFolds(random, before)
			}
			f.now = f.now.Add(time.Duration(random.IntN(7*60)) * time.Minute)
		}
		f.vendor.answer = func(events []driver.Event) error {
			for _, e := range events {
				received.take(t, e)
			}
			return nil
		}
		f.sender.Daily = false
		if r, err := f.run(); err != nil || r.Kept != 0 || len(r.Lost) != 0 {
			t.Errorf("at last %+v, %v", r, err)
		}
		if got, want := sum(received), sum(recorded); !reflect.DeepEqual(got, want) {
			t.Fatalf("in round %d\ngot  %v\nwant %v", round, got, want)
		}
		if len(received) >= len(recorded) {
			t.Errorf("%d records for %d calls", len(received), len(recorded))
		}
	}
}

// lastLines returns the slots and the offset of the last line of each.
func (f *fixture) lastLines() (slots map[string][]byte, last map[string]int) {
	f.Helper()
	slots, last = map[string][]byte{}, map[string]int{}
	paths, _ := filepath.Glob(filepath.Join(f.sender.Dir.Join("queue"), "*"))
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		slots[path] = content
		last[path] = bytes.LastIndexByte(bytes.TrimSuffix(content, []byte{'\n'}), '\n') + 1
	}
	return slots, last
}

// cutFolds cuts each fold that was written since, and is the last line of a slot, at some
// byte.
func (f *fixture) cutFolds(random *rand.Rand, since map[string][]byte) {
	f.Helper()
	slots, last := f.lastLines()
	for path, content := range slots {
		fold := content[last[path]:]
		if bytes.HasPrefix(fold, []byte{'~'}) && !bytes.Contains(since[path], fold) {
			if err := os.Truncate(path, int64(len(content)-len(fold)+random.IntN(len(fold)))); err != nil {
				f.Fatal(err)
			}
		}
	}
}

// eventLines returns the lines of a slot that are events, and their IDs.
func eventLines(slot []byte) (lines, ids []string) {
	for line := range bytes.Lines(slot) {
		if line[0] == '{' {
			lines = append(lines, string(bytes.TrimSuffix(line, []byte{'\n'})))
			ids = append(ids, string(line[len(`{"id":"`):][:len(id(0))]))
		}
	}
	return lines, ids
}

func TestWhatWaitsInSeveralSlotsIsPutTogether(t *testing.T) {
	t.Parallel()
	f := held(t)
	for i := range 40 {
		f.callBeside(i%4, call(1+i, "build", i%2, f.now))
	}
	f.mustRun(0, 40)
	slots, _ := f.lastLines()
	for path, content := range slots {
		lines, _ := eventLines(content)
		if first := filepath.Base(path) == "0000.events2"; first && len(lines) != 2 || !first && len(content) != 0 {
			t.Errorf("%s has %q", filepath.Base(path), content)
		}
	}
	f.call(call(41, "build", 0, f.now))
	f.sender.Daily = false
	if r, err := f.sender.Run(t.Context(), time.Second); err != nil || r.Sent != 41 || len(f.vendor.attempts[1]) != 2 {
		t.Errorf("%+v, %v, %d records", r, err, len(f.vendor.attempts[1]))
	}
}

func TestRecordsOfSeveralAnswersAreNotPutTogether(t *testing.T) {
	t.Parallel()
	f := held(t)
	of := map[string][]string{receipt: ids(1, 9), second: ids(9, 17)}
	for _, answer := range []string{receipt, second} {
		for i, name := range of[answer] {
			e := call(1+i, "build", 0, f.now)
			e.ID = name
			f.queueBeside(i%2, answer, e)
		}
	}
	other := &vendor{}
	f.routes(map[string]delivery.Route{receipt: f.route, second: to(other, second, false)})
	if r, err := f.sender.Run(t.Context(), 0); err != nil || r.Kept != 16 {
		t.Fatalf("%+v, %v", r, err)
	}
	for answer, want := range of {
		if got := f.waiting()[answer]; len(got) == 0 || !slices.Contains(want, got[0]) {
			t.Errorf("under %s wait %v", answer, got)
		}
	}
	f.sender.Daily = false
	if r, err := f.sender.Run(t.Context(), 0); err != nil || r.Sent != 16 {
		t.Fatalf("%+v, %v", r, err)
	}
	for answer, batches := range map[string][][]driver.Event{receipt: f.vendor.attempts[1:], second: other.attempts} {
		count := 0
		for _, e := range slices.Concat(batches...) {
			if count += e.Count; e.ConsentID != answer || !slices.Contains(of[answer], e.ID) {
				t.Errorf("under %s arrived %+v", answer, e)
			}
		}
		if count != 8 {
			t.Errorf("under %s %d calls arrived", answer, count)
		}
	}
}

// A time to come is that of the first look, also in a record that waits while others are put
// together, and when that time has come.
func TestARecordOfATimeToComeKeepsTheTimeThatItWasGiven(t *testing.T) {
	t.Parallel()
	f := held(t)
	first := f.now
	f.callBeside(0, call(1, "build", 0, first))
	f.callBeside(1, call(2, "build", 0, first.Add(90*time.Minute)))
	f.mustRun(0, 2)
	for range 3 {
		f.now = f.now.Add(time.Hour)
		f.callBeside(2, call(3+len(f.waiting()[receipt]), "test", 0, f.now))
		if r, err := f.run(); err != nil || r.Sent != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	f.now = first.Add(24 * time.Hour)
	f.mustRun(5, 0)
	var adjusted []driver.Event
	for _, e := range slices.Concat(f.vendor.attempts[1:]...) {
		if e.TimeAdjusted {
			adjusted = append(adjusted, e)
		}
	}
	if len(adjusted) != 1 || adjusted[0].ID != id(2) || adjusted[0].Count != 1 || !adjusted[0].Time.Equal(first) {
		t.Errorf("adjusted are %+v, want what was to come, at %v", adjusted, first)
	}
}

// One write says that a slot stands for what is in others, then those are emptied. A kill at
// whatever byte of it, or between that, costs no call and doubles none.
func TestAKillWhileSlotsArePutTogetherCostsNothing(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for round := range 30 {
		f := held(t)
		recorded := map[string]driver.Event{}
		for i := range 8 + random.IntN(60) {
			e := call(1+i, []string{"build", "test"}[random.IntN(2)], random.IntN(2), f.now)
			recorded[e.ID] = e
			f.callBeside(random.IntN(4), e)
		}
		before, _ := f.lastLines()
		f.mustRun(0, len(recorded))
		after, _ := f.lastLines()
		first := filepath.Join(f.sender.Dir.Join("queue"), "0000.events2")
		sums, _ := eventLines(after[first])
		var ids, others []string
		for path, content := range before {
			if path != first && len(content) > 0 {
				_, more := eventLines(content)
				ids, others = append(ids, more...), append(others, path)
			}
		}
		if own, _ := eventLines(before[first]); len(others) == 0 || len(own) == 0 || len(sums) == len(recorded) {
			continue // nothing was put together there
		}
		fold := fmt.Sprintf("~42-%d\t%s\t+%s\t~\n", len(before[first]), strings.Join(sums, "\t"), strings.Join(ids, ","))
		emptied := random.IntN(len(others) + 1)
		if round%2 == 0 {
			emptied, fold = 0, fold[:random.IntN(len(fold))]
		}
		if err := os.WriteFile(first, append(bytes.Clone(before[first]), fold...), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, path := range others[emptied:] {
			if err := os.WriteFile(path, before[path], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		received := ledger{}
		f.vendor.answer = func(events []driver.Event) error {
			for _, e := range events {
				received.take(t, e)
			}
			return nil
		}
		f.now, f.sender.Daily = f.now.Add(24*time.Hour), round%3 > 0 // also a command that is about to end
		f.mustRun(len(recorded), 0)
		if got, want := sum(received), sum(recorded); !reflect.DeepEqual(got, want) {
			t.Fatalf("in round %d, after %q\ngot  %v\nwant %v", round, fold, got, want)
		}
	}
}

func TestNothingIsSentWhileASlotThatWasTakenOverCannotBeEmptied(t *testing.T) {
	t.Parallel()
	f := held(t)
	f.callBeside(0, call(1, "build", 0, f.now))
	f.callBeside(1, call(2, "build", 0, f.now))
	before, _ := f.lastLines()
	first := filepath.Join(f.sender.Dir.Join("queue"), "0000.events2")
	both := call(1, "build", 0, f.now)
	both.Count = 2
	fold := fmt.Sprintf("~42-%d\t%s\t+%s\t~\n", len(before[first]), both.AppendJSON(nil), id(2))
	if err := os.WriteFile(first, append(before[first], fold...), 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := f.sender.Queue.Claim("0001.events2") // as a command that runs
	if err != nil {
		t.Fatal(err)
	}
	f.now = f.now.Add(24 * time.Hour)
	if r, err := f.run(); !errors.Is(err, state.ErrBusy) || r.Sent != 0 || len(f.vendor.attempts) != 1 {
		t.Errorf("%+v, %v, %d attempts", r, err, len(f.vendor.attempts))
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	f.mustRun(2, 0)
}
