package gotoolbase_test

// What go-tool-base publishes, declared again because its module is not served by the module
// proxy: gitlab.com/phpboyscout/go-tool-base and, in earlier versions,
// github.com/phpboyscout/go-tool-base. The types are those of pkg/telemetry/telemetry.go (commit
// 0255ad05ed00), backend.go and deletion.go (36b34545fc5c). collector does with spill files
// what spill.go does (4c40cf2e7717), in few words, and with a failed batch what later versions of
// telemetry.go do: earlier ones drop it.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gotoolbase/telemetry/contrib/gotoolbase"
)

type EventType string

const (
	EventCommandInvocation EventType = "command.invocation"
	EventFeatureUsed       EventType = "feature.used"
)

type Event struct {
	Timestamp  time.Time         `json:"timestamp"`
	Type       EventType         `json:"type"`
	Name       string            `json:"name"`
	MachineID  string            `json:"machine_id"`
	ToolName   string            `json:"tool_name"`
	Version    string            `json:"version"`
	OS         string            `json:"os"`
	Arch       string            `json:"arch"`
	GoVersion  string            `json:"go_version"`
	OSVersion  string            `json:"os_version"`
	DurationMs int64             `json:"duration_ms,omitempty"`
	ExitCode   int               `json:"exit_code,omitempty"`
	Args       []string          `json:"args,omitempty"`
	Error      string            `json:"error,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"`
}

type Backend interface {
	Send(ctx context.Context, events []Event) error
	Close() error
}

type DeletionRequestor interface {
	RequestDeletion(ctx context.Context, machineID string) error
}

var (
	_ Backend           = gotoolbase.NewBackend[Event](gotoolbase.Options{})
	_ DeletionRequestor = (*gotoolbase.Requestor)(nil)
)

// collector hands over spill files and then what was tracked. It spills what Send fails at, unless
// the tool sends at most once.
type collector struct {
	backend    Backend
	dir        string
	atMostOnce bool
	buffer     []Event
}

func (c *collector) Flush(ctx context.Context) error {
	for _, file := range spillFiles(c.dir) {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var events []Event
		if json.Unmarshal(data, &events) != nil {
			os.Remove(file)
			continue
		}
		if c.atMostOnce {
			os.Remove(file)
		}
		if c.backend.Send(ctx, events) == nil {
			os.Remove(file)
		}
	}
	events := c.buffer
	c.buffer = nil
	if len(events) == 0 {
		return nil
	}
	err := c.backend.Send(ctx, events)
	if err != nil && !c.atMostOnce {
		data, marshalling := json.Marshal(events)
		writing := os.WriteFile(filepath.Join(c.dir, fmt.Sprintf("telemetry-spill-%d-0.json", time.Now().UnixNano())), data, 0o600)
		return errors.Join(err, marshalling, writing)
	}
	return err
}

func (c *collector) Drop() {
	c.buffer = nil
	for _, file := range spillFiles(c.dir) {
		os.Remove(file)
	}
}

func spillFiles(dir string) []string {
	files, err := filepath.Glob(filepath.Join(dir, "telemetry-spill-*.json"))
	if err != nil {
		panic(err)
	}
	return files
}
