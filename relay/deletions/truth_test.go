//go:build !notelemetry

package deletions_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/store"
)

// counter is a vendor that stores events, deletes those of a machine, and can count them.
type counter struct {
	follower
	mu     sync.Mutex
	stored map[string]int64
	broken error // of counting
	counts int
}

func newCounter() *counter {
	return &counter{follower: follower{&vendor{}}, stored: map[string]int64{}}
}

func (c *counter) set(id string, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stored[id] = n
}

// fail has counting fail, until it is called with nil.
func (c *counter) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = err
}

func (c *counter) Status(ctx context.Context, r deletion.Receipt) (deletion.Receipt, error) {
	c.set(r.MachineID, 0)
	return c.follower.Status(ctx, r)
}

func (c *counter) Count(_ context.Context, id string) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts++
	return c.stored[id], c.broken
}

// canary is a machine of the operator's.
var canary = somebody(7_000_000)

func (c *counter) vendor() deletions.Vendor {
	c.set(canary.id, 3)
	return deletions.Vendor{Name: "vendor", Requestor: c, Canary: canary.id}
}

// Who restores a copy of an installation sends under an ID that was deleted.
func TestAnIDThatComesBackAfterItsDeletionIsDeletedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCounter()
		f := newFixture(t, c.vendor())
		f.run()
		first := f.mustPost(somebody(1))
		f.pass(3 * day)
		f.wantState(first.ID, deletion.Verified)
		c.set(somebody(1).id, 3)
		second := f.mustPost(somebody(1))
		if second.ID == first.ID {
			t.Fatal("the second request got the receipt of the first")
		}
		f.wantState(second.ID, deletion.Acknowledged)
		f.wantState(first.ID, deletion.Verified)
		f.pass(3 * day)
		f.wantState(second.ID, deletion.Verified)
		if asked, _ := c.follower.counts(); asked != 2 {
			t.Errorf("asked %d times, want 2", asked)
		}
	})
}

func TestWhatSaysThatItHasDeletedIsCountedFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCounter()
		c.status = func(n int, r deletion.Receipt) (deletion.Receipt, error) {
			if n == 1 {
				c.set(r.MachineID, 2) // some are left, whatever it says
			}
			r.State = deletion.Verified
			return r, nil
		}
		f := newFixture(t, c.vendor())
		f.run()
		a := f.mustPost(somebody(1))
		f.pass(day + 12*time.Hour)
		f.wantState(a.ID, deletion.Acknowledged)
		if e := f.only(); e.Vendors[0].Lost != 1 || !strings.Contains(e.Vendors[0].Problem, "counts 2 events") {
			t.Errorf("the ledger has %+v", e)
		}
		f.pass(3 * day)
		f.wantState(a.ID, deletion.Verified)
		if asked, _ := c.follower.counts(); asked != 2 {
			t.Errorf("asked %d times, want 2", asked)
		}
	})
}

func TestAWeekAfterItWasVerifiedItIsCountedOnceMore(t *testing.T) {
	for name, c := range map[string]struct {
		late  int64
		steps []string
	}{
		"and nothing is there":          {0, []string{"received", "asking", "answered", "checked", "confirmed"}},
		"and what came in late is told": {2, []string{"received", "asking", "answered", "checked", "reopened", "asking", "answered", "checked", "confirmed"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				v := newCounter()
				f := newFixture(t, v.vendor())
				f.run()
				a := f.mustPost(somebody(1))
				f.pass(3 * day)
				f.wantState(a.ID, deletion.Verified)
				v.set(somebody(1).id, c.late)
				f.pass(5 * day)
				f.wantState(a.ID, deletion.Verified)
				f.pass(12 * day)
				f.pass(12 * day)
				f.wantState(a.ID, deletion.Verified)
				if e := f.only(); !slices.Equal(events(e), c.steps) || !e.NextAttempt.IsZero() || !e.Vendors[0].NextAttempt.IsZero() {
					t.Errorf("the ledger has %v, want %v; %+v", events(e), c.steps, e)
				}
				if told := strings.Contains(f.log.String(), "is there again"); told != (c.late > 0) {
					t.Errorf("the log has\n%s", f.log)
				}
			})
		})
	}
}

