package stdout_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/stdout"
	"github.com/gotoolbase/telemetry/conformance"
)

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Subject{
		Driver: stdout.Driver(),
		Read:   read,
		Constants: []string{"id", "type", "name", "timestamp", "duration_ms", "exit_code", "args", "error",
			"tool_name", "tool_version", "os", "arch", "os_version", "go_version", "machine_id", "consent_id", "metadata", "truncated",
			"flags", "error_class", "ci", "ci_provider", "interactive", "agent", "container", "run_id", "count", "failures", "durations",
			"sample_rate", "redacted", "time_adjusted"},
	})
}

// read reads the printed objects with names of its own.
func read(o conformance.Output) ([]conformance.Received, error) {
	lines := json.NewDecoder(bytes.NewReader(o.Stdout))
	var events []conformance.Received
	for {
		var item struct {
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
		if err := lines.Decode(&item); errors.Is(err, io.EOF) {
			return events, nil
		} else if err != nil {
			return nil, err
		}
		events = append(events, conformance.Received(item))
	}
}
