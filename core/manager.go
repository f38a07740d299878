package core

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/backends/file"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion"
)

// Sentinels that the Manager's errors wrap.
var (
	// ErrChanged: another process stored an answer meanwhile.
	ErrChanged = consent.ErrChanged
	// ErrOff: telemetry is off, so nothing is sent.
	ErrOff = delivery.ErrNotAllowed
	// ErrBusy: another process is delivering.
	ErrBusy = state.ErrBusy
	// ErrLocal: everything stays on this machine, so nothing is sent.
	ErrLocal = errors.New("everything stays on this machine")
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

// QueueStatus is what waits.
type QueueStatus struct {
	// Events counts all that waits, Local those that stay on this machine, and Elsewhere
	// those that were recorded for another receiver than this version of the tool has.
	Events, Local, Elsewhere int
	// Damaged counts lines that cannot be read, Bytes is the size on disk.
	Damaged int
	Bytes   int64
}

// Status is what there is to know about an installation.
type Status struct {
	// At is when all of this was so.
	At       time.Time
	Decision consent.Decision
	// Recording says that events are recorded: the decision is yes, a receiver takes them,
	// and nothing is in the way.
	Recording bool
	Backend   props.BackendInfo
	// Controller is who asks for what is sent, and for what.
	Controller Controller
	// Pinned says that the administrator's policy has set Backend in the place of the author's.
	Pinned bool
	// Unusable says why the receiver that the policy or the tool names cannot be used, "" where it
	// can or none is named. A yes has no receiver then.
	Unusable string
	// Omitted says that the tool was built without telemetry: it can record and contact nothing.
	Omitted bool
	// MachineID is the pseudonym that events go out under, empty while there is none.
	MachineID string
	// StateDir is where all of it is kept, LocalLog the file for what stays on this machine,
	// empty if there is none and none is to come.
	StateDir, LocalLog string
	Queue              QueueStatus
	// LastDelivered and LastAttempt are zero if there was none, NextUpload is the earliest
	// time of the next if Recording, WaitUntil before when nothing is sent because of the last answer.
	LastDelivered, LastAttempt, NextUpload, WaitUntil time.Time
	// NextFolded is until when calls of today wait that are folded, because this day had its
	// delivery; zero if they go with the next upload.
	NextFolded time.Time
	// Delivered counts the events since the last reset that left this machine, Stayed those
	// that went to the log on it, and Lost, by reason, those that were given up.
	Delivered, Stayed int
	Lost              map[string]int
	// Refusal is why the receiver refused events for good the last time, in the backend's
	// words, and RefusedAt when. Both are empty as soon as events were delivered by a run in
	// which none was refused; a report of losses is no such event.
	Refusal   string
	RefusedAt time.Time
	// Warned counts, by the names of Backend.Warnings, the warnings with which the receiver
	// accepted events. A name that is not there is another receiver's, or no receiver's.
	Warned map[string]int
	// Paced is how many events a minute go to the receiver at most, where that kept some of
	// them here the last time, and PacedUntil when more go.
	Paced      int
	PacedUntil time.Time
	// Underway says that the last attempt has not noted its outcome, and may still be made;
	// CutOff that it was ended before that.
	Underway, CutOff bool
	// Sent says that something was sent under the present machine ID, or may have been.
	Sent bool
	// Problem is why the last attempt failed, Left why something waits that the last process
	// which looked must not send, and Background why no process sends in the background.
	Problem, Left, Background string
	// Log is the log of what was sent; see Manager.Sent.
	Log SentStatus
	// Deletions are the deletion requests that were made from here, oldest first.
	Deletions []Deletion
	// Faults says what is wrong: with the author's declaration, or with the files.
	Faults []string
	// Condition is what is in the way of it.
	Condition
}

// TotalLost is how many events were given up, whatever the reason.
func (s Status) TotalLost() int {
	total := 0
	for _, n := range s.Lost {
		total += n
	}
	return total
}

// NotDeletable is how many of the delivered events the receiver may not find again when the
// data of their machine ID is to be deleted, as far as it says so.
func (s Status) NotDeletable() int { return notDeletable(s.Declared.Warnings, s.Warned, s.Delivered) }

func notDeletable(declared []driver.Warning, warned map[string]int, delivered int) int {
	total := 0
	for _, w := range declared {
		if w.NotDeletable {
			total += warned[w.Name]
		}
	}
	return min(total, delivered)
}

// notDeletable is Status.NotDeletable of the declared receiver, whatever the decision is by now.
func (in *installation) notDeletable() int {
	own, err := in.selectBackend()
	if err != nil {
		return 0
	}
	notes := delivery.ReadNotes(in.dir)
	return notDeletable(own.driver.Warnings, notes.Warned, notes.Delivered)
}

// Status looks at everything and changes nothing. Whether the directory can be written to
// it finds out by trying, and leaves nothing behind.
func (m *Manager) Status() Status {
	in := m.in
	s := Status{At: in.now(), Decision: in.decide(), StateDir: in.dir.Path(), Lost: map[string]int{},
		Omitted: omitted, Controller: in.controller()}
	fault := func(err error) {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.Faults = append(s.Faults, err.Error())
		}
	}
	wrong := in.check()
	fault(wrong)
	s.Backend = m.backend(s.Decision)
	s.Declared = m.backend(consent.Decision{})
	fault(in.pin().err)
	s.block(in.pin().err)
	if _, err := in.selectBackend(); err != nil {
		s.Unusable = err.Error()
	}
	s.Pinned = in.pin().selection.pinned && !s.Decision.LocalOnly
	s.Recording = s.Decision.Enabled && wrong == nil && s.Backend.Name != "noop" && in.dirErr == nil
	s.block(wrong)
	if in.dirErr != nil {
		fault(in.dirErr)
		s.block(in.dirErr)
		s.nothingSeen()
		s.Nowhere = errors.Is(in.dirErr, state.ErrNoHome)
		return s
	}
	if err := in.dir.Check(); err != nil {
		unknown := !errors.Is(err, fs.ErrNotExist)
		if unknown {
			s.nothingSeen()
		}
		if !unknown && s.Decision.Enabled {
			err = in.dir.Probe() // it is made when there is something to record
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			if s.Nowhere = errors.Is(err, state.ErrNoPlace); s.Nowhere {
				err = fmt.Errorf("nothing can be stored: %w", err)
			} else {
				err = fmt.Errorf("nothing can be stored in the state directory: %w", err)
			}
			s.cannotStore(in, err)
			fault(err)
		}
		s.Inside = background{in}.inside()
		return s
	}
	key, used, err := identifier{in}.current()
	switch {
	case err == nil:
		s.MachineID, s.Sent = key.MachineID(), used
	case !errors.Is(err, errNoIdentity):
		s.MachineIDUnknown = true
		fault(fmt.Errorf("the identity cannot be read: %w", err))
	}
	for _, name := range in.dir.Damaged() {
		fault(fmt.Errorf("a file was damaged and is set aside as %s", name))
	}
	for _, err := range in.dir.SpoiltLocks() {
		fault(fmt.Errorf("what needs a lock is not done until that is removed: %w", err))
	}
	for _, name := range in.dir.Scratches() {
		if s.At.Sub(in.dir.Time(name)) > time.Minute {
			fault(errors.New("a look at what waits was cut off and left a copy of it, which the next upload erases"))
		}
	}
	m.lookAtDecisions(fault)
	if s.Deletions, err = m.Deletions(); err != nil {
		s.RequestsUnknown = true
		fault(fmt.Errorf("a deletion request cannot be read: %w", err))
	}
	fault(m.lookAtQueue(&s))
	m.lookAtSent(&s, fault)
	if s.Decision.Enabled {
		fault(m.lookAtStorage(&s))
	}
	log := in.localLogPath()
	if _, err := os.Lstat(log); err == nil || s.Decision.LocalOnly {
		s.LocalLog = log
	}
	for _, host := range s.Backend.Hosts {
		if s.Decision.Enabled {
			fault(driverhttp.ProxyProblem(in.lookup, host))
		}
	}
	if err := delivery.CheckNotes(in.dir); err != nil {
		fault(fmt.Errorf("the notes of deliveries cannot be read, so they are not counted here: %w", err))
		s.DeliveriesUnknown = true
	}
	m.lookAtDelivery(&s)
	if s.DeliveriesGone {
		fault(errNotesGone)
		s.DeliveriesUnknown = s.DeliveriesUnknown || s.Delivered+s.Stayed+s.TotalLost() == 0 // a zero would look like all
	}
	return s
}