func TestWithoutACanaryNothingIsCalledVerified(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCounter()
		v := c.vendor()
		v.Canary = ""
		f := newFixture(t, v)
		if !strings.Contains(f.log.String(), "no canary is set") {
			t.Errorf("the log has\n%s", f.log)
		}
		f.run()
		a := f.mustPost(somebody(1))
		f.pass(5 * day)
		f.wantState(a.ID, deletion.Acknowledged)
		if e := f.only(); !strings.Contains(e.Vendors[0].Problem, "not believed until the canary is found") {
			t.Errorf("the ledger has %+v", e)
		}
		f.wantMetric(`telemetry_relay_canary_found{tool="mytool",vendor="vendor"} 0`)

		// The operator names one.
		f.close()
		f.cfg.Tools["mytool"] = []deletions.Vendor{c.vendor()}
		f.open()
		f.run()
		f.pass(2 * day)
		f.wantState(a.ID, deletion.Verified)
		f.wantMetric(`telemetry_relay_canary_found{tool="mytool",vendor="vendor"} 1`)
		f.wantMetric(`telemetry_relay_needs_person{tool="mytool",vendor="vendor"} 0`)
	})
}

// As with the key of another project, in which nobody is found.
func TestUntilTheCanaryIsFoundNothingIsCalledVerified(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCounter()
		v := c.vendor()
		c.set(canary.id, 0)
		f := newFixture(t, v)
		f.run()
		a := f.mustPost(somebody(1))
		f.pass(3 * day)
		f.wantState(a.ID, deletion.Acknowledged)
		if n := strings.Count(f.log.String(), "nothing is called verified until the canary is found"); n < 3 || n > 4 {
			t.Errorf("it was told %d times in three days, want once a day\n%s", n, f.log)
		}
		if strings.Contains(f.log.String(), canary.id) {
			t.Error("the log names the canary")
		}
		c.set(canary.id, 1)
		f.pass(2 * day)
		f.wantState(a.ID, deletion.Verified)
	})
}

// A gateway that is started while a vendor is away knows a day later no more than at the start
// if it asks once a day.
func TestACanaryIsLookedUpAgainSoonWhereTheVendorWasAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCounter()
		v := c.vendor()
		c.fail(errors.New("no usable answer"))
		f := newFixture(t, v)
		f.run()
		f.pass(time.Hour)
		f.wantMetric(`telemetry_relay_canary_found{tool="mytool",vendor="vendor"} 0`)
		c.fail(nil)
		f.pass(12 * time.Hour)
		f.wantMetric(`telemetry_relay_canary_found{tool="mytool",vendor="vendor"} 1`)
	})
}

func TestWhatIsTheRelaysOwnNeedsNoCanary(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCounter()
		f := newFixture(t, deletions.Vendor{Name: "store", Requestor: c, Own: true})
		f.run()
		a := f.mustPost(somebody(1))
		f.pass(2 * day)
		f.wantState(a.ID, deletion.Verified)
	})
}

func TestWhatIsDoneByHandIsNotVerified(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{delete: func(int, deletion.Request) (deletion.Receipt, error) {
			return deletion.Receipt{}, driver.Permanent(errors.New("other IDs"))
		}}
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
		f.run()
		a := f.mustPost(somebody(1))
		f.pass(2 * day)
		f.wantState(a.ID, deletion.Refused)
		f.look(func(l *deletions.Ledger) {
			if err := l.Done(a.ID, "", "deleted it"); !errors.Is(err, deletions.ErrNobody) {
				t.Errorf("done by nobody: %v", err)
			}
			if err := l.Done(a.ID, "alice", ""); !errors.Is(err, deletions.ErrNobody) {
				t.Errorf("done in no way: %v", err)
			}
		})
		f.act(func(l *deletions.Ledger) error { return l.Done(a.ID, "alice", "deleted it at the vendor") })
		if told := f.get(a.ID); told.State != deletion.Acknowledged || !strings.Contains(told.Detail, "say that they have deleted the data by hand") || !told.VerifiedAt.IsZero() {
			t.Errorf("the person is told %+v", told)
		}
		e := f.only()
		if last := e.Steps[len(e.Steps)-1]; e.State != deletions.Done || e.Open || last.By != "alice" || last.Why != "deleted it at the vendor" {
			t.Errorf("the ledger has %+v", e)
		}
		f.wantMetric(`telemetry_relay_needs_person{tool="mytool",vendor="vendor"} 0`)
		f.wantMetric(`telemetry_relay_deletions{tool="mytool",state="done"} 1`)
		f.pass(5 * day)
		if asked, _ := v.counts(); asked != 1 {
			t.Errorf("asked %d times, want 1", asked)
		}
	})
}

