//go:build !notelemetry

package events_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/events"
	"github.com/gotoolbase/telemetry/relay/store"
)

const waiting = `SELECT COUNT(*) FROM events_waiting`

func whatADestinationMissesIsStoredAndSentLaterInOrder(t *testing.T, db *store.DB) {
	here, gone := newVendor(t), newVendor(t)
	gone.set(away)
	g := serve(t, events.Config{DB: db}, here.destination(t, "here"), gone.destination(t, "gone"))
	var sent []string
	for range 8 {
		list := batch(3)
		if err := g.client().Send(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		sent = append(sent, ids(list)...)
	}
	if n := number(t, g.db, waiting); n != 24 {
		t.Fatalf("%d events are stored, want 24", n)
	}
	g.mustHave(`telemetry_relay_waiting_events{tool="mytool",destination="gone"} 24`)
	g.run()
	gone.set(nil)
	soon(t, "they are sent", func() bool { return number(t, g.db, waiting) == 0 })
	if got := gone.got(); !slices.Equal(got, sent) {
		t.Errorf("got %q, want %q", got, sent)
	}
	if got := here.got(); !slices.Equal(got, sent) {
		t.Errorf("the destination that was there has %d events, want each of %d once", len(got), len(sent))
	}
	g.mustHave(`telemetry_relay_waiting_events{tool="mytool",destination="gone"} 0`)
	g.mustHave(`telemetry_relay_waiting_bytes{tool="mytool",destination="gone"} 0`)
}

// What is stored does not depend on whether the client waits for its answer.
func TestWhatADestinationMissesIsStoredThoughTheClientIsGone(t *testing.T) {
	t.Parallel()
	here, gone := newVendor(t), newVendor(t)
	hold, arrived := make(chan struct{}), make(chan struct{}, 1)
	here.set(func(http.ResponseWriter, []driver.Event) bool {
		arrived <- struct{}{}
		<-hold
		return false
	})
	gone.set(away)
	g := serve(t, events.Config{}, here.destination(t, "here"), gone.destination(t, "gone"))
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { failed <- g.client().Send(ctx, batch(5)) }()
	<-arrived
	cancel()
	if err := <-failed; err == nil {
		t.Fatal("it was accepted")
	}
	soon(t, "the server notices", func() bool { return g.left() })
	close(hold)
	soon(t, "it is stored", func() bool { return number(t, g.db, waiting) == 5 })
}

func TestNothingIsStoredWhereNoDestinationHasIt(t *testing.T) {
	t.Parallel()
	one, two := newVendor(t), newVendor(t)
	one.set(away)
	two.set(away)
	g := serve(t, events.Config{}, one.destination(t, "one"), two.destination(t, "two"))
	if err := g.client().Send(t.Context(), batch(3)); driver.Classify(err) != driver.ClassThrottled {
		t.Errorf("got %v, want the tool to keep them", err)
	}
	if n := number(t, g.db, waiting); n != 0 {
		t.Errorf("%d events are stored", n)
	}
}

func TestWhatOneDestinationRefusesTheOthersGet(t *testing.T) {
	t.Parallel()
	here, gone := newVendor(t), newVendor(t)
	gone.set(away)
	g := serve(t, events.Config{}, here.destination(t, "here"), gone.destination(t, "gone"),
		standIn("refusing", func(context.Context, []driver.Event) error { return driver.Permanent(errVendor) }))
	sent := batch(2)
	p := partial(g.client().Send(t.Context(), sent))
	if p == nil || !slices.Equal(p.Rejected, ids(sent)) {
		t.Errorf("got %+v, want them rejected: not every destination has them", p)
	}
	g.run()
	gone.set(nil)
	soon(t, "the one that was away has them", func() bool { return slices.Equal(gone.got(), ids(sent)) })
}

func theOldestOfWhatWaitsGoesFirstAndIsCounted(t *testing.T, db *store.DB) {
	here, gone := newVendor(t), newVendor(t)
	gone.set(away)
	size := len(batch(1)[0].AppendJSON(nil))
	g := serve(t, events.Config{DB: db, Limits: events.Limits{WaitingBytes: int64(10*size + size/2)}},
		here.destination(t, "here"), gone.destination(t, "gone"))
	var sent []string
	for range 5 {
		list := batch(5)
		if err := g.client().Send(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		sent = append(sent, ids(list)...)
	}
	g.mustHave(`telemetry_relay_waiting_cut_total{tool="mytool",destination="gone",reason="bytes"} 15`)
	many := batch(350) // more than are taken out at once
	if err := g.client().Send(t.Context(), many); err != nil {
		t.Fatal(err)
	}
	sent = append(sent, ids(many)...)
	g.mustHave(`telemetry_relay_waiting_cut_total{tool="mytool",destination="gone",reason="bytes"} 365`)
	g.run()
	gone.set(nil)
	soon(t, "the rest is sent", func() bool { return number(t, g.db, waiting) == 0 })
	if got := gone.got(); !slices.Equal(got, sent[365:]) {
		t.Errorf("got %q, want the last ten", got)
	}
	if text := g.log.String(); !strings.Contains(text, "tool=mytool destination=gone reason=bytes events=365") {
		t.Errorf("nobody is told:\n%s", text)
	}
}

// clock is one that a test moves.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

func whatWaitsTooLongIsDeletedAndCounted(t *testing.T, db *store.DB) {
	here, gone := newVendor(t), newVendor(t)
	gone.set(away)
	c := &clock{}
	g := serve(t, events.Config{DB: db, Now: c.now, Limits: events.Limits{WaitingAge: time.Hour}}, here.destination(t, "here"), gone.destination(t, "gone"))
	for range 3 { // so that it counts as away
		if err := g.client().Send(t.Context(), batch(2)); err != nil {
			t.Fatal(err)
		}
	}
	c.pass(2 * time.Hour)
	g.run()
	soon(t, "it is gone", func() bool { return number(t, g.db, waiting) == 0 })
	g.mustHave(`telemetry_relay_waiting_cut_total{tool="mytool",destination="gone",reason="age"} 6`)
	if got := gone.got(); len(got) > 0 {
		t.Errorf("%d were sent", len(got))
	}
	soon(t, "somebody is told", func() bool {
		return strings.Contains(g.log.String(), "tool=mytool destination=gone reason=age events=6")
	})
}

// As after a reload of a file from which somebody took the destination.
func whatWaitsForADestinationThatIsNotInTheFileIsSaid(t *testing.T, db *store.DB) {
	here, gone := newVendor(t), newVendor(t)
	gone.set(away)
	before := serve(t, events.Config{DB: db}, here.destination(t, "here"), gone.destination(t, "gone"))
	if err := before.client().Send(t.Context(), batch(4)); err != nil {
		t.Fatal(err)
	}
	c := &clock{}
	g := serve(t, events.Config{DB: db, Now: c.now}, here.destination(t, "here"))
	g.run()
	soon(t, "it is said", func() bool {
		return strings.Contains(g.log.String(), "not in the file") && strings.Contains(g.log.String(), "tool=mytool destination=gone events=4")
	})
	c.pass(8 * 24 * time.Hour)
	soon(t, "its loss is said", func() bool {
		return strings.Contains(g.log.String(), "tool=mytool destination=gone reason=age events=4")
	})
}

// deletions says who was deleted.
type deletions struct {
	mu  sync.Mutex
	ids []string
	err error
}

func (e *deletions) deleted(_ context.Context, _ string, machines []string) (map[string]bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := map[string]bool{}
	for _, id := range machines {
		known[id] = slices.Contains(e.ids, id)
	}
	return known, e.err
}

func (e *deletions) add(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ids = append(e.ids, id)
}

func TestAMachineThatWasDeletedIsRefused(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	who := &deletions{}
	g := serve(t, events.Config{Deleted: who.deleted}, v.destination(t, "vendor"))
	who.add(machine(1))
	sent := batch(3)
	sent[1].MachineID = machine(2)
	p := partial(g.client().Send(t.Context(), sent))
	if p == nil || !slices.Equal(p.Rejected, []string{sent[0].ID, sent[2].ID}) || !slices.Equal(p.Accepted, []string{sent[1].ID}) {
		t.Errorf("got %+v", p)
	}
	if got := v.got(); !slices.Equal(got, []string{sent[1].ID}) {
		t.Errorf("the vendor has %q", got)
	}
	g.mustHave(`telemetry_relay_events_findings_total{tool="mytool",kind="deleted"} 2`)
}

// A database that is there and does not answer must not use up the time that a tool waits.
func TestADatabaseThatDoesNotAnswerIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	var left time.Duration
	g := serve(t, events.Config{Deleted: func(ctx context.Context, _ string, _ []string) (map[string]bool, error) {
		until, _ := ctx.Deadline()
		left = time.Until(until)
		return nil, context.DeadlineExceeded
	}}, newVendor(t).destination(t, "vendor"))
	if resp := g.post(driver.AppendJSONArray(nil, batch(1))); resp.StatusCode != 503 {
		t.Errorf("got %d", resp.StatusCode)
	}
	if left > 2*time.Second || left <= 0 {
		t.Errorf("it has %v", left)
	}
}

func TestWhereNobodyKnowsWhoWasDeletedTheToolKeepsItsEvents(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	g := serve(t, events.Config{Deleted: (&deletions{err: store.ErrUnavailable}).deleted}, v.destination(t, "vendor"))
	if err := g.client().Send(t.Context(), batch(1)); driver.Classify(err) != driver.ClassThrottled {
		t.Errorf("got %v", err)
	}
	if n := v.asked(); n != 0 {
		t.Errorf("%d requests to the vendor", n)
	}
}

func whatWaitsOfAMachineThatIsDeletedMeanwhileIsNotSent(t *testing.T, db *store.DB) {
	here, gone := newVendor(t), newVendor(t)
	gone.set(away)
	who := &deletions{}
	g := serve(t, events.Config{DB: db, Deleted: who.deleted}, here.destination(t, "here"), gone.destination(t, "gone"))
	sent := batch(2)
	sent[1].MachineID = machine(2)
	if err := g.client().Send(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	who.add(machine(1))
	gone.set(nil)
	g.run()
	soon(t, "nothing waits", func() bool { return number(t, g.db, waiting) == 0 })
	if got := gone.got(); !slices.Equal(got, []string{sent[1].ID}) {
		t.Errorf("got %q, want that of the other machine", got)
	}
}

// Several processes share a database: each event is sent once, and in order.
func replicasShareWhatWaits(t *testing.T, db *store.DB) {
	here, gone := newVendor(t), newVendor(t)
	gone.set(away)
	var all []*gateway
	for range 3 {
		all = append(all, serve(t, events.Config{DB: db}, here.destination(t, "here"), gone.destination(t, "gone")))
	}
	var sent []string
	for n := range 30 {
		list := batch(50)
		if err := all[n%3].client().Send(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		sent = append(sent, ids(list)...)
	}
	gone.set(nil)
	for _, g := range all {
		g.run()
	}
	soon(t, "they are sent", func() bool { return number(t, db, waiting) == 0 })
	if got := gone.got(); !slices.Equal(got, sent) {
		t.Errorf("%d events came, want %d, each once and in order", len(got), len(sent))
	}
}

// A process that dies while it sends does not keep the others from it for ever.
func TestAReplicaThatDiesGivesBackWhatItHad(t *testing.T) {
	t.Parallel()
	here, gone := newVendor(t), newVendor(t)
	gone.set(away)
	db, _ := database(t)
	c := &clock{}
	g := serve(t, events.Config{DB: db, Now: c.now}, here.destination(t, "here"), gone.destination(t, "gone"))
	sent := batch(2)
	if err := g.client().Send(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	gone.set(nil)
	err := db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE events_backlog SET holder = 'another', leased = ?`, store.Millis(time.Now().Add(time.Minute)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := g.run()
	// Two of its looks pass before this is sent, with nothing that could be waited for.
	time.Sleep(2500 * time.Millisecond)
	if got := gone.got(); len(got) > 0 {
		t.Errorf("%q were sent by two processes", got)
	}
	stop()
	c.pass(2 * time.Minute)
	g.run()
	soon(t, "they are sent", func() bool { return slices.Equal(gone.got(), ids(sent)) })
}

func TestAnEventThatIsRefusedLaterIsCountedAndDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	here, gone := newVendor(t), newVendor(t)
	gone.set(away)
	g := serve(t, events.Config{}, here.destination(t, "here"), gone.destination(t, "gone"))
	sent := batch(9)
	sent[4].Name = "bad"
	if err := g.client().Send(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	gone.set(func(w http.ResponseWriter, list []driver.Event) bool {
		spoilt := slices.ContainsFunc(list, func(e driver.Event) bool { return e.Name == "bad" })
		if spoilt {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
		return spoilt
	})
	g.run()
	soon(t, "nothing waits", func() bool { return number(t, g.db, waiting) == 0 })
	if got := gone.got(); len(got) != 8 || slices.Contains(got, sent[4].ID) {
		t.Errorf("got %q", got)
	}
	if !strings.Contains(g.metrics(), `telemetry_relay_waiting_cut_total{tool="mytool",destination="gone",reason="rejected"} 1`) {
		t.Error("it is not counted")
	}
}

// A tool whose author named nobody to ask sends its request as an event, with a key in it.
func TestADeletionRequestThatComesAsAnEventReachesNoVendor(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	var asked []deletion.Request
	answers := map[string]error{machine(1): nil, machine(2): driver.Permanent(errVendor), machine(3): store.ErrUnavailable}
	g := serve(t, events.Config{Tools: map[string]events.Tool{"mytool": {
		Destinations: []events.Destination{v.destination(t, "vendor")},
		Delete: func(_ context.Context, req deletion.Request) error {
			asked = append(asked, req)
			return answers[req.MachineID]
		},
	}}})
	sent := batch(4)
	for i := range 3 {
		sent[i].Type, sent[i].Name, sent[i].MachineID = "data.deletion_request", "deletion_request", machine(i+1)
		sent[i].Metadata = map[string]string{deletion.KeyField: "c4n4ry"}
	}
	p := partial(g.client().Send(t.Context(), sent))
	if p == nil || !slices.Equal(p.Accepted, []string{sent[0].ID, sent[3].ID}) || !slices.Equal(p.Rejected, []string{sent[1].ID}) {
		t.Errorf("got %+v", p)
	}
	if len(asked) != 3 || asked[0] != (deletion.Request{Tool: "mytool", MachineID: machine(1), DeletionKey: "c4n4ry", RequestedAt: sent[0].Time}) {
		t.Errorf("asked %+v", asked)
	}
	if got := v.got(); !slices.Equal(got, []string{sent[3].ID}) {
		t.Errorf("the vendor got %q", got)
	}
	g.mustHave(`telemetry_relay_events_deletions_total{tool="mytool",outcome="accepted"} 1`)
	// Everybody can make up a key with its ID, so there is a limit.
	many := batch(40)
	for i := range many {
		many[i].Type, many[i].MachineID = "data.deletion_request", machine(1)
	}
	if p := partial(g.client().Send(t.Context(), many)); p == nil || len(p.Accepted) != 17 || len(p.Rejected) > 0 || p.Wait <= 0 {
		t.Errorf("got %+v, want 17 of 40 taken", p)
	}
}
