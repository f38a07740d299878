package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/spool"
)

// onDisk is how much the queue takes, and in how many files.
func onDisk(q *spool.Queue) (size int64, files int) {
	entries, _ := os.ReadDir(q.Dir.Join("queue"))
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil {
			size += info.Size()
			files++
		}
	}
	return size, files
}

func TestTheCapHoldsAtEveryMomentWhileFiftyRecord(t *testing.T) {
	t.Parallel()
	const writers, each = 50, 1000
	q := queue(t.TempDir())
	q.MaxBytes = 4 << 20 // 64 slots, and less than is written
	var recording, watching sync.WaitGroup
	failed := make(chan error, writers)
	for i := range writers {
		recording.Go(func() {
			w, err := q.Writer(receipt, room)
			for n := 0; err == nil && n < each; n++ {
				w, err = put(q, w, line(fmt.Sprintf("writer%02d-%027d", i, n), time.Now()))
			}
			if err != nil {
				failed <- err
				return
			}
			w.Close()
		})
	}
	ended := make(chan struct{})
	watching.Go(func() {
		for {
			if size, _ := onDisk(q); size > q.MaxBytes {
				t.Errorf("%d bytes, with a cap of %d", size, q.MaxBytes)
				return
			}
			select {
			case <-ended:
				return
			default:
			}
		}
	})
	recording.Wait()
	close(ended)
	watching.Wait()
	close(failed)
	for err := range failed {
		t.Error(err)
	}
	if c := read(t, q); len(c.ids)+c.lost != writers*each || c.lost == 0 || c.damaged > 0 {
		t.Errorf("%d wait, %d are reported lost, %d damaged; of %d", len(c.ids), c.lost, c.damaged, writers*each)
	}
}

func TestWhereEverySlotIsHeldNothingIsTakenAway(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	q.MaxBytes = 256 << 10 // four slots
	var writers []*spool.Writer
	for range 4 {
		w, err := q.Writer(receipt, room)
		if err != nil {
			t.Fatal(err)
		}
		writers = append(writers, w)
	}
	for _, id := range []string{receipt, other} {
		if _, err := q.Writer(id, room); !errors.Is(err, spool.ErrFull) {
			t.Errorf("a fifth one: %v", err)
		}
	}
	for i, w := range writers {
		if err := errors.Join(w.Append(line(testID(i), time.Now())), w.Close()); err != nil || w.Gone() {
			t.Errorf("writer %d: gone %v, %v", i, w.Gone(), err)
		}
	}
	wantIDs(t, read(t, q).ids, testID(0), testID(1), testID(2), testID(3))
}

func TestAnEventLargerThanASlotIsRefusedAndCostsNothing(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	q.MaxBytes = 100 << 10 // four slots of 25 KiB
	fill(t, q, 3)
	before := content(t, slotPath(q, 0))
	large := line(strings.Repeat("x", 30<<10), time.Now())
	if _, err := q.Writer(receipt, len(large)); !errors.Is(err, spool.ErrFull) {
		t.Errorf("a slot with room for it: %v", err)
	}
	w, err := q.Writer(receipt, room)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(large); !errors.Is(err, spool.ErrFull) {
		t.Errorf("appending it: %v", err)
	}
	if !bytes.Equal(content(t, slotPath(q, 0)), before) {
		t.Error("it left something behind")
	}
	if err := errors.Join(w.Append(line(testID(3), time.Now())), w.Close()); err != nil {
		t.Error(err)
	}
	wantIDs(t, read(t, q).ids, testID(0), testID(1), testID(2), testID(3))
	if _, files := onDisk(q); files != 1 {
		t.Errorf("%d files: others were taken for it", files)
	}
}

// fullSlots makes four slots, all there are, each full of events under its receipt.
func fullSlots(t *testing.T, q *spool.Queue, receipts [4]string) (events [4]int) {
	t.Helper()
	q.MaxBytes = 256 << 10
	for i, receipt := range receipts {
		w, err := q.Writer(receipt, room)
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			if err = w.Append(line(fmt.Sprintf("slot%d-%030d", i, events[i]), time.Now())); err == nil {
				events[i]++
			}
		}
		w.Close()
		if !errors.Is(err, spool.ErrFull) {
			t.Fatal(err)
		}
	}
	return events
}

