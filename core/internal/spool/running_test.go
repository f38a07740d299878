package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/spool"
)

// begin notes that a command runs, which its line says.
func begin(t *testing.T, q *spool.Queue, receipt string, i int) *spool.Writer {
	t.Helper()
	l := line(testID(i), q.Now())
	w, err := q.Start(receipt, len(l))
	if err == nil {
		err = w.Append(l)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// die ends a command without a word, as its process does that is killed.
func die(t *testing.T, w *spool.Writer) {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func runningPath(q *spool.Queue, i int) string {
	return filepath.Join(q.Dir.Join("queue"), fmt.Sprintf("%02d.running", i))
}

func TestACommandThatTookItsStartBackIsNotRecovered(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	w := begin(t, q, receipt, 0)
	if err := errors.Join(w.TakeBack(), w.Close()); err != nil {
		t.Fatal(err)
	}
	q.Recover()
	wantIDs(t, read(t, q).ids)
	if left := content(t, runningPath(q, 0)); len(left) != 0 {
		t.Errorf("%q is left", left)
	}
}

func TestOnlyACommandWhoseProcessIsGoneIsRecovered(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	runs, ended := begin(t, q, receipt, 0), begin(t, q, other, 1)
	die(t, ended)
	for range 2 {
		q.Recover()
	}
	stats, err := q.Stats()
	if err != nil || stats.Events[other] != 1 || stats.Total() != 1 {
		t.Errorf("%+v, %v; want the one of the command that ended, under its receipt", stats, err)
	}
	die(t, runs)
	q.Recover()
	if c := read(t, q); c.lost+c.damaged != 0 || len(c.ids) != 2 {
		t.Errorf("%+v", c)
	}
}

// One that runs for days must not keep the others from being recovered.
func TestACommandTakesAFileOfItsOwnAsLongAsThereIsOne(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	die(t, begin(t, q, receipt, 0))
	runs := begin(t, q, receipt, 1)
	defer runs.Close()
	q.Recover()
	wantIDs(t, read(t, q).ids, testID(0))
}

func TestWhereEveryFileIsInUseCommandsShareOrGoUnnoted(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	q.MaxBytes = 1 << 20
	const files = 8
	for i := range 2 * files { // the second half is appended
		die(t, begin(t, q, receipt, i))
	}
	w := begin(t, q, receipt, 99)
	if err := errors.Join(w.TakeBack(), w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Start(other, 100); !errors.Is(err, spool.ErrFull) {
		t.Errorf("under another receipt: %v", err)
	}
	var held []*spool.Writer
	for i := range files {
		held = append(held, begin(t, q, receipt, 100+i))
	}
	if _, err := q.Start(receipt, 100); !errors.Is(err, spool.ErrFull) {
		t.Errorf("where commands run in all of them: %v", err)
	}
	for _, w := range held {
		if err := errors.Join(w.TakeBack(), w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	q.Recover()
	seen := map[string]int{}
	for _, id := range read(t, q).ids {
		seen[id]++
	}
	for i := range 2 * files {
		if seen[testID(i)] != 1 {
			t.Errorf("the command %d is there %d times", i, seen[testID(i)])
		}
	}
	if len(seen) != 2*files {
		t.Errorf("%d commands, want %d", len(seen), 2*files)
	}
}

func TestStartsCountTowardsTheCap(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	q.MaxBytes = 1 << 20
	for i := 0; ; i++ {
		l := line(testID(i), time.Now())
		w, err := q.Start(receipt, len(l))
		if errors.Is(err, spool.ErrFull) {
			break
		}
		if err := errors.Join(err, w.Append(l), w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	w, err := q.Writer(receipt, room)
	for i := 0; err == nil && i < 10_000; i++ {
		w, err = put(q, w, line(testID(i), time.Now()))
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	if size, files := onDisk(q); size > q.MaxBytes || size < q.MaxBytes*9/10 {
		t.Errorf("%d bytes in %d files, with a cap of %d", size, files, q.MaxBytes)
	}
}

func TestASmallQueueIsLeftToTheEvents(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	q.MaxBytes = 512 << 10
	if _, err := q.Start(receipt, 100); !errors.Is(err, spool.ErrFull) {
		t.Errorf("%v", err)
	}
}

func TestAStartThatNeverFitsIsNotMade(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	if _, err := q.Start(receipt, 9<<10); !errors.Is(err, spool.ErrFull) {
		t.Errorf("%v", err)
	}
}

// A sender that was killed after it had queued a command, and a command that was killed
// after it had been recorded, leave the same behind.
func TestWhatIsInTheQueueAlreadyIsNotRecoveredAgain(t *testing.T) {
	t.Parallel()
	for name, settled := range map[string]bool{"and waits": false, "and is settled": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := queue(t.TempDir())
			fill(t, q, 3)
			die(t, begin(t, q, receipt, 1))
			die(t, begin(t, q, receipt, 7))
			want := []string{testID(0), testID(1), testID(2), testID(7)}
			if settled {
				claim, err := q.Claim("0000.events2")
				if err == nil {
					err = errors.Join(claim.Settle(claim.Entries[1]), claim.Close())
				}
				if err != nil {
					t.Fatal(err)
				}
				want = []string{testID(0), testID(2), testID(7)}
			}
			q.Recover()
			wantIDs(t, read(t, q).ids, want...)
		})
	}
}

// A power cut leaves any part of what was written.
func TestATornStartIsNoLostEvent(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	die(t, begin(t, q, receipt, 0))
	path := runningPath(q, 0)
	whole := content(t, path)
	for cut := range len(whole) {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		q.Recover()
		var want []string
		if cut == len(whole)-1 { // all but the newline
			want = []string{testID(0)}
		}
		c := read(t, q)
		wantIDs(t, c.ids, want...)
		if c.lost+c.damaged != 0 || len(spool.Losses(q.Dir)) != 0 {
			t.Errorf("cut to %d bytes: %+v", cut, c)
		}
		if left := content(t, path); len(left) != 0 {
			t.Errorf("cut to %d bytes, %q is left", cut, left)
		}
	}
	if err := os.WriteFile(path, make([]byte, len(whole)), 0o600); err != nil { // its blocks were never written
		t.Fatal(err)
	}
	q.Recover()
	if left := content(t, path); len(left) != 0 || len(spool.Losses(q.Dir)) != 0 {
		t.Errorf("%q is left, %v lost", left, spool.Losses(q.Dir))
	}
}

// Nothing tells under which promise it was recorded, so it goes nowhere.
func TestAWholeStartUnderADamagedHeadIsLost(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	die(t, begin(t, q, receipt, 0))
	path := runningPath(q, 0)
	if err := os.WriteFile(path, bytes.Replace(content(t, path), []byte("#receipt="), []byte("#receibt="), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		q.Recover()
	}
	if c := read(t, q); len(c.ids) != 0 || spool.Losses(q.Dir)[spool.LossUnreadable] != 1 {
		t.Errorf("%+v, %v lost", c, spool.Losses(q.Dir))
	}
}

func TestEraseRemovesTheStartsOfCommandsThatRun(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	runs := begin(t, q, receipt, 0)
	die(t, begin(t, q, receipt, 1))
	if stats, err := q.Stats(); stats.Total() != 1 || err != nil {
		t.Errorf("%d wait, %v: the event of a command that ended does, and none of one that runs", stats.Total(), err)
	}
	if n, err := q.Erase(); n != 1 || err != nil {
		t.Errorf("%d events, %v: the event of a command that ended is erased, and one that runs has none yet", n, err)
	}
	if !runs.Gone() {
		t.Error("the start of the one that runs is still there")
	}
	die(t, runs)
	q.Recover()
	wantIDs(t, read(t, q).ids)
	if size, files := onDisk(q); size != 0 {
		t.Errorf("%d bytes in %d files", size, files)
	}
}

func TestAReceiptThatOnlyAStartNamesIsHeld(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	runs := begin(t, q, receipt, 0)
	if !q.Holds(receipt) || q.Holds(other) {
		t.Errorf("while it runs: %v, of another one %v", q.Holds(receipt), q.Holds(other))
	}
	die(t, runs)
	if !q.Holds(receipt) {
		t.Error("nothing holds it any more once the command is gone")
	}
}

func TestALinkInThePlaceOfAStartIsLeftAlone(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	planted := filepath.Join(t.TempDir(), "planted")
	if err := errors.Join(os.Mkdir(q.Dir.Join("queue"), 0o700), os.WriteFile(planted, []byte("theirs"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(planted, runningPath(q, 0)); err != nil {
		t.Skip(err)
	}
	die(t, begin(t, q, receipt, 0))
	q.Recover()
	wantIDs(t, read(t, q).ids, testID(0))
	if got := content(t, planted); string(got) != "theirs" {
		t.Errorf("what the link leads to holds %q", got)
	}
}

func TestSlotsOfTheVersionBeforeAreReadAndNeverAddedTo(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	older := filepath.Join(q.Dir.Join("queue"), "0000.events")
	before := append([]byte("#receipt="+receipt+"\n"), line(testID(8), time.Now())...)
	if err := errors.Join(os.Mkdir(filepath.Dir(older), 0o700), os.WriteFile(older, before, 0o600)); err != nil {
		t.Fatal(err)
	}
	if !q.Holds(receipt) {
		t.Error("its receipt is not held")
	}
	fill(t, q, 1)
	if !bytes.Equal(content(t, older), before) {
		t.Error("something was added")
	}
	wantIDs(t, read(t, q).ids, testID(8), testID(0))
	claim, err := q.Claim("0000.events")
	if err != nil || claim.Legacy || claim.Receipt != receipt {
		t.Errorf("%+v, %v", claim, err)
	}
	claim.Close()
	if n, err := q.Erase(); n != 2 || err != nil {
		t.Errorf("erased %d, %v", n, err)
	}
}

// How the versions before recognised their slots. What they see and cannot read, they drop.
func TestNoVersionBeforeSeesOurFiles(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	fill(t, q, 1)
	defer begin(t, q, receipt, 1).Close()
	entries, err := os.ReadDir(q.Dir.Join("queue"))
	if err != nil || len(entries) != 2 {
		t.Fatalf("%v, %v", entries, err)
	}
	for _, entry := range entries {
		digits, _ := strings.CutSuffix(entry.Name(), ".events")
		if len(digits) == 4 && strings.Trim(digits, "0123456789") == "" {
			t.Errorf("%s looks like one of theirs", entry.Name())
		}
	}
}

func TestWhatANoErasesIsNotQueuedBehindIt(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	for round := range 1000 {
		if round%2 == 0 { // else the slot is made while the queue is erased
			fill(t, q, 1)
		}
		die(t, begin(t, q, receipt, round))
		recovered := make(chan struct{})
		go func() {
			q.Recover()
			close(recovered)
		}()
		if _, err := q.Erase(); err != nil {
			t.Fatal(err)
		}
		<-recovered
		if stats, err := q.Stats(); err != nil || stats.Total() != 0 {
			t.Fatalf("round %d: %+v, %v", round, stats, err)
		}
	}
}
