// Package deletion asks for a machine's data to be erased. Tool authors choose a
// Requestor; people who run a tool meet it as `mytool telemetry reset`.
package deletion

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Request asks for everything that is known of one pseudonym to be erased.
type Request struct {
	// Tool is the tool whose events are to be erased.
	Tool string
	// MachineID is the pseudonym: 32 hexadecimal characters.
	MachineID string
	// ErasureKey proves that the request comes from the installation itself: the hex of
	// a key whose SHA-256 begins with MachineID. It is a secret until it is used.
	ErasureKey string
	// RequestedAt is when the person asked.
	RequestedAt time.Time
}

// ErrInvalidID says that a request names no machine ID. It is returned before anything is
// sent: an ID ends up in somebody's query, where a stray character could erase others.
var ErrInvalidID = errors.New("not a machine ID of 32 lower-case hexadecimal characters")

// Validate returns ErrInvalidID unless MachineID has the one form that it can have.
func (r Request) Validate() error {
	if len(r.MachineID) != 32 || strings.Trim(r.MachineID, "0123456789abcdef") != "" {
		return ErrInvalidID
	}
	return nil
}

// Receipt is what the other side answered.
type Receipt struct {
	// State says how far the request is known to have come.
	State State
	// ID is the other side's name for the request, empty if it gave none.
	ID string
	// Detail is one sentence for the person, empty if the state says it all.
	Detail string
}

// State is how far a request has come.
type State string

const (
	// Delivered: the request was handed over, and the other side may act on it. That it
	// did is not known.
	Delivered State = "delivered"
	// Acknowledged: the other side said that it will erase.
	Acknowledged State = "acknowledged"
	// Verified: the other side showed that the data is gone.
	Verified State = "verified"
	// Manual: the person has to finish it, as Detail says.
	Manual State = "manual"
)

// Requestor passes a Request on. It returns a nil error only if the request was
// handed over, in the state that the Receipt tells; never because it gave up. It may
// be called again with the same Request.
type Requestor interface {
	RequestDeletion(ctx context.Context, req Request) (Receipt, error)
}

// Func makes a Requestor of a function.
type Func func(ctx context.Context, req Request) (Receipt, error)

// RequestDeletion calls f.
func (f Func) RequestDeletion(ctx context.Context, req Request) (Receipt, error) { return f(ctx, req) }
