package arch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/props"
)

// The quick start is promised word for word; the next test is where it compiles.
func TestReadmeHasTheQuickStartWordForWord(t *testing.T) {
	t.Parallel()
	const quickStart = `props.Tool{
    Name: "mytool",
    Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
    Telemetry: props.TelemetryConfig{Endpoint: "https://analytics.example.com/events"},
}
// in a command
p.Collector.TrackCommand("my-command", time.Since(start).Milliseconds(), 0, nil)
`
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), quickStart) {
		t.Error("the quick start has changed")
	}
}

// TestQuickStartCompilesAndRuns holds what the README shows, in a program's shape.
func TestQuickStartCompilesAndRuns(t *testing.T) {
	t.Parallel()
	tool := props.Tool{
		Name:      "mytool",
		Features:  props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{Endpoint: "https://analytics.example.com/events"},
	}
	p := props.New(tool)
	start := time.Now()
	p.Collector.TrackCommand("my-command", time.Since(start).Milliseconds(), 0, nil)
	if p.Collector.Enabled() {
		t.Error("a collector that nobody opened records")
	}
}

// A front door that takes longer to read is not one.
func TestReadmeHasAtMost700Words(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(strings.Fields(string(readme))); n > 700 {
		t.Errorf("the README has %d words", n)
	}
}
