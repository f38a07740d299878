// Example is a tool with kong and with all of telemetry.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/alecthomas/kong"

	"github.com/gotoolbase/telemetry/contrib/kongcli"
	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/props"
)

// endpoint is set when the tool is built, and not by the person who runs it.
var endpoint = "https://analytics.example.com/events"

type grammar struct {
	Remote struct {
		Add addCommand `cmd:"" help:"Add a remote."`
	} `cmd:"" help:"Look after remotes."`
}

type addCommand struct {
	Fetch  bool   `short:"f" help:"Fetch from it at once."`
	Branch string `help:"Which branch to follow."`
	Name   string `arg:"" optional:""`
}

// Run adds a remote.
func (c *addCommand) Run(k *kong.Kong) error {
	if c.Name == "" {
		return &console.UsageError{Err: errors.New("add: which one?")}
	}
	_, err := fmt.Fprintln(k.Stdout, "added")
	return err
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	manager := core.NewManager(props.Tool{
		Name:      "example",
		Features:  props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{Endpoint: endpoint},
	})
	call := kong.Parse(&grammar{}, kong.Name("example"), kongcli.Command(manager))
	call.FatalIfErrorf(kongcli.Run(ctx, call, manager))
}
