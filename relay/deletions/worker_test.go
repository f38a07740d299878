//go:build !notelemetry

package deletions_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/deletions"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// bubble runs a test on a clock that moves when the test does.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

func TestAVendorIsAskedAfterTheQuietPeriodAndFollowedUntilItHasDeleted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{status: func(n int, r deletion.Receipt) (deletion.Receipt, error) {
			if n == 3 {
				r.State = deletion.Verified
			}
			return r, nil
		}}
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
		f.run()
		p := somebody(1)
		a := f.mustPost(p)
		f.pass(day - time.Second)
		if asked, _ := v.counts(); asked != 0 {
			t.Fatal("a vendor was asked in the quiet period")
		}
		f.pass(time.Second + time.Millisecond)
		if len(v.asked) != 1 {
			t.Fatalf("asked %d times after the quiet period, want 1", len(v.asked))
		}
		if got, want := v.asked[0], (deletion.Request{Tool: "mytool", MachineID: p.id, RequestedAt: noon}); got != want {
			t.Errorf("the vendor was asked %+v, want %+v", got, want)
		}
		f.wantState(a.ID, deletion.Acknowledged)
		f.pass(4 * day)
		f.wantState(a.ID, deletion.Verified)
		f.pass(10 * day)
		if asked, looked := v.counts(); asked != 1 || looked != 3 {
			t.Errorf("asked %d times and looked %d times, want 1 and 3", asked, looked)
		}
		last := v.times[0]
		for i, at := range v.looks {
			if wait := at.Sub(last); wait < 6*time.Hour || wait > day+time.Second {
				t.Errorf("follow-up %d came after %v, want 6 to 24 hours", i, wait)
			}
			last = at
		}
		e := f.only()
		if want := []string{"received", "asking", "answered", "checked"}; !slices.Equal(events(e), want) {
			t.Errorf("the ledger has %v, want %v", events(e), want)
		}
		verified := noon.Add(v.looks[2].Sub(f.began))
		if e.State != deletion.Verified || e.VerifiedAt.Sub(verified).Abs() > time.Second || !e.NextAttempt.IsZero() ||
			e.MachineID != p.id || e.ID != a.ID || !e.ReceivedAt.Equal(noon) || e.Vendors[0].Receipt.ID != "vendor-"+p.id[:8] {
			t.Errorf("the ledger has %+v", e)
		}
		if told := f.get(a.ID); !told.VerifiedAt.Equal(e.VerifiedAt) {
			t.Errorf("the person is told %v, the ledger has %v", told.VerifiedAt, e.VerifiedAt)
		}
	})
}

func TestARepeatedRequestGetsItsReceiptAndAsksNobodyAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{}
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
		f.run()
		first := f.mustPost(somebody(1))
		repeat := func(when string, want deletion.State) {
			t.Helper()
			a := f.post(somebody(1))
			if a.Status != http.StatusOK || a.ID != first.ID || a.State != want || !a.RequestedAt.Equal(first.RequestedAt) {
				t.Errorf("%s: got %+v, want 200, the first receipt and %s", when, a, want)
			}
		}
		repeat("at once", deletion.Acknowledged)
		f.pass(day + time.Minute)
		repeat("after the vendor was asked", deletion.Acknowledged)
		f.restart()
		repeat("after a restart", deletion.Acknowledged)
		f.pass(12 * day)
		if asked, looked := v.counts(); asked != 1 || looked != 1 {
			t.Errorf("asked %d times and looked %d times, want 1 and 1", asked, looked)
		}
		if e := f.only(); len(e.Steps) != 4 {
			t.Errorf("the ledger has the steps %v", events(e))
		}
	})
}

func TestADeletionIsVerifiedWhenAllItsVendorsAre(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := &vendor{status: func(n int, r deletion.Receipt) (deletion.Receipt, error) {
			if n > 10 {
				r.State = deletion.Verified
			}
			return r, nil
		}}
		f := newFixture(t, deletions.Vendor{Name: "quick", Requestor: follower{&vendor{}}}, deletions.Vendor{Name: "slow", Requestor: follower{slow}})
		f.run()
		a := f.mustPost(somebody(1))
		f.pass(4 * day)
		f.wantState(a.ID, deletion.Acknowledged)
		if e := f.only(); e.Vendors[0].State != deletion.Verified || e.Vendors[1].State != deletion.Acknowledged || e.NextAttempt.IsZero() {
			t.Errorf("the ledger has %+v", e)
		}
		f.pass(12 * day)
		f.wantState(a.ID, deletion.Verified)
	})
}

