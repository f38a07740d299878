package deletion_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
)

func request() deletion.Request {
	return deletion.Request{
		Tool: "mytool", MachineID: strings.Repeat("0dd5a1ad", 4), DeletionKey: strings.Repeat("e2a5ecaf", 8),
		RequestedAt: time.Date(2026, 2, 3, 4, 5, 6, 0, time.FixedZone("", 3600)),
	}
}

func TestTheMailSaysWhatTheAuthorsNeedAndIsThePersonsToSend(t *testing.T) {
	t.Parallel()
	receipt, err := deletion.Email{To: "privacy@example.com"}.RequestDeletion(t.Context(), request())
	if err != nil || receipt.State != deletion.Manual {
		t.Fatalf("the state is %q with the error %v, want %q", receipt.State, err, deletion.Manual)
	}
	if strings.Contains(receipt.URL, "+") || strings.ContainsAny(receipt.URL, " \r\n") {
		t.Errorf("%q is no URL that mail programs read as RFC 6068 has it", receipt.URL)
	}
	u, err := url.Parse(receipt.URL)
	if err != nil || u.Scheme != "mailto" || u.Opaque != "privacy@example.com" {
		t.Fatalf("%q is no mail to privacy@example.com (%v)", receipt.URL, err)
	}
	body := u.Query().Get("body")
	for _, want := range []string{"Tool: mytool\r\n", "Machine ID: " + request().MachineID + "\r\n",
		"Deletion key: " + request().DeletionKey + "\r\n", "Asked for: 2026-02-03T03:05:06Z\r\n"} {
		if !strings.Contains(body, want) {
			t.Errorf("the mail does not say %q:\n%s", want, body)
		}
	}
}

func TestOnlyOnePlainAddressGetsMail(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"", "privacy", "@example.com", "privacy@", "a@b, c@d", "a@b?bcc=c@d", "a@b&cc=c@d", "A <a@b>", "a@b\r\nBcc: c@d", "a@b@c", "a%0Ab@c"} {
		if _, err := (deletion.Email{To: to}).RequestDeletion(t.Context(), request()); err == nil {
			t.Errorf("%q got mail", to)
		}
	}
}

// byID is what authors who come from the reference have.
type byID func(ctx context.Context, machineID string) error

func (f byID) RequestDeletion(ctx context.Context, machineID string) error { return f(ctx, machineID) }

