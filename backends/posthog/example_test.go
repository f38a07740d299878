//go:build !notelemetry

package posthog_test

import (
	"fmt"

	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// A tool lists the driver and names it. The project key is public: it can send events and read
// none.
func Example() {
	tool := props.Tool{
		Name: "mytool",
		Telemetry: props.TelemetryConfig{
			Backend:  "posthog",
			Drivers:  []driver.Driver{posthog.Driver()},
			Settings: map[string]string{"instance": "eu", "project_key": "phc_0123456789"},
		},
	}

	// What people are told before they say yes.
	d := tool.Telemetry.Drivers[0]
	settings, err := d.Resolve(tool.Telemetry.Settings)
	fmt.Println(d.Hosts(settings), err)
	// Output: [eu.i.posthog.com] <nil>
}

// A PostHog of one's own has an endpoint in place of an instance.
func Example_selfHosted() {
	tool := props.Tool{
		Name: "mytool",
		Telemetry: props.TelemetryConfig{
			Backend:  "posthog",
			Drivers:  []driver.Driver{posthog.Driver()},
			Settings: map[string]string{"endpoint": "https://posthog.example.com", "project_key": "phc_0123456789"},
		},
	}

	// What people are told before they say yes.
	d := tool.Telemetry.Drivers[0]
	settings, err := d.Resolve(tool.Telemetry.Settings)
	fmt.Println(d.Hosts(settings), err)
	// Output: [posthog.example.com] <nil>
}
