//go:build !notelemetry

package posthog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"

	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/posthog"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
	standin "github.com/gotoolbase/telemetry/internal/standin/posthog"
)

const (
	key = "phx_S3cr3tS3cr3tS3cr3t"
	// longAgo is how long before the tests the person asked, where it does not matter: what
	// their tool sent is visible by then.
	longAgo = 2 * time.Hour
)

var (
	machine = strings.Repeat("ab", 16)
	another = strings.Repeat("cd", 16)
)

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a PostHog and a requestor that asks it.
type world struct {
	*clock
	vendor    *standin.Server
	requestor *posthog.Requestor
	asked     time.Time
}

func open(t testing.TB, options standin.Options) *world {
	t.Helper()
	// A Monday: the sweep is six days away.
	w := &world{clock: &clock{now: time.Date(2026, 2, 2, 5, 0, 0, 0, time.UTC)}}
	w.asked = w.Now().Add(-longAgo)
	options.Key, options.Now = key, w.Now
	w.vendor = standin.New(options)
	server := httptest.NewServer(w.vendor)
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	var err error
	w.requestor, err = posthog.New(posthog.Config{Endpoint: server.URL, Project: "12345", Key: key, Transport: transport, Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) request(id string) deletion.Request {
	return deletion.Request{Tool: "mytool", MachineID: id, DeletionKey: strings.Repeat("e5", 32), RequestedAt: w.asked}
}

// bothGenerations runs a test against a PostHog that deletes profiles in the call, and
// against one that does so in the background.
func bothGenerations(t *testing.T, run func(t *testing.T, options standin.Options)) {
	for name, options := range map[string]standin.Options{"deletes": {}, "queues": {Queues: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, options)
		})
	}
}

// mustAcknowledge makes a request that PostHog takes.
func (w *world) mustAcknowledge(t testing.TB, id string) deletion.Receipt {
	t.Helper()
	receipt, err := w.requestor.RequestDeletion(t.Context(), w.request(id))
	if err != nil || receipt.State != deletion.Acknowledged {
		t.Fatalf("the request came to %+v with the error %v, want it acknowledged", receipt, err)
	}
	return receipt
}

// mustAsk makes several requests in one call.
func (w *world) mustAsk(t testing.TB, requests []deletion.Request) []deletion.Outcome {
	t.Helper()
	outcomes, err := w.requestor.RequestDeletions(t.Context(), requests)
	if err != nil {
		t.Fatal(err)
	}
	return outcomes
}

func (w *world) mustHaveStatus(t testing.TB, receipt deletion.Receipt, want deletion.State, detail string) {
	t.Helper()
	got, err := w.requestor.Status(t.Context(), receipt)
	receipt.State = want
	if err != nil || !strings.Contains(got.Detail, detail) {
		t.Fatalf("the status is %+v with the error %v, want %s and a word of %q", got, err, want, detail)
	}
	if receipt.Detail = got.Detail; fmt.Sprint(got) != fmt.Sprint(receipt) {
		t.Fatalf("the status is %+v, want no more than the state changed: %+v", got, receipt)
	}
}

func TestADeletionFromTheRequestToTheProof(t *testing.T) {
	t.Parallel()
	bothGenerations(t, func(t *testing.T, options standin.Options) {
		w := open(t, options)
		for range 3 {
			w.vendor.Capture(machine, w.Now().Add(-24*time.Hour))
		}
		w.vendor.Capture(another, w.Now().Add(-24*time.Hour))

		receipt := w.mustAcknowledge(t, machine)
		if receipt.ID != w.vendor.PersonUUID(machine) || receipt.MachineID != machine || !receipt.At.Equal(w.asked) ||
			!strings.Contains(receipt.Detail, "about 8 days") {
			t.Errorf("the receipt is %+v", receipt)
		}
		w.mustHaveStatus(t, receipt, deletion.Acknowledged, "weekly sweep")
		w.advance(6 * 24 * time.Hour)
		w.mustHaveStatus(t, receipt, deletion.Acknowledged, "weekly sweep")
		if n := w.vendor.Events(machine); n != 3 {
			t.Fatalf("%d events before the sweep, want the 3: this test would prove nothing", n)
		}
		w.vendor.Sweep()
		w.mustHaveStatus(t, receipt, deletion.Verified, "nothing")
		if w.vendor.HasProfile(machine) || w.vendor.Events(machine) != 0 {
			t.Error("something is left of the machine")
		}
		if !w.vendor.HasProfile(another) || w.vendor.Events(another) != 1 {
			t.Error("another machine's data has gone too")
		}
	})
}

