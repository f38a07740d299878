//go:build !notelemetry

package events_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/events"
	"github.com/gotoolbase/telemetry/relay/store"
)

// The suite that any gateway is held to, in front of a vendor and in front of the database.
func TestConformanceOfTheIntake(t *testing.T) {
	t.Parallel()
	intake := func(destination func(*vendor, *store.DB) events.Destination, stored func(*vendor, *store.DB) []string, hasAway bool) conformance.Intake {
		return conformance.Intake{
			Refused: func(e *driver.Event) { e.MachineID = "of a person" },
			Open: func() (*conformance.OpenIntake, error) {
				v := newVendor(t)
				db, err := store.Open(context.Background(), "sqlite:"+filepath.Join(t.TempDir(), "db", "relay.db"), events.Schema())
				if err != nil {
					return nil, err
				}
				g, err := events.New(events.Config{
					DB: db, Tools: map[string]events.Tool{"mytool": {Destinations: []events.Destination{destination(v, db)}}},
					Log: slog.New(slog.DiscardHandler),
				})
				if err != nil {
					return nil, err
				}
				s := httptest.NewServer(g)
				opened := &conformance.OpenIntake{
					Endpoint: s.URL + events.Path, Stored: func() []string { return stored(v, db) },
					Close: func() { s.Close(); _ = db.Close() },
				}
				if hasAway {
					opened.Away = func() func() { v.set(away); return func() { v.set(nil) } }
				}
				return opened, nil
			},
		}
	}
	t.Run("in front of a vendor", func(t *testing.T) {
		conformance.RunIntake(t, intake(
			func(v *vendor, _ *store.DB) events.Destination { return v.destination(t, "vendor") },
			func(v *vendor, _ *store.DB) []string { return v.got() }, true))
	})
	t.Run("in front of the database", func(t *testing.T) {
		conformance.RunIntake(t, intake(
			func(_ *vendor, db *store.DB) events.Destination { return kept(t, db, nil) },
			func(_ *vendor, db *store.DB) (ids []string) {
				err := db.Read(context.Background(), func(tx *store.Tx) error {
					return tx.Query(context.Background(), func(scan func(...any) error) error {
						var id string
						err := scan(&id)
						ids = append(ids, id)
						return err
					}, `SELECT id FROM events`)
				})
				if err != nil {
					t.Error(err)
				}
				return ids
			}, false))
	})
}
