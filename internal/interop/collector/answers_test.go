package collector

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gotoolbase/telemetry/core/driver"
)

// pause is how an exporter behind the receiver says for how long it wants no more.
func pause(t *testing.T, code codes.Code, wait time.Duration) error {
	t.Helper()
	s, err := status.New(code, "not now").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
	if err != nil {
		t.Fatal(err)
	}
	return s.Err()
}

func TestWhatThePipelineSaysIsUnderstood(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pipeline   error
		status     int
		retryAfter string
		class      driver.Class
		wait       time.Duration
	}{
		"a queue is full":                  {errors.New("sending queue is full"), 503, "", driver.ClassUnknown, 0},
		"it cannot be exported ever":       {consumererror.NewPermanent(errors.New("no")), 500, "", driver.ClassTooLarge, 0},
		"it is wrong":                      {status.Error(codes.InvalidArgument, "no"), 400, "", driver.ClassTooLarge, 0},
		"it is unavailable":                {status.Error(codes.Unavailable, "no"), 503, "", driver.ClassUnknown, 0},
		"it is unavailable for 7 s":        {pause(t, codes.Unavailable, 7*time.Second), 503, "7", driver.ClassThrottled, 7 * time.Second},
		"memory is exhausted":              {status.Error(codes.ResourceExhausted, "no"), 429, "", driver.ClassUnknown, 0},
		"memory is exhausted for 3 s":      {pause(t, codes.ResourceExhausted, 3*time.Second), 429, "3", driver.ClassThrottled, 3 * time.Second},
		"the exporter's key is not known":  {status.Error(codes.Unauthenticated, "no"), 401, "", driver.ClassThrottled, time.Hour},
		"the exporter's key is not enough": {status.Error(codes.PermissionDenied, "no"), 403, "", driver.ClassThrottled, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := listen(t)
			b, w := r.open(nil)
			r.let(func(context.Context) error { return c.pipeline })
			err := b.Send(t.Context(), batch(3))
			if x := w.last(t); w.count() != 1 || x.Status != c.status || x.Answered.Get("Retry-After") != c.retryAfter {
				t.Errorf("%d requests, the last answered %d with Retry-After %q; want 1, %d and %q",
					w.count(), x.Status, x.Answered.Get("Retry-After"), c.status, c.retryAfter)
			}
			if class, wait := driver.Classify(err), driver.Wait(err); class != c.class || wait != c.wait {
				t.Errorf("%v is %v with a wait of %v, want %v with %v", err, class, wait, c.class, c.wait)
			}
			if n := r.sink.LogRecordCount(); n != 0 {
				t.Errorf("%d records got past the error", n)
			}

			// The receiver is the same when the trouble is over, and so is the batch.
			r.let(nil)
			mustSend(t, b, batch(3))
			if got := r.uids(); !slices.Equal(got, ids(3)) {
				t.Errorf("after the trouble %v arrived, want each of %v once", got, ids(3))
			}
		})
	}
}

func TestABatchOutlivesARestartOfTheReceiver(t *testing.T) {
	t.Parallel()
	r := listen(t)
	b, w := r.open(nil)
	events := batch(6)
	mustSend(t, b, events[:3])
	addr := r.addr
	r.shutdown()
	for attempt := range 2 { // the first may find a connection that has just died
		err := b.Send(t.Context(), events[3:])
		if class := driver.Classify(err); class != driver.ClassUnknown {
			t.Errorf("attempt %d while the receiver was away: %v is %v, want unknown", attempt, err, class)
		}
		if status := w.last(t).Status; status != 0 {
			t.Errorf("attempt %d while the receiver was away was answered %d", attempt, status)
		}
	}
	r.start()
	if r.addr != addr {
		t.Fatalf("the receiver came back at %s, not at %s", r.addr, addr)
	}
	mustSend(t, b, events[3:])
	if got := r.uids(); !slices.Equal(got, ids(6)) {
		t.Errorf("%v arrived, want each of %v once", got, ids(6))
	}
}

