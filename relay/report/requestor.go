//go:build !notelemetry

package report

import (
	"context"
	"fmt"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/store"
)

// RequestorName is what a ledger of erasures calls the one of Requestor.
const RequestorName = "report"

// Requestor takes machines of a tool out of the sets of the windows that are open, as one of
// those whom a relay asks: so it is done again where it failed, and is in the ledger. It is a
// Follower and a Counter.
func (r *Rollups) Requestor(tool string) deletion.Requestor { return &requestor{r, tool} }

type requestor struct {
	rollups *Rollups
	tool    string
}

func (q *requestor) RequestDeletion(ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
	if err := req.Validate(); err != nil {
		return deletion.Receipt{}, err
	}
	if err := q.rollups.Forget(ctx, q.tool, req.MachineID); err != nil {
		return deletion.Receipt{}, err
	}
	return q.Status(ctx, deletion.Receipt{MachineID: req.MachineID, At: req.RequestedAt})
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
