package core

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/internal/state"
)

// What is shown before it is sent is not worked out a second time. The sender itself runs, on
// a copy of the state directory, with backends that lead nowhere.

// Why nothing would be sent, beside ErrOff, ErrLocal, ErrBusy and ErrWait.
var (
	// ErrUndecided: the person has not said yes, or not to what the tool declares by now.
	ErrUndecided = errors.New("nobody has said yes")
	// ErrNothingWaits: there is no event.
	ErrNothingWaits = errors.New("nothing waits")
	// ErrHeld: all that waits is held by commands that run, which may add to it.
	ErrHeld = errors.New("what waits is held by a command that is running")
	// ErrPaced: the receiver's rate is used up for now.
	ErrPaced = errors.New("the receiver takes no more for now")
	// ErrKept: what waits is not for this run of the tool to send.
	ErrKept = errors.New("what waits is not sent now")
)

// UnsentError says why nothing would be sent.
type UnsentError struct {
	// Reason is ErrOff, ErrUndecided, ErrLocal, ErrNothingWaits, ErrHeld, ErrPaced, ErrWait or
	// ErrKept.
	Reason error
	// Until is when that is over, zero where no time is known.
	Until time.Time
	// Detail says more, in words for people. It is empty mostly.
	Detail string
}

func (e *UnsentError) Error() string {
	text := e.Reason.Error()
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if !e.Until.IsZero() {
		text += ", until " + e.Until.Local().Format(time.DateTime+" MST")
	}
	return text
}

func (e *UnsentError) Unwrap() error { return e.Reason }

// WaitingEvent is an event that waits, as it will go out.
type WaitingEvent struct {
	// Event has what a delivery adds: machine ID, receipt, version of the system. A record in
	// which others were added up is one. The machine ID is empty as long as there is none:
	// the first delivery makes it.
	Event driver.Event
	// Receiver says in words who gets it: a backend and its hosts.
	Receiver string
	// Stays says that it stays on this machine.
	Stays bool
	// Keep says in words why it is not sent now, "" where the next delivery takes it. Gone says
	// that it never will be, and is erased then.
	Keep string
	Gone bool
	// Held says that a command which is running holds it, and may add to it.
	Held bool
	// Until is before when it is not sent, zero where nothing but the next delivery is waited for.
	Until time.Time
	// OfSending says that it was recorded by a clock that was ahead: it goes out with the time of
	// sending, and Event.Time is that of now.
	OfSending bool
}

// Waiting returns everything that waits, oldest first, as it will go out: also while
// telemetry is off. It sends nothing and changes nothing. The error wraps ErrBusy where another
// process is delivering.
func (m *Manager) Waiting(ctx context.Context) ([]WaitingEvent, error) {
	in := m.in
	if err := m.mayLook(); err != nil {
		return nil, ignoreMissing(err)
	}
	stopped := ""
	if reason := in.mayNotSend(); reason != nil && !errors.Is(reason, ErrLocal) { // what that keeps, its route says
		stopped = reason.Error()
	}
	until := time.Time{}
	if notes := delivery.ReadNotes(in.dir); notes.Waits(in.now()) {
		until = notes.WaitUntil
	}
	folded := time.Time{}
	if !delivery.FoldsDue(in.dir, in.now()) {
		folded = delivery.NextFolds(in.dir)
	}
	var all []WaitingEvent
	for _, part := range []queuePart{free, held, closed} {
		events, err := in.look(ctx, part)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if !e.Stays {
				e.Until = until
			}
			if !e.Stays && e.Event.Count > 0 && folded.After(e.Until) {
				e.Until = folded
			}
			if !e.Stays {
				e.Keep = cmp.Or(e.Keep, stopped)
			}
			if part == closed {
				e.Keep, e.Gone = delivery.LeftClosed, false
			}
			all = append(all, e)
		}
	}
	slices.SortStableFunc(all, func(a, b WaitingEvent) int { return a.Event.Time.Compare(b.Event.Time) })
	return all, nil
}

// mayLook returns why there is nothing to look at, fs.ErrNotExist where nothing was stored.
func (m *Manager) mayLook() error {
	if m.in.dirErr != nil {
		return m.in.dirErr
	}
	return m.in.dir.Check()
}

