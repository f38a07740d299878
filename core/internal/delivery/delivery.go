// Package delivery takes events from the spool to a backend: it forms batches, makes
// the attempts, and does with the queue what each answer calls for. It runs in the
// background process, in a command that flushes, and inside a command that runs for
// long; one process at a time.
package delivery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/record"
	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// notAllowed is an ErrNotAllowed that says why. It is made without fmt, which would run whenever a
// tool starts.
type notAllowed string

func (why notAllowed) Error() string { return ErrNotAllowed.Error() + ": " + string(why) }
func (why notAllowed) Unwrap() error { return ErrNotAllowed }

var (
	// ErrNotAllowed says that consent does not hold at the moment: nothing more was sent.
	ErrNotAllowed = errors.New("telemetry is off")
	// ErrWithdrawn says that it does not because the person said no: nothing more was sent,
	// and what waited was erased.
	ErrWithdrawn error = notAllowed("it was turned off")
	// ErrDisowned says that it did not when a reset came, which is through by now: nothing more was
	// sent, and nothing noted that would be there again after it. See Disown.
	ErrDisowned error = notAllowed("it was reset")
	// ErrErased says of a slot that what waited there was erased, or that the consent behind
	// it was withdrawn: nothing of it is sent, and the run goes on with the others.
	ErrErased = errors.New("what waited was erased")

	// errSplit says of a batch that it may be taken in smaller ones, errWithout that it may be
	// without the events that were named, and errBlocked that this happened so often that the
	// answers say nothing about the events.
	errSplit   = errors.New("the batch must be smaller")
	errWithout = errors.New("the batch is refused for some of its events")
	errSplits  = errors.New("the server refuses so many batches that the rest is sent later")
	errBlocked = errors.New("the server refuses every batch, also the smallest")
	// errUnsaid stands for the reason of a receiver that gives none.
	errUnsaid = errors.New("the receiver did not say why")
	// errPaced says that the driver's rate lets no more go out for now. It is no failure.
	errPaced = errors.New("the rest is sent later, for the receiver's rate")
)

const (
	lockName = "upload.lock"
	// Bounds of a batch where the driver declares none: what common intakes take.
	defaultEvents     = 500
	defaultBytes      = 1 << 20
	defaultEventBytes = 64 << 10
	// stampBytes is what ConsentID, MachineID, OSVersion and TimeAdjusted add to a line of the
	// spool.
	stampBytes = 224
	// attemptTimeout bounds one Send, so that a server that hangs costs one of them.
	attemptTimeout = 20 * time.Second
	// maxWait caps what a server may ask for, and the backoff: a hostile or mistaken
	// header must not silence a tool for good.
	maxWait = 24 * time.Hour
	// maxDoublings of the interval bring 10 minutes to over 10 hours.
	maxDoublings = 6
	// maxSplits bounds the attempts that a run spends on smaller and smaller batches: a
	// thousand events come down to one in ten, so that is for a handful of bad events.
	maxSplits = 64
	// maxSuspects is how many events may be refused, each on its own and far below the
	// driver's limit, before anything is accepted. More of them mean that something in between
	// refuses everything.
	maxSuspects = 3
	// busyTries and busyPause are how often and when slots that are in use are tried again.
	busyTries, busyPause = 5, 20 * time.Millisecond
	// growAfter batches of a bounded size that were accepted, one of twice the size is tried:
	// where the bound is real, that is one attempt in so many that is wasted.
	growAfter = 8
	// maxLeft bounds a sentence that names the hosts of two receivers.
	maxLeft = 500
	// maxAside is how much of damaged lines is kept for a look: enough to recognise them.
	maxAside = 16 << 10
	// otherWarning stands for a warning that the driver does not declare.
	otherWarning = "other"
	// AsideName is the file that holds the damaged lines of the last time.
	AsideName = "unreadable"
	// LeftClosed is Report.Left of what is in a file that cannot be opened.
	LeftClosed = "in a file of the queue that cannot be opened"
)