func TestTheRequestNamesTheIDAndNothingElse(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	w.vendor.Capture(machine, w.asked)
	w.mustAcknowledge(t, machine)
	var got []string
	for _, c := range w.vendor.Calls() {
		got = append(got, fmt.Sprint(c.Method, " ", c.Endpoint, " ", c.Query.Encode(), string(c.Body)))
	}
	want := []string{
		"GET persons distinct_id=" + machine,
		`POST bulk_delete {"delete_events":true,"delete_recordings":false,"distinct_ids":["` + machine + `"],"keep_person":false}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("the calls are\n%q, want\n%q", got, want)
	}
}

// The UUIDs are those of persons that PostHog Cloud made in September 2026, as somebody's
// published log of a trial has them.
func TestThePersonOfAnIDIsTheOneThatPostHogDerives(t *testing.T) {
	t.Parallel()
	for _, tt := range [][3]string{
		{"280817", "6e9a624b-9339-4d07-8c46-8cd05dfa04e1", "51410cf7-1a40-508b-ba2b-68727dca2a9b"},
		{"280817", "fe015367-2197-4e02-b176-3b59b4be3e7a", "b9079019-d999-5662-9dc8-ac23a2f009ed"},
		{"281083", "837ca992-d8a3-45da-8265-4be9d59ac223", "c3eea7d9-7e7f-5c41-8e54-1928997d8a8f"},
	} {
		if got := posthog.PersonUUID(tt[0], tt[1]); got != tt[2] {
			t.Errorf("project %s and ID %s make %s, want %s", tt[0], tt[1], got, tt[2])
		}
	}
}

func TestAProfileOfSeveralIDsIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	w.vendor.Capture(machine, w.asked)
	w.vendor.Alias(machine, "somebody@example.com")
	_, err := w.requestor.RequestDeletion(t.Context(), w.request(machine))
	foreign, ok := errors.AsType[*deletion.ForeignIDsError](err)
	if !ok || foreign.Others != 1 || driver.Classify(err) != driver.ClassPermanent || strings.Contains(err.Error(), "somebody") {
		t.Errorf("the error is %v, a permanent one for one other ID, unnamed, was wanted", err)
	}
	if w.vendor.Count(standin.BulkDelete) != 0 || !w.vendor.HasProfile(machine) {
		t.Error("the deletion was asked for")
	}
}

func TestAnAttemptThatWasKilledIsFoundAgain(t *testing.T) {
	t.Parallel()
	bothGenerations(t, func(t *testing.T, options standin.Options) {
		w := open(t, options)
		w.vendor.Capture(machine, w.asked)
		w.vendor.Break(standin.BulkDelete, standin.Fault{Done: true, Drop: true, Calls: 1})
		_, err := w.requestor.RequestDeletion(t.Context(), w.request(machine))
		if _, lost := errors.AsType[*driverhttp.Error](err); !lost || driver.Classify(err) != driver.ClassUnknown {
			t.Fatalf("the error is %v, want that there was no answer", err)
		}
		for range 2 { // while a background job has the profile, and when it is gone
			receipt := w.mustAcknowledge(t, machine)
			if receipt.ID != w.vendor.PersonUUID(machine) {
				t.Errorf("the receipt is for %q", receipt.ID)
			}
			w.advance(standin.ProfileDelay)
		}
		if n := len(w.vendor.Deletions()); n != 1 {
			t.Errorf("%d deletions are queued, want 1", n)
		}
	})
}

func TestAnOlderRequestThatIsPendingWillDo(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	w.vendor.Capture(machine, w.asked.Add(-48*time.Hour))
	first := w.request(machine)
	w.mustAcknowledge(t, machine)
	w.advance(24 * time.Hour)
	w.asked = w.Now().Add(-longAgo)
	second := w.mustAcknowledge(t, machine)
	if !second.At.After(first.RequestedAt) {
		t.Fatal("the second request is not later: this test would prove nothing")
	}
	w.mustHaveStatus(t, second, deletion.Acknowledged, "weekly sweep")
	// The row is older than the second request, so it proves nothing; what is there does.
	w.vendor.Sweep()
	if _, err := w.requestor.Status(t.Context(), second); !errors.Is(err, deletion.ErrUnknownReceipt) {
		t.Fatalf("the status of the second is %v, want that it is not known", err)
	}
	again := w.mustAcknowledge(t, machine)
	w.advance(time.Hour)
	w.mustHaveStatus(t, again, deletion.Verified, "nothing")
}

func TestWhatIsStoredNowhereIsVerifiedAnHourAfterItWasLookedForAndAskedFor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		since, wait time.Duration
	}{
		{-30 * time.Minute, 90 * time.Minute}, // the person's clock is ahead
		{0, time.Hour},
		{time.Hour, time.Hour},
		{90 * 24 * time.Hour, time.Hour},
		{-24 * time.Hour, time.Hour}, // their clock is wrong, and waiting for it would take for ever
	} {
		w := open(t, standin.Options{})
		w.asked = w.Now().Add(-tt.since)
		receipt := w.mustAcknowledge(t, machine)
		w.mustHaveStatus(t, receipt, deletion.Acknowledged, "once more")
		w.advance(tt.wait - time.Second)
		w.mustHaveStatus(t, receipt, deletion.Acknowledged, "once more")
		w.advance(time.Second)
		w.mustHaveStatus(t, receipt, deletion.Verified, "nothing")
	}
}

// Whoever asks in somebody's name may say that it was yesterday, while the tool sends on.
func TestAnEventThatIsNotVisibleYetIsNotTakenForNone(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	w.asked = w.Now().Add(-24 * time.Hour)
	receipt := w.mustAcknowledge(t, machine)
	w.advance(10 * time.Minute)
	w.vendor.Capture(machine, w.Now()) // or it became visible only now
	w.advance(time.Hour)
	_, err := w.requestor.Status(t.Context(), receipt)
	if remains, ok := errors.AsType[*deletion.RemainsError](err); !ok || remains.Events != 1 {
		t.Errorf("the error is %v", err)
	}
	for _, id := range []string{"nothing-", "nothing-yesterday"} {
		receipt.ID = id
		if _, err := w.requestor.Status(t.Context(), receipt); !errors.Is(err, deletion.ErrUnknownReceipt) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestEventsWithoutAProfileAreForAnOperator(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	w.vendor.CapturePersonless(machine, w.asked)
	w.vendor.CapturePersonless(machine, w.asked)
	w.advance(20 * time.Minute)
	// Their profile may be about to be made, whenever the person asked.
	_, err := w.requestor.RequestDeletion(t.Context(), w.request(machine))
	if early, ok := errors.AsType[*deletion.TooEarlyError](err); !ok || *early != (deletion.TooEarlyError{Events: 2, Wait: 40 * time.Minute}) {
		t.Errorf("within the hour the error is %v", err)
	}
	w.advance(40 * time.Minute)
	_, err = w.requestor.RequestDeletion(t.Context(), w.request(machine))
	if left, ok := errors.AsType[*posthog.LeftoverError](err); !ok || left.Events != 2 || driver.Classify(err) != driver.ClassPermanent ||
		!strings.Contains(err.Error(), "support") {
		t.Errorf("after it the error is %v", err)
	}
}

func TestEventsThatCameInTooLateAreAskedForAgain(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	w.vendor.Capture(machine, w.asked)
	receipt := w.mustAcknowledge(t, machine)
	w.advance(time.Hour)
	w.vendor.Capture(machine, w.asked) // dated before the request, and stored after it
	w.vendor.Sweep()

	_, err := w.requestor.Status(t.Context(), receipt)
	remains, ok := errors.AsType[*deletion.RemainsError](err)
	if !ok || *remains != (deletion.RemainsError{Events: 1, Profile: true}) || !errors.Is(err, deletion.ErrUnknownReceipt) {
		t.Fatalf("after the sweep the error is %v, want that one event remains", err)
	}
	w.advance(time.Hour)
	again := w.mustAcknowledge(t, machine)
	if n := len(w.vendor.Deletions()); n != 2 {
		t.Fatalf("%d deletions, want a second one: the first is over", n)
	}
	w.mustHaveStatus(t, again, deletion.Acknowledged, "weekly sweep")
	w.vendor.Sweep()
	w.advance(time.Hour)
	w.mustHaveStatus(t, again, deletion.Verified, "nothing")
}

func TestEventsThatNoSweepTakesEndWithAnOperator(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	w.vendor.Capture(machine, w.Now().Add(48*time.Hour)) // by a clock that was ahead
	receipt := w.mustAcknowledge(t, machine)
	w.advance(6 * 24 * time.Hour)
	w.vendor.Sweep()
	if _, err := w.requestor.Status(t.Context(), receipt); !errors.Is(err, deletion.ErrUnknownReceipt) {
		t.Fatalf("after the sweep the error is %v", err)
	}
	_, err := w.requestor.RequestDeletion(t.Context(), w.request(machine))
	if left, ok := errors.AsType[*posthog.LeftoverError](err); !ok || left.Events != 1 || driver.Classify(err) != driver.ClassPermanent {
		t.Errorf("asked again, the error is %v: the completed row must not count as a request", err)
	}
}

func TestAProfileThatRemainsIsNotDeleted(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	w.vendor.Capture(machine, w.asked)
	receipt := w.mustAcknowledge(t, machine)
	w.vendor.Alias(machine, "another") // which makes a profile without an event
	w.vendor.Sweep()
	_, err := w.requestor.Status(t.Context(), receipt)
	if remains, ok := errors.AsType[*deletion.RemainsError](err); !ok || *remains != (deletion.RemainsError{Profile: true}) {
		t.Errorf("the error is %v", err)
	}
}

func TestAStatusIsNotVerifiedWithinTheHour(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	w.asked = w.Now().Add(-time.Minute) // and the sweep is now
	w.vendor.Capture(machine, w.asked)
	receipt := w.mustAcknowledge(t, machine)
	w.vendor.Sweep()
	w.mustHaveStatus(t, receipt, deletion.Acknowledged, "weekly sweep")
	w.advance(time.Hour - time.Second)
	w.mustHaveStatus(t, receipt, deletion.Acknowledged, "weekly sweep")
	w.advance(time.Second)
	w.mustHaveStatus(t, receipt, deletion.Verified, "nothing")
}

func TestARequestThatIsNotListedIsLostAfterAnHour(t *testing.T) {
	t.Parallel()
	for name, rows := range map[string][]standin.Deletion{
		"no row":                  nil,
		"another person's row":    {{PersonUUID: "00000000-0000-5000-8000-000000000000", CreatedAt: time.Date(2026, 2, 2, 5, 0, 0, 0, time.UTC)}},
		"a completed row, before": {{CreatedAt: time.Date(2026, 2, 2, 4, 59, 54, 0, time.UTC), VerifiedAt: time.Date(2026, 2, 2, 4, 59, 55, 0, time.UTC)}},
	} {
		w := open(t, standin.Options{})
		w.asked = w.Now()
		receipt := deletion.Receipt{State: deletion.Acknowledged, ID: w.vendor.PersonUUID(machine), MachineID: machine, At: w.asked}
		for _, row := range rows {
			if row.PersonUUID == "" {
				row.PersonUUID = receipt.ID
			}
			w.vendor.AddDeletion(row)
		}
		w.advance(59 * time.Minute)
		w.mustHaveStatus(t, receipt, deletion.Acknowledged, "does not list it yet")
		w.advance(time.Minute)
		if _, err := w.requestor.Status(t.Context(), receipt); !errors.Is(err, deletion.ErrUnknownReceipt) {
			t.Errorf("%s: after the hour the error is %v, want that it is not known", name, err)
		}
	}
}

func TestARowOfASlowerClockCounts(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	receipt := deletion.Receipt{State: deletion.Acknowledged, ID: w.vendor.PersonUUID(machine), MachineID: machine, At: w.asked}
	w.vendor.AddDeletion(standin.Deletion{PersonUUID: receipt.ID, CreatedAt: w.asked.Add(-5 * time.Second), VerifiedAt: w.Now()})
	w.mustHaveStatus(t, receipt, deletion.Verified, "nothing")
}

func TestASweepThatDoesNotComeIsTold(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	w.vendor.Capture(machine, w.asked)
	receipt := w.mustAcknowledge(t, machine)
	w.advance(14 * 24 * time.Hour)
	w.mustHaveStatus(t, receipt, deletion.Acknowledged, "weekly sweep")
	w.advance(time.Second)
	w.mustHaveStatus(t, receipt, deletion.Acknowledged, "support")
	if receipt := w.mustAcknowledge(t, machine); !strings.Contains(receipt.Detail, "support") {
		t.Errorf("asked again, the receipt is %+v", receipt)
	}
}

func TestTheStatusIsAskedOfThePersonAlone(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	uuid := w.vendor.PersonUUID(machine)
	if _, err := w.requestor.RequestDeletion(t.Context(), w.request(machine)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range w.vendor.Calls() {
		got = append(got, fmt.Sprint(c.Method, " ", c.Endpoint, " ", c.Query.Encode(), string(c.Body)))
	}
	want := []string{
		"GET persons distinct_id=" + machine,
		"GET deletion_status limit=100&offset=0&person_uuid=" + uuid + "&status=all",
		`POST query {"query":{"kind":"HogQLQuery","query":"SELECT count() FROM events WHERE distinct_id = {machine_id}",` +
			`"values":{"machine_id":"` + machine + `"}},"refresh":"force_blocking"}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("the calls are\n%q, want\n%q", got, want)
	}
	// And where PostHog lists others all the same, they are not taken for this one.
	w.vendor.Break(standin.DeletionStatus, standin.Fault{Status: 200, Body: `{"results":[` +
		`{"person_uuid":"` + w.vendor.PersonUUID(another) + `","created_at":"2026-02-02T05:00:00Z","status":"pending","delete_verified_at":null}],"next":null}`})
	receipt := deletion.Receipt{State: deletion.Acknowledged, ID: uuid, MachineID: machine, At: w.asked}
	if _, err := w.requestor.Status(t.Context(), receipt); !errors.Is(err, deletion.ErrUnknownReceipt) {
		t.Errorf("the error is %v", err)
	}
}

