//go:build !notelemetry

package deletions_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotoolbase/telemetry/relay/deletions"
)

func (f *fixture) postFrom(address string, p person) answer {
	f.Helper()
	req := post(body("mytool", p))
	req.RemoteAddr = address
	return f.serve(req)
}

func TestWhoAsksTooOftenIsToldWhenToComeBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, someVendor)
		f.close()
		f.cfg.Limit = deletions.Limit{PerAddress: deletions.Rate{PerSecond: 0.5, Burst: 3}}
		f.open()
		for n := range 3 {
			if a := f.postFrom("192.0.2.1:1000", somebody(n)); a.Status != http.StatusAccepted {
				t.Fatalf("request %d got %+v", n, a)
			}
		}
		a := f.postFrom("192.0.2.1:2000", somebody(3))
		if a.Status != http.StatusTooManyRequests || a.Error != "rate_limited" || a.header.Get("Retry-After") != "3" {
			t.Errorf("got %+v, Retry-After %q; want 429 and 2 s, rounded up", a, a.header.Get("Retry-After"))
		}
		if a := f.postFrom("192.0.2.2:1000", somebody(3)); a.Status != http.StatusAccepted {
			t.Errorf("somebody else got %+v", a)
		}
		after, err := strconv.Atoi(a.header.Get("Retry-After"))
		if err != nil {
			t.Fatal(err)
		}
		f.pass(time.Duration(after) * time.Second)
		if a := f.postFrom("192.0.2.1:3000", somebody(4)); a.Status != http.StatusAccepted {
			t.Errorf("after the wait: got %+v", a)
		}
	})
}

// 1000 forged requests from as many networks: the limit for all is not charged for them.
func TestForgedRequestsUseUpNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, someVendor)
		f.close()
		f.cfg.Limit = deletions.Limit{Global: deletions.Rate{PerSecond: 1, Burst: 10}, PerAddress: deletions.Rate{PerSecond: 1, Burst: 1}}
		f.open()
		forged := body("mytool", person{somebody(1).key, somebody(2).id})
		for n := range 1000 {
			req := post(forged)
			req.RemoteAddr = fmt.Sprintf("[2001:db8:%x::1]:4711", n)
			if a := f.serve(req); a.Status != http.StatusForbidden {
				t.Fatalf("got %+v", a)
			}
		}
		for n := range 10 {
			req := post(body("mytool", somebody(n)))
			req.RemoteAddr = fmt.Sprintf("[2001:db8:%x::1]:4711", n)
			if a := f.serve(req); a.Status != http.StatusAccepted {
				t.Errorf("honest request %d got %+v", n, a)
			}
		}
	})
}

func TestLookingIsCheaperThanAsking(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, someVendor)
		f.close()
		f.cfg.Limit = deletions.Limit{PerAddress: deletions.Rate{PerSecond: 1, Burst: 2}}
		f.open()
		a := f.mustPost(somebody(1))
		looks := 0
		for f.get(a.ID).Status == http.StatusOK {
			looks++
		}
		if looks < 9 || looks > 10 {
			t.Errorf("%d looks in the place of a request, want 10", looks)
		}
	})
}

func TestAllTogetherAreLimited(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, someVendor)
		f.close()
		f.cfg.Limit = deletions.Limit{Global: deletions.Rate{PerSecond: 1, Burst: 10}}
		f.open()
		taken := 0
		for n := range 100 {
			if f.postFrom(fmt.Sprintf("192.0.2.%d:1000", n), somebody(n)).Status == http.StatusAccepted {
				taken++
			}
		}
		if taken != 11 {
			t.Errorf("%d requests of a network were taken, want 10 and its first", taken)
		}
	})
}

// Somebody makes valid pairs of key and ID, from ever other addresses of their networks.
func TestWhoComesOnceIsTakenWhileOthersComeAgainAndAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, someVendor)
		f.close()
		f.cfg.Limit = deletions.Limit{Global: deletions.Rate{PerSecond: 1, Burst: 100}}
		f.open()
		refused, honest := 0, 0
		for n := range 2000 {
			if a := f.postFrom(fmt.Sprintf("[2001:db8:%x:%x::1]:4711", n%10, n), somebody(n)); a.Status == http.StatusTooManyRequests {
				refused++
			}
			if n%50 == 49 {
				if a := f.postFrom(fmt.Sprintf("198.51.%d.7:4711", n/50), somebody(1_000_000+n)); a.Status == http.StatusAccepted {
					honest++
				}
			}
		}
		// One in some fifty shares a cell with another, and is refused for it.
		if honest < 34 || refused < 1800 {
			t.Errorf("%d of 40 honest requests were taken, and %d others refused", honest, refused)
		}
	})
}

// Whoever has one network must not exhaust what all share.
func TestOneAddressDoesNotUseUpWhatIsForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := deletions.NewLimiter(deletions.Limit{PerAddress: deletions.Rate{PerSecond: 1, Burst: 5}, Global: deletions.Rate{PerSecond: 1, Burst: 10}})
		for range 1000 {
			l.Take("192.0.2.1")
		}
		taken := 0
		for n := range 1000 {
			if l.Take(fmt.Sprint("somebody else ", n)) {
				taken++
			}
		}
		// Some of a thousand share a cell with one of those, and count as coming again.
		const first, again = 9, 6
		if taken < first || taken > first+again {
			t.Errorf("%d others were let in, want the 10 of those who come once, but for the first of the one, and at most %d besides", taken, again)
		}
	})
}

func TestTheLimitTakesNoMemoryForAnAddress(t *testing.T) {
	l := deletions.NewLimiter(deletions.Limit{})
	addresses := make([]string, 100_000)
	for i := range addresses {
		addresses[i] = fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
	}
	if n := testing.AllocsPerRun(1, func() {
		for _, a := range addresses {
			l.Take(a)
		}
	}); n > 100 { // what else runs in the process allocates now and then
		t.Errorf("%v allocations for %d addresses", n, len(addresses))
	}
}
