//go:build !notelemetry

package erasures

import (
	"context"
	"errors"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/store"
)

// Schema is the tables of the ledger, for store.Open.
func Schema() store.Schema { return store.Schema{Name: "erasures"} }

// NewLedger returns the ledger in a database that was opened with Schema. It is made once in
// a process: requests that come at the same time share a transaction.
func NewLedger(db *store.DB) *Ledger { return &Ledger{} }

// Erased returns which of those machine IDs of a tool were erased or are being erased. The
// error wraps store.ErrUnavailable.
func (l *Ledger) Erased(ctx context.Context, tool string, machineIDs []string) (map[string]bool, error) {
	return nil, errors.ErrUnsupported
}

// Demand is a request for an erasure.
type Demand struct {
	Tool, MachineID string
	// RequestedAt is when the person asked, as far as that is known; zero is now.
	RequestedAt time.Time
	// ErasureKey proves that it comes from the installation. Without one, By and Why say who
	// vouches for it, such as "OpenDSR controller 1234" or a clerk who has a letter.
	ErasureKey string
	By, Why    string
}

// Receipt is what is told about an erasure.
type Receipt struct {
	ID, Tool, MachineID string
	// State is what the person is told: Acknowledged, Verified or Refused.
	State deletion.State
	// Own is the ledger's state, which may also be Done or Cancelled.
	Own                                 deletion.State
	Detail                              string
	RequestedAt, ReceivedAt, VerifiedAt time.Time
	// DueAt is until when the law wants it done.
	DueAt time.Time
	// New says that this request began it.
	New bool
	// Asked says that a vendor was asked, or is just being asked.
	Asked bool
}

var (
	// ErrProof: the erasure key is not the machine ID's.
	ErrProof = errors.New("the erasure key is not that of the machine ID")
	// ErrUnknownTool: the tool is not in Config.Tools.
	ErrUnknownTool = errors.New("the tool is not one of this relay's")
	// ErrUnknown: there is no such erasure.
	ErrUnknown = errors.New("there is no such erasure")
	// ErrTooLate: a vendor was asked already.
	ErrTooLate = errors.New("a vendor was asked already, so the erasure cannot be taken back")
)

// Request takes a request, and returns when it is durably stored. One for a machine whose
// erasure is under way gets that one's receipt. Errors wrap ErrProof, ErrUnknownTool,
// deletion.ErrInvalidID or store.ErrUnavailable.
func (r *Relay) Request(ctx context.Context, d Demand) (Receipt, error) {
	return Receipt{}, errors.ErrUnsupported
}

// Receipt returns how far an erasure is, or ErrUnknown.
func (r *Relay) Receipt(ctx context.Context, id string) (Receipt, error) {
	return Receipt{}, errors.ErrUnsupported
}

// Cancel takes erasures back for which no vendor was asked yet: all of them or, with an
// error, none. By and why are written into the ledger. Errors wrap ErrUnknown, ErrTooLate or
// store.ErrUnavailable.
func (r *Relay) Cancel(ctx context.Context, ids []string, by, why string) error {
	return errors.ErrUnsupported
}