func TestThePendingRowIsFoundOnALaterPage(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	receipt := deletion.Receipt{State: deletion.Acknowledged, ID: w.vendor.PersonUUID(machine), MachineID: machine, At: w.asked}
	w.vendor.AddDeletion(standin.Deletion{PersonUUID: receipt.ID, CreatedAt: w.Now()})
	for range 150 {
		w.vendor.AddDeletion(standin.Deletion{PersonUUID: receipt.ID, CreatedAt: w.asked.Add(-time.Hour), VerifiedAt: w.asked})
	}
	w.mustHaveStatus(t, receipt, deletion.Acknowledged, "weekly sweep")
	if n := w.vendor.Count(standin.DeletionStatus); n != 2 {
		t.Errorf("%d pages were read, want 2", n)
	}
	// A list that does not end is none.
	for range 400 {
		w.vendor.AddDeletion(standin.Deletion{PersonUUID: receipt.ID, CreatedAt: w.asked.Add(-time.Hour), VerifiedAt: w.asked})
	}
	before := w.vendor.Count(standin.DeletionStatus)
	_, err := w.requestor.Status(t.Context(), receipt)
	if _, ok := errors.AsType[*deletion.AnswerError](err); !ok || w.vendor.Count(standin.DeletionStatus)-before != 5 {
		t.Errorf("the error is %v after %d pages", err, w.vendor.Count(standin.DeletionStatus)-before)
	}
}

func TestOnlyAReceiptOfAPersonHasAStatus(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	good := deletion.Receipt{State: deletion.Acknowledged, ID: w.vendor.PersonUUID(machine), MachineID: machine, At: w.asked}
	for _, id := range []string{"", "x", strings.Repeat("a", 36), good.ID[:35], good.ID + "0", good.ID[:35] + "g", good.ID[:35] + "&"} {
		receipt := good
		receipt.ID = id
		if _, err := w.requestor.Status(t.Context(), receipt); !errors.Is(err, deletion.ErrUnknownReceipt) {
			t.Errorf("the receipt %q: %v", id, err)
		}
	}
	nobodys := good
	nobodys.MachineID = "x OR 1=1"
	if _, err := w.requestor.Status(t.Context(), nobodys); !errors.Is(err, deletion.ErrInvalidID) {
		t.Errorf("a receipt of no machine: %v", err)
	}
	if _, err := w.requestor.Find(t.Context(), "x OR 1=1"); !errors.Is(err, deletion.ErrInvalidID) {
		t.Errorf("finding no machine: %v", err)
	}
	verified := deletion.Receipt{State: deletion.Verified, ID: "of long ago"}
	if got, err := w.requestor.Status(t.Context(), verified); err != nil || got.State != deletion.Verified || got.ID != verified.ID {
		t.Errorf("a verified receipt comes to %+v, %v", got, err)
	}
	if calls := w.vendor.Calls(); len(calls) > 0 {
		t.Errorf("%d calls were made", len(calls))
	}
}

func TestFindTellsWhatWouldBeDeletedAndChangesNothing(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	find := func(profile string, others, events int64) {
		t.Helper()
		got, err := w.requestor.Find(t.Context(), machine)
		if err != nil || len(got.Facts) != 3 || got.Nothing != (events == 0) || got.Requests != nil {
			t.Fatalf("found %+v, %v", got, err)
		}
		if f := got.Facts; f[0].Value != profile || f[1].Value != others || f[1].Wrong != (others > 0) || f[2].Value != events {
			t.Errorf("found %+v, want %s, %d, %d", got, profile, others, events)
		}
	}
	find("none", 0, 0)
	w.vendor.CapturePersonless(machine, w.asked)
	find("none", 0, 1)
	w.vendor.Capture(machine, w.asked)
	find(w.vendor.PersonUUID(machine), 0, 2)
	w.vendor.Alias(machine, "a")
	w.vendor.Alias(machine, "b")
	find(w.vendor.PersonUUID(machine), 2, 2)
	if w.vendor.Count(standin.BulkDelete) != 0 || len(w.vendor.Deletions()) != 0 {
		t.Error("looking up has asked for a deletion")
	}
}

func TestA202ThatDidNotTakeTheRequestIsAnError(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	for range 2 {
		w.vendor.Capture(machine, w.asked)
	}
	for body, want := range map[string]posthog.RefusedError{
		`{}`: {Asked: 1},
		`{"persons_found":0,"persons_deleted":0,"events_queued_for_deletion":false,"deletion_errors":[]}`:                                          {Asked: 1},
		`{"persons_found":0,"persons_deleted":1,"events_queued_for_deletion":true}`:                                                                {Asked: 1, Deleted: 1, Events: true},
		`{"persons_deleted":1,"events_queued_for_deletion":true}`:                                                                                  {Asked: 1, Deleted: 1, Events: true},
		`{"persons_found":1,"persons_deleted":1,"events_queued_for_deletion":false}`:                                                               {Asked: 1, Found: 1, Deleted: 1},
		`{"persons_found":1,"persons_deleted":1}`:                                                                                                  {Asked: 1, Found: 1, Deleted: 1},
		`{"persons_found":1,"persons_deleted":0,"events_queued_for_deletion":true}`:                                                                {Asked: 1, Found: 1, Events: true},
		`{"persons_found":1,"persons_deleted":1,"persons_queued_for_deletion":1,"events_queued_for_deletion":true}`:                                {Asked: 1, Found: 1, Deleted: 1, Queued: 1, Events: true},
		`{"persons_found":1,"persons_deleted":2,"persons_queued_for_deletion":-1,"events_queued_for_deletion":true}`:                               {Asked: 1, Found: 1, Deleted: 2, Queued: -1, Events: true},
		`{"persons_found":1,"persons_deleted":-1,"persons_queued_for_deletion":2,"events_queued_for_deletion":true}`:                               {Asked: 1, Found: 1, Deleted: -1, Queued: 2, Events: true},
		`{"persons_found":2,"persons_deleted":2,"events_queued_for_deletion":true,"deletion_errors":[]}`:                                           {Asked: 1, Found: 2, Deleted: 2, Events: true},
		`{"persons_found":1,"persons_deleted":1,"events_queued_for_deletion":true,"deletion_errors":[{}]}`:                                         {Asked: 1, Found: 1, Deleted: 1, Events: true, Errors: 1},
		`{"persons_found":1,"persons_deleted":1,"events_queued_for_deletion":true,"errors":["x"]}`:                                                 {Asked: 1, Found: 1, Deleted: 1, Events: true, Errors: 1},
		`{"persons_found":1,"persons_deleted":0,"events_queued_for_deletion":true,"deletion_errors":[{"person_uuid":"c4n4ry"}]}`:                   {Asked: 1, Found: 1, Events: true, Errors: 1},
		`{"persons_found":1,"persons_queued_for_deletion":1,"events_queued_for_deletion":true,"deletion_errors":[{"step":"delete"}],"errors":[1]}`: {Asked: 1, Found: 1, Queued: 1, Events: true, Errors: 2},
	} {
		w.vendor.Break(standin.BulkDelete, standin.Fault{Status: 202, Body: body})
		receipt, err := w.requestor.RequestDeletion(t.Context(), w.request(machine))
		refused, ok := errors.AsType[*posthog.RefusedError](err)
		if !ok || *refused != want || driver.Classify(err) != driver.ClassUnknown || receipt.State != "" {
			t.Errorf("%s: %+v, %v", body, receipt, err)
		}
		if err != nil && strings.Contains(err.Error(), "c4n4ry") {
			t.Errorf("the error repeats the answer: %v", err)
		}
	}
}

