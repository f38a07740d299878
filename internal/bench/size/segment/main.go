// Segment is core with Segment's backend linked.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/gotoolbase/telemetry/backends/segment"
	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

func main() {
	if len(os.Args) < 2 {
		return // size measures the time up to here
	}
	start := time.Now()
	c, err := core.Open(props.Tool{
		Name:     "hello",
		Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{
			Backend:  "segment",
			Drivers:  []driver.Driver{segment.Driver()},
			Settings: map[string]string{"instance": "us", "write_key": "0123456789abcdef"},
		},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	fmt.Println("hello")
	c.TrackCommand("hello", time.Since(start).Milliseconds(), 0, nil)
	_ = c.Close(context.Background())
}
