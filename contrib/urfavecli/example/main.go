// Example is a tool with urfave/cli and with all of telemetry.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/urfave/cli/v3"

	"github.com/gotoolbase/telemetry/contrib/urfavecli"
	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/props"
)

// endpoint is set when the tool is built, and not by the person who runs it.
var endpoint = "https://analytics.example.com/events"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	manager := core.NewManager(props.Tool{
		Name:      "example",
		Features:  props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{Endpoint: endpoint},
	})
	root := newRoot()
	urfavecli.Wire(root, manager) // last, when all commands are in the tree
	if err := root.Run(ctx, os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "example:", err)
		os.Exit(core.ExitCode(err))
	}
}

func newRoot() *cli.Command {
	return &cli.Command{
		Name:                  "example",
		EnableShellCompletion: true,
		// The default prints errors that have an exit code, and ends the process with it.
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
		Commands: []*cli.Command{{
			Name: "remote",
			Commands: []*cli.Command{{
				Name:  "add",
				Flags: []cli.Flag{&cli.BoolFlag{Name: "fetch", Aliases: []string{"f"}}, &cli.StringFlag{Name: "branch"}},
				Action: func(_ context.Context, cmd *cli.Command) error {
					if !cmd.Args().Present() {
						return cli.Exit("add: which one?", 3)
					}
					fmt.Println("added")
					return nil
				},
			}},
		}},
	}
}
