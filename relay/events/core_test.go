//go:build !notelemetry

package events_test

import (
	"testing"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/relay/events"
)

// A tool that links core alone, with its own queue: what waits while the vendor is away is on
// its machine, and comes once when the vendor is back.
func TestAToolsQueueIsWhereEventsWaitWhileTheVendorIsAway(t *testing.T) {
	t.Parallel()
	tool := *declared()
	v := newVendor(t)
	v.set(away)
	g := serve(t, events.Config{Tools: map[string]events.Tool{"mytool": {Declared: &tool, Destinations: []events.Destination{v.destination(t, "vendor")}}}})
	tool.Version, tool.Features, tool.Telemetry.Endpoint = "1.0.0", props.SetFeatures(props.Enable(props.TelemetryCmd)), g.url
	m := core.NewManager(tool, core.WithStateDir(t.TempDir()), core.WithEnv(func(name string) (string, bool) {
		return map[string]string{"MYTOOL_TELEMETRY": "on"}[name], name == "MYTOOL_TELEMETRY"
	}))
	c, err := m.Open()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c.Track("export.finished", "scheduled", map[string]string{"format": "csv", "rows": "42"})
	}
	if err := c.Flush(t.Context()); err == nil {
		t.Fatal("it says that events were sent while the vendor is away")
	}
	if n := m.Status().Queue.Events; n != 3 {
		t.Errorf("%d events wait on the machine, want 3", n)
	}
	if n := number(t, g.db, waiting); n != 0 {
		t.Errorf("%d events wait here", n)
	}
	v.set(nil)
	soon(t, "they are sent", func() bool { return c.Flush(t.Context()) == nil })
	if n := m.Status().Queue.Events; n != 0 {
		t.Errorf("%d events wait on the machine", n)
	}
	got := v.got()
	if len(got) != 3 || v.events[got[0]].Metadata["rows"] != "10-99" || v.events[got[0]].Truncated != 0 || v.events[got[0]].MachineID == "" {
		t.Errorf("the vendor has %d events: %+v", len(got), v.events)
	}
}
