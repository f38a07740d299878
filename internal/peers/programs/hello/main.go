// Hello records nothing: it is what every other program is compared with.
package main

import "github.com/gotoolbase/telemetry/internal/peers/program"

func main() {
	program.Main(func(string) (program.Peer, error) {
		return program.Peer{Track: func(string) {}, Close: func() {}}, nil
	})
}
