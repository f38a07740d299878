//go:build !notelemetry

package segment_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/segment"
	"github.com/gotoolbase/telemetry/core/driver"
)

func open(settings map[string]string) (driver.Backend, error) {
	d := segment.Driver()
	resolved, err := d.Resolve(settings)
	if err != nil {
		return nil, err
	}
	return d.Open(driver.Config{Settings: resolved})
}

func TestAnEndpointIsUnderstoodOrRefusedAndNeverDoubled(t *testing.T) {
	t.Parallel()
	posted := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { posted <- r.URL.String() }))
	t.Cleanup(server.Close)
	for ending, want := range map[string]string{
		"":                    "/v1/batch",
		"/":                   "/v1/batch",
		"/v1":                 "/v1/batch",
		"/v1/":                "/v1/batch",
		"/v1/batch":           "/v1/batch",
		"/v1/batch/":          "/v1/batch",
		"//v1//batch//":       "/v1/batch",
		"/V1/Batch":           "/V1/batch",
		"/V1":                 "/v1/batch",
		"/batch":              "/batch",           // Jitsu
		"/api/s/s2s/batch":    "/api/s/s2s/batch", // Jitsu
		"/proxy/segment":      "/proxy/segment/v1/batch",
		"/proxy%2Fsegment/":   "/proxy%2Fsegment/v1/batch",
		"/a%2Fb/v1/batch/":    "/a%2Fb/v1/batch",
		"/v1?tenant=a":        "/v1/batch?tenant=a",
		"/v1/track":           "",
		"/v1/identify":        "",
		"/v1/Identif%79":      "",
		"/v1/page":            "",
		"/v1/screen":          "",
		"/v1/group":           "",
		"/v1/alias":           "",
		"/v1/import":          "",
		"/api/s/s2s/track/":   "",
		"/v1/track?tenant=a":  "",
		"/proxy/v1/identify/": "",
	} {
		b, err := open(map[string]string{"endpoint": server.URL + ending, "write_key": "k"})
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
		if err := b.Send(t.Context(), []driver.Event{{ID: "1", Time: time.Unix(0, 0)}}); err != nil {
			t.Errorf("the ending %q: %v", ending, err)
		} else if got := <-posted; got != want {
			t.Errorf("the ending %q: posted to %s, want %s", ending, got, want)
		}
		_ = b.Close()
	}
}

func TestASettingThatIsAMistakeIsAnErrorThatHoldsNoKey(t *testing.T) {
	t.Parallel()
	const key = "wk-5ecret"
	for name, settings := range map[string]map[string]string{
		"no place":         {"write_key": key},
		"two places":       {"instance": "eu", "endpoint": "https://rudder.example.com", "write_key": key},
		"no key":           {"instance": "eu"},
		"a line break":     {"instance": "eu", "write_key": key + "\n"},
		"another instance": {"instance": "apac", "write_key": key},
		"plain http":       {"endpoint": "http://rudder.example.com", "write_key": key},
	} {
		if _, err := open(settings); err == nil {
			t.Errorf("%s is no error", name)
		} else if strings.Contains(err.Error(), key) {
			t.Errorf("%s: the error holds the key: %v", name, err)
		}
	}
}

func TestAnAnswerThatIsNoAcceptanceSaysWhyEventsAreKept(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status     int
		body, says string
	}{
		"a no of Jitsu's that names nothing": {200, `{"ok": false}`, "does not name what was taken"},
		"another 2xx":                        {204, "", "only 200 is an acceptance"},
		"a redirect":                         {302, "", "only 200 is an acceptance"},
		"a 400 without a message":            {400, "", "not as the API would"},
		"a refused key":                      {401, "", "Settings[write_key]"},
		"a failure":                          {503, "", "the receiver failed"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(test.status)
			_, _ = w.Write([]byte(test.body))
		}))
		b, err := open(map[string]string{"endpoint": server.URL, "write_key": "k"})
		if err != nil {
			t.Fatal(err)
		}
		err = b.Send(t.Context(), []driver.Event{{ID: "1", Type: "kind", Time: time.Unix(0, 0)}})
		if err == nil || !strings.Contains(err.Error(), test.says) || driver.Classify(err) == driver.ClassPermanent {
			t.Errorf("%s: %v, want events that are kept, with %q", name, err, test.says)
		}
		_ = b.Close()
		server.Close()
	}
}

func TestWhatJitsuRefusesAsANameIsNeverSentAsOne(t *testing.T) {
	t.Parallel()
	sent := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var text strings.Builder
		_ = r.Write(&text)
		sent <- text.String()
	}))
	t.Cleanup(server.Close)
	b, err := open(map[string]string{"endpoint": server.URL, "write_key": "k"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	for _, kind := range []string{"", "a--b", "a;b", "a=b", "a/*b", strings.Repeat("k", 65)} {
		if err := b.Send(t.Context(), []driver.Event{{ID: "1", Type: kind, Time: time.Unix(0, 0)}}); err != nil {
			t.Fatal(err)
		}
		if got := <-sent; !strings.Contains(got, `"event":"other"`) || !strings.Contains(got, `"properties":{"type":"`+kind+`"`) {
			t.Errorf("the type %q arrived as %s", kind, got)
		}
	}
}

// The suite fills batches with large events or with many; what grows most is as many as
// there may be, which fill the batch, without a machine ID.
func TestTheLargestBatchStaysWithinSegmentsLimits(t *testing.T) {
	t.Parallel()
	const request, call = 500_000, 32_000
	sizes := make(chan int, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { sizes <- int(r.ContentLength) }))
	t.Cleanup(server.Close)
	b, err := open(map[string]string{"endpoint": server.URL, "write_key": "k"}) // to which nothing is compressed
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	limits := segment.Driver().Limits
	for _, test := range []struct{ events, size, most int }{
		{limits.Events, limits.Bytes / limits.Events, request},
		{1, limits.EventBytes, call},
	} {
		e := driver.Event{ID: "01920000-0000-7000-8000-000000000001", Type: "a--b", Time: time.UnixMilli(1_700_000_000_123).UTC()}
		e.Error = strings.Repeat("x", test.size-len(e.AppendJSON(nil))-len(`,"error":""`))
		if got := len(e.AppendJSON(nil)); got != test.size {
			t.Fatalf("an event of %d bytes, want %d", got, test.size)
		}
		if err := b.Send(t.Context(), slices.Repeat([]driver.Event{e}, test.events)); err != nil {
			t.Fatal(err)
		}
		if got := <-sizes; got > test.most {
			t.Errorf("%d events of %d bytes make a request of %d, want at most %d", test.events, test.size, got, test.most)
		} else {
			t.Logf("%d events of %d bytes grow by %d each", test.events, test.size, (got-test.events*test.size)/test.events)
		}
	}
}