// ignoreMissing is for what is not there yet.
func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// look lets the sender deliver a copy of a part of what waits to a receiver that takes
// everything.
func (in *installation) look(ctx context.Context, part queuePart) ([]WaitingEvent, error) {
	c, err := in.copyForPreview(ctx, part)
	if err != nil || c == nil {
		return nil, err
	}
	defer c.remove()
	u := &uploader{installation: c.installation, decision: c.decide()}
	u.own, u.ownErr = c.selectBackend()
	sender := u.sender(nil)
	var list []WaitingEvent
	sender.Erase = func() error { return nil }
	add := func(w WaitingEvent, e driver.Event) {
		if w.Event = e; !c.hasID {
			w.Event.MachineID = ""
		}
		list = append(list, w)
	}
	slot := WaitingEvent{} // what is so of all of the slot that was routed last
	sender.GivenUp = func(e driver.Event, reason string) {
		w := WaitingEvent{Receiver: u.terms().Receiver(), Keep: reason, Gone: true, Held: part == held}
		if reason == spool.LossExpired {
			w.Receiver, w.Stays = slot.Receiver, slot.Stays
		}
		add(w, e)
	}
	sender.Route = func(id string) (delivery.Route, error) {
		route, err := u.route(id)
		w := WaitingEvent{Held: part == held, Stays: route.Stays, Keep: route.Keep, Receiver: u.terms().Receiver()}
		receipt, receiptErr := u.receipt(id)
		if receiptErr == nil {
			w.Receiver, w.Stays = receipt.Terms.Receiver(), receipt.Local
		}
		switch {
		case err != nil:
			w.Keep = err.Error()
		case route.Drop != "":
			w.Keep, w.Gone = route.Drop, true
		}
		if w.Stays {
			w.Receiver = "this machine"
		}
		backend := takesAll(func(events []driver.Event) {
			for _, e := range events {
				w := w
				w.OfSending = c.preview.ofSending(e)
				add(w, e)
			}
		})
		slot = w
		shown := delivery.Route{Backend: backend, Local: true, Stays: w.Stays, Receipt: cmp.Or(receipt.ID, id), MachineID: route.MachineID, Since: receipt.At,
			Limits: driver.Limits{Events: math.MaxInt, Bytes: math.MaxInt, EventBytes: math.MaxInt}, Allowed: func() error { return nil }}
		if shown.MachineID == "" && receiptErr == nil {
			shown.MachineID, _ = u.identifyOnce()
		}
		return shown, nil
	}
	defer u.close()
	_, err = sender.Run(ctx, time.Second)
	return list, err
}

// takesAll is a backend that takes everything.
type takesAll func([]driver.Event)

func (t takesAll) Send(_ context.Context, events []driver.Event) error {
	t(events)
	return nil
}

func (takesAll) Close() error { return nil }

// Next returns the request that a delivery would make first if it began now, as Flush would:
// through the backend's own encoder, without sending anything and without changing anything.
// The error is an *UnsentError where nothing would be sent, wraps ErrBusy where another
// process is delivering, or is a *driver.ConfigError.
//
// Where the declared backend stays on this machine, the request is Local. Of a connection that
// the backend encrypts itself only the events can be shown, and NotKept says so.
func (m *Manager) Next(ctx context.Context) (Request, error) {
	in := m.in
	if err := in.check(); err != nil {
		return Request{}, err
	}
	if err := m.mayLook(); errors.Is(err, os.ErrNotExist) {
		if reason := in.mayNotSend(); reason != nil {
			return Request{}, reason
		}
		return Request{}, &UnsentError{Reason: ErrNothingWaits}
	} else if err != nil {
		return Request{}, err
	}
	if reason := in.mayNotSend(); reason != nil {
		return Request{}, reason
	}
	if notes := delivery.ReadNotes(in.dir); notes.Waits(in.now()) {
		return Request{}, &UnsentError{Reason: ErrWait, Until: notes.WaitUntil}
	}
	c, err := in.copyForPreview(ctx, free)
	if err != nil {
		return Request{}, err
	}
	defer c.remove()
	dropped := ""
	u := &uploader{installation: c.installation, givenUp: func(_ driver.Event, reason string) { dropped = reason }}
	report, err := u.flush(ctx, nil)
	p := c.preview
	switch {
	case p.request != nil:
		if !c.hasID {
			p.request.ExampleID = p.request.machineID
		}
		return *p.request, nil
	case ctx.Err() != nil:
		return Request{}, ctx.Err()
	case report.Paced > 0:
		return Request{}, &UnsentError{Reason: ErrPaced, Until: report.PacedUntil}
	case report.Left != "":
		return Request{}, &UnsentError{Reason: ErrKept, Detail: report.Left}
	case dropped == spool.LossExpired:
		return Request{}, &UnsentError{Reason: ErrKept, Detail: "it is too old, and the next upload drops it"}
	case dropped != "":
		return Request{}, &UnsentError{Reason: ErrKept, Detail: "the next upload drops it: " + dropped}
	case c.has(closed):
		return Request{}, &UnsentError{Reason: ErrKept, Detail: delivery.LeftClosed}
	case c.has(held):
		return Request{}, &UnsentError{Reason: ErrHeld}
	case err != nil:
		return Request{}, fmt.Errorf("previewing the next delivery: %w", err)
	case p.stays:
		return Request{}, &UnsentError{Reason: ErrLocal}
	}
	return Request{}, &UnsentError{Reason: ErrNothingWaits}
}