func TestARequestWithoutAProofNeedsSomebodyWhoVouches(t *testing.T) {
	t.Parallel()
	f := newFixture(t, someVendor)
	who := somebody(1)
	for _, c := range []struct {
		demand deletions.Demand
		want   error
	}{
		{deletions.Demand{Tool: "mytool", MachineID: who.id}, deletions.ErrNobody},
		{deletions.Demand{Tool: "mytool", MachineID: who.id, By: "alice"}, deletions.ErrNobody},
		{deletions.Demand{Tool: "mytool", MachineID: who.id, DeletionKey: somebody(2).key, By: "alice", Why: "letter"}, deletions.ErrProof},
		{deletions.Demand{Tool: "theirtool", MachineID: who.id, By: "alice", Why: "letter"}, deletions.ErrUnknownTool},
		{deletions.Demand{Tool: "mytool", MachineID: "alice", By: "alice", Why: "letter"}, deletion.ErrInvalidID},
	} {
		if _, err := f.relay.Request(t.Context(), c.demand); !errors.Is(err, c.want) {
			t.Errorf("%+v: got %v, want %v", c.demand, err, c.want)
		}
	}
	told, err := f.relay.Request(t.Context(), deletions.Demand{Tool: "mytool", MachineID: who.id, By: "alice", Why: "letter of 3 May"})
	if err != nil || !told.New || told.State != deletion.Acknowledged || !told.DueAt.Equal(told.ReceivedAt.Add(30*day)) {
		t.Errorf("got %+v, %v", told, err)
	}
	if first := f.only().Steps[0]; first.By != "alice" || first.Why != "letter of 3 May" || first.Detail != "" {
		t.Errorf("the ledger has %+v", first)
	}
}

func TestARequestIsTakenBackUntilAVendorIsAsked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{}
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
		f.run()
		early, late := f.mustAsk(somebody(1), "OpenDSR"), f.mustAsk(somebody(2), "OpenDSR")
		if err := f.relay.Cancel([]string{early.ID}, "OpenDSR", "the controller took it back"); err != nil {
			t.Error(err)
		}
		if told, err := f.relay.Receipt(t.Context(), early.ID); err != nil || told.Own != deletions.Cancelled {
			t.Errorf("got %+v, %v", told, err)
		}
		deleted, err := f.ledger.Deleted(t.Context(), "mytool", []string{somebody(1).id, somebody(2).id, somebody(3).id})
		if err != nil || len(deleted) != 1 || !deleted[somebody(2).id] {
			t.Errorf("deleted are %v (%v), want the second", deleted, err)
		}
		f.pass(2 * day)
		if asked, _ := v.counts(); asked != 1 || v.asked[0].MachineID != somebody(2).id {
			t.Errorf("asked for %v", v.asked)
		}
		next := f.mustAsk(somebody(3), "OpenDSR")
		if err := f.relay.Cancel([]string{next.ID, late.ID}, "OpenDSR", "too late"); !errors.Is(err, deletions.ErrTooLate) {
			t.Errorf("got %v, want ErrTooLate", err)
		}
		if told, err := f.relay.Receipt(t.Context(), next.ID); err != nil || told.Own == deletions.Cancelled {
			t.Errorf("of two that go together one was taken back: %+v, %v", told, err)
		}
		if err := f.relay.Cancel([]string{strings.Repeat("0f", 16)}, "OpenDSR", "nobody's"); !errors.Is(err, deletions.ErrUnknown) {
			t.Errorf("got %v, want ErrUnknown", err)
		}
		if deleted, err := f.ledger.Deleted(t.Context(), "theirtool", []string{somebody(2).id}); err != nil || len(deleted) != 0 {
			t.Errorf("of another tool deleted are %v (%v)", deleted, err)
		}
	})
}

