package posthogstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/interop/posthogstore"
)

// postV1 returns the status and the text of an answer of capture v1.
func postV1(t *testing.T, s *posthogstore.Store, change func(http.Header), body string) (int, string) {
	t.Helper()
	server := httptest.NewServer(s)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/i/v1/analytics/events", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Authorization": "Bearer phc_a", "Content-Type": "application/json", "PostHog-Sdk-Info": "sdk/1.0", "PostHog-Attempt": "1",
		"PostHog-Request-Id": "01890a5d-ac96-774b-bcce-b302099a8057", "PostHog-Request-Timestamp": "2026-11-22T12:00:00Z",
	} {
		r.Header.Set(name, value)
	}
	change(r.Header)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

const uuidA, uuidB = "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8058"

func v1Item(uuid, more string) string {
	return `{"uuid":"` + uuid + `","event":"e","distinct_id":"d","timestamp":"2026-11-22T11:00:00Z","options":{},"properties":{}` + more + `}`
}

func v1Body(items ...string) string {
	return `{"created_at":"2026-11-22T12:00:00Z","batch":[` + strings.Join(items, ",") + `]}`
}

// Of the store itself: what it would not do would prove nothing of a backend.
func TestCaptureV1RefusesRequestsAndJudgesEvents(t *testing.T) {
	t.Parallel()
	none := func(http.Header) {}
	without := func(name string) func(http.Header) { return func(h http.Header) { h.Set(name, "") } }
	for name, tt := range map[string]struct {
		change func(http.Header)
		body   string
		status int
		says   string
		rows   int
	}{
		"good":                  {none, v1Body(v1Item(uuidA, ""), v1Item(uuidB, "")), 200, `"` + uuidB + `":{"result":"ok"}`, 2},
		"twice the same":        {none, v1Body(v1Item(uuidA, ""), v1Item(uuidA, "")), 400, "duplicate_event_uuid", 0},
		"no UUID":               {none, v1Body(v1Item(uuidA, ""), v1Item("", "")), 400, "missing_event_uuid", 0},
		"not a UUID":            {none, v1Body(v1Item(uuidA, ""), v1Item("x", "")), 400, "invalid_event_uuid", 0},
		"empty batch":           {none, v1Body(), 400, "empty_batch", 0},
		"no JSON":               {none, `{"batch":[`, 400, "request_parsing_error", 0},
		"no created_at":         {none, `{"batch":[` + v1Item(uuidA, "") + `]}`, 400, "request_parsing_error", 0},
		"no key":                {without("Authorization"), v1Body(v1Item(uuidA, "")), 401, "missing_authorization", 0},
		"a personal key":        {func(h http.Header) { h.Set("Authorization", "Bearer phx_a") }, v1Body(v1Item(uuidA, "")), 401, "invalid_api_token", 0},
		"no attempt":            {without("PostHog-Attempt"), v1Body(v1Item(uuidA, "")), 400, "missing_required_headers", 0},
		"broken gzip":           {func(h http.Header) { h.Set("Content-Encoding", "gzip") }, v1Body(v1Item(uuidA, "")), 400, "request_decoding_error", 0},
		"plain text":            {func(h http.Header) { h.Set("Content-Type", "text/plain") }, v1Body(v1Item(uuidA, "")), 415, "unsupported_content_type", 0},
		"one without a name":    {none, v1Body(v1Item(uuidA, ""), v1Item(uuidB, `,"event":""`)), 200, `{"result":"drop","details":"missing_event_name"}`, 1},
		"one with a long name":  {none, v1Body(v1Item(uuidA, ""), v1Item(uuidB, `,"event":"`+strings.Repeat("x", 201)+`"`)), 200, "event_name_too_long", 1},
		"one without an ID":     {none, v1Body(v1Item(uuidA, ""), v1Item(uuidB, `,"distinct_id":" "`)), 200, "missing_distinct_id", 1},
		"one of no time":        {none, v1Body(v1Item(uuidA, ""), v1Item(uuidB, `,"timestamp":"now"`)), 200, "invalid_event_timestamp", 1},
		"one with a list":       {none, v1Body(v1Item(uuidA, ""), v1Item(uuidB, `,"properties":[]`)), 200, "malformed_event_properties", 1},
		"one that is too large": {none, v1Body(v1Item(uuidA, ""), v1Item(uuidB, `,"properties":{"x":"`+strings.Repeat("x", 1_000_000)+`"}`)), 200, "event_too_big", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := atNoon()
			if status, text := postV1(t, s, tt.change, tt.body); status != tt.status || !strings.Contains(text, tt.says) || len(s.Rows()) != tt.rows {
				t.Errorf("%d %s, %d rows; want %d, %s, %d", status, text, len(s.Rows()), tt.status, tt.says, tt.rows)
			}
		})
	}
}

