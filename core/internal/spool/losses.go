package spool

import (
	"errors"
	"os"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
)

const (
	// lossesPrefix is followed by a reason. The time of such a file, in seconds since 1970, is
	// a number of events. Counting in it needs no space on a full disk, and is one system
	// call: a process that is killed has counted or has not.
	lossesPrefix = "losses-"
	// mostLosses tells a count from the time of a file that was just made.
	mostLosses = 1_000_000_000
)

// AddLosses counts events that were given up, for the next delivery to report. A negative
// number takes back what was reported.
func AddLosses(dir state.Dir, reason string, n int) error {
	name := lossesPrefix + reason
	lock, err := dir.TryLockBriefly(name)
	for end := time.Now().Add(state.LockPatience); errors.Is(err, state.ErrBusy) && time.Now().Before(end); {
		time.Sleep(time.Millisecond) // another command counts just now
		lock, err = dir.TryLockBriefly(name)
	}
	if err == nil {
		defer lock.UnlockBriefly()
	}
	// Without a lock two commands may count at the same moment, and one of them in vain. That
	// is better than not to count where there are no locks.
	count := min(max(losses(dir, name)+n, 0), mostLosses-1)
	return dir.SetTime(name, time.Unix(int64(count), 0))
}

// Losses returns how many events were counted and not reported yet, by reason.
func Losses(dir state.Dir) map[string]int {
	list := map[string]int{}
	entries, _ := os.ReadDir(dir.Path())
	for _, entry := range entries {
		if reason, is := strings.CutPrefix(entry.Name(), lossesPrefix); is {
			if n := losses(dir, entry.Name()); n > 0 {
				list[reason] = n
			}
		}
	}
	return list
}

func losses(dir state.Dir, name string) int {
	count := dir.Time(name).Unix()
	if count <= 0 || count >= mostLosses {
		return 0
	}
	return int(count)
}

// ForgetLosses removes the counts.
func ForgetLosses(dir state.Dir) error {
	var failed error
	entries, _ := os.ReadDir(dir.Path())
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), lossesPrefix) {
			failed = errors.Join(failed, dir.Remove(entry.Name()))
		}
	}
	return failed
}
