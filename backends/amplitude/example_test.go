//go:build !notelemetry

package amplitude_test

import (
	"fmt"

	"github.com/gotoolbase/telemetry/backends/amplitude"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// A tool lists the driver and names it. The API key can send events and read none.
func Example() {
	tool := props.Tool{
		Name: "mytool",
		Telemetry: props.TelemetryConfig{
			Backend:  "amplitude",
			Drivers:  []driver.Driver{amplitude.Driver()},
			Settings: map[string]string{"instance": "eu", "api_key": "0123456789abcdef0123456789abcdef"},
		},
	}

	// What people are told before they say yes.
	d := tool.Telemetry.Drivers[0]
	settings, err := d.Resolve(tool.Telemetry.Settings)
	fmt.Println(d.Hosts(settings), err)
	// Output: [api.eu.amplitude.com] <nil>
}
