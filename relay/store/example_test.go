//go:build !notelemetry

package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gotoolbase/telemetry/relay/store"
)

// A package hands its tables to Open, and writes its queries once for both kinds of database.
func Example() {
	temp, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(temp)

	ctx := context.Background()
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(temp, "data", "relay.db"), store.Schema{
		Name:  "visits",
		Steps: []string{`CREATE TABLE visits (tool TEXT PRIMARY KEY, n BIGINT NOT NULL)`},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()

	err = db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO visits (tool, n) VALUES (?, ?)", "mytool", 3)
		return err
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	var n int
	err = db.Read(ctx, func(tx *store.Tx) error {
		_, err := tx.One(ctx, []any{&n}, "SELECT n FROM visits WHERE tool = ?", "mytool")
		return err
	})
	fmt.Println(db.Engine(), n, err)
	// Output: sqlite 3 <nil>
}
