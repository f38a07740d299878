package delivery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

const (
	notesName = "delivery"
	// notedName is a file that is there from the first notes on. It is called otherwise than they
	// are, so that who removes them does not take it along. Its time is that of the lock under which
	// they were written: one that a process made which was disowned meanwhile says nothing, as a
	// reset has removed the notes.
	notedName = "noted"
)

// Notes is how deliveries went, for people to look at. Nothing depends on them but the
// backoff, the size of batches and the rate at which they go out.
type Notes struct {
	LastAttempt, LastDelivered, WaitUntil time.Time
	// Delivered counts the events that left this machine since the notes began, Stayed those
	// that went to the log on it, Failures attempts in a row.
	Delivered, Stayed, Failures int
	// Unnoted is how many of Delivered are not in the file, which could not be written then:
	// see write.
	Unnoted int
	// Lost counts what was given up since the notes began, by reason.
	Lost map[string]int
	// Reported counts, by reason, those of Lost that a receiver was told of.
	Reported map[string]int
	// Warned counts the warnings with which events were accepted since the notes began, by name.
	Warned map[string]int
	// Paced is how many events a minute the driver allows, where that kept some here the last
	// time, and PacedUntil when it lets more go.
	Paced      int
	PacedUntil time.Time
	// Refusal is why a receiver refused events for good the last time, in the backend's words,
	// and RefusedAt when. Both are empty as soon as a run delivers events and has none refused;
	// a report of losses is no such event, since it follows every refusal.
	Refusal   string
	RefusedAt time.Time
	// Problem is what went wrong the last time, empty if nothing did, and Left why something
	// waits that the process which looked last must not send.
	Problem, Left string
	// Batch is how many events a batch may have at most, 0 if nothing bounds it but the
	// driver: a receiver has refused more.
	Batch int

	// Gone says that notes were removed, by somebody, or damaged since the last reset: what was counted before
	// that is not counted here.
	Gone bool

	noted int // Delivered as it is in the file
	pace  pace
}

const (
	lostField = "lost"
	// goneField says that notes before these were removed.
	goneField = "gone_before"
	// lostPrefix and reportedPrefix are followed by a reason, warnedPrefix by a name.
	lostPrefix, reportedPrefix, warnedPrefix = "lost_", "reported_", "warned_"
)

// Unfinished reports whether the last attempt has noted no outcome: it is under way, or was
// cut off.
func (n Notes) Unfinished() bool { return n.Problem == cutOff }

// Waits reports whether the server asked for a pause that is not over. One that ends later
// than any that we keep means that the clock was turned back: then it is over.
func (n Notes) Waits(now time.Time) bool {
	return now.Before(n.WaitUntil) && n.WaitUntil.Sub(now) <= maxWait
}

// Paces reports whether the driver's rate keeps events here until a time that is to come. One
// that is further away than any that we set means that the clock was turned back.
func (n Notes) Paces(now time.Time) bool {
	return now.Before(n.PacedUntil) && !n.PacedUntil.After(aMinuteAfter(now.Add(inFlight)))
}

// MayBeUnderway reports whether a process is delivering. Where there are no locks it is not
// known, and true. It makes no file.
func MayBeUnderway(dir state.Dir) bool {
	if dir.Time(lockName).IsZero() {
		return false // no process has ever delivered
	}
	lock, err := dir.TryLock(lockName)
	if err == nil {
		lock.Unlock()
	}
	return err != nil
}

// MostCounted is an event a second for thirty years. A larger number in a file was not counted
// but written by something else, and sums of such numbers would be below zero.
const MostCounted = 1_000_000_000

// ReadNotes returns the notes, empty ones where none can be read.
func ReadNotes(dir state.Dir) Notes {
	n, _ := loadNotes(dir)
	return n
}

// CheckNotes returns why the notes cannot be read, nil where there are none.
func CheckNotes(dir state.Dir) error {
	_, err := loadNotes(dir)
	return err
}