// errNotesGone tells of notes that were removed or damaged. It is no guess: a reset removes what tells.
var errNotesGone = errors.New("the notes of deliveries are gone; what was delivered and lost before that is not known")

// backend is where events go after a decision.
func (m *Manager) backend(d consent.Decision) props.BackendInfo {
	if d.LocalOnly {
		return localLog().info()
	}
	own, err := m.in.selectBackend()
	if err != nil {
		return props.Discard{}.BackendInfo()
	}
	return own.info()
}

// lookAtQueue counts what waits.
func (m *Manager) lookAtQueue(s *Status) error {
	stats, err := m.in.queue().Stats()
	s.Queue = QueueStatus{Events: stats.Total(), Damaged: stats.Damaged, Bytes: stats.Bytes}
	if stats.DistrustedEvents > 0 {
		s.Held = append(s.Held, Held{Why: HeldDistrusted, Events: stats.DistrustedEvents})
	}
	terms := m.in.terms()
	for id, n := range stats.Events {
		receipt, err := m.in.store().InForce(id)
		s.hold(m.in, receipt, err, id == "", n, stats.Expired[id])
		switch {
		case err != nil:
		case receipt.Local:
			s.Queue.Local += n
		case !terms.SameReceiver(receipt.Terms):
			s.Queue.Elsewhere += n
		}
	}
	if err != nil {
		s.QueueUnknown, s.Queue, s.Held = true, QueueStatus{}, nil // a part would look like the whole
		return fmt.Errorf("the queue cannot be read: %w", err)
	}
	if len(stats.Distrusted) > 0 {
		return fmt.Errorf("the queue has files that are not private and plain, which are left alone: %s", strings.Join(stats.Distrusted, ", "))
	}
	if stats.Damaged > 0 {
		lines, them := "1 line", "it"
		if stats.Damaged > 1 {
			lines, them = fmt.Sprintf("%d lines", stats.Damaged), "them"
		}
		return fmt.Errorf("%s of the queue cannot be read; the next upload sets %s aside", lines, them)
	}
	return nil
}

