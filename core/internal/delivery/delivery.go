// Package delivery takes events from the spool to a backend: it forms batches, makes
// the attempts, and does with the queue what each answer calls for. It runs in the
// background process, in a command that flushes, and inside a command that runs for
// long; one process at a time.
package delivery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/record"
	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/internal/state"
)

var (
	// ErrWithdrawn says that the person said no: nothing more was sent, and what waited
	// was erased.
	ErrWithdrawn = errors.New("telemetry was turned off")
	// ErrNotAllowed says that consent does not hold at the moment: nothing more was sent.
	ErrNotAllowed = errors.New("telemetry is off")
)

const (
	lockName = "upload.lock"
	// Bounds of a batch where the driver declares none: what common intakes take.
	defaultEvents     = 500
	defaultBytes      = 1 << 20
	defaultEventBytes = 64 << 10
	// stampBytes is what MachineID and OSVersion add to a line of the spool.
	stampBytes = 128
	// attemptTimeout bounds one Send, so that a server that hangs costs one of them.
	attemptTimeout = 20 * time.Second
	// maxWait caps what a server may ask for, and the backoff: a hostile or mistaken
	// header must not silence a tool for good.
	maxWait = 24 * time.Hour
	// maxDoublings of the interval bring 10 minutes to over 10 hours.
	maxDoublings = 6
	// maxAside is how much of damaged lines is kept for a look: enough to recognise them.
	maxAside = 16 << 10
	// AsideName is the file that holds the damaged lines of the last time.
	AsideName = "unreadable"
)

// Sender delivers what waits in a queue.
type Sender struct {
	Dir     state.Dir
	Queue   *spool.Queue
	Backend driver.Backend
	Limits  driver.Limits
	// AtMostOnce gives a batch up before it is sent.
	AtMostOnce bool
	// Allowed reads consent again, before every attempt. Its error ends the run;
	// ErrWithdrawn also erases what waits.
	Allowed func() error
	// MachineID and OSVersion complete the events.
	MachineID, OSVersion string
	// Interval is the time to the next upload after a success.
	Interval time.Duration
	Now      func() time.Time
	// Progress, where not nil, is told how many events of how many are done with.
	Progress func(done, total int)

	report Report
	total  int
}

// Report is what a run did.
type Report struct {
	// Sent is how many events the vendor has taken, Kept how many wait for another time.
	Sent, Kept int
	// Busy is how many slots were left alone because a running command holds them.
	Busy int
	// Lost counts the events that were given up, by reason.
	Lost map[string]int
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
	s.Dir.RemoveTemp() // here, where nobody waits for it
	s.report = Report{Lost: map[string]int{}}
	slots, err := s.Queue.Slots()
	if err != nil {
		return s.report, err
	}
	if s.Progress != nil {
		stats, _ := s.Queue.Stats()
		s.total = stats.Events
	}
	for _, slot := range slots {
		if err = s.slot(ctx, slot); err != nil {
			break
		}
	}
	if errors.Is(err, ErrWithdrawn) {
		return s.report, errors.Join(err, s.erase())
	}
	s.reportLosses()
	s.note(err)
	if stats, statErr := s.Queue.Stats(); statErr == nil {
		s.report.Kept = stats.Events
	}
	return s.report, err
}

// quiesceWait is longer than a vendor takes to answer, and no longer than a person waits.
const quiesceWait = 3 * time.Second

// Quiesce waits, not for ever, until no process is delivering. Who calls it has turned
// telemetry off, so that none begins again.
func Quiesce(ctx context.Context, dir state.Dir) {
	ctx, cancel := context.WithTimeout(ctx, quiesceWait)
	defer cancel()
	if lock, err := dir.WaitLock(ctx, lockName); err == nil {
		lock.Unlock()
	}
}

func (s *Sender) erase() error {
	_, err := s.Queue.Erase()
	return errors.Join(err, s.Dir.Remove(AsideName))
}