// loadNotes is ReadNotes and CheckNotes with one look at the file: a second one may fail where the
// first did not, and what was counted would be replaced by nothing.
func loadNotes(dir state.Dir) (Notes, error) {
	n := Notes{Lost: map[string]int{}, Reported: map[string]int{}, Warned: map[string]int{}}
	n.Unnoted = unnoted(dir)
	n.Delivered = n.Unnoted
	data, err := dir.ReadFile(notesName)
	if errors.Is(err, fs.ErrNotExist) && noted(dir) {
		data, err = dir.ReadFile(notesName) // the first ones came in between
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(data) == 0 && n.Unnoted > 0 {
		n.Gone = noted(dir) // after the file: a reset removes it before that
		return n, nil
	}
	if err != nil {
		return n, err
	}
	r, err := state.ParseRecord(data)
	if err != nil {
		return n, err
	}
	when := func(key string) time.Time {
		t, _ := time.Parse(time.RFC3339, r[key])
		return t
	}
	count := func(key string) int {
		n, _ := strconv.Atoi(r[key])
		return min(max(n, 0), MostCounted)
	}
	n.LastAttempt, n.LastDelivered, n.WaitUntil = when("last_attempt"), when("last_delivered"), when("wait_until")
	n.Delivered, n.Stayed, n.Failures, n.Batch = count("delivered")+n.Unnoted, count("stayed"), count("failures"), count("batch")
	n.noted = count("delivered")
	if n.Unnoted > 0 {
		n.LastDelivered = time.Time{} // that was later, and it is not known when
	}
	n.Problem, n.Left, n.Gone = r["problem"], r["left"], r[goneField] != ""
	n.Refusal, n.RefusedAt = r["refusal"], when("refused_at")
	n.Paced, n.PacedUntil = count("paced"), when("paced_until")
	n.pace = pace{count: count("minute_count"), until: when("minute_until")}
	total := 0
	for key := range r {
		if reason, ok := strings.CutPrefix(key, lostPrefix); ok {
			n.Lost[reason] = count(key)
			total += n.Lost[reason]
		}
		if reason, ok := strings.CutPrefix(key, reportedPrefix); ok {
			n.Reported[reason] = count(key)
		}
		if name, ok := strings.CutPrefix(key, warnedPrefix); ok {
			n.Warned[name] = count(key)
		}
	}
	// An older version knows one number, and adds to it.
	if more := count(lostField) - total; more > 0 {
		n.Lost["unknown"] += more
	}
	return n, nil
}

// noted reports whether there were notes since the last reset.
func noted(dir state.Dir) bool {
	at := dir.Time(notedName)
	return !at.IsZero() && at.Equal(dir.Time(lockName))
}

// mostUnnoted is more than a disk that is full lets through, and keeps a time that is none of
// ours from counting.
const mostUnnoted = 1_000_000_000

// unnoted is how many events were delivered since the notes could be written, which the time of
// their file says: so many seconds before 1970, which no clock shows.
func unnoted(dir state.Dir) int {
	at := dir.Time(notesName)
	if n := -at.Unix(); !at.IsZero() && n > 0 && n < mostUnnoted {
		return int(n)
	}
	return 0
}

// TotalLost is how many events were given up, whatever the reason.
func (n Notes) TotalLost() int {
	total := 0
	for _, lost := range n.Lost {
		total += lost
	}
	return total
}

// write replaces the notes. Where that is not possible, as on a full disk, the number of events
// that were delivered is kept all the same.
func (n *Notes) write(dir state.Dir, lock *state.Lock) error {
	err := n.replace(dir)
	if err == nil {
		n.noted, n.Unnoted = n.Delivered, 0
		if began := lock.Began(); !began.IsZero() && !dir.Time(notedName).Equal(began) {
			_ = dir.SetTime(notedName, began) // where that fails, they are not missed if they go
		}
		return nil
	}
	if n.Unnoted = n.Delivered - n.noted; n.Unnoted > 0 {
		_ = dir.SetTime(notesName, time.Unix(-int64(n.Unnoted), 0))
	}
	return err
}

func (n *Notes) replace(dir state.Dir) error {
	r := state.Record{
		"delivered": strconv.Itoa(n.Delivered),
		"stayed":    strconv.Itoa(n.Stayed),
		"failures":  strconv.Itoa(n.Failures),
		"batch":     strconv.Itoa(n.Batch),
		"problem":   n.Problem,
		"left":      n.Left,
		lostField:   strconv.Itoa(n.TotalLost()),
	}
	if n.Refusal != "" {
		r["refusal"] = n.Refusal
	}
	if n.Gone {
		r[goneField] = "yes"
	}
	for reason, lost := range n.Lost {
		r[lostPrefix+reason] = strconv.Itoa(lost)
	}
	for reason, reported := range n.Reported {
		r[reportedPrefix+reason] = strconv.Itoa(reported)
	}
	for name, warned := range n.Warned {
		r[warnedPrefix+name] = strconv.Itoa(warned)
	}
	if n.pace.count > 0 {
		r["minute_count"] = strconv.Itoa(n.pace.count)
	}
	if n.Paced > 0 {
		r["paced"] = strconv.Itoa(n.Paced)
	}
	for key, t := range map[string]time.Time{
		"last_attempt": n.LastAttempt, "last_delivered": n.LastDelivered, "wait_until": n.WaitUntil,
		"paced_until": n.PacedUntil, "minute_until": n.pace.until, "refused_at": n.RefusedAt,
	} {
		if !t.IsZero() {
			r[key] = t.UTC().Format(time.RFC3339)
		}
	}
	return dir.WriteRecord(notesName, r)
}

// attempts are those of a run over the network. They are noted as failed before the first
// is made, so that a process that is killed, or whose time is up, has noted them.
type attempts struct {
	failuresBefore int
	problemBefore  string
	before         time.Time // the attempt that had the problem
}

// cutOff is the problem of attempts whose outcome was not noted, or not yet.
const cutOff = "an upload was cut off before there was an answer"

func (n *Notes) beginAttempts(dir state.Dir, lock *state.Lock, interval, pause time.Duration, now time.Time) *attempts {
	a := &attempts{n.Failures, n.Problem, n.LastAttempt}
	// The time first: setting it needs no space. As long as the attempt may last, no other
	// process need start, whatever the interval is.
	next := now.Add(max(backoff(interval, n.Failures), attemptTimeout, pause))
	if set := NextAt(dir); set.Before(next) || Due(dir, now) {
		Postpone(dir, next)
	}
	n.LastAttempt, n.Problem = now, cutOff
	n.Failures++
	_ = n.write(dir, lock)
	return a
}

// conclude puts the outcome of a run into the notes and returns the time of the next.
func (n *Notes) conclude(a *attempts, err error, interval time.Duration, now time.Time) (next time.Time) {
	if a != nil {
		n.Failures = a.failuresBefore
		n.LastAttempt = now
	}
	switch {
	case err == nil:
		n.Failures, n.Problem, n.WaitUntil = 0, "", time.Time{}
		return now.Add(interval)
	case errors.Is(err, context.Canceled), errors.Is(err, ErrNotAllowed):
		// Interrupted by ourselves: says nothing of the server, of which is known what was before.
		if a != nil {
			n.Problem = a.problemBefore
		}
		if a != nil && n.Problem != "" {
			n.LastAttempt = a.before
		}
		return now.Add(interval)
	}
	n.WaitUntil = time.Time{}
	wait := backoff(interval, n.Failures)
	n.Failures++
	n.Problem, n.LastAttempt = describe(err), now // also of one that did not come as far as the receiver
	if asked := min(driver.Wait(err), maxWait); asked > 0 {
		n.WaitUntil = now.Add(asked)
		wait = max(wait, asked)
	}
	return now.Add(wait)
}

// describe makes one short line of an error.
func describe(err error) string {
	const enough = 200 // a line of a terminal or two
	return plaintext.Line(fmt.Sprint(err), enough)
}