// lookAtDelivery reads what the deliveries noted.
func (m *Manager) lookAtDelivery(s *Status) {
	notes := delivery.ReadNotes(m.in.dir)
	s.LastDelivered, s.LastAttempt, s.WaitUntil = notes.LastDelivered, notes.LastAttempt, notes.WaitUntil
	s.NextUpload = delivery.NextAt(m.in.dir)
	if !delivery.FoldsDue(m.in.dir, s.At) {
		s.NextFolded = delivery.NextFolds(m.in.dir)
	}
	s.Delivered, s.Stayed, s.Lost, s.Warned = notes.Delivered, notes.Stayed, notes.Lost, notes.Warned
	s.Unnoted = notes.Unnoted
	s.Refusal, s.RefusedAt = notes.Refusal, notes.RefusedAt
	s.Paced, s.PacedUntil = notes.Paced, notes.PacedUntil
	s.Underway = notes.Unfinished() && s.At.Sub(notes.LastAttempt) < backgroundLimit && delivery.MayBeUnderway(m.in.dir)
	s.CutOff = notes.Unfinished() && !s.Underway
	s.Problem, s.Left, s.Background = notes.Problem, notes.Left, background{m.in}.problem()
	for reason, n := range spool.Losses(m.in.dir) {
		if _, again := spool.ReportedAgain(reason); !again {
			s.Lost[reason] += n
		}
	}
	m.lookFurther(s, notes)
}

// Identity returns the variable that hands this installation's machine ID to another one of
// the same person, such as a container, and its value. That is a secret: who has it can have
// everything deleted that was sent under the ID. The error says that there is no ID yet.
func (m *Manager) Identity() (variable, value string, err error) {
	i := identifier{m.in}
	if err := ignoreMissing(m.mayLook()); err != nil {
		return "", "", err
	}
	key, _, err := i.current()
	if err != nil {
		return "", "", err
	}
	return i.variable(), key.Hex(), nil
}