// mustAsk takes a request that somebody vouches for.
func (f *fixture) mustAsk(p person, by string) deletions.Receipt {
	f.Helper()
	told, err := f.relay.Request(f.Context(), deletions.Demand{Tool: "mytool", MachineID: p.id, By: by, Why: "a letter"})
	if err != nil {
		f.Fatal(err)
	}
	return told
}

// A controller that asked first must not end what the person asked for next.
func TestWhatOthersAskedForTooIsNotTakenBack(t *testing.T) {
	f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: &vendor{}})
	proven, shared, own := somebody(1), somebody(2), somebody(3)
	first := f.mustAsk(proven, "a controller")
	for range 3 { // a tool asks until it has an answer
		if a := f.post(proven); a.Status != http.StatusOK || a.ID != first.ID {
			t.Fatalf("got %+v, want the receipt of the one that is under way", a)
		}
	}
	second := f.mustAsk(shared, "a controller")
	f.mustAsk(shared, "alice")
	third := f.mustAsk(own, "a controller")
	f.mustAsk(own, "a controller")
	for _, c := range []struct {
		id, by string
		want   error
	}{
		{first.ID, "a controller", deletions.ErrOthers},
		{second.ID, "a controller", deletions.ErrOthers},
		{second.ID, "alice", deletions.ErrOthers},
		{third.ID, "another controller", deletions.ErrOthers},
		{f.mustPost(somebody(4)).ID, "", deletions.ErrNobody},
		{third.ID, "a controller", nil},
	} {
		if err := f.relay.Cancel([]string{c.id}, c.by, "it was taken back"); !errors.Is(err, c.want) {
			t.Errorf("%s takes %s back: %v, want %v", c.by, c.id, err, c.want)
		}
	}
	for _, e := range f.deletions() {
		want := map[string][]string{
			first.ID: {"received", "joined"}, second.ID: {"received", "joined"}, third.ID: {"received", "cancelled"},
		}[e.ID]
		if want != nil && !slices.Equal(events(e), want) {
			t.Errorf("the steps of %s are %v, want %v", e.MachineID, events(e), want)
		}
		if e.ID == first.ID && e.Steps[1].Detail != "the proof was verified" || e.ID == second.ID && e.Steps[1].By != "alice" {
			t.Errorf("the evidence has %+v", e.Steps[1])
		}
	}
}

func TestAWeekBeforeTheMonthIsOverItIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{status: func(_ int, r deletion.Receipt) (deletion.Receipt, error) { return r, nil }}
		f := newFixture(t, deletions.Vendor{Name: "slow", Requestor: follower{v}})
		f.run()
		f.mustPost(somebody(1))
		f.pass(22 * day)
		if strings.Contains(f.log.String(), "within a week") {
			t.Errorf("it was told early:\n%s", f.log)
		}
		f.wantMetric("telemetry_relay_due_within_a_week 0")
		f.pass(2 * day)
		if !strings.Contains(f.log.String(), `msg="deletions have to be done within a week" deletions=1 overdue=0`) {
			t.Errorf("the log has\n%s", f.log)
		}
		f.wantMetric("telemetry_relay_due_within_a_week 1")
		f.wantMetric("telemetry_relay_overdue 0")
		f.pass(8 * day)
		f.wantMetric("telemetry_relay_overdue 1")
		if !strings.Contains(f.log.String(), "overdue=1") {
			t.Errorf("the log has\n%s", f.log)
		}
	})
}

