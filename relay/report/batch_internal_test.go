//go:build !notelemetry

package report

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/store"
)

// The database may have a batch though its answer was lost: see store.ErrUnknown.
func TestABatchWhoseEndWasNotKnownIsWrittenOnce(t *testing.T) {
	t.Parallel()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "private", "relay.db"), Schema())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	r, err := Open(t.Context(), db, Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	add := func(id string) {
		r.Add("x", []driver.Event{{ID: id, Type: "feature.used", Time: now, MachineID: id}}, now)
	}
	add("1")
	if !r.take() {
		t.Fatal("there is no batch")
	}
	if err := r.send(t.Context(), r.unsent); err != nil { // it is written, and who wrote it does not know
		t.Fatal(err)
	}
	add("2")
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	d, err := Read(t.Context(), db, Query{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := d.find(weekOf(now), byEvent, "feature.used"); c.events != 2 || c.installations != 2 {
		t.Errorf("two events are counted as %d, of %d machines", c.events, c.installations)
	}
}
