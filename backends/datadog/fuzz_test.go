//go:build !notelemetry

package datadog_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

// Whatever Datadog says, only a 202 that is no page is an acceptance, and nothing is partial.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{`{}`, `{"errors":[{"status":"400","detail":"x"}]}`, `{"errors":["Bad Request"]}`, `{"errors":[]}`, `{"errors":{}}`, ``, `<!doctype html>`, "\xff"} {
		for _, status := range []int{202, 400, 429} {
			f.Add(status, "", "9", body)
		}
	}
	batch := batch(2)
	f.Fuzz(func(t *testing.T, status int, retryAfter, reset, body string) {
		answer := fuzzing.Answer{Status: 200 + int(uint(status)%400), Header: http.Header{"Retry-After": {retryAfter}, "X-Ratelimit-Reset": {reset}}, Body: body}
		if 200 <= status && status < 600 {
			answer.Status = status
		}
		b := mustOpen(t, answer, withKey())
		var err error
		// The SDK makes a model of each log and a few copies; of the answer only a list is read.
		fuzzing.Allocs(t, len(body), 1<<20, 64, func() { err = b.Send(t.Context(), batch) })
		fuzzing.Verdict(t, err, batch, body)
		switch class := driver.Classify(err); {
		case class == driver.ClassAccepted && (answer.Status != 202 || strings.HasPrefix(body, "<")):
			t.Errorf("%d with %q is an acceptance", answer.Status, body)
		case class == driver.ClassPartial:
			t.Errorf("%d with %q is partial", answer.Status, body)
		}
	})
}
