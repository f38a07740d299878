// Package outbox keeps the deletion requests of an installation until the data is known
// to be gone, and makes them. Read it to know how a request survives a crash, a server
// that is down for a week, and telemetry being off. Core is its only caller.
//
//	requested → delivered → acknowledged → verified
//	          ↘ refused, manual: a person has to do something
//
// Every request is a small file of its own, apart from the queue of events and outside of
// its caps. The file is there before anybody is asked, is written again before each
// attempt and after it, and goes away a while after the data is known to be gone, for no
// other reason. A process that is killed between an attempt and its note makes the same
// request again, which requestors have to bear.
package outbox

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

const (
	prefix   = "deletion-"
	nextName = "next-deletion"
	// attemptLock is held while others are asked, noteLock for the moment in which files
	// and the time of the next attempt are made to agree.
	attemptLock = "deletions.lock"
	noteLock    = "deletions-note.lock"
	noteWait    = 2 * time.Second

	// attemptTimeout bounds one request, so that a server that hangs costs one of them.
	attemptTimeout = 15 * time.Second
	// Failures are made up for after a minute first, and at least once a day: a request
	// outlives any outage, and a server that is back is not overrun.
	firstRetry, lastRetry = time.Minute, 24 * time.Hour
	// followEvery is how often it is asked what became of a request: vendors delete in
	// sweeps of days. followFor is when to stop: what has not happened in three months
	// needs a person.
	followEvery, followFor = 24 * time.Hour, 90 * 24 * time.Hour
	// keepVerified is how long the proof of a finished deletion can be looked up here,
	// as long as vendors keep theirs.
	keepVerified = 90 * 24 * time.Hour
)

// Box is the outbox of an installation. Any number of processes may use it.
type Box struct {
	Dir state.Dir
	Now func() time.Time
}

// Due reports whether a request may be made now. Like delivery.Due it costs a command one
// stat: the time is that of a file, and no file means that nothing is pending.
func (b Box) Due() bool {
	info, err := os.Lstat(b.Dir.Join(nextName))
	if err != nil {
		return false
	}
	now, next := b.Now(), info.ModTime()
	// Further away than any time that is set here: the clock was turned back.
	return !now.Before(next) || next.Sub(now) > lastRetry+lastRetry/2
}

// Pending reports whether anything is to be looked at, now or later.
func (b Box) Pending() bool {
	_, err := os.Lstat(b.Dir.Join(nextName))
	return err == nil
}

