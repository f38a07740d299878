package core

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/identity"
	"github.com/gotoolbase/telemetry/core/internal/record"
	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/core/props"
)

const (
	// inlineBudget is what an upload may cost a command that cannot leave it to a
	// background process.
	inlineBudget = time.Second
	// inlineInterval is the time between two such uploads: what a job records goes out while
	// the job runs, and not with each command.
	inlineInterval = time.Minute
	// longRun is when a command counts as one that runs for long and uploads from inside.
	longRun = 30 * time.Second
)

// ErrWait is returned, wrapped with the time, by Flush where the last answer called for a pause
// that is not over: the receiver asked for one, or what it refused has to be mended first.
var ErrWait = errors.New("after the last answer, the receiver is not called yet")

// uploader delivers what waits, once. It opens what it needs when it is needed.
type uploader struct {
	*installation
	inside    bool // a command that is about to end: it keeps its own interval
	daily     bool // what is folded waits for its day to be over, if that had its delivery
	decision  consent.Decision
	own       selection // the receiver that this process declares
	ownErr    error
	givenUp   func(event driver.Event, reason string)
	backends  []driver.Backend // opened, to be closed
	remote    driver.Backend
	local     driver.Backend
	machineID string
}

// afterRecording has what was recorded sent: by a background process or, where that would
// end with this one, right here. What was recorded may wait until folded events are due.
func (u *uploader) afterRecording(ctx context.Context, localOnly, mayWait, owed bool) error {
	local := localOnly
	if !localOnly {
		own, err := u.selectBackend()
		if err != nil {
			return err
		}
		local = own.driver.Local
	}
	due := delivery.Due(u.dir, u.now()) && (!mayWait || delivery.FoldsDue(u.dir, u.now()))
	b := background{u.installation}
	switch {
	case local, due && b.vanishes():
		ctx, cancel := context.WithTimeout(ctx, inlineBudget)
		defer cancel()
		if owed {
			_ = u.deleteSoon(ctx) // what goes wrong with it is for status to tell
		}
		return within(ctx, inlineBudget, u.sendInside)
	case due:
		// Until the background process sets the time itself, no other command starts one.
		delivery.Postpone(u.dir, u.now().Add(backgroundLimit))
		return b.start()
	case owed:
		return u.deleteSoon(ctx)
	}
	return nil
}

// sendInside is send for a command that is about to end.
func (u *uploader) sendInside(ctx context.Context) error {
	u.inside = true
	_, err := u.send(ctx, nil, 0)
	switch {
	case errors.Is(err, state.ErrBusy): // what we recorded waits for the next delivery
		return nil
	case errors.Is(err, delivery.ErrNotAllowed):
		return nil
	}
	return err
}

// unstoredBudget is what sending from memory may cost a command. It is less than
// inlineBudget, because where nothing can be stored no pause can be noted either: a network
// that swallows everything costs each command that much.
const unstoredBudget = 300 * time.Millisecond

// sendUnstored makes one attempt to send events that are in memory only, and reports
// whether they were accepted.
func (u *uploader) sendUnstored(ctx context.Context, lines [][]byte) bool {
	own, err := u.selectBackend()
	if err != nil {
		return false
	}
	_ = u.dir.Create() // for the receipt and the log: there may be room for them by now
	receipt, err := u.receiptInMemory()
	if err != nil {
		return false
	}
	events := make([]driver.Event, 0, len(lines))
	for _, line := range lines {
		if event, err := record.Parse(bytes.TrimSuffix(line, []byte{'\n'})); err == nil {
			event.ConsentID, event.MachineID, event.OSVersion = receipt, u.keptMachineID(), identity.OSVersion()
			events = append(events, event)
		}
	}
	answer := u.store().Load()
	open := func() (driver.Backend, error) {
		if decision := u.decide(); !decision.Enabled || decision.LocalOnly || !sameAnswer(decision.Stored, answer) {
			return nil, delivery.ErrNotAllowed
		}
		return own.open(u.installation)
	}
	return driver.Classify(within(ctx, unstoredBudget, func(ctx context.Context) error {
		_, err := delivery.Unqueued(ctx, u.dir, u.now, events, own.driver, open)
		return err
	})) == driver.ClassAccepted
}

