package driver

import (
	"errors"
	"fmt"
	"time"
)

// Permanent marks err: these bytes will never be accepted, so sending them again is
// pointless. The collector counts the batch as lost and goes on to what is behind it.
// Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// Throttled marks err with the least time to wait before anything is sent again, by
// any process of this tool. Use it for Retry-After, for an exhausted quota and for
// refused credentials. The collector caps the wait; a negative one counts as 0.
// Throttled(nil, d) is nil.
func Throttled(err error, wait time.Duration) error {
	if err == nil {
		return nil
	}
	return &throttledError{err, max(wait, 0)}
}

// TooLarge marks err: the same events may be accepted in smaller batches. The
// collector halves the batch, a bounded number of times. An event that is alone is
// believed to be at fault where its size comes near the driver's own Limits, or where
// the vendor takes others; else something in between refuses everything, and all of
// them are kept. TooLarge(nil) is nil.
func TooLarge(err error) error {
	if err == nil {
		return nil
	}
	return &tooLargeError{err}
}

// Refused marks err: the vendor refused a whole batch of n events because of something
// in it, and did not say in which of them. Of several events that is TooLarge, since
// the others may be accepted in smaller batches; of an event that is alone it is
// Permanent. Refused(nil, n) is nil.
func Refused(err error, n int) error {
	if n > 1 {
		return TooLarge(err)
	}
	return Permanent(err)
}

// Partial is the error of a batch with more than one verdict, or one that was accepted with
// warnings. Events named in neither list are kept and sent again, unless Unnamed is set.
//
// One that names every event of the batch as accepted, and has no Err, is an acceptance like
// nil: it only carries Warnings, and Classify says so. What is settled goes by the lists all the
// same, so that an event that is in neither is never taken for accepted. A nil *Partial is a
// mistake, and an unknown outcome.
type Partial struct {
	// Accepted and Rejected are event IDs: those that the vendor has, and those that
	// it will never take.
	Accepted, Rejected []string
	// Unnamed is how many events the vendor refused without saying which (OTLP). The
	// whole batch then counts as settled and is never sent again.
	Unnamed int
	// Warnings counts the warnings with which the vendor took events of Accepted, by the names
	// of Driver.Warnings. One that is not declared there is counted as "other".
	Warnings map[string]int
	// Wait is the least time before the rest is sent again.
	Wait time.Duration
	// Err is the vendor's reason not to accept the others, nil where there are none. It holds
	// no event content.
	Err error
}

func (e *Partial) Error() string {
	if e == nil {
		return "no verdict"
	}
	text := fmt.Sprintf("%d events accepted, %d rejected", len(e.Accepted), len(e.Rejected))
	if e.Unnamed > 0 {
		text = fmt.Sprintf("%d events rejected", e.Unnamed)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Partial) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// accepts reports whether e has nothing to say but that events were accepted.
func (e *Partial) accepts() bool {
	return len(e.Accepted) > 0 && len(e.Rejected) == 0 && e.Unnamed == 0 && e.Wait == 0 && e.Err == nil
}

// Class is what the collector makes of the error that Send returned.
type Class int

const (
	// ClassAccepted is the class of nil, and of a Partial that only accepts.
	ClassAccepted Class = iota
	// ClassUnknown: not known to be delivered; kept, sent again with the same IDs.
	ClassUnknown
	// ClassThrottled: as ClassUnknown, with a wait that every process respects.
	ClassThrottled
	// ClassPermanent: lost and counted.
	ClassPermanent
	// ClassTooLarge: halved and sent again.
	ClassTooLarge
	// ClassPartial: settled event by event.
	ClassPartial
)

func (c Class) String() string {
	switch c {
	case ClassAccepted:
		return "accepted"
	case ClassUnknown:
		return "unknown"
	case ClassThrottled:
		return "throttled"
	case ClassPermanent:
		return "permanent"
	case ClassTooLarge:
		return "too large"
	case ClassPartial:
		return "partial"
	}
	return fmt.Sprintf("Class(%d)", int(c))
}

// Classify returns the class of an error of Send, through any wrapping. Where an
// error carries several marks, Partial counts before TooLarge, Permanent and
// Throttled, in this order.
func Classify(err error) Class {
	partial, named := errors.AsType[*Partial](err)
	switch {
	case err == nil:
		return ClassAccepted
	case named && partial == nil:
		return ClassUnknown
	case named && partial.accepts():
		return ClassAccepted
	case named:
		return ClassPartial
	case is[*tooLargeError](err):
		return ClassTooLarge
	case is[*permanentError](err):
		return ClassPermanent
	case is[*throttledError](err):
		return ClassThrottled
	}
	return ClassUnknown
}

// Wait returns how long an error of Send asks to wait, 0 if it does not say. Where it
// says so twice, the longer wait counts.
func Wait(err error) time.Duration {
	var wait time.Duration
	if throttled, ok := errors.AsType[*throttledError](err); ok {
		wait = throttled.wait
	}
	if partial, ok := errors.AsType[*Partial](err); ok && partial != nil {
		wait = max(wait, partial.Wait)
	}
	return wait
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

type tooLargeError struct{ err error }

func (e *tooLargeError) Error() string { return e.err.Error() }
func (e *tooLargeError) Unwrap() error { return e.err }

type throttledError struct {
	err  error
	wait time.Duration
}

func (e *throttledError) Error() string { return e.err.Error() }
func (e *throttledError) Unwrap() error { return e.err }
