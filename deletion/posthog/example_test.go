//go:build !notelemetry

package posthog_test

import (
	"fmt"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/posthog"
)

// An operator's program opens the vendor with a personal key, which no tool holds.
func Example() {
	vendor := posthog.Vendor()
	settings, err := vendor.Resolve(map[string]string{
		"instance": "eu",
		"project":  "12345",
		"key":      "phx_0123456789",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	requestor, err := vendor.Open(deletion.VendorConfig{Tool: "mytool", Settings: settings})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, follows := requestor.(deletion.Follower)
	_, counts := requestor.(deletion.Counter)
	fmt.Println("asks", vendor.Hosts(settings))
	fmt.Println("tells how far a request is:", follows)
	fmt.Println("counts what is left:", counts)
	// Output:
	// asks [eu.posthog.com]
	// tells how far a request is: true
	// counts what is left: true
}
