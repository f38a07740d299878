package conformance

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
)

// An answer that names the events of its batch is made for each request.
func TestAnAnswerMayNameTheEventsOfItsBatch(t *testing.T) {
	t.Parallel()
	s := modelSubject(judging(func(_ *modelBackend, e []driver.Event, r *http.Response, text []byte) (error, bool) {
		if r.StatusCode != 200 {
			return nil, false
		}
		var said struct{ Took []string }
		if json.Unmarshal(text, &said) != nil || !slices.Equal(said.Took, eventIDs(e)) {
			return errModel, true
		}
		return nil, true
	}))
	s.Accepted = Answer{Of: func(b []Received) string {
		text, _ := json.Marshal(map[string]any{"took": receivedIDs(b)})
		return string(text)
	}}
	s.NotAccepted, s.Partial, s.Answers = []Answer{{Body: `{"took":[]}`}}, nil, nil
	report := verify(&s, options{reach: reachTest(t.Name()), name: t.Name(), unshipped: true, seed: 1, short: true,
		only: regexp.MustCompile("^delivery/(changed|emptied|cut|garbage|lookalike|status|other|interim|switched|mutated)")})
	if playing() {
		return
	}
	if failed := report.Failures(); len(failed) > 0 {
		t.Errorf("fails %v:\n%s", failed, resultOf(report, failed[0]))
	}
}
