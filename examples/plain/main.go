// Plain is a tool with package flag alone, and with all of telemetry: the question, the
// commands of `plain telemetry`, and a record of each command.
//
//	go build -ldflags "-X main.endpoint=https://telemetry.example.org/events" ./examples/plain
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/props"
)

// endpoint is for whoever builds the tool to set, and not for whoever runs it.
var endpoint = "https://analytics.example.com/events"

func tool() props.Tool {
	return props.Tool{
		Name:      "plain",
		Version:   "1.0.0",
		Features:  props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{Endpoint: endpoint, Controller: "the people who build this example"},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, core.NewManager(tool()), os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "plain:", err)
	}
	os.Exit(core.ExitCode(err))
}

// run runs the command that args name. Authors who translate the question give options.
func run(ctx context.Context, manager *core.Manager, args []string, options ...console.Option) error {
	if len(args) == 0 {
		return &console.UsageError{Err: errors.New("there are greet and telemetry")}
	}
	switch name, args := args[0], args[1:]; name {
	case "telemetry":
		return console.Run(ctx, manager, args, options...)
	case "greet":
		flags := flag.NewFlagSet("plain greet", flag.ContinueOnError)
		loud := flags.Bool("loud", false, "greet in capitals")
		flags.SetOutput(io.Discard)
		if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(os.Stdout)
			flags.PrintDefaults()
			return nil
		} else if err != nil {
			return &console.UsageError{Err: err}
		}
		var set []string
		flags.Visit(func(f *flag.Flag) { set = append(set, f.Name) })
		return console.Record(ctx, manager, name, set, func(props.Collector) error {
			return greet(flags.Args(), *loud)
		}, options...)
	default:
		return &console.UsageError{Err: fmt.Errorf("unknown command %q", name)}
	}
}

func greet(whom []string, loud bool) error {
	if len(whom) == 0 {
		return &console.UsageError{Err: errors.New("greet: whom?")}
	}
	text := "Hello " + strings.Join(whom, " ") + "!"
	if loud {
		text = strings.ToUpper(text)
	}
	_, err := fmt.Println(text)
	return err
}
