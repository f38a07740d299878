//go:build !notelemetry

package amplitude_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/amplitude"
	"github.com/gotoolbase/telemetry/core/driver"
)

func open(settings map[string]string) (driver.Backend, error) {
	d := amplitude.Driver()
	resolved, err := d.Resolve(settings)
	if err != nil {
		return nil, err
	}
	return d.Open(driver.Config{Settings: resolved})
}

var events = []driver.Event{{ID: "11111", Time: time.Unix(0, 0)}, {ID: "22222", Time: time.Unix(0, 0)}}

func TestAnEndpointIsUnderstoodOrRefusedAndNeverDoubled(t *testing.T) {
	t.Parallel()
	posted := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { posted <- r.URL.String() }))
	t.Cleanup(server.Close)
	for ending, want := range map[string]string{
		"":                "/batch",
		"/":               "/batch",
		"/batch":          "/batch",
		"/batch/":         "/batch",
		"//Batch//":       "/batch",
		"/collect":        "/collect/batch",
		"/collect/batch":  "/collect/batch",
		"/collect?site=a": "/collect/batch?site=a",
		"/2/httpapi":      "",
		"/2/httpapi/":     "",
		"/2/httpapi?x=y":  "",
		"/2/HTTPAPI":      "",
		"/httpapi":        "",
		"/identify":       "",
		"/groupidentify":  "",
	} {
		b, err := open(map[string]string{"endpoint": server.URL + ending, "api_key": "k"})
		if want == "" {
			if err == nil {
				t.Errorf("the ending %q is not refused", ending)
			}
			continue
		}
		if err != nil {
			t.Errorf("the ending %q: %v", ending, err)
			continue
		}
		_ = b.Send(t.Context(), events) // an empty 200 is no acceptance
		if got := <-posted; got != want {
			t.Errorf("the ending %q: posted to %s, want %s", ending, got, want)
		}
		_ = b.Close()
	}
}

func TestASettingThatIsAMistakeIsAnErrorThatHoldsNoKey(t *testing.T) {
	t.Parallel()
	const key = "ak-5ecret"
	for name, settings := range map[string]map[string]string{
		"no place":         {"api_key": key},
		"two places":       {"instance": "eu", "endpoint": "https://collect.example.com", "api_key": key},
		"no key":           {"instance": "eu"},
		"a line break":     {"instance": "eu", "api_key": key + "\n"},
		"another instance": {"instance": "apac", "api_key": key},
		"plain http":       {"endpoint": "http://collect.example.com", "api_key": key},
	} {
		if _, err := open(settings); err == nil {
			t.Errorf("%s is no error", name)
		} else if strings.Contains(err.Error(), key) {
			t.Errorf("%s: the error holds the key: %v", name, err)
		}
	}
}

func TestHowLongAmplitudeIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status     int
		retryAfter string
		body       string
		want       time.Duration
		rejected   int
	}{
		"too many events a second": {status: 429, want: 30 * time.Second,
			body: `{"code": 429, "throttled_devices": {"22222": 4000}, "throttled_events": [1]}`},
		"too many a day": {status: 429, want: time.Hour,
			body: `{"code": 429, "exceeded_daily_quota_devices": {"22222": 500900}, "throttled_events": [1]}`},
		"a 429 of somebody else's": {status: 429, want: 30 * time.Second, body: "slow down"},
		"as long as it asks":       {status: 429, retryAfter: "120", want: 2 * time.Minute},
		"a wrong key":              {status: 400, want: time.Hour, body: `{"code": 400, "error": "Invalid API key: k"}`},
		"one silenced, one throttled": {status: 400, want: 30 * time.Second, rejected: 1,
			body: `{"code": 400, "silenced_events": [0], "throttled_devices": {"22222": 100}, "throttled_events": [1]}`},
		"one silenced, one beyond its quota": {status: 400, want: time.Hour, rejected: 1,
			body: `{"code": 400, "silenced_events": [0], "exceeded_daily_quota_devices": {"22222": 500900}}`},
		"one of two is invalid": {status: 400, rejected: 1, body: `{"code": 400, "events_with_invalid_fields": {"time": [0]}}`},
		"an error of its own":   {status: 500},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if test.retryAfter != "" {
				w.Header().Set("Retry-After", test.retryAfter)
			}
			w.WriteHeader(test.status)
			_, _ = w.Write([]byte(test.body))
		}))
		b, err := open(map[string]string{"endpoint": server.URL, "api_key": "k"})
		if err != nil {
			t.Fatal(err)
		}
		err = b.Send(t.Context(), events)
		if got := driver.Wait(err); got != test.want {
			t.Errorf("%s: to wait %s, want %s", name, got, test.want)
		}
		rejected := 0
		if partial, ok := errors.AsType[*driver.Partial](err); ok {
			rejected = len(partial.Rejected)
		}
		if rejected != test.rejected {
			t.Errorf("%s: %d events are lost, want %d", name, rejected, test.rejected)
		}
		_ = b.Close()
		server.Close()
	}
}

// What somebody else answers must not look like a riddle of Amplitude's: "answered 200" alone
// does not tell why events are kept.
func TestAnAnswerThatIsNoAcceptanceSaysWhyEventsAreKept(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status     int
		body, says string
	}{
		"a 200 of somebody else's":       {200, `{"ok": true}`, "not as Amplitude would"},
		"a 200 with nothing":             {200, "", "not as Amplitude would"},
		"a 200 for more events":          {200, `{"code": 200, "events_ingested": 3}`, "not as Amplitude would"},
		"another 2xx":                    {204, "", "only 200 is an acceptance"},
		"a redirect":                     {302, "", "only 200 is an acceptance"},
		"a 400 of somebody else's":       {400, "no", "not as Amplitude would"},
		"a 400 for events of another":    {400, `{"code": 400, "silenced_events": [7]}`, "events of another batch"},
		"a 400 about the key":            {400, `{"code": 400, "missing_field": "api_key"}`, "Settings[api_key]"},
		"an address that takes no event": {404, "", "check Settings[endpoint]"},
		"a failure":                      {503, "", "Amplitude failed"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(test.status)
			_, _ = w.Write([]byte(test.body))
		}))
		b, err := open(map[string]string{"endpoint": server.URL, "api_key": "k"})
		if err != nil {
			t.Fatal(err)
		}
		if err = b.Send(t.Context(), events); err == nil || !strings.Contains(err.Error(), test.says) || driver.Classify(err) == driver.ClassPermanent {
			t.Errorf("%s: %v, want events that are kept, with %q", name, err, test.says)
		}
		_ = b.Close()
		server.Close()
	}
}

func TestATypeThatAmplitudeReservesIsNeverSentAsOne(t *testing.T) {
	t.Parallel()
	sent := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var text strings.Builder
		_ = r.Write(&text)
		sent <- text.String()
	}))
	t.Cleanup(server.Close)
	b, err := open(map[string]string{"endpoint": server.URL, "api_key": "k"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	for _, kind := range []string{"", "$identify", "$groupidentify", "[Amplitude] Start Session"} {
		_ = b.Send(t.Context(), []driver.Event{{ID: "11111", Type: kind, Time: time.Unix(0, 0)}})
		if got := <-sent; !strings.Contains(got, `"event_type":"other"`) || !strings.Contains(got, `"event_properties":{"type":"`+kind+`"`) {
			t.Errorf("the type %q arrived as %s", kind, got)
		}
	}
}
