//go:build !notelemetry

package posthog_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"

	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/core/driver"
)

// answerV1 is an answer of capture v1 with these verdicts on the events of a batch, in their
// order; "" for none.
func answerV1(verdicts ...string) string {
	var members []string
	for i, e := range events(len(verdicts)) {
		if verdicts[i] != "" {
			members = append(members, fmt.Sprintf("%q:%s", e.ID, verdicts[i]))
		}
	}
	return `{"results":{` + strings.Join(members, ",") + `}}`
}

const (
	ok      = `{"result":"ok"}`
	warning = `{"result":"warning","details":"person_processing_disabled"}`
	toDrop  = `{"result":"drop","details":"event_too_big"}`
	toRetry = `{"result":"retry","details":"not_persisted"}`
)

// Each row is an answer to three events: who is accepted (a), rejected (r) or kept (-).
func TestEveryVerdictOfV1MeansWhatTheTableSays(t *testing.T) {
	t.Parallel()
	id := events(1)[0].ID
	for _, tt := range []struct {
		name, body, want string
		class            driver.Class
		warnings         map[string]int
		says             string
	}{
		{"all ok", answerV1(ok, ok, ok), "aaa", driver.ClassAccepted, nil, ""},
		{"one warning", answerV1(ok, warning, ok), "aaa", driver.ClassAccepted, map[string]int{"person_processing_disabled": 1}, ""},
		{"all warnings", answerV1(warning, warning, warning), "aaa", driver.ClassAccepted, map[string]int{"person_processing_disabled": 3}, ""},
		{"a warning nobody knows", answerV1(ok, ok, `{"result":"warning","details":"c4n4ry\n"}`), "aaa", driver.ClassAccepted, map[string]int{"unknown_warning": 1}, ""},
		{"a warning without a word", answerV1(ok, ok, `{"result":"warning"}`), "aaa", driver.ClassAccepted, map[string]int{"unknown_warning": 1}, ""},
		{"ok, and nobody's", answerV1(ok, ok, `{"result":"ok","details":"person_processing_disabled"}`), "aaa", driver.ClassAccepted, map[string]int{"person_processing_disabled": 1}, ""},
		{"one dropped", answerV1(ok, toDrop, ok), "ara", driver.ClassPartial, nil, "1 dropped (event_too_big)"},
		{"dropped for a reason nobody knows", answerV1(ok, `{"result":"drop","details":"c4n4ry"}`, ok), "ara", driver.ClassPartial, nil, "1 dropped (unknown_reason)"},
		{"over quota", answerV1(`{"result":"drop","details":"over_quota"}`, ok, `{"result":"drop"}`), "rar", driver.ClassPartial, nil, "1 dropped (over_quota), 1 dropped (unknown_reason)"},
		{"all dropped", answerV1(toDrop, toDrop, toDrop), "rrr", driver.ClassPermanent, nil, "3 dropped (event_too_big)"},
		{"one to be sent again", answerV1(ok, ok, toRetry), "aa-", driver.ClassPartial, nil, "1 to be sent again"},
		{"all to be sent again", answerV1(toRetry, toRetry, toRetry), "---", driver.ClassThrottled, nil, "3 to be sent again"},
		{"all four", answerV1(warning, toDrop, toRetry), "ar-", driver.ClassPartial, map[string]int{"person_processing_disabled": 1}, "of 3 events 1 accepted, 1 dropped (event_too_big), 1 to be sent again"},
		{"one missing", answerV1(ok, "", ok), "a-a", driver.ClassPartial, nil, "1 to be sent again"},
		{"a verdict nobody knows", answerV1(ok, ok, `{"result":"fine"}`), "aa-", driver.ClassPartial, nil, ""},
		{"a verdict in capitals", answerV1(ok, ok, `{"result":"OK"}`), "aa-", driver.ClassPartial, nil, ""},
		{"a name in capitals", answerV1(ok, ok, `{"Result":"ok"}`), "aa-", driver.ClassPartial, nil, ""},
		{"no verdict in it", answerV1(ok, ok, `{}`), "aa-", driver.ClassPartial, nil, ""},
		{"two verdicts in it", answerV1(ok, ok, `{"result":"drop","result":"ok"}`), "aa-", driver.ClassPartial, nil, ""},
		{"null", answerV1(ok, ok, `null`), "aa-", driver.ClassPartial, nil, ""},
		{"no object", answerV1(ok, ok, `"ok"`), "---", driver.ClassUnknown, nil, "second request|verdict|again"},
		{"two of one event", strings.Replace(answerV1(ok, ok, ok), `{"results":{`, `{"results":{"`+id+`":`+ok+`,`, 1), "-aa", driver.ClassPartial, nil, ""},
		{"another event as well", strings.Replace(answerV1(ok, ok, ok), `{"results":{`, `{"results":{"01890a5d-ac96-774b-bcce-ffffffffffff":`+ok+`,`, 1), "---", driver.ClassUnknown, nil, "not sent"},
		{"other events alone", `{"results":{"01890a5d-ac96-774b-bcce-ffffffffffff":` + ok + `}}`, "---", driver.ClassUnknown, nil, "not sent"},
		{"none", `{"results":{}}`, "---", driver.ClassUnknown, nil, "verdicts"},
		{"a list", `{"results":[` + ok + `]}`, "---", driver.ClassUnknown, nil, "verdicts"},
		{"twice results", `{"results":{},` + answerV1(ok, ok, ok)[1:], "---", driver.ClassUnknown, nil, "verdicts"},
		{"RESULTS", strings.Replace(answerV1(ok, ok, ok), "results", "RESULTS", 1), "---", driver.ClassUnknown, nil, "verdicts"},
		{"within another object", `{"data":` + answerV1(ok, ok, ok) + `}`, "---", driver.ClassUnknown, nil, "verdicts"},
		{"cut", answerV1(ok, ok, ok)[:60], "---", driver.ClassUnknown, nil, "verdicts"},
		{"with something behind it", answerV1(ok, ok, ok) + "x", "---", driver.ClassUnknown, nil, "verdicts"},
		{"the older intake's", `{"status":"Ok"}`, "---", driver.ClassUnknown, nil, "verdicts"},
		{"a web page", "<html>c4n4ry</html>", "---", driver.ClassUnknown, nil, "web page"},
		{"nothing", "", "---", driver.ClassUnknown, nil, "verdicts"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, transport := mockOf(t, map[string]string{}, httpmock.NewStringResponder(200, tt.body))
			batch := events(3)
			err := b.Send(patient(t), batch)
			if calls := transport.GetTotalCallCount(); calls != 1 {
				t.Errorf("%d requests", calls)
			}
			got, warned := fates(batch, err)
			if got != tt.want || driver.Classify(err) != tt.class || !maps.Equal(warned, tt.warnings) {
				t.Errorf("%s, %v, warnings %v; want %s, %v, %v (%v)", got, driver.Classify(err), warned, tt.want, tt.class, tt.warnings, err)
			}
			if says := fmt.Sprint(err); strings.Contains(says, canary) || strings.Contains(says, key) || !containsOne(says, tt.says) {
				t.Errorf("says %q, want %q and no word of the server's", says, tt.says)
			}
			for name := range warned {
				if !slices.ContainsFunc(posthog.Driver().Warnings, func(w driver.Warning) bool { return w.Name == name && w.Doc != "" }) {
					t.Errorf("the warning %s is not declared", name)
				}
			}
		})
	}
}

