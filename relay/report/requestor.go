//go:build !notelemetry

package report

import (
	"context"
	"fmt"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/store"
)

// RequestorName is what a ledger of deletions calls the one of Requestor.
const RequestorName = "report"

// Requestor takes machines of a tool out of the sets of the windows that are open, as one of
// those whom a relay asks: so it is done again where it failed, and is in the ledger. It is a
// Bulk, a Follower and a Counter.
func (r *Rollups) Requestor(tool string) deletion.Requestor { return &requestor{r, tool} }

type requestor struct {
	rollups *Rollups
	tool    string
}

func (q *requestor) RequestDeletion(ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
	outcomes, err := q.RequestDeletions(ctx, []deletion.Request{req})
	if err != nil {
		return deletion.Receipt{}, err
	}
	return outcomes[0].Receipt, outcomes[0].Err
}

// MaxBulk is how many share the overwriting of what is in the database's files.
func (q *requestor) MaxBulk() int { return 100 }

// RequestDeletions does so for several. What it returns is verified: also that the files hold
// their hashes no more.
func (q *requestor) RequestDeletions(ctx context.Context, requests []deletion.Request) ([]deletion.Outcome, error) {
	outcomes := make([]deletion.Outcome, len(requests))
	for i, req := range requests {
		if outcomes[i].Err = req.Validate(); outcomes[i].Err == nil {
			outcomes[i].Err = q.rollups.Forget(ctx, q.tool, req.MachineID)
		}
	}
	if err := q.rollups.db.Scrub(ctx); err != nil {
		return nil, fmt.Errorf("overwriting what a machine was counted by: %w", err)
	}
	for i, req := range requests {
		if out := &outcomes[i]; out.Err == nil {
			out.Receipt, out.Err = q.Status(ctx, deletion.Receipt{MachineID: req.MachineID, At: req.RequestedAt})
		}
	}
	return outcomes, nil
}

// Status counts. What another gateway counted just before has to be taken out once more.
func (q *requestor) Status(ctx context.Context, receipt deletion.Receipt) (deletion.Receipt, error) {
	n, err := q.Count(ctx, receipt.MachineID)
	switch {
	case err != nil:
		return receipt, err
	case n > 0:
		return receipt, fmt.Errorf("%w: the machine is counted in %d sets", deletion.ErrUnknownReceipt, n)
	}
	receipt.State, receipt.Detail = deletion.Verified, "the machine is in none of the sets that installations are counted by"
	return receipt, nil
}

// Count is in how many sets a machine is.
func (q *requestor) Count(ctx context.Context, machineID string) (n int64, err error) {
	if err := (deletion.Request{MachineID: machineID}).Validate(); err != nil {
		return 0, err
	}
	err = q.rollups.db.Read(ctx, func(tx *store.Tx) error {
		n = 0
		keys, err := openKeys(ctx, tx)
		if err != nil {
			return err
		}
		for w, key := range keys {
			sets, err := sketchesOf(ctx, tx, w, q.tool)
			if err != nil {
				return err
			}
			h := newHasher(key)
			for g, s := range sets {
				if s.has(h.of(q.tool, machineID, g.dim)) {
					n++
				}
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("looking for a machine in the counts: %w", err)
	}
	return n, nil
}