func TestWhateverIsChangedInTheEvidenceIsFound(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{&vendor{}}})
		f.run()
		for n := range 3 {
			f.mustPost(somebody(n))
		}
		f.pass(3 * day)
		f.mustPost(somebody(4)) // which is still to be done
		f.close()
		head := ""
		f.look(func(l *deletions.Ledger) {
			a, err := l.Verify(t.Context())
			if err != nil || a.Damaged > 0 || a.Lines != 13 || a.Deletions != 4 {
				t.Fatalf("before anything is changed: %+v, %v", a, err)
			}
			head = a.Head
		})
		for _, change := range []string{
			`UPDATE deletion_steps SET line = REPLACE(line, 'checked', 'checket') WHERE seq = (SELECT MIN(seq) FROM deletion_steps WHERE line LIKE '%checked%')`,
			`UPDATE deletion_steps SET line = line || ' ' WHERE seq = 5`,
			`UPDATE deletion_steps SET line = REPLACE(line, '"acknowledged"', '"verified"') WHERE seq = (SELECT MIN(seq) FROM deletion_steps WHERE line LIKE '%"acknowledged"%')`,
			`DELETE FROM deletion_steps WHERE seq = 13`,
			`DELETE FROM deletion_steps WHERE seq = 1`,
			`DELETE FROM deletion_steps WHERE seq BETWEEN 4 AND 6`,
			`UPDATE deletion_steps SET seq = 14 WHERE seq = 6`,
			`INSERT INTO deletion_steps (seq, deletion, line) SELECT 14, deletion, line FROM deletion_steps WHERE seq = 13`,
			`UPDATE deletions SET state = 'refused' WHERE number = 2`,
			`UPDATE deletions SET machine_id = '00000000000000000000000000000000' WHERE number = 2`,
			`UPDATE deletions SET due = due + 86400000 WHERE number = 2`,
			`UPDATE deletion_vendors SET attempts = 7 WHERE deletion = 2`,
			`UPDATE deletion_vendors SET state = 'acknowledged' WHERE deletion = 3`,
			`DELETE FROM deletion_vendors WHERE deletion = 3`,
			`UPDATE deletion_head SET seq = 11`,
			`INSERT INTO deletions SELECT 99, 'f0' || SUBSTR(id, 3), tool, machine_id, state, claimed, received, bound, due, verified, quiet,
				is_open, is_waiting FROM deletions WHERE number = 3`,
			`INSERT INTO deletions SELECT -1, 'f0' || SUBSTR(id, 3), tool, machine_id, state, claimed, received, bound, due, verified, quiet,
				is_open, is_waiting FROM deletions WHERE number = 3`,
			`UPDATE deletion_steps SET deletion = 0 WHERE seq = 7`,
			`UPDATE deletion_steps SET deletion = 99 WHERE seq = 7`,
			`UPDATE deletion_steps SET deletion = 2 WHERE seq = 1`,
			`UPDATE deletions SET is_open = 1 WHERE number = 2`,
			`UPDATE deletions SET is_open = 0 WHERE number = 13`,
			`UPDATE deletions SET is_waiting = 0 WHERE number = 13`,
			`UPDATE deletion_vendors SET todo = 0 WHERE deletion = 13`,
			`UPDATE deletion_vendors SET todo = 0, turn = 0, next = 0 WHERE deletion = 13`,
			`UPDATE deletion_vendors SET todo = 2 WHERE deletion = 13`,
			`UPDATE deletion_vendors SET next = 0 WHERE deletion = 13`,
			`UPDATE deletion_vendors SET next = next + 864000000 WHERE deletion = 13`,
			`UPDATE deletion_vendors SET tool = 'theirtool' WHERE deletion = 13`,
			`UPDATE deletion_vendors SET vendor = 'nobody' WHERE deletion = 13`,
			`UPDATE deletion_vendors SET problem = 'none' WHERE deletion = 2`,
			`UPDATE deletion_lanes SET hold = 9000000000000000`,
			`UPDATE deletion_totals SET n = n + 1 WHERE state = 'verified'`,
			`DELETE FROM deletion_totals WHERE state = 'acknowledged'`,
			`UPDATE deletion_head SET hash = '` + strings.Repeat("0", 64) + `'`,
			`UPDATE deletion_head SET at = 100000000000000000`,
			`UPDATE deletion_head SET at = at + 31536000000`,
			`UPDATE deletion_head SET at = at - 1`,
			`UPDATE deletion_head SET clock = clock - 34560000000`,
			`UPDATE deletion_head SET clock = clock - 1`,
			`UPDATE deletion_head SET clock = clock + 691200000`,
			`UPDATE deletion_vendors SET position = position + 7`,
			`UPDATE deletion_vendors SET position = position + 7 WHERE deletion = 13`,
		} {
			f.look(func(l *deletions.Ledger) {
				db, err := store.Open(t.Context(), f.url, deletions.Schema())
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				undo := errors.New("undo")
				err = db.Write(t.Context(), func(tx *store.Tx) error {
					if n, err := tx.Exec(t.Context(), change); err != nil || n == 0 {
						t.Fatalf("%s: %d rows, %v", change, n, err)
					}
					a, err := deletions.VerifyIn(t.Context(), tx)
					if err != nil || a.Damaged == 0 {
						t.Errorf("%s is not found: %+v, %v", change, a, err)
					}
					return undo
				})
				if !errors.Is(err, undo) {
					t.Fatal(err)
				}
				if a, err := l.Verify(t.Context()); err != nil || a.Damaged > 0 || a.Head != head {
					t.Errorf("after %s was undone: %+v, %v", change, a, err)
				}
			})
		}
	})
}