func containsOne(s, alternatives string) bool {
	return slices.ContainsFunc(strings.Split(alternatives, "|"), func(a string) bool { return strings.Contains(s, a) })
}

// fates says of each event what the collector makes of an error of Send, and with what
// warnings the vendor took them.
func fates(batch []driver.Event, err error) (string, map[string]int) {
	partial, _ := errors.AsType[*driver.Partial](err)
	var b strings.Builder
	for _, e := range batch {
		switch {
		case err == nil, partial != nil && slices.Contains(partial.Accepted, e.ID):
			b.WriteByte('a')
		case partial != nil && slices.Contains(partial.Rejected, e.ID), driver.Classify(err) == driver.ClassPermanent:
			b.WriteByte('r')
		default:
			b.WriteByte('-')
		}
	}
	if partial == nil || len(partial.Warnings) == 0 {
		return b.String(), nil
	}
	return b.String(), partial.Warnings
}

func TestWhatIsToBeSentAgainWaitsAsLongAsPostHogSays(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		body, after string
		want        time.Duration
	}{
		{answerV1(ok, toRetry), "", time.Second}, {answerV1(ok, toRetry), "1", time.Second}, {answerV1(ok, toRetry), "0", time.Second},
		{answerV1(ok, toRetry), "90", 90 * time.Second}, {answerV1(toRetry, toRetry), "90", 90 * time.Second}, {answerV1(toRetry, toRetry), canary, time.Second},
		{answerV1(toDrop, ""), "", time.Second}, // or the other would be sent again at once, as if it had been refused for this one
		{answerV1(ok, toDrop), "90", 0}, {answerV1(ok, ok), "90", 0},
	} {
		b, _ := mockOf(t, map[string]string{}, func(*http.Request) (*http.Response, error) {
			answer := httpmock.NewStringResponse(200, tt.body)
			answer.Header.Set("Retry-After", tt.after)
			return answer, nil
		})
		if err := b.Send(patient(t), events(2)); driver.Wait(err) != tt.want {
			t.Errorf("%s, Retry-After %q: wait %v, want %v", tt.body, tt.after, driver.Wait(err), tt.want)
		}
	}
}

