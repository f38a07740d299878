package segment_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/segment"
	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/core/driver"
)

const writeKey = "wk-0123456789abcdef"

func TestConformance(t *testing.T) {
	s := subject("segment")
	s.Settings = func(string) map[string]string { return map[string]string{"instance": "eu", "write_key": writeKey} }
	s.Decode = func(r conformance.Request) ([]conformance.Received, error) { return decode(r, "") }
	conformance.Run(t, s)
}

func TestConformanceOfAnEndpoint(t *testing.T) {
	s := subject("segment-endpoint")
	s.Settings = func(endpoint string) map[string]string {
		return map[string]string{"endpoint": endpoint, "write_key": writeKey}
	}
	// RudderStack's own words.
	s.Accepted = conformance.Answer{Type: "text/plain; charset=utf-8", Body: "OK"}
	s.Refusal = conformance.Answer{Type: "text/plain; charset=utf-8", Body: "Request neither has anonymousId nor userId\n"}
	s.Decode = func(r conformance.Request) ([]conformance.Received, error) { return decode(r, "0.0.0.0") }
	s.Constants = append(s.Constants, "request_ip")
	conformance.Run(t, s)
}

func subject(name string) conformance.Subject {
	const again, later, split = driver.ClassUnknown, driver.ClassThrottled, driver.ClassTooLarge
	return conformance.Subject{
		Name:    name,
		Driver:  segment.Driver(),
		Headers: map[string]string{"X-Proxy-Token": "pt-0123456789"},
		Statuses: map[int]driver.Class{
			200: driver.ClassAccepted, 202: again, 204: again, 400: split, 401: later, 403: later, 404: later, 408: again,
			413: split, 429: again, 500: again, 502: again, 503: again, 504: again,
		},
		Accepted: conformance.Answer{Body: `{"success": true}`},
		Refusal:  conformance.Answer{Body: `{"success": false, "message": "Exceed payload limit"}`},
		NotAccepted: []conformance.Answer{
			{Body: `{"success": false}`},
			{Body: `{"ok": false, "errors": [], "receivedEvents": 3, "okEvents": 0}`},
			{Body: `{"ok": false, "errors": ["Message ID: 01920000-dead-7bad-8bad-0123456789ab: producer error"], "receivedEvents": 3, "okEvents": 2}`},
		},
		NotRefused: []conformance.Answer{
			{Status: 400},
			{Status: 400, Type: "text/plain; charset=utf-8", Body: "Invalid Authorization Header\n"},
		},
		Answers: []conformance.Meaning{{Name: "a refusal that repeats an event", Class: split,
			Answer: conformance.Answer{Status: 400, Body: "Invalid JSON near: Invalid Authorization Header"}}},
		Partial: []conformance.Verdicts{{Name: "Jitsu took the first and the third", Answer: func(batch []conformance.Received) conformance.Answer {
			return conformance.Answer{Body: fmt.Sprintf(`{"ok": false, "errors": ["Message ID: %s: producer error"], "receivedEvents": %d, "okEvents": %d}`,
				batch[1].ID, len(batch), len(batch)-1)}
		}, Want: func(batch []conformance.Received) driver.Partial {
			return driver.Partial{Accepted: []string{batch[0].ID, batch[2].ID}}
		}}},
		Limits: driver.Limits{Events: 2500, Bytes: 500_000},
		Constants: []string{"/v1/batch", "Authorization", "Basic", "gotoolbase-telemetry", "0.0.0.0", "batch", "type", "track", "other",
			"messageId", "userId", "anonymousId", "event", "timestamp", "context", "app", "os", "library", "name", "version", "ip", "properties",
			"duration_ms", "exit_code", "args", "flags", "error", "error_class", "arch", "go_version", "ci", "ci_provider", "interactive",
			"agent", "container", "run_id", "consent_id", "metadata", "count", "failures", "durations", "sample_rate", "truncated",
			"redacted", "time_adjusted"},
		NoIP: func(r conformance.Request) error {
			var body struct {
				Batch []struct{ Context map[string]any }
			}
			if err := json.Unmarshal(r.Body, &body); err != nil {
				return err
			}
			for _, call := range body.Batch {
				if call.Context["ip"] != "0.0.0.0" || call.Context["direct"] != nil {
					return errors.New("a call lets Segment store the sender's address")
				}
			}
			return nil
		},
	}
}