// Writable returns why an answer could not be stored, without trying: a home that is
// read-only or, as under sudo, another user's.
func (m *Manager) Writable() error {
	if m.in.dirErr != nil {
		return m.in.dirErr
	}
	return m.in.dir.Writable()
}

// Stored returns the person's stored answer, for Answer.
func (m *Manager) Stored() consent.Stored {
	if m.in.dirErr != nil {
		return consent.Stored{Err: m.in.dirErr, Unseen: true}
	}
	return m.in.store().Load()
}

// NoteUnanswered notes that the question was put and not answered; see Unanswered.
func (m *Manager) NoteUnanswered() error {
	if m.in.dirErr != nil {
		return m.in.dirErr
	}
	return m.in.store().NoteUnanswered(m.in.terms(), m.in.now())
}

// Unanswered returns when the question was put and not answered. ok is false where it
// was not, or where what would be collected is other than it was then.
func (m *Manager) Unanswered() (at time.Time, ok bool) {
	if m.in.dirErr != nil {
		return time.Time{}, false
	}
	return m.in.store().Unanswered(m.in.terms())
}

// NoteTold notes that the person was told that consent.GeneralVariable, which they may
// have set for another product, turned the tool's telemetry on. shown is the text.
func (m *Manager) NoteTold(shown string) error {
	if m.in.dirErr != nil {
		return m.in.dirErr
	}
	return m.in.store().NoteTold(m.in.decide(), m.in.terms(), shown, m.in.now())
}

// Told reports whether NoteTold was called and what is collected is as it was then.
func (m *Manager) Told() bool {
	return m.in.dirErr == nil && m.in.store().Told(m.in.terms())
}

// Answer stores what the person said after having been shown the notice. seen is what
// Stored returned before that: if another process stored an answer meanwhile, a yes is
// not stored and the error is ErrChanged. A no always is, and erases what waits. shown is
// what the person was shown, the whole text of it: see Decisions. Where the last Decision or
// Status found that everything stays on this machine, that was shown, and a yes is stored as
// one to this machine alone.
func (m *Manager) Answer(answer consent.Answer, seen consent.Stored, shown string) error {
	return m.answer(answer, consent.SourceQuestion, seen, shown)
}

func (m *Manager) answer(answer consent.Answer, by consent.Source, seen consent.Stored, shown string) error {
	in := m.in
	if in.dirErr != nil {
		return in.dirErr
	}
	if answer == consent.AnswerNo {
		_, _, err := m.no(by, shown)
		return err
	}
	if seen.Answer == consent.AnswerNo || seen.Err != nil {
		// What an older version recorded before a no has no receipt that could have ended.
		if _, err := in.store().WhileNo(false, func() error { _, err := in.eraseWaiting(); return err }); err != nil {
			return err
		}
	}
	said := consent.Past{At: in.now(), Decided: answer, By: by, Shown: shown, Terms: in.terms()}
	if by := in.keptBy(); by != "" && answer == consent.AnswerYes {
		said.Decided, said.RestrictedBy = consent.AnswerLocal, by // no other receiver was shown
	}
	if err := in.store().Yes(said, seen); err != nil {
		return err
	}
	_, err := identifier{in}.identify()
	return err
}

// Enable stores a yes, as Answer does; local restricts it to this machine. shown is what the person was shown
// before that, "" if nothing was.
func (m *Manager) Enable(local bool, shown string) error {
	answer := consent.AnswerYes
	if local {
		answer = consent.AnswerLocal
	}
	return m.answer(answer, consent.SourceCommand, m.Stored(), shown)
}

// DisableReport is what Disable did.
type DisableReport struct {
	// Off says that the no stands.
	Off bool
	// Erased is how many events were still waiting, and are gone, but for those of a batch that
	// was on its way and has arrived: these are Arrived.
	Erased, Arrived int
	// NotErased is how many events wait on, because they could not be erased. They are not sent.
	NotErased int
	// Sending says that a batch was on its way when the no was stored, and that its end was
	// not seen within three seconds: it may still arrive, and nothing after it.
	Sending bool
}

