//go:build !notelemetry

package deletions_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/internal/pgtest"
	"github.com/gotoolbase/telemetry/relay/store"
)

// formerSteps is how many steps the schema had while its tables were called erasures.
const formerSteps = 15

// testdata/erasures.sql is what the program of that time wrote.
func TestALedgerWhoseTablesWereCalledErasuresGoesOn(t *testing.T) {
	t.Parallel()
	urls := map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "data", "relay.db") },
		"postgres": func(t *testing.T) string { return pgtest.Start(t).Database() },
	}
	for name, url := range urls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := url(t)
			former := deletions.Schema()
			former.Steps = former.Steps[:formerSteps]
			db := opened(t, url, former)
			rows, err := os.ReadFile("testdata/erasures.sql")
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Write(t.Context(), func(tx *store.Tx) error {
				for row := range strings.Lines(string(rows)) {
					if strings.HasPrefix(row, "--") {
						continue
					}
					if _, err := tx.Exec(t.Context(), row); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}

			db = opened(t, url, deletions.Schema())
			t.Cleanup(func() { _ = db.Close() })
			ledger := deletions.NewLedger(db)
			var states []deletion.State
			if err := ledger.List(t.Context(), deletions.Filter{Steps: true}, func(d deletions.Deletion) error {
				states = append(states, d.State)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if len(states) != 2 || states[0] != deletions.Done || states[1] != deletion.Acknowledged {
				t.Errorf("the states are %v, want one that was done by hand and one that is acknowledged", states)
			}
			if a, err := ledger.Verify(t.Context()); err != nil || a.Damaged > 0 || a.Lines != 3 || a.Deletions != 2 {
				t.Errorf("the evidence is %+v (%v), want three lines of two deletions, as they were written", a, err)
			}
			if _, err := ledger.Add(deletions.Demand{Tool: "mytool", MachineID: somebody(1).id, By: "carol", Why: "letter"}, deletions.Terms{Vendors: []string{"posthog"}}); err != nil {
				t.Errorf("a new request: %v", err)
			}
		})
	}
}

func opened(t *testing.T, url string, schema store.Schema) *store.DB {
	t.Helper()
	db, err := store.Open(context.Background(), url, schema)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestAToolThatAsksAtTheFormerAddressIsAnsweredThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, deletions.Vendor{Name: "strict", Requestor: follower{&vendor{}}})
		p := somebody(1)
		req := httptest.NewRequest(http.MethodPost, "/v1/erasures", strings.NewReader(`{"machine_id":"`+p.id+`","erasure_key":"`+p.key+`","tool":"mytool"}`))
		req.Header.Set("Content-Type", "application/json")
		told := f.serve(req)
		if told.Status != http.StatusAccepted || told.ID == "" {
			t.Fatalf("got %+v, want a receipt", told)
		}
		if a := f.serve(httptest.NewRequest(http.MethodGet, "/v1/erasures/"+told.ID, nil)); a.Status != http.StatusOK || a.ID != told.ID {
			t.Errorf("asked how far it is, it says %+v", a)
		}
		if a := f.get(told.ID); a.Status != http.StatusOK {
			t.Errorf("at today's address it is %+v", a)
		}
		if a := f.serve(httptest.NewRequest(http.MethodGet, "/v1/erasuresandmore", nil)); a.Error != "not_found" {
			t.Errorf("an address that begins so is %+v", a)
		}
	})
}
