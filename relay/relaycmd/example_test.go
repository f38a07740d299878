//go:build !notelemetry

package relaycmd_test

import (
	"context"
	"os"

	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/relaycmd"
)

// A gateway of your own, with a vendor of your own beside one of those that are here:
//
//	tools: {mytool: {deletions: [{vendor: warehouse, dsn_file: /run/secrets/dsn}]}}
func Example() {
	warehouse := deletion.Vendor{
		Name:     "warehouse",
		Settings: []driver.Setting{{Name: "dsn", Doc: "where our rows are", Required: true, Secret: true}},
		Hosts:    func(map[string]string) []string { return []string{"warehouse.example.com"} },
		Open: func(cfg deletion.VendorConfig) (deletion.Requestor, error) {
			return deletion.Func(func(ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
				return deletion.Receipt{State: deletion.Delivered}, deleteRows(ctx, cfg.Settings["dsn"], req.MachineID)
			}), nil
		},
	}
	os.Exit(relaycmd.Main([]driver.Driver{posthog.Driver()}, []deletion.Vendor{warehouse}))
}

func deleteRows(context.Context, string, string) error { return nil }