// slot delivers what waits in one slot. An error ends the run.
func (s *Sender) slot(ctx context.Context, slot int) error {
	claim, err := s.Queue.Claim(slot)
	if errors.Is(err, state.ErrBusy) {
		s.report.Busy++
		return nil
	}
	if err != nil {
		return nil // erased or damaged meanwhile; what is behind it goes on
	}
	defer claim.Close()
	var damaged []spool.Entry
	var batch []item
	size := 0
	limits := s.limits()
	items := make([]item, 0, len(claim.Entries))
	for _, entry := range claim.Entries {
		event, err := record.Parse(entry.Line)
		switch {
		case err != nil:
			damaged = append(damaged, entry)
		case s.Queue.Expired(event.Time):
			s.giveUp(claim, spool.LossExpired, entry)
		case len(entry.Line)+stampBytes > limits.EventBytes:
			s.giveUp(claim, spool.LossRefused, entry)
		default:
			event.MachineID, event.OSVersion = s.MachineID, s.OSVersion
			items = append(items, item{entry, event})
		}
	}
	s.setAside(claim, damaged)
	for _, it := range items {
		bytes := len(it.entry.Line) + stampBytes
		if len(batch) == limits.Events || len(batch) > 0 && size+bytes > limits.Bytes {
			if err := s.deliver(ctx, claim, batch); err != nil {
				return err
			}
			batch, size = nil, 0
		}
		batch = append(batch, it)
		size += bytes
	}
	if len(batch) == 0 {
		return nil
	}
	return s.deliver(ctx, claim, batch)
}

type item struct {
	entry spool.Entry
	event driver.Event
}

func (s *Sender) limits() driver.Limits {
	l := s.Limits
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

// deliver makes the attempt, or attempts if the batch must be halved, and settles what
// need not be sent again.
func (s *Sender) deliver(ctx context.Context, claim *spool.Claim, batch []item) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.Allowed(); err != nil {
		return err
	}
	if s.AtMostOnce {
		if err := claim.Settle(entries(batch)...); err != nil {
			return err // not marked, so not sent: at most once
		}
	}
	err := s.attempt(ctx, batch)
	class := driver.Classify(err)
	if class == driver.ClassTooLarge && len(batch) > 1 {
		half := len(batch) / 2
		if err := s.deliver(ctx, claim, batch[:half]); err != nil {
			return err
		}
		return s.deliver(ctx, claim, batch[half:])
	}
	switch class {
	case driver.ClassAccepted:
		s.report.Sent += len(batch)
		s.settle(claim, entries(batch)...)
		return nil
	case driver.ClassPermanent, driver.ClassTooLarge:
		for _, it := range batch {
			s.refuse(it)
		}
		s.settle(claim, entries(batch)...)
		return nil
	case driver.ClassPartial:
		return s.partial(claim, batch, err)
	}
	if s.AtMostOnce {
		for _, it := range batch {
			s.lose(spool.LossUnsent, weight(it))
		}
	}
	return err
}

func (s *Sender) partial(claim *spool.Claim, batch []item, err error) error {
	verdicts, _ := errors.AsType[*driver.Partial](err)
	if verdicts.Unnamed > 0 {
		lost := min(verdicts.Unnamed, len(batch))
		s.report.Sent += len(batch) - lost
		s.lose(spool.LossRefused, lost)
		s.settle(claim, entries(batch)...)
		return nil
	}
	var done []spool.Entry
	for _, it := range batch {
		switch {
		case slices.Contains(verdicts.Rejected, it.event.ID):
			s.refuse(it)
		case slices.Contains(verdicts.Accepted, it.event.ID):
			s.report.Sent++
		default:
			if s.AtMostOnce {
				s.lose(spool.LossUnsent, weight(it))
			}
			continue
		}
		done = append(done, it.entry)
	}
	s.settle(claim, done...)
	if len(done) == len(batch) {
		return nil
	}
	return err
}

