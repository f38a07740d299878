//go:build !notelemetry

package httpjson_test

import (
	"fmt"

	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// The backend is built in: a tool names its server, and no driver.
func Example() {
	tool := props.Tool{
		Name:      "mytool",
		Telemetry: props.TelemetryConfig{Endpoint: "https://telemetry.example.com/v1/events"},
	}
	settings := map[string]string{"endpoint": tool.Telemetry.Endpoint}
	fmt.Println("people are told of", httpjson.Driver().Hosts(settings))
	// Output: people are told of [telemetry.example.com]
}

// Plain http is for this machine alone, unless the author says Insecure.
func ExampleDriver() {
	fmt.Println(httpjson.Driver().Check(driver.Config{
		Settings: map[string]string{"endpoint": "http://telemetry.example.com/v1/events", "compression": "gzip"},
	}))
	// Output: Telemetry.Settings[endpoint]: plain http:// to another machine: use https://, or set Telemetry.Insecure for a network that is yours alone
}
