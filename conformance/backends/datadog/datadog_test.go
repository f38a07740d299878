package datadog_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
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

// buckets are those of durations in a folded record, in their order.
var buckets = []string{"le_10ms", "le_25ms", "le_50ms", "le_100ms", "le_250ms", "le_500ms", "le_1000ms", "le_2500ms", "le_5000ms", "le_10000ms",
	"le_30000ms", "le_60000ms", "le_300000ms", "over_300000ms"}

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
		FreeForm: []string{"source", "service", "env"},
		Constants: append(slices.Clone(buckets), "/api/v2/logs", "Dd-Api-Key", "gotoolbase-telemetry", "message", "ddsource", "service",
			"hostname", "ddtags", "version", "env", "status", "info", "warn", "error", "timestamp", "date", "event_id", "event_type", "event_name", "event_time",
			"usr.id", "run_id", "duration", "duration_ms", "exit_code", "args", "flags", "error.kind", "error.message", "tool_name", "tool_version",
			"os", "arch", "os_version", "go_version", "ci", "ci_provider", "interactive", "agent", "container", "consent_id", "metadata",
			"count", "failures", "duration_buckets", "sample_rate", "truncated", "redacted", "time_adjusted"),
	}
}

func TestConformance(t *testing.T) {
	conformance.Run(t, subject(map[string]string{"api_key": "0123456789abcdef0123456789abcdef", "site": "eu1"}))
}

func TestConformanceWithAClientToken(t *testing.T) {
	s := subject(map[string]string{"client_token": "pub0123456789abcdef0123456789abcdef", "site": "ap2", "service": "fleet", "env": "prod"})
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
			Message      string
			Service      string
			Hostname     string
			Timestamp    int64
			Date         int64
			ID           string    `json:"event_id"`
			Type         string    `json:"event_type"`
			Name         string    `json:"event_name"`
			Time         time.Time `json:"event_time"`
			Duration     *int64
			DurationMS   *int64 `json:"duration_ms"`
			ExitCode     *int   `json:"exit_code"`
			Args         []string
			Flags        []string
			Class        string `json:"error.kind"`
			Error        string `json:"error.message"`
			Tool         string `json:"tool_name"`
			Version      string `json:"tool_version"`
			OS, Arch     string
			OSVersion    string `json:"os_version"`
			GoVersion    string `json:"go_version"`
			CI           bool
			CIProvider   string `json:"ci_provider"`
			Interactive  bool
			Agent        string
			Container    bool
			RunID        string `json:"run_id"`
			User         string `json:"usr.id"`
			ConsentID    string `json:"consent_id"`
			Metadata     map[string]string
			Count        int
			Failures     int
			Durations    map[string]int `json:"duration_buckets"`
			SampleRate   int            `json:"sample_rate"`
			Truncated    int
			Redacted     int
			TimeAdjusted bool `json:"time_adjusted"`
		}
		if err := json.Unmarshal(text, &log); err != nil {
			return nil, err
		}
		if log.Message == "" || len(text) > 1_000_000 {
			return nil, fmt.Errorf("a log of %d bytes with the message %q", len(text), log.Message)
		}
		if age := time.Since(time.UnixMilli(max(log.Timestamp, log.Date))); age > 18*time.Hour || age < -2*time.Hour {
			continue
		}
		if log.Tool == "" {
			log.Tool = log.Service
		}
		if log.User != log.Hostname {
			return nil, fmt.Errorf("the user %q of the machine %q", log.User, log.Hostname)
		}
		if log.Duration != nil {
			ms := *log.Duration / int64(time.Millisecond)
			log.DurationMS = &ms
		}
		var durations []int
		for _, name := range buckets[:len(log.Durations)] {
			n, there := log.Durations[name]
			if !there {
				return nil, fmt.Errorf("no bucket %s among %v", name, log.Durations)
			}
			durations = append(durations, n)
		}
		events = append(events, conformance.Received{
			ID: log.ID, Type: log.Type, Name: log.Name, Time: log.Time, DurationMS: log.DurationMS, ExitCode: log.ExitCode,
			Args: log.Args, Flags: log.Flags, Error: log.Error, ErrorClass: log.Class, Tool: log.Tool, Version: log.Version, OS: log.OS, Arch: log.Arch,
			OSVersion: log.OSVersion, GoVersion: log.GoVersion, CI: log.CI, CIProvider: log.CIProvider, Interactive: log.Interactive, Agent: log.Agent,
			Container: log.Container, RunID: log.RunID, MachineID: log.Hostname, ConsentID: log.ConsentID, Metadata: log.Metadata,
			Count: log.Count, Failures: log.Failures, Durations: durations, SampleRate: log.SampleRate,
			Truncated: log.Truncated, Redacted: log.Redacted, TimeAdjusted: log.TimeAdjusted,
		})
	}
	return events, nil
}