// receiptInMemory is the ID of a receipt that a person finds: the one to record under, that of
// the same decision before, or that of the stored answer. It is a new one for a decision that
// nothing could be stored of.
func (u *uploader) receiptInMemory() (string, error) {
	d := u.decide()
	if !d.Enabled {
		return "", delivery.ErrNotAllowed
	}
	receipt, err := u.store().Record(d, u.terms(), u.now())
	switch {
	case err == nil:
		return receipt.ID, nil
	case errors.Is(err, consent.ErrRetired):
		return "", delivery.ErrNotAllowed
	}
	if receipt, known := u.store().Known(d, u.terms()); known {
		return receipt.ID, nil
	}
	if d.Stored.Receipt != "" && len(d.Beyond) == 0 {
		return d.Stored.Receipt, nil
	}
	return consent.NewReceiptID()
}

// keptMachineID is the pseudonym in use if it is stored and known to be used. Under one
// that nothing keeps, no person could have anything deleted: such events have none.
func (u *uploader) keptMachineID() string {
	key, used, err := identifier{u.installation}.current()
	if err != nil || !used {
		return ""
	}
	return key.MachineID()
}

// deleteSoon makes the deletion requests that are due, where there are no events to go
// with them: telemetry may be off, the person's request is made all the same.
func (u *uploader) deleteSoon(ctx context.Context) error {
	b := background{u.installation}
	if b.vanishes() {
		return within(ctx, inlineBudget, func(ctx context.Context) error {
			return (&deleter{installation: u.installation}).work(ctx, false, nil)
		})
	}
	if err := u.outbox().Postpone(u.now().Add(backgroundLimit)); err != nil {
		return err
	}
	return b.start()
}

// within runs work and returns when it is done or the budget is spent, whichever comes
// first: also if a backend does not heed its context. That ends a tenth early, so that
// there is time to note how it went: what is not noted looks as if it were still under way.
func within(ctx context.Context, budget time.Duration, work func(context.Context) error) error {
	toNote := budget / 10
	ctx, cancel := context.WithTimeout(ctx, budget-toNote)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- work(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(toNote):
		return ctx.Err()
	}
}

// send delivers what waits, once. It returns state.ErrBusy where another process is
// doing so and did not end within wait.
func (u *uploader) send(ctx context.Context, progress func(done, total int), wait time.Duration) (delivery.Report, error) {
	u.decision = u.decide()
	// Where the tool declares more than the person said yes to, what was recorded under that
	// yes may still go where it said.
	if !u.decision.Enabled && !(u.decision.Undecided && len(u.decision.Beyond) > 0) {
		return delivery.Report{}, delivery.ErrNotAllowed
	}
	if errors.Is(u.dir.Check(), fs.ErrNotExist) {
		return delivery.Report{}, nil // nothing was ever recorded here
	}
	defer u.close()
	u.own, u.ownErr = u.selectBackend()
	interval := u.interval()
	pause := time.Duration(0)
	if u.inside {
		interval, pause = min(interval, inlineInterval), inlineInterval
	}
	sender := u.sender(progress)
	sender.Interval, sender.Pause = interval, pause
	report, err := sender.Run(ctx, wait)
	if err == nil {
		u.store().Prune(sender.Queue.Holds)
	}
	return report, err
}

// sender is what delivers, where each slot goes on the route that its receipt says.
func (u *uploader) sender(progress func(done, total int)) delivery.Sender {
	return delivery.Sender{
		Dir:         u.dir,
		Queue:       u.queue(),
		Route:       u.route,
		AtMostOnce:  u.tool.Telemetry.DeliveryMode == props.DeliveryAtMostOnce,
		OSVersion:   identity.OSVersion(),
		Now:         u.now,
		ReportUnder: u.reportUnder,
		Erase:       u.eraseWithdrawn,
		Daily:       u.daily,
		GivenUp:     u.givenUp,
		Progress:    progress,
	}
}

// reportUnder returns the receipt of what would be recorded now, "" where that would go to
// nobody.
func (u *uploader) reportUnder() string {
	if !u.decision.Enabled || u.decision.LocalOnly || u.ownErr != nil || u.own.driver.Local {
		return ""
	}
	receipt, err := u.store().Record(u.decision, u.terms(), u.now())
	if err != nil {
		return ""
	}
	return receipt.ID
}

// eraseWithdrawn erases what waits, unless there is a yes again.
func (u *uploader) eraseWithdrawn() error {
	_, err := u.store().WhileNo(false, func() error { _, err := u.eraseWaiting(); return err })
	return err
}

// flush is send for a person who waits: not before a pause is over that the last answer called for.
func (u *uploader) flush(ctx context.Context, progress func(done, total int)) (delivery.Report, error) {
	if notes := delivery.ReadNotes(u.dir); notes.Waits(u.now()) {
		return delivery.Report{WaitUntil: notes.WaitUntil}, fmt.Errorf("%w, until %s", ErrWait, notes.WaitUntil.Local().Format(time.DateTime+" MST"))
	}
	const patience = 10 * time.Second // a background process is at it and will be done
	return u.send(ctx, progress, patience)
}

