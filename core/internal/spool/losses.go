package spool

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
)

const (
	// lossesPrefix is followed by a reason. Such a file counts events: see state.Dir.Count.
	lossesPrefix = "losses-"
)

// againPrefix is followed by the reason of losses whose report was lost itself. They were counted
// before, and are only to be reported again.
const againPrefix = "again-"

// ReportedAgain tells a reason that Losses returns of what was counted before, and what that
// reason was.
func ReportedAgain(reason string) (of string, is bool) { return strings.CutPrefix(reason, againPrefix) }

// lossFiles is how many files there may be for a reason: who finds one in use counts in the
// next. At the cap many processes drop at once, and one may be stopped in the middle.
const lossFiles = 10

func lossFile(reason string, i int) string {
	if i == 0 {
		return lossesPrefix + reason
	}
	return lossesPrefix + reason + "." + strconv.Itoa(i)
}

// AddLosses counts events that were given up, for the next delivery to report. A negative
// number takes back what was reported.
func AddLosses(dir state.Dir, reason string, n int) error {
	// Rounds and not a time: on a busy machine time passes without anything having been tried.
	const rounds, mostSlow = 20, 2
	busy, slow := true, 0
	for round := 0; busy && round < rounds; round++ {
		if busy = false; round > 0 {
			time.Sleep(time.Millisecond)
		}
		for i := 0; i < lossFiles && slow < mostSlow; i++ {
			name := lossFile(reason, i)
			if n < 0 && dir.Count(name) == 0 {
				continue
			}
			lock, err := dir.TryLockBriefly(name)
			switch {
			case errors.Is(err, state.ErrBusy):
				busy = true
				continue
			case err != nil: // no locks, or none in time
				slow++
				continue
			}
			n, err = dir.AddCount(name, n)
			lock.UnlockBriefly()
			if err != nil || n == 0 {
				return err
			}
		}
	}
	// Without a lock two commands may count at the same moment, and one of them in vain. That
	// is better than not to count where there are no locks.
	for i := 0; i < lossFiles && n != 0; i++ {
		if name := lossFile(reason, i); n > 0 || dir.Count(name) > 0 {
			var err error
			if n, err = dir.AddCount(name, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// MakeCountable makes the file in which what the disk did not take is counted: a disk that has no
// more files to give does not give that one either. Other losses come of what is there.
func MakeCountable(dir state.Dir) {
	if name := lossFile(LossUnwritten, 0); dir.Time(name).IsZero() {
		_ = dir.SetTime(name, time.Unix(0, 0))
	}
}

// Losses returns how many events were counted and not reported yet, by reason.
func Losses(dir state.Dir) map[string]int {
	list := map[string]int{}
	entries, _ := os.ReadDir(dir.Path())
	for _, entry := range entries {
		if reason, is := strings.CutPrefix(entry.Name(), lossesPrefix); is {
			reason, _, _ = strings.Cut(reason, ".")
			if n := dir.Count(entry.Name()); n > 0 {
				list[reason] += n
			}
		}
	}
	return list
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
