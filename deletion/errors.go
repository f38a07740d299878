package deletion

import (
	"errors"
	"fmt"
	"time"
)

// ErrKey is in the error where a vendor refuses a key, or what it may do.
var ErrKey = errors.New("the key is refused")

// AnswerError is an answer of a vendor that is not the one that it documents for success. It
// holds nothing of the answer's text.
type AnswerError struct {
	// Doing is what was asked, such as "looking up the profile".
	Doing   string
	Status  int
	Problem string
	// Cause is what errors.Is finds in it, such as [ErrKey] and [ErrUnknownReceipt], or nil.
	Cause error
}

func (e *AnswerError) Error() string {
	return fmt.Sprintf("%s: answered %d: %s", e.Doing, e.Status, e.Problem)
}

func (e *AnswerError) Unwrap() error { return e.Cause }

// RemainsError says that a request is done and something is there that it should have reached:
// it came in later, and the request has to be made again.
type RemainsError struct {
	Events int64
	// Profile says that there is a profile too, at vendors that keep one.
	Profile bool
}

func (e *RemainsError) Error() string {
	left := fmt.Sprintf("events (%d)", e.Events)
	if e.Profile {
		left += " and a profile"
	}
	return "after the deletion there are " + left + " that came in too late for it: the request has to be made again"
}

// Unwrap makes it an ErrUnknownReceipt.
func (e *RemainsError) Unwrap() error { return ErrUnknownReceipt }

// TooEarlyError says that nothing can be said yet, because what the tool sent last may not be
// visible there. It is not Throttled: a wait for one ID is none for the others.
type TooEarlyError struct {
	// Events is how many events were seen, which cannot be reached yet.
	Events int64
	// Wait is how long it is too early.
	Wait time.Duration
}

func (e *TooEarlyError) Error() string {
	return fmt.Sprintf("there are events (%d) that cannot be reached yet, which may change within %v", e.Events, e.Wait.Round(time.Minute))
}

// ForeignIDsError says that what a vendor keeps of an ID it keeps of other IDs too. Deleting it
// would delete their events, which no person has asked for.
type ForeignIDsError struct {
	// Others is how many other IDs there are.
	Others int
}

func (e *ForeignIDsError) Error() string {
	return fmt.Sprintf("the profile has other IDs (%d), whose events would be deleted as well: look at it there, and split it or delete it by hand", e.Others)
}