func (u *uploader) close() {
	for _, b := range u.backends {
		b.Close()
	}
}

// route tells what may be done with what was recorded under a receipt: it goes where that
// says and the present answer still allows, or it waits.
func (u *uploader) route(id string) (delivery.Route, error) {
	receipt, err := u.receipt(id)
	switch {
	case errors.Is(err, consent.ErrRetired):
		return delivery.Route{Drop: spool.LossWithdrawn}, nil
	case errors.Is(err, state.ErrCorrupt):
		return delivery.Route{Drop: spool.LossUnreadable}, nil
	case errors.Is(err, delivery.ErrNotAllowed):
		return delivery.Route{Keep: "recorded by an older version, and nobody was asked since"}, nil
	case err != nil:
		return delivery.Route{}, err
	}
	route := delivery.Route{Local: true, Receipt: receipt.ID, Since: receipt.At, Allowed: func() error { return u.allowed(receipt) }}
	if route.MachineID, err = u.identifyOnce(); err != nil {
		return delivery.Route{}, err
	}
	if receipt.Local {
		route.Stays = true
		route.Backend, err = u.open(&u.local, localLog())
		return route, err
	}
	if u.decision.LocalOnly {
		return delivery.Route{Keep: "recorded to be sent, and now everything stays on this machine"}, nil
	}
	if u.ownErr != nil {
		return delivery.Route{}, u.ownErr
	}
	if now, then := u.terms(), receipt.Terms; !now.SameReceiver(then) {
		sends := "sends"
		if !u.decision.Enabled { // the person has not said yes to that receiver
			sends = "would send"
		}
		keep := fmt.Sprintf("recorded for %s, and this run of %s %s to %s: ", then.ReceiverBeside(now), u.tool.Name, sends, now.ReceiverBeside(then))
		if now.Pinned || then.Pinned {
			return delivery.Route{Keep: keep + "it waits until the administrator's policy changes"}, nil
		}
		return delivery.Route{Keep: keep + "an earlier version or other settings of it would deliver"}, nil
	}
	route.Stays = u.own.intoLocalLog()
	route.Local, route.Limits, route.Warnings = u.own.driver.Local, u.own.driver.Limits, u.own.driver.Warnings
	route.Backend, err = u.open(&u.remote, u.own)
	return route, err
}

// receipt returns the receipt of an ID. Slots of older versions have none: they get one
// that is made from the stored answer.
func (u *uploader) receipt(id string) (consent.Receipt, error) {
	if id != "" {
		receipt, err := u.store().InForce(id)
		u.store().Mend(id)
		return receipt, err
	}
	if !u.decision.Enabled {
		return consent.Receipt{}, delivery.ErrNotAllowed
	}
	return u.store().Record(u.decision, u.terms(), u.now())
}

// open opens a backend once.
func (u *uploader) open(backend *driver.Backend, s selection) (driver.Backend, error) {
	if *backend == nil {
		opened, err := s.open(u.installation)
		if err != nil {
			return nil, err
		}
		*backend = opened
		u.backends = append(u.backends, opened)
	}
	return *backend, nil
}

func (u *uploader) identifyOnce() (id string, err error) {
	if u.machineID == "" {
		u.machineID, err = identifier{u.installation}.identify()
	}
	return u.machineID, err
}

// allowed looks right before an attempt whether what was recorded under a receipt may
// still be sent.
func (u *uploader) allowed(receipt consent.Receipt) error {
	switch now := u.decide(); {
	case now.Withdrawn:
		return delivery.ErrWithdrawn
	case !now.Enabled && !(now.Undecided && len(now.Beyond) > 0):
		return delivery.ErrNotAllowed
	case now.LocalOnly && !receipt.Local:
		return delivery.ErrErased
	case !receipt.Local && !u.terms().SameReceiver(receipt.Terms): // the administrator's policy has changed
		return delivery.ErrErased
	}
	if _, err := u.store().InForce(receipt.ID); errors.Is(err, consent.ErrRetired) {
		return delivery.ErrErased
	} else if err != nil {
		return err
	}
	if receipt.Local || u.own.driver.Local {
		return nil // what stays here needs no receiver to delete it
	}
	return identifier{u.installation}.noteSending(u.machineID, u.terms().Receiver())
}
