//go:build !notelemetry

package deletions

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/relay/store"
)

// Each request with events asks who was deleted. Questions that come while the database answers
// others wait for their turn and share the next query: asked one by one, they took a third of
// the gateway's work.

// machine is one of a tool's.
type machine struct{ tool, id string }

// lookup is one query for all who ask at the same time.
type lookup struct {
	asked map[machine]bool
	asks  int
	done  chan struct{} // closed when the rest is there
	found map[machine]bool
	err   error
}

// lookups are the query that is gathered while another one runs.
type lookups struct {
	mu      sync.Mutex
	next    *lookup
	running bool
}

// lookupTime bounds one query: as long as a request with events waits for one. Those who ask have
// their own limit besides, and get the answer of a query that began after they asked.
const lookupTime = 2 * time.Second

// Deleted returns which of those machine IDs of a tool were deleted or are being deleted, also
// by hand. The error wraps store.ErrUnavailable.
func (l *Ledger) Deleted(ctx context.Context, tool string, machineIDs []string) (map[string]bool, error) {
	look := l.lookups.add(tool, machineIDs, l.lookUp)
	select {
	case <-look.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
	}
	if look.err != nil {
		return nil, look.err
	}
	deleted := map[string]bool{}
	for _, id := range machineIDs {
		if look.found[machine{tool, id}] {
			deleted[id] = true
		}
	}
	return deleted, nil
}

// add puts a question into the query that is next, and has run answer it if nothing runs.
func (ls *lookups) add(tool string, machineIDs []string, run func(*lookup)) *lookup {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.next == nil {
		ls.next = &lookup{asked: map[machine]bool{}, done: make(chan struct{})}
	}
	for _, id := range machineIDs {
		ls.next.asked[machine{tool, id}] = true
	}
	ls.next.asks++
	look := ls.next
	if !ls.running {
		ls.running = true
		go ls.answer(run)
	}
	return look
}

// gathering is how long questions are gathered where some came together before. One that comes
// alone waits for nothing.
const gathering = time.Millisecond

// answer runs one query after the other until nobody asks.
func (ls *lookups) answer(run func(*lookup)) {
	for together := false; ; {
		if together {
			time.Sleep(gathering)
		}
		ls.mu.Lock()
		look := ls.next
		if ls.next = nil; look == nil {
			ls.running = false
			ls.mu.Unlock()
			return
		}
		ls.mu.Unlock()
		run(look)
		together = look.asks > 1
		close(look.done)
	}
}

// lookUp asks the database. The query is everybody's, so no one's context ends it.
func (l *Ledger) lookUp(look *lookup) {
	ids := map[string]bool{}
	for m := range look.asked {
		ids[m.id] = true
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTime)
	defer cancel()
	look.err = l.db.Read(ctx, func(tx *store.Tx) error {
		look.found = map[machine]bool{}
		for some := range slices.Chunk(slices.Collect(maps.Keys(ids)), page) {
			err := tx.Query(ctx, func(scan func(...any) error) error {
				var m machine
				err := scan(&m.tool, &m.id)
				look.found[m] = true
				return err
			}, `SELECT DISTINCT tool, machine_id FROM deletions WHERE machine_id IN (`+marks(len(some))+`) AND state <> 'cancelled'`, anys(some)...)
			if err != nil {
				return err
			}
		}
		return nil
	})
}