func TestARequestorOfTheReferenceIsWrapped(t *testing.T) {
	t.Parallel()
	var asked []string
	broken := errors.New("the author's own error")
	answer := error(nil)
	r := deletion.ByID(byID(func(_ context.Context, id string) error { asked = append(asked, id); return answer }))
	if receipt, err := r.RequestDeletion(t.Context(), request()); err != nil || receipt.State != deletion.Delivered {
		t.Errorf("the state is %q with the error %v, want %q: nobody said that it will be deleted", receipt.State, err, deletion.Delivered)
	}
	answer = broken
	if _, err := r.RequestDeletion(t.Context(), request()); !errors.Is(err, broken) {
		t.Errorf("the error is %v, want the author's", err)
	}
	if _, err := r.RequestDeletion(t.Context(), deletion.Request{MachineID: "*"}); !errors.Is(err, deletion.ErrInvalidID) {
		t.Errorf("the error for a wrong ID is %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.RequestDeletion(ended, request()); err == nil {
		t.Error("no error under a context that had ended")
	}
	if len(asked) != 2 || asked[0] != request().MachineID {
		t.Errorf("the author was asked for %q", asked)
	}
}

// sender is a backend that answers always the same.
type sender func(events []driver.Event) error

func (s sender) Send(_ context.Context, events []driver.Event) error { return s(events) }
func (sender) Close() error                                          { return nil }

// What a backend says of a batch, an event says of its one request.
func TestTheVerdictOnABatchIsThatOfItsOneEvent(t *testing.T) {
	t.Parallel()
	no := errors.New("no")
	for name, c := range map[string]struct {
		answer error
		state  deletion.State
		class  driver.Class
		wait   time.Duration
	}{
		"accepted":                 {nil, deletion.Delivered, driver.ClassAccepted, 0},
		"accepted, event by event": {&driver.Partial{Accepted: []string{"e1"}}, deletion.Delivered, driver.ClassAccepted, 0},
		"rejected":                 {&driver.Partial{Rejected: []string{"e1"}, Err: no}, "", driver.ClassPermanent, 0},
		"rejected, unnamed":        {&driver.Partial{Unnamed: 1, Err: no}, "", driver.ClassPermanent, 0},
		"kept for now":             {&driver.Partial{Wait: time.Minute, Err: no}, "", driver.ClassThrottled, time.Minute},
		"kept":                     {&driver.Partial{}, "", driver.ClassUnknown, 0},
		"too large":                {driver.TooLarge(no), "", driver.ClassUnknown, 0},
		"permanent":                {driver.Permanent(no), "", driver.ClassPermanent, 0},
		"throttled":                {driver.Throttled(no, time.Hour), "", driver.ClassThrottled, time.Hour},
	} {
		r := deletion.Event(sender(func([]driver.Event) error { return c.answer }), func(e *driver.Event) { e.ID = "e1" })
		receipt, err := r.RequestDeletion(t.Context(), request())
		if receipt.State != c.state || driver.Classify(err) != c.class || driver.Wait(err) != c.wait {
			t.Errorf("%s: the state is %q with the error %v (%v, %v), want %q, %v, %v", name, receipt.State, err, driver.Classify(err), driver.Wait(err), c.state, c.class, c.wait)
		}
	}
}

// fixed answers always the same.
func fixed(receipt deletion.Receipt, err error) deletion.Requestor {
	return deletion.Func(func(context.Context, deletion.Request) (deletion.Receipt, error) { return receipt, err })
}

func TestSeveralAreAsFarAsTheOneThatIsFurthestFromDone(t *testing.T) {
	t.Parallel()
	in := func(states ...deletion.State) deletion.Several {
		var s deletion.Several
		for _, state := range states {
			s = append(s, fixed(deletion.Receipt{State: state, ID: string(state)}, nil))
		}
		return s
	}
	for _, c := range []struct {
		asked deletion.Several
		want  deletion.State
	}{
		{in(deletion.Verified), deletion.Verified},
		{in(deletion.Verified, deletion.Acknowledged), deletion.Acknowledged},
		{in(deletion.Acknowledged, deletion.Delivered, deletion.Verified), deletion.Delivered},
		{in(deletion.Delivered, deletion.Manual), deletion.Manual},
		{in(deletion.Manual, deletion.Refused, deletion.Verified), deletion.Refused},
		{in("invented", deletion.Verified), "invented"},
	} {
		receipt, err := c.asked.RequestDeletion(t.Context(), request())
		if err != nil || receipt.State != c.want || len(receipt.Parts) != len(c.asked) {
			t.Errorf("the state is %q with %d parts and the error %v, want %q", receipt.State, len(receipt.Parts), err, c.want)
		}
		for i, part := range receipt.Parts {
			if want, _ := c.asked[i].RequestDeletion(t.Context(), request()); part.ID != want.ID {
				t.Errorf("part %d is %q, want %q", i, part.ID, want.ID)
			}
		}
	}
}

func TestTheClassOfSeveralErrorsIsThatOfWhatCanStillWork(t *testing.T) {
	t.Parallel()
	no, down := errors.New("no"), errors.New("down")
	ok := fixed(deletion.Receipt{State: deletion.Acknowledged, ID: "ok"}, nil)
	fails := func(err error) deletion.Requestor { return fixed(deletion.Receipt{}, err) }
	for name, c := range map[string]struct {
		asked deletion.Several
		class driver.Class
		wait  time.Duration
	}{
		"one refuses":                        {deletion.Several{ok, fails(driver.Permanent(no))}, driver.ClassPermanent, 0},
		"one refuses, one is down":           {deletion.Several{fails(driver.Permanent(no)), fails(down)}, driver.ClassUnknown, 0},
		"one is down, one wants a pause":     {deletion.Several{fails(down), fails(driver.Throttled(no, time.Hour))}, driver.ClassUnknown, 0},
		"both want a pause":                  {deletion.Several{fails(driver.Throttled(no, time.Minute)), fails(driver.Throttled(no, time.Hour))}, driver.ClassThrottled, time.Minute},
		"one refuses and one wants a pause":  {deletion.Several{fails(driver.Permanent(no)), fails(driver.Throttled(no, time.Hour)), ok}, driver.ClassThrottled, time.Hour},
		"nobody is there to be asked at all": {deletion.Several{}, driver.ClassUnknown, 0},
	} {
		receipt, err := c.asked.RequestDeletion(t.Context(), request())
		if driver.Classify(err) != c.class || driver.Wait(err) != c.wait {
			t.Errorf("%s: the class is %v with a wait of %v, want %v and %v", name, driver.Classify(err), driver.Wait(err), c.class, c.wait)
		}
		for i, part := range receipt.Parts {
			if want, wantErr := c.asked[i].RequestDeletion(t.Context(), request()); wantErr == nil && part.ID != want.ID {
				t.Errorf("%s: the receipt of the one that took it is lost", name)
			} else if wantErr != nil && part.State != deletion.Requested {
				t.Errorf("%s: the state of the one that failed is %q, want %q", name, part.State, deletion.Requested)
			}
		}
	}
}

// follower moves from acknowledged to verified when asked, or fails.
type follower struct {
	deletion.Requestor
	err error
}

func (f follower) Status(_ context.Context, r deletion.Receipt) (deletion.Receipt, error) {
	if f.err != nil {
		return r, f.err
	}
	r.State = deletion.Verified
	return r, nil
}

func TestSeveralFollowThoseThatCanTell(t *testing.T) {
	t.Parallel()
	acknowledged := fixed(deletion.Receipt{State: deletion.Acknowledged}, nil)
	s := deletion.Several{follower{Requestor: acknowledged}, deletion.Email{To: "privacy@example.com"}, acknowledged}
	receipt, err := s.RequestDeletion(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	receipt, err = s.Status(t.Context(), receipt)
	if err != nil || receipt.State != deletion.Manual {
		t.Errorf("the state is %q with the error %v, want %q", receipt.State, err, deletion.Manual)
	}
	for i, want := range []deletion.State{deletion.Verified, deletion.Manual, deletion.Acknowledged} {
		if got := receipt.Parts[i].State; got != want {
			t.Errorf("part %d is %q, want %q", i, got, want)
		}
	}
	lost := deletion.Several{follower{acknowledged, deletion.ErrUnknownReceipt}}
	receipt, _ = lost.RequestDeletion(t.Context(), request())
	if _, err := lost.Status(t.Context(), receipt); !errors.Is(err, deletion.ErrUnknownReceipt) {
		t.Errorf("the error is %v, want ErrUnknownReceipt: it has to be asked again", err)
	}
	if _, err := s.Status(t.Context(), receipt); !errors.Is(err, deletion.ErrUnknownReceipt) {
		t.Errorf("the error for a receipt of other requestors is %v, want ErrUnknownReceipt", err)
	}
}