// Sender delivers what waits in a queue.
type Sender struct {
	Dir   state.Dir
	Queue *spool.Queue
	// Route tells what may be done with what was recorded under a receipt, by its ID, empty
	// for the slots of older versions. It is called once a slot. An error is a failure of the
	// receiver, as one of Send.
	Route func(receipt string) (Route, error)
	// AtMostOnce gives a batch up before it is sent.
	AtMostOnce bool
	// OSVersion completes the events.
	OSVersion string
	// Interval is the time to the next upload after a success, Pause the least time to it
	// whatever the outcome.
	Interval, Pause time.Duration
	Now             func() time.Time
	// ReportUnder returns the receipt to report losses under where nothing was for the network,
	// "" if there is none. nil means that there is none.
	ReportUnder func() string
	// Erase erases what waits where that was withdrawn.
	Erase func() error
	// Daily says that folded events of a day which had its delivery wait until it is over.
	Daily bool
	// GivenUp, where not nil, is told of each event that is given up without an attempt, and why.
	GivenUp func(event driver.Event, reason string)
	// Progress, where not nil, is told how many events of how many are done with.
	Progress func(done, total int)

	lock     *state.Lock // held in Run
	report   Report
	notes    Notes // kept on disk after every batch: a process may be killed at any time
	total    int
	losses   map[loss]int
	hold     bool           // folded events of today, which had its delivery
	folded   bool           // folded events were delivered
	unfixed  error          // why some could not be: they were not fixed in their slot
	receipt  string         // of the last slot that was for the network: losses of no slot are reported under it
	failed   map[bool]error // by Route.Local: the receiver that failed is not tried again
	attempts *attempts      // nil before the first over the network
	splits   int
	size     int      // of a batch at most, 0 for no such bound
	streak   int      // batches of that size that were accepted in a row
	busy     []string // slots that were in use
	probed   bool     // an event behind the suspects was tried
	grown    bool     // the size was just doubled, to see whether it may be
	suspects []item
	doubt    error // what the last of them was refused with
	through  bool  // an event went out that is no report of losses
	pace     pace
}

// Route is what may be done with what was recorded under one receipt. Exactly one of
// Backend, Keep and Drop is set.
type Route struct {
	// Backend takes the events, within Limits.
	Backend driver.Backend
	Limits  driver.Limits
	// Warnings are those that the driver declares.
	Warnings []driver.Warning
	// Local says that no network is involved, Stays that it is the log on this machine.
	Local, Stays bool
	// Receipt and MachineID complete the events.
	Receipt, MachineID string
	// Since is when the receipt was made: a clock that shows an earlier time is wrong.
	Since time.Time
	// Allowed looks at consent and receipt again, before every attempt. ErrErased is about
	// this slot, any other error ends the run, and ErrWithdrawn erases what waits.
	Allowed func() error
	// Keep says, in words for people, why the events must wait.
	Keep string
	// Drop is the reason why they can never go anywhere.
	Drop string
}

// loss is what events were lost for, and under which receipt they were recorded.
type loss struct{ reason, receipt string }

// Report is what a run did.
type Report struct {
	// Sent is how many events a receiver has taken, Stayed how many of them are kept on this
	// machine for good, Kept how many wait for another time, Reports how many of
	// these are reports of losses that the run itself has queued.
	Sent, Stayed, Kept, Reports int
	// Busy is how many slots were left alone because a running command holds them.
	Busy int
	// Lost counts the events that were given up, by reason.
	Lost map[string]int
	// Refusal is why the receiver refused events for good the last time, in the backend's
	// words, "" where it refused none. Unreported is how many reports of losses were among
	// them: they are not in Lost, and not made again.
	Refusal    string
	Unreported int
	// Warned counts the warnings with which events were taken, by their names.
	Warned map[string]int
	// Paced is how many events a minute the receiver's driver allows, where that kept some of
	// them here, and PacedUntil when it lets more go. Zero where it did not.
	Paced      int
	PacedUntil time.Time
	// Left says why some of what is kept was not for this process to send, "" if nothing was.
	Left string
	// NextAt is the earliest time of the next upload, WaitUntil what the server asked
	// for, zero if it asked for nothing.
	NextAt, WaitUntil time.Time
}

