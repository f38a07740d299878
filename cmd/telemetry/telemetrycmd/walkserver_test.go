package telemetrycmd

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/gotoolbase/telemetry/core/driver"
)

// How the server of a walk answers. What it refuses of a batch is the first event.
const (
	takes        = "takes everything"
	takesMost    = "refuses an event"
	failing      = "fails"
	throttles    = "throttles"
	redirects    = "redirects"
	isASite      = "answers with a web page"
	askedSeconds = 90
)

// tally is what the server of a walk has seen.
type tally struct {
	accepted, rejected int
	// events counts those accepted that are no reports of losses, reportsRejected such reports.
	events, reportsRejected int
	// rejectedUnder has the receipts under which events were rejected that are no reports.
	rejectedUnder map[string]bool
	// reported counts by reason the losses that it was told of.
	reported map[string]int
}

// mode makes the server answer in one of these ways.
func (w *world) mode(how string) {
	w.server = how
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = func(rw http.ResponseWriter, _ *http.Request) {
		switch how {
		case failing:
			rw.WriteHeader(http.StatusInternalServerError)
		case throttles:
			rw.Header().Set("Retry-After", strconv.Itoa(askedSeconds))
			rw.WriteHeader(http.StatusTooManyRequests)
		case redirects:
			rw.Header().Set("Location", "/elsewhere")
			rw.WriteHeader(http.StatusFound)
		case isASite:
			rw.Header().Set("Content-Type", "text/html")
			_, _ = rw.Write([]byte("<!DOCTYPE html><title>Log in</title>"))
		default:
			w.take(rw, how == takesMost)
		}
	}
}

// take takes the batch that came last, but for its first event where that is refused.
func (w *world) take(rw http.ResponseWriter, refuses bool) {
	bodies := w.sent()
	var events []driver.Event
	if err := json.Unmarshal([]byte(bodies[len(bodies)-1]), &events); err != nil || len(events) == 0 {
		w.t.Errorf("%v in %s", err, bodies[len(bodies)-1])
		return
	}
	if events[0].Type == "data.deletion_request" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, e := range events {
		report := e.Type == "telemetry.loss"
		switch {
		case refuses && i == 0 && report:
			w.seen.reportsRejected++
		case refuses && i == 0:
			w.seen.rejected++
			w.seen.rejectedUnder[e.ConsentID] = true
		case report:
			w.seen.accepted++
			n, _ := strconv.Atoi(e.Metadata["count"])
			w.seen.reported[e.Name] += n
		default:
			w.seen.accepted++
			w.seen.events++
		}
	}
	if refuses {
		_ = json.NewEncoder(rw).Encode(map[string][]string{"rejected": {events[0].ID}})
	}
}

// watched returns what the server has seen since the last call.
func (w *world) watched() tally {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.seen
	w.seen = tally{rejectedUnder: map[string]bool{}, reported: map[string]int{}}
	return seen
}
