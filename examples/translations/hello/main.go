// Hello is a tool that greets, and asks whether it may report that, in the language of the
// person who runs it: English, German or Japanese.
//
//	LC_ALL=ja_JP.UTF-8 go run ./examples/translations/hello telemetry status
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/examples/translations"
)

// greetings are what the tool itself says, by the language's tag.
var greetings = map[string]string{"": "Hello!", "de": "Hallo!", "ja": "こんにちは！"}

func tool() props.Tool {
	return props.Tool{
		Name:      "hello",
		Version:   "1.0.0",
		Features:  props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{Endpoint: "https://analytics.example.com/events"},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, core.NewManager(tool()), os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
	}
	os.Exit(core.ExitCode(err))
}

func run(ctx context.Context, manager *core.Manager, args []string) error {
	messages := translations.For(os.LookupEnv)
	options := []console.Option{console.WithMessages(messages)}
	if len(args) > 0 && args[0] == "telemetry" {
		return console.Run(ctx, manager, args[1:], options...)
	}
	return console.Record(ctx, manager, "hello", nil, func(props.Collector) error {
		_, err := fmt.Println(greetings[messages["en"]])
		return err
	}, options...)
}