// Run delivers what waits and returns what it did, with the error that stopped it if
// one did: state.ErrBusy if another process was delivering for all of wait,
// ErrWithdrawn, the context's error, or the backend's last one.
func (s *Sender) Run(ctx context.Context, wait time.Duration) (Report, error) {
	waitCtx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	lock, err := s.Dir.WaitLock(waitCtx, lockName)
	if err != nil {
		return Report{}, err
	}
	defer lock.Unlock()
	s.lock, ctx = lock, withLock(ctx, lock)
	s.Dir.RemoveTemp() // here, where no person waits for it
	s.report = Report{Lost: map[string]int{}, Warned: map[string]int{}}
	s.losses, s.failed = map[loss]int{}, map[bool]error{}
	s.attempts, s.receipt, s.suspects, s.through = nil, "", nil, false
	s.hold, s.folded, s.unfixed = s.Daily && !FoldsDue(s.Dir, s.Now()), false, nil
	if s.notes, err = loadNotes(s.Dir); state.Unusable(err) {
		_, _ = s.Dir.SetAside(notesName) // told by status
		s.notes.Gone = true              // what was counted in them
	} else if err != nil {
		return s.report, fmt.Errorf("the notes of deliveries: %w", err)
	}
	s.size, s.streak, s.splits = s.notes.Batch, 0, 0
	s.pace, s.notes.Paced, s.notes.PacedUntil = s.notes.pace, 0, time.Time{}
	s.Queue.Recover()
	slots, err := s.Queue.Slots()
	if err != nil {
		return s.report, err
	}
	if s.Progress != nil {
		stats, _ := s.Queue.Stats()
		s.total = stats.Total()
	}
	if err := s.settleAbsorbed(slots); err != nil {
		return s.report, err
	}
	if s.Daily || wait > 0 { // who is in a hurry takes what there is
		if err := s.gather(slots); err != nil {
			return s.report, err
		}
	}
	err = s.each(ctx, slots)
	// Commands hold a slot for milliseconds. Who can wait for another sender waits for them.
	for try := 0; err == nil && len(s.busy) > 0 && wait > 0 && try < busyTries; try++ {
		time.Sleep(busyPause)
		err = s.each(ctx, s.busy)
	}
	s.report.Busy = len(s.busy)
	if err == nil {
		err = errors.Join(s.failed[false], s.failed[true], s.unfixed)
	}
	if errors.Is(err, ErrWithdrawn) && !lock.Gone() {
		err = errors.Join(err, s.Erase())
	}
	err = s.owned(func() error {
		s.note(err)
		s.reportLosses()
		return err
	})
	stats, _ := s.Queue.Stats() // as far as it can be read
	s.report.Kept = stats.Total()
	return s.report, err
}

// Unqueued makes one attempt to deliver events that no queue holds, and counts them. open
// looks whether they may be sent, and returns the backend, which is closed afterwards. As any
// other delivery it is alone, and a no waits for it, except where there are no locks.
//
// The error is that of the backend, and may be one that accepts the events with warnings of
// the driver d.
func Unqueued(ctx context.Context, dir state.Dir, now func() time.Time, events []driver.Event, d driver.Driver,
	open func() (driver.Backend, error)) (Single, error) {
	var single Single
	lock, err := dir.WaitLock(ctx, lockName)
	if errors.Is(err, state.ErrBusy) {
		return single, err
	}
	if err == nil {
		defer lock.Unlock()
	}
	ctx = withLock(ctx, lock)
	if err := ctx.Err(); err != nil {
		return single, err
	}
	start := time.Now()
	backend, err := open()
	if err != nil {
		return single, err
	}
	defer backend.Close()
	err = attempt(ctx, backend, events)
	single.Took = time.Since(start)
	if lock.Gone() {
		return single, err
	}
	notes, notesErr := loadNotes(dir)
	if d.Limits.PerMinute > 0 {
		notes.pace.spend(len(events), now())
	}
	if driver.Classify(err) == driver.ClassAccepted {
		notes.Delivered += len(events)
		notes.LastDelivered = now()
		if notes.Waits(now()) { // for an answer that is not the last one any more
			Postpone(dir, now())
		}
		notes.Failures, notes.Problem, notes.WaitUntil = 0, "", time.Time{}
		if verdicts, ok := errors.AsType[*driver.Partial](err); ok {
			single.Warned = warned(verdicts, len(events), d.Warnings)
			for name, n := range single.Warned {
				notes.Warned[name] += n
			}
		}
	}
	if notesErr == nil || state.Unusable(notesErr) { // else they are there, and would be replaced by these
		notes.Gone = notes.Gone || notesErr != nil
		_ = notes.write(dir, lock)
	}
	return single, err
}

// Single is how one attempt went.
type Single struct {
	// Took is how long the attempt itself lasted, without the wait for another process.
	Took time.Duration
	// Warned counts the warnings with which the events were accepted, by their names.
	Warned map[string]int
}

// Began reports whether a process ever delivered, as far as its lock says so.
func Began(dir state.Dir) bool { return !dir.Time(lockName).IsZero() }

