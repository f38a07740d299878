package core

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/identity"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/core/props"
)

// Sentinels that the Manager's errors wrap.
var (
	// ErrChanged: somebody else answered while this person was being asked.
	ErrChanged = consent.ErrChanged
	// ErrOff: telemetry is off, so nothing is sent.
	ErrOff = delivery.ErrNotAllowed
	// ErrBusy: another process is delivering.
	ErrBusy = state.ErrBusy
)

// Manager is the user's side of an installation: what the telemetry commands do. It
// holds nothing open. Its methods may be called by several processes at once.
type Manager struct{ in *installation }

// NewManager returns the manager of a tool. It looks at nothing yet.
func NewManager(tool props.Tool, options ...Option) *Manager {
	return &Manager{newInstallation(tool, options)}
}

// Decision tells whether telemetry is on, and why. It changes nothing.
func (m *Manager) Decision() consent.Decision { return m.in.decide() }

// Tool returns what the author declared.
func (m *Manager) Tool() props.Tool { return m.in.tool }

// Lookup reads an environment variable in the surroundings of the installation.
func (m *Manager) Lookup(name string) (string, bool) { return m.in.lookup(name) }

// Status is what there is to know about an installation.
type Status struct {
	// At is when all of this was so.
	At       time.Time
	Decision consent.Decision
	// Recording says that events are recorded: the decision is yes, somebody takes them,
	// and nothing is in the way.
	Recording bool
	Backend   props.BackendInfo
	// MachineID is the pseudonym that events go out under, empty while there is none.
	MachineID string
	// StateDir is where all of it is kept.
	StateDir string
	Queue    struct {
		Events, Damaged int
		Bytes           int64
	}
	// LastDelivered and LastAttempt are zero if there was none, NextUpload is the earliest
	// time of the next, WaitUntil what the server asked for.
	LastDelivered, LastAttempt, NextUpload, WaitUntil time.Time
	// Delivered and Lost count events since the last reset, Problem is why the last
	// attempt failed.
	Delivered, Lost int
	Problem         string
	// Erasures are the deletion requests that were made from here, oldest first.
	Erasures []Erasure
	// Faults says what is wrong: with the author's declaration, or with the files.
	Faults []string
}

// Status looks at everything and changes nothing: no file is made or touched.
func (m *Manager) Status() Status {
	in := m.in
	s := Status{At: in.now(), Decision: in.decide(), StateDir: in.dir.Path()}
	fault := func(err error) {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.Faults = append(s.Faults, err.Error())
		}
	}
	wrong := in.check()
	fault(wrong)
	if selected, err := in.selectBackend(s.Decision.LocalOnly); err == nil {
		s.Backend = selected.info()
	} else {
		s.Backend = props.Discard{}.BackendInfo()
	}
	s.Recording = s.Decision.Enabled && wrong == nil && s.Backend.Name != "noop" && in.dirErr == nil
	if in.dirErr != nil {
		fault(in.dirErr)
		return s
	}
	if err := in.dir.Check(); err != nil {
		s.Recording = s.Recording && errors.Is(err, fs.ErrNotExist) // it is made when there is something to record
		fault(err)
		return s
	}
	if ids, err := in.loadIdentities(); err != nil {
		fault(fmt.Errorf("the identity cannot be read: %w", err))
	} else if ids.hasSalt {
		s.MachineID = identity.Derive(ids.salt, identity.Collect()).MachineID()
	}
	var err error
	if s.Erasures, err = m.Erasures(); err != nil {
		fault(fmt.Errorf("a deletion request cannot be read: %w", err))
	}
	queue, err := in.queue().Stats()
	if err != nil {
		fault(fmt.Errorf("the queue cannot be read: %w", err))
	}
	s.Queue.Events, s.Queue.Damaged, s.Queue.Bytes = queue.Events, queue.Damaged, queue.Bytes
	if queue.Damaged > 0 {
		fault(fmt.Errorf("%d lines of the queue cannot be read; the next upload sets them aside", queue.Damaged))
	}
	if s.Decision.Enabled {
		if err := in.dir.Writable(); err != nil {
			s.Recording = false
			fault(fmt.Errorf("the state directory cannot be written to: %w", err))
		}
	}
	notes := delivery.ReadNotes(in.dir)
	s.LastDelivered, s.LastAttempt, s.WaitUntil = notes.LastDelivered, notes.LastAttempt, notes.WaitUntil
	s.NextUpload = delivery.NextAt(in.dir)
	s.Delivered, s.Lost, s.Problem = notes.Delivered, notes.Lost, notes.Problem
	return s
}

