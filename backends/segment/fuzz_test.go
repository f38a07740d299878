//go:build !notelemetry

package segment_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/segment"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

// Whatever is said, an acceptance is a 2xx, and a partial one names events of this batch.
func FuzzAnswer(f *testing.F) {
	batch := []driver.Event{{ID: "01890a5d-ac96-774b-bcce-000000000001", Time: time.Unix(1770120000, 0)}, {ID: "01890a5d-ac96-774b-bcce-000000000002", Time: time.Unix(1770120000, 0)}}
	for _, body := range []string{
		`{"success":true}`, `{"success":false}`, `{"ok":false,"errors":["Message ID: %a: bad"]}`, `{"ok":true,"success":false,"errors":["%a","%b"]}`,
		`{"ok":false,"errors":["%a:","%a:x"]}`, `{"ok":false,"errors":["",":"]}`, `OK`, `Invalid Authorization Header`, ``, `[]`, `<html>`,
	} {
		for _, status := range []int{200, 400, 429} {
			f.Add(status, "", body)
		}
	}
	f.Add(503, "120", "")
	f.Fuzz(func(t *testing.T, status int, retryAfter, body string) {
		body = strings.NewReplacer("%a", batch[0].ID, "%b", batch[1].ID).Replace(body)
		d := segment.Driver()
		settings, err := d.Resolve(map[string]string{"instance": "us", "write_key": strings.Repeat("k", 32)})
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
		// A request takes a few KiB; each error of the answer is a text and a key of a map.
		fuzzing.Allocs(t, len(body), 64<<10, 64, func() { err = b.Send(t.Context(), batch) })
		fuzzing.Verdict(t, err, batch, body)
		class := driver.Classify(err)
		if (class == driver.ClassAccepted || class == driver.ClassPartial) && answer.Status != 200 {
			t.Errorf("%d with %q is %v", answer.Status, body, class)
		}
		var said map[string]any
		if json.Unmarshal([]byte(body), &said) == nil && said["success"] == false && class == driver.ClassAccepted {
			t.Errorf("%q is an acceptance", body)
		}
	})
}
