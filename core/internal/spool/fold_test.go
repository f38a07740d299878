package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/spool"
)

// folded is what so many events became.
func folded(id string, events int) []byte {
	e := driver.Event{ID: id, Type: "command.invocation", Name: "build", Time: time.Now().UTC().Truncate(time.Second), Count: events, Durations: []int{events}}
	return e.AppendJSON(nil)
}

// waits returns the IDs of what waits in the first slot and how many events that stands for.
func waits(t *testing.T, q *spool.Queue) (ids []string, events int) {
	t.Helper()
	claim, err := q.Claim("0000.events2")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range claim.Entries {
		ids = append(ids, idOf(entry.Line))
		events += spool.Events(entry.Line)
	}
	if len(ids) == 0 {
		t.Fatal("nothing waits") // Close would empty it
	}
	claim.Close()
	return ids, events
}

func claimed(t *testing.T, q *spool.Queue) *spool.Claim {
	t.Helper()
	claim, err := q.Claim("0000.events2")
	if err != nil {
		t.Fatal(err)
	}
	return claim
}

func TestAFoldWaitsInThePlaceOfWhatItStandsFor(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	fill(t, q, 6)
	claim := claimed(t, q)
	replaced := slices.Concat(claim.Entries[:2], claim.Entries[3:5])
	fixed, err := claim.Fold(replaced, [][]byte{folded(testID(70), 3), folded(testID(71), 1)}, nil)
	if err != nil || len(fixed) != 2 || !fixed[0].Fixed || idOf(fixed[1].Line) != testID(71) {
		t.Fatalf("%d entries, %v", len(fixed), err)
	}
	if err := errors.Join(claim.Settle(fixed[0]), claim.Close()); err != nil {
		t.Fatal(err)
	}
	fill(t, q, 1)
	ids, events := waits(t, q)
	wantIDs(t, ids, testID(2), testID(5), testID(71), testID(0))
	if stats, err := q.Stats(); events != 4 || err != nil || stats.Total() != 4 || stats.Damaged != 0 {
		t.Errorf("%d events wait, the queue says %+v, %v", events, stats, err)
	}
	claim = claimed(t, q)
	for i, entry := range claim.Entries {
		if entry.Fixed != (i == 2) {
			t.Errorf("entry %d is fixed: %v", i, entry.Fixed)
		}
	}
	if err := errors.Join(claim.Settle(claim.Entries...), claim.Close()); err != nil || len(content(t, slotPath(q, 0))) != 0 {
		t.Errorf("a slot whose folds are settled is not empty: %v", err)
	}
}

// A kill while the fold is written, at whatever byte, leaves the events or the fold: never
// both, and never some of each.
func TestAFoldThatWasCutSaysNothing(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	fill(t, q, 4)
	path := slotPath(q, 0)
	before := content(t, path)
	claim := claimed(t, q)
	if _, err := claim.Fold(claim.Entries, [][]byte{folded(testID(70), 3), folded(testID(71), 1)}, nil); err != nil {
		t.Fatal(err)
	}
	claim.Close()
	whole := content(t, path)
	for cut := len(before); cut < len(whole); cut++ {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		fillAs(t, q, receipt, 1) // a command comes first
		ids, events := waits(t, q)
		want := []string{testID(0), testID(1), testID(2), testID(3), testID(0)}
		if cut == len(whole)-1 { // but for the newline it is there
			want = []string{testID(70), testID(71), testID(0)}
		}
		if !slices.Equal(ids, want) || events != 5 {
			t.Fatalf("cut to %d of %d bytes, %v wait, %d events", cut-len(before), len(whole)-len(before), ids, events)
		}
	}
}

func TestAFoldThatNamesWhatComesAfterItOrIsNoEventSaysNothing(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	fill(t, q, 2)
	path := slotPath(q, 0)
	before := content(t, path)
	for _, line := range []string{
		"~42-9999\t" + string(folded(testID(70), 2)) + "\t~",
		"~42-100\t{}\t~",
		"~42-100\t" + string(folded(testID(70), 2)) + "\t" + string(folded(testID(71), 2)[1:]) + "\t~",
		"~-1-100\t" + string(folded(testID(70), 2)) + "\t~",
		"~\t" + string(folded(testID(70), 2)) + "\t~",
		"~42-100\t~", "~42-100", "~~", "~", "~\t~",
	} {
		if err := os.WriteFile(path, append(bytes.Clone(before), line+"\n"...), 0o600); err != nil {
			t.Fatal(err)
		}
		ids, _ := waits(t, q)
		if stats, _ := q.Stats(); !slices.Equal(ids, []string{testID(0), testID(1)}) || stats.Damaged != 0 {
			t.Errorf("after %.20q %v wait, %+v", line, ids, stats)
		}
	}
}

