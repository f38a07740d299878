package delivery

import (
	"math/rand/v2"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/internal/state"
)

const nextName = "next-upload"

// Due reports whether an upload may start now. The time before which none may is the
// modification time of a file: one stat tells it, every process sees it, and nobody has
// to parse what another one is writing. A time further away than any that we set means
// that the clock was turned back: then it is due.
func Due(dir state.Dir, now time.Time) bool {
	next := NextAt(dir)
	return !now.Before(next) || next.Sub(now) > maxWait+maxWait/2
}

// NextAt returns that time, zero if none was set.
func NextAt(dir state.Dir) time.Time { return dir.Time(nextName) }

// Postpone sets the time before which no process starts an upload. Where that fails,
// uploads are more frequent, no more.
func Postpone(dir state.Dir, until time.Time) { _ = dir.SetTime(nextName, until) }

// nextFoldsName is a file whose time says when folded events are delivered next.
const nextFoldsName = "next-folds"

const day = 24 * time.Hour

// FoldsDue reports whether folded events may be delivered that were recorded today: the
// first of a day are, and those after them wait until it is over. It costs one stat. A time
// further away than a day means that the clock was turned back: then they are due.
func FoldsDue(dir state.Dir, now time.Time) bool {
	next := NextFolds(dir)
	return !now.Before(next) || next.Sub(now) > day
}

// NextFolds returns when this day is over, zero if it never had its delivery.
func NextFolds(dir state.Dir) time.Time { return dir.Time(nextFoldsName) }

// postponeFolds notes that this day had its delivery. Where that fails there are more of
// them, no more.
func postponeFolds(dir state.Dir, now time.Time) {
	_ = dir.SetTime(nextFoldsName, dayOf(now).Add(day))
}

// dayOf returns the beginning of the day, which is one of UTC.
func dayOf(t time.Time) time.Time { return t.UTC().Truncate(day) }

// Forget removes what deliveries left behind, but for the queue itself. What is known of the notes
// goes first, or they would be missed.
func Forget(dir state.Dir) error {
	for _, name := range []string{notedName, notesName, nextName, nextFoldsName, AsideName} {
		if err := dir.Remove(name); err != nil {
			return err
		}
	}
	return spool.ForgetLosses(dir)
}

// backoff doubles the interval with each failure in a row and spreads the result over
// half to one and a half of it, so that tools do not come back all at once.
func backoff(interval time.Duration, failures int) time.Duration {
	d := interval << min(failures, maxDoublings)
	d = d/2 + rand.N(d+1)
	return min(d, maxWait)
}
