//go:build !notelemetry

package httpjson_test

import (
	"fmt"

	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/httpjson"
)

// A tool sends deletion requests to its author's gateway. No key is in it: a request proves itself.
func Example() {
	tool := props.Tool{
		Name: "mytool",
		Telemetry: props.TelemetryConfig{
			Endpoint:          "https://telemetry.example.com/v1/events",
			DeletionRequestor: httpjson.Requestor{Endpoint: "https://telemetry.example.com/v1/deletions"},
		},
	}
	_, follows := tool.Telemetry.DeletionRequestor.(deletion.Follower)
	fmt.Println("tells how far a request is:", follows)
	// Output: tells how far a request is: true
}