func TestEveryGenerationsAcceptanceIsUnderstood(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	w.vendor.Capture(machine, w.asked)
	for _, body := range []string{
		`{"persons_found":1,"persons_deleted":1,"events_queued_for_deletion":true,"recordings_queued_for_deletion":false,"deletion_errors":[]}`,
		`{"persons_found":1,"persons_deleted":1,"events_queued_for_deletion":true,"recordings_queued_for_deletion":false,"errors":[]}`,
		`{"persons_found":1,"persons_deleted":0,"persons_queued_for_deletion":1,"events_queued_for_deletion":true,"deletion_errors":[]}`,
		`{"persons_found":1,"persons_queued_for_deletion":1,"events_queued_for_deletion":true,"deletion_errors":null,"new":{"a":[1]}}`,
	} {
		w.vendor.Break(standin.BulkDelete, standin.Fault{Status: 202, Body: body})
		w.mustAcknowledge(t, machine)
	}
}

// caller is something that reaches one of PostHog's calls.
type caller func(ctx context.Context, w *world) (deletion.Receipt, error)

func callers() map[standin.Endpoint]caller {
	ask := func(ctx context.Context, w *world) (deletion.Receipt, error) {
		return w.requestor.RequestDeletion(ctx, w.request(machine))
	}
	return map[standin.Endpoint]caller{
		standin.Persons: ask,
		standin.BulkDelete: func(ctx context.Context, w *world) (deletion.Receipt, error) {
			w.vendor.Capture(machine, w.asked)
			return ask(ctx, w)
		},
		standin.DeletionStatus: ask,
		standin.Query:          ask,
	}
}

func TestEveryAnswerHasItsClass(t *testing.T) {
	t.Parallel()
	const reason = `{"type":"x","code":"x","detail":"c4n4ry","attr":null}`
	hour := http.Header{"Retry-After": {"3600"}}
	html := http.Header{"Content-Type": {"text/html; charset=utf-8"}}
	for name, tt := range map[string]struct {
		fault standin.Fault
		class driver.Class
		wait  time.Duration
		key   bool
	}{
		"400":                       {standin.Fault{Status: 400, Body: reason}, driver.ClassPermanent, 0, false},
		"400 as a web page":         {standin.Fault{Status: 400, Header: html, Body: "c4n4ry"}, driver.ClassUnknown, 0, false},
		"401":                       {standin.Fault{Status: 401, Body: reason}, driver.ClassThrottled, time.Hour, true},
		"403":                       {standin.Fault{Status: 403, Body: reason}, driver.ClassThrottled, time.Hour, true},
		"402":                       {standin.Fault{Status: 402, Body: reason}, driver.ClassThrottled, time.Hour, false},
		"404":                       {standin.Fault{Status: 404, Body: reason}, driver.ClassThrottled, time.Hour, false},
		"405":                       {standin.Fault{Status: 405, Body: reason}, driver.ClassThrottled, time.Hour, false},
		"408":                       {standin.Fault{Status: 408, Body: reason}, driver.ClassUnknown, 0, false},
		"425 with a wait":           {standin.Fault{Status: 425, Body: reason, Header: hour}, driver.ClassThrottled, time.Hour, false},
		"429":                       {standin.Fault{Status: 429, Body: reason}, driver.ClassThrottled, time.Minute, false},
		"429 with seconds":          {standin.Fault{Status: 429, Body: reason, Header: http.Header{"Retry-After": {"17"}}}, driver.ClassThrottled, 17 * time.Second, false},
		"429 with a date":           {standin.Fault{Status: 429, Body: reason, Header: http.Header{"Retry-After": {"Mon, 02 Feb 2026 05:10:00 GMT"}}}, driver.ClassThrottled, 10 * time.Minute, false},
		"429 with nonsense":         {standin.Fault{Status: 429, Body: reason, Header: http.Header{"Retry-After": {"c4n4ry"}}}, driver.ClassThrottled, time.Minute, false},
		"500":                       {standin.Fault{Status: 500, Body: reason}, driver.ClassUnknown, 0, false},
		"502 as a web page":         {standin.Fault{Status: 502, Header: html, Body: "<html>c4n4ry"}, driver.ClassUnknown, 0, false},
		"503 with a wait":           {standin.Fault{Status: 503, Header: hour}, driver.ClassThrottled, time.Hour, false},
		"302":                       {standin.Fault{Status: 302, Header: http.Header{"Location": {"/batch/"}}}, driver.ClassUnknown, 0, false},
		"307":                       {standin.Fault{Status: 307, Header: http.Header{"Location": {"/batch/"}}}, driver.ClassUnknown, 0, false},
		"200 as a web page":         {standin.Fault{Status: 200, Header: html, Body: "<html>c4n4ry"}, driver.ClassUnknown, 0, false},
		"200 without a body":        {standin.Fault{Status: 200}, driver.ClassUnknown, 0, false},
		"200 with text":             {standin.Fault{Status: 200, Body: "c4n4ry"}, driver.ClassUnknown, 0, false},
		"202 without a body":        {standin.Fault{Status: 202}, driver.ClassUnknown, 0, false},
		"204":                       {standin.Fault{Status: 204}, driver.ClassUnknown, 0, false},
		"200 with a list":           {standin.Fault{Status: 200, Body: `["c4n4ry"]`}, driver.ClassUnknown, 0, false},
		"200 with null":             {standin.Fault{Status: 200, Body: `null`}, driver.ClassUnknown, 0, false},
		"200 with nothing in it":    {standin.Fault{Status: 200, Body: `{}`}, driver.ClassUnknown, 0, false},
		"200 with half of it":       {standin.Fault{Status: 200, Body: `{"results":[`}, driver.ClassUnknown, 0, false},
		"no answer":                 {standin.Fault{Drop: true}, driver.ClassUnknown, 0, false},
		"no answer, though it went": {standin.Fault{Drop: true, Done: true}, driver.ClassUnknown, 0, false},
	} {
		for endpoint, ask := range callers() {
			w := open(t, standin.Options{})
			w.vendor.Break(endpoint, tt.fault)
			receipt, err := ask(t.Context(), w)
			if driver.Classify(err) != tt.class || driver.Wait(err) != tt.wait || errors.Is(err, deletion.ErrKey) != tt.key || receipt.State != "" {
				t.Errorf("%s from %s: %+v, %v (%v, %v)", name, endpoint, receipt, err, driver.Classify(err), driver.Wait(err))
			}
			answered, isAnswer := errors.AsType[*deletion.AnswerError](err)
			lost, isLost := errors.AsType[*driverhttp.Error](err)
			switch {
			case isAnswer == isLost, isAnswer == tt.fault.Drop:
				t.Errorf("%s from %s: the error is %#v", name, endpoint, err)
			case isAnswer && answered.Status != tt.fault.Status, isLost && lost.Host == "":
				t.Errorf("%s from %s: the error does not say what happened: %v", name, endpoint, err)
			}
			if text := fmt.Sprint(err); strings.Contains(text, "c4n4ry") || strings.Contains(text, key) || strings.Contains(text, machine) ||
				!strings.HasPrefix(text, "posthog deletion: ") || strings.Count(text, "posthog deletion") != 1 {
				t.Errorf("%s from %s: the error is %q", name, endpoint, text)
			}
			if redirect := tt.fault.Status/100 == 3; redirect != strings.Contains(fmt.Sprint(err), "redirects are not followed") {
				t.Errorf("%s from %s: the error does not say what happened: %v", name, endpoint, err)
			}
			// net/http repeats a GET whose kept connection is cut.
			repeats := isLost && endpoint == standin.DeletionStatus
			if n := w.vendor.Count(endpoint); n != 1 && !(repeats && n == 2) {
				t.Errorf("%s from %s: called %d times", name, endpoint, n)
			}
		}
	}
}