// Disable stores a no, erases what waits, and gives a batch that is on its way three
// seconds to arrive. An error may come with a no that stands: then something could not be
// erased.
func (m *Manager) Disable(ctx context.Context) (DisableReport, error) {
	if m.in.dirErr != nil {
		return DisableReport{}, m.in.dirErr
	}
	copying := m.in.copying()
	erased, before, err := m.no(consent.SourceCommand, "")
	report := DisableReport{Off: m.Stored().Answer == consent.AnswerNo}
	// With a no, no process begins to send after one has looked.
	report.Sending = delivery.Quiesce(ctx, m.in.dir) && !(copying && !delivery.ReadNotes(m.in.dir).Unfinished())
	report.Arrived = min(max(delivery.ReadNotes(m.in.dir).Delivered-before, 0), erased)
	report.Erased = erased - report.Arrived
	if err != nil {
		report.NotErased = m.in.waiting()
	}
	return report, err
}

// no stores a no and erases what waits.
// delivered is how many events had arrived at any time when they were.
func (m *Manager) no(by consent.Source, shown string) (erased, delivered int, err error) {
	in := m.in
	if err := ignoreMissing(m.mayLook()); err != nil {
		return 0, 0, err // what is in a directory that cannot be trusted is not erased
	}
	terms := in.terms()
	erase := func() (err error) {
		delivered = delivery.ReadNotes(in.dir).Delivered
		erased, err = in.eraseWaiting()
		return err
	}
	storeErr := in.store().No(by, shown, terms, in.now())
	if storeErr == nil {
		if locked, err := in.store().WhileNo(false, erase); locked {
			return erased, delivered, err
		}
	}
	err = erase() // also where the no is not stored: there may be room for it now
	if storeErr != nil {
		storeErr = in.store().No(by, shown, terms, in.now())
	}
	return erased, delivered, errors.Join(storeErr, err)
}

// FlushReport is what Flush did.
type FlushReport struct {
	// Sent is how many events were taken by the receiver, Stayed how many were put into the
	// log on this machine, Kept how many still wait, Lost how many were given up, Running how
	// many commands hold events that they are still writing. Reports is how many of those that are
	// kept are reports of what this run gave up.
	Sent, Stayed, Kept, Lost, Running, Reports int
	// LostBy counts those that were given up by reason.
	LostBy map[string]int
	// Refusal is why the receiver refused events for good, "" where it refused none. Unreported
	// is how many reports of earlier losses it refused: these are not counted as lost, and not
	// made again.
	Refusal    string
	Unreported int
	// Warned counts, by the names of BackendInfo.Warnings, the warnings with which the receiver
	// took events.
	Warned map[string]int
	// Paced is how many events a minute go to the receiver at most, where that is why some of
	// those that are kept were not sent, and PacedUntil when more go. Zero where it is not.
	Paced      int
	PacedUntil time.Time
	// Left says why some of those that are kept are not for this run to send.
	Left string
}

// Flush sends everything that waits, now, and tells progress how far it is. The error
// says what stopped it, and wraps ErrOff, ErrBusy or ErrWait where one of them did.
func (m *Manager) Flush(ctx context.Context, progress func(done, total int)) (FlushReport, error) {
	if err := ignoreMissing(m.mayLook()); err != nil {
		return FlushReport{}, err
	}
	if err := m.in.check(); err != nil {
		return FlushReport{}, err
	}
	r, err := (&uploader{installation: m.in}).flush(ctx, progress)
	report := FlushReport{Sent: r.Sent - r.Stayed, Stayed: r.Stayed, Kept: r.Kept, Reports: r.Reports, Running: r.Busy, LostBy: r.Lost, Left: r.Left,
		Refusal: r.Refusal, Unreported: r.Unreported, Warned: r.Warned, Paced: r.Paced, PacedUntil: r.PacedUntil}
	for _, n := range r.Lost {
		report.Lost += n
	}
	return report, err
}

// Upload is Flush for a background process: it waits for no other process and says nothing. It
// makes the deletion requests that are due as well.
func (m *Manager) Upload(ctx context.Context) error {
	in := m.in
	if err := ignoreMissing(m.mayLook()); err != nil {
		return err
	}
	if isBackground(in) {
		runBackground(in)
	}
	if err := in.check(); err != nil {
		return err
	}
	var deleting error
	if in.outbox().Pending() {
		deleting = (&deleter{installation: in}).work(ctx, false, nil)
	}
	_, err := (&uploader{installation: in}).flush(ctx, nil)
	return errors.Join(deleting, err)
}

