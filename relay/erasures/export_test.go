//go:build !notelemetry

package erasures

import (
	"net/http"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
)

// Hurry makes every wait a few milliseconds, for tests with real processes.
func (r *Relay) Hurry() {
	const d = 5 * time.Millisecond
	r.pace = pace{
		attempt: time.Second, lease: 3 * time.Second, grace: 10 * time.Second, firstRetry: d, lastRetry: 4 * d,
		firstPoll: d, lastPoll: 4 * d, lastLook: 4 * d, maxWait: 4 * d, disk: d, look: 4 * d, note: time.Second, watch: time.Hour,
	}
}

// Limiter is what stands before everything else.
type Limiter = limiter

// NewLimiter makes one, and Take asks it.
func NewLimiter(l Limit) *Limiter { return newLimiter(l) }

// Take reports whether an address may make a request.
func (l *limiter) Take(address string) bool { return l.take(address, costRequest) == 0 }

// Address returns whom a request counts for.
func Address(req *http.Request, trust bool) string { return address(req, trust) }

// ReadRequest returns what a body asks for, with the word of the refusal if it is none.
func ReadRequest(w http.ResponseWriter, req *http.Request) (deletion.Request, string) {
	a, no := readRequest(w, req)
	if no != nil {
		return deletion.Request{}, no.word
	}
	return deletion.Request{Tool: a.Tool, MachineID: a.MachineID, ErasureKey: a.ErasureKey, RequestedAt: a.at(time.Now())}, ""
}
