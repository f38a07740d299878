//go:build !notelemetry

package posthog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
)

// v1Batch is the body of capture v1. The key is in a header.
type v1Batch[P any] struct {
	CreatedAt string    `json:"created_at"`
	Batch     []item[P] `json:"batch"`
}

const (
	sdkInfoHeader   = "Posthog-Sdk-Info"
	attemptHeader   = "Posthog-Attempt"
	requestIDHeader = "Posthog-Request-Id"
	sentAtHeader    = "Posthog-Request-Timestamp"
)

// ownHeaders are those that an author's would stand in the way of.
var ownHeaders = []string{"Authorization", sdkInfoHeader, attemptHeader, requestIDHeader, sentAtHeader}

// v1Request makes the request that is sent to capture v1 out of the SDK's: the same fields,
// the properties that are ours, and us instead of the SDK as the one who sends.
func (b *backend) v1Request(r *http.Request, events []driver.Event) (driverhttp.Request, error) {
	var sdk v1Batch[wrapped]
	if err := json.NewDecoder(r.Body).Decode(&sdk); err != nil {
		return driverhttp.Request{}, errors.New("the SDK's request cannot be read")
	}
	if err := fits(sdk.Batch, events); err != nil {
		return driverhttp.Request{}, err
	}
	text, err := encode(v1Batch[json.RawMessage]{CreatedAt: sdk.CreatedAt, Batch: unwrap(sdk.Batch)})
	return driverhttp.Request{
		URL: b.endpoint + "/i/v1/analytics/events",
		Header: http.Header{
			"Content-Type":  {"application/json"},
			"Authorization": {"Bearer " + b.key},
			// PostHog makes $lib and $lib_version of it, whatever the properties say.
			sdkInfoHeader:   {libName + "/" + libVersion},
			attemptHeader:   {"1"},
			requestIDHeader: {r.Header.Get(requestIDHeader)},
			// PostHog corrects a wrong clock with it. The SDK's has whole seconds, by which all
			// times would be off.
			sentAtHeader: {time.Now().UTC().Format(time.RFC3339Nano)},
		},
		Body: text,
		Gzip: true,
	}, err
}

// The verdicts on an event.
const (
	resultOK      = "ok"
	resultWarning = "warning"
	resultDrop    = "drop"
	resultRetry   = "retry"
)

// The warnings of PostHog, and what stands for one that is none of them.
const (
	noPerson       = "person_processing_disabled"
	unknownWarning = "unknown_warning"
)

func warnings() []driver.Warning {
	return []driver.Warning{{
		Name:         noPerson,
		Doc:          "PostHog keeps no person behind them, so deleting the person may leave them",
		NotDeletable: true,
	}, {
		Name: unknownWarning,
		Doc:  "PostHog warned of something that this version does not know",
	}}
}

// dropReasons are PostHog's reasons not to take an event. Another one is named by a word
// of ours: what a server says may be any text.
var dropReasons = []string{
	"dropped_performance_event", "missing_event_name", "event_name_too_long", "missing_distinct_id", "distinct_id_too_large",
	"malformed_distinct_id", "invalid_distinct_id", "invalid_event_timestamp", "malformed_event_properties", "invalid_options",
	"event_restriction_drop", "non_historical_import_drop", "misrouted_event",
	"billing_limit_exceeded", "over_quota", "exceptions_over_quota", "survey_responses_over_quota", "llm_events_over_quota",
	"event_too_big", "serialization_failed", "rejected",
	"ai_event_too_big", "ai_byte_rate_limited", "gateway_props_unparseable",
}

const unknownReason = "unknown_reason"

// eventCodes are the codes of a 400 that are about what is in the batch.
var eventCodes = []string{
	"request_parsing_error", "missing_event_uuid", "invalid_event_uuid", "duplicate_event_uuid",
	"missing_event_name", "event_name_too_long", "missing_distinct_id", "distinct_id_too_large", "malformed_distinct_id",
	"invalid_distinct_id", "invalid_event_timestamp", "malformed_event_properties", "dropped_performance_event",
}

// otherCodes are those that are about the request.
var otherCodes = []string{
	"missing_required_headers", "invalid_header_value", "request_decoding_error", "empty_body", "empty_batch", "invalid_batch",
}

// refusedV1 reads a 400 of capture v1: an object with a code.
func refusedV1(a driverhttp.Answer, n int, say func(string) error) error {
	switch code := errorCode(a); {
	case slices.Contains(eventCodes, code):
		return driver.Refused(say("PostHog does not take one of the events: "+code), n)
	case slices.Contains(otherCodes, code):
		return driver.Throttled(say("PostHog cannot read the request, which something in between may have changed: "+code), driverhttp.RepairWait)
	}
	return say("not in PostHog's words: check Settings[endpoint], and what is in between")
}

// unpaid is the code of a project whose quota is used up: with 429 in an earlier version of
// capture v1, where it is 402 now.
const unpaid = "billing_limit_exceeded"

