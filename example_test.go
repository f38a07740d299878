package telemetry_test

import (
	"context"
	"fmt"
	"os"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/props"
)

// A whole tool without a command library: `mytool telemetry` is the person's, everything else is
// the tool's own.
func Example() {
	main := func() {
		ctx, manager := context.Background(), core.NewManager(props.Tool{
			Name:     "mytool",
			Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
			Telemetry: props.TelemetryConfig{
				Endpoint:   "https://telemetry.example.com/v1/events",
				Controller: "Example Ltd",
			},
		})
		var err error
		if len(os.Args) > 1 && os.Args[1] == "telemetry" {
			err = console.Run(ctx, manager, os.Args[2:])
		} else {
			err = console.Record(ctx, manager, "greet", nil, func(props.Collector) error {
				fmt.Println("Hello!")
				return nil
			})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "mytool:", err)
		}
		os.Exit(core.ExitCode(err))
	}
	_ = main
}