// bulk is a vendor that is asked for several machines in one call.
type bulk struct {
	follower
	most  int
	mu    sync.Mutex
	calls []int
}

func (b *bulk) MaxBulk() int { return b.most }

func (b *bulk) RequestDeletions(ctx context.Context, requests []deletion.Request) ([]deletion.Outcome, error) {
	b.mu.Lock()
	b.calls = append(b.calls, len(requests))
	b.mu.Unlock()
	var outcomes []deletion.Outcome
	for _, r := range requests {
		receipt, err := b.RequestDeletion(ctx, r)
		if r.MachineID == somebody(3).id {
			err = driver.Permanent(errors.New("other IDs"))
		}
		outcomes = append(outcomes, deletion.Outcome{Receipt: receipt, Err: err})
	}
	return outcomes, nil
}

func TestWhatIsDueIsAskedForInOneCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &bulk{follower: follower{&vendor{}}, most: 50}
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: v})
		f.run()
		ids := map[string]string{}
		for n := range 120 {
			ids[f.mustPost(somebody(n)).ID] = somebody(n).id
		}
		f.pass(day + time.Minute)
		if len(v.calls) != 3 || slices.Max(v.calls) != 50 {
			t.Errorf("the calls were for %v machines, want three of 50 at most", v.calls)
		}
		f.pass(3 * day)
		for id, machine := range ids {
			want := deletion.Verified
			if machine == somebody(3).id {
				want = deletion.Refused
			}
			f.wantState(id, want)
		}
	})
}

// Somebody in one network makes up pairs of key and ID, and a vendor takes little.
func TestWhoAsksMuchWaitsBehindThemselves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{hang: func(ctx context.Context) { // four a minute
			select {
			case <-ctx.Done():
			case <-time.After(time.Minute):
			}
		}}
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: v})
		f.run()
		from := func(address string, n int) {
			req := post(body("mytool", somebody(n)))
			req.RemoteAddr = address
			if a := f.serve(req); a.Status != http.StatusAccepted {
				t.Fatalf("got %+v", a)
			}
		}
		for n := range 2000 {
			from("192.0.2.1:4711", n)
		}
		const honest = 20
		for n := range honest {
			from(fmt.Sprintf("198.51.%d.1:4711", n), 100_000+n)
		}
		f.pass(day)
		f.pass(15 * time.Minute)
		done := 0
		for _, r := range v.asked {
			for n := range honest {
				if r.MachineID == somebody(100_000+n).id {
					done++
				}
			}
		}
		if done < honest-1 { // one may share the bucket of who asks much
			t.Errorf("%d of %d were asked for within a quarter of an hour after their quiet period, with %d asked in all", done, honest, len(v.asked))
		}
		if err := f.stop(); err == nil {
			t.Error("the vendor is not at work any more, so nothing waited")
		}
		f.stop = func() error { return nil }
	})
}

// As when a process hung for longer than its lease: what it then says is not to be mixed with
// what the other one does.
func TestAnAnswerThatComesAfterTheLeaseIsNotWrittenDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var f *fixture
		var first sync.Once
		v := &vendor{hang: func(ctx context.Context) {
			first.Do(func() {
				if err := f.db.Write(ctx, func(tx *store.Tx) error {
					_, err := tx.Exec(ctx, `UPDATE deletion_vendors SET holder = 'another'`)
					return err
				}); err != nil {
					t.Error(err)
				}
			})
		}}
		f = newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
		f.run()
		f.mustPost(somebody(1))
		f.pass(day + time.Second)
		if e := f.only(); !slices.Equal(events(e), []string{"received", "asking"}) {
			t.Errorf("the ledger has %v", events(e))
		}
		if !strings.Contains(f.log.String(), "came too late") {
			t.Errorf("the log has\n%s", f.log)
		}
		f.pass(10 * time.Minute) // and then it is anybody's
		if e := f.only(); !slices.Equal(events(e), []string{"received", "asking", "asking", "answered"}) {
			t.Errorf("ten minutes later the ledger has %v", events(e))
		}
	})
}

