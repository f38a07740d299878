//go:build !notelemetry

package segment_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/segment"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

// Whatever Segment says, a receipt has an ID that can be asked about, and its state is never
// that everything is verified: Segment cannot show that.
func FuzzNoAnswerIsTakenForMoreThanItSays(f *testing.F) {
	const made = `{"data":{"regulateId":"reg_1"}}`
	for _, status := range []string{"INITIALIZED", "RUNNING", "FINISHED", "FAILED", "dreamt"} {
		f.Add(200, "", made, `{"data":{"regulation":{"id":"reg_1","overallStatus":"`+status+`"}}}`)
	}
	f.Add(200, "", `{"data":{"regulateId":"../x"}}`, `null`)
	f.Add(429, "2027-01-01T00:00:00Z", `{}`, `{}`)
	f.Add(429, "9999-12-31T23:59:59Z", `{}`, `{}`)
	f.Add(422, "", `{"errors":[{"type":"x"}]}`, `[]`)
	f.Fuzz(func(t *testing.T, status int, reset, made, asked string) {
		if status < 200 || status > 599 {
			status = 200
		}
		header := http.Header{"X-Regulation-Ratelimit-Quota-Reset": {reset}}
		open := func(body string) deletion.Requestor {
			r, err := segment.Vendor().Requestor(deletion.VendorConfig{
				Settings:  map[string]string{"instance": "us", "token": "t"},
				Transport: fuzzing.Answer{Status: status, Header: header, Body: body}, Now: func() time.Time { return noon },
			})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		sound := func(receipt deletion.Receipt, err error) bool {
			if err == nil && (receipt.State == "" || receipt.State == deletion.Verified || receipt.ID == "" || strings.ContainsAny(receipt.ID, "/.\\ ")) {
				t.Errorf("%+v", receipt)
			}
			if err != nil && (receipt.State != "" || len(err.Error()) > 500) {
				t.Errorf("%+v and an error of %d bytes", receipt, len(err.Error()))
			}
			if wait := driver.Wait(err); wait < 0 || wait > 24*time.Hour {
				t.Errorf("it waits %v", wait)
			}
			return err == nil
		}
		var receipt deletion.Receipt
		var err error
		// A request of a few KiB; of the answer a few fields are read.
		fuzzing.Allocs(t, len(made), 128<<10, 32, func() {
			receipt, err = open(made).RequestDeletion(t.Context(), deletion.Request{MachineID: strings.Repeat("0d", 16), RequestedAt: noon})
		})
		if sound(receipt, err) {
			sound(open(asked).(deletion.Follower).Status(t.Context(), receipt))
		}
	})
}
