//go:build linux

package torture

import (
	"strconv"
	"time"
)

// jumps are how far clocks are off: a time zone taken for another, a battery that is empty, a typo.
// Between MaxEventAge and a year beyond it lies what docs/explanation/design.md says of: events that look
// expired are dropped, and counted.
var jumps = []time.Duration{
	time.Hour, -time.Hour, 25 * time.Hour, -25 * time.Hour, 10 * 24 * time.Hour, -10 * 24 * time.Hour,
	40 * 24 * time.Hour, -40 * 24 * time.Hour, 5 * 365 * 24 * time.Hour, -5 * 365 * 24 * time.Hour, -50 * 365 * 24 * time.Hour,
}

// clocksJump runs commands, senders and answers whose clocks go wrong and are set right.
func clocksJump(w *world) {
	w.in.mood = []mood{isFine, moody}[w.random.IntN(2)]
	w.h.capped = true
	w.enabled()
	for i := range 8 {
		by := jumps[w.random.IntN(len(jumps))]
		under, id := clockShifted(by), "v"+strconv.Itoa(i)+"-"
		if w.random.IntN(4) == 0 {
			under = nil
		}
		if under == nil {
			by = 0
		}
		var p plan
		switch w.random.IntN(8) {
		case 0, 1:
			p = w.flush(id)
		case 2:
			p = w.switching(id, []string{"disable", "enable", "enable"}[w.random.IntN(3)])
		default:
			p = w.work(id, 1+w.random.IntN(4), ends[w.random.IntN(8)], anyWeather[w.random.IntN(len(anyWeather))]...)
		}
		p.under, p.shifted = under, by
		w.t.Log(by, p.args, p.env)
		w.atOnce(1, p)
	}
}