// attempt calls Send once. A backend that panics has failed, no more: it may be a
// stranger's, inside somebody's command.
func (s *Sender) attempt(ctx context.Context, batch []item) (err error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	defer func() {
		if recover() != nil {
			err = errors.New("the backend panicked")
		}
	}()
	events := make([]driver.Event, len(batch))
	for i := range batch {
		events[i] = batch[i].event
	}
	return s.Backend.Send(ctx, events)
}

func entries(batch []item) []spool.Entry {
	list := make([]spool.Entry, len(batch))
	for i := range batch {
		list[i] = batch[i].entry
	}
	return list
}

func weight(it item) int { return spool.Weight(it.entry.Line) }

// refuse counts an event that the vendor will never take. A report of losses among them
// is not reported again, or an endpoint that refuses everything would never be at rest.
func (s *Sender) refuse(it item) {
	if it.event.Type != "telemetry.loss" {
		s.lose(spool.LossRefused, 1)
	}
}

func (s *Sender) lose(reason string, n int) { s.report.Lost[reason] += n }

func (s *Sender) giveUp(claim *spool.Claim, reason string, entry spool.Entry) {
	s.lose(reason, spool.Weight(entry.Line))
	s.settle(claim, entry)
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
func (s *Sender) setAside(claim *spool.Claim, damaged []spool.Entry) {
	if len(damaged) == 0 {
		return
	}
	var aside []byte
	for _, entry := range damaged {
		if room := maxAside - len(aside); room > 0 {
			aside = append(append(aside, entry.Line[:min(len(entry.Line), room)]...), '\n')
		}
	}
	_ = s.Dir.WriteFile(AsideName, aside)
	s.lose(spool.LossUnreadable, len(damaged))
	s.settle(claim, damaged...)
}

// reportLosses queues one event for each reason, to be sent like any other.
func (s *Sender) reportLosses() {
	for reason, n := range s.report.Lost {
		if n == 0 {
			continue
		}
		w, err := s.Queue.Writer()
		if err != nil {
			return
		}
		_ = w.Append(s.Queue.LossLine(spool.Loss{Reason: reason, Count: n}))
		w.Close()
	}
}

// note writes down when the next upload may be and how this one went.
func (s *Sender) note(err error) {
	now := s.Now()
	notes := ReadNotes(s.Dir)
	notes.LastAttempt = now
	notes.Problem = ""
	notes.WaitUntil = time.Time{}
	if s.report.Sent > 0 {
		notes.LastDelivered = now
		notes.Delivered += s.report.Sent
	}
	for _, n := range s.report.Lost {
		notes.Lost += n
	}
	wait := s.Interval
	switch {
	case err == nil:
		notes.Failures = 0
	case errors.Is(err, context.Canceled), errors.Is(err, ErrNotAllowed):
		// Interrupted by ourselves: says nothing of the server.
	default:
		wait = backoff(s.Interval, notes.Failures)
		notes.Failures++
		notes.Problem = describe(err)
		if asked := min(driver.Wait(err), maxWait); asked > 0 {
			notes.WaitUntil = now.Add(asked)
			wait = max(wait, asked)
		}
	}
	s.report.NextAt, s.report.WaitUntil = now.Add(wait), notes.WaitUntil
	_ = notes.write(s.Dir)
	Postpone(s.Dir, s.report.NextAt)
}

// backoff doubles the interval with each failure in a row and spreads the result over
// half to one and a half of it, so that tools do not come back all at once.
func backoff(interval time.Duration, failures int) time.Duration {
	d := interval << min(failures, maxDoublings)
	d = d/2 + rand.N(d+1)
	return min(d, maxWait)
}

// describe makes one short line of an error.
func describe(err error) string {
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, fmt.Sprint(err))
	const enough = 200 // a line of a terminal or two
	if len(text) > enough {
		text = strings.ToValidUTF8(text[:enough], "") + "…"
	}
	return text
}
