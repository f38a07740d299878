package spool

import (
	"errors"

	"github.com/gotoolbase/telemetry/core/internal/state"
)

// Held returns how many slots commands hold that are running, and how many events wait in
// them for the command to end. It takes each lock for a moment, as ended does: a writer that
// finds it taken uses the next slot. Where there are no locks it finds none.
func (q *Queue) Held() (slots, events int) {
	names, err := q.Slots()
	if err != nil {
		return 0, 0
	}
	for _, name := range names {
		f, err := state.OpenExclusive(q.slotPath(name))
		if err == nil {
			_ = state.CloseExclusive(f)
			continue
		}
		if !errors.Is(err, state.ErrBusy) {
			continue
		}
		stats := Stats{Events: map[string]int{}, Expired: map[string]int{}}
		q.look(name, &stats)
		slots, events = slots+1, events+stats.Total()
	}
	return slots, events
}