// Pause keeps every process from delivering until release is called. It waits for one that
// is, and returns state.ErrBusy where that takes longer than patience. It makes no file: where
// there is no lock yet, no process has ever delivered.
func Pause(ctx context.Context, dir state.Dir, patience time.Duration) (release func(), err error) {
	if !Began(dir) {
		return func() {}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	lock, err := dir.WaitLockIfAny(ctx, lockName)
	return lock.Unlock, err
}

// quiesceWait is longer than a vendor takes to answer, and no longer than a person waits.
const quiesceWait = 3 * time.Second

// Quiesce waits, not for ever, until no process is delivering, and reports whether one
// still is. Who calls it has turned telemetry off, so that none begins again.
func Quiesce(ctx context.Context, dir state.Dir) (busy bool) {
	ctx, cancel := context.WithTimeout(ctx, quiesceWait)
	defer cancel()
	lock, err := dir.WaitLock(ctx, lockName)
	if err == nil {
		lock.Unlock()
	}
	return errors.Is(err, state.ErrBusy)
}

// Disown takes the lock away under a process that goes on delivering: from then on it notes nothing,
// makes no further request, and ends. Another one may begin beside it, which does no harm: what the
// first has of the queue was erased, or is locked by it. Who calls it has erased what waited.
func Disown(dir state.Dir) error { return dir.Remove(lockName) }

// lockKey is that of the lock in the context of an attempt.
type lockKey struct{}

func withLock(ctx context.Context, lock *state.Lock) context.Context {
	return context.WithValue(ctx, lockKey{}, lock)
}

// Disowned reports whether ctx is that of a delivery which was disowned.
func Disowned(ctx context.Context) bool {
	lock, _ := ctx.Value(lockKey{}).(*state.Lock)
	return lock.Gone()
}

// owned runs write, which notes how the delivery goes, unless it was disowned. Where that happens
// meanwhile it takes back what it wrote.
func (s *Sender) owned(write func() error) error {
	if s.lock.Gone() {
		return ErrDisowned
	}
	err := write()
	if s.lock.Gone() {
		return errors.Join(ErrDisowned, Forget(s.Dir))
	}
	return err
}

func (s *Sender) writeNotes() error {
	return s.owned(func() error { return s.notes.write(s.Dir, s.lock) })
}

// each delivers what waits in some slots. Those that are in use are in s.busy afterwards.
func (s *Sender) each(ctx context.Context, slots []string) error {
	s.busy = nil
	for _, slot := range slots {
		if err := s.slot(ctx, slot); err != nil {
			return err
		}
	}
	return nil
}

// slot does with one slot what its route says. An error ends the run; a receiver that
// fails ends only what is for it.
func (s *Sender) slot(ctx context.Context, slot string) error {
	if s.lock.Gone() {
		return ErrDisowned
	}
	claim, err := s.Queue.Claim(slot)
	if errors.Is(err, state.ErrBusy) {
		s.busy = append(s.busy, slot)
		return nil
	}
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, state.ErrUnsafe), errors.Is(err, state.ErrForeign):
		s.report.Left = "in a file of the queue that others may write to, or that is another user's"
	default:
		s.report.Left = LeftClosed
	}
	if err != nil {
		return nil // erased meanwhile, or not ours; what is behind it goes on
	}
	defer claim.Close()
	if len(claim.Entries) == 0 {
		return nil
	}
	route := Route{Drop: spool.LossUnreadable} // nothing says under which promise it was recorded
	if claim.Receipt != "" || claim.Legacy {
		if route, err = s.Route(claim.Receipt); err != nil {
			s.failed[false] = err
			return nil
		}
	}
	if route.Backend != nil && !route.Local {
		s.receipt = route.Receipt
	}
	items := s.items(claim, route)
	if route.Keep != "" {
		if len(items) > 0 {
			s.report.Left = route.Keep
		}
		return nil
	}
	if len(items) == 0 || s.failed[route.Local] != nil || !route.Local && s.report.Paced > 0 {
		return nil
	}
	items, held := s.fold(claim, route, items)
	s.stamp(route, items)
	err = s.deliverAll(ctx, claim, route, items)
	switch {
	case err == nil:
		s.folded = s.folded || !route.Local && slices.ContainsFunc(items, folds)
		held.compact(claim)
		return nil
	case errors.Is(err, ErrErased):
		return nil
	case errors.Is(err, errPaced):
		s.report.Paced, s.report.PacedUntil = route.Limits.PerMinute, s.pace.until
		return nil
	case ctx.Err() != nil, errors.Is(err, ErrNotAllowed):
		return err
	}
	s.failed[route.Local] = err
	return nil
}

// item is an event of a claim.
type item struct {
	entry spool.Entry
	event driver.Event
}

// reports tells whether it is a report of losses.
func (it item) reports() bool { return it.event.Type == "telemetry.loss" }