// errorCode returns PostHog's code for what is wrong with a request as a whole, "" if there is
// none.
func errorCode(a driverhttp.Answer) string {
	var body struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(a.Body, &body) != nil {
		return ""
	}
	return body.Error
}

// answeredV1 reports what is wrong with a 2xx as an answer of capture v1. What it says of the
// events is for settle.
func answeredV1(a driverhttp.Answer, say func(string) error) error {
	if _, ok := results(a.Body); !ok {
		return say("without PostHog's verdicts, so the events are not known to be stored: log in to this network, or check Settings[endpoint] and Settings[intake]")
	}
	return nil
}

// result is PostHog's verdict on an event.
type result struct{ verdict, details string }

// results reads the verdicts by event ID, all that there are of one. It reports false for a
// text that is no answer of capture v1.
func results(body []byte) (map[string][]result, bool) {
	members, ok := object(body)
	if !ok || len(members["results"]) != 1 {
		return nil, false
	}
	events, ok := object(members["results"][0])
	if !ok || len(events) == 0 {
		return nil, false
	}
	list := make(map[string][]result, len(events))
	for id, verdicts := range events {
		for _, raw := range verdicts {
			// Where it is no object, or its values are no strings, there is no verdict.
			fields, _ := object(raw)
			list[id] = append(list[id], result{text(fields["result"]), text(fields["details"])})
		}
	}
	return list, true
}

// object reads a JSON object with all values of a name: encoding/json takes the last of
// several, and names in capitals for others.
func object(raw []byte) (map[string][]json.RawMessage, bool) {
	if !json.Valid(raw) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, false
	}
	members := map[string][]json.RawMessage{}
	for d.More() {
		name, err := d.Token()
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil {
			return nil, false
		}
		key, _ := name.(string)
		members[key] = append(members[key], value)
	}
	return members, true
}

// text is the one string that there is, "" otherwise.
func text(values []json.RawMessage) (s string) {
	if len(values) != 1 || json.Unmarshal(values[0], &s) != nil {
		return ""
	}
	return s
}

// settle makes the error of Send out of the verdicts of the SDK and of the answer that it
// had them from. Both have to say that an event was accepted, or dropped.
func settle(events []driver.Event, a driverhttp.Answer, sdk map[string]string, now time.Time) error {
	answered, _ := results(a.Body)
	verdicts := driver.Partial{Warnings: map[string]int{}}
	dropped, kept, retry := map[string]int{}, 0, false
	for _, e := range events {
		given := answered[e.ID]
		delete(answered, e.ID)
		var r result
		if len(given) == 1 {
			r = given[0]
		}
		switch said := sdk[e.ID]; {
		case r.verdict == resultOK && said == resultOK:
			verdicts.Accepted = append(verdicts.Accepted, e.ID)
			if r.details == noPerson { // of an ID that PostHog takes for none: it says so with an ok
				verdicts.Warnings[noPerson]++
			}
		case r.verdict == resultWarning && said == resultOK:
			verdicts.Accepted = append(verdicts.Accepted, e.ID)
			verdicts.Warnings[known(r.details, []string{noPerson}, unknownWarning)]++
		case r.verdict == resultDrop && said == resultDrop:
			verdicts.Rejected = append(verdicts.Rejected, e.ID)
			dropped[known(r.details, dropReasons, unknownReason)]++
		default:
			kept++
			retry = retry || r.verdict == resultRetry
		}
	}
	if len(answered) > 0 {
		return errors.New("PostHog answered for events that were not sent, so it is not known what became of these")
	}
	says := []string{fmt.Sprintf("answered %d: of %d events %d accepted", a.Status, len(events), len(verdicts.Accepted))}
	for _, reason := range slices.Sorted(maps.Keys(dropped)) {
		says = append(says, fmt.Sprintf("%d dropped (%s)", dropped[reason], reason))
	}
	if kept > 0 {
		says = append(says, fmt.Sprintf("%d to be sent again", kept))
	}
	reason := errors.New(strings.Join(says, ", "))
	switch {
	case len(verdicts.Accepted) == len(events) && len(verdicts.Warnings) == 0:
		return nil
	case len(verdicts.Accepted) == len(events):
		return &verdicts
	case len(verdicts.Rejected) == len(events):
		return driver.Permanent(reason)
	case kept == len(events) && retry:
		return driver.Throttled(reason, retryWait(a, now))
	case kept == len(events):
		return reason
	case kept > 0:
		verdicts.Wait = retryWait(a, now)
	}
	verdicts.Err = reason
	return &verdicts
}

// retryWait is how long what PostHog did not store is left alone. Without a Retry-After it is
// what PostHog sends as one.
func retryWait(a driverhttp.Answer, now time.Time) time.Duration {
	if wait, ok := driverhttp.RetryAfter(a.Header, now); ok {
		return max(wait, time.Second)
	}
	return time.Second
}

// known is word if it is in list, and other if it is not.
func known(word string, list []string, other string) string {
	if slices.Contains(list, word) {
		return word
	}
	return other
}