func TestWhatV1HasAPlaceForIsAProperty(t *testing.T) {
	t.Parallel()
	s := atNoon()
	postV1(t, s, func(h http.Header) { h.Set("PostHog-Sdk-Info", "github.com/a/b/1.2") },
		v1Body(v1Item(uuidA, `,"session_id":"s","options":{"process_person_profile":false},"properties":{"$lib":"x"}`)))
	rows := s.Rows()
	if len(rows) != 1 {
		t.Fatalf("%d rows", len(rows))
	}
	p := rows[0].Properties
	if p["$session_id"] != "s" || p["$process_person_profile"] != false || p["$lib"] != "github.com/a/b" || p["$lib_version"] != "1.2" || rows[0].Person != "" {
		t.Errorf("%+v", rows[0])
	}
}

// OverQuota and a rate are where the intakes differ.
func TestOnlyV1SaysWhatItDoesNotKeepAsItShould(t *testing.T) {
	t.Parallel()
	for intake, want := range map[string]driver.Class{"v1": driver.ClassThrottled, "batch": driver.ClassAccepted} {
		s := &posthogstore.Store{OverQuota: true}
		err := openIntake(t, s, serve(t, s), intake).Send(t.Context(), eventsAt(time.Now(), 3))
		if driver.Classify(err) != want || len(s.Rows()) != 0 {
			t.Errorf("%s, over quota: %v, %d rows", intake, err, len(s.Rows()))
		}
	}
	for intake, want := range map[string]map[string]int{"v1": {"person_processing_disabled": 3}, "batch": nil} {
		s := &posthogstore.Store{PerMinute: 2}
		err := openIntake(t, s, serve(t, s), intake).Send(t.Context(), eventsAt(time.Now(), 5))
		var got map[string]int
		if verdicts, ok := errors.AsType[*driver.Partial](err); ok {
			got = verdicts.Warnings
		}
		if driver.Classify(err) != driver.ClassAccepted || !maps.Equal(got, want) || len(s.Rows()) != 5 {
			t.Errorf("%s, too fast: %v, warnings %v, %d rows", intake, err, got, len(s.Rows()))
		}
		if deleted := s.Delete(machine, time.Now()); deleted != 2 {
			t.Errorf("%s, too fast: %d deleted, want the 2 that have a person", intake, deleted)
		}
	}
}

func TestEachEventOfABatchBecomesWhatV1SaysOfIt(t *testing.T) {
	t.Parallel()
	s := &posthogstore.Store{Judge: func(event string) posthogstore.Verdict {
		switch event {
		case "dropped":
			return posthogstore.Verdict{Result: "drop", Details: "event_restriction_drop"}
		case "again":
			return posthogstore.Verdict{Result: "retry", Details: "not_persisted"}
		}
		return posthogstore.Verdict{}
	}}
	backend := openIntake(t, s, serve(t, s), "v1")
	events := eventsAt(time.Now(), 4)
	events[1].Type, events[2].Type = "dropped", "again"
	err := backend.Send(t.Context(), events)
	verdicts, ok := errors.AsType[*driver.Partial](err)
	if !ok || fmt.Sprint(verdicts.Accepted) != fmt.Sprint([]string{events[0].ID, events[3].ID}) || fmt.Sprint(verdicts.Rejected) != fmt.Sprint([]string{events[1].ID}) {
		t.Fatalf("%v", err)
	}
	if len(s.Rows()) != 2 {
		t.Errorf("%d rows", len(s.Rows()))
	}
}

