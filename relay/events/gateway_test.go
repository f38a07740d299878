//go:build !notelemetry

package events_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/events"
)

func TestWhatAToolPostsIsAcceptedWhenTheVendorHasIt(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	var mu sync.Mutex
	var told []string
	g := serve(t, events.Config{Accepted: func(tool string, list []driver.Event) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, ids(list)...)
	}}, v.destination(t, "vendor"))
	for _, n := range []int{1, 3, 200} { // the last is packed
		sent := batch(n)
		if err := g.client().Send(t.Context(), sent); err != nil {
			t.Fatal(err)
		}
		for _, e := range sent {
			if got := v.events[e.ID]; string(got.AppendJSON(nil)) != string(e.AppendJSON(nil)) {
				t.Errorf("the vendor has %s, want %s", got.AppendJSON(nil), e.AppendJSON(nil))
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if got := v.got(); !slices.Equal(told, got) || len(got) != 204 {
		t.Errorf("told of %d events, the vendor has %d", len(told), len(got))
	}
	g.mustHave(`telemetry_relay_events_total{tool="mytool",outcome="accepted"} 204`)
}

func TestEventsOfManyClientsShareRequestsAndEachGetsTheVerdictOfItsOwn(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	v.set(func(w http.ResponseWriter, batch []driver.Event) bool {
		var bad []string
		for _, e := range batch {
			if e.Name == "bad" {
				bad = append(bad, e.ID)
			} else {
				v.take(e)
			}
		}
		if len(bad) == 0 {
			return false
		}
		fmt.Fprintf(w, `{"rejected":["%s"]}`, strings.Join(bad, `","`))
		return true
	})
	g := serve(t, events.Config{}, v.destination(t, "vendor"))
	const clients = 100
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() {
			sent := batch(3)
			if n%4 == 0 {
				sent[1].Name = "bad"
			}
			err := g.client().Send(t.Context(), sent)
			p := partial(err)
			switch {
			case n%4 != 0 && err != nil:
				t.Errorf("client %d got %v for good events", n, err)
			case n%4 == 0 && (p == nil || !slices.Equal(p.Rejected, []string{sent[1].ID}) || !slices.Equal(p.Accepted, []string{sent[0].ID, sent[2].ID})):
				t.Errorf("client %d got %v", n, err)
			}
		})
	}
	wg.Wait()
	if got := v.asked(); got > clients/2 {
		t.Errorf("%d requests for %d clients: nothing is joined", got, clients)
	}
}

func TestAVendorThatAsksToWaitMakesTheToolWait(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	v.set(func(w http.ResponseWriter, _ []driver.Event) bool {
		w.Header().Set("Retry-After", "77")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	g := serve(t, events.Config{}, v.destination(t, "vendor"))
	for range 3 {
		err := g.client().Send(t.Context(), batch(2))
		if driver.Classify(err) != driver.ClassThrottled || driver.Wait(err) < 75*time.Second || driver.Wait(err) > 100*time.Second {
			t.Errorf("got %v, %v, want a wait of 77 s", err, driver.Wait(err))
		}
	}
	if n := v.asked(); n != 1 {
		t.Errorf("the vendor was asked %d times before the wait was over", n)
	}
	if n := number(t, g.db, `SELECT COUNT(*) FROM events_waiting`); n != 0 {
		t.Errorf("%d events are stored here, want them on the machines that have them", n)
	}
	if n := strings.Count(g.log.String(), "takes no events"); n != 1 {
		t.Errorf("the log says so %d times:\n%s", n, g.log)
	}
}

func TestABatchThatIsTooLargeComesInHalves(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	v.set(func(w http.ResponseWriter, batch []driver.Event) bool {
		if len(batch) > 10 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return true
		}
		return false
	})
	g := serve(t, events.Config{}, v.destination(t, "vendor"))
	sent := batch(100)
	if err := g.client().Send(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	if got := v.got(); !slices.Equal(got, ids(sent)) {
		t.Errorf("the vendor has %d of 100 events", len(got))
	}
}

// One event spoils a batch, and the vendor does not say which.
func TestTheOneEventThatSpoilsABatchIsFoundAndRefusedAlone(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge} {
		v := newVendor(t)
		v.set(func(w http.ResponseWriter, batch []driver.Event) bool {
			spoilt := slices.ContainsFunc(batch, func(e driver.Event) bool { return e.Name == "bad" })
			if spoilt {
				w.WriteHeader(status)
			}
			return spoilt
		})
		g := serve(t, events.Config{}, v.destination(t, "vendor"))
		sent := batch(50)
		sent[33].Name = "bad"
		p := partial(g.client().Send(t.Context(), sent))
		if p == nil || !slices.Equal(p.Rejected, []string{sent[33].ID}) || len(p.Accepted) != 49 {
			t.Errorf("%d: got %+v", status, p)
		}
	}
}

// Something on the way that refuses whatever is sent says nothing about any event.
func TestARefusalOfEverythingLosesNothingAndIsNotTriedForEver(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	v.set(func(w http.ResponseWriter, _ []driver.Event) bool {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return true
	})
	g := serve(t, events.Config{}, v.destination(t, "vendor"))
	err := g.client().Send(t.Context(), batch(300))
	if class := driver.Classify(err); class != driver.ClassThrottled {
		t.Errorf("got %v (%v), want the batch to be kept", err, class)
	}
	if n := v.asked(); n > 30 {
		t.Errorf("%d requests", n)
	}
}

func TestWhatTheVendorNeverTakesIsRejected(t *testing.T) {
	t.Parallel()
	g := serve(t, events.Config{}, standIn("vendor", func(context.Context, []driver.Event) error {
		return driver.Permanent(errVendor)
	}))
	sent := batch(3)
	p := partial(g.client().Send(t.Context(), sent))
	if p == nil || !slices.Equal(p.Rejected, ids(sent)) || len(p.Accepted) > 0 {
		t.Errorf("got %+v", p)
	}
}

func TestAClientThatGoesAwayLosesNothingAndItsEventsGoNowhereTwice(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	hold, arrived := make(chan struct{}), make(chan struct{}, 8)
	v.set(func(http.ResponseWriter, []driver.Event) bool {
		arrived <- struct{}{}
		<-hold
		return false
	})
	g := serve(t, events.Config{}, v.destination(t, "vendor"))
	sent := batch(5)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() { gone <- g.client().Send(ctx, sent) }()
	<-arrived
	cancel()
	if err := <-gone; driver.Classify(err) != driver.ClassUnknown {
		t.Fatalf("got %v", err)
	}
	close(hold)
	soon(t, "what it sent is settled", func() bool {
		return strings.Contains(g.metrics(), `telemetry_relay_events_total{tool="mytool",outcome="accepted"} 5`)
	})
	if err := g.client().Send(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	if got := v.got(); !slices.Equal(got, ids(sent)) {
		t.Errorf("the vendor has %q, want each once", got)
	}
}

func TestAConnectionThatBreaksInTheBodyLeavesNothing(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	g := serve(t, events.Config{}, v.destination(t, "vendor"))
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(g.url, "http://"), events.Path))
	if err != nil {
		t.Fatal(err)
	}
	body := driver.AppendJSONArray(nil, batch(2))
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", events.Path, len(body), body[:len(body)/2])
	conn.Close()
	soon(t, "it is noticed", func() bool {
		return strings.Contains(g.metrics(), `telemetry_relay_events_requests_total{outcome="incomplete"} 1`)
	})
	if n := v.asked(); n != 0 {
		t.Errorf("%d requests to the vendor", n)
	}
	if !strings.Contains(g.metrics(), "telemetry_relay_events_memory_bytes 0\n") {
		t.Error("its memory is not given back")
	}
}

