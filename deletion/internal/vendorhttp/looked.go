//go:build !notelemetry

package vendorhttp

import (
	"strings"
	"time"
)

// Settling is how long after the last sign of life what a tool sent may still be invisible.
// Vendors show within minutes what they took; an hour covers their slower days.
const Settling = time.Hour

// A receipt of a look that found nothing has its time for an ID, so that it can be told
// whenever and by whomever Status is asked: the vendor has nothing to ask about.
const (
	lookedPrefix = "nothing-"
	lookedForm   = "20060102T150405Z"
)

// Looked is the ID of a receipt for a look that found nothing.
func Looked(at time.Time) string { return lookedPrefix + at.UTC().Format(lookedForm) }

// LookedAt returns when a look found nothing of which there is such a receipt. ok says that it
// is one, and the time is zero if it cannot be read.
func LookedAt(id string) (at time.Time, ok bool) {
	text, ok := strings.CutPrefix(id, lookedPrefix)
	if !ok {
		return time.Time{}, false
	}
	at, err := time.Parse(lookedForm, text)
	if err != nil {
		return time.Time{}, true
	}
	return at, true
}

// Unsettled returns how long what was sent until the latest of some times may still be
// invisible. The time of a request is from another machine: one that is far ahead says nothing.
func (c *Client) Unsettled(times ...time.Time) (wait time.Duration) {
	for _, at := range times {
		if since := c.now().Sub(at); since.Abs() < Settling {
			wait = max(wait, min(Settling-since, Settling))
		}
	}
	return wait
}
