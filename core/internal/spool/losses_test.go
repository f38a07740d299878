package spool_test

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/internal/state"
)

func TestLossesAreCountedByReasonUntilTheyAreTold(t *testing.T) {
	t.Parallel()
	dir := state.At(t.TempDir())
	if losses := spool.Losses(dir); len(losses) != 0 {
		t.Errorf("%v without any", losses)
	}
	err := errors.Join(spool.AddLosses(dir, spool.LossCap, 3), spool.AddLosses(dir, spool.LossExpired, 5), spool.AddLosses(dir, spool.LossCap, 4))
	if losses := spool.Losses(dir); err != nil || !maps.Equal(losses, map[string]int{spool.LossCap: 7, spool.LossExpired: 5}) {
		t.Errorf("%v, %v", losses, err)
	}
	err = errors.Join(spool.AddLosses(dir, spool.LossCap, -3), spool.AddLosses(dir, spool.LossExpired, -9))
	if losses := spool.Losses(dir); err != nil || !maps.Equal(losses, map[string]int{spool.LossCap: 4}) {
		t.Errorf("%v, %v", losses, err)
	}
	if err := spool.ForgetLosses(dir); err != nil || len(spool.Losses(dir)) != 0 {
		t.Errorf("%v, %v", spool.Losses(dir), err)
	}
}

// Who cannot have the lock of one file counts in another: at the cap many drop at once.
func TestLossesThatAreCountedAtOnceAreAllCounted(t *testing.T) {
	t.Parallel()
	dir := state.At(t.TempDir())
	const recorders, each = 40, 25
	var all sync.WaitGroup
	for range recorders {
		all.Go(func() {
			for range each {
				if err := spool.AddLosses(dir, spool.LossCap, 2); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := spool.Losses(dir)[spool.LossCap]; n != 2*recorders*each {
		t.Errorf("%d are counted, of %d", n, 2*recorders*each)
	}
	// A delivery takes all of them back, wherever they are.
	if err := spool.AddLosses(dir, spool.LossCap, -2*recorders*each+1); err != nil || spool.Losses(dir)[spool.LossCap] != 1 {
		t.Errorf("%v are left, %v", spool.Losses(dir), err)
	}
}

func TestALockThatIsHeldHoldsNoCountUp(t *testing.T) {
	t.Parallel()
	dir := state.At(t.TempDir())
	if err := spool.AddLosses(dir, spool.LossCap, 3); err != nil {
		t.Fatal(err)
	}
	lock, err := dir.TryLock("losses-" + spool.LossCap) // of a process that was stopped in the middle
	if err != nil {
		t.Fatal(err)
	}
	if err := spool.AddLosses(dir, spool.LossCap, 4); err != nil {
		t.Error(err)
	}
	if err := dir.SetTime("losses-"+spool.LossCap, time.Unix(8, 0)); err != nil { // it goes on: 3 and 5
		t.Fatal(err)
	}
	lock.Unlock()
	if n := spool.Losses(dir)[spool.LossCap]; n != 12 {
		t.Errorf("%d are counted, want 12", n)
	}
}

func TestWithoutLocksLossesAreCountedAllTheSame(t *testing.T) {
	t.Parallel()
	dir := state.At(t.TempDir())
	for i := range 10 { // a lock of each file, none of which is given back
		name := "losses-" + spool.LossCap
		if i > 0 {
			name += fmt.Sprint(".", i)
		}
		lock, err := dir.TryLock(name)
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Unlock()
	}
	if err := spool.AddLosses(dir, spool.LossCap, 7); err != nil || spool.Losses(dir)[spool.LossCap] != 7 {
		t.Errorf("%v, %v", spool.Losses(dir), err)
	}
	if err := spool.AddLosses(dir, spool.LossCap, -7); err != nil || len(spool.Losses(dir)) != 0 {
		t.Errorf("%v are left, %v", spool.Losses(dir), err)
	}
}
