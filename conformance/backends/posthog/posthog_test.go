package posthog_test

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/core/driver"
)

// Statuses, acknowledgement and quota are those of PostHog's API documentation
// (https://posthog.com/docs/api/capture) and of its intake's source, rust/capture.
func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Subject{
		Driver: posthog.Driver(),
		Settings: func(endpoint string) map[string]string {
			return map[string]string{"project_key": "phc_0123456789secret", "endpoint": endpoint}
		},
		Headers: map[string]string{"X-Proxy-Key": "0123456789proxy"},
		Statuses: map[int]driver.Class{
			200: driver.ClassAccepted, 202: driver.ClassAccepted, 204: driver.ClassUnknown,
			400: driver.ClassTooLarge, // one bad event refuses the whole batch
			401: driver.ClassThrottled, 403: driver.ClassThrottled, 404: driver.ClassThrottled,
			408: driver.ClassUnknown, 413: driver.ClassTooLarge, 429: driver.ClassUnknown,
			500: driver.ClassUnknown, 502: driver.ClassUnknown, 503: driver.ClassUnknown, 504: driver.ClassUnknown,
		},
		Refusal:     conformance.Answer{Type: "text/plain; charset=utf-8", Body: "event submitted without a distinct_id"},
		NotRefused:  []conformance.Answer{{Status: 400}},
		Accepted:    conformance.Answer{Status: 200, Body: `{"status":"Ok"}`},
		BodyDecides: true,
		NotAccepted: []conformance.Answer{
			{Body: `{"status":"Ok","quota_limited":["events"]}`},
			{Body: `{"status":1,"quota_limited":["events"]}`},
			{Body: `{"status":0}`},
			{Body: `{"result":"Ok"}`},
		},
		Answers: []conformance.Meaning{
			{Name: "the older acknowledgement", Answer: conformance.Answer{Body: `{"status":1}`}, Class: driver.ClassAccepted},
			{Name: "no quota is used up", Answer: conformance.Answer{Body: `{"status":"Ok","quota_limited":[]}`}, Class: driver.ClassAccepted},
			{Name: "the quota is used up", Answer: conformance.Answer{Body: `{"status":"Ok","quota_limited":["events","recordings"]}`}, Class: driver.ClassThrottled},
			{Name: "the plan has to be paid", Answer: conformance.Answer{Status: 402, Body: `{"type":"billing","code":"payment_required"}`}, Class: driver.ClassThrottled},
			{Name: "the token is missing", Answer: conformance.Answer{Status: 401, Body: `{"type":"authentication_error","code":"invalid_api_key"}`}, Class: driver.ClassThrottled},
		},
		Decode: decode,
		Constants: []string{"/batch/", "gotoolbase-telemetry", "api_key", "batch", "sent_at", "uuid", "event", "distinct_id", "timestamp", "properties",
			"event_name", "tool_name", "tool_version", "$os", "os_version", "arch", "go_version", "duration_ms", "exit_code", "args", "error", "consent_id", "truncated",
			"$ip", "0.0.0.0", "$geoip_disable", "$process_person_profile"},
		Varies: map[string]string{"sent_at": "the time of sending, with which PostHog corrects a wrong clock"},
		// The SDK's own bound of a request, which is far below the intake's 20 MB.
		Limits: driver.Limits{Bytes: 500_000},
		NoIP:   noIP,
	})
}

// batch is PostHog's documented body.
type batch struct {
	Key    string    `json:"api_key"`
	SentAt time.Time `json:"sent_at"`
	Batch  []struct {
		UUID       string                     `json:"uuid"`
		Event      string                     `json:"event"`
		DistinctID string                     `json:"distinct_id"`
		Timestamp  time.Time                  `json:"timestamp"`
		Properties map[string]json.RawMessage `json:"properties"`
	} `json:"batch"`
}

// decode reads the documented JSON with names of its own.
func decode(r conformance.Request) ([]conformance.Received, error) {
	var b batch
	if err := json.Unmarshal(r.Body, &b); err != nil {
		return nil, err
	}
	if b.Key != "phc_0123456789secret" || b.SentAt.IsZero() {
		return nil, errors.New("no api_key, or no sent_at")
	}
	var events []conformance.Received
	for _, item := range b.Batch {
		e := conformance.Received{ID: item.UUID, Type: item.Event, Time: item.Timestamp, MachineID: item.DistinctID}
		if string(item.Properties["$process_person_profile"]) == "false" && e.MachineID == e.ID {
			e.MachineID = "" // PostHog calls that an anonymous event
		}
		delete(item.Properties, "$process_person_profile")
		var err error
		take := func(name string, into any) {
			if raw, there := item.Properties[name]; there {
				err = errors.Join(err, json.Unmarshal(raw, into))
				delete(item.Properties, name)
			}
		}
		take("event_name", &e.Name)
		take("duration_ms", &e.DurationMS)
		take("exit_code", &e.ExitCode)
		take("args", &e.Args)
		take("error", &e.Error)
		take("tool_name", &e.Tool)
		take("tool_version", &e.Version)
		take("$os", &e.OS)
		take("arch", &e.Arch)
		take("os_version", &e.OSVersion)
		take("go_version", &e.GoVersion)
		take("consent_id", &e.ConsentID)
		take("truncated", &e.Truncated)
		var switches struct{ ip, noGeo any }
		take("$ip", &switches.ip)
		take("$geoip_disable", &switches.noGeo)
		e.Metadata = map[string]string{}
		for key := range maps.Clone(item.Properties) {
			var value string
			take(key, &value)
			e.Metadata[strings.TrimPrefix(key, "metadata_")] = value
		}
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// noIP is what the intake does: it puts the connection's address where $ip is missing
// or means false, and looks the place up unless it is told not to.
func noIP(r conformance.Request) error {
	var b batch
	if err := json.Unmarshal(r.Body, &b); err != nil {
		return err
	}
	for _, item := range b.Batch {
		if string(item.Properties["$ip"]) != `"0.0.0.0"` || string(item.Properties["$geoip_disable"]) != "true" {
			return errors.New("$ip is not 0.0.0.0, or $geoip_disable is not true")
		}
	}
	return nil
}