// decode reads a batch. requestIP is what each call says of the sender's address to RudderStack.
func decode(r conformance.Request, requestIP string) (events []conformance.Received, err error) {
	if user, password, ok := basicAuth(r); !ok || user != writeKey || password != "" {
		return nil, errors.New("no write key as the user of Basic authentication")
	}
	var body struct{ Batch []json.RawMessage }
	if err := json.Unmarshal(r.Body, &body); err != nil {
		return nil, err
	}
	for _, text := range body.Batch {
		if len(text) > 32_000 {
			return nil, fmt.Errorf("a call of %d bytes, of which 32 000 are allowed", len(text))
		}
		e, err := decodeTrack(text, requestIP)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

func basicAuth(r conformance.Request) (user, password string, ok bool) {
	return (&http.Request{Header: r.Header}).BasicAuth()
}

func decodeTrack(text []byte, requestIP string) (conformance.Received, error) {
	var call struct {
		Type        string
		MessageID   string `json:"messageId"`
		UserID      string `json:"userId"`
		AnonymousID string `json:"anonymousId"`
		Event       string
		Timestamp   time.Time
		RequestIP   string `json:"request_ip"`
		Context     struct {
			App, OS struct{ Name, Version string }
		}
		Properties struct {
			Type         *string
			Name         string
			DurationMS   *int64 `json:"duration_ms"`
			ExitCode     *int   `json:"exit_code"`
			Args         []string
			Flags        []string
			Error        string
			ErrorClass   string `json:"error_class"`
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
		}
	}
	if err := json.Unmarshal(text, &call); err != nil {
		return conformance.Received{}, err
	}
	p := call.Properties
	switch {
	case call.Type != "track":
		return conformance.Received{}, fmt.Errorf("a call %q", call.Type)
	case len(call.MessageID) == 0 || len(call.MessageID) >= 100:
		return conformance.Received{}, errors.New("a message ID that is empty, or of 100 characters or more")
	case call.UserID == "" && call.AnonymousID == "":
		return conformance.Received{}, errors.New("neither userId nor anonymousId")
	case call.AnonymousID != "" && call.AnonymousID != call.MessageID:
		return conformance.Received{}, errors.New("a machine ID as anonymousId, by which nobody deletes")
	case call.Event == "" || len(call.Event) > 64 || strings.Contains(call.Event, ";"):
		return conformance.Received{}, errors.New("no name that Jitsu takes for an event")
	case call.RequestIP != requestIP:
		return conformance.Received{}, fmt.Errorf("request_ip is %q, want %q", call.RequestIP, requestIP)
	}
	e := conformance.Received{
		ID: call.MessageID, Type: call.Event, Name: p.Name, Time: call.Timestamp, DurationMS: p.DurationMS, ExitCode: p.ExitCode,
		Args: p.Args, Flags: p.Flags, Error: p.Error, ErrorClass: p.ErrorClass, Tool: call.Context.App.Name, Version: call.Context.App.Version,
		OS: call.Context.OS.Name, Arch: p.Arch, OSVersion: call.Context.OS.Version, GoVersion: p.GoVersion, CI: p.CI, CIProvider: p.CIProvider,
		Interactive: p.Interactive, Agent: p.Agent, Container: p.Container, RunID: p.RunID, ConsentID: p.ConsentID, Metadata: p.Metadata,
		Count: p.Count, Failures: p.Failures, Durations: p.Durations, SampleRate: p.SampleRate, Truncated: p.Truncated, Redacted: p.Redacted,
		TimeAdjusted: p.TimeAdjusted,
	}
	e.MachineID = call.UserID
	if p.Type != nil {
		e.Type = *p.Type
	}
	return e, nil
}
