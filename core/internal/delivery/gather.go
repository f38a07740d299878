package delivery

import (
	"errors"
	"slices"

	"github.com/gotoolbase/telemetry/core/internal/record"
	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/internal/state"
)

// Records that wait in several slots are brought together in one, so that they can be added
// up. One write into that slot says that it stands for what is in the others; then they are
// emptied. Who is killed in between leaves the write, and the next sender empties them before
// it does anything else.

const (
	// gatherEvent bounds what is gathered: a driver that takes smaller events is not to be
	// handed larger ones than were recorded.
	gatherEvent = 4 << 10
	// gatherPart of the slots are held at once at most: commands must find others.
	gatherPart = 4
	// gatherSlots bounds the files that are open at once, and gatherBytes what is in memory.
	gatherSlots, gatherBytes = 32, 8 << 20
)

// gathering are slots that hold nothing but records that may be added up, of one receipt.
type gathering struct {
	claims []*spool.Claim
	into   int // so many entries are of the first slot
	groups
	ids   []string // of the entries of the others
	bytes int
}

// gather brings together what may be. The error says that what is taken over is not yet
// gone from where it was: nothing may be sent.
func (s *Sender) gather(slots []string) error {
	most := min(gatherSlots, s.Queue.SlotCount()/gatherPart)
	var g gathering
	for _, slot := range slots {
		claim, err := s.Queue.Claim(slot)
		if err != nil {
			continue // in use, or erased meanwhile
		}
		items, ok := s.gatherable(claim)
		if !ok {
			_ = claim.Close()
			continue
		}
		if len(g.claims) >= most || g.bytes > gatherBytes || len(g.claims) > 0 && !s.mayJoin(&g, claim, items) {
			if err := g.join(); err != nil {
				_ = claim.Close()
				return err
			}
			g = gathering{}
		}
		g.take(claim, items)
	}
	return g.join()
}

// settleAbsorbed settles what a slot has taken over from others, where a sender was killed
// before it did.
func (s *Sender) settleAbsorbed(slots []string) error {
	by := s.Queue.Absorbed(slots)
	if len(by) == 0 {
		return nil
	}
	for _, slot := range slots {
		claim, err := s.Queue.Claim(slot)
		if errors.Is(err, state.ErrBusy) {
			return err
		}
		if err != nil {
			continue
		}
		gone := slices.DeleteFunc(slices.Clone(claim.Entries), func(entry spool.Entry) bool {
			event, err := record.Parse(entry.Line)
			return err != nil || by[event.ID] == "" || by[event.ID] == slot
		})
		if err := errors.Join(claim.Settle(gone...), claim.Close()); err != nil {
			return err
		}
	}
	return nil
}

// gatherable returns what waits in a slot, if that is nothing but records that may be added
// up, which have the right time.
func (s *Sender) gatherable(claim *spool.Claim) (items []item, ok bool) {
	if claim.Legacy || claim.Receipt == "" || len(claim.Entries) == 0 {
		return nil, false
	}
	for _, entry := range claim.Entries {
		event, err := record.Parse(entry.Line)
		it := item{entry, event}
		if err != nil || !folds(it) || entry.Fixed || !claim.Latest(entry).IsZero() || event.Time.After(s.Now()) {
			return nil, false
		}
		items = append(items, it)
	}
	return items, true
}

// mayJoin reports whether the records of a slot are of the same receipt and leave room where
// the others are put together.
func (s *Sender) mayJoin(g *gathering, claim *spool.Claim, items []item) bool {
	var own groups
	for _, it := range items {
		own.add(it, gatherEvent)
	}
	return claim.Receipt == g.claims[0].Receipt && g.size()+own.size() <= s.Queue.SlotBytes()/2
}

func (g *gathering) take(claim *spool.Claim, items []item) {
	for _, it := range items {
		g.add(it, gatherEvent)
		g.bytes += len(it.entry.Line)
		if len(g.claims) > 0 {
			g.ids = append(g.ids, it.event.ID)
		}
	}
	if len(g.claims) == 0 {
		g.into = len(items)
	}
	g.claims = append(g.claims, claim)
}

// join puts everything into the first slot and empties the others.
func (g *gathering) join() error {
	if len(g.claims) == 0 {
		return nil
	}
	into, others := g.claims[0], g.claims[1:]
	defer into.Close()
	if len(others) == 0 || len(g.list) == len(g.entries) {
		for _, claim := range others {
			_ = claim.Close()
		}
		return nil
	}
	fixed, err := into.Fold(g.entries[:g.into], g.lines(), g.ids)
	written := err == nil
	if written {
		err = into.Sync() // before the others are emptied
	}
	for _, claim := range others {
		if err == nil {
			err = claim.Settle(claim.Entries...)
		}
		err = errors.Join(err, claim.Close())
	}
	if !written {
		return nil // a full disk: they stay where they are
	}
	if err == nil {
		_ = into.Compact(fixed, g.lines()) // or they are sent as they are
	}
	return err
}