// items returns the events of a claim that may be sent, and settles those that never will
// be.
func (s *Sender) items(claim *spool.Claim, route Route) []item {
	var damaged, gone []spool.Entry
	limits := bounded(route.Limits)
	now := s.Now()
	items := make([]item, 0, len(claim.Entries))
	giveUp := func(what loss, it item) {
		if s.GivenUp != nil {
			stamped := []item{it}
			s.stamp(route, stamped)
			s.GivenUp(stamped[0].event, what.reason)
		}
		gone = append(gone, s.giveUp(what, it.entry))
	}
	for _, entry := range claim.Entries {
		event, err := record.Parse(entry.Line)
		switch {
		case err != nil:
			damaged = append(damaged, entry)
		case route.Drop != "":
			giveUp(loss{reason: route.Drop}, item{entry, event})
		case s.Queue.Expired(event.Time):
			giveUp(loss{spool.LossExpired, route.Receipt}, item{entry, event})
		case route.Backend != nil && len(entry.Line)+stampBytes > limits.EventBytes:
			s.because(fmt.Errorf("an event is larger than the %d bytes that may go to this receiver", limits.EventBytes))
			giveUp(loss{spool.LossRefused, route.Receipt}, item{entry, event})
		default:
			if event.Time.After(now) && !now.Before(route.Since) && claim.Latest(entry).IsZero() {
				_ = claim.SetLatest(now) // a full disk: then the time may differ between attempts
			}
			items = append(items, item{entry, event})
		}
	}
	for i := range items {
		if latest := claim.Latest(items[i].entry); !latest.IsZero() && items[i].event.Time.After(latest) {
			items[i].event.Time, items[i].event.TimeAdjusted = latest, true
		}
	}
	if len(gone) > 0 {
		_ = s.writeNotes()
		s.settle(claim, gone...)
	}
	s.setAside(claim, route.Receipt, damaged)
	return items
}

// stamp puts in what the queue does not hold.
func (s *Sender) stamp(route Route, items []item) {
	for i := range items {
		event := &items[i].event
		event.ConsentID, event.MachineID, event.OSVersion = route.Receipt, route.MachineID, s.OSVersion
	}
}

func bounded(l driver.Limits) driver.Limits {
	if l.Events <= 0 {
		l.Events = defaultEvents
	}
	if l.Bytes <= 0 {
		l.Bytes = defaultBytes
	}
	if l.EventBytes <= 0 {
		l.EventBytes = defaultEventBytes
	}
	return l
}

// deliverAll sends the events in batches, smaller ones where the receiver wants that.
func (s *Sender) deliverAll(ctx context.Context, claim *spool.Claim, route Route, items []item) error {
	limits := bounded(route.Limits)
	s.suspects, s.probed = nil, false
	for len(items) > 0 {
		room := s.room(route)
		if room == 0 {
			return errPaced
		}
		n := min(s.fitting(items, limits), room)
		err := s.deliver(ctx, claim, route, items[:n])
		switch {
		case err == nil:
			items = items[n:]
			continue
		case errors.Is(err, errSplit) && s.grown:
			s.size, s.streak, s.grown = n/2, 0, false
			continue // that was to be expected
		case errors.Is(err, errSplit):
			s.size, s.streak = n/2, 0
		case errors.Is(err, errBlocked) && len(items) > n && !s.probed:
			// Bad events at the head must not block the rest: the one at the far end tells more.
			s.probed, s.size = true, 1
			last := len(items) - 1
			if s.room(route) == 0 {
				return errPaced
			}
			probe := s.deliver(ctx, claim, route, items[last:])
			if s.size = 0; probe != nil || len(s.suspects) > 0 {
				return err
			}
			items = items[n:last]
			continue
		case errors.Is(err, errWithout):
			items = slices.DeleteFunc(items, func(it item) bool { return claim.Settled(it.entry) })
		default:
			return err
		}
		if s.splits++; s.splits > maxSplits {
			return errSplits
		}
	}
	if len(s.suspects) > 0 { // nothing behind them was accepted that would have told more
		return errBlocked
	}
	return nil
}

// room is how many events the driver's rate lets out now.
func (s *Sender) room(route Route) int { return s.pace.room(route.Limits.PerMinute, s.Now()) }

// fitting returns how many of the items are the next batch.
func (s *Sender) fitting(items []item, limits driver.Limits) int {
	size := 0
	for n, it := range items {
		size += len(it.entry.Line) + stampBytes
		if n == limits.Events || n > 0 && (size > limits.Bytes || n == s.size) {
			return n
		}
	}
	return len(items)
}

// deliver makes one attempt and settles what need not be sent again. It returns errSplit
// for a batch that may be accepted in smaller ones, and errWithout for one that may be
// accepted without what is settled now.
func (s *Sender) deliver(ctx context.Context, claim *spool.Claim, route Route, batch []item) error {
	if err := s.mayAttempt(ctx, claim, route); err != nil {
		return err
	}
	if s.AtMostOnce {
		if err := s.giveUpUnsent(claim, route, batch); err != nil {
			return err // not marked, so not sent: at most once
		}
	}
	events := make([]driver.Event, len(batch))
	for i := range batch {
		events[i] = batch[i].event
	}
	err := attempt(ctx, route.Backend, events)
	if !route.Local && route.Limits.PerMinute > 0 {
		s.pace.spend(len(batch), s.Now()) // also what is not known to have arrived
	}
	switch driver.Classify(err) {
	case driver.ClassAccepted, driver.ClassPartial:
		return s.verdicts(claim, route, batch, err)
	case driver.ClassTooLarge:
		if len(batch) > 1 {
			return errSplit
		}
		return s.suspect(claim, route, batch[0], err)
	case driver.ClassPermanent:
		if len(batch) == 1 && s.size == 1 { // what was refused before it came down to this one
			return s.suspect(claim, route, batch[0], err)
		}
		s.refuse(claim, route, err, batch...)
		return nil
	}
	return err
}

