// Posthogsdk is hello with one event sent by PostHog's SDK.
package main

import (
	"fmt"
	"os"

	"github.com/posthog/posthog-go"
)

func main() {
	if len(os.Args) < 2 {
		return // size measures the time up to here
	}
	client, err := posthog.NewWithConfig("phc_hello", posthog.Config{Endpoint: "https://telemetry.example.com"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	fmt.Println("hello")
	_ = client.Enqueue(posthog.Capture{DistinctId: "hello", Event: "hello"})
	_ = client.Close()
}
