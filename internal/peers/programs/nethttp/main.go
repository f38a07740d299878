// Nethttp posts its events once when it ends, for at most two seconds: the floor of what is
// delivered by the command itself.
package main

import (
	"bytes"
	"fmt"
	"net/http"
	"time"

	"github.com/gotoolbase/telemetry/internal/peers/program"
)

func main() {
	program.Main(func(endpoint string) (program.Peer, error) {
		body := []byte{'['}
		return program.Peer{
			Track: func(id string) {
				if len(body) > 1 {
					body = append(body, ',')
				}
				body = fmt.Appendf(body, `{"event":"build","duration_ms":142,"exit_code":0,"format":"csv","rows":1200,"event_number":%s}`, id)
			},
			Close: func() {
				if len(body) == 1 {
					return
				}
				client := http.Client{Timeout: 2 * time.Second} // without one it waits for ever
				if answer, err := client.Post(endpoint, "application/json", bytes.NewReader(append(body, ']'))); err == nil {
					answer.Body.Close()
				}
			},
		}, nil
	})
}
