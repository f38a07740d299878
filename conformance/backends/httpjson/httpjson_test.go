package httpjson_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/core/driver"
)

// The statuses are those of RFC 9110, as the package comment reads them.
func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Subject{
		Driver:   httpjson.Driver(),
		Settings: func(endpoint string) map[string]string { return map[string]string{"endpoint": endpoint + "/v1/events"} },
		Headers:  map[string]string{"Authorization": "Bearer 0123456789secret"},
		Statuses: map[int]driver.Class{
			200: driver.ClassAccepted, 202: driver.ClassAccepted, 204: driver.ClassAccepted,
			400: driver.ClassTooLarge, 401: driver.ClassThrottled, 403: driver.ClassThrottled, 404: driver.ClassThrottled,
			408: driver.ClassUnknown, 413: driver.ClassTooLarge, 429: driver.ClassUnknown,
			500: driver.ClassUnknown, 502: driver.ClassUnknown, 503: driver.ClassUnknown, 504: driver.ClassUnknown,
		},
		Accepted: conformance.Answer{Status: 202},
		Partial: []conformance.Verdicts{{
			Name:   "one is refused, the others are stored",
			Answer: func(b []conformance.Received) conformance.Answer { return refuses(200, b[1]) },
			Want: func(b []conformance.Received) driver.Partial {
				return driver.Partial{Accepted: []string{b[0].ID, b[2].ID}, Rejected: []string{b[1].ID}}
			},
		}, {
			Name:   "one is refused, none is stored",
			Answer: func(b []conformance.Received) conformance.Answer { return refuses(400, b[1]) },
			Want: func(b []conformance.Received) driver.Partial {
				return driver.Partial{Rejected: []string{b[1].ID}}
			},
		}, {
			Name: "the first is stored, the others are refused", Sizes: []int{1, 2, 3, 50},
			Answer: func(b []conformance.Received) conformance.Answer { return refuses(202, b[1:]...) },
			Want: func(b []conformance.Received) driver.Partial {
				return driver.Partial{Accepted: ids(b[:1]), Rejected: ids(b[1:])}
			},
		}, {
			Name: "all are refused", Sizes: []int{1, 2, 3, 50},
			Answer: func(b []conformance.Received) conformance.Answer { return refuses(200, b...) },
			Want:   func(b []conformance.Received) driver.Partial { return driver.Partial{Rejected: ids(b)} },
		}, {
			Name: "the first is stored, the second is refused, the others are to come again", Sizes: []int{2, 3, 50},
			Answer: func(b []conformance.Received) conformance.Answer { return settles(b[:1], b[1:2]) },
			Want: func(b []conformance.Received) driver.Partial {
				return driver.Partial{Accepted: ids(b[:1]), Rejected: ids(b[1:2])}
			},
		}, {
			Name: "the first is stored, the others are to come again", Sizes: []int{2, 3, 50},
			Answer: func(b []conformance.Received) conformance.Answer { return settles(b[:1], nil) },
			Want:   func(b []conformance.Received) driver.Partial { return driver.Partial{Accepted: ids(b[:1])} },
		}},
		Answers: []conformance.Meaning{
			{Name: "a name that was not sent", Answer: conformance.Answer{Body: `{"rejected": ["0193a3c0-0000-7000-8000-000000000001"]}`}, Class: driver.ClassAccepted},
			{Name: "no name", Answer: conformance.Answer{Body: `{"rejected": []}`}, Class: driver.ClassAccepted},
			{Name: "some are settled, without a name", Answer: conformance.Answer{Status: 207, Body: `{"accepted": [], "rejected": []}`}, Class: driver.ClassUnknown},
			{Name: "a refusal without a name", Answer: conformance.Answer{Status: 422, Body: `{"rejected": []}`}, Class: driver.ClassTooLarge},
		},
		Decode: decode,
		Constants: []string{"/v1/events", "gotoolbase-telemetry", "id", "type", "name", "timestamp", "duration_ms", "exit_code", "args", "error",
			"tool_name", "tool_version", "os", "arch", "os_version", "go_version", "machine_id", "consent_id", "metadata", "truncated",
			"flags", "error_class", "ci", "ci_provider", "interactive", "agent", "container", "run_id", "count", "failures", "durations",
			"sample_rate", "redacted", "time_adjusted"},
		Limits: driver.Limits{Bytes: 1 << 20}, // nginx's client_max_body_size
	})
}

// refuses is how a server names events that it does not take.
func refuses(status int, events ...conformance.Received) conformance.Answer {
	body, _ := json.Marshal(map[string]any{"rejected": ids(events)}) // texts can be encoded
	return conformance.Answer{Status: status, Body: string(body)}
}

// settles is how a server names what it has and what it does not take, and asks for the rest.
func settles(accepted, rejected []conformance.Received) conformance.Answer {
	body, _ := json.Marshal(map[string]any{"accepted": ids(accepted), "rejected": ids(rejected)}) // texts can be encoded
	return conformance.Answer{Status: 207, Body: string(body)}
}

func ids(events []conformance.Received) []string {
	list := make([]string, len(events))
	for i, e := range events {
		list[i] = e.ID
	}
	return list
}

// decode reads the documented JSON with names of its own.
func decode(r conformance.Request) ([]conformance.Received, error) {
	var items []struct {
		ID           string            `json:"id"`
		Type         string            `json:"type"`
		Name         string            `json:"name"`
		Time         time.Time         `json:"timestamp"`
		DurationMS   *int64            `json:"duration_ms"`
		ExitCode     *int              `json:"exit_code"`
		Args         []string          `json:"args"`
		Flags        []string          `json:"flags"`
		Error        string            `json:"error"`
		ErrorClass   string            `json:"error_class"`
		Tool         string            `json:"tool_name"`
		Version      string            `json:"tool_version"`
		OS           string            `json:"os"`
		Arch         string            `json:"arch"`
		OSVersion    string            `json:"os_version"`
		GoVersion    string            `json:"go_version"`
		CI           bool              `json:"ci"`
		CIProvider   string            `json:"ci_provider"`
		Interactive  bool              `json:"interactive"`
		Agent        string            `json:"agent"`
		Container    bool              `json:"container"`
		RunID        string            `json:"run_id"`
		MachineID    string            `json:"machine_id"`
		ConsentID    string            `json:"consent_id"`
		Metadata     map[string]string `json:"metadata"`
		Count        int               `json:"count"`
		Failures     int               `json:"failures"`
		Durations    []int             `json:"durations"`
		SampleRate   int               `json:"sample_rate"`
		Truncated    int               `json:"truncated"`
		Redacted     int               `json:"redacted"`
		TimeAdjusted bool              `json:"time_adjusted"`
	}
	if err := json.Unmarshal(r.Body, &items); err != nil {
		return nil, err
	}
	var events []conformance.Received
	for _, item := range items {
		events = append(events, conformance.Received(item))
	}
	return events, nil
}