// Deletion is one deletion request and how far it came: everything that was sent under one
// machine ID.
type Deletion struct {
	MachineID string
	// State is Requested as long as no receiver is known to have the request.
	State deletion.State
	// Reached is when each state was reached, Requested included.
	Reached map[deletion.State]time.Time
	// Receipt is what the other side answered last.
	Receipt deletion.Receipt
	// Held says that no receiver may be asked now: for the administrator's policy, or because this
	// build can contact no host. Problem says it in words. Trying again helps when that changes.
	Held bool
	// Receiver is who has taken it, where that is who events were sent to: the last one, if they
	// were several.
	Receiver string
	// NotDeletable is how many of the events the receiver had taken with a warning that it may
	// not find them again, so that the request may not reach them. It counts those of all IDs
	// that were given up by the same reset, and is 0 once it is verified that nothing is left.
	NotDeletable int
	// Problem is what went wrong the last time, empty if nothing did. Attempts counts such
	// failures in a row.
	Problem  string
	Attempts int
	// Next is when it is looked at again by itself, in the background of a later command.
	// Zero means never: it is finished, or a person has to do something.
	Next time.Time
}

// Open reports whether the request is not known to have been handed over.
func (e Deletion) Open() bool { return e.State == deletion.Requested || e.State == deletion.Refused }

// Partly reports whether somebody has taken a request that is Open, because others have not:
// Receipt is then what was answered by who has, and its Parts by whom of several.
func (e Deletion) Partly() bool {
	took := func(r deletion.Receipt) bool {
		return r.State != "" && r.State != deletion.Requested && r.State != deletion.Refused
	}
	// What one of them has reached is not what the request as a whole has.
	return e.Open() && (took(e.Receipt) && e.Reached[e.Receipt.State].IsZero() || slices.ContainsFunc(e.Receipt.Parts, took))
}

// ResetReport is what Reset did.
type ResetReport struct {
	// Erased, Arrived, NotErased and Sending are as in DisableReport. What is still on its way may
	// arrive after the request for its deletion.
	Erased, Arrived, NotErased int
	Sending                    bool
	// LogErased is how many requests the log of what was sent held that is erased, and
	// DecisionsErased how many decisions the history did. The no of this reset begins a new one.
	LogErased, DecisionsErased int
	// LocalErased is how many events had stayed on this machine, in a log that is erased.
	LocalErased int
	// Off says that the no is stored.
	Off bool
	// Unknown names the files with identities that could not be read. Whether anything was
	// sent under them is not known here, and only a person can ask for its deletion, with the
	// file.
	Unknown []string
	// Lost says that something was sent under an identity that is not here any more, so that nobody
	// could be asked to delete it. LostIDs are the machine IDs of such, as far as the log of what was
	// sent named them: only a person can ask, naming these.
	Lost    bool
	LostIDs []string
	// Variable names the variable that still hands over an identity which is being deleted, ""
	// where none does.
	Variable string
	// Requests are those of this reset and those from before that were not finished. None
	// means that nothing was ever sent from here.
	Requests []Deletion
}

