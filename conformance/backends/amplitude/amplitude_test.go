package amplitude_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/amplitude"
	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/core/driver"
)

const apiKey = "ak-0123456789abcdef"

func TestConformance(t *testing.T) {
	s := subject("amplitude")
	s.Settings = func(string) map[string]string { return map[string]string{"instance": "eu", "api_key": apiKey} }
	conformance.Run(t, s)
}

func TestConformanceOfAnEndpoint(t *testing.T) {
	s := subject("amplitude-endpoint")
	s.Settings = func(endpoint string) map[string]string {
		return map[string]string{"endpoint": endpoint + "/collect", "api_key": apiKey}
	}
	conformance.Run(t, s)
}

func subject(name string) conformance.Subject {
	const again, later, split = driver.ClassUnknown, driver.ClassThrottled, driver.ClassTooLarge
	return conformance.Subject{
		Name:    name,
		Driver:  amplitude.Driver(),
		Headers: map[string]string{"X-Proxy-Token": "pt-0123456789"},
		Statuses: map[int]driver.Class{
			200: driver.ClassAccepted, 202: again, 204: again, 400: split, 401: later, 403: later, 404: later, 408: again,
			413: split, 429: later, 500: again, 502: again, 503: again, 504: again,
		},
		Accepted:    conformance.Answer{Body: `{"code": 200, "events_ingested": 1, "payload_size_bytes": 50, "server_upload_time": 1396381378123}`},
		Refusal:     conformance.Answer{Body: `{"code": 400, "error": "Invalid JSON request body"}`},
		BodyDecides: true,
		NotAccepted: []conformance.Answer{
			{Body: `{"code": 400, "error": "Invalid JSON request body"}`},
			{Body: `{"events_ingested": 3}`},
			{Body: `{"code": 200}`},
			{Type: "text/plain", Body: "success"},
		},
		NotRefused: []conformance.Answer{
			{Status: 400},
			{Status: 400, Body: `{"error": "Bad Request"}`},
			{Status: 400, Type: "text/plain", Body: "400 Bad Request"},
			{Status: 400, Body: `{"code": 400, "error": "Invalid field values on some events", "events_with_invalid_fields": {"time": [100000]}}`},
			{Status: 400, Body: `{"code": 400, "error": "Invalid field values on some events", "events_with_invalid_fields": {"time": [-1]}}`},
		},
		Answers: []conformance.Meaning{
			{Name: "no key", Class: later, Answer: conformance.Answer{Status: 400,
				Body: `{"code": 400, "error": "Request missing required field", "missing_field": "api_key"}`}},
			{Name: "a wrong key", Class: later, Answer: conformance.Answer{Status: 400, Body: `{"code": 400, "error": "Invalid API key: 0123"}`}},
			{Name: "one event a device too many", Class: later, Answer: conformance.Answer{Status: 429,
				Body: `{"code": 429, "error": "Too many requests for some devices and users", "eps_threshold": 1000, "throttled_devices": {"d": 4000}, "throttled_events": [0]}`}},
			{Name: "more than a day's quota", Class: later, Answer: conformance.Answer{Status: 429,
				Body: `{"code": 429, "error": "Too many requests for some devices and users", "exceeded_daily_quota_devices": {"d": 500900}, "throttled_events": [0]}`}},
			{Name: "throttled with the status of a refusal", Class: later, Answer: conformance.Answer{Status: 400,
				Body: `{"code": 400, "error": "Events silenced for device_id", "silenced_devices": [], "silenced_events": [], "throttled_devices": {"d": 100}, "throttled_events": [0]}`}},
		},
		Partial: []conformance.Verdicts{
			refused("a field that is not valid", `"error": "Invalid field values on some events", "events_with_invalid_fields": {"time": [%d], "ip": [%[1]d]}`),
			refused("a field that is missing", `"error": "Request missing required field", "events_with_missing_fields": {"event_type": [%d]}`),
			refused("an ID that is too short", `"error": "Invalid id length for user_id or device_id", "events_with_invalid_id_lengths": {"device_id": [%d]}`),
			refused("a device that was silenced", `"error": "Events silenced for device_id", "silenced_devices": ["d"], "silenced_events": [%d], "throttled_events": [0]`),
		},
		Limits: driver.Limits{Events: 2000, Bytes: 20_000_000},
		Constants: []string{"/batch", "/collect/batch", "gotoolbase-telemetry", "api_key", "events", "insert_id", "device_id", "event_type",
			"other", "time", "session_id", "app_version", "os_name", "os_version", "$skip_user_properties_sync", "event_properties", "type",
			"name", "duration_ms", "exit_code", "args", "flags", "error", "error_class", "tool_name", "arch", "go_version", "ci",
			"ci_provider", "interactive", "agent", "container", "run_id", "consent_id", "metadata", "count", "failures", "durations",
			"sample_rate", "truncated", "redacted", "time_adjusted"},
		Decode: decode,
		NoIP: func(r conformance.Request) error {
			var body struct{ Events []map[string]json.RawMessage }
			if err := json.Unmarshal(r.Body, &body); err != nil {
				return err
			}
			for _, e := range body.Events {
				if e["ip"] != nil {
					return errors.New("an event has a field ip, by which Amplitude stores an address")
				}
			}
			return nil
		},
	}
}

