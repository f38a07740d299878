//go:build !notelemetry

package posthog_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

// Whatever PostHog says, at either intake, an event counts as accepted only where the answer
// says so of it, or of the batch.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		answerV1(ok, warning), answerV1(toDrop, toRetry), `{"results":{"%a":{"result":"ok"},"%a":{"result":"drop"},"%b":null}}`, `{"results":{"x":{"result":"ok"}}}`,
		`{"status":"Ok"}`, `{"status":1}`, `{"status":1,"quota_limited":["events"]}`, `{"error":"invalid_event_timestamp"}`, `{"error":"empty_batch"}`, `[]`, ``, `<html>`,
	} {
		for _, status := range []int{200, 400, 429} {
			f.Add(status, "", body, true)
			f.Add(status, "3", body, false)
		}
	}
	batch := events(2)
	f.Fuzz(func(t *testing.T, status int, retryAfter, body string, v1 bool) {
		body = strings.NewReplacer("%a", batch[0].ID, "%b", batch[1].ID).Replace(body)
		answer := fuzzing.Answer{Status: 200 + int(uint(status)%400), Header: http.Header{"Retry-After": {retryAfter}, "Content-Type": {"application/json"}}, Body: body}
		if 200 <= status && status < 600 {
			answer.Status = status
		}
		settings := map[string]string{"project_key": key, "instance": "us"}
		if !v1 {
			settings["intake"] = "batch"
		}
		b, err := open(t, driver.Config{Transport: answer}, settings)
		if err != nil {
			t.Fatal(err)
		}
		// The SDK reads the answer as well, and makes what it needs for a batch; each verdict is a
		// map of slices.
		fuzzing.Allocs(t, len(body), 1<<20, 256, func() { err = b.Send(patient(t), batch) })
		fuzzing.Verdict(t, err, batch, body)
		class := driver.Classify(err)
		if (class == driver.ClassAccepted || class == driver.ClassPartial) && (answer.Status/100 != 2 || !json.Valid([]byte(body))) {
			t.Errorf("%d with %q is %v", answer.Status, body, class)
		}
		if got, _ := fates(batch, err); v1 && strings.Contains(got, "a") && !strings.Contains(body, `ok`) && !strings.Contains(body, "warning") && !strings.Contains(body, `\u`) {
			t.Errorf("%q accepts %s", body, got)
		}
	})
}
