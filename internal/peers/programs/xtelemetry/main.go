// Xtelemetry counts with golang.org/x/telemetry, as the documentation of its package counter
// says for command line tools.
package main

import (
	"golang.org/x/telemetry/counter"

	"github.com/gotoolbase/telemetry/internal/peers/program"
)

func main() {
	program.Main(func(string) (program.Peer, error) {
		counter.Open()
		return program.Peer{
			// It keeps no events. A counter for each lets them be found again.
			Track: func(id string) { counter.Inc("peers/event:" + id) },
			Again: func() { counter.Inc("peers/command:build") },
			Close: func() {},
		}, nil
	})
}