// giveUpUnsent counts a batch as lost and settles it before it is sent. Where that is done
// already, it was refused in a larger batch.
func (s *Sender) giveUpUnsent(claim *spool.Claim, route Route, batch []item) error {
	fresh := slices.DeleteFunc(slices.Clone(batch), func(it item) bool { return claim.Settled(it.entry) })
	if len(fresh) == 0 {
		return nil
	}
	what := loss{spool.LossUnsent, route.Receipt}
	s.lose(what, weights(fresh))
	_ = s.writeNotes()
	err := claim.Settle(entries(fresh)...)
	if err != nil {
		claim.Keep(entries(fresh)...)
		s.lose(what, -weights(fresh))
	}
	return err
}

// known takes back that events were given up unsent, where the answer says what became of
// them.
func (s *Sender) known(route Route, batch ...item) {
	if s.AtMostOnce {
		s.lose(loss{spool.LossUnsent, route.Receipt}, -weights(batch))
	}
}

// mayAttempt looks whether the batch may still be sent, and notes the attempt: a process
// that dies in it has noted a failure, and no other one tries again before its time.
func (s *Sender) mayAttempt(ctx context.Context, claim *spool.Claim, route Route) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := route.Allowed(); err != nil {
		return err
	}
	if s.lock.Gone() {
		return ErrDisowned
	}
	if claim.Gone() {
		return ErrErased
	}
	if route.Local {
		return nil
	}
	if route.Limits.PerMinute > 0 {
		s.notes.pace = spent(route.Limits.PerMinute, s.Now())
	}
	if s.attempts != nil {
		return nil
	}
	return s.owned(func() error {
		s.attempts = s.notes.beginAttempts(s.Dir, s.lock, s.Interval, s.Pause, s.Now())
		return nil
	})
}

// accepted settles a batch that the receiver has, and what was in doubt before: a receiver
// that takes other events means it when it refuses one.
func (s *Sender) accepted(claim *spool.Claim, route Route, batch []item) {
	s.known(route, batch...)
	s.grown = false
	s.took(route, batch, 0)
	s.settle(claim, entries(batch)...)
	_ = s.writeNotes()
	if len(s.suspects) > 0 {
		s.refuse(claim, route, s.doubt, s.suspects...)
		s.suspects, s.size = nil, 0 // it was they, not the size
	}
	if len(batch) == s.size {
		s.streak++
	}
	if s.streak >= growAfter {
		s.size, s.streak, s.grown = 2*s.size, 0, true
	}
	if s.size >= bounded(route.Limits).Events {
		s.size = 0
	}
}

// took counts a batch as taken, but for so many of the events that it stands for.
func (s *Sender) took(route Route, batch []item, refused int) {
	n := events(batch) - refused
	s.report.Sent += n
	if route.Stays {
		s.report.Stayed += n
		s.notes.Stayed += n
		return
	}
	if n > 0 {
		s.notes.Delivered += n
		s.notes.LastDelivered = s.Now()
	}
	if refused == 0 { // else it is not known whether it was a report
		s.told(batch)
	}
	s.through = s.through || slices.ContainsFunc(batch, func(it item) bool { return !it.reports() })
}

// told counts the losses that a receiver knows of now.
func (s *Sender) told(batch []item) {
	for _, it := range batch {
		if report, is := spool.ReportOf(it.entry.Line); is {
			s.notes.Reported[report.Reason] += report.Count
		}
	}
}

// suspect is told of an event that was refused on its own, as too large or after all that
// it was in a batch with. Near the driver's limit that is believed; far below it, only of a
// receiver that takes others.
func (s *Sender) suspect(claim *spool.Claim, route Route, it item, err error) error {
	if s.AtMostOnce || s.report.Sent > s.report.Stayed || 4*len(it.entry.Line) > bounded(route.Limits).EventBytes {
		s.refuse(claim, route, err, it)
		s.size = 0 // it was this one, not the size
		return nil
	}
	s.suspects, s.doubt = append(s.suspects, it), err
	if len(s.suspects) >= maxSuspects {
		s.size = 0
		return errBlocked
	}
	return nil
}

