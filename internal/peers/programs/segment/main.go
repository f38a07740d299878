// Segment records with Segment's SDK, as its Readme does.
package main

import (
	"github.com/segmentio/analytics-go/v3"

	"github.com/gotoolbase/telemetry/internal/peers/program"
)

func main() {
	program.Main(func(endpoint string) (program.Peer, error) {
		client, err := analytics.NewWithConfig("write-key", analytics.Config{Endpoint: endpoint})
		if err != nil {
			return program.Peer{}, err
		}
		return program.Peer{
			Track: func(id string) {
				_ = client.Enqueue(analytics.Track{
					AnonymousId: "a-machine",
					Event:       "build",
					Properties: analytics.NewProperties().Set("duration_ms", 142).Set("exit_code", 0).
						Set("format", "csv").Set("rows", 1200).Set("event_number", id),
				})
			},
			Close: func() { _ = client.Close() },
		}, nil
	})
}