// breaks has every step fail to be written, as on a disk that is full, or no more.
func (f *fixture) breaks(t *testing.T, broken bool) {
	t.Helper()
	statement := `ALTER TABLE deletion_head RENAME TO elsewhere`
	if !broken {
		statement = `ALTER TABLE elsewhere RENAME TO deletion_head`
	}
	if err := f.db.Write(context.Background(), func(tx *store.Tx) error {
		_, err := tx.Exec(context.Background(), statement)
		return err
	}); err != nil {
		t.Error(err)
	}
}

func TestWhileNothingCanBeWrittenNobodyIsAskedAndNoAnswerIsForgotten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var f *fixture
		var first sync.Once
		v := &vendor{hang: func(context.Context) { first.Do(func() { f.breaks(t, true) }) }}
		f = newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
		f.run()
		a := f.mustPost(somebody(1))
		f.pass(12 * time.Hour)
		b := f.mustPost(somebody(2))
		f.pass(12*time.Hour + time.Minute) // the first is asked for, and the answer cannot be written
		f.pass(12 * time.Hour)             // and the second is due
		if asked, _ := v.counts(); asked != 1 {
			t.Errorf("asked %d times, want 1", asked)
		}
		if refused := f.post(somebody(3)); refused.Status != http.StatusServiceUnavailable {
			t.Errorf("a request got %+v", refused)
		}
		if status, _ := f.health(); status != http.StatusServiceUnavailable {
			t.Errorf("health is %d", status)
		}
		f.breaks(t, false)
		f.pass(time.Minute)
		f.wantState(a.ID, deletion.Acknowledged)
		f.pass(3 * day)
		f.wantState(a.ID, deletion.Verified)
		f.wantState(b.ID, deletion.Verified)
		if asked, _ := v.counts(); asked != 2 {
			t.Errorf("asked %d times, want 2: the answer was there", asked)
		}
		if status, _ := f.health(); status != http.StatusOK {
			t.Errorf("health is %d", status)
		}
	})
}

func TestADatabaseThatIsReplacedTakesNoRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, someVendor)
	kept := f.mustPost(somebody(1))
	file, _ := store.File(f.url)
	replace(t, file)
	if a := f.post(somebody(2)); a.Status != http.StatusServiceUnavailable || a.Error != "ledger_unavailable" || a.header.Get("Retry-After") == "" {
		t.Errorf("a request got %+v, want 503", a)
	}
	if a := f.get(kept.ID); a.Status != http.StatusServiceUnavailable {
		t.Errorf("a look got %+v, want 503", a)
	}
	if status, said := f.health(); status != http.StatusServiceUnavailable || !strings.Contains(said, "ledger") {
		t.Errorf("health is %d %s", status, said)
	}
	if !strings.Contains(f.log.String(), "no request is taken") {
		t.Errorf("the log has\n%s", f.log)
	}
	f.wantMetric("telemetry_relay_ledger_writable 0")
}

