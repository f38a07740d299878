package noop_test

import (
	"context"
	"fmt"

	"github.com/gotoolbase/telemetry/backends/noop"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// The backend is built in: a tool that names it keeps its commands and records nothing.
func Example() {
	tool := props.Tool{Name: "mytool", Telemetry: props.TelemetryConfig{Backend: "noop"}}

	backend, err := noop.Driver().Open(driver.Config{Tool: tool.Name})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer backend.Close()
	fmt.Println(backend.Send(context.Background(), []driver.Event{{Name: "build"}}))
	// Output: <nil>
}
