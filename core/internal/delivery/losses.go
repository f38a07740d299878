package delivery

import (
	"errors"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
)

const (
	// lossesName is a file whose time, in seconds since 1970, is a number of events: those
	// that a command could not store anywhere. Counting in it needs no space on a full disk.
	lossesName = "losses"
	// mostLosses tells a count from the time of a file that was just made.
	mostLosses = 1_000_000_000
)

// AddLosses counts events that could not be stored, for the next delivery to report.
func AddLosses(dir state.Dir, n int) error {
	return changeLosses(dir, func(count int) int { return min(count+n, mostLosses-1) })
}

// UnreportedLosses returns how many events were counted by AddLosses and not yet taken up
// by a delivery.
func UnreportedLosses(dir state.Dir) int {
	count := dir.Time(lossesName).Unix()
	if count <= 0 || count >= mostLosses {
		return 0
	}
	return int(count)
}

// takeLosses returns that number and begins at zero.
func takeLosses(dir state.Dir) (taken int) {
	if UnreportedLosses(dir) == 0 {
		return 0
	}
	_ = changeLosses(dir, func(count int) int { taken = count; return 0 })
	return taken
}

func changeLosses(dir state.Dir, change func(int) int) error {
	lock, err := dir.TryLockBriefly(lossesName)
	for end := time.Now().Add(state.LockPatience); errors.Is(err, state.ErrBusy) && time.Now().Before(end); {
		time.Sleep(time.Millisecond) // another command counts just now
		lock, err = dir.TryLockBriefly(lossesName)
	}
	if err == nil {
		defer lock.UnlockBriefly()
	}
	// Without a lock two commands may count at the same moment, and one of them in vain. That
	// is better than not to count where there are no locks.
	return dir.SetTime(lossesName, time.Unix(int64(change(UnreportedLosses(dir))), 0))
}
