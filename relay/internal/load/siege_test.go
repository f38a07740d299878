//go:build linux && !notelemetry

package load

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// siege is how honest people fare while others do what they can.
type siege struct {
	what           string
	hostile, taken float64 // requests a second, and of them those that were taken
	honest         int     // deletion requests, and as many posts of events
	atOnce         int     // of both, taken at the first attempt
	all            int     // taken in the end
	p50, p99       time.Duration
	memory         int64
}

// forgedRate is how many forged requests a second come.
const forgedRate = 1000

// measureSiege runs a gateway behind a proxy that is believed, with the limits that it has
// without any in its file, while honest people come from networks of their own.
func measureSiege(t *testing.T, w *world, each time.Duration) (all []siege) {
	r := start(t, "proxies: [127.0.0.0/8]\ndatabase: sqlite:data/relay.db\ntools: {mytool: {destinations: [{backend: store}], deletions: [{vendor: store}]}}\n", nil)
	transport := &http.Transport{MaxIdleConnsPerHost: 32, MaxConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	var networks atomic.Int64
	for _, kind := range []struct {
		what string
		// hostile makes the nth request of somebody hostile and its address; nil is nobody.
		hostile func(n int64) (from, body string)
		paced   bool
	}{
		{"nobody else", nil, false},
		{"1000 forged requests a second, each from another network", func(n int64) (string, string) {
			p, other := w.person(), w.person()
			return fmt.Sprintf("2001:db8:%x:%x::1", n>>12&0xffff, n&0xffff), person{other.key, p.id}.demand()
		}, true},
		{"valid pairs of key and ID as fast as they are answered, from 256 networks with 65 536 addresses each", func(n int64) (string, string) {
			return fmt.Sprintf("2001:dead:%x:%x::1", n%256, n/256&0xffff), w.person().demand()
		}, false},
	} {
		s := siege{what: kind.what}
		ctx, cancel := context.WithTimeout(t.Context(), each)
		var sent, taken atomic.Int64
		var hostile sync.WaitGroup
		if kind.hostile != nil {
			first := time.Now()
			for range 8 {
				hostile.Go(func() {
					for ctx.Err() == nil {
						n := sent.Add(1)
						if kind.paced {
							time.Sleep(time.Until(first.Add(time.Duration(n) * time.Second / forgedRate)))
						}
						from, body := kind.hostile(n)
						if status := ask(transport, r.url+"/v1/deletions", from, body); status == http.StatusAccepted {
							taken.Add(1)
						}
					}
				})
			}
		}
		began := time.Now()
		times := honest(ctx, t, w, transport, r.url, &networks, &s)
		cancel()
		hostile.Wait()
		took := time.Since(began).Seconds()
		s.hostile, s.taken = float64(sent.Load())/took, float64(taken.Load())/took
		slices.Sort(times)
		s.p50, s.p99 = times[len(times)/2], times[len(times)*99/100]
		s.memory, _ = r.memory()
		t.Logf("%+v", s)
		if s.all < 2*s.honest {
			t.Errorf("with %s, %d of %d honest requests were taken", kind.what, s.all, 2*s.honest)
		}
		all = append(all, s)
	}
	return all
}

// honest has people come, ten a second, each from a network of their own: who asks for an
// deletion, and who sends events. Who is sent away comes again, as tools do.
func honest(ctx context.Context, t *testing.T, w *world, transport http.RoundTripper, url string, networks *atomic.Int64, s *siege) (times []time.Duration) {
	var mu sync.Mutex
	var people sync.WaitGroup
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	try := func(path, from, body string, want int) {
		for attempt := range 20 {
			at := time.Now()
			status := ask(transport, url+path, from, body)
			took := time.Since(at)
			if status == want {
				mu.Lock()
				defer mu.Unlock()
				times = append(times, took)
				s.all++
				if attempt == 0 {
					s.atOnce++
				}
				return
			}
			time.Sleep(500 * time.Millisecond) // a tool waits longer
		}
	}
	for {
		select {
		case <-ctx.Done():
			people.Wait()
			return times
		case <-tick.C:
		}
		s.honest++
		n := networks.Add(1)
		from := fmt.Sprintf("100.%d.%d.7", 64+n/256%64, n%256)
		people.Go(func() { try("/v1/deletions", from, w.person().demand(), http.StatusAccepted) })
		people.Go(func() {
			try("/v1/events", from, string(driver.AppendJSONArray(nil, w.batch(2))), http.StatusNoContent)
		})
	}
}

// ask posts as if from an address, and returns the status, 0 if there is none.
func ask(transport http.RoundTripper, url, from, body string) (status int) {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Forwarded-For", from)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
