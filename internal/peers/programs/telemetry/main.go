// Telemetry records with this module, its http backend, and the question and commands that
// docs/how-to/without-cobra.md gives a tool.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/peers/program"
)

// interval is the least time between two uploads, empty for the default. It is set when what
// becomes of events is looked at, which would take many times ten minutes.
var interval string

func main() {
	// "telemetry ENDPOINT COMMAND": a tool that knows its endpoint has only the first and the last.
	if len(os.Args) > 3 && os.Args[1] == "telemetry" {
		manager, err := manage(os.Args[2])
		if err == nil {
			err = console.Run(context.Background(), manager, os.Args[3:])
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "program:", err)
		}
		os.Exit(core.ExitCode(err))
	}
	program.Main(func(endpoint string) (program.Peer, error) {
		manager, err := manage(endpoint)
		if err != nil {
			return program.Peer{}, err
		}
		if _, err := console.Ask(context.Background(), manager); err != nil {
			return program.Peer{}, err
		}
		collector, err := manager.Open()
		if err != nil {
			return program.Peer{}, err
		}
		return program.Peer{
			Track: func(id string) {
				collector.TrackCommand("build", 142, 0, map[string]string{"format": "csv", "rows": "1200", "event_number": id})
			},
			Close: func() { _ = collector.Close(context.Background()) },
		}, nil
	})
}

func manage(endpoint string) (*core.Manager, error) {
	var between time.Duration
	if interval != "" {
		var err error
		if between, err = time.ParseDuration(interval); err != nil {
			return nil, err
		}
	}
	return core.NewManager(props.Tool{
		Name:     "mytool",
		Version:  "1.0.0",
		Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{
			Endpoint:       endpoint,
			Insecure:       true, // one weather needs a name, which is not known to be this machine's
			UploadInterval: between,
			Controller:     "the people who measure",
			Events: []props.EventSpec{{
				Type: props.EventCommandInvocation, Names: []string{"build"}, Purpose: "to be measured",
				Fields: []props.Field{
					{Name: "format", Type: props.OneOf("csv", "json")},
					{Name: "rows", Type: props.Number()},
					{Name: "event_number", Type: props.Number()},
				},
			}},
		},
	}, core.WithUploadCommand("telemetry", endpoint, "upload")), nil
}
