//go:build !notelemetry

package posthog

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
)

// batch is the body of the older intake.
type batch[P any] struct {
	APIKey string    `json:"api_key"`
	SentAt time.Time `json:"sent_at"`
	Batch  []item[P] `json:"batch"`
}

// batchRequest makes the request that is sent to the older intake out of the SDK's: the same
// fields, the properties that are ours, and the time of sending.
func (b *backend) batchRequest(r *http.Request, events []driver.Event) (driverhttp.Request, error) {
	var sdk batch[wrapped]
	if err := json.NewDecoder(r.Body).Decode(&sdk); err != nil {
		return driverhttp.Request{}, errors.New("the SDK's request cannot be read")
	}
	if err := fits(sdk.Batch, events); err != nil {
		return driverhttp.Request{}, err
	}
	text, err := encode(batch[json.RawMessage]{APIKey: sdk.APIKey, SentAt: time.Now().UTC(), Batch: unwrap(sdk.Batch)})
	return driverhttp.Request{
		URL:    b.endpoint + "/batch/",
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   text,
		Gzip:   true,
	}, err
}

// refusedBatch reads a 400 of the older intake, which says in a text what is wrong with an
// event.
func refusedBatch(a driverhttp.Answer, n int, say func(string) error) error {
	if len(bytes.TrimSpace(a.Body)) == 0 {
		return say("without a reason, so this is not PostHog: check Settings[endpoint], and what is in between")
	}
	return driver.Refused(say("PostHog does not take one of the events"), n)
}

// acknowledged reads the body of a 2xx, which alone says whether PostHog has the events.
func acknowledged(a driverhttp.Answer, say func(string) error) error {
	var body struct {
		Status       any             `json:"status"`
		QuotaLimited json.RawMessage `json:"quota_limited"`
	}
	if err := json.Unmarshal(a.Body, &body); err != nil || body.Status != "Ok" && body.Status != 1.0 {
		return say("without PostHog's acknowledgement, so the events are not stored: log in to this network, or check Settings[endpoint]")
	}
	switch string(body.QuotaLimited) {
	case "", "null", "[]", "false":
		return nil
	}
	return driver.Throttled(say("the project's quota is used up, and PostHog has dropped the events"), driverhttp.RepairWait)
}