func TestAtTheCapTheSlotThatWasUsedLongestAgoGoesFirst(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	events := fullSlots(t, q, [4]string{receipt, receipt, receipt, receipt})
	order := []int{2, 0, 3, 1}
	for age, i := range order {
		at := time.Now().Add(time.Duration(age-10) * time.Minute)
		if err := os.Chtimes(slotPath(q, i), at, at); err != nil {
			t.Fatal(err)
		}
	}
	wholes := make([][]byte, 4)
	for i := range wholes {
		wholes[i] = content(t, slotPath(q, i))
	}
	lost := 0
	for dropped, i := range order[:2] {
		w, err := q.Writer(receipt, 60<<10)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Append(line(strings.Repeat("y", 60<<10), time.Now())), w.Close()); err != nil {
			t.Fatal(err)
		}
		lost += events[i]
		if c := read(t, q); c.lost != lost {
			t.Errorf("%d are reported lost, want %d", c.lost, lost)
		}
		for _, kept := range order[dropped+1:] {
			if !bytes.Equal(content(t, slotPath(q, kept)), wholes[kept]) {
				t.Errorf("after %d drops slot %d is not as it was", dropped+1, kept)
			}
		}
	}
}

// What a report stands for is counted again where the report itself is dropped.
func TestAReportThatIsDroppedStaysCounted(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	fill(t, q, 3)
	w, err := q.Writer(receipt, room)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Append(q.LossLine(spool.Loss{Reason: spool.LossRefused, Count: 41})), w.Close()); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	q.Now = func() time.Time { return now.Add(2 * time.Hour) }
	fill(t, q, 1)
	if c := read(t, q); len(c.ids) != 1 || c.lost != 44 {
		t.Errorf("%d wait, %d lost; want 1 and 44", len(c.ids), c.lost)
	}
}

func TestAtTheCapASlotWithRoomUnderAnotherReceiptGoesLast(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	q.MaxBytes = 256 << 10
	fillAs(t, q, other, 1)
	yesterday := time.Now().Add(-30 * time.Minute)
	if err := os.Chtimes(slotPath(q, 0), yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	w, err := q.Writer(receipt, room)
	for n := 0; err == nil && n < 2000; n++ { // more than three slots hold
		w, err = put(q, w, line(testID(n), time.Now()))
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	if stats, err := q.Stats(); err != nil || stats.Events[other] != 1 {
		t.Errorf("%+v, %v: what another receipt covers had to go", stats, err)
	}
}

func TestTheSlotsOfALargeQueueAreReadOneSmallPieceAtATime(t *testing.T) {
	// Not parallel: it looks at the memory of the whole process.
	q := queue(t.TempDir())
	q.MaxBytes = 4 << 30
	w, err := q.Writer(receipt, room)
	for n := 0; err == nil && n < 60_000; n++ { // 8 MB
		w, err = put(q, w, line(testID(n), time.Now()))
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, entries := heap(), 0
	slots, err := q.Slots()
	if err != nil || len(slots) < 2 {
		t.Fatalf("%v, %v", slots, err)
	}
	for _, slot := range slots {
		claim, err := q.Claim(slot)
		if err != nil {
			t.Fatal(err)
		}
		if size := int64(heap() - before); size > 16<<20 {
			t.Errorf("a claim of 4 MiB at most takes %d bytes", size)
		}
		entries += len(claim.Entries)
		claim.Close()
	}
	if entries != 60_000 {
		t.Errorf("%d entries are read back", entries)
	}
}

// A receiver that took every other event leaves a mark for each. Reading them must not take
// the square of their number: a command at the cap reads a slot, too.
func TestASlotWithManyMarksIsReadQuickly(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	path := filepath.Join(q.Dir.Join("queue"), "0000")
	var data []byte
	var marks []string
	const events = 120_000
	for i := range events {
		start := len(data)
		data = append(data, line(testID(i), time.Now())...)
		if i%2 == 0 {
			marks = append(marks, fmt.Sprintf("=%d-%d\n", start, len(data)))
		}
	}
	slices.Reverse(marks)
	data = append(data, strings.Join(marks, "")...)
	if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.WriteFile(path, data, 0o600)); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	claim, err := q.Claim("0000")
	took := time.Since(begin)
	if err != nil || len(claim.Entries) != events/2 || idOf(claim.Entries[0].Line) != testID(1) {
		t.Fatalf("%d entries, %v", len(claim.Entries), err)
	}
	claim.Close()
	if took > 2*time.Second {
		t.Errorf("reading %d marks took %v", len(marks), took)
	}
}
