// Console is core with the person's side, without a command library.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/props"
)

func main() {
	if len(os.Args) < 2 {
		return // size measures the time up to here
	}
	m := core.NewManager(props.Tool{
		Name:      "hello",
		Features:  props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{Endpoint: "https://telemetry.example.com/events"},
	})
	err := run(context.Background(), m, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
	}
	os.Exit(core.ExitCode(err))
}

func run(ctx context.Context, m *core.Manager, args []string) error {
	if args[0] == "telemetry" {
		return console.Run(ctx, m, args[1:])
	}
	return console.Record(ctx, m, "hello", nil, func(props.Collector) error {
		_, err := fmt.Println("hello")
		return err
	})
}
