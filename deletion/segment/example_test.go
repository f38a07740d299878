//go:build !notelemetry

package segment_test

import (
	"fmt"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/segment"
)

// An operator's program opens the vendor with a token that deletes, which no tool holds. Segment
// has no call that counts, so a person looks there in the end.
func Example() {
	vendor := segment.Vendor()
	settings, err := vendor.Resolve(map[string]string{
		"instance": "eu",
		"token":    "sgp_0123456789",
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
	// asks [eu1.api.segmentapis.com]
	// tells how far a request is: true
	// counts what is left: false
}
