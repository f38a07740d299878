package delivery_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/internal/state"
)

// childDir is the variable that makes TestChild a process that works in that directory.
const childDir = "DELIVERY_TEST_DIR"

// child starts this test binary to do a work in the directory of a fixture.
func child(t *testing.T, dir state.Dir, work string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childDir+"="+dir.Path(), "DELIVERY_TEST_WORK="+work)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestChild(t *testing.T) {
	path, set := os.LookupEnv(childDir)
	if !set {
		t.Skip("not a child")
	}
	dir := state.At(path)
	switch work := os.Getenv("DELIVERY_TEST_WORK"); work {
	case "losses":
		for range 25 {
			if err := spool.AddLosses(dir, spool.LossUnwritten, 2); err != nil {
				t.Fatal(err)
			}
		}
	case "send", "send once":
		f := newFixture(t, 0)
		f.sender.Dir, f.sender.Queue.Dir = dir, dir
		f.sender.AtMostOnce = work == "send once"
		f.now = time.Now()
		f.vendor.answer = func(events []driver.Event) error {
			for _, e := range events {
				fmt.Println("sending", e.ID)
			}
			fmt.Println("sent")
			select {} // never an answer; the process is killed
		}
		f.run() //nolint:errcheck // does not return
	}
}

// killWhileSending has a process send and kills it in the attempt. It returns what went out.
func killWhileSending(t *testing.T, f *fixture, work string) (sent []string) {
	t.Helper()
	cmd := child(t, f.sender.Dir, work)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "sent" {
		if id, ok := strings.CutPrefix(lines.Text(), "sending "); ok {
			sent = append(sent, id)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	cmd.Wait() //nolint:errcheck // it was killed
	return sent
}

func TestAProcessThatIsKilledInAnAttemptHasNotedItAndLostNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	f.now = time.Now()
	for kills := range 4 {
		if sent := killWhileSending(t, f, "send"); !slices.Equal(sent, ids(0, 5)) {
			t.Fatalf("the process sent %v", sent)
		}
		notes := delivery.ReadNotes(f.sender.Dir)
		if notes.Failures != kills+1 || !strings.Contains(notes.Problem, "cut off") || time.Since(notes.LastAttempt) > time.Minute {
			t.Errorf("after %d kills: %+v", kills+1, notes)
		}
		// The back-off of so many failures, as if the answer had been one.
		wait, nominal := time.Until(delivery.NextAt(f.sender.Dir)), 10*time.Minute<<kills
		if delivery.Due(f.sender.Dir, time.Now()) || wait < nominal/2-time.Minute || wait > nominal*3/2 {
			t.Errorf("after %d kills the next upload is in %v, want %v give or take half", kills+1, wait, nominal)
		}
	}
	f.mustRun(5, 0)
	f.wantAccepted(ids(0, 5))
	if notes := delivery.ReadNotes(f.sender.Dir); notes.Failures != 0 || notes.Problem != "" {
		t.Errorf("after a success: %+v", notes)
	}
}

func TestAtMostOnceAProcessThatIsKilledInAnAttemptIsNotFollowedByAnother(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	f.sender.AtMostOnce = true
	if sent := killWhileSending(t, f, "send once"); !slices.Equal(sent, ids(0, 5)) {
		t.Fatalf("the process sent %v", sent)
	}
	if notes := delivery.ReadNotes(f.sender.Dir); notes.Lost[spool.LossUnsent] != 5 {
		t.Errorf("noted as lost are %v", notes.Lost)
	}
	if _, err := f.run(); err != nil {
		t.Fatal(err)
	}
	for _, batch := range f.vendor.attempts {
		for _, e := range batch {
			if strings.HasPrefix(e.ID, "test-") {
				t.Errorf("%s is sent again", e.ID)
			}
		}
	}
}

func TestAnAttemptDoesNotShortenALongerPause(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	far := noon.Add(7 * time.Hour)
	delivery.Postpone(f.sender.Dir, far)
	f.vendor.answer = func([]driver.Event) error { // of somebody who flushes meanwhile
		if next := delivery.NextAt(f.sender.Dir); !next.Equal(far) {
			t.Errorf("in the attempt the next one is at %v", next)
		}
		return nil
	}
	f.mustRun(1, 0)
}

func TestWhatStaysHereIsNoAttemptAtTheNetwork(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	f.route.Local, f.route.Stays = true, true
	f.vendor.answer = func([]driver.Event) error {
		if notes := delivery.ReadNotes(f.sender.Dir); notes.Failures != 0 || !notes.LastAttempt.IsZero() {
			t.Errorf("in it: %+v", notes)
		}
		return nil
	}
	f.mustRun(3, 0)
	if notes := delivery.ReadNotes(f.sender.Dir); notes.Stayed != 3 || notes.Delivered != 0 || !notes.LastAttempt.IsZero() || !notes.LastDelivered.IsZero() {
		t.Errorf("%+v", notes)
	}
}

func TestNotesOfAnOlderVersionAreGoneOnFrom(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	old := "format=1\ndelivered=40\nfailures=2\nlast_attempt=2026-11-20T10:00:00Z\nlost=7\nproblem=502\nwait_until=2026-11-20T11:00:00Z\n.\n"
	if err := f.sender.Dir.WriteFile("delivery", []byte(old)); err != nil {
		t.Fatal(err)
	}
	notes := delivery.ReadNotes(f.sender.Dir)
	if notes.Delivered != 40 || notes.Failures != 2 || notes.TotalLost() != 7 || notes.Problem != "502" || notes.Batch != 0 ||
		!notes.LastAttempt.Equal(time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", notes)
	}
	f.vendor.answer = func(events []driver.Event) error {
		if events[0].ID == id(0) {
			return driver.Permanent(errors.New("no"))
		}
		return nil
	}
	f.route.Limits.Events = 1
	f.run() //nolint:errcheck // whether a lone refusal is believed is not the point here
	after := delivery.ReadNotes(f.sender.Dir)
	if after.Delivered < 40 || after.TotalLost() < 7 || after.Delivered+after.TotalLost() < 40+7+1 || after.Lost["unknown"] != 7 {
		t.Errorf("%+v", after)
	}
	// The older version goes on from ours: it knows one number and writes nothing else.
	raw, err := f.sender.Dir.ReadRecord("delivery")
	if err != nil || raw["lost"] != fmt.Sprint(after.TotalLost()) || raw["delivered"] != fmt.Sprint(after.Delivered) {
		t.Errorf("%v, %v", raw, err)
	}
	raw["lost"] = fmt.Sprint(after.TotalLost() + 3)
	if err := f.sender.Dir.WriteRecord("delivery", raw); err != nil {
		t.Fatal(err)
	}
	if got := delivery.ReadNotes(f.sender.Dir); got.TotalLost() != after.TotalLost()+3 || got.Lost["unknown"] != 10 {
		t.Errorf("%+v", got)
	}
}

func TestNotesThatCannotBeReadHoldNothingUp(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "noise", "format=1\nfailures=-5\nbatch=-1\ndelivered=x\nlost_x=-3\n.\n", strings.Repeat("x", 100_000)} {
		f := newFixture(t, 600)
		if err := f.sender.Dir.WriteFile("delivery", []byte(content)); err != nil {
			t.Fatal(err)
		}
		f.mustRun(600, 0)
		if slots := 2; len(f.vendor.attempts) != slots {
			t.Errorf("%.20q: batches of %v, want one for each of %d slots", content, sizes(f.vendor.attempts), slots)
		}
		if notes := delivery.ReadNotes(f.sender.Dir); notes.Delivered != 600 || notes.TotalLost() != 0 {
			t.Errorf("%.20q: %+v", content, notes)
		}
	}
}

