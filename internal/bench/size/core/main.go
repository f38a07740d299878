// Core is hello with telemetry: the collector and the built-in backends.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/props"
)

func main() {
	if len(os.Args) < 2 {
		return // size measures the time up to here
	}
	start := time.Now()
	c, err := core.Open(props.Tool{
		Name:      "hello",
		Features:  props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{Endpoint: "https://telemetry.example.com/events"},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	fmt.Println("hello")
	c.TrackCommand("hello", time.Since(start).Milliseconds(), 0, nil)
	_ = c.Close(context.Background())
}