func TestAVendorThatNeverConfirmsLeavesTheDeletionAcknowledged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{delete: func(int, deletion.Request) (deletion.Receipt, error) {
			return deletion.Receipt{State: deletion.Delivered}, nil
		}}
		f := newFixture(t, deletions.Vendor{Name: "mailbox", Requestor: v})
		f.run()
		a := f.mustPost(somebody(1))
		f.wantMetric(`telemetry_relay_oldest_unverified_seconds{tool="mytool"} 0`)
		f.pass(day / 2)
		f.wantMetric(`telemetry_relay_oldest_unverified_seconds{tool="mytool"} 43200`)
		f.pass(10 * day)
		f.restart()
		f.pass(10 * day)
		f.wantState(a.ID, deletion.Acknowledged)
		f.wantMetric(`telemetry_relay_oldest_unverified_seconds{tool="mytool"} 0`)
		f.wantMetric(`telemetry_relay_deletions{tool="mytool",state="acknowledged"} 1`)
		e := f.only()
		if asked, _ := v.counts(); asked != 1 || !e.NextAttempt.IsZero() || e.Vendors[0].State != deletion.Delivered {
			t.Errorf("asked %d times; the ledger has %+v", asked, e)
		}
	})
}

func TestARefusalNeedsAPersonWhoCanHaveItTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var refuse atomic.Bool
		refuse.Store(true)
		v := &vendor{}
		v.delete = func(_ int, req deletion.Request) (deletion.Receipt, error) {
			if refuse.Load() {
				return deletion.Receipt{}, driver.Permanent(errors.New("the profile has other IDs"))
			}
			return deletion.Receipt{State: deletion.Verified}, nil
		}
		f := newFixture(t, deletions.Vendor{Name: "strict", Requestor: v}, deletions.Vendor{Name: "other", Requestor: follower{&vendor{}}})
		f.run()
		a := f.mustPost(somebody(1))
		f.pass(day + time.Minute)
		f.wantState(a.ID, deletion.Refused)
		f.wantMetric(`telemetry_relay_needs_person{tool="mytool",vendor="strict"} 1`)
		f.wantMetric(`telemetry_relay_deletions{tool="mytool",state="refused"} 1`)
		f.pass(10 * day)
		f.restart()
		f.pass(10 * day)
		if asked, _ := v.counts(); asked != 1 {
			t.Errorf("asked %d times, want 1: nothing has changed", asked)
		}
		if e := f.only(); !e.NeedsPerson() || e.Vendors[0].Problem != "the profile has other IDs" || e.Vendors[1].State != deletion.Verified {
			t.Errorf("the ledger has %+v", e)
		}
		if again := f.post(somebody(1)); again.State != deletion.Refused || again.ID != a.ID {
			t.Errorf("a repeat got %+v", again)
		}

		refuse.Store(false)
		f.act(func(l *deletions.Ledger) error { return l.Retry(a.ID) })
		f.pass(lookEvery + time.Minute)
		f.wantState(a.ID, deletion.Verified)
		f.wantMetric(`telemetry_relay_needs_person{tool="mytool",vendor="strict"} 0`)
		f.wantMetric(`telemetry_relay_deletions{tool="mytool",state="refused"} 0`)
		f.wantMetric(`telemetry_relay_deletions{tool="mytool",state="verified"} 1`)
		if asked, _ := v.counts(); asked != 2 {
			t.Errorf("asked %d times, want 2", asked)
		}
		// And what is not refused is not taken up.
		f.look(func(l *deletions.Ledger) {
			if err := l.Retry(a.ID); !errors.Is(err, deletions.ErrNothingLeft) {
				t.Errorf("got %v, want ErrNothingLeft", err)
			}
			if err := l.Retry(strings.Repeat("0f", 16)); !errors.Is(err, deletions.ErrUnknown) {
				t.Errorf("got %v, want ErrUnknown", err)
			}
		})
		f.restart()
		f.pass(day)
		if asked, _ := v.counts(); asked != 2 {
			t.Errorf("asked %d times, want 2: it is deleted", asked)
		}
	})
}

