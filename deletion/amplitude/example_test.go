//go:build !notelemetry

package amplitude_test

import (
	"fmt"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/amplitude"
)

// An operator's program opens the vendor with keys that delete, which no tool holds.
func Example() {
	vendor := amplitude.Vendor()
	settings, err := vendor.Resolve(map[string]string{
		"instance":   "eu",
		"api_key":    "0123456789abcdef0123456789abcdef",
		"secret_key": "fedcba9876543210fedcba9876543210",
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
	// asks [analytics.eu.amplitude.com]
	// tells how far a request is: true
	// counts what is left: true
}
