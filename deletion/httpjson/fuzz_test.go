package httpjson_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/httpjson"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

// Whatever a relay says, a receipt is short, holds no key, and can be shown as JSON.
func FuzzNoAnswerIsTakenForMoreThanItSays(f *testing.F) {
	for _, body := range []string{
		`{"id":"r1","state":"acknowledged","cancel_until":"2026-11-22T10:00:00Z"}`, `{"id":"r1","state":"verified","detail":"gone"}`, `{"error":"proof_mismatch"}`,
		`{"cancel_until":"9999-12-31T23:59:59-01:00"}`, `{"cancel_until":"0000-01-01T00:00:00+01:00"}`, `{"id":"%k"}`, `{"detail":"Bearer secret-of-the-relay"}`, ``, `null`, `[]`, `<html>`,
	} {
		for _, status := range []int{202, 400, 404} {
			f.Add(status, "application/json", "", body)
		}
	}
	f.Add(503, "text/plain", "99999999", "")
	f.Fuzz(func(t *testing.T, status int, contentType, retryAfter, body string) {
		if status < 200 || status > 599 {
			status = 200
		}
		req := request()
		body = strings.ReplaceAll(body, "%k", req.DeletionKey)
		r := httpjson.Requestor{Endpoint: endpoint, Headers: map[string]string{"Authorization": "Bearer secret-of-the-relay"},
			Transport: fuzzing.Answer{Status: status, Header: http.Header{"Content-Type": {contentType}, "Retry-After": {retryAfter}}, Body: body}}
		var receipt deletion.Receipt
		var err error
		// A client and a request of a few KiB; of the answer four fields are read, and copied.
		fuzzing.Allocs(t, len(body), 128<<10, 32, func() { receipt, err = r.RequestDeletion(t.Context(), req) })
		if err != nil {
			if len(err.Error()) > 500 || driver.Wait(err) < 0 {
				t.Errorf("an error of %d bytes, which waits %v", len(err.Error()), driver.Wait(err))
			}
			return
		}
		shown, err := json.Marshal(receipt)
		if err != nil || len(receipt.ID)+len(receipt.Detail) > 4<<10 || strings.Contains(string(shown), req.DeletionKey) || strings.Contains(string(shown), "secret-of-the-relay") {
			t.Errorf("%s (%v)", shown, err)
		}
		switch receipt.State {
		case deletion.Delivered:
		case deletion.Acknowledged, deletion.Verified, deletion.Refused:
			if !strings.Contains(body, string(receipt.State)) && !strings.Contains(body, `\u`) {
				t.Errorf("%q is %s", body, receipt.State)
			}
		default:
			t.Errorf("the state %q", receipt.State)
		}
	})
}
