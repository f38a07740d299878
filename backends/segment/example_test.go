//go:build !notelemetry

package segment_test

import (
	"fmt"

	"github.com/gotoolbase/telemetry/backends/segment"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// A tool lists the driver and names it.
func Example() {
	tool := props.Tool{
		Name: "mytool",
		Telemetry: props.TelemetryConfig{
			Backend:  "segment",
			Drivers:  []driver.Driver{segment.Driver()},
			Settings: map[string]string{"instance": "eu", "write_key": "0123456789abcdef0123456789abcdef"},
		},
	}

	// What people are told before they say yes.
	d := tool.Telemetry.Drivers[0]
	settings, err := d.Resolve(tool.Telemetry.Settings)
	fmt.Println(d.Hosts(settings), err)
	// Output: [events.eu1.segmentapis.com] <nil>
}

// A RudderStack or a Jitsu has an endpoint in place of an instance.
func Example_rudderStack() {
	tool := props.Tool{
		Name: "mytool",
		Telemetry: props.TelemetryConfig{
			Backend:  "segment",
			Drivers:  []driver.Driver{segment.Driver()},
			Settings: map[string]string{"endpoint": "https://rudder.example.com", "write_key": "0123456789abcdef0123456789abcdef"},
		},
	}

	// What people are told before they say yes.
	d := tool.Telemetry.Drivers[0]
	settings, err := d.Resolve(tool.Telemetry.Settings)
	fmt.Println(d.Hosts(settings), err)
	// Output: [rudder.example.com] <nil>
}
