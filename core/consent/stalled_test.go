package consent

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
)

// A process that stands still in the middle of storing a yes holds the lock for as long as it
// does. A no does not wait for it, and stands when it goes on.
func TestANoStandsAgainstAYesThatStoodStill(t *testing.T) {
	t.Parallel()
	store := NewStore(filepath.Join(t.TempDir(), "telemetry"))
	if err := store.dir.Create(); err != nil {
		t.Fatal(err)
	}
	stalled, err := store.lock()
	if err != nil {
		t.Fatal(err)
	}
	defer stalled.Unlock()
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	if err := store.No(SourceCommand, "", Terms{}, at); err != nil {
		t.Fatal(err)
	}
	receipt, err := store.obtain(Receipt{At: at, By: SourceCommand, revision: 1}, Stored{})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.write(stalled, Stored{Answer: AnswerYes, At: at, revision: 1}, receipt); !errors.Is(err, ErrChanged) {
		t.Errorf("it stores its yes: %v", err)
	}
	if now := store.Load(); now.Answer != AnswerNo {
		t.Errorf("the answer is %+v", now)
	}
	if lock, err := store.lock(); err != nil {
		t.Errorf("who answers next has no lock: %v", err)
	} else {
		lock.Unlock()
	}
	if _, err := store.dir.TryLock(lockName); errors.Is(err, state.ErrBusy) {
		t.Error("the lock is held")
	}
}
