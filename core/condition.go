package core

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/core/props"
)

// Condition is what is in the way of an installation, beside what was decided. Status has it.
type Condition struct {
	// Declared is who gets what is to be sent, also where everything stays on this machine now:
	// what was delivered went there, as far as the declaration is what it was.
	Declared props.BackendInfo
	// SentTo names the receivers that something was sent to since the last reset, or may have been.
	SentTo []string
	// SentHere says that Declared is among them, SentElsewhere that others are.
	SentHere, SentElsewhere bool
	// Blocked says why nothing is recorded although the decision is yes. It is one of Faults, and
	// empty where something is recorded, and where the tool only names no receiver.
	Blocked string
	// Unstored says that nothing can be stored, so that each command sends what it records by
	// itself, in one attempt, and loses it if that fails.
	Unstored bool
	// NotAllStored says why some of what is recorded may not be stored, and lost. It is one of
	// Faults, and empty where all or nothing is recorded.
	NotAllStored string
	// Unseen says that the state directory cannot be used, so that nothing is known of what is in
	// it. MachineIDUnknown says that no machine ID is not that there is none, RequestsUnknown that
	// there may be more deletion requests.
	Unseen, MachineIDUnknown, RequestsUnknown bool
	// Nowhere says that there is no state directory and none can be made: no home is set, or one that is
	// none.
	Nowhere bool
	// Unnoted is how many of Status.Delivered could not be noted with all that is noted of a
	// delivery, such as its time. Uncounted says that nothing can be noted at the moment, so that
	// there may be more.
	Unnoted   int
	Uncounted bool
	// QueueUnknown says that what waits cannot be counted, DeliveriesUnknown that what was
	// delivered and lost cannot.
	QueueUnknown, DeliveriesUnknown bool
	// DeliveriesGone says that the notes of deliveries were removed, by somebody, or damaged since the last reset.
	// What was delivered and lost before that is not counted.
	DeliveriesGone bool
	// Failures is how many attempts failed since the last one that did not.
	Failures int
	// Reported counts, by reason, those of Status.Lost that the receiver was told of.
	Reported map[string]int
	// Held is what of the queue must not be sent as things are now, and why.
	Held []Held
	// Running is how many slots of the queue commands hold that still run, and RunningEvents how
	// many events wait there for them to end. Where Uploading is set an upload is under way, and it
	// may be that which holds them.
	Running, RunningEvents int
	Uploading              bool
	// Inside says why commands send by themselves, which they do for at most a second, instead of
	// leaving it to a background process. Empty where they leave it to one.
	Inside Inside
	// ClockBehind is the latest time that was noted here and is still to come: the clock was ahead
	// then, or is behind now. Zero where there is none.
	ClockBehind time.Time
}

// Held are events that wait for more than their turn.
type Held struct {
	Why    HeldReason
	Events int
	// Receiver is whom they were recorded for, and Instead whom this run of the tool sends to, or
	// would after a yes, where Why is HeldElsewhere.
	Receiver, Instead string
}

// HeldReason is why events must not be sent as things are now.
type HeldReason string

// The reasons.
const (
	// HeldOff: telemetry is off.
	HeldOff HeldReason = "off"
	// HeldLocalOnly: they were recorded to be sent, and now everything stays on this machine.
	HeldLocalOnly HeldReason = "local_only"
	// HeldElsewhere: they were recorded for another receiver.
	HeldElsewhere HeldReason = "elsewhere"
	// HeldOlder: an older version recorded them, and the person was not asked since.
	HeldOlder HeldReason = "older"
	// HeldDamaged: their receipt is damaged. The next delivery gives them up.
	HeldDamaged HeldReason = "damaged"
	// HeldDistrusted: others may write to the file that they are in, or it is another user's.
	HeldDistrusted HeldReason = "distrusted"
	// HeldWithdrawn: the yes that they were recorded under no longer holds. The next delivery gives
	// them up.
	HeldWithdrawn HeldReason = "withdrawn"
	// HeldExpired: they are older than the author lets events wait. The next delivery gives them
	// up.
	HeldExpired HeldReason = "expired"
)

// Inside is why commands send by themselves.
type Inside string

// The reasons.
const (
	// InsideCI: a job of continuous integration ends with what it started.
	InsideCI Inside = "ci"
	// InsideTest: a test binary starts no copy of the tests.
	InsideTest Inside = "test"
	// InsideShortLived: what a command starts ends with it, as in a container.
	InsideShortLived Inside = "short_lived"
	// InsideNoProgram: the program cannot find out where it lies.
	InsideNoProgram Inside = "no_program"
	// InsideDeclaration: what the background process has to know of the receiver is too long to
	// be handed over.
	InsideDeclaration Inside = "declaration"
	// InsideFailures: background processes have failed; see Status.Background.
	InsideFailures Inside = "failures"
)

// clockSlack is how far two clocks may differ without anybody noticing: those of this machine
// and of the server that keeps its files.
const clockSlack = time.Minute