// The intake stores the events, and what comes back says something else: nothing is taken
// for accepted that the answer does not say.
func TestAnAnswerThatWasChangedOnTheWayAcceptsNothingMore(t *testing.T) {
	t.Parallel()
	events := eventsAt(time.Now(), 3)
	for name, change := range map[string]func(map[string]posthogstore.Verdict){
		"one is missing":    func(r map[string]posthogstore.Verdict) { delete(r, events[1].ID) },
		"one says another":  func(r map[string]posthogstore.Verdict) { r[events[1].ID] = posthogstore.Verdict{Result: "accepted"} },
		"another one's too": func(r map[string]posthogstore.Verdict) { r[uuidB] = posthogstore.Verdict{Result: "ok"} },
		"none is there":     func(r map[string]posthogstore.Verdict) { clear(r) },
	} {
		s := &posthogstore.Store{}
		s.Then(posthogstore.VerdictsOf(change))
		backend := openIntake(t, s, serve(t, s), "v1")
		err := backend.Send(t.Context(), events)
		if verdicts, ok := errors.AsType[*driver.Partial](err); err == nil || ok && (len(verdicts.Accepted) != 2 || len(verdicts.Rejected) != 0) {
			t.Errorf("%s: %v", name, err)
		}
		// Sent again they are the same rows.
		if err := backend.Send(t.Context(), events); err != nil || len(s.Rows()) != 3 {
			t.Errorf("%s, again: %v, %d rows", name, err, len(s.Rows()))
		}
	}
}

// A machine that was away for long, or a loop that went wrong. PostHog would keep the events
// and no person behind them, and nobody could have them deleted.
func TestABacklogOfTwelveThousandEventsIsDeletableToTheLast(t *testing.T) {
	if testing.Short() {
		t.Skip("queues 12 000 events")
	}
	t.Parallel()
	const backlog, documented = 12_000, 5000
	for name, tt := range map[string]struct {
		perMinute  int
		flushes    int
		personless bool
	}{
		"at the driver's rate": {posthog.Driver().Limits.PerMinute, 3, false},
		"without one":          {0, 1, true}, // the control: what the rate is for
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var offset atomic.Int64
			now := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
			s := &posthogstore.Store{Now: now, PerMinute: documented}
			d := posthog.Driver()
			d.Limits.PerMinute = tt.perMinute
			h := install(t, s, d.Limits.Events, core.WithClock(now))
			h.tool.Telemetry.Drivers = []driver.Driver{d}
			h.tool.Telemetry.Settings["intake"] = "v1"
			c := h.run()
			for range backlog {
				c.TrackCommand("build", 1, 0, nil)
			}
			over, cancel := context.WithCancel(t.Context())
			cancel()
			if err := c.Flush(over); err == nil { // gives the slot back, sends nothing
				t.Fatal("a flush without time succeeded")
			}
			m := core.NewManager(h.tool, h.options...)
			flushes, warned := 0, 0
			for m.Status().Queue.Events > 0 && flushes < 10 {
				report, err := m.Flush(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if report.Paced != 0 && report.PacedUntil.Before(now()) {
					t.Errorf("flush %d: %+v", flushes, report)
				}
				warned += report.Warned["person_processing_disabled"]
				flushes++
				if report.PacedUntil.IsZero() {
					break
				}
				offset.Add(int64(report.PacedUntil.Sub(now())) + int64(time.Millisecond))
			}
			personless := 0
			for _, row := range s.Rows() {
				if row.Person == "" {
					personless++
				}
			}
			if len(s.Rows()) != backlog || flushes != tt.flushes || (personless > 0) != tt.personless || warned != personless {
				t.Errorf("%d rows after %d flushes, %d without a person, %d warnings", len(s.Rows()), flushes, personless, warned)
			}
			if n := m.Status().NotDeletable(); n != personless {
				t.Errorf("status says %d cannot be deleted, want %d", n, personless)
			}
		})
	}
}
