//go:build !notelemetry

package otlp_test

import (
	"context"
	"fmt"

	"github.com/gotoolbase/telemetry/backends/otlp"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// A tool lists the driver and names the receiver, with the keys of metadata that are names of
// the semantic conventions.
func Example() {
	tool := props.Tool{
		Name: "mytool",
		Telemetry: props.TelemetryConfig{
			OTelEndpoint: "https://otlp.example.com",
			Drivers:      []driver.Driver{otlp.Driver()},
			Settings:     map[string]string{"conventions": "vcs.provider.name"},
		},
	}
	address := map[string]string{"endpoint": tool.Telemetry.OTelEndpoint}
	fmt.Println("people are told of", otlp.Driver().Hosts(address))
	// Output: people are told of [otlp.example.com]
}

// A program without the collector opens a backend and closes it.
func ExampleNewBackend() {
	backend, err := otlp.NewBackend("http://localhost:4318",
		otlp.WithService("mytool"),
		otlp.WithResource(map[string]string{"deployment.environment.name": "production"}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer backend.Close()
	fmt.Println(backend.Send(context.Background(), nil)) // without an event nothing is sent
	// Output: <nil>
}
