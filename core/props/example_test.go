package props_test

import (
	"fmt"

	"github.com/gotoolbase/telemetry/core/props"
)

// An author declares the tool in one place: who asks for data, where it goes, and what may be in it.
func Example() {
	tool := props.Tool{
		Name:     "mytool",
		Version:  "1.2.3",
		Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{
			Endpoint:   "https://telemetry.example.com/v1/events",
			Controller: "Example Ltd",
			Contact:    "privacy@example.com",
			Retention:  "90 days",
			Purpose:    "to find out which formats matter",
			Events: []props.EventSpec{{
				Type: "export.finished", Purpose: "which formats matter",
				Fields: []props.Field{
					{Name: "format", Type: props.OneOf("json", "csv")},
					{Name: "rows", Type: props.Buckets(10, 100, 1000)},
				},
			}},
		},
	}
	p := props.New(tool)
	p.Collector.TrackCommand("build", 12, 0, nil) // does nothing until the tool opens a collector
	fmt.Println(p.Collector.Enabled())
	// Output: false
}

// A command takes the collector as an interface, so that its test can hand it one that does nothing.
func ExampleDiscard() {
	export := func(c props.Collector) {
		c.Track("export.finished", "", map[string]string{"format": "csv", "rows": "42"})
	}
	export(props.Discard{})
}