// Put stores requests for the keys, in hexadecimal, of machine IDs, under which something was
// sent to those receivers, and so many events that they may not find again. One that is stored
// already stays as it is.
func (b Box) Put(keys map[string]string, receivers []string, notDeletable int) error {
	return b.noted(func() error {
		// First the time, so that a crash leaves no request that no process looks at.
		if err := b.setNext(b.Now()); err != nil {
			return err
		}
		for id, key := range keys {
			if b.Has(id) {
				continue
			}
			now := b.Now()
			e := Entry{MachineID: id, Key: key, State: deletion.Requested, Receivers: receivers, NotDeletable: notDeletable,
				Reached: map[deletion.State]time.Time{deletion.Requested: now}, Next: now}
			if err := b.write(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// Has reports whether there is a request for a machine ID, even one that cannot be read.
func (b Box) Has(machineID string) bool {
	_, err := os.Lstat(b.Dir.Join(prefix + machineID))
	return err == nil
}

// isMachineID reports whether a name has the form of a machine ID, which identity gives it.
func isMachineID(name string) bool {
	const length = 32
	return len(name) == length && strings.Trim(name, "0123456789abcdef") == ""
}

// ids lists the machine IDs of the stored requests. Files with other names are no requests.
func (b Box) ids() (list []string, err error) {
	files, err := os.ReadDir(b.Dir.Path())
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, plaintext.Bare(err)
	}
	for _, f := range files {
		if id, is := strings.CutPrefix(f.Name(), prefix); is && isMachineID(id) {
			list = append(list, id)
		}
	}
	return list, nil
}

// errDamaged says that a request was set aside: the key in it may still be of use to a person.
var errDamaged = errors.New("one was damaged and is set aside, and nobody can be asked by it; " +
	"whether it had been handed over is not known here: the authors can look, by the machine ID in the name of the file")

// setAside puts requests out of the way that are damaged: else none would ever be finished.
func (b Box) setAside() error {
	ids, err := b.ids()
	for _, id := range ids {
		if _, readErr := b.read(id); errors.Is(readErr, state.ErrCorrupt) {
			_, asideErr := b.Dir.SetAside(prefix + id)
			err = errors.Join(err, cmp.Or(asideErr, errDamaged))
		}
	}
	return err
}

// Entries returns the stored requests, oldest first, and with them an error if one of
// them cannot be read. The next Run sets one aside that is damaged.
func (b Box) Entries() ([]Entry, error) {
	ids, err := b.ids()
	if err != nil {
		return nil, err
	}
	// Sorted by address: for every type that is no pointer the compiler makes all the code of
	// a sort anew, and for a struct as large as this one that is 20 KB.
	var sorted []*Entry
	var errs []error
	for _, id := range ids {
		e, err := b.read(id)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		sorted = append(sorted, &e)
	}
	slices.SortFunc(sorted, func(a, b *Entry) int {
		return cmp.Or(a.Reached[deletion.Requested].Compare(b.Reached[deletion.Requested]), strings.Compare(a.MachineID, b.MachineID))
	})
	var list []Entry
	for _, e := range sorted {
		list = append(list, *e)
	}
	return list, errors.Join(errs...)
}

func (b Box) read(id string) (Entry, error) {
	r, err := b.Dir.ReadRecord(prefix + id)
	if err != nil {
		return Entry{}, err
	}
	e, err := parse(r)
	if err == nil && e.MachineID != id {
		return Entry{}, state.ErrCorrupt
	}
	return e, err
}

func (b Box) write(e Entry) error { return b.Dir.WriteRecord(prefix+e.MachineID, e.record()) }

// Run is how the requests are taken a step further.
type Run struct {
	// Requestor is asked. Tool is what it is told.
	Requestor deletion.Requestor
	// Receiver names who is reached through Requestor, where that is who events are sent to:
	// then nobody is asked who received nothing. Empty where the author named somebody, who
	// stands for all whom an author ever had events sent to.
	Receiver string
	// Held says why nobody but Receiver may be asked for anything, nor what became of it, as the
	// end of a sentence that begins with "data went to somebody,". Then no Receiver is nobody.
	Held string
	// SetByPolicy reports whether the administrator's policy, and not an author, had set a
	// receiver; nil means none.
	SetByPolicy func(receiver string) bool
	Tool        string
	// NotDeletable is the count of Put with what arrived since. It is that of the requests that
	// were not made yet.
	NotDeletable int
	// Insist takes up every request that is not known to be finished, whatever its time.
	Insist bool
	// Wait is how long to wait for another process.
	Wait time.Duration
	// Progress, where not nil, is told how many of how many are done with.
	Progress func(done, total int)
}

// receiver is Receiver as it is stored.
func (r Run) receiver() string { return line(r.Receiver, maxText) }

func (r Run) setByPolicy(receiver string) bool {
	return r.SetByPolicy != nil && r.SetByPolicy(receiver)
}

// reaches reports whether a stored receiver is reached through Requestor.
func (r Run) reaches(receiver string) bool {
	if r.Receiver == "" {
		return r.Held == "" && !r.setByPolicy(receiver)
	}
	return receiver == r.receiver()
}

// Run makes the requests that are due and follows up on those that were made. What becomes
// of each is written into it. The error is the disk's, or state.ErrBusy if another process
// was at it for all of r.Wait.
func (b Box) Run(ctx context.Context, r Run) error {
	if ids, err := b.ids(); len(ids) == 0 {
		return err
	}
	waitCtx, cancel := context.WithTimeout(ctx, r.Wait)
	defer cancel()
	// Without locks two processes may make the same request. Requestors bear that.
	lock, err := b.Dir.WaitLockIfAny(waitCtx, attemptLock)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	b.Dir.RemoveTemp()
	damaged := b.setAside()
	entries, err := b.Entries()
	err = errors.Join(damaged, err)
	due := slices.DeleteFunc(entries, func(e Entry) bool { return !b.isDue(e, r.Insist) })
	for i, e := range due {
		if ctx.Err() != nil {
			break // the rest stays due
		}
		if r.Progress != nil {
			r.Progress(i, len(due))
		}
		err = errors.Join(err, b.advance(ctx, r, e))
	}
	return errors.Join(err, b.noted(b.tidy))
}

// isDue reports whether a request is to be looked at now. A time further away than any
// that is set here means that the clock was turned back.
func (b Box) isDue(e Entry, insist bool) bool {
	if e.State == deletion.Verified {
		return false
	}
	now := b.Now()
	return insist || !e.Next.IsZero() && (!now.Before(e.Next) || e.Next.Sub(now) > 2*lastRetry)
}

// advance takes one request a step further.
func (b Box) advance(ctx context.Context, r Run, e Entry) error {
	if e.State == deletion.Requested && e.Attempts == 0 {
		e.NotDeletable = max(e.NotDeletable, r.NotDeletable)
	}
	// Who said no may have been made to say something else since, by people whom the person
	// cannot see. An error is no answer that could be looked up.
	said := e.State == deletion.Refused && e.Receipt.State == deletion.Refused && !r.Insist
	if e.State == deletion.Refused && r.Insist {
		e.State = deletion.Requested // asked again, it is refused if that is the answer again, and no other
	}
	wasAsked := e.State != deletion.Requested && e.State != deletion.Refused || said
	switch {
	case !wasAsked && !e.IsFor(r):
		return b.write(e.waiting(r, b.Now()))
	case wasAsked && r.Held != "" && (r.Receiver == "" || e.Taken != r.receiver()):
		if !e.Next.IsZero() {
			e.Next = b.Now().Add(lastRetry)
		}
		return b.write(e)
	}
	// Written before anything is asked: who is killed here comes back after a pause.
	failed := e
	failed.Attempts++
	failed.Next = b.Now().Add(backoff(e.Attempts))
	if err := b.write(failed); err != nil {
		return err
	}
	now := b.Now()
	follower, follows := r.Requestor.(deletion.Follower)
	made := e.State == deletion.Delivered || e.State == deletion.Acknowledged || said || e.State == deletion.Manual && len(e.Receipt.Parts) > 0
	receipt, err := e.Receipt, error(nil)
	switch {
	case made && follows:
		receipt, err = asked(ctx, func(ctx context.Context) (deletion.Receipt, error) { return follower.Status(ctx, e.Receipt) })
		if errors.Is(err, deletion.ErrUnknownReceipt) {
			receipt, err = b.request(ctx, r, e)
		}
	case made:
		// It was handed over, and no receiver can tell more.
	default:
		receipt, err = b.request(ctx, r, e)
	}
	if err == nil {
		return b.write(settled(e, receipt, now, follows).handedTo(r, now))
	}
	failed.Problem = err.Error()
	if len(receipt.Parts) > 0 {
		failed.Receipt = receipt
	}
	if wait := min(driver.Wait(err), lastRetry); wait > 0 {
		failed.Next = now.Add(max(wait, failed.Next.Sub(now)))
	}
	if driver.Classify(err) == driver.ClassPermanent {
		failed.reach(deletion.Refused, now)
		failed.Next = time.Time{}
	}
	return b.write(failed)
}

func (b Box) request(ctx context.Context, r Run, e Entry) (deletion.Receipt, error) {
	return asked(ctx, func(ctx context.Context) (deletion.Receipt, error) {
		return r.Requestor.RequestDeletion(ctx, deletion.Request{
			Tool: r.Tool, MachineID: e.MachineID, DeletionKey: e.Key, RequestedAt: e.Reached[deletion.Requested],
		})
	})
}

// asked calls a requestor, which may be a stranger's: one that panics has failed, no more.
func asked(ctx context.Context, call func(context.Context) (deletion.Receipt, error)) (receipt deletion.Receipt, err error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	defer func() {
		if recover() != nil {
			err = errors.New("the requestor panicked")
		}
	}()
	return call(ctx)
}

// settled returns e after an answer.
func settled(e Entry, receipt deletion.Receipt, now time.Time, follows bool) Entry {
	if receipt.State == "" || receipt.State == deletion.Requested {
		receipt.State = deletion.Delivered // it was taken, and no more is known
	}
	e.Receipt, e.Attempts, e.Problem, e.Next = receipt, 0, "", time.Time{}
	switch receipt.State {
	case deletion.Delivered, deletion.Acknowledged, deletion.Verified:
		e.Reached = with(e.Reached, deletion.Delivered, now)
	}
	e.reach(receipt.State, now)
	switch {
	case e.State == deletion.Verified:
		e.Key, e.NotDeletable = "", 0
	case !follows, now.Sub(e.Reached[deletion.Requested]) > followFor:
	default:
		e.Next = now.Add(jitter(followEvery))
	}
	return e
}

// reach sets the state, and its time unless that was reached before.
func (e *Entry) reach(s deletion.State, now time.Time) {
	e.State = s
	e.Reached = with(e.Reached, s, now)
}

// with returns a copy of times in which s has one.
func with(times map[deletion.State]time.Time, s deletion.State, now time.Time) map[deletion.State]time.Time {
	out := map[deletion.State]time.Time{s: now}
	for k, t := range times {
		out[k] = t
	}
	return out
}

// backoff doubles with every failure in a row.
func backoff(failures int) time.Duration {
	return jitter(min(firstRetry<<min(failures, 16), lastRetry))
}

// jitter spreads the installations of a tool, which may all fail at the same moment.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// noted runs change while no other process changes what is stored or its time.
func (b Box) noted(change func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), noteWait)
	defer cancel()
	lock, err := b.Dir.WaitLockIfAny(ctx, noteLock)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	return change()
}

// tidy removes what was finished long ago and sets the time of the next attempt.
func (b Box) tidy() error {
	entries, _ := b.Entries() // a file that cannot be read has no time; Status tells of it
	var err error
	var next time.Time
	for _, e := range entries {
		if e.State == deletion.Verified && b.Now().Sub(e.Reached[deletion.Verified]) > keepVerified {
			err = errors.Join(err, b.Dir.Remove(prefix+e.MachineID))
		}
		if !e.Next.IsZero() && (next.IsZero() || e.Next.Before(next)) {
			next = e.Next
		}
	}
	if next.IsZero() {
		return errors.Join(err, b.Dir.Remove(nextName))
	}
	return errors.Join(err, b.setNext(next))
}

// Postpone keeps other commands from starting a process for the same requests.
func (b Box) Postpone(until time.Time) error { return b.setNext(until) }

func (b Box) setNext(at time.Time) error { return b.Dir.SetTime(nextName, at) }
