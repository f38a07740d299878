// Telemetrycore is this module's collector and http backend without the question and the
// commands, which no other peer has. Only its size and its start are measured.
package main

import (
	"context"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/peers/program"
)

func main() {
	program.Main(func(endpoint string) (program.Peer, error) {
		collector, err := core.Open(props.Tool{
			Name:      "mytool",
			Version:   "1.0.0",
			Features:  props.SetFeatures(props.Enable(props.TelemetryCmd)),
			Telemetry: props.TelemetryConfig{Endpoint: endpoint, Insecure: true},
		})
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
