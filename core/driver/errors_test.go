package driver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

func wrap(err error) error { return fmt.Errorf("vendor: %w", err) }

func TestClassifyFindsTheMarkThroughAnyWrapping(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	partial := &driver.Partial{Accepted: []string{"a"}, Err: cause}
	tests := []struct {
		name string
		err  error
		want driver.Class
		wait time.Duration
	}{
		{"nil", nil, driver.ClassAccepted, 0},
		{"a plain error", cause, driver.ClassUnknown, 0},
		{"a plain error, wrapped", wrap(cause), driver.ClassUnknown, 0},
		{"time ran out", wrap(context.DeadlineExceeded), driver.ClassUnknown, 0},
		{"permanent", driver.Permanent(cause), driver.ClassPermanent, 0},
		{"throttled", driver.Throttled(cause, time.Minute), driver.ClassThrottled, time.Minute},
		{"throttled without a wait", driver.Throttled(cause, 0), driver.ClassThrottled, 0},
		{"throttled with a negative wait", driver.Throttled(cause, -time.Minute), driver.ClassThrottled, 0},
		{"too large", driver.TooLarge(cause), driver.ClassTooLarge, 0},
		{"refused, several", driver.Refused(cause, 2), driver.ClassTooLarge, 0},
		{"refused, one", driver.Refused(cause, 1), driver.ClassPermanent, 0},
		{"partial", partial, driver.ClassPartial, 0},
		{"nothing but acceptance", &driver.Partial{Accepted: []string{"a"}, Warnings: map[string]int{"w": 1}}, driver.ClassAccepted, 0},
		{"nobody accepted", &driver.Partial{}, driver.ClassPartial, 0},
		{"nobody accepted, with a warning", &driver.Partial{Warnings: map[string]int{"w": 1}}, driver.ClassPartial, 0},
		{"accepted, and a reason", &driver.Partial{Accepted: []string{"a"}, Warnings: map[string]int{"w": 1}, Err: cause}, driver.ClassPartial, 0},
		{"accepted, and one rejected", &driver.Partial{Accepted: []string{"a"}, Rejected: []string{"b"}}, driver.ClassPartial, 0},
		{"accepted, and one unnamed", &driver.Partial{Accepted: []string{"a"}, Unnamed: 1}, driver.ClassPartial, 0},
		{"accepted, and a wait for the others", &driver.Partial{Accepted: []string{"a"}, Wait: time.Minute}, driver.ClassPartial, time.Minute},
		{"a nil partial", (*driver.Partial)(nil), driver.ClassUnknown, 0},
		{"partial with a wait", &driver.Partial{Wait: time.Minute, Err: cause}, driver.ClassPartial, time.Minute},
		{"partial with a negative wait", &driver.Partial{Wait: -1, Err: cause}, driver.ClassPartial, 0},

		{"permanent and too large", driver.Permanent(driver.TooLarge(cause)), driver.ClassTooLarge, 0},
		{"too large and permanent", driver.TooLarge(driver.Permanent(cause)), driver.ClassTooLarge, 0},
		{"throttled and permanent", driver.Throttled(driver.Permanent(cause), time.Minute), driver.ClassPermanent, time.Minute},
		{"partial for a permanent reason", &driver.Partial{Err: driver.Permanent(cause)}, driver.ClassPartial, 0},
		{"permanent around partial", driver.Permanent(partial), driver.ClassPartial, 0},
		{"joined with a plain error", errors.Join(io.EOF, driver.Permanent(cause)), driver.ClassPermanent, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			errs := map[string]error{"bare": tt.err}
			if tt.err != nil {
				errs["wrapped twice"] = wrap(wrap(tt.err))
				errs["joined"] = errors.Join(tt.err, io.ErrClosedPipe)
			}
			for how, err := range errs {
				if got := driver.Classify(err); got != tt.want {
					t.Errorf("%s: class %v, want %v", how, got, tt.want)
				}
				if got := driver.Wait(err); got != tt.wait {
					t.Errorf("%s: wait %v, want %v", how, got, tt.wait)
				}
			}
		})
	}
}

func TestMarkingNilIsNil(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"Permanent": driver.Permanent(nil),
		"Throttled": driver.Throttled(nil, time.Hour),
		"TooLarge":  driver.TooLarge(nil),
		"Refused":   errors.Join(driver.Refused(nil, 1), driver.Refused(nil, 2)),
	} {
		if err != nil {
			t.Errorf("%s(nil) is %v: a delivered batch would be sent again", name, err)
		}
	}
}

func TestMarksKeepTextAndCause(t *testing.T) {
	t.Parallel()
	for name, mark := range map[string]func(error) error{
		"Permanent": driver.Permanent,
		"Throttled": func(err error) error { return driver.Throttled(err, time.Hour) },
		"TooLarge":  driver.TooLarge,
	} {
		err := mark(wrap(io.ErrUnexpectedEOF))
		if err.Error() != "vendor: unexpected EOF" || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: got %q", name, err)
		}
	}
}

func TestPartialSaysHowMany(t *testing.T) {
	t.Parallel()
	named := &driver.Partial{Accepted: []string{"a", "b"}, Rejected: []string{"c"}, Err: io.ErrShortBuffer}
	if got, want := named.Error(), "2 events accepted, 1 rejected: short buffer"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	unnamed := &driver.Partial{Unnamed: 4, Err: io.ErrShortBuffer}
	if got, want := unnamed.Error(), "4 events rejected: short buffer"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(wrap(named), io.ErrShortBuffer) {
		t.Error("the vendor's reason is lost")
	}
}

func TestEveryClassHasAName(t *testing.T) {
	t.Parallel()
	want := map[driver.Class]string{
		driver.ClassAccepted: "accepted", driver.ClassUnknown: "unknown", driver.ClassThrottled: "throttled",
		driver.ClassPermanent: "permanent", driver.ClassTooLarge: "too large", driver.ClassPartial: "partial",
		driver.ClassPartial + 1: "Class(6)", -1: "Class(-1)",
	}
	for class, name := range want {
		if class.String() != name {
			t.Errorf("got %s, want %s", class, name)
		}
	}
}