// mayNotSend returns why nothing is sent whatever waits, nil where that depends on it.
func (in *installation) mayNotSend() error {
	switch d := in.decide(); {
	case d.Enabled && d.LocalOnly:
		return &UnsentError{Reason: ErrLocal}
	case d.Enabled, d.Undecided && len(d.Beyond) > 0:
		return nil
	case d.Undecided:
		return &UnsentError{Reason: ErrUndecided}
	}
	return &UnsentError{Reason: ErrOff}
}

// previewed is a copy of an installation, from which nothing goes out.
type previewed struct {
	*installation
	parts  map[string]queuePart // of the files of the queue, by their paths
	hasID  bool                 // there was a machine ID, which a delivery would send under
	remove func()
}

func (c *previewed) has(part queuePart) bool {
	for _, p := range c.parts {
		if p == part {
			return true
		}
	}
	return false
}

// queuePart is what a sender that comes now could do with a file of the queue.
type queuePart int

const (
	free   queuePart = iota // it would take it
	held                    // a command has it
	closed                  // it may not write to it, so it would leave it alone
)

func (in *installation) partOf(path string) queuePart {
	switch {
	case state.Held(in.dir.Join(path)):
		return held
	case errors.Is(in.dir.MayWrite(path), fs.ErrPermission): // a file system that is read-only says another thing
		return closed
	}
	return free
}

// previewPatience is how long a preview waits for a process that is delivering, as Flush does.
const previewPatience = 10 * time.Second

// copyingName is in a preview for as long as it keeps others from delivering.
const copyingName = "copying"

// copying reports whether what keeps others from delivering is a preview.
func (in *installation) copying() bool {
	return slices.ContainsFunc(in.dir.Scratches(), func(name string) bool {
		return !in.dir.Time(name + "/" + copyingName).IsZero()
	})
}

// copyForPreview copies the installation with a part of the queue. It returns nil where there is
// nothing of a part other than free. The caller calls remove.
//
// To look must not take a directory that can be written to, or a disk with room.
func (in *installation) copyForPreview(ctx context.Context, part queuePart) (c *previewed, err error) {
	c, err = in.copyInto(ctx, in.dir.Scratch, part)
	if err == nil || errors.Is(err, state.ErrBusy) || ctx.Err() != nil {
		return c, err
	}
	inCache := func() (state.Dir, func(), error) { return in.dir.ScratchElsewhere(state.LocateCache(in.lookup)) }
	if elsewhere, again := in.copyInto(ctx, inCache, part); again == nil {
		return elsewhere, nil
	}
	return nil, err
}

// copyInto is copyForPreview into a directory of a kind.
func (in *installation) copyInto(ctx context.Context, scratch func() (state.Dir, func(), error), part queuePart) (c *previewed, err error) {
	dir, remove, err := scratch()
	if err != nil {
		return nil, fmt.Errorf("copying what waits: %w", err)
	}
	defer func() {
		if c == nil {
			remove()
		}
	}()
	began := delivery.Began(in.dir)
	release, err := delivery.Pause(ctx, in.dir, previewPatience)
	if err != nil && !errors.Is(err, state.ErrBusy) && in.dir.Writable() != nil {
		release, err = func() {}, nil // on a file system that is read-only nobody can take the lock, and deliver
	}
	if err != nil {
		return nil, err
	}
	defer release()
	_ = dir.SetTime(copyingName, in.now())
	defer func() { _ = dir.Remove(copyingName) }()
	c = &previewed{parts: map[string]queuePart{}}
	files, _ := os.ReadDir(in.dir.Join("queue"))
	for _, f := range files {
		path := "queue/" + f.Name()
		c.parts[path] = in.partOf(path)
	}
	if part != free && !c.has(part) {
		return nil, nil
	}
	err = in.dir.CopyTo(dir, func(path string, folder bool) bool {
		top, _, inside := strings.Cut(path, "/")
		switch {
		case strings.HasPrefix(path, "."), top == localDir, top == sentName, strings.HasSuffix(path, ".lock"):
			return false
		case top == "queue" && inside:
			return c.parts[path] == part && !(part != free && strings.HasSuffix(path, ".running"))
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("copying what waits: %w", err)
	}
	if !began && delivery.Began(in.dir) { // the first upload came into the middle of it, and gave the identity its name
		remove()
		return in.copyInto(ctx, scratch, part)
	}
	c.installation = &installation{environment: in.environment, tool: in.tool, dir: dir, preview: &preview{dir: dir, began: in.now().Truncate(time.Millisecond)}}
	c.remove = remove
	_, _, idErr := identifier{c.installation}.current() // which a variable may hand on
	c.hasID = idErr == nil
	return c, nil
}
