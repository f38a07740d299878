package conformance

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
)

// A vendor that takes an event and warns of it, and backends that tell something else of that.
func TestWarningsAreToldAsTheVendorMeansThem(t *testing.T) {
	t.Parallel()
	all := func(events []driver.Event, warnings map[string]int) *driver.Partial {
		return &driver.Partial{Accepted: eventIDs(events), Warnings: warnings}
	}
	for name, tt := range map[string]struct {
		tell  func(events []driver.Event, warned int) error
		fails string // part of a finding, "" for none
	}{
		"as it is": {func(e []driver.Event, n int) error { return all(e, map[string]int{"late": n}) }, ""},
		"nothing":  {func([]driver.Event, int) error { return nil }, "Send returned nil, want a driver.Partial"},
		"a word of the server's": {func(e []driver.Event, n int) error { return all(e, map[string]int{"as the server has it": n}) },
			"is none of Driver.Warnings"},
		"too many": {func(e []driver.Event, n int) error { return all(e, map[string]int{"late": n + len(e)}) }, "got the warnings"},
		"with a reason not to accept": {func(e []driver.Event, n int) error {
			p := all(e, map[string]int{"late": n})
			p.Err = errModel
			return p
		}, "want an acceptance with warnings"},
		"as refused":  {func(e []driver.Event, _ int) error { return driver.Permanent(errModel) }, "want a driver.Partial"},
		"as unknown":  {func([]driver.Event, int) error { return errModel }, "want a driver.Partial"},
		"without IDs": {func(_ []driver.Event, n int) error { return &driver.Partial{Warnings: map[string]int{"late": n}} }, "got accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			s := modelSubject(judging(func(_ *modelBackend, e []driver.Event, r *http.Response, text []byte) (error, bool) {
				var said struct{ Status, Late string }
				if r.StatusCode != 200 || json.Unmarshal(text, &said) != nil || said.Status != "ok" || said.Late == "" {
					return nil, false
				}
				return tt.tell(e, strings.Count(said.Late, ",")+1), true
			}))
			s.Driver.Warnings = []driver.Warning{{Name: "late", Doc: "came late"}}
			warned := func(n int) Verdicts {
				return Verdicts{
					Name:  "some came late",
					Sizes: []int{3},
					Answer: func(b []Received) Answer {
						return Answer{Body: `{"status":"ok","late":"` + strings.Join(receivedIDs(b[:n]), ",") + `"}`}
					},
					Want: func(b []Received) driver.Partial {
						return driver.Partial{Accepted: receivedIDs(b), Warnings: map[string]int{"late": n}}
					},
				}
			}
			s.Partial = []Verdicts{warned(1), warned(3)}
			report := verify(&s, options{reach: reachTest(t.Name()), name: t.Name(), unshipped: true, seed: 1,
				only: regexp.MustCompile("^delivery/partial-names-events$")})
			if playing() {
				return
			}
			failed := slices.Contains(report.Failures(), "delivery/partial-names-events")
			if failed != (tt.fails != "") || !strings.Contains(resultOf(report, "delivery/partial-names-events"), tt.fails) {
				t.Errorf("failed %v, want %q:\n%s", failed, tt.fails, resultOf(report, "delivery/partial-names-events"))
			}
		})
	}
}

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
