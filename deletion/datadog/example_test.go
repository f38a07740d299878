//go:build !notelemetry

package datadog_test

import (
	"fmt"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/datadog"
)

// An operator's program opens the vendor with keys that delete, which no tool holds. The retention
// is that of the place where logs are kept longest.
func Example() {
	vendor := datadog.Vendor()
	settings, err := vendor.Resolve(map[string]string{
		"site":            "eu1",
		"retention":       "15d",
		"api_key":         "0123456789abcdef0123456789abcdef",
		"application_key": "0123456789abcdef0123456789abcdef01234567",
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
	// asks [api.datadoghq.eu]
	// tells how far a request is: true
	// counts what is left: true
}