// Writable returns why an answer could not be stored, without trying: a home that is
// read-only or, as under sudo, somebody else's.
func (m *Manager) Writable() error {
	if m.in.dirErr != nil {
		return m.in.dirErr
	}
	return m.in.dir.Writable()
}

// Stored returns the person's stored answer, for Answer.
func (m *Manager) Stored() consent.Stored {
	if m.in.dirErr != nil {
		return consent.Stored{Err: m.in.dirErr}
	}
	return m.in.store().Load()
}

// Answer stores what the person said after having been shown the notice. seen is what
// Stored returned before that: if another process stored an answer meanwhile, a yes is
// not stored and the error is ErrChanged. A no always is, and erases what waits.
func (m *Manager) Answer(answer consent.Answer, seen consent.Stored) error {
	in := m.in
	if in.dirErr != nil {
		return in.dirErr
	}
	wasOn := in.decide().Enabled
	err := in.store().Save(consent.Stored{
		Answer: answer, Notice: in.tool.Telemetry.NoticeVersion, At: in.now(),
	}, seen)
	if err != nil {
		return err
	}
	if answer == consent.AnswerNo {
		_, err := in.erase()
		return err
	}
	if !wasOn {
		// Nothing from before a yes is ever sent, even if a no could not erase it all.
		if _, err := in.queue().Erase(); err != nil {
			return err
		}
	}
	_, err = in.identify()
	return err
}

// Enable stores a yes; local restricts it to this machine.
func (m *Manager) Enable(local bool) error {
	answer := consent.AnswerYes
	if local {
		answer = consent.AnswerLocal
	}
	return m.Answer(answer, m.Stored())
}

// Disable stores a no and erases what waits. It returns how many events that was. An
// error may come with a no that is stored: then something could not be erased.
func (m *Manager) Disable() (erased int, err error) {
	in := m.in
	if in.dirErr != nil {
		return 0, in.dirErr
	}
	err = in.store().Save(consent.Stored{
		Answer: consent.AnswerNo, Notice: in.tool.Telemetry.NoticeVersion, At: in.now(),
	}, consent.Stored{})
	erased, eraseErr := in.erase()
	return erased, errors.Join(err, eraseErr)
}

// erase removes every event that waits and what was set aside.
func (in *installation) erase() (int, error) {
	erased, err := in.queue().Erase()
	return erased, errors.Join(err, in.dir.Remove(delivery.AsideName))
}

// FlushReport is what Flush did.
type FlushReport struct {
	// Sent is how many events were taken, Kept how many still wait, Lost how many were
	// given up, Running how many commands hold events that they are still writing.
	Sent, Kept, Lost, Running int
}

// Flush sends everything that waits, now, and tells progress how far it is. The error
// says what stopped it, and wraps ErrOff, ErrBusy or ErrWait where one of them did.
func (m *Manager) Flush(ctx context.Context, progress func(done, total int)) (FlushReport, error) {
	if m.in.dirErr != nil {
		return FlushReport{}, m.in.dirErr
	}
	if err := m.in.check(); err != nil {
		return FlushReport{}, err
	}
	r, err := m.in.flush(ctx, progress)
	report := FlushReport{Sent: r.Sent, Kept: r.Kept, Running: r.Busy}
	for _, n := range r.Lost {
		report.Lost += n
	}
	return report, err
}

// Upload is Flush for a background process: it waits for nobody and says nothing. It
// sees to the deletion requests as well.
func (m *Manager) Upload(ctx context.Context) error {
	in := m.in
	if in.dirErr != nil {
		return in.dirErr
	}
	if err := in.check(); err != nil {
		return err
	}
	if in.isBackground() {
		in.runBackground()
	}
	var erasing error
	if in.outbox().Pending() {
		erasing = in.workOutbox(ctx, false, nil)
	}
	_, err := in.flush(ctx, nil)
	return errors.Join(erasing, err)
}