// The table is the one of the package comment, written out once more.
func TestEveryStatusOfV1MeansWhatTheTableSays(t *testing.T) {
	t.Parallel()
	code := func(word string) string {
		return `{"error":"` + word + `","error_description":"` + canary + key + `","error_uri":"https://posthog.com/docs/api"}`
	}
	for _, r := range []struct {
		status   int
		body     string
		one, two driver.Class
		wait     time.Duration
		says     string
	}{
		{400, code("duplicate_event_uuid"), driver.ClassPermanent, driver.ClassTooLarge, 0, "duplicate_event_uuid"},
		{400, code("request_parsing_error"), driver.ClassPermanent, driver.ClassTooLarge, 0, "request_parsing_error"},
		{400, code("missing_required_headers"), driver.ClassThrottled, driver.ClassThrottled, time.Hour, "missing_required_headers"},
		{400, code("request_decoding_error"), driver.ClassThrottled, driver.ClassThrottled, time.Hour, "in between"},
		{400, code(canary), driver.ClassUnknown, driver.ClassUnknown, 0, "not in PostHog's words"},
		{400, "event submitted without a distinct_id", driver.ClassUnknown, driver.ClassUnknown, 0, "not in PostHog's words"},
		{400, "", driver.ClassUnknown, driver.ClassUnknown, 0, "not in PostHog's words"},
		{400, "<html>", driver.ClassUnknown, driver.ClassUnknown, 0, "web page"},
		{401, code("invalid_api_token"), driver.ClassThrottled, driver.ClassThrottled, time.Hour, "project_key"},
		{402, code("billing_limit_exceeded"), driver.ClassThrottled, driver.ClassThrottled, time.Hour, "plan"},
		{403, code("forbidden"), driver.ClassThrottled, driver.ClassThrottled, time.Hour, "project_key"},
		{404, "Not Found", driver.ClassThrottled, driver.ClassThrottled, time.Hour, "endpoint"},
		{405, "", driver.ClassThrottled, driver.ClassThrottled, time.Hour, "endpoint"},
		{408, code("body_read_timeout"), driver.ClassUnknown, driver.ClassUnknown, 0, "try again"},
		{413, code("payload_too_large"), driver.ClassTooLarge, driver.ClassTooLarge, 0, "too large"},
		{415, code("unsupported_encoding"), driver.ClassThrottled, driver.ClassThrottled, time.Hour, "endpoint"},
		{429, code("billing_limit_exceeded"), driver.ClassThrottled, driver.ClassThrottled, time.Hour, "plan"},
		{429, code("rate_limited"), driver.ClassUnknown, driver.ClassUnknown, 0, "try again"},
		{500, code("internal_error"), driver.ClassUnknown, driver.ClassUnknown, 0, "failed"},
		{503, code("service_unavailable"), driver.ClassUnknown, driver.ClassUnknown, 0, "failed"},
		{504, code("gateway_timeout"), driver.ClassUnknown, driver.ClassUnknown, 0, "failed"},
		{307, "", driver.ClassUnknown, driver.ClassUnknown, 0, "redirect"},
	} {
		for n, want := range map[int]driver.Class{1: r.one, 2: r.two} {
			b, transport := mockOf(t, map[string]string{}, func(*http.Request) (*http.Response, error) {
				answer := httpmock.NewStringResponse(r.status, r.body)
				answer.Header.Set("Location", "https://"+canary+".example.com/")
				return answer, nil
			})
			err := b.Send(patient(t), events(n))
			if driver.Classify(err) != want || driver.Wait(err) != r.wait || transport.GetTotalCallCount() != 1 {
				t.Errorf("%d %s to %d events: %v, wait %v, %d requests; want %v, %v", r.status, r.body, n,
					driver.Classify(err), driver.Wait(err), transport.GetTotalCallCount(), want, r.wait)
			}
			if text := fmt.Sprint(err); !strings.Contains(text, r.says) || strings.Contains(text, canary) || strings.Contains(text, key) {
				t.Errorf("%d: says %q, want %q and no secret", r.status, text, r.says)
			}
		}
	}
}

