//go:build !notelemetry

package datadog_test

import (
	"fmt"

	"github.com/gotoolbase/telemetry/backends/datadog"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// A relay of the author's own adds the key, so that none is in the tool.
func Example() {
	tool := props.Tool{
		Name: "mytool",
		Telemetry: props.TelemetryConfig{
			Backend:  "datadog",
			Drivers:  []driver.Driver{datadog.Driver()},
			Settings: map[string]string{"endpoint": "https://telemetry.example.com/datadog", "env": "prod"},
		},
	}

	// What people are told before they say yes.
	d := tool.Telemetry.Drivers[0]
	settings, err := d.Resolve(tool.Telemetry.Settings)
	fmt.Println(d.Hosts(settings), err)
	// Output: [telemetry.example.com] <nil>
}

// A tool that stays inside a company can hold the key itself.
func Example_apiKey() {
	tool := props.Tool{
		Name: "mytool",
		Telemetry: props.TelemetryConfig{
			Backend:  "datadog",
			Drivers:  []driver.Driver{datadog.Driver()},
			Settings: map[string]string{"site": "eu1", "api_key": "0123456789abcdef0123456789abcdef"},
		},
	}

	// What people are told before they say yes.
	d := tool.Telemetry.Drivers[0]
	settings, err := d.Resolve(tool.Telemetry.Settings)
	fmt.Println(d.Hosts(settings), err)
	// Output: [http-intake.logs.datadoghq.eu] <nil>
}