// block notes why nothing is recorded, if it would be otherwise.
func (s *Status) block(err error) {
	if err == nil || !s.Decision.Enabled || s.Blocked != "" {
		return
	}
	s.Recording, s.Blocked = false, err.Error()
}

// nothingSeen notes that the state directory cannot be used.
func (s *Status) nothingSeen() {
	s.QueueUnknown, s.DeliveriesUnknown, s.Unseen, s.MachineIDUnknown, s.RequestsUnknown = true, true, true, true, true
}

// lookAtStorage finds out what becomes of an event that a command records now, and returns what
// is in the way. A directory that takes no new file may have a queue that takes events.
func (m *Manager) lookAtStorage(s *Status) error {
	in := m.in
	err := in.dir.Probe()
	s.Uncounted = err != nil
	// Without a receipt that is stored there already nothing is recorded before one is.
	receipt, known := in.store().Known(s.Decision, in.terms())
	may := err == nil || known && in.store().Holds(receipt.ID)
	if may {
		var queue error
		if may, queue = in.queue().Probe(receipt.ID); err == nil || !may {
			err = queue
		}
	}
	switch {
	case err == nil:
		return nil
	case may && s.Recording:
		err = fmt.Errorf("not everything can be stored in the state directory: %w", err)
		s.NotAllStored = err.Error()
	default:
		err = fmt.Errorf("nothing can be stored in the state directory: %w", err)
		s.cannotStore(in, err)
	}
	return err
}

// cannotStore notes what becomes of events where the disk does not take them.
func (s *Status) cannotStore(in *installation, err error) {
	if err == nil {
		return
	}
	s.Unstored = s.Recording && !s.Decision.LocalOnly && background{in}.inside() != ""
	s.Log.Unlogged = s.Unstored && in.unlogged()
	if s.Recording && !s.Unstored {
		s.block(err)
	}
}

// hold notes what must wait of the events that were recorded under a receipt. It follows
// uploader.route, and opens nothing. So many of the events as expired are too old.
func (s *Status) hold(in *installation, receipt consent.Receipt, err error, legacy bool, events, expired int) {
	if !errors.Is(err, consent.ErrRetired) && !errors.Is(err, state.ErrCorrupt) { // as all of it is dropped then
		s.addHeld(Held{Why: HeldExpired, Events: expired})
		events -= expired
	}
	add := func(why HeldReason) { s.addHeld(Held{Why: why, Events: events}) }
	d := s.Decision
	switch {
	case !d.Enabled && !(d.Undecided && len(d.Beyond) > 0):
		add(HeldOff)
	case legacy && !d.Enabled:
		add(HeldOlder)
	case legacy:
	case errors.Is(err, consent.ErrRetired):
		add(HeldWithdrawn)
	case errors.Is(err, state.ErrCorrupt):
		add(HeldDamaged)
	case err != nil, receipt.Local:
	case d.LocalOnly:
		add(HeldLocalOnly)
	case !in.terms().SameReceiver(receipt.Terms):
		now, then := in.terms(), receipt.Terms
		s.addHeld(Held{HeldElsewhere, events, then.ReceiverBeside(now), now.ReceiverBeside(then)})
	}
}

func (s *Status) addHeld(h Held) {
	if h.Events == 0 {
		return
	}
	for i := range s.Held {
		if s.Held[i].Why == h.Why && s.Held[i].Receiver == h.Receiver {
			s.Held[i].Events += h.Events
			return
		}
	}
	s.Held = append(s.Held, h)
}

// lookFurther fills in the rest of the condition, from what the deliveries noted.
func (m *Manager) lookFurther(s *Status, notes delivery.Notes) {
	in := m.in
	own := in.terms().Receiver()
	s.SentTo = identifier{in}.stored().Receivers(own)
	s.SentHere = slices.Contains(s.SentTo, own)
	s.SentElsewhere = slices.ContainsFunc(s.SentTo, func(name string) bool { return name != own })
	s.Failures, s.Reported, s.DeliveriesGone = notes.Failures, notes.Reported, notes.Gone
	s.Running, s.RunningEvents = in.queue().Held()
	if s.Running > 0 {
		if s.Uploading = delivery.MayBeUnderway(in.dir); !s.Uploading {
			s.Running, s.RunningEvents = in.queue().Held() // not by an upload that ended at this moment
		}
	}
	b := background{in}
	s.Inside = b.inside()
	if s.Background == "" && s.Recording && !s.Backend.Local {
		s.Background = b.foundOff(s.Decision.Since)
	}
	// Times that are further away than any that we set are not kept to.
	if delivery.Due(in.dir, s.At) && s.NextUpload.After(s.At) {
		s.NextUpload = time.Time{}
	}
	if !notes.Waits(s.At) {
		s.WaitUntil = time.Time{}
	}
	if !notes.Paces(s.At) {
		s.Paced, s.PacedUntil = 0, time.Time{}
	}
	for _, noted := range []time.Time{s.Decision.Stored.At, notes.LastAttempt, notes.LastDelivered, b.readNotes().began} {
		if noted.After(s.At.Add(clockSlack)) && noted.After(s.ClockBehind) {
			s.ClockBehind = noted
		}
	}
}