func TestLossesAreCountedByManyAtOnce(t *testing.T) {
	t.Parallel()
	dir := state.At(t.TempDir())
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if out, err := child(t, dir, "losses").Output(); err != nil {
				t.Errorf("%s, %v", out, err)
			}
		})
	}
	all.Wait()
	// Who cannot have the lock within its patience counts without, and may count in vain: no
	// command waits for a number. So it is never too many, and on a busy machine few are missing.
	if n := spool.Losses(dir)[spool.LossUnwritten]; n > 150 || n < 100 {
		t.Errorf("%d are counted, of 150", n)
	}
}

func TestACountOfLossesIsNoTimeAndNoTimeACount(t *testing.T) {
	t.Parallel()
	dir := state.At(t.TempDir())
	if n := spool.Losses(dir)[spool.LossUnwritten]; n != 0 {
		t.Errorf("%d without a file", n)
	}
	if err := os.WriteFile(dir.Join("losses-unwritten"), nil, 0o600); err != nil { // killed before it set the time
		t.Fatal(err)
	}
	if n := spool.Losses(dir)[spool.LossUnwritten]; n != 0 {
		t.Errorf("%d in a file that was just made", n)
	}
	for range 3 {
		if err := spool.AddLosses(dir, spool.LossUnwritten, 90_000_000); err != nil {
			t.Fatal(err)
		}
	}
	if n := spool.Losses(dir)[spool.LossUnwritten]; n < 90_000_000 {
		t.Errorf("%d after more than can be counted", n)
	}
}

// A process that a reset disowned may be killed right after it has noted that there are notes.
func TestNotesThatAResetRemovedAreNotMissedForWhatADisownedProcessLeft(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	dir := f.sender.Dir
	f.mustRun(1, 0)
	left := dir.Time("noted")
	if left.IsZero() {
		t.Fatal("nothing says that there are notes")
	}
	if err := errors.Join(delivery.Disown(dir), delivery.Forget(dir), dir.SetTime("noted", left)); err != nil {
		t.Fatal(err)
	}
	if delivery.ReadNotes(dir).Gone {
		t.Error("with no lock, notes are missed that the reset removed")
	}
	lock, err := dir.WaitLock(t.Context(), "upload.lock")
	if err != nil {
		t.Fatal(err)
	}
	lock.Unlock()
	if delivery.ReadNotes(dir).Gone {
		t.Error("under the next lock, notes are missed that the reset removed")
	}
	f.run() //nolint:errcheck // it is run for what it notes
	if err := dir.Remove("delivery"); err != nil {
		t.Fatal(err)
	}
	if dir.Time("noted").Equal(left) || !delivery.ReadNotes(dir).Gone {
		t.Error("notes of afterwards are not missed")
	}
}

func TestWhatWasCountedInNotesThatAreDamagedIsKnownToBeMissing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	if err := f.sender.Dir.WriteFile("delivery", nil); err != nil {
		t.Fatal(err)
	}
	f.mustRun(1, 0)
	if notes := delivery.ReadNotes(f.sender.Dir); notes.Delivered != 1 || !notes.Gone {
		t.Errorf("%+v, want one delivered event that is not all", notes)
	}
}