func TestASlotIsCompactedWhereNothingElseWaitsInIt(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	fill(t, q, 60)
	claim := claimed(t, q)
	replaced := claim.Entries[10:]
	if err := errors.Join(claim.Settle(claim.Entries[:9]...), claim.Compact(replaced, [][]byte{folded(testID(70), 50)}), claim.Close()); err != nil {
		t.Fatal(err)
	}
	if ids, events := waits(t, q); len(ids) != 51 || events != 51 {
		t.Fatalf("%d entries of %d events: one that waits too was lost, or counts twice", len(ids), events)
	}
	claim = claimed(t, q)
	replaced = claim.Entries[1:]
	if err := errors.Join(claim.Settle(claim.Entries[0]), claim.Compact(replaced, [][]byte{folded(testID(70), 30), folded(testID(71), 20)}), claim.Close()); err != nil {
		t.Fatal(err)
	}
	if size := len(content(t, slotPath(q, 0))); size != 42+len(folded(testID(70), 30))+len(folded(testID(71), 20))+2 {
		t.Errorf("%d bytes are left", size)
	}
	fill(t, q, 1) // into the room
	ids, events := waits(t, q)
	wantIDs(t, ids, testID(70), testID(71), testID(0))
	if events != 51 {
		t.Errorf("%d events", events)
	}
	if claim := claimed(t, q); claim.Entries[0].Fixed {
		t.Error("what was added up and not sent is fixed")
	} else {
		claim.Close()
	}
}

// Compacting writes the fold, overwrites what it replaces, and cuts the rest off. A kill at
// whatever byte costs no event and doubles none.
func TestAKillWhileASlotIsCompactedCostsNothing(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	fill(t, q, 20)
	path := slotPath(q, 0)
	before := content(t, path)
	claim := claimed(t, q)
	events := [][]byte{folded(testID(70), 15), folded(testID(71), 5)}
	if err := errors.Join(claim.Compact(claim.Entries, events), claim.Close()); err != nil {
		t.Fatal(err)
	}
	after := content(t, path)
	image := after[42:]
	fold := fmt.Appendf(nil, "~42-%d\t%s\t%s\t~\n", len(before), events[0], events[1])
	try := func(what string, at int, state []byte) {
		t.Helper()
		if err := os.WriteFile(path, state, 0o600); err != nil {
			t.Fatal(err)
		}
		if ids, n := waits(t, q); n != 20 || len(ids) != 20 && !slices.Equal(ids, []string{testID(70), testID(71)}) {
			t.Fatalf("killed at byte %d of %s: %v wait, %d events", at, what, ids, n)
		}
	}
	for cut := range len(fold) + 1 {
		try("the fold", cut, slices.Concat(before, fold[:cut]))
	}
	for cut := range len(image) + 1 {
		try("the image", cut, slices.Concat(before[:42], image[:cut], before[42+cut:], fold))
	}
	try("the end", 0, after)
}

func TestCompactingAnErasedSlotReachesOnlyThat(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	fill(t, q, 20)
	claim := claimed(t, q)
	if _, err := q.Erase(); err != nil {
		t.Fatal(err)
	}
	fillAs(t, q, other, 20)
	before := content(t, slotPath(q, 0))
	if err := errors.Join(claim.Compact(claim.Entries, [][]byte{folded(testID(70), 20)}), claim.Close()); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(content(t, slotPath(q, 0)), before) {
		t.Error("the new slot was changed")
	}
}

func TestAWriterKnowsThatAQuarterOfTheSlotsIsFull(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	q.MaxBytes = 8 * 64 << 10 // eight slots
	for full := range 4 {
		w, err := q.Writer(receipt, room)
		if err != nil {
			t.Fatal(err)
		}
		if w.Crowded != (full >= 2) {
			t.Errorf("with %d full slots of 8, crowded is %v", full, w.Crowded)
		}
		for err == nil {
			err = w.Append(line(testID(0), q.Now()))
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Until the events are settled in their own slot too, everybody who comes knows that they
// count no more.
func TestASlotTellsWhatItHasTakenOverFromOthers(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	fill(t, q, 3)
	claim := claimed(t, q)
	fixed, err := claim.Fold(claim.Entries, [][]byte{folded(testID(0), 9)}, []string{testID(70), testID(71)})
	if err := errors.Join(err, claim.Close()); err != nil {
		t.Fatal(err)
	}
	slots, _ := q.Slots()
	if got := q.Absorbed(slots); len(got) != 2 || got[testID(70)] != "0000.events2" || got[testID(71)] != "0000.events2" {
		t.Errorf("%v", got)
	}
	if ids, events := waits(t, q); len(ids) != 1 || events != 9 {
		t.Errorf("%v wait, %d events", ids, events)
	}
	claim = claimed(t, q)
	if err := errors.Join(claim.Compact(claim.Entries, [][]byte{fixed[0].Line}), claim.Close()); err != nil {
		t.Fatal(err)
	}
	if got := q.Absorbed(slots); len(got) != 0 {
		t.Errorf("after they are settled %v", got)
	}
}
