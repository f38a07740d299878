package datadog_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/datadog"
	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/core/driver"
)

const (
	again = driver.ClassUnknown
	later = driver.ClassThrottled
	split = driver.ClassTooLarge
)

// The statuses are those that Datadog documents for the call "Send logs"; 404 and 5xx
// beside 500 and 503 come from what stands in front of it.
func subject(settings map[string]string) conformance.Subject {
	return conformance.Subject{
		Driver:   datadog.Driver(),
		Settings: func(string) map[string]string { return settings },
		Headers:  map[string]string{"X-Relay": "relay-secret-0123456789"},
		Statuses: map[int]driver.Class{
			200: again, 202: driver.ClassAccepted, 204: again, 400: split, 401: later, 403: later, 404: later, 408: again,
			413: split, 429: again, 500: again, 502: again, 503: again, 504: again,
		},
		Accepted:   conformance.Answer{Status: 202, Body: "{}"},
		Refusal:    conformance.Answer{Body: `{"errors":[{"status":"400","title":"Bad Request","detail":"decompression error"}]}`},
		NotRefused: []conformance.Answer{{Status: 400}, {Status: 400, Body: `{}`}, {Status: 400, Type: "text/plain", Body: "Bad Request"}},
		// Datadog never sends a web page; what stands in front of a relay might.
		NotAccepted: []conformance.Answer{{Status: 202, Type: "text/html", Body: "<html>log in</html>"}},
		Answers: []conformance.Meaning{
			{Name: "errors as texts", Answer: conformance.Answer{Status: 400, Body: `{"errors":["Bad Request"]}`}, Class: split},
			{Name: "no error in the list", Answer: conformance.Answer{Status: 400, Body: `{"errors":[]}`}, Class: again},
			{Name: "a limit that says when it is over", Answer: conformance.Answer{Status: 429, Header: http.Header{"X-Ratelimit-Reset": {"30"}}, Body: `{"errors":["Too many requests"]}`}, Class: later},
		},
		Limits:   driver.Limits{Events: 1000, Bytes: 5_000_000},
		Decode:   decode,
		FreeForm: []string{"source", "service"},
		Constants: []string{"/api/v2/logs", "Dd-Api-Key", "gotoolbase-telemetry", "message", "ddsource", "service", "hostname", "ddtags",
			"timestamp", "event_id", "event_type", "event_name", "event_time", "duration_ms", "exit_code", "args", "error", "tool_name",
			"tool_version", "os", "arch", "os_version", "go_version", "consent_id", "metadata", "truncated"},
	}
}

func TestConformance(t *testing.T) {
	conformance.Run(t, subject(map[string]string{"api_key": "0123456789abcdef0123456789abcdef", "site": "eu1"}))
}

func TestConformanceWithAClientToken(t *testing.T) {
	s := subject(map[string]string{"client_token": "pub0123456789abcdef0123456789abcdef", "site": "ap2", "service": "fleet"})
	s.Name = "datadog-token"
	s.Constants = append(s.Constants, "Dd-Evp-Origin", "Dd-Evp-Origin-Version", "Dd-Request-Id")
	conformance.Run(t, s)
}

func TestConformanceOfARelay(t *testing.T) {
	s := subject(nil)
	s.Name = "datadog-relay"
	s.Settings = func(endpoint string) map[string]string { return map[string]string{"endpoint": endpoint + "/dd/"} }
	s.Constants = append(s.Constants, "/dd/api/v2/logs")
	conformance.Run(t, s)
}

// decode reads the documented JSON as the intake does: what is too old or too far ahead
// is dropped, what is too long would be cut.
func decode(r conformance.Request) ([]conformance.Received, error) {
	if u, err := url.Parse(r.URL); err != nil || u.Path != "/api/v2/logs" && u.Path != "/dd/api/v2/logs" {
		return nil, fmt.Errorf("nothing is served at %s", r.URL)
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(r.Body, &raw); err != nil {
		return nil, err
	}
	var events []conformance.Received
	for _, text := range raw {
		var log struct {
			Message    string
			Service    string
			Hostname   string
			Timestamp  int64
			ID         string    `json:"event_id"`
			Type       string    `json:"event_type"`
			Name       string    `json:"event_name"`
			Time       time.Time `json:"event_time"`
			DurationMS *int64    `json:"duration_ms"`
			ExitCode   *int      `json:"exit_code"`
			Args       []string
			Error      string
			Tool       string `json:"tool_name"`
			Version    string `json:"tool_version"`
			OS, Arch   string
			OSVersion  string `json:"os_version"`
			GoVersion  string `json:"go_version"`
			ConsentID  string `json:"consent_id"`
			Metadata   map[string]string
			Truncated  int
		}
		if err := json.Unmarshal(text, &log); err != nil {
			return nil, err
		}
		if log.Message == "" || len(text) > 1_000_000 {
			return nil, fmt.Errorf("a log of %d bytes with the message %q", len(text), log.Message)
		}
		if age := time.Since(time.UnixMilli(log.Timestamp)); age > 18*time.Hour || age < -2*time.Hour {
			continue
		}
		if log.Tool == "" {
			log.Tool = log.Service
		}
		events = append(events, conformance.Received{
			ID: log.ID, Type: log.Type, Name: log.Name, Time: log.Time, DurationMS: log.DurationMS, ExitCode: log.ExitCode,
			Args: log.Args, Error: log.Error, Tool: log.Tool, Version: log.Version, OS: log.OS, Arch: log.Arch,
			OSVersion: log.OSVersion, GoVersion: log.GoVersion, MachineID: log.Hostname, ConsentID: log.ConsentID, Metadata: log.Metadata, Truncated: log.Truncated,
		})
	}
	return events, nil
}