// refused is a 400 that names the last event of a batch: no other was taken.
func refused(name, format string) conformance.Verdicts {
	return conformance.Verdicts{
		Name: name, Sizes: []int{1, 2, 3, 50},
		Answer: func(batch []conformance.Received) conformance.Answer {
			return conformance.Answer{Status: 400, Body: fmt.Sprintf(`{"code": 400, `+format+`}`, len(batch)-1)}
		},
		Want: func(batch []conformance.Received) driver.Partial {
			return driver.Partial{Rejected: []string{batch[len(batch)-1].ID}}
		},
	}
}

func decode(r conformance.Request) (events []conformance.Received, err error) {
	var body struct {
		Key    string `json:"api_key"`
		Events []struct {
			InsertID   string  `json:"insert_id"`
			DeviceID   string  `json:"device_id"`
			UserID     *string `json:"user_id"`
			EventType  string  `json:"event_type"`
			Time       int64
			SessionID  *int64 `json:"session_id"`
			AppVersion string `json:"app_version"`
			OSName     string `json:"os_name"`
			OSVersion  string `json:"os_version"`
			SkipSync   bool   `json:"$skip_user_properties_sync"`
			UserProps  any    `json:"user_properties"`
			Props      struct {
				Type         *string
				Name         string
				DurationMS   *int64 `json:"duration_ms"`
				ExitCode     *int   `json:"exit_code"`
				Args         []string
				Flags        []string
				Error        string
				ErrorClass   string `json:"error_class"`
				Tool         string `json:"tool_name"`
				Arch         string
				GoVersion    string `json:"go_version"`
				CI           bool
				CIProvider   string `json:"ci_provider"`
				Interactive  bool
				Agent        string
				Container    bool
				RunID        string `json:"run_id"`
				ConsentID    string `json:"consent_id"`
				Metadata     map[string]string
				Count        int
				Failures     int
				Durations    []int
				SampleRate   int `json:"sample_rate"`
				Truncated    int
				Redacted     int
				TimeAdjusted bool `json:"time_adjusted"`
			} `json:"event_properties"`
		}
	}
	if err := json.Unmarshal(r.Body, &body); err != nil {
		return nil, err
	}
	if body.Key != apiKey {
		return nil, errors.New("missing_field: api_key")
	}
	for _, a := range body.Events {
		p := a.Props
		switch {
		case len(a.DeviceID) < 5:
			return nil, fmt.Errorf("a device ID of %d characters", len(a.DeviceID))
		case a.UserID != nil || a.UserProps != nil || !a.SkipSync:
			return nil, errors.New("an event makes a profile of a user")
		case a.EventType == "" || strings.HasPrefix(a.EventType, "$"):
			return nil, fmt.Errorf("a reserved event type: %q", a.EventType)
		}
		if err := session(a.SessionID, p.RunID); err != nil {
			return nil, err
		}
		e := conformance.Received{
			ID: a.InsertID, Type: a.EventType, Name: p.Name, Time: time.UnixMilli(a.Time), DurationMS: p.DurationMS, ExitCode: p.ExitCode,
			Args: p.Args, Flags: p.Flags, Error: p.Error, ErrorClass: p.ErrorClass, Tool: p.Tool, Version: a.AppVersion, OS: a.OSName,
			Arch: p.Arch, OSVersion: a.OSVersion, GoVersion: p.GoVersion, CI: p.CI, CIProvider: p.CIProvider, Interactive: p.Interactive,
			Agent: p.Agent, Container: p.Container, RunID: p.RunID, ConsentID: p.ConsentID, Metadata: p.Metadata, Count: p.Count,
			Failures: p.Failures, Durations: p.Durations, SampleRate: p.SampleRate, Truncated: p.Truncated, Redacted: p.Redacted,
			TimeAdjusted: p.TimeAdjusted,
		}
		if a.DeviceID != a.InsertID {
			e.MachineID = a.DeviceID
		}
		if p.Type != nil {
			e.Type = *p.Type
		}
		events = append(events, e)
	}
	return events, nil
}

// session compares the start of a session with the time in the ID of its run (RFC 9562,
// section 5.7), the first 48 bits of it.
func session(id *int64, run string) error {
	if run == "" {
		if id != nil {
			return errors.New("a session without a run")
		}
		return nil
	}
	began, err := strconv.ParseInt(run[:8]+run[9:13], 16, 64)
	if err != nil {
		return err
	}
	if id == nil || *id != began {
		return fmt.Errorf("the session of run %s is not %d", run, began)
	}
	return nil
}