func TestWhatAVendorLeavesToAPersonIsNotVerified(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{delete: func(int, deletion.Request) (deletion.Receipt, error) {
			return deletion.Receipt{State: deletion.Manual, Detail: "Use the web page.", URL: "https://vendor.example/delete"}, nil
		}}
		f := newFixture(t, deletions.Vendor{Name: "byhand", Requestor: follower{v}})
		f.run()
		a := f.mustPost(somebody(1))
		f.pass(12 * day)
		f.wantState(a.ID, deletion.Acknowledged)
		e := f.only()
		if asked, looked := v.counts(); asked != 1 || looked != 0 || !e.NeedsPerson() || e.Vendors[0].Problem != "Use the web page." {
			t.Errorf("asked %d times, looked %d times; the ledger has %+v", asked, looked, e)
		}
	})
}

func TestAVendorThatSaysWhenIsLeftAloneUntilThen(t *testing.T) {
	for name, c := range map[string]struct{ says, waits time.Duration }{
		"hours":   {3 * time.Hour, 3 * time.Hour},
		"a month": {30 * day, day},
		"no time": {time.Millisecond, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				v := &vendor{}
				v.delete = func(n int, _ deletion.Request) (deletion.Receipt, error) {
					if n == 1 {
						return deletion.Receipt{}, driver.Throttled(errors.New("quota"), c.says)
					}
					return deletion.Receipt{State: deletion.Verified}, nil
				}
				f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: v})
				f.run()
				a := f.mustPost(somebody(1))
				f.pass(time.Second)
				b := f.mustPost(somebody(2)) // whom the vendor has not seen yet
				f.pass(day - time.Second + time.Millisecond)
				if e := f.deletions()[0]; e.NextAttempt.Sub(f.now().Add(c.waits)).Abs() > time.Second {
					t.Errorf("the next attempt is to be at %v, want %v from %v", e.NextAttempt, c.waits, f.now())
				}
				f.pass(c.waits - time.Second)
				if asked, _ := v.counts(); asked != 1 {
					t.Errorf("asked %d times before the vendor wanted, want 1", asked)
				}
				f.pass(2 * time.Second)
				f.wantState(a.ID, deletion.Verified)
				f.wantState(b.ID, deletion.Verified)
				f.wantMetric(`telemetry_relay_vendor_attempts_total{tool="mytool",vendor="vendor",call="delete",outcome="throttled"} 1`)
			})
		})
	}
}

func TestFailuresAreTriedAgainMoreAndMoreSeldom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{}
		v.delete = func(n int, _ deletion.Request) (deletion.Receipt, error) {
			switch {
			case n == 3:
				panic("a requestor's mistake")
			case n <= 20:
				return deletion.Receipt{}, errors.New("connection reset")
			}
			return deletion.Receipt{State: deletion.Verified}, nil
		}
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: v})
		f.run()
		a := f.mustPost(somebody(1))
		f.pass(12 * day)
		f.wantState(a.ID, deletion.Verified)
		if len(v.times) != 21 {
			t.Fatalf("asked %d times, want 21", len(v.times))
		}
		for i := range 20 {
			least := min(time.Minute<<i, 4*time.Hour)
			if gap := v.times[i+1].Sub(v.times[i]); gap < least || gap > least*3/2+time.Second {
				t.Errorf("after failure %d: %v, want %v to half as much again", i+1, gap, least)
			}
		}
		e := f.only()
		if e.Vendors[0].Attempts != 21 || e.Vendors[0].Problem != "" || e.Steps[6].Detail != "the requestor panicked" {
			t.Errorf("the ledger has %+v", e)
		}
	})
}

func TestALostReceiptIsAskedForAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{status: func(n int, r deletion.Receipt) (deletion.Receipt, error) {
			if n <= 2 {
				return deletion.Receipt{}, fmt.Errorf("vendor: %w", deletion.ErrUnknownReceipt)
			}
			r.State = deletion.Verified
			return r, nil
		}}
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
		f.run()
		a := f.mustPost(somebody(1))
		f.pass(10 * day)
		f.wantState(a.ID, deletion.Verified)
		if asked, looked := v.counts(); asked != 3 || looked != 3 {
			t.Errorf("asked %d times, looked %d times, want 3 and 3", asked, looked)
		}
		if e := f.only(); e.Vendors[0].Lost != 2 || e.Vendors[0].Attempts != 3 {
			t.Errorf("the ledger has %+v", e.Vendors[0])
		}
		for _, req := range v.asked[1:] {
			if req != v.asked[0] {
				t.Errorf("asked %+v, then %+v", v.asked[0], req)
			}
		}
	})
}

func TestAVendorThatLosesEveryReceiptIsLeftToAPerson(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{status: func(int, deletion.Receipt) (deletion.Receipt, error) {
			return deletion.Receipt{}, deletion.ErrUnknownReceipt
		}}
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
		f.run()
		a := f.mustPost(somebody(1))
		f.pass(6 * day)
		f.wantState(a.ID, deletion.Refused)
		if asked, _ := v.counts(); asked != 10 {
			t.Errorf("asked %d times, want 10", asked)
		}
	})
}

func TestAFollowUpThatFailsChangesNothingAndIsWrittenDownOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{status: func(n int, r deletion.Receipt) (deletion.Receipt, error) {
			switch {
			case n == 5:
				return deletion.Receipt{}, driver.Throttled(errors.New("quota"), 48*time.Hour)
			case n < 10:
				return deletion.Receipt{}, driver.Permanent(errors.New("key expired"))
			case n < 12:
				return r, nil
			}
			r.State = deletion.Verified
			return r, nil
		}}
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
		f.run()
		a := f.mustPost(somebody(1))
		f.pass(3 * day)
		f.wantState(a.ID, deletion.Acknowledged)
		f.pass(14 * day)
		f.wantState(a.ID, deletion.Verified)
		want := []string{"received", "asking", "answered", "failed", "failed", "failed", "checked", "checked"}
		if e := f.only(); !slices.Equal(events(e), want) {
			t.Errorf("the ledger has %v, want %v", events(e), want)
		}
	})
}

func TestOneCallIsBoundedInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{hang: func(ctx context.Context) { <-ctx.Done() }}
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: v})
		f.run()
		f.mustPost(somebody(1))
		f.pass(day + 2*time.Minute + time.Second)
		e := f.only()
		if len(e.Steps) != 3 || e.Steps[2].Event != "failed" {
			t.Errorf("the ledger has %+v", e.Steps)
		}
	})
}

func TestAVendorThatHangsHoldsUpNoOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hangs, works := &vendor{hang: func(ctx context.Context) { <-ctx.Done() }}, &vendor{}
		f := newFixture(t, deletions.Vendor{Name: "hangs", Requestor: hangs}, deletions.Vendor{Name: "works", Requestor: works})
		f.run()
		const people = 50
		for n := range people {
			f.mustPost(somebody(n))
		}
		f.pass(day + time.Second)
		if asked, _ := works.counts(); asked != people {
			t.Errorf("%d of %d were asked of the vendor that works", asked, people)
		}
		if hangs.most != 4 || works.most > 4 {
			t.Errorf("at most %d and %d calls at once, want 4 at most", hangs.most, works.most)
		}
		if err := f.stop(); err == nil {
			t.Error("calls that hang were not told of")
		}
		f.stop = func() error { return nil }
	})
}

func TestDeletionsAreAskedForInTheOrderInWhichTheyCame(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{hang: func(context.Context) { time.Sleep(time.Second) }}
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: v})
		f.run()
		var want []string
		for n := range 40 {
			f.mustPost(somebody(n))
			want = append(want, somebody(n).id)
		}
		f.pass(day + time.Minute)
		if len(v.asked) != 40 {
			t.Fatalf("%d asked for, want 40", len(v.asked))
		}
		for i := range want {
			// Four run at once, and may overtake one another.
			near := want[max(i-3, 0):min(i+4, 40)]
			if !slices.Contains(near, v.asked[i].MachineID) {
				t.Errorf("place %d was given to somebody from farther behind", i)
			}
		}
	})
}

