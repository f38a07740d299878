//go:build !notelemetry

package deletions_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/store"
)

// An operator's program opens a ledger and names who has the data of each tool. A request that
// proves itself is answered once it is durable; Run then asks the vendors.
func Example() {
	temp, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(temp)

	ctx := context.Background()
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(temp, "data", "relay.db"), deletions.Schema())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()

	vendor := deletion.Func(func(context.Context, deletion.Request) (deletion.Receipt, error) {
		return deletion.Receipt{State: deletion.Acknowledged}, nil
	})
	relay, err := deletions.New(deletions.Config{
		Ledger: deletions.NewLedger(db),
		Tools:  map[string][]deletions.Vendor{"mytool": {{Name: "warehouse", Requestor: vendor}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	var key [deletion.KeyBytes]byte // a tool's is random, and comes with the request
	receipt, err := relay.Request(ctx, deletions.Demand{
		Tool: "mytool", MachineID: deletion.MachineID(key), DeletionKey: hex.EncodeToString(key[:]),
	})
	fmt.Println(receipt.State, receipt.New, err)
	// Output: acknowledged true <nil>
}
