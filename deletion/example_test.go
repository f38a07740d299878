package deletion_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion"
)

var delete = deletion.Request{
	Tool:        "mytool",
	MachineID:   "0123456789abcdef0123456789abcdef",
	RequestedAt: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC),
}

// An author without a server gets a mail, which the person sends.
func ExampleEmail() {
	tool := props.Tool{
		Name:      "mytool",
		Telemetry: props.TelemetryConfig{DeletionRequestor: deletion.Email{To: "privacy@example.com"}},
	}
	receipt, err := tool.Telemetry.DeletionRequestor.RequestDeletion(context.Background(), delete)
	fmt.Println(receipt.State, err)
	fmt.Println(receipt.URL[:len("mailto:privacy@example.com")])
	// Output:
	// manual <nil>
	// mailto:privacy@example.com
}

// A function is a requestor.
func ExampleFunc() {
	requestor := deletion.Func(func(ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
		if err := req.Validate(); err != nil {
			return deletion.Receipt{}, err
		}
		// Here the author's own service is asked.
		return deletion.Receipt{State: deletion.Acknowledged, ID: "request-1"}, nil
	})
	receipt, err := requestor.RequestDeletion(context.Background(), delete)
	fmt.Println(receipt.State, receipt.ID, err)
	// Output: acknowledged request-1 <nil>
}

// Of several receivers, the one that is furthest from done says how far the request is.
func ExampleSeveral() {
	answer := func(state deletion.State) deletion.Requestor {
		return deletion.Func(func(context.Context, deletion.Request) (deletion.Receipt, error) {
			return deletion.Receipt{State: state}, nil
		})
	}
	requestor := deletion.Several{answer(deletion.Verified), answer(deletion.Acknowledged)}
	receipt, err := requestor.RequestDeletion(context.Background(), delete)
	fmt.Println(receipt.State, len(receipt.Parts), err)
	// Output: acknowledged 2 <nil>
}

// A server deletes for those who show the key of an ID, since the ID itself is in every event.
func ExampleProves() {
	var key [deletion.KeyBytes]byte // of the installation; this one is not random
	id := deletion.MachineID(key)
	fmt.Println(id, deletion.Proves(hex.EncodeToString(key[:]), id), deletion.Proves(id, id))
	// Output: 66687aadf862bd776c8fc18b8e9f8e20 true false
}
