package segment

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/core/driver"
)

func TestConformance(t *testing.T) {
	const again, later, split = driver.ClassUnknown, driver.ClassThrottled, driver.ClassTooLarge
	conformance.Run(t, conformance.Subject{
		Driver:   Driver(),
		Settings: func(string) map[string]string { return map[string]string{"write_key": "wk0123456789abcdef"} },
		Statuses: map[int]driver.Class{
			200: driver.ClassAccepted, 202: again, 204: again, 400: split, 401: later, 403: later, 404: later, 408: again,
			413: split, 429: again, 500: again, 502: again, 503: again, 504: again,
		},
		Accepted:    conformance.Answer{Body: `{"success":true}`},
		BodyDecides: true,
		NotAccepted: []conformance.Answer{{Body: `{"success":false}`}, {Body: `{}`}},
		Limits:      driver.Limits{Bytes: 500_000, EventBytes: 32_000},
		Decode:      decode,
		Constants: []string{"/v1/batch", "Authorization", "Basic d2swMTIzNDU2Nzg5YWJjZGVmOg==", "gotoolbase-telemetry", "sentAt", "batch", "type", "track",
			"messageId", "anonymousId", "event", "timestamp", "properties", "name", "tool_name", "tool_version", "os", "os_version", "arch", "go_version",
			"consent_id", "duration_ms", "exit_code", "args", "flags", "error", "error_class", "ci", "ci_provider", "interactive", "agent", "container",
			"run_id", "metadata", "count", "failures", "durations", "sample_rate", "truncated", "redacted", "time_adjusted"},
		Varies: map[string]string{"sentAt": "the time of sending, with which Segment corrects a wrong clock"},
	})
}

func decode(r conformance.Request) (events []conformance.Received, err error) {
	var body struct {
		Batch []struct {
			MessageID, AnonymousID, Event string
			Timestamp                     time.Time
			Properties                    struct {
				Name, OS, Arch, Error string
				Tool                  string `json:"tool_name"`
				Version               string `json:"tool_version"`
				OSVersion             string `json:"os_version"`
				GoVersion             string `json:"go_version"`
				ConsentID             string `json:"consent_id"`
				DurationMS            *int64 `json:"duration_ms"`
				ExitCode              *int   `json:"exit_code"`
				Args, Flags           []string
				ErrorClass            string `json:"error_class"`
				CI                    bool
				CIProvider            string `json:"ci_provider"`
				Interactive           bool
				Agent                 string
				Container             bool
				RunID                 string `json:"run_id"`
				Metadata              map[string]string
				Count, Failures       int
				Durations             []int
				SampleRate            int `json:"sample_rate"`
				Truncated, Redacted   int
				TimeAdjusted          bool `json:"time_adjusted"`
			}
		}
	}
	err = json.Unmarshal(r.Body, &body)
	for _, m := range body.Batch {
		p := m.Properties
		e := conformance.Received{ID: m.MessageID, Type: m.Event, Name: p.Name, Time: m.Timestamp, DurationMS: p.DurationMS,
			ExitCode: p.ExitCode, Args: p.Args, Flags: p.Flags, Error: p.Error, ErrorClass: p.ErrorClass, Tool: p.Tool, Version: p.Version,
			OS: p.OS, Arch: p.Arch, OSVersion: p.OSVersion, GoVersion: p.GoVersion, CI: p.CI, CIProvider: p.CIProvider,
			Interactive: p.Interactive, Agent: p.Agent, Container: p.Container, RunID: p.RunID, ConsentID: p.ConsentID, Metadata: p.Metadata,
			Count: p.Count, Failures: p.Failures, Durations: p.Durations, SampleRate: p.SampleRate, Truncated: p.Truncated,
			Redacted: p.Redacted, TimeAdjusted: p.TimeAdjusted}
		if m.AnonymousID != m.MessageID {
			e.MachineID = m.AnonymousID
		}
		events = append(events, e)
	}
	return events, err
}
