package delivery

import (
	"os"
	"strconv"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
)

const (
	notesName = "delivery"
	nextName  = "next-upload"
)

// Due reports whether an upload may start now. The time before which none may is the
// modification time of a file: one stat tells it, every process sees it, and nobody has
// to parse what another one is writing. A time further away than any that we set means
// that the clock was turned back: then it is due.
func Due(dir state.Dir, now time.Time) bool {
	next := NextAt(dir)
	return !now.Before(next) || next.Sub(now) > maxWait+maxWait/2
}

// NextAt returns that time, zero if none was set.
func NextAt(dir state.Dir) time.Time {
	info, err := os.Lstat(dir.Join(nextName))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// Postpone sets the time before which no process starts an upload.
func Postpone(dir state.Dir, until time.Time) {
	name := dir.Join(nextName)
	if os.Chtimes(name, until, until) == nil {
		return
	}
	if f, err := state.OpenExclusive(name); err == nil {
		_ = state.CloseExclusive(f)
		_ = os.Chtimes(name, until, until)
	}
}

// Notes is how deliveries went, for people to look at. Nothing depends on them but the
// backoff.
type Notes struct {
	LastAttempt, LastDelivered, WaitUntil time.Time
	// Delivered and Lost count events since the notes began, Failures attempts in a row.
	Delivered, Lost, Failures int
	// Problem is what went wrong the last time, empty if nothing did.
	Problem string
}

// ReadNotes returns the notes, empty ones where none can be read.
func ReadNotes(dir state.Dir) Notes {
	r, err := dir.ReadRecord(notesName)
	if err != nil {
		return Notes{}
	}
	when := func(key string) time.Time {
		t, _ := time.Parse(time.RFC3339, r[key])
		return t
	}
	count := func(key string) int {
		n, _ := strconv.Atoi(r[key])
		return max(n, 0)
	}
	return Notes{
		LastAttempt: when("last_attempt"), LastDelivered: when("last_delivered"), WaitUntil: when("wait_until"),
		Delivered: count("delivered"), Lost: count("lost"), Failures: count("failures"),
		Problem: r["problem"],
	}
}

func (n Notes) write(dir state.Dir) error {
	r := state.Record{
		"delivered": strconv.Itoa(n.Delivered),
		"lost":      strconv.Itoa(n.Lost),
		"failures":  strconv.Itoa(n.Failures),
		"problem":   n.Problem,
	}
	for key, t := range map[string]time.Time{
		"last_attempt": n.LastAttempt, "last_delivered": n.LastDelivered, "wait_until": n.WaitUntil,
	} {
		if !t.IsZero() {
			r[key] = t.UTC().Format(time.RFC3339)
		}
	}
	return dir.WriteRecord(notesName, r)
}

// Forget removes what deliveries left behind, but for the queue itself.
func Forget(dir state.Dir) error {
	for _, name := range []string{notesName, nextName, AsideName} {
		if err := dir.Remove(name); err != nil {
			return err
		}
	}
	return nil
}
