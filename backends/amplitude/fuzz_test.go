//go:build !notelemetry

package amplitude_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/amplitude"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

// Whatever Amplitude says, only a 200 with the number of events is an acceptance, and a partial
// one is of 400 alone.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		`{"code":200,"events_ingested":2}`, `{"code":200,"events_ingested":3}`, `{"code":200}`, `{"code":400,"error":"Invalid API key: x"}`,
		`{"code":400,"events_with_invalid_fields":{"time":[0]},"events_with_missing_fields":{"user_id":[0]},"silenced_events":[1]}`,
		`{"code":400,"events_with_invalid_id_lengths":{"device_id":[2]}}`, `{"code":400,"silenced_events":[-1]}`, `{"code":400,"throttled_events":[0,1]}`,
		`{"code":429,"exceeded_daily_quota_devices":{"d":501}}`, `{"code":413}`, `[]`, `null`, `<html>`, `{"code":1e400}`,
	} {
		for _, status := range []int{200, 400, 429} {
			f.Add(status, "", body)
		}
	}
	f.Add(503, "120", "")
	batch := []driver.Event{{ID: "01890a5d-ac96-774b-bcce-000000000001", Time: time.Unix(1770120000, 0)}, {ID: "01890a5d-ac96-774b-bcce-000000000002", Time: time.Unix(1770120000, 0)}}
	f.Fuzz(func(t *testing.T, status int, retryAfter, body string) {
		d := amplitude.Driver()
		settings, err := d.Resolve(map[string]string{"instance": "us", "api_key": strings.Repeat("0a", 16)})
		if err != nil {
			t.Fatal(err)
		}
		answer := fuzzing.Answer{Status: 200 + int(uint(status)%400), Header: http.Header{"Retry-After": {retryAfter}}, Body: body}
		if 200 <= status && status < 600 {
			answer.Status = status
		}
		b, err := d.Open(driver.Config{Settings: settings, Transport: answer})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		// A request takes a few KiB; a list in the answer takes a slice's header for each two bytes.
		fuzzing.Allocs(t, len(body), 64<<10, 64, func() { err = b.Send(t.Context(), batch) })
		fuzzing.Verdict(t, err, batch, body)
		switch class := driver.Classify(err); {
		case class == driver.ClassAccepted && (answer.Status != 200 || !strings.Contains(body, "{")):
			t.Errorf("%d with %q is an acceptance", answer.Status, body)
		case class == driver.ClassPartial && answer.Status != 400:
			t.Errorf("%d with %q is partial", answer.Status, body)
		}
	})
}
