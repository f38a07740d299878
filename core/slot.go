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
	writer *spool.Writer
	grant
	looked time.Time
	safe   int64 // the size of the slot at that time
}

// grant is what may be recorded under, as it was found.
type grant struct {
	receipt consent.Receipt
	stamp   state.Stamp // of the stored answer
	at      time.Time
}

// grantAge is how long a decision is not made again as long as the stored answer is the
// same: from the start of a short command to its end.
const grantAge = time.Second

// holds reports whether the decision need not be made again.
func (g grant) holds(in *installation) bool {
	age := in.now().Sub(g.at)
	return g.receipt.ID != "" && age >= 0 && age < grantAge && in.store().Stamp().Same(g.stamp)
}

var (
	// errOff says that nothing may be recorded now.
	errOff = errors.New("telemetry is off")
	// errRetaken says that recording goes on, but not in this slot.
	errRetaken = errors.New("the slot is no longer the one to record in")
)

// taker takes a file of the queue: Queue.Writer for events, Queue.Start for a command that
// begins.
type taker func(q *spool.Queue, receipt string, room int) (*spool.Writer, error)

// takeSlot takes a slot with that much room for what is recorded now. known is what the
// last one was taken with.
func takeSlot(in *installation, take taker, room int, known grant, watch *state.Watch) (*slot, error) {
	if err := in.dir.Create(); err != nil {
		return nil, err
	}
	// A receipt may end at any moment, in another process: then there is a newer one, or
	// no person wants us to record.
	const tries = 10
	err := errRetaken
	for range tries {
		if !known.holds(in) {
			if known, err = in.grant(); errors.Is(err, errRetaken) {
				continue
			} else if err != nil {
				return nil, err
			}
		}
		var s *slot
		if s, err = tryTakeSlot(in, take, room, known, watch); !errors.Is(err, errRetaken) {
			return s, err
		}
		known = grant{}
	}
	return nil, err
}

// grant decides what may be recorded under now.
func (in *installation) grant() (grant, error) {
	stamp := in.store().Stamp()
	decision := in.decide()
	if !decision.Enabled {
		if decision.Withdrawn {
			_, _ = in.store().WhileNo(true, func() error { _, err := in.eraseWaiting(); return err })
		}
		return grant{}, errOff
	}
	receipt, err := in.store().Record(decision, in.terms(), in.now())
	if errors.Is(err, consent.ErrRetired) {
		return grant{}, errRetaken
	}
	return grant{receipt, stamp, in.now()}, err
}

func tryTakeSlot(in *installation, take taker, room int, known grant, watch *state.Watch) (*slot, error) {
	queue := in.queue()
	queue.Watch = watch
	writer, err := take(queue, known.receipt.ID, room)
	if err != nil {
		return nil, err
	}
	s := &slot{writer: writer, grant: known, looked: in.now(), safe: writer.Size()}
	// The slot first, then the question: a no is stored and receipts are ended before slots
	// are deleted, so either we see that or our slot is deleted under us.
	if !in.store().Holds(known.receipt.ID) {
		err = errRetaken
	} else if !in.store().Stamp().Same(known.stamp) {
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

// ended reports whether a no has ended the receipt that the slot was taken under.
func (s *slot) ended(in *installation) bool {
	if in.store().Stamp().Same(s.stamp) {
		return false
	}
	_, err := in.store().InForce(s.receipt.ID)
	return errors.Is(err, consent.ErrRetired)
}

// takeBack is release for a file of a command, with nothing left of it.
func (s *slot) takeBack() {
	_ = s.writer.TakeBack()
	s.release()
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