// verdicts settles a batch event by event. What a backend does not name is kept.
func (s *Sender) verdicts(claim *spool.Claim, route Route, batch []item, err error) error {
	if err == nil {
		s.accepted(claim, route, batch)
		return nil
	}
	verdicts, _ := errors.AsType[*driver.Partial](err)
	if verdicts.Unnamed > 0 {
		refused := heaviest(batch, verdicts.Unnamed)
		s.known(route, batch...)
		s.took(route, batch, events(refused))
		s.warn(warned(verdicts, len(batch)-len(refused), route.Warnings))
		s.refused(route, err, refused...)
		_ = s.writeNotes()
		s.settle(claim, entries(batch)...)
		return nil
	}
	var taken, refused []item
	for _, it := range batch {
		switch {
		case slices.Contains(verdicts.Rejected, it.event.ID):
			refused = append(refused, it)
		case slices.Contains(verdicts.Accepted, it.event.ID):
			taken = append(taken, it)
		}
	}
	s.warn(warned(verdicts, len(taken), route.Warnings))
	if len(taken) == len(batch) {
		s.accepted(claim, route, batch)
		return nil
	}
	done := slices.Concat(taken, refused)
	s.known(route, done...)
	s.took(route, taken, 0)
	s.refused(route, err, refused...)
	_ = s.writeNotes()
	s.settle(claim, entries(done)...)
	switch {
	case len(done) == len(batch):
		return nil
	case len(done) > 0 && len(taken) == 0 && verdicts.Wait == 0 && !s.AtMostOnce:
		return errWithout // the others were not taken because of those
	}
	return err
}

// warned counts the warnings with which a vendor took events: no more of each than there are
// events, and by names that the driver declares, since a text of a server's may be anything.
func warned(verdicts *driver.Partial, taken int, declared []driver.Warning) map[string]int {
	counts := map[string]int{}
	for name, n := range verdicts.Warnings {
		if !slices.ContainsFunc(declared, func(w driver.Warning) bool { return w.Name == name }) {
			name = otherWarning
		}
		if n = min(counts[name]+max(n, 0), taken); n > 0 {
			counts[name] = n
		}
	}
	return counts
}

// warn adds warnings to what is reported and noted.
func (s *Sender) warn(counts map[string]int) {
	for name, n := range counts {
		s.report.Warned[name] += n
		s.notes.Warned[name] += n
	}
}

// attempt calls Send once. A backend that panics has failed, no more: it may be a
// stranger's, inside a person's command.
func attempt(ctx context.Context, backend driver.Backend, events []driver.Event) (err error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	defer func() {
		if recover() != nil {
			err = errors.New("the backend panicked")
		}
	}()
	return backend.Send(ctx, events)
}

func entries(batch []item) []spool.Entry {
	list := make([]spool.Entry, len(batch))
	for i := range batch {
		list[i] = batch[i].entry
	}
	return list
}

// events is how many events a batch stands for.
func events(batch []item) (n int) {
	for _, it := range batch {
		n += max(it.event.Count, 1)
	}
	return n
}

// heaviest returns those n of a batch that stand for the most events, where the receiver does not say which:
// reports of losses, whose refusal is not counted, are the last.
func heaviest(batch []item, n int) []item {
	sorted := make([]*item, len(batch)) // see outbox.Box.Entries: a sort of items is 17 KB of code
	for i := range batch {
		sorted[i] = &batch[i]
	}
	slices.SortFunc(sorted, func(a, b *item) int {
		switch {
		case a.reports() == b.reports():
			return b.event.Count - a.event.Count
		case a.reports():
			return 1
		}
		return -1
	})
	var first []item
	for _, it := range sorted[:min(n, len(sorted))] {
		first = append(first, *it)
	}
	return first
}

func weights(batch []item) (n int) {
	for _, it := range batch {
		if _, is := spool.ReportOf(it.entry.Line); !is {
			n += spool.Events(it.entry.Line)
		}
	}
	return n
}

// refuse settles events that the receiver will never take.
func (s *Sender) refuse(claim *spool.Claim, route Route, err error, batch ...item) {
	s.known(route, batch...)
	s.refused(route, err, batch...)
	_ = s.writeNotes()
	s.settle(claim, entries(batch)...)
}

// refused counts events that the receiver will never take. A report of losses among them
// is not reported again, or an endpoint that refuses everything would never be at rest.
func (s *Sender) refused(route Route, err error, batch ...item) {
	if len(batch) > 0 {
		s.because(err)
	}
	for _, it := range batch {
		if it.reports() {
			s.report.Unreported++
		} else {
			s.lose(loss{spool.LossRefused, route.Receipt}, events([]item{it}))
		}
	}
}