// One's own PostHog may not serve v1. The default there is the older intake, and an author
// who asks for v1 is told what else there is.
func TestAnEndpointIsAskedAtTheIntakeThatItIsKnownToHave(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		settings map[string]string
		path     string
	}{
		{map[string]string{"endpoint": ""}, "/ingest/batch/"},
		{map[string]string{"endpoint": "", "intake": "batch"}, "/ingest/batch/"},
		{map[string]string{"endpoint": "", "intake": "v1"}, "/ingest/i/v1/analytics/events"},
	} {
		for _, status := range []int{404, 503} {
			var path atomic.Value
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				path.Store(r.URL.Path)
				w.WriteHeader(status)
				io.WriteString(w, "no such thing here")
			}))
			t.Cleanup(s.Close)
			tt.settings["endpoint"], tt.settings["project_key"] = s.URL+"/ingest/", key
			b, err := open(t, driver.Config{}, tt.settings)
			if err != nil {
				t.Fatal(err)
			}
			err = b.Send(patient(t), events(1))
			if path.Load() != tt.path {
				t.Errorf("%v: posted to %v", tt.settings, path.Load())
			}
			if hint := strings.Contains(fmt.Sprint(err), "set Settings[intake] to batch"); hint != (tt.settings["intake"] == "v1") {
				t.Errorf("%v, %d: %v", tt.settings, status, err)
			}
		}
	}
}

// What is copied from PostHog's documentation is an intake's address and not where it is.
func TestAnEndpointThatEndsInAPathOfTheIntakeIsRefused(t *testing.T) {
	t.Parallel()
	for _, ending := range []string{"/batch", "/capture", "/e", "/engage", "/track", "/i/v0/e", "/i/v1/analytics/events"} {
		for _, tail := range []string{"", "/", "//"} {
			for _, before := range []string{"https://h", "https://h/ingest"} {
				for _, url := range []string{before + ending + tail, before + strings.ToUpper(ending) + tail} {
					for intake := range intakes {
						_, err := open(t, driver.Config{}, map[string]string{"project_key": key, "endpoint": url, "intake": intake})
						if err == nil || !strings.Contains(err.Error(), "leave that out") || !strings.Contains(err.Error(), "Telemetry.Settings[endpoint]") {
							t.Errorf("%s: %v", url, err)
						}
					}
				}
			}
		}
	}
	for _, url := range []string{"https://h", "https://h/", "https://h/ingest", "https://h/me", "https://h/mybatch", "https://batch", "https://h/batch/posthog"} {
		if _, err := open(t, driver.Config{}, map[string]string{"project_key": key, "endpoint": url}); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// A key must not go where somebody's redirect leads.
func TestTheKeyGoesNowhereElse(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, status)
		}))
		t.Cleanup(s.Close)
		b, err := open(t, driver.Config{}, map[string]string{"project_key": key, "endpoint": s.URL, "intake": "v1"})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Send(patient(t), events(1)); driver.Classify(err) != driver.ClassUnknown || strings.Contains(err.Error(), key) {
			t.Errorf("%d: %v", status, err)
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

// The documented 5000 a minute are of one distinct_id, which is one installation.
func TestTheRateIsBelowWhatPostHogDocuments(t *testing.T) {
	t.Parallel()
	if limits := posthog.Driver().Limits; limits.PerMinute <= 0 || limits.PerMinute >= 5000 || limits.PerMinute < limits.Events {
		t.Errorf("%+v", limits)
	}
}
