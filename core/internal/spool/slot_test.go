package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/spool"
)

// slotPath is the file of slot i.
func slotPath(q *spool.Queue, i int) string {
	return filepath.Join(q.Dir.Join("queue"), fmt.Sprintf("%04d.events2", i))
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// fillAs is fill under a receipt.
func fillAs(t *testing.T, q *spool.Queue, receipt string, events int) {
	t.Helper()
	w, err := q.Writer(receipt, room)
	if err != nil {
		t.Fatal(err)
	}
	for i := range events {
		if err := w.Append(line(testID(i), q.Now())); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
}

// settleAll settles what waits in a slot.
func settleAll(t *testing.T, q *spool.Queue, slot string) {
	t.Helper()
	claim, err := q.Claim(slot)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(claim.Settle(claim.Entries...), claim.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestASlotOfAnotherReceiptIsLeftAloneAndUsedAgainWhenItIsEmpty(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	fillAs(t, q, receipt, 2)
	before := content(t, slotPath(q, 0))
	fillAs(t, q, other, 1)
	fillAs(t, q, other, 1)
	if !bytes.Equal(content(t, slotPath(q, 0)), before) {
		t.Error("what was recorded under one receipt changed when another one was recorded under")
	}
	settleAll(t, q, "0000.events2")
	w, err := q.Writer(other, room) // takes the empty one, which comes first
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Append(line(testID(9), q.Now())), w.Close()); err != nil {
		t.Fatal(err)
	}
	if head := content(t, slotPath(q, 0))[:42]; string(head) != "#receipt="+other+"\n" {
		t.Errorf("the head is %q", head)
	}
	if files, _ := os.ReadDir(q.Dir.Join("queue")); len(files) != 2 {
		t.Errorf("%d files, want 2", len(files))
	}
	if stats, err := q.Stats(); err != nil || stats.Events[other] != 3 || stats.Total() != 3 {
		t.Errorf("%+v, %v", stats, err)
	}
}

// A writer that was killed in the middle of the head has recorded nothing: there is nothing
// to count as lost.
func TestATornHeadIsNoEvent(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	fill(t, q, 1)
	path := slotPath(q, 0)
	whole := content(t, path)
	for cut := 1; cut < 42; cut++ {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if stats, err := q.Stats(); err != nil || stats.Total() != 0 || stats.Damaged != 0 {
			t.Errorf("cut to %d bytes: %+v, %v", cut, stats, err)
		}
		claim, err := q.Claim("0000.events2")
		if err != nil || len(claim.Entries) != 0 {
			t.Fatalf("cut to %d bytes: %d entries, %v", cut, len(claim.Entries), err)
		}
		claim.Close()
		if left := content(t, path); len(left) != 0 {
			t.Errorf("cut to %d bytes, %q is left after a sender was there", cut, left)
		}
	}
}

func TestADamagedHeadNamesNobodyElsesReceipt(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	fill(t, q, 1)
	path := slotPath(q, 0)
	whole := content(t, path)
	for i := range 42 {
		for _, c := range []byte("\x00\n#=-/:@G`gz~\xff") {
			damaged := bytes.Clone(whole)
			damaged[i] = c
			if bytes.Equal(damaged, whole) {
				continue
			}
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			claim, err := q.Claim("0000.events2")
			if err != nil {
				t.Fatal(err)
			}
			if claim.Receipt != "" || claim.Legacy || len(claim.Entries) == 0 {
				t.Errorf("%q at %d: under %q, legacy %v, %d entries", c, i, claim.Receipt, claim.Legacy, len(claim.Entries))
			}
			claim.Close()
			if q.Holds(receipt) {
				t.Errorf("%q at %d: the queue still holds something of the receipt", c, i)
			}
		}
	}
}

func TestSlotsOfOlderVersionsAreEmptiedAndNotUsedAgain(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	legacy := filepath.Join(q.Dir.Join("queue"), "0000")
	old := bytes.Repeat(line(testID(1), time.Now()), 3)
	if err := errors.Join(os.Mkdir(filepath.Dir(legacy), 0o700), os.WriteFile(legacy, old, 0o600)); err != nil {
		t.Fatal(err)
	}
	fill(t, q, 5)
	if !bytes.Equal(content(t, legacy), old) {
		t.Error("something was added")
	}
	settleAll(t, q, "0000")
	fill(t, q, 5)
	if left := content(t, legacy); len(left) != 0 {
		t.Errorf("%q is left", left)
	}
	wantIDs(t, read(t, q).ids, slices.Repeat([]string{testID(0), testID(1), testID(2), testID(3), testID(4)}, 2)...)
}

// A sender that goes on with a slot which was erased, and made anew by a command, changes
// nothing in the new one.
func TestAClaimOfAnErasedSlotReachesOnlyThat(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	fill(t, q, 2)
	claim, err := q.Claim("0000.events2")
	if err != nil || claim.Gone() {
		t.Fatalf("gone %v, %v", claim.Gone(), err)
	}
	if _, err := q.Erase(); err != nil || !claim.Gone() {
		t.Fatalf("gone %v, %v", claim.Gone(), err)
	}
	fillAs(t, q, other, 2)
	if err := errors.Join(claim.Settle(claim.Entries...), claim.SetLatest(time.Now()), claim.Close()); err != nil {
		t.Error(err)
	}
	if stats, err := q.Stats(); err != nil || stats.Events[other] != 2 || stats.Damaged != 0 {
		t.Errorf("%+v, %v", stats, err)
	}
}

func TestAWriterCountsItsEventsAndNoReports(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	w, err := q.Writer(receipt, room)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if n := w.CountSince(0); n != 0 {
		t.Errorf("%d events in a slot with nothing but its head", n)
	}
	if err := errors.Join(w.Append(line(testID(0), q.Now())), w.Append(q.LossLine(spool.Loss{Reason: "x", Count: 41}))); err != nil {
		t.Fatal(err)
	}
	if n := w.CountSince(0); n != 1 { // what is reported was counted before
		t.Errorf("%d, want 1", n)
	}
	if n := w.CountSince(w.Size()); n != 0 {
		t.Errorf("%d since now", n)
	}
}

// What is settled, in any order and over any number of claims, with writers and kills in
// between, does not come back, and everything else does.
func TestMarksSettleWhatTheyNameAndNothingElse(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 60 {
		q := queue(t.TempDir())
		var waiting []string // as the queue should have it
		next := 0
		for range 12 {
			w, err := q.Writer(receipt, room)
			if err != nil {
				t.Fatal(err)
			}
			for range random.IntN(6) {
				id := testID(next)
				next++
				if err := w.Append(line(id+strings.Repeat("x", random.IntN(200)), time.Now())); err != nil {
					t.Fatal(err)
				}
				waiting = append(waiting, id)
			}
			w.Close()
			if random.IntN(4) == 0 && len(waiting) > 0 {
				// A kill in the middle of a line: that is one damaged line, and no event.
				path := slotPath(q, 0)
				torn := append(content(t, path), line(testID(next), time.Now())[:1+random.IntN(60)]...)
				next++
				if err := os.WriteFile(path, torn, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			claim, err := q.Claim("0000.events2")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			ids := map[int]string{}
			for i, entry := range claim.Entries {
				if id := idOf(entry.Line); id != "" {
					ids[i] = id
					got = append(got, id)
				}
			}
			if !slices.Equal(got, waiting) {
				t.Fatalf("waiting %v, want %v", got, waiting)
			}
			for _, i := range random.Perm(len(claim.Entries))[:random.IntN(len(claim.Entries)+1)] {
				if err := claim.Settle(claim.Entries[i]); err != nil {
					t.Fatal(err)
				}
				waiting = slices.DeleteFunc(waiting, func(id string) bool { return id == ids[i] })
			}
			if err := claim.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// idOf is the test's ID in a line, "" if there is no whole one.
func idOf(line []byte) string {
	const length = len("test-") + 31
	if i := bytes.Index(line, []byte("test-")); i >= 0 && len(line) >= i+length && line[len(line)-1] == '}' {
		return string(line[i : i+length])
	}
	return ""
}
