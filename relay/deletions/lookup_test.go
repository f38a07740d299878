//go:build !notelemetry

package deletions_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/store"
)

// Questions share queries, so one must not be answered by a query that began before it.
func TestWhoWasDeletedIsKnownToEveryQuestionThatComesAfter(t *testing.T) {
	f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: &vendor{}})
	const people = 40
	asks := func(n int, want bool) {
		deleted, err := f.ledger.Deleted(t.Context(), "mytool", []string{somebody(n).id, somebody(n + 1000).id})
		if err != nil || deleted[somebody(n).id] != want || deleted[somebody(n+1000).id] {
			t.Errorf("of %d deleted are %v (%v), want %v", n, deleted, err, want)
		}
		if deleted, err := f.ledger.Deleted(t.Context(), "theirtool", []string{somebody(n).id}); err != nil || len(deleted) != 0 {
			t.Errorf("of another tool deleted are %v (%v)", deleted, err)
		}
	}
	var all sync.WaitGroup
	for n := range people {
		all.Go(func() {
			asks(n, false)
			if _, err := f.relay.Request(t.Context(), deletions.Demand{Tool: "mytool", MachineID: somebody(n).id, By: "alice", Why: "a letter"}); err != nil {
				t.Error(err)
			}
			asks(n, true)
		})
	}
	all.Wait()
}

func TestAQuestionEndsWithItsContextAndWithTheDatabase(t *testing.T) {
	f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: &vendor{}})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	// The answer may be there before the end is noticed, and is right then.
	if deleted, err := f.ledger.Deleted(ended, "mytool", []string{somebody(1).id}); err != nil && !errors.Is(err, context.Canceled) || len(deleted) != 0 {
		t.Errorf("got %v, %v", deleted, err)
	}
	f.close()
	if _, err := f.ledger.Deleted(t.Context(), "mytool", []string{somebody(1).id}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("of a closed database: %v, want ErrUnavailable", err)
	}
}