func TestAnAnswerThatSaysSomethingElseIsNotUnderstood(t *testing.T) {
	t.Parallel()
	uuid := standin.New(standin.Options{}).PersonUUID(machine)
	row := func(text string) string { return `{"results":[` + text + `],"next":null}` }
	for endpoint, bodies := range map[standin.Endpoint][]string{
		standin.Persons: {
			`{"results":null,"next":null}`,
			`{"results":[],"next":"https://us.posthog.com/api/projects/12345/persons/?cursor=x"}`,
			row(`{"uuid":"` + uuid + `","distinct_ids":["` + another + `"]}`),
			row(`{"uuid":"` + uuid + `","distinct_ids":[]}`),
			row(`{"uuid":"` + uuid + `"}`),
			row(`{"uuid":"x","distinct_ids":["` + machine + `"]}`),
			row(`{"uuid":"` + uuid + `","distinct_ids":["` + machine + `"]},{"uuid":"` + uuid + `","distinct_ids":["` + machine + `"]}`),
			row(`{"uuid":1,"distinct_ids":["` + machine + `"]}`),
			`{"results":[],"next":null}` + strings.Repeat(" ", 256<<10),
		},
		standin.DeletionStatus: {
			`{"results":null,"next":null}`,
			row(`{"person_uuid":"` + uuid + `","created_at":"2026-02-02T05:00:00Z","status":"completed","delete_verified_at":null}`),
			row(`{"person_uuid":"` + uuid + `","created_at":"2026-02-02T05:00:00Z","status":"cancelled","delete_verified_at":null}`),
			row(`{"person_uuid":"` + uuid + `","created_at":"2026-02-02T05:00:00Z"}`),
			row(`{"person_uuid":"` + uuid + `","status":"pending"}`),
			row(`{"person_uuid":"` + uuid + `","created_at":"yesterday","status":"pending"}`),
		},
		standin.Query: {
			`{"results":[[0]],"is_cached":true}`,
			`{"results":[[0],[0]]}`,
			`{"results":[[0,0]]}`,
			`{"results":[[]]}`,
			`{"results":[]}`,
			`{"results":null}`,
			`{"results":[["0"]]}`,
			`{"results":[[null]]}`,
			`{"results":[[-1]]}`,
			`{"results":[[0.5]]}`,
			`{"query_status":{"complete":false}}`,
		},
		standin.BulkDelete: {
			`{"persons_found":"1","persons_deleted":1,"events_queued_for_deletion":true}`,
			`{"persons_found":1,"persons_deleted":1,"events_queued_for_deletion":"true"}`,
			`{"persons_found":1,"persons_deleted":1,"events_queued_for_deletion":1}`,
			`{"persons_found":1,"persons_deleted":1,"events_queued_for_deletion":true,"deletion_errors":{}}`,
			`{"persons_found":1,"persons_deleted":1,"events_queued_for_deletion":true,"deletion_errors":[]} {}`,
		},
	} {
		for _, body := range bodies {
			w := open(t, standin.Options{})
			status := 200
			if endpoint == standin.BulkDelete {
				status = 202
			}
			w.vendor.Break(endpoint, standin.Fault{Status: status, Body: body})
			receipt, err := callers()[endpoint](t.Context(), w)
			if _, ok := errors.AsType[*deletion.AnswerError](err); !ok || driver.Classify(err) != driver.ClassUnknown || receipt.State != "" {
				t.Errorf("%s: %.200s: %+v, %v", endpoint, body, receipt, err)
			}
		}
	}
}

// The stand-in says what it counted last unless it has to count anew, as PostHog does.
func TestTheCountIsAFreshOne(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	w.vendor.Capture(machine, w.asked)
	if found, err := w.requestor.Count(t.Context(), machine); err != nil || found != 1 {
		t.Fatalf("found %+v, %v", found, err)
	}
	receipt := w.mustAcknowledge(t, machine)
	w.vendor.Sweep()
	w.advance(time.Hour)
	w.mustHaveStatus(t, receipt, deletion.Verified, "nothing")
}

func TestAStatusThatCannotBeAskedForIsAnErrorOfItsClass(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	w.vendor.Capture(machine, w.asked)
	receipt := w.mustAcknowledge(t, machine)
	w.vendor.Sweep()
	for _, endpoint := range []standin.Endpoint{standin.DeletionStatus, standin.Persons, standin.Query} {
		w.vendor.Break(endpoint, standin.Fault{Status: 503, Header: http.Header{"Retry-After": {"60"}}})
		if got, err := w.requestor.Status(t.Context(), receipt); driver.Wait(err) != time.Minute || got.State != "" || errors.Is(err, deletion.ErrUnknownReceipt) {
			t.Errorf("%s fails: %+v, %v", endpoint, got, err)
		}
		w.vendor.Repair(endpoint)
	}
	w.advance(time.Hour)
	w.mustHaveStatus(t, receipt, deletion.Verified, "nothing")
}

func TestACallEndsAfterTwentySeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, err := posthog.New(posthog.Config{Instance: "us", Project: "1", Key: key, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = r.RequestDeletion(t.Context(), deletion.Request{MachineID: machine, RequestedAt: start})
		if took := time.Since(start); took != 20*time.Second || !errors.Is(err, context.DeadlineExceeded) || driver.Classify(err) != driver.ClassUnknown {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// A transport that goes on after its context has ended must not make a success of it.
func TestAnAnswerAfterTheEndIsNone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	r, err := posthog.New(posthog.Config{Instance: "us", Project: "1", Key: key, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		calls++
		if r.Method == http.MethodGet {
			return httpmock.NewStringResponse(200, `{"results":[],"next":null}`), nil
		}
		cancel()
		return httpmock.NewStringResponse(200, `{"results":[[0]]}`), nil
	})})
	if err != nil {
		t.Fatal(err)
	}
	if found, err := r.Find(ctx, machine); !errors.Is(err, context.Canceled) || calls != 2 {
		t.Errorf("found %+v, %v after %d calls", found, err, calls)
	}
	if _, err := r.Find(ctx, machine); !errors.Is(err, context.Canceled) || calls != 2 {
		t.Errorf("after the end: %v, and %d calls", err, calls)
	}
}

func TestNothingOfATransportsErrorIsRepeated(t *testing.T) {
	t.Parallel()
	r, err := posthog.New(posthog.Config{Instance: "eu", Project: "1", Key: key, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("GET %s with %s: c4n4ry", r.URL, r.Header.Get("Authorization"))
	})})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Find(t.Context(), machine)
	const want = "posthog deletion: looking up the profile: eu.posthog.com: no usable answer: check the address and the network"
	if fmt.Sprint(err) != want {
		t.Errorf("the error is %q, want %q", err, want)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTheAddressIsTheManagementAPIs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		cfg  posthog.Config
		want string
	}{
		{posthog.Config{Instance: "us"}, "https://us.posthog.com/api/projects/77/persons/"},
		{posthog.Config{Instance: "eu"}, "https://eu.posthog.com/api/projects/77/persons/"},
		{posthog.Config{Endpoint: "https://posthog.example.com"}, "https://posthog.example.com/api/projects/77/persons/"},
		{posthog.Config{Endpoint: "https://example.com/posthog/"}, "https://example.com/posthog/api/projects/77/persons/"},
		{posthog.Config{Endpoint: "http://127.0.0.1:8000"}, "http://127.0.0.1:8000/api/projects/77/persons/"},
		{posthog.Config{Endpoint: "http://localhost:8000/"}, "http://localhost:8000/api/projects/77/persons/"},
	} {
		transport := httpmock.NewMockTransport()
		var header http.Header
		transport.RegisterResponderWithQuery("GET", tt.want, "distinct_id="+machine, func(r *http.Request) (*http.Response, error) {
			header = r.Header
			return httpmock.NewStringResponse(500, ""), nil
		})
		tt.cfg.Project, tt.cfg.Key, tt.cfg.Transport = "77", key, transport
		r, err := posthog.New(tt.cfg)
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := r.Find(t.Context(), machine); transport.GetTotalCallCount() != 1 || header == nil {
			t.Errorf("%s was not asked: %v", tt.want, err)
		}
		want := http.Header{"Accept": {"application/json"}, "Authorization": {"Bearer " + key}, "User-Agent": {"gotoolbase-telemetry"}}
		if fmt.Sprint(header) != fmt.Sprint(want) {
			t.Errorf("the headers are %v, want %v", header, want)
		}
	}
}