// Reset forgets this installation: it turns telemetry off, erases what waits, what was
// logged here and the history of decisions but for this no, and retires the identity, so that a later yes gets a new one. For
// every identity under which something was sent it stores a deletion request, and tries
// at once to hand it over, telling progress how far it is. A request stays until the data
// is known to be gone; later commands make it again in the background.
//
// The error is of this machine: a disk, a lock. What the other side said is in Requests.
func (m *Manager) Reset(ctx context.Context, progress func(done, total int)) (ResetReport, error) {
	in := m.in
	var report ResetReport
	if err := m.mayLook(); err != nil {
		return report, ignoreMissing(err) // which is where nothing was ever stored
	}
	copying := in.copying() && !delivery.ReadNotes(in.dir).Unfinished()
	decisions, _ := m.Decisions()
	erased, before, err := m.no(consent.SourceCommand, "")
	report.Erased, report.Off = erased, m.Stored().Answer == consent.AnswerNo
	if !report.Off {
		if err == nil {
			err = ErrChanged // to a yes, by another process
		}
		return report, fmt.Errorf("turning telemetry off: %w", err)
	}
	log, _ := m.Sent(time.Time{})
	report.LostIDs, report.Lost = identifier{in}.lost(log.Deliveries)
	delivered, retired := identifier{in}.retire()
	history := in.store().BeginHistory()
	if history == nil {
		report.DecisionsErased = len(decisions.List) + decisions.Cut
	}
	err = errors.Join(err, in.forget(&report.LocalErased), retired, history)
	// What is under way arrives before the request does, as far as that is in our hands, and
	// leaves its notes and what it logged here.
	busy := delivery.Quiesce(ctx, in.dir)
	report.Sending = busy && !copying
	delivered = max(delivered, delivery.ReadNotes(in.dir).Delivered) // by a sender that came after
	report.Arrived = min(max(delivered-before, 0), erased)
	report.Erased -= report.Arrived
	e := &deleter{installation: in, late: in.notDeletable()}
	if retired == nil { // else the next reset needs the notes
		if busy {
			err = errors.Join(err, delivery.Disown(in.dir)) // or what is erased here would be there again
		}
		err = errors.Join(err, delivery.Forget(in.dir))
	}
	log, _ = m.Sent(time.Time{})
	logErr := in.forgetSent()
	if logErr == nil {
		report.LogErased = len(log.Deliveries)
	}
	err = errors.Join(err, in.forget(&report.LocalErased), logErr, in.forgetDamaged(), e.work(ctx, true, progress))
	in.dir.RemoveTemp()
	report.Unknown = identifier{in}.stored().Lost()
	if err != nil {
		report.NotErased = in.waiting()
	}
	if given, set, err := (identifier{in}).given(); set && err == nil && in.outbox().Has(given.MachineID()) {
		report.Variable = identifier{in}.variable()
	}
	all, readErr := m.Deletions()
	for _, e := range all {
		if e.State != deletion.Verified || e.Reached[deletion.Verified].After(in.now().Add(-time.Minute)) {
			report.Requests = append(report.Requests, e)
		}
	}
	return report, errors.Join(err, readErr)
}

// Resume takes every unfinished deletion request a step further, whatever its time, and
// returns all requests. The error is of this machine.
func (m *Manager) Resume(ctx context.Context, progress func(done, total int)) ([]Deletion, error) {
	if err := m.mayLook(); err != nil {
		return nil, ignoreMissing(err)
	}
	err := (&deleter{installation: m.in}).work(ctx, true, progress)
	all, readErr := m.Deletions()
	return all, errors.Join(err, readErr)
}

// Deletions returns the deletion requests that were made from here, oldest first. It
// changes nothing.
func (m *Manager) Deletions() ([]Deletion, error) {
	if err := m.mayLook(); err != nil {
		return nil, ignoreMissing(err)
	}
	entries, err := m.in.outbox().Entries()
	if len(entries) == 0 {
		return nil, err
	}
	run := (&deleter{installation: m.in}).run()
	var list []Deletion
	for _, e := range entries {
		isOpen := e.State == deletion.Requested || e.State == deletion.Refused
		list = append(list, Deletion{
			MachineID: e.MachineID, State: e.State, Held: isOpen && run.Held != "" && !e.IsFor(run), Receiver: e.Taken, NotDeletable: e.NotDeletable, Reached: maps.Clone(e.Reached), Receipt: e.Receipt,
			Problem: e.Problem, Attempts: e.Attempts, Next: e.Next,
		})
	}
	return list, err
}

// ReceiverAfter returns where events would go after a yes, with local after one for this
// machine only, as far as nothing else says no; and the file for what stays on this machine, ""
// where they would not go there.
func (m *Manager) ReceiverAfter(local bool) (receiver props.BackendInfo, log string) {
	if d := m.in.decide(); local || d.KeptBy() != "" {
		return localLog().info(), m.in.localLogPath()
	}
	return m.backend(consent.Decision{}), ""
}

// localLogPath is the file for what stays on this machine, whether there is one or not.
func (in *installation) localLogPath() string {
	return in.dir.Join(filepath.Join(localDir, file.LogName))
}