// A key that was refused holds up all deletions of a vendor. Who has repaired it must not wait for
// the rest of the hour.
func TestWhatWasRepairedIsTriedAtOnce(t *testing.T) {
	for name, repair := range map[string]func(f *fixture, id string){
		"a start": func(f *fixture, _ string) { f.restart() },
		"retry": func(f *fixture, id string) {
			f.act(func(l *deletions.Ledger) error { return l.Retry(id) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var broken atomic.Bool
				broken.Store(true)
				v := &vendor{delete: func(int, deletion.Request) (deletion.Receipt, error) {
					if broken.Load() {
						return deletion.Receipt{}, driver.Throttled(errors.New("the key is refused"), 12*time.Hour)
					}
					return deletion.Receipt{State: deletion.Acknowledged}, nil
				}}
				f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
				f.relay.LookEvery(time.Minute)
				f.run()
				one := f.mustPost(somebody(1))
				f.pass(25 * time.Hour)
				two := f.mustAsk(somebody(2), "alice")
				if asked, _ := v.counts(); asked != 1 {
					t.Fatalf("asked %d times, want 1: it is left alone for 12 hours", asked)
				}
				for _, e := range f.deletions() {
					if s := e.Vendors[0]; s.HeldUntil.Sub(f.now()) < 9*time.Hour || s.NextAttempt.Before(s.HeldUntil) || !s.Failing() {
						t.Errorf("nothing says that it is left alone: %+v", s)
					}
				}
				broken.Store(false)
				repair(f, one.ID)
				f.pass(2 * time.Hour)
				f.wantState(one.ID, deletion.Acknowledged)
				if asked, _ := v.counts(); asked != 2 {
					t.Errorf("asked %d times, want it to be asked again at once", asked)
				}
				for _, e := range f.deletions() {
					if !e.Vendors[0].HeldUntil.IsZero() {
						t.Errorf("it is said to be left alone yet: %+v", e.Vendors[0])
					}
				}
				f.act(func(l *deletions.Ledger) error {
					if err := l.Retry(two.ID); !errors.Is(err, deletions.ErrNothingLeft) {
						t.Errorf("got %v, want ErrNothingLeft", err)
					}
					return nil
				})
			})
		})
	}
}

func TestACanaryThatIsNotThereIsSaidOfItsDeletions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCounter()
		f := newFixture(t, c.vendor())
		c.set(canary.id, 0)
		f.run()
		f.mustPost(somebody(1))
		f.pass(2 * time.Hour)
		if s := f.only().Vendors[0]; !strings.Contains(s.Canary, "the canary is not there") {
			t.Errorf("got %+v", s)
		}
		c.set(canary.id, 1)
		f.pass(2 * day)
		if s := f.only().Vendors[0]; s.Canary != "" {
			t.Errorf("it is there, and the ledger says %q", s.Canary)
		}
	})
}

func TestTheMonthBeginsWhenThePersonAskedWhereSomebodyVouches(t *testing.T) {
	f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: &vendor{}})
	asked := noon.Add(-20 * day)
	told, err := f.relay.Request(t.Context(), deletions.Demand{Tool: "mytool", MachineID: somebody(1).id, RequestedAt: asked, By: "alice", Why: "a letter"})
	if err != nil || !told.DueAt.Equal(asked.Add(30*day)) {
		t.Errorf("due by %v (%v), want a month after the letter", told.DueAt, err)
	}
	told, err = f.relay.Request(t.Context(), deletions.Demand{Tool: "mytool", MachineID: somebody(2).id, RequestedAt: asked, DeletionKey: somebody(2).key})
	if err != nil || !told.DueAt.Equal(told.ReceivedAt.Add(30*day)) {
		t.Errorf("due by %v (%v), want a month after it came in", told.DueAt, err)
	}
	// Of those who ask for the same, the letter that is older says when the month began.
	letter := noon.Add(-28 * day)
	for range 2 {
		told, err = f.relay.Request(t.Context(), deletions.Demand{Tool: "mytool", MachineID: somebody(2).id, RequestedAt: letter, By: "bob", Why: "a letter"})
		if err != nil || told.New || !told.DueAt.Equal(letter.Add(30*day)) {
			t.Errorf("got %+v (%v), want one due a month after the letter", told, err)
		}
	}
	told, err = f.relay.Request(t.Context(), deletions.Demand{Tool: "mytool", MachineID: somebody(2).id, RequestedAt: letter.Add(day), By: "bob", Why: "another letter"})
	if err != nil || !told.DueAt.Equal(letter.Add(30*day)) {
		t.Errorf("a younger letter made it due by %v (%v)", told.DueAt, err)
	}
	list := f.deletions()
	if steps := list[1].Steps; len(steps) != 3 || !steps[1].RequestedAt.Equal(letter) || !list[1].DueAt.Equal(letter.Add(30*day)) {
		t.Errorf("the ledger has %+v, due by %v", steps, list[1].DueAt)
	}
}
