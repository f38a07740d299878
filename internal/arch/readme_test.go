package arch

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// section returns the part of the README under a heading, up to the next one.
func section(t *testing.T, heading string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(content), "\n"+heading+"\n")
	if !found {
		t.Fatalf("the README has no heading %q", heading)
	}
	part, _, _ := strings.Cut(rest, "\n#")
	return part
}

func TestReadmeListsEveryFieldOfTheConfiguration(t *testing.T) {
	t.Parallel()
	var want []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[props.TelemetryConfig]()) {
		want = append(want, f.Name)
	}
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(section(t, "## What a tool's author declares"), -1) {
		listed = append(listed, row[1])
	}
	if !slices.Equal(listed, want) {
		t.Errorf("the README lists\n%q, but props.TelemetryConfig has\n%q", listed, want)
	}
}

func TestReadmeListsEveryFieldOfAnEvent(t *testing.T) {
	t.Parallel()
	var want []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[driver.Event]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		want = append(want, name)
	}
	var listed []string
	for line := range strings.Lines(section(t, "### What is sent")) {
		if names, isRow := strings.CutPrefix(line, "    "); isRow {
			names, _, _ = strings.Cut(names, "  ")
			listed = append(listed, strings.Fields(names)...)
		}
	}
	slices.Sort(want)
	slices.Sort(listed)
	if !slices.Equal(listed, want) {
		t.Errorf("the README lists\n%q, but driver.Event has\n%q", listed, want)
	}
}

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
	if !strings.Contains(section(t, "## Quick start"), quickStart) {
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
