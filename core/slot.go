package core

import (
	"errors"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/internal/state"
)

// slot is this process's slot of the queue, and the receipt under which it records.
type slot struct {
	writer  *spool.Writer
	receipt consent.Receipt
	stamp   state.Stamp // of the stored answer when it was looked at
	looked  time.Time
	safe    int64 // the size of the slot at that time
}

var (
	// errOff says that nothing may be recorded now.
	errOff = errors.New("telemetry is off")
	// errRetaken says that recording goes on, but not in this slot.
	errRetaken = errors.New("the slot is no longer the one to record in")
)

// takeSlot takes a slot with that much room for what is recorded now.
func takeSlot(in *installation, room int, watch *state.Watch) (*slot, error) {
	if err := in.dir.Create(); err != nil {
		return nil, err
	}
	// A receipt may end at any moment, in another process: then there is a newer one, or
	// nobody wants us to record.
	const tries = 10
	err := errRetaken
	for range tries {
		var s *slot
		if s, err = tryTakeSlot(in, room, watch); !errors.Is(err, errRetaken) {
			return s, err
		}
	}
	return nil, err
}

func tryTakeSlot(in *installation, room int, watch *state.Watch) (*slot, error) {
	stamp := in.store().Stamp()
	decision := in.decide()
	if !decision.Enabled {
		if decision.Withdrawn {
			_, _ = in.store().WhileNo(true, func() error { _, err := in.eraseWaiting(); return err })
		}
		return nil, errOff
	}
	receipt, err := in.store().Record(decision, in.terms(), in.now())
	if errors.Is(err, consent.ErrRetired) {
		return nil, errRetaken
	}
	if err != nil {
		return nil, err
	}
	queue := in.queue()
	queue.Watch = watch
	writer, err := queue.Writer(receipt.ID, room)
	if err != nil {
		return nil, err
	}
	s := &slot{writer: writer, receipt: receipt, stamp: stamp, looked: in.now(), safe: writer.Size()}
	// The slot first, then the question: a no is stored and receipts are ended before slots
	// are deleted, so either we see that or our slot is deleted under us.
	if !in.store().Holds(receipt.ID) {
		err = errRetaken
	} else if in.store().Stamp() != stamp {
		_, err = s.look(in)
	}
	if err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

// lookEvery bounds what looking costs a burst of events: two system calls. A command that
// goes on after its consent was withdrawn notices within that time.
const lookEvery = time.Millisecond

// shouldLook reports whether it is time to look again whether the slot still holds.
func (s *slot) shouldLook(now time.Time) bool {
	since := now.Sub(s.looked)
	return since >= lookEvery || since <= 0 // a clock that stands or was turned back tells nothing
}

// look finds out whether the slot may still be written to. It returns errOff or errRetaken
// if not, with the number of events that were written to a slot which is gone by now.
func (s *slot) look(in *installation) (gone int, err error) {
	s.looked = in.now()
	if s.writer.Gone() {
		gone = s.writer.CountSince(s.safe)
		if !in.decide().Enabled {
			return gone, errOff
		}
		return gone, errRetaken
	}
	stamp := in.store().Stamp()
	if stamp == s.stamp {
		s.safe = s.writer.Size()
		return 0, nil
	}
	decision := in.decide()
	if !decision.Enabled {
		return 0, errOff
	}
	if _, err := in.store().InForce(s.receipt.ID); err != nil || decision.LocalOnly != s.receipt.Local {
		return 0, errRetaken
	}
	s.stamp, s.safe = stamp, s.writer.Size()
	return 0, nil
}

// release gives the slot back. Where that takes long, which a file system with slow locks
// makes it, the command does not wait for it.
func (s *slot) release() {
	var watch state.Watch
	done := make(chan struct{})
	go func() {
		_ = s.writer.CloseWatched(&watch)
		close(done)
	}()
	watch.Wait(done)
}
