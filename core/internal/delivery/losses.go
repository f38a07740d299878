package delivery

import (
	"context"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
)

const (
	// lossesName is a file whose time, in seconds since 1970, is a number of events: those
	// that a command could not store anywhere. Counting in it needs no space on a full disk.
	lossesName = "losses"
	// mostLosses tells a count from the time of a file that was just made.
	mostLosses = 1_000_000_000
	// lossesWait is what a command may wait for another one that counts just now.
	lossesWait = 20 * time.Millisecond
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
	ctx, cancel := context.WithTimeout(context.Background(), lossesWait)
	defer cancel()
	lock, err := dir.WaitLock(ctx, lossesName)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	return dir.SetTime(lossesName, time.Unix(int64(change(UnreportedLosses(dir))), 0))
}
