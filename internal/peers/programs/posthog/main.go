// Posthog records with PostHog's SDK, as https://posthog.com/docs/libraries/go says.
package main

import (
	"github.com/posthog/posthog-go"

	"github.com/gotoolbase/telemetry/internal/peers/program"
)

func main() {
	program.Main(func(endpoint string) (program.Peer, error) {
		client, err := posthog.NewWithConfig("phc_peers", posthog.Config{Endpoint: endpoint})
		if err != nil {
			return program.Peer{}, err
		}
		return program.Peer{
			Track: func(id string) {
				_ = client.Enqueue(posthog.Capture{
					DistinctId: "a-machine",
					Event:      "build",
					Properties: posthog.NewProperties().Set("duration_ms", 142).Set("exit_code", 0).
						Set("format", "csv").Set("rows", 1200).Set("event_number", id),
				})
			},
			Close: func() { _ = client.Close() },
		}, nil
	})
}