func TestAMistakeInTheConfigurationIsNamedAndNotRepeated(t *testing.T) {
	t.Parallel()
	good := posthog.Config{Instance: "us", Project: "77", Key: key}
	if _, err := posthog.New(good); err != nil {
		t.Fatal(err)
	}
	with := func(change func(*posthog.Config)) posthog.Config {
		cfg := good
		change(&cfg)
		return cfg
	}
	at := func(endpoint string) posthog.Config {
		return with(func(c *posthog.Config) { c.Instance, c.Endpoint = "", endpoint })
	}
	keyed := func(key string) posthog.Config { return with(func(c *posthog.Config) { c.Key = key }) }
	project := func(id string) posthog.Config { return with(func(c *posthog.Config) { c.Project = id }) }
	for name, tt := range map[string]struct {
		cfg          posthog.Config
		field, about string
	}{
		"no address":                {at(""), "Instance", "not set"},
		"another region":            {with(func(c *posthog.Config) { c.Instance = "mars" }), "Instance", "us, eu"},
		"two addresses":             {with(func(c *posthog.Config) { c.Endpoint = "https://c4n4ry.test" }), "Endpoint", "keep one"},
		"the US intake":             {at("https://us.i.posthog.com"), "Endpoint", "intake"},
		"the EU intake":             {at("https://EU.I.PostHog.com./"), "Endpoint", "intake"},
		"an intake with a port":     {at("https://eu.i.posthog.com:443/"), "Endpoint", "intake"},
		"plain http":                {at("http://c4n4ry.test"), "Endpoint", "https://"},
		"no URL":                    {at("c4n4ry.test"), "Endpoint", "https://"},
		"a password":                {at("https://c4n4ry:c4n4ry@posthog.test"), "Endpoint", "password"},
		"a query":                   {at("https://posthog.test/?c4n4ry"), "Endpoint", "query"},
		"an empty query":            {at("https://posthog.test/?"), "Endpoint", "query"},
		"no project":                {project(""), "Project", "number"},
		"a project's name":          {project("c4n4ry"), "Project", "number"},
		"the current project":       {project("@current"), "Project", "number"},
		"a path":                    {project("1/../2"), "Project", "number"},
		"a zero":                    {project("0"), "Project", "number"},
		"a leading zero":            {project("012"), "Project", "number"},
		"a number without an end":   {project(strings.Repeat("1", 19)), "Project", "number"},
		"no key":                    {keyed(""), "Key", "phx_"},
		"a project's key":           {keyed("phc_c4n4ry"), "Key", "(phc_), which can only send"},
		"a project's secret key":    {keyed("phs_c4n4ry"), "Key", "(phs_)"},
		"another's key":             {keyed("sk_c4n4ry"), "Key", "not a personal API key"},
		"a prefix alone":            {keyed("phx_"), "Key", "not a personal API key"},
		"a key with a line break":   {keyed("phx_c4n4ry\n"), "Key", "line break"},
		"a key with another header": {keyed("phx_c4n4ry\r\nX: y"), "Key", "line break"},
	} {
		_, err := posthog.New(tt.cfg)
		mistake, ok := errors.AsType[*driver.ConfigError](err)
		if !ok || mistake.Field != "Settings["+strings.ToLower(tt.field)+"]" || !strings.Contains(mistake.Problem, tt.about) || strings.Contains(err.Error(), "c4n4ry") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func ids(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%032x", i+1)
	}
	return list
}

func (w *world) requests(ids []string) []deletion.Request {
	list := make([]deletion.Request, len(ids))
	for i, id := range ids {
		list[i] = w.request(id)
	}
	return list
}

func (w *world) bulks(t *testing.T) [][]string {
	t.Helper()
	var list [][]string
	for _, c := range w.vendor.Calls() {
		if c.Endpoint == standin.BulkDelete {
			var body struct {
				IDs []string `json:"distinct_ids"`
			}
			if err := json.Unmarshal(c.Body, &body); err != nil {
				t.Fatal(err)
			}
			list = append(list, body.IDs)
		}
	}
	return list
}

func TestAHundredRequestsAreOneCallThatDeletes(t *testing.T) {
	t.Parallel()
	bothGenerations(t, func(t *testing.T, options standin.Options) {
		w := open(t, options)
		list := ids(w.requestor.MaxBulk())
		for _, id := range list {
			w.vendor.Capture(id, w.asked)
		}
		outcomes := w.mustAsk(t, w.requests(list))
		for i, o := range outcomes {
			if o.Err != nil || o.Receipt.State != deletion.Acknowledged || o.Receipt.MachineID != list[i] || o.Receipt.ID != w.vendor.PersonUUID(list[i]) {
				t.Fatalf("the outcome of %d is %+v", i, o)
			}
		}
		var sizes []int
		for _, bulk := range w.bulks(t) {
			sizes = append(sizes, len(bulk))
		}
		if len(outcomes) != 100 || !slices.Equal(sizes, []int{100}) || len(w.vendor.Deletions()) != 100 {
			t.Errorf("%d outcomes of requests with %v IDs, and %d rows", len(outcomes), sizes, len(w.vendor.Deletions()))
		}
	})
}

func TestNoRequestsAreNoCalls(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	if outcomes := w.mustAsk(t, nil); len(outcomes) != 0 || len(w.vendor.Calls()) != 0 {
		t.Errorf("%d outcomes of %d calls", len(outcomes), len(w.vendor.Calls()))
	}
}

func TestEachOfManyHasAnOutcomeOfItsOwn(t *testing.T) {
	t.Parallel()
	bothGenerations(t, func(t *testing.T, options standin.Options) {
		w := open(t, options)
		id := ids(6)
		w.vendor.Capture(id[0], w.asked)
		w.vendor.Capture(id[1], w.asked)
		w.vendor.Alias(id[1], "somebody else")
		w.vendor.CapturePersonless(id[2], w.asked)
		w.advance(time.Hour) // the profile of the third cannot be about to be made
		w.vendor.Capture(id[3], w.asked)
		w.vendor.KeepProfile(id[3], true)
		w.vendor.Capture(id[5], w.asked)
		outcomes := w.mustAsk(t, w.requests([]string{id[0], "*", id[1], id[2], id[3], id[4], id[5], id[0]}))
		var got []string
		for _, o := range outcomes {
			switch {
			case errors.Is(o.Err, deletion.ErrInvalidID):
				got = append(got, "invalid")
			case o.Err != nil:
				got = append(got, fmt.Sprintf("%v %T", driver.Classify(o.Err), deepest(o.Err)))
			default:
				got = append(got, string(o.Receipt.State))
			}
			if o.Err != nil && o.Receipt.State != "" {
				t.Errorf("there are a receipt and an error: %+v", o)
			}
		}
		want := []string{"acknowledged", "invalid", "permanent *deletion.ForeignIDsError", "permanent *posthog.LeftoverError",
			"unknown *posthog.RefusedError", "acknowledged", "acknowledged", "acknowledged"}
		if !slices.Equal(got, want) {
			t.Errorf("the outcomes are\n%q, want\n%q", got, want)
		}
		if bulks := w.bulks(t); len(bulks) != 1 || !slices.Equal(bulks[0], []string{id[0], id[3], id[5]}) {
			t.Errorf("asked to delete %q", bulks)
		}
	})
}

func deepest(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

func TestAPartOfA202IsBelievedOnlyIfItAddsUp(t *testing.T) {
	t.Parallel()
	uuid := func(id string) string { return standin.New(standin.Options{}).PersonUUID(id) }
	const rest = `"events_queued_for_deletion":true,"deletion_errors":`
	for body, acknowledged := range map[string]int{
		`{"persons_found":2,"persons_deleted":1,` + rest + `[{"person_uuid":"` + uuid(another) + `"}]}`:                                          1,
		`{"persons_found":2,"persons_queued_for_deletion":1,` + rest + `[{"person_id":"` + strings.ToUpper(uuid(another)) + `","step":"x"}]}`:    1,
		`{"persons_found":2,"persons_deleted":2,` + rest + `[{"person_uuid":"` + uuid(another) + `"}]}`:                                          0,
		`{"persons_found":1,"persons_deleted":1,` + rest + `[{"person_uuid":"` + uuid(another) + `"}]}`:                                          0,
		`{"persons_found":2,"persons_deleted":1,` + rest + `[{"person_uuid":"` + uuid("nobody") + `"}]}`:                                         0,
		`{"persons_found":2,"persons_deleted":1,` + rest + `["` + uuid(another) + `"]}`:                                                          0,
		`{"persons_found":2,"persons_deleted":1,` + rest + `[]}`:                                                                                 0,
		`{"persons_found":2,"persons_deleted":0,` + rest + `[{"person_uuid":"` + uuid(another) + `"},{"person_uuid":"` + uuid(another) + `"}]}`:  0,
		`{"persons_found":2,"persons_deleted":1,"events_queued_for_deletion":false,"deletion_errors":[{"person_uuid":"` + uuid(another) + `"}]}`: 0,
	} {
		w := open(t, standin.Options{})
		w.vendor.Capture(machine, w.asked)
		w.vendor.Capture(another, w.asked)
		w.vendor.Break(standin.BulkDelete, standin.Fault{Status: 202, Body: body})
		outcomes := w.mustAsk(t, w.requests([]string{machine, another}))
		if first := outcomes[0].Err == nil; first != (acknowledged == 1) || outcomes[1].Err == nil {
			t.Errorf("%s: %+v", body, outcomes)
		}
	}
}

func TestARefusedBunchIsAskedForOneByOne(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	list := ids(3)
	for _, id := range list {
		w.vendor.Capture(id, w.asked)
	}
	w.vendor.Break(standin.BulkDelete, standin.Fault{Status: 400, Body: `{"detail":"no"}`, Calls: 2})
	outcomes := w.mustAsk(t, w.requests(list))
	if driver.Classify(outcomes[0].Err) != driver.ClassPermanent || outcomes[1].Err != nil || outcomes[2].Err != nil {
		t.Errorf("the outcomes are %+v", outcomes)
	}
	if n := w.vendor.Count(standin.BulkDelete); n != 4 {
		t.Errorf("%d requests, want one for all and one for each", n)
	}
}

func TestOnceThrottledTheRestIsNotAskedFor(t *testing.T) {
	t.Parallel()
	list := ids(5)
	for name, options := range map[string]standin.Options{
		"while looking up": {PersonCalls: 3},
		"while deleting":   {Deletes: 1},
	} {
		w := open(t, options)
		for _, id := range list {
			w.vendor.Capture(id, w.asked)
		}
		w.vendor.Capture(machine, w.asked)
		if options.Deletes > 0 {
			w.mustAcknowledge(t, machine)
		}
		w.advance(20 * time.Second)
		before := len(w.vendor.Calls())
		for i, o := range w.mustAsk(t, w.requests(list)) {
			want := time.Minute // which begins with the first look-up
			if options.Deletes > 0 {
				want = 40 * time.Second
			}
			if driver.Wait(o.Err) != want || o.Receipt.State != "" {
				t.Errorf("%s: the outcome of %d is %+v", name, i, o)
			}
		}
		if n := len(w.vendor.Calls()) - before; options.PersonCalls > 0 && n != 4 || options.Deletes > 0 && n != 6 {
			t.Errorf("%s: %d calls", name, n)
		}
	}
	// The wait holds for all.
	w := open(t, standin.Options{})
	w.vendor.Break(standin.Persons, standin.Fault{Status: 429, Header: http.Header{"Retry-After": {"9"}}})
	outcomes := w.mustAsk(t, w.requests(ids(100)))
	if n := w.vendor.Count(standin.Persons); n != 1 || driver.Wait(outcomes[99].Err) != 9*time.Second {
		t.Errorf("%d calls, and the last outcome is %+v", n, outcomes[99])
	}
	w.vendor.Repair(standin.Persons)
	for _, id := range ids(100) {
		w.vendor.Capture(id, w.asked)
	}
	w.vendor.Break(standin.BulkDelete, standin.Fault{Status: 429})
	if outcomes = w.mustAsk(t, w.requests(ids(100))); w.vendor.Count(standin.BulkDelete) != 1 || driver.Wait(outcomes[99].Err) != time.Minute {
		t.Errorf("%d requests, and the last outcome is %+v", w.vendor.Count(standin.BulkDelete), outcomes[99])
	}
}

func TestOneThatIsTooEarlyDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	w.asked = w.Now()
	w.vendor.Capture(another, w.asked)
	w.vendor.CapturePersonless(machine, w.asked)
	outcomes := w.mustAsk(t, w.requests([]string{machine, another}))
	if _, early := errors.AsType[*deletion.TooEarlyError](outcomes[0].Err); !early || outcomes[1].Err != nil {
		t.Errorf("the outcomes are %+v", outcomes)
	}
}

func TestAFailureOfOneDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	w.vendor.Capture(machine, w.asked)
	w.vendor.Capture(another, w.asked)
	w.vendor.Break(standin.Persons, standin.Fault{Status: 500, Calls: 1})
	outcomes := w.mustAsk(t, w.requests([]string{machine, another}))
	if driver.Classify(outcomes[0].Err) != driver.ClassUnknown || outcomes[1].Err != nil {
		t.Errorf("the outcomes are %+v", outcomes)
	}
}

