package delivery

import (
	"math"
	"time"
)

// minute is what Limits.PerMinute counts over.
const minute = time.Minute

// inFlight is how long what a killed process sent may have been on its way after the last
// time that was noted: an attempt before the note, and one after it.
const inFlight = 2 * attemptTimeout

// pace holds a rate over all processes and runs of an installation. Counting begins anew only
// after a whole minute without an attempt, so no 60 seconds, wherever they begin, hold more
// than one count. The price is a pause of a minute in a tool that sends without one for long.
type pace struct {
	count int       // events that were sent, or may have been
	until time.Time // a minute after the last of them, in whole seconds as it is noted
}

// room is how many events may be sent at now.
func (p *pace) room(perMinute int, now time.Time) int {
	if perMinute <= 0 {
		return math.MaxInt
	}
	if latest := aMinuteAfter(now.Add(inFlight)); p.until.After(latest) {
		p.until = aMinuteAfter(now) // the clock was turned back
	}
	if !now.Before(p.until) {
		p.count = 0
	}
	return max(perMinute-p.count, 0)
}

// spend counts n events that were just sent.
func (p *pace) spend(n int, now time.Time) {
	p.count += n
	p.until = aMinuteAfter(now)
}

// spent is what is noted while events are sent: a process that is killed then has used up
// the rate.
func spent(perMinute int, now time.Time) pace {
	return pace{count: perMinute, until: aMinuteAfter(now.Add(inFlight))}
}

// aMinuteAfter is rounded up: a rate must not end early.
func aMinuteAfter(t time.Time) time.Time {
	t = t.Add(minute)
	if whole := t.Truncate(time.Second); !whole.Equal(t) {
		return whole.Add(time.Second)
	}
	return t
}
