// Package deletion asks for a machine's data to be deleted. Tool authors choose a
// Requestor; people who run a tool meet it as `mytool telemetry reset`.
//
// The requestors in this package and in deletion/httpjson are for tools. The vendors under
// deletion/amplitude, datadog, posthog and segment hold keys that can delete anybody's data: they
// are for operators, whose program lists them (see package relaycmd), and never for a program
// that is handed out.
//
// # The contract of requestors
//
// conformance.RunDeletion holds a requestor to it. Beyond what [Requestor], [Follower] and
// [Receipt] say:
//
//	one attempt   each call to the other side is made once; waiting for it, and asking again,
//	              are the caller's to do, who has a clock and a disk for it
//	nothing left  when a call has returned, whatever it returned, nothing more is sent, and no
//	              goroutine, connection or file of it is left: there is no Close. Making a
//	              requestor contacts no host
//	many          requests for several IDs do not mix, in a row and at the same time, and a
//	              receipt is its own request's
//	answers       no more is read of one than the other side has to say. What is cut, missing,
//	              null or not a word that is known says nothing: it never leads to a better
//	              state than the answer would without it. That the data is gone has to be said
//	              in so many words, and a count of what is left is zero only if it says 0
//	refusals      web pages, timeouts, 408, 429 and failures (500, 502, 503, 504) are never
//	              Permanent: what is in between refuses no request
//	privacy       the process's environment, arguments, host, user and files are not read, and
//	              nothing of them is sent; no cookies, no redirects, no plain http to another
//	              machine, and no host but those that the author has named. RequestedAt is sent
//	              in UTC, since a zone says where a person lives. The deletion key goes to where
//	              it is asked for and nowhere else
//	keys          no error and no receipt holds one, also if the other side repeats it; only
//	              the URL by which the person finishes a request may hold the deletion key
//	silence       nothing is printed or logged
package deletion

import (
	"context"
	"errors"
	"time"
)

// Request asks for everything that is known of one pseudonym to be deleted.
type Request struct {
	// Tool is the tool whose events are to be deleted.
	Tool string
	// MachineID is the pseudonym: 32 lower-case hexadecimal characters.
	MachineID string
	// DeletionKey proves that the request comes from the installation itself; see Proves.
	// It is a secret until it is used. Requestors that act for an operator get none.
	DeletionKey string
	// RequestedAt is when the person asked. A request that is made again keeps it.
	RequestedAt time.Time
}

// ErrInvalidID says that a request names no machine ID. It is returned before anything is
// sent: an ID ends up in an operator's query, where a stray character could delete others.
var ErrInvalidID = errors.New("not a machine ID of 32 lower-case hexadecimal characters")

// ErrUnknownReceipt is what Status wraps where the other side has no such request: it
// lost it, and has to be asked again.
var ErrUnknownReceipt = errors.New("the receipt is not known there")

// Validate returns ErrInvalidID unless MachineID has the one form that it can have.
func (r Request) Validate() error {
	if !validID(r.MachineID) {
		return ErrInvalidID
	}
	return nil
}

// Receipt is what a requestor understood of the other side's answer. It is stored and
// shown: so it holds no raw answer and no control characters, and takes less than 64 KiB.
type Receipt struct {
	// State says how far the request is known to have come.
	State State
	// ID is the other side's name for the request, empty if it gave none.
	ID string
	// Detail is one sentence for the person, empty if the state says it all.
	Detail string
	// URL is where the person finishes a request that is Manual, such as a mailto: link.
	URL string
	// CancelUntil is until when the other side can still undo it, zero if that is not so
	// or not known.
	CancelUntil time.Time
	// MachineID and At repeat whose data it is and when the person asked. A requestor
	// whose Status needs them sets them.
	MachineID string
	At        time.Time
	// Parts are the receipts behind this one, where several were asked.
	Parts []Receipt
}

// State is how far a request has come.
type State string

// The states, in the order in which a request goes through them. Refused and Manual are
// where it stops until a person does something.
const (
	// Requested: the request is stored here, and no receiver has it yet.
	Requested State = "requested"
	// Delivered: the request was handed over, and the other side may act on it. That it
	// did is not known.
	Delivered State = "delivered"
	// Acknowledged: the other side said that it will delete.
	Acknowledged State = "acknowledged"
	// Verified: the other side showed that the data is gone.
	Verified State = "verified"
	// Refused: the other side said that it will not delete.
	Refused State = "refused"
	// Manual: the person has to finish it, as Detail says.
	Manual State = "manual"
)

// Requestor passes a Request on. It returns a nil error only if the request was handed
// over, in the state that the Receipt tells; never because it gave up. It may be called
// again with the same Request, also after a process was killed in the middle of it, and
// by several goroutines at once. It makes one attempt and keeps to ctx.
//
// The classes of errors are those of package driver: Permanent where the other side
// refuses this request and will refuse it again, Throttled where it says when to come
// back, anything else where it is not known to have been handed over: also TooLarge and
// Partial, which are for batches. Errors hold no key.
type Requestor interface {
	RequestDeletion(ctx context.Context, req Request) (Receipt, error)
}

// Follower is a Requestor that can tell later what became of a request.
type Follower interface {
	Requestor
	// Status returns the receipt brought up to date: State, Detail and CancelUntil may be
	// new. It asks and changes nothing there, nor in the receipt that it is given. Where there
	// is nobody to ask, that receipt is the answer. Its errors are classed as those of
	// RequestDeletion, and wrap ErrUnknownReceipt where the request has to be made again.
	Status(ctx context.Context, receipt Receipt) (Receipt, error)
}

// Func makes a Requestor of a function.
type Func func(ctx context.Context, req Request) (Receipt, error)

// RequestDeletion calls f.
func (f Func) RequestDeletion(ctx context.Context, req Request) (Receipt, error) { return f(ctx, req) }

// ByID makes a Requestor of one that takes only the machine ID and answers with no more
// than an error, such as go-tool-base's. What it took is Delivered.
func ByID(r interface {
	RequestDeletion(ctx context.Context, machineID string) error
}) Requestor {
	return Func(func(ctx context.Context, req Request) (Receipt, error) {
		if err := req.Validate(); err != nil {
			return Receipt{}, err
		}
		if err := ctx.Err(); err != nil {
			return Receipt{}, err
		}
		if err := r.RequestDeletion(ctx, req.MachineID); err != nil {
			return Receipt{}, err
		}
		return Receipt{State: Delivered}, nil
	})
}