func TestALostAnswerMakesACopyThatIsTheSame(t *testing.T) {
	t.Parallel()
	r := listen(t)
	b, _ := r.open(nil)
	taken, stored := make(chan struct{}), make(chan struct{})
	gone, end := context.WithCancel(t.Context())
	defer end()
	r.let(func(context.Context) error {
		close(taken)
		<-stored
		return nil // stored, but nobody is there for the answer
	})
	go func() { <-taken; end() }()
	err := b.Send(gone, []driver.Event{full(0), plain(1)})
	if driver.Classify(err) != driver.ClassUnknown || !errors.Is(err, context.Canceled) {
		t.Errorf("%v is %v, want unknown and cancelled", err, driver.Classify(err))
	}
	r.let(nil)
	close(stored)
	mustSend(t, b, []driver.Event{full(0), plain(1)})
	// Ends when the first request has been dealt with.
	r.shutdown()
	records := r.records()
	if len(records) != 4 {
		t.Fatalf("%d records, want two copies of two", len(records))
	}
	byID := map[any][]arrived{}
	for _, a := range records {
		a.OfResource = 0
		byID[a.Attributes["log.record.uid"]] = append(byID[a.Attributes["log.record.uid"]], a)
	}
	for _, n := range []int{0, 1} {
		if copies := byID[id(n)]; len(copies) != 2 || !reflect.DeepEqual(copies[0], copies[1]) {
			t.Errorf("of event %d arrived %+v, want two copies that are the same", n, copies)
		}
	}
}

func TestTheReceiverSeesTheHeadersOfTheSettings(t *testing.T) {
	t.Parallel()
	// As a vendor's page shows it, with what has to be escaped.
	const headers = "Authorization=Basic%20aWQ6a2V5,X-Scope-OrgID=team-a"
	allow := func(ctx context.Context, sources map[string][]string) (context.Context, error) {
		h := http.Header(sources)
		if h.Get("Authorization") != "Basic aWQ6a2V5" || h.Get("X-Scope-OrgID") != "team-a" {
			return ctx, errors.New("not you")
		}
		return ctx, nil
	}
	r := listen(t, func(r *receiver) { r.guard = allow })

	b, _ := r.open(map[string]string{"headers": headers})
	mustSend(t, b, batch(2))
	if got := r.uids(); !slices.Equal(got, ids(2)) {
		t.Errorf("with the key %v arrived, want %v", got, ids(2))
	}

	b, w := r.open(map[string]string{"headers": "Authorization=Basic%20d3Jvbmc6a2V5,X-Scope-OrgID=team-a"})
	err := b.Send(t.Context(), batch(1))
	if status := w.last(t).Status; status != 401 {
		t.Errorf("a wrong key was answered %d", status)
	}
	if class, wait := driver.Classify(err), driver.Wait(err); class != driver.ClassThrottled || wait != time.Hour {
		t.Errorf("a wrong key: %v is %v with a wait of %v, want throttled with 1h", err, class, wait)
	}
}

// The Collector answers 400, not 413, to what is above its max_request_body_size.
func TestABatchAboveTheReceiversOwnLimitComesInHalves(t *testing.T) {
	t.Parallel()
	r := listen(t, func(r *receiver) { r.maxBody = 3000 })
	b, w := r.open(nil)
	err := b.Send(t.Context(), batch(50))
	if status, class := w.last(t).Status, driver.Classify(err); status != 400 || class != driver.ClassTooLarge {
		t.Errorf("a batch above the limit was answered %d, and %v is %v; want 400 and too large", status, err, class)
	}
	mustSend(t, b, batch(5))
	if got := r.uids(); !slices.Equal(got, ids(5)) {
		t.Errorf("%v arrived, want the batch below the limit", got)
	}
}