// because keeps why events are refused for good: what a backend says of that, without the
// counts of the batch that they were in.
func (s *Sender) because(err error) {
	if verdicts, ok := errors.AsType[*driver.Partial](err); ok {
		err = verdicts.Err
	}
	if err == nil {
		err = errUnsaid
	}
	s.report.Refusal = describe(err)
	s.notes.Refusal, s.notes.RefusedAt = s.report.Refusal, s.Now()
}

// lose counts events as lost. The count is on disk before they are gone.
func (s *Sender) lose(what loss, n int) {
	s.report.Lost[what.reason] += n
	s.notes.Lost[what.reason] += n
	s.losses[what] += n
	if s.report.Lost[what.reason] == 0 {
		delete(s.report.Lost, what.reason)
	}
}

// giveUp counts an event as lost and returns it, to be settled.
func (s *Sender) giveUp(what loss, entry spool.Entry) spool.Entry {
	if report, is := spool.ReportOf(entry.Line); is {
		s.losses[loss{report.Reason, what.receipt}] += report.Count
	} else {
		s.lose(what, spool.Events(entry.Line))
	}
	return entry
}

func (s *Sender) settle(claim *spool.Claim, done ...spool.Entry) {
	// An error here means a full disk: the events are sent again, with the same IDs.
	_ = claim.Settle(done...)
	if s.Progress != nil {
		s.Progress(s.report.Sent, s.total)
	}
}

// setAside takes what is no event out of the queue, once, and keeps the start of it
// where a person can look.
func (s *Sender) setAside(claim *spool.Claim, receipt string, damaged []spool.Entry) {
	if len(damaged) == 0 {
		return
	}
	var aside []byte
	for _, entry := range damaged {
		if room := maxAside - len(aside); room > 0 {
			aside = append(append(aside, plaintext.Cut(string(entry.Line), room)...), '\n') // for a person to look at
		}
	}
	_ = s.Dir.WriteFile(AsideName, aside)
	s.lose(loss{spool.LossUnreadable, receipt}, len(damaged))
	_ = s.writeNotes()
	s.settle(claim, damaged...)
}

// reportLosses queues one event for each reason, under the receipt of what was lost: so the
// report goes where that would have gone. What was lost with its receipt is only counted.
func (s *Sender) reportLosses() {
	for what, n := range s.losses {
		if n <= 0 || what.receipt == "" {
			continue
		}
		line := s.Queue.LossLine(spool.Loss{Reason: what.reason, Count: n})
		w, err := s.Queue.Writer(what.receipt, len(line))
		if err != nil {
			return
		}
		if w.Append(line) == nil {
			s.report.Reports++
		}
		w.Close()
	}
}

// note writes down when the next upload may be and how this one went.
func (s *Sender) note(err error) {
	counted := spool.Losses(s.Dir)
	own := maps.Clone(s.report.Lost)
	if s.receipt == "" && len(counted) > 0 && s.ReportUnder != nil {
		s.receipt = s.ReportUnder()
	}
	for reason, n := range counted {
		if of, again := spool.ReportedAgain(reason); again {
			s.losses[loss{of, s.receipt}] += n
		} else {
			s.lose(loss{reason, s.receipt}, n)
		}
	}
	if s.through && s.report.Refusal == "" {
		s.notes.Refusal, s.notes.RefusedAt = "", time.Time{}
	}
	s.notes.pace = s.pace
	s.notes.Paced, s.notes.PacedUntil = s.report.Paced, s.report.PacedUntil
	s.report.NextAt = s.Now().Add(s.Interval)
	if s.attempts != nil || err != nil {
		s.report.NextAt = s.notes.conclude(s.attempts, err, s.Interval, s.Now())
	}
	if err == nil && s.report.Paced > 0 {
		s.report.NextAt = s.report.PacedUntil
	}
	if least := s.Now().Add(s.Pause); s.report.NextAt.Before(least) {
		s.report.NextAt = least
	}
	if s.Daily && s.folded && err == nil && s.report.Paced == 0 {
		postponeFolds(s.Dir, s.Now())
	}
	s.notes.Left = plaintext.Line(s.report.Left, maxLeft)
	s.notes.Batch = s.size
	s.report.WaitUntil = s.notes.WaitUntil
	if s.writeNotes() == nil {
		for reason, n := range counted {
			_ = spool.AddLosses(s.Dir, reason, -n)
		}
	} else {
		// On a full disk the next run counts and reports them.
		for reason, n := range own {
			_ = spool.AddLosses(s.Dir, reason, n)
		}
		s.losses, s.report.Lost = nil, own // what was counted before stays so
	}
	Postpone(s.Dir, s.report.NextAt)
}
