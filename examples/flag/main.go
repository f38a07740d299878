// Hello greets. It is a tool with package flag alone, and with telemetry.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/props"
)

var tool = props.Tool{
	Name:      "hello",
	Version:   "1.0.0",
	Features:  props.SetFeatures(props.Enable(props.TelemetryCmd)),
	Telemetry: props.TelemetryConfig{Backend: "file"},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, core.NewManager(tool), os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
	}
	os.Exit(core.ExitCode(err))
}

func run(ctx context.Context, telemetry *core.Manager, args []string) error {
	if len(args) > 0 && args[0] == "telemetry" {
		return console.Run(ctx, telemetry, args[1:])
	}
	flags := flag.NewFlagSet("hello", flag.ExitOnError)
	loud := flags.Bool("loud", false, "greet with an exclamation mark")
	_ = flags.Parse(args) // ExitOnError
	var set []string
	flags.Visit(func(f *flag.Flag) { set = append(set, f.Name) })
	return console.Record(ctx, telemetry, "greet", set, func(props.Collector) error {
		return greet(flags.Arg(0), *loud)
	})
}

func greet(whom string, loud bool) error {
	if whom == "" {
		return fmt.Errorf("greet whom?")
	}
	end := "."
	if loud {
		end = "!"
	}
	fmt.Println("Hello, " + whom + end)
	return nil
}
