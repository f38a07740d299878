package deletion

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// Several asks each of its requestors, all at once. The state is that of the one that
// is furthest from done, and Parts has a receipt for each, in their order. An error says
// what the failing ones said; the request is then made again to all of them, since
// requestors may be asked twice. The receipt that comes with the error tells of those
// that did not fail.
type Several []Requestor

// Check returns the mistakes of those that can be checked.
func (s Several) Check() error {
	if len(s) == 0 {
		return errors.New("several: there is no requestor to ask")
	}
	var errs []error
	for _, r := range s {
		if c, ok := r.(interface{ Check() error }); ok {
			errs = append(errs, c.Check())
		}
	}
	return errors.Join(errs...)
}

// RequestDeletion asks all.
func (s Several) RequestDeletion(ctx context.Context, req Request) (Receipt, error) {
	if err := req.Validate(); err != nil {
		return Receipt{}, err
	}
	return s.all(Receipt{Parts: make([]Receipt, len(s))}, func(i int, _ Receipt) (Receipt, error) {
		return s[i].RequestDeletion(ctx, req)
	})
}

// Status asks those that can tell. The others stay where they are.
func (s Several) Status(ctx context.Context, receipt Receipt) (Receipt, error) {
	if len(receipt.Parts) != len(s) {
		return receipt, ErrUnknownReceipt // the author has changed the list
	}
	return s.all(receipt, func(i int, part Receipt) (Receipt, error) {
		if f, ok := s[i].(Follower); ok && part.State != Verified {
			return f.Status(ctx, part)
		}
		return part, nil
	})
}

func (s Several) all(receipt Receipt, ask func(i int, part Receipt) (Receipt, error)) (Receipt, error) {
	if len(s) == 0 {
		return Receipt{}, s.Check()
	}
	parts, errs := slices.Clone(receipt.Parts), make([]error, len(s))
	var asking sync.WaitGroup
	for i := range s {
		asking.Go(func() {
			part, err := ask(i, parts[i])
			if errs[i] = err; err == nil {
				parts[i] = part
			} else if parts[i].State == "" {
				parts[i].State = Requested
			}
		})
	}
	asking.Wait()
	receipt.Parts = parts
	receipt.State = slices.MinFunc(parts, func(a, b Receipt) int { return rank(a.State) - rank(b.State) }).State
	if err := errors.Join(errs...); err != nil {
		return receipt, class(errs, err)
	}
	return receipt, nil
}

// rank orders states by how much is still to be done, that of a person first.
func rank(s State) int {
	return slices.Index([]State{"", Requested, Refused, Manual, Delivered, Acknowledged, Verified}, s)
}

// class marks the joined error: Permanent if no failure can be mended by asking again,
// Throttled by the shortest wait if all that can be asked again want one.
func class(errs []error, joined error) error {
	permanent, wait := true, time.Duration(-1)
	for _, err := range errs {
		if err == nil || driver.Classify(err) == driver.ClassPermanent {
			continue
		}
		if w := driver.Wait(err); permanent || w < wait {
			wait = w
		}
		permanent = false
	}
	bare := errors.New(joined.Error()) // one failure's mark must not count for all
	for _, sentinel := range []error{ErrUnknownReceipt, ErrInvalidID} {
		if errors.Is(joined, sentinel) {
			bare = sentinel
		}
	}
	switch {
	case permanent:
		return driver.Permanent(bare)
	case wait > 0:
		return driver.Throttled(bare, wait)
	}
	return bare
}