func TestABackendThatPanicsFailsItsBatchAlone(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var taken []string
	g := serve(t, events.Config{}, standIn("vendor", func(_ context.Context, list []driver.Event) error {
		if list[0].Name == "bad" {
			panic("c4n4ry " + list[0].ID)
		}
		mu.Lock()
		defer mu.Unlock()
		taken = append(taken, ids(list)...)
		return nil
	}))
	bad := batch(1)
	bad[0].Name = "bad"
	if err := g.client().Send(t.Context(), bad); driver.Classify(err) != driver.ClassThrottled {
		t.Errorf("got %v, want it to be kept", err)
	}
	good := batch(2)
	if err := g.client().Send(t.Context(), good); err != nil {
		t.Error(err)
	}
	if !slices.Equal(taken, ids(good)) {
		t.Errorf("got %q", taken)
	}
	if strings.Contains(g.log.String(), "c4n4ry") {
		t.Errorf("the log repeats what it panicked with:\n%s", g.log)
	}
}

func TestAToolThatIsNotConfiguredKeepsItsEvents(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	g := serve(t, events.Config{}, v.destination(t, "vendor"))
	sent := batch(3)
	sent[1].Tool = "c4n4ry"
	err := g.client().Send(t.Context(), sent)
	p := partial(err)
	if p == nil || !slices.Equal(p.Accepted, []string{sent[0].ID, sent[2].ID}) || len(p.Rejected) > 0 || p.Wait != time.Hour {
		t.Errorf("got %+v", p)
	}
	if strings.Contains(g.metrics(), "c4n4ry") {
		t.Error("a stranger's text is a label")
	}
}

// A vendor keeps people apart only up to so many events a minute of each.
func TestOneMachineDoesNotSendMoreThanItsVendorTakes(t *testing.T) {
	t.Parallel()
	d := standIn("vendor", func(context.Context, []driver.Event) error { return nil })
	d.Driver.Limits.PerMinute = 100
	g := serve(t, events.Config{}, d)
	sent := batch(80)
	p := partial(g.client().Send(t.Context(), sent))
	if p == nil || len(p.Accepted) < 50 || len(p.Accepted) > 52 || len(p.Rejected) > 0 || p.Wait <= 0 {
		t.Fatalf("got %+v, want half of what a minute has room for, and a wait", p)
	}
	other := batch(1)
	other[0].MachineID = machine(2)
	if err := g.client().Send(t.Context(), other); err != nil {
		t.Errorf("another machine: %v", err)
	}
}

func TestADestinationThatIsAwayIsLeftAloneAndThenTriedOnce(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	v.set(away)
	g := serve(t, events.Config{}, v.destination(t, "vendor"))
	for range 20 {
		if err := g.client().Send(t.Context(), batch(1)); driver.Classify(err) != driver.ClassThrottled {
			t.Fatalf("got %v", err)
		}
	}
	if n := v.asked(); n != 3 {
		t.Errorf("asked %d times, want 3", n)
	}
	v.set(nil)
	soon(t, "it is back", func() bool { return g.client().Send(t.Context(), batch(1)) == nil })
	if !strings.Contains(g.log.String(), "takes events again") {
		t.Errorf("the log does not say so:\n%s", g.log)
	}
}

var errVendor = fmt.Errorf("the vendor says no")

// standIn is a destination that is a function.
func standIn(name string, send sender) events.Destination {
	return events.Destination{Name: name, Driver: driver.Driver{Name: name}, Backend: send}
}

type sender func(context.Context, []driver.Event) error

func (s sender) Send(ctx context.Context, list []driver.Event) error { return s(ctx, list) }
func (sender) Close() error                                          { return nil }