func TestRunLetsItsCallsEndWithinAGrace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{hang: func(context.Context) { time.Sleep(15 * time.Second) }}
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
		f.run()
		f.mustPost(somebody(1))
		f.pass(day + time.Second)
		began := time.Now()
		f.close()
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("it took %v", took)
		}
		if e := f.only(); e.Vendors[0].State != deletion.Acknowledged {
			t.Errorf("the answer of the last call is not in the ledger: %+v", e)
		}
		f.open()
	})
}

func TestACallThatOutlastsTheGraceIsCutOffAndMadeAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{hang: func(ctx context.Context) { <-ctx.Done() }}
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
		f.run()
		a := f.mustPost(somebody(1))
		f.pass(day + time.Second)
		began := time.Now()
		err := f.stop()
		if took := time.Since(began); err == nil || took > 23*time.Second {
			t.Errorf("after %v: %v; want an error about the call, after 20 s", took, err)
		}
		f.stop = func() error { return nil }
		if e := f.only(); !slices.Equal(events(e), []string{"received", "asking"}) {
			t.Errorf("the ledger has %v", events(e))
		}
		v.hang = nil
		f.restart()
		f.pass(time.Second)
		if asked, _ := v.counts(); asked != 2 || v.asked[0] != v.asked[1] {
			t.Errorf("asked %v; want the same twice", v.asked)
		}
		f.pass(2 * day)
		f.wantState(a.ID, deletion.Verified)
	})
}

func TestOnlyOneRunWorksAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: &vendor{}})
		f.run()
		synctest.Wait()
		if err := f.relay.Run(t.Context()); err == nil {
			t.Error("a second run began")
		}
	})
}

func TestASecondRunGoesOnWhereTheFirstStopped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{}
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
		f.run()
		a := f.mustPost(somebody(1))
		f.pass(time.Hour)
		if err := f.stop(); err != nil {
			t.Error(err)
		}
		b := f.mustPost(somebody(2)) // while nobody works
		f.run()
		f.pass(3 * day)
		f.wantState(a.ID, deletion.Verified)
		f.wantState(b.ID, deletion.Verified)
		if asked, looked := v.counts(); asked != 2 || looked != 2 {
			t.Errorf("asked %d times, looked %d times, want 2 and 2", asked, looked)
		}
	})
}

func TestAVendorThatIsNotConfiguredAnyMoreIsWaitedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{}
		vendors := []deletions.Vendor{{Name: "vendor", Requestor: follower{v}}, {Name: "other", Requestor: follower{&vendor{}}}}
		f := newFixture(t, vendors...)
		f.run()
		a := f.mustPost(somebody(1))
		f.close()
		f.cfg.Tools["mytool"] = vendors[1:]
		f.open()
		f.run()
		f.pass(5 * day)
		f.wantState(a.ID, deletion.Acknowledged)
		e := f.only()
		if e.Vendors[1].State != deletion.Verified || e.Vendors[0].Attempts != 0 || len(e.Steps) > 5 {
			t.Errorf("the ledger has %+v", e)
		}
		if n := strings.Count(f.log.String(), "not configured any more"); n != 1 {
			t.Errorf("it was told %d times, want once", n)
		}
		f.close()
		f.cfg.Tools["mytool"] = vendors
		f.open()
		f.run()
		f.pass(time.Second)
		if asked, _ := v.counts(); asked != 1 {
			t.Errorf("asked %d times, want 1", asked)
		}
		f.pass(2 * day)
		f.wantState(a.ID, deletion.Verified)
	})
}

func TestAReceiptThatIsTooLargeIsAFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{delete: func(n int, _ deletion.Request) (deletion.Receipt, error) {
			if n == 1 {
				return deletion.Receipt{State: deletion.Acknowledged, ID: strings.Repeat("x", 1<<20)}, nil
			}
			return deletion.Receipt{State: deletion.Verified, Detail: strings.Repeat("\x1b[31m", 1<<10)}, nil
		}}
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: v})
		f.run()
		a := f.mustPost(somebody(1))
		f.pass(day + 2*time.Minute)
		f.wantState(a.ID, deletion.Verified)
		e := f.only()
		if detail := e.Vendors[0].Receipt.Detail; e.Steps[2].Event != "failed" || len(detail) > 310 || strings.Contains(detail, "\x1b") {
			t.Errorf("the ledger has %+v", e)
		}
	})
}

// A vendor's parts come back to its Status as it gave them.
func TestAVendorGetsItsReceiptBackAfterARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		given := deletion.Receipt{
			State: deletion.Acknowledged, ID: "a", Detail: "in hand", URL: "https://vendor.example", CancelUntil: noon.Add(3 * day).Add(1),
			MachineID: somebody(1).id, At: noon.Add(123456789),
			Parts: []deletion.Receipt{{State: deletion.Verified, ID: "b"}, {State: deletion.Delivered, ID: "c", Parts: []deletion.Receipt{{ID: "d"}}}},
		}
		v := &vendor{delete: func(int, deletion.Request) (deletion.Receipt, error) { return given, nil }}
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
		f.run()
		f.mustPost(somebody(1))
		f.pass(day + time.Minute)
		f.restart()
		f.pass(day)
		if len(v.looked) != 1 || fmt.Sprint(v.looked[0]) != fmt.Sprint(given) {
			t.Errorf("got back\n%v, want\n%v", v.looked, given)
		}
		if e := f.only(); fmt.Sprint(e.Vendors[0].Receipt.Parts) != fmt.Sprint(given.Parts) {
			t.Errorf("the ledger has %+v", e.Vendors[0].Receipt)
		}
	})
}

func TestARestartGoesOnWhereItWas(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{}
		v.delete = func(n int, _ deletion.Request) (deletion.Receipt, error) {
			if n == 1 {
				return deletion.Receipt{}, driver.Throttled(errors.New("quota"), 10*time.Hour)
			}
			return deletion.Receipt{State: deletion.Acknowledged}, nil
		}
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
		f.run()
		a := f.mustPost(somebody(1))
		f.pass(20 * time.Hour)
		f.restart() // in the quiet period
		f.pass(4*time.Hour + time.Second)
		if asked, _ := v.counts(); asked != 1 {
			t.Errorf("asked %d times, want 1", asked)
		}
		f.restart() // while the vendor wants to be left alone, which a start ends: see TestWhatWasRepairedIsTriedAtOnce
		f.pass(2 * time.Minute)
		if asked, _ := v.counts(); asked != 2 {
			t.Errorf("asked %d times, want 2", asked)
		}
		f.restart() // before the first follow-up
		f.pass(6*time.Hour - 3*time.Minute)
		if asked, looked := v.counts(); asked != 2 || looked != 0 {
			t.Errorf("asked %d times, looked %d times, want 2 and 0", asked, looked)
		}
		f.pass(day)
		f.wantState(a.ID, deletion.Verified)
		for _, req := range v.asked {
			if !req.RequestedAt.Equal(noon) {
				t.Errorf("asked with the time %v, want that of the request", req.RequestedAt)
			}
		}
	})
}

func TestSettingTheClockShortensNoWait(t *testing.T) {
	for name, jump := range map[string]time.Duration{"a year forward": year, "a year back": -year, "ten years back": -10 * year, "an hour": time.Hour} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				v := &vendor{}
				f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
				f.run()
				a := f.mustPost(somebody(1))
				f.pass(time.Hour)
				f.off.Store(int64(jump))
				f.mustPost(somebody(2)) // a line with the new time
				f.pass(day - time.Hour - time.Second)
				if asked, _ := v.counts(); asked != 0 {
					t.Error("a vendor was asked in the quiet period")
				}
				f.pass(2 * time.Second)
				if asked, _ := v.counts(); asked != 1 {
					t.Errorf("asked %d times after the quiet period, want 1", asked)
				}
				if jump.Abs() > time.Hour != strings.Contains(f.log.String(), "clock was set") {
					t.Errorf("the log has\n%s", f.log)
				}
				f.off.Store(int64(0))
				f.pass(2 * day)
				f.wantState(a.ID, deletion.Verified)
			})
		})
	}
}

