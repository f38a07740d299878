//go:build !notelemetry

package erasures_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/gotoolbase/telemetry/relay/erasures"
	"github.com/gotoolbase/telemetry/relay/store"
)

// Questions share queries, so one must not be answered by a query that began before it.
func TestWhoWasErasedIsKnownToEveryQuestionThatComesAfter(t *testing.T) {
	f := newFixture(t, erasures.Vendor{Name: "vendor", Requestor: &vendor{}})
	const people = 40
	asks := func(n int, want bool) {
		erased, err := f.ledger.Erased(t.Context(), "mytool", []string{somebody(n).id, somebody(n + 1000).id})
		if err != nil || erased[somebody(n).id] != want || erased[somebody(n+1000).id] {
			t.Errorf("of %d erased are %v (%v), want %v", n, erased, err, want)
		}
		if erased, err := f.ledger.Erased(t.Context(), "theirtool", []string{somebody(n).id}); err != nil || len(erased) != 0 {
			t.Errorf("of another tool erased are %v (%v)", erased, err)
		}
	}
	var all sync.WaitGroup
	for n := range people {
		all.Go(func() {
			asks(n, false)
			if _, err := f.relay.Request(t.Context(), erasures.Demand{Tool: "mytool", MachineID: somebody(n).id, By: "alice", Why: "a letter"}); err != nil {
				t.Error(err)
			}
			asks(n, true)
		})
	}
	all.Wait()
}

func TestAQuestionEndsWithItsContextAndWithTheDatabase(t *testing.T) {
	f := newFixture(t, erasures.Vendor{Name: "vendor", Requestor: &vendor{}})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	// The answer may be there before the end is noticed, and is right then.
	if erased, err := f.ledger.Erased(ended, "mytool", []string{somebody(1).id}); err != nil && !errors.Is(err, context.Canceled) || len(erased) != 0 {
		t.Errorf("got %v, %v", erased, err)
	}
	f.close()
	if _, err := f.ledger.Erased(t.Context(), "mytool", []string{somebody(1).id}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("of a closed database: %v, want ErrUnavailable", err)
	}
}