func TestARequestorMayBeUsedByManyAtOnce(t *testing.T) {
	t.Parallel()
	w := open(t, standin.Options{})
	var all sync.WaitGroup
	for _, id := range ids(8) {
		w.vendor.Capture(id, w.asked)
		all.Go(func() {
			for range 2 {
				receipt, err := w.requestor.RequestDeletion(t.Context(), w.request(id))
				if err != nil || receipt.State != deletion.Acknowledged {
					t.Errorf("the request came to %+v, %v", receipt, err)
				}
				if receipt, err = w.requestor.Status(t.Context(), receipt); err != nil || receipt.State != deletion.Acknowledged {
					t.Errorf("the status is %+v, %v", receipt, err)
				}
			}
		})
	}
	all.Wait()
	if n := len(w.vendor.Deletions()); n != 8 {
		t.Errorf("%d deletions, want 8", n)
	}
}

// Whatever PostHog says, a nil error stands for an acceptance that a second reader of the
// answers finds in them as well.
func FuzzNoAnswerIsTakenForMoreThanItSays(f *testing.F) {
	uuid := posthog.PersonUUID("77", machine)
	person := `{"results":[{"id":1,"uuid":"` + uuid + `","distinct_ids":["` + machine + `"]}],"next":null}`
	accepted := `{"persons_found":1,"persons_deleted":1,"events_queued_for_deletion":true,"deletion_errors":[]}`
	pending := `{"results":[{"person_uuid":"` + uuid + `","created_at":"2026-02-02T05:00:00.000000Z","status":"pending","delete_verified_at":null}],"next":null}`
	none := `{"results":[],"next":null}`
	f.Add(person, accepted, none, `{"results":[[0]],"is_cached":false}`)
	f.Add(none, `{}`, pending, `{"results":[[3]]}`)
	f.Add(none, `{}`, none, `{"results":[[0]]}`)
	f.Add(`{"results":[{}]}`, `[]`, `null`, `{"results":[[-1]]}`)
	f.Fuzz(func(t *testing.T, persons, bulk, status, count string) {
		r, err := posthog.New(posthog.Config{Instance: "us", Project: "77", Key: key, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			code, text := 200, persons
			switch path := r.URL.Path; {
			case strings.HasSuffix(path, "/bulk_delete/"):
				code, text = 202, bulk
			case strings.HasSuffix(path, "/deletion_status/"):
				text = status
			case strings.HasSuffix(path, "/query/"):
				text = count
			}
			return httpmock.NewStringResponse(code, text), nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		var receipt deletion.Receipt
		// Some requests of a few KiB; a row of two bytes is a structure of 100, in a slice that doubles.
		fuzzing.Allocs(t, len(persons)+len(bulk)+len(status)+len(count), 512<<10, 512, func() {
			receipt, err = r.RequestDeletion(t.Context(), deletion.Request{MachineID: machine, RequestedAt: time.Unix(0, 0)})
		})
		if err != nil {
			if receipt.State != "" || len(err.Error()) > 300 {
				t.Fatalf("%+v, %v", receipt, err)
			}
			return
		}
		first := func(text, key string) any {
			var m map[string]any
			_ = json.Unmarshal([]byte(text), &m)
			for name, v := range m { // encoding/json takes names in any case
				if strings.EqualFold(name, key) {
					return v
				}
			}
			return nil
		}
		list, _ := first(persons, "results").([]any)
		switch {
		case len(list) == 1:
			if receipt.State != deletion.Acknowledged || !strings.Contains(persons, machine) && !strings.Contains(persons, `\u`) ||
				first(bulk, "persons_found") != 1.0 || first(bulk, "events_queued_for_deletion") != true {
				t.Fatalf("%+v of %q and %q", receipt, persons, bulk)
			}
		case receipt.State == deletion.Acknowledged:
			rows, _ := first(status, "results").([]any)
			if none := strings.HasPrefix(receipt.ID, "nothing-"); len(list) != 0 || !none && len(rows) == 0 ||
				none && fmt.Sprint(first(count, "results")) != "[[0]]" {
				t.Fatalf("acknowledged by %q, %q and %q", persons, status, count)
			}
		default:
			t.Fatalf("%+v", receipt)
		}
	})
}

// What PostHog answers is what the stand-in does. Each request is answered by a new one,
// in which nobody has asked yet.
func TestTheRequestorKeepsTheContract(t *testing.T) {
	conformance.RunDeletion(t, conformance.DeletionSubject{
		Vendor: posthog.Vendor(),
		State:  deletion.Acknowledged,
		Settings: func(endpoint string) map[string]string {
			return map[string]string{"endpoint": endpoint, "project": "12345", "key": key}
		},
		Accept: func(r conformance.Request) conformance.Answer {
			vendor := standin.New(standin.Options{Key: key})
			for _, id := range machineIn.FindAllString(r.URL+string(r.Body), -1) {
				vendor.Capture(id, time.Now())
			}
			req := httptest.NewRequest(r.Method, r.URL, bytes.NewReader(r.Body))
			req.Header = r.Header
			w := httptest.NewRecorder()
			vendor.ServeHTTP(w, req)
			return conformance.Answer{Status: w.Code, Header: w.Header(), Body: w.Body.String()}
		},
		NotAccepted: []conformance.Answer{
			{Status: 202, Body: `{"persons_found":0,"persons_deleted":0,"events_queued_for_deletion":false,"deletion_errors":[]}`},
			{Status: 202, Body: `{"persons_found":1,"persons_deleted":0,"events_queued_for_deletion":true,"deletion_errors":[{"person_uuid":"x"}]}`},
			{Status: 200, Body: `{"results":[],"next":null}`},
			{Status: 204},
		},
		Decode: func(r conformance.Request) (string, error) {
			u, err := url.Parse(r.URL)
			if err != nil || !strings.HasSuffix(u.Path, "/persons/bulk_delete/") {
				return "", err
			}
			var body struct {
				IDs    []string `json:"distinct_ids"`
				Events bool     `json:"delete_events"`
			}
			if err := json.Unmarshal(r.Body, &body); err != nil {
				return "", err
			}
			if len(body.IDs) != 1 || !body.Events {
				return "", fmt.Errorf("not the events of one: %+v", body)
			}
			return body.IDs[0], nil
		},
		DecodeAll: func(r conformance.Request) ([]string, error) {
			var body struct {
				IDs []string `json:"distinct_ids"`
			}
			if !strings.Contains(r.URL, "/persons/bulk_delete/") {
				return nil, nil
			}
			err := json.Unmarshal(r.Body, &body)
			return body.IDs, err
		},
		Statuses: map[int]driver.Class{
			400: driver.ClassPermanent, 401: driver.ClassThrottled, 402: driver.ClassThrottled, 403: driver.ClassThrottled, 404: driver.ClassThrottled,
			408: driver.ClassUnknown, 409: driver.ClassThrottled, 429: driver.ClassThrottled, 500: driver.ClassUnknown, 503: driver.ClassUnknown, 307: driver.ClassUnknown,
		},
		Refusal: conformance.Answer{Type: "application/json", Body: `{"type":"validation_error","code":"invalid","detail":"no","attr":null}`},
		Progress: []conformance.Progress{
			{Name: "pending", Answer: swept(pendingRow, nobody, count("[[3]]")), Want: deletion.Acknowledged},
			{Name: "the sweep is over", Answer: swept(completedRow, nobody, count("[[0]]")), Want: deletion.Verified},
			{Name: "the sweep is over and left events", Answer: swept(completedRow, nobody, count("[[2]]")), Err: deletion.ErrUnknownReceipt},
			{Name: "the sweep is over and left the profile", Answer: swept(completedRow, somebody, count("[[0]]")), Err: deletion.ErrUnknownReceipt},
			{Name: "no such request", Answer: swept("", nobody, count("[[0]]")), Err: deletion.ErrUnknownReceipt},
			{Name: "another's request", Answer: swept(strings.ReplaceAll(pendingRow, "PERSON", "00000000-0000-5000-8000-000000000000"), nobody, count("[[0]]")), Err: deletion.ErrUnknownReceipt},
			{Name: "a word of tomorrow's", Answer: swept(strings.ReplaceAll(pendingRow, `"pending"`, `"dreamt"`), nobody, count("[[0]]"))},
			{Name: "completed and not verified", Answer: swept(strings.ReplaceAll(pendingRow, `"pending"`, `"completed"`), nobody, count("[[0]]"))},
			{Name: "a count of yesterday", Answer: swept(completedRow, nobody, `{"results":[[0]],"is_cached":true}`)},
			{Name: "nothing is said of profiles", Answer: swept(completedRow, `{"next":null}`, count("[[0]]"))},
		},
		Left: func(records *int) func(conformance.Request) conformance.Answer {
			if records == nil {
				return swept(completedRow, nobody, count("[[]]"))
			}
			return swept(completedRow, nobody, count(fmt.Sprintf("[[%d]]", *records)))
		},
		TakesKey: func(conformance.Request) bool { return false },
	})
}

// machineIn is the machine ID in a request of the suite's.
var machineIn = regexp.MustCompile(`\b[0-9a-f]{32}\b`)

// What PostHog says of a request that the suite made in February.
const (
	pendingRow   = `{"person_uuid":"PERSON","created_at":"2026-02-03T04:05:07Z","status":"pending","delete_verified_at":null}`
	completedRow = `{"person_uuid":"PERSON","created_at":"2026-02-03T04:05:07Z","status":"completed","delete_verified_at":"2026-02-08T04:00:00Z"}`
	nobody       = `{"results":[],"next":null}`
	somebody     = `{"results":[{"uuid":"01900000-0000-7000-8000-000000000000","distinct_ids":["MACHINE"]}],"next":null}`
)

func count(results string) string { return `{"results":` + results + `,"is_cached":false}` }

// swept answers the calls of Status.
func swept(row, persons, count string) func(conformance.Request) conformance.Answer {
	return func(r conformance.Request) conformance.Answer {
		u, err := url.Parse(r.URL)
		if err != nil {
			return conformance.Answer{Status: 400}
		}
		body := persons
		switch {
		case strings.HasSuffix(u.Path, "/deletion_status/"):
			body = `{"results":[` + strings.ReplaceAll(row, "PERSON", u.Query().Get("person_uuid")) + `],"next":null}`
		case strings.HasSuffix(u.Path, "/query/"):
			body = count
		}
		return conformance.Answer{Body: strings.ReplaceAll(body, "MACHINE", u.Query().Get("distinct_id"))}
	}
}