func TestAClockThatIsWrongAtAStartShortensAWaitByHalfAtMost(t *testing.T) {
	for name, end := range map[string]func(*fixture){"a stop": (*fixture).close, "a crash": (*fixture).crash} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				v := &vendor{}
				f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
				f.run()
				f.mustPost(somebody(1))
				end(f)
				f.off.Store(int64(year))
				f.open()
				f.run()
				f.pass(day/2 - time.Second)
				if asked, _ := v.counts(); asked != 0 {
					t.Error("a vendor was asked in the first half of the quiet period")
				}
				f.pass(2 * time.Second)
				if asked, _ := v.counts(); asked != 1 {
					t.Errorf("asked %d times, want 1", asked)
				}
			})
		})
	}
}

func TestAClockThatIsPutBackBeforeAStartShortensNoWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{}
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
		f.run()
		f.mustPost(somebody(1))
		f.close()
		f.off.Store(int64(-year))
		f.open()
		f.run()
		f.pass(day - time.Second)
		if asked, _ := v.counts(); asked != 0 {
			t.Error("a vendor was asked in the quiet period")
		}
		f.pass(2 * time.Second)
		if asked, _ := v.counts(); asked != 1 {
			t.Errorf("asked %d times, want 1", asked)
		}
	})
}

func TestRestartsDoNotMakeAWaitLonger(t *testing.T) {
	for name, c := range map[string]struct {
		every time.Duration
		end   func(f *fixture)
		by    time.Duration
	}{
		"every ten minutes":         {10 * time.Minute, (*fixture).close, 0},
		"every 20 hours":            {20 * time.Hour, (*fixture).close, 0},
		"crashes every ten minutes": {10 * time.Minute, (*fixture).crash, 0},
		"crashes every 11 hours":    {11 * time.Hour, (*fixture).crash, 0},
		"crashes every 23 hours":    {23 * time.Hour, (*fixture).crash, 11 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				v := &vendor{}
				f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
				f.run()
				f.mustPost(somebody(1))
				for range (day - time.Second) / c.every {
					f.pass(c.every)
					c.end(f)
					f.open()
					f.run()
				}
				f.pass(c.every)
				f.pass(time.Second)
				if asked, _ := v.counts(); asked != 1 {
					t.Fatalf("asked %d times, want 1", asked)
				}
				if waited := v.times[0].Sub(f.began); waited < day || waited > day+c.by+time.Second {
					t.Errorf("asked after %v, want a day and %v", waited, c.by)
				}
			})
		})
	}
}

func TestVendorsGetATimeThatSparesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		before, received, asked time.Duration // how far the clock is off then
		want                    time.Time
	}{
		"a clock that is right":                   {0, 0, 0, noon.Add(time.Hour)},
		"one that was years behind for a moment":  {0, -5 * year, 0, noon},
		"one that was a year ahead for a moment":  {0, year, 0, noon.Add(time.Hour).Add(day)},
		"one that was a year ahead some time ago": {year, 0, 0, noon.Add(time.Hour).Add(day)},
		"one that is not set any more":            {0, 0, -40 * year, noon.Add(time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				v := &vendor{}
				f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
				f.run()
				f.off.Store(int64(c.before))
				f.mustPost(somebody(1))
				f.pass(time.Hour)
				f.off.Store(int64(c.received))
				f.mustPost(somebody(2))
				f.off.Store(int64(c.asked))
				f.pass(day + time.Second)
				i := slices.IndexFunc(v.asked, func(r deletion.Request) bool { return r.MachineID == somebody(2).id })
				if i < 0 {
					t.Fatalf("nothing was asked for: %v", v.asked)
				}
				if got := v.asked[i].RequestedAt; got.Sub(c.want).Abs() > time.Second {
					t.Errorf("got %v, want %v", got, c.want)
				}
			})
		})
	}
}
