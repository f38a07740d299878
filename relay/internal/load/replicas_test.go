//go:build linux && !notelemetry

package load

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that is called "pgx"

	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/standin/datadog"
	"github.com/gotoolbase/telemetry/relay/internal/pgtest"
)

// size is how much comes to three replicas, and for how long the vendor is full.
type size struct {
	clients, batches, events int // events a batch, batches a client
	people                   int
	full                     time.Duration
}

// Three replicas share a PostgreSQL. A vendor answers 429 for a while, one replica is killed in
// the middle, the database is restarted: what was acknowledged is everywhere, and nobody is asked
// twice without cause.
func TestNothingAcknowledgedIsLostByThreeReplicas(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs real servers for some 20 seconds")
	}
	replicas(t, size{clients: 6, batches: 60, events: 8, people: 60, full: 2 * time.Second})
}

// outcome is what the page says of it.
type outcome struct {
	events, people         int
	full                   time.Duration // the vendors
	eventsSent             time.Duration // by the clients, faults included
	doubled                int           // events that came to the vendor twice, with cause
	again                  int           // requests of clients that had no answer or a later one
	askedAgain             int
	bytesAnEvent, eventsIn int64
	memory                 int64 // of a replica, at most
}

const canary = "ca9a27ca9a27ca9a27ca9a27ca9a2700"

// fleet is the replicas, of which some are away.
type fleet struct {
	mu  sync.Mutex
	all []*relay
}

func (f *fleet) set(all ...*relay) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = all
}

func (f *fleet) any() *relay {
	f.mu.Lock()
	defer f.mu.Unlock()
	return pick(f.all)
}

func replicas(t *testing.T, s size) outcome {
	w := newWorld(t)
	server := pgtest.Start(t, "fsync=on")
	url := server.Database()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	v := newVendor(t)
	deleter := datadog.New(datadog.Options{})
	deleter.Store(datadog.Log{Host: canary, Service: "mytool", Date: time.Now(), Received: time.Now()})
	// It takes its time, so that others might ask as well.
	deleting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(100 * time.Millisecond)
		deleter.ServeHTTP(w, r)
	}))
	t.Cleanup(deleting.Close)

	config := fmt.Sprintf(`database: %q
quiet: 1s
poll: 1s
limits:
  per_address: {per_second: 100000, burst: 100000}
  global: {per_second: 100000, burst: 100000}
  events: {per_address: {per_second: 100000, burst: 100000}}
tools:
  mytool:
    destinations: [{backend: store}, {backend: http, endpoint_file: vendor.url}]
    deletions: [{vendor: store}, {vendor: datadog, endpoint: %q, retention: 15d, api_key_file: api.key, application_key_file: application.key, canary: %s}]
`, url, deleting.URL, canary)
	files := map[string]string{"vendor.url": v.URL + "/in", "api.key": datadog.APIKey, "application.key": datadog.ApplicationKey}
	var all []*relay
	for range 3 {
		all = append(all, start(t, config, files))
	}
	f := &fleet{all: all}

	began := time.Now()
	c := &clients{t: t, w: w, fleet: f, size: s, asked: map[string]int{}, receipts: map[string]string{}, backends: map[string]driver.Backend{}}
	var sending sync.WaitGroup
	for range s.clients {
		sending.Go(c.sendEvents)
	}
	sending.Go(c.askDeletions)

	// The faults come as what is sent goes on, so that each falls into the middle of it.
	progress := func(share float64) func() bool {
		return func() bool { return c.progress() >= share }
	}
	await(t, "a fifth is sent", progress(0.2))
	v.setFull(true)
	deleter.Break(datadog.Create, datadog.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"1"}}, Body: `{"errors":["rate limited"]}`})
	over := time.AfterFunc(s.full, func() {
		v.setFull(false)
		deleter.Repair(datadog.Create)
	})
	defer over.Stop()
	await(t, "half is sent", progress(0.5))
	var faults []time.Time
	all[0].end(os.Kill)
	faults = append(faults, time.Now())
	f.set(all[1:]...)
	await(t, "two thirds are sent", progress(0.66))
	server.Stop()
	faults = append(faults, time.Now())
	server.Start()
	await(t, "most is sent", progress(0.8))
	all[0].start()
	f.set(all...)
	sending.Wait()
	sent := time.Since(began)
	await(t, "the vendor has time again", func() bool { v.mu.Lock(); defer v.mu.Unlock(); return !v.full })

	// What a replica had in hand when it was killed is claimed for ten minutes more, and what the
	// vendor was too busy for is tried again after one. The clock is not waited for: all are
	// stopped as for a new version, and what waits is due when they are there again.
	for _, r := range all {
		r.end(os.Interrupt)
	}
	for _, statement := range []string{
		`UPDATE deletion_vendors SET next = 0 WHERE todo > 0 AND state <> 'verified'`, `UPDATE deletion_lanes SET hold = 0`, `UPDATE events_backlog SET leased = 0`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range all {
		r.start()
	}
	t.Logf("everything was sent after %v, and the replicas were there again after %v", sent, time.Since(began))

	count := func(query string) (n int64) {
		if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	await(t, "nothing waits for the vendor", func() bool { return count(`SELECT COUNT(*) FROM events_waiting`) == 0 })
	await(t, "the other vendor was asked for all", func() bool { return len(queries(deleter)) >= s.people })
	deleter.Advance(datadog.CancelWindow + time.Hour)
	for range 3 {
		deleter.Run()
	}
	verified := func() bool {
		return count(`SELECT COUNT(*) FROM deletions WHERE state = 'verified'`) == int64(s.people)
	}
	end := time.Now().Add(patience)
	for !verified() && time.Now().Before(end) {
		time.Sleep(100 * time.Millisecond)
	}
	if !verified() {
		t.Errorf("%d of %d deletions are verified", count(`SELECT COUNT(*) FROM deletions WHERE state = 'verified'`), s.people)
	}

	o := outcome{events: s.clients * s.batches * s.events, people: s.people, full: s.full, eventsSent: sent, again: c.again}
	o.doubled = c.account(v, db, append(faults, began.Add(sent)))
	o.askedAgain = c.accountDeletions(all[1], deleter)
	// A replica has four calls of a vendor under way. One was killed, and three lost the database.
	if most := 4 * (1 + 3); o.askedAgain > most {
		t.Errorf("the vendor was asked again %d times, of which %d can be for answers that were not known", o.askedAgain, most)
	}
	o.eventsIn = count(`SELECT COUNT(*) FROM events`)
	o.bytesAnEvent = count(`SELECT pg_total_relation_size('events')`) / max(o.eventsIn, 1)
	for _, r := range all {
		_, most := r.memory()
		o.memory = max(o.memory, most)
	}
	out, _, _ := all[1].operate("deletions", "verify", "--config", "relay.yaml")
	if !strings.Contains(string(out), "as it was written") {
		t.Errorf("the ledger: %s", out)
	}
	t.Logf("done after %v: %+v", time.Since(began), o)
	return o
}

// clients send until they are told that what they send is accepted.
type clients struct {
	t     *testing.T
	w     *world
	fleet *fleet
	size  size

	mu       sync.Mutex
	accepted []string
	asked    map[string]int    // by event: how often it was sent
	receipts map[string]string // by machine: the receipt
	backends map[string]driver.Backend
	again    int
}

func (c *clients) progress() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return float64(len(c.accepted)) / float64(c.size.clients*c.size.batches*c.size.events)
}

// backend is a tool's, for one address.
func (c *clients) backend(url string) driver.Backend {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b, made := c.backends[url]; made {
		return b
	}
	d := httpjson.Driver()
	settings, err := d.Resolve(map[string]string{"endpoint": url + "/v1/events"})
	if err != nil {
		panic(err)
	}
	b, err := d.Open(driver.Config{Settings: settings, Tool: "mytool", Version: "1.0.0"})
	if err != nil {
		panic(err)
	}
	c.backends[url] = b
	return b
}

// pause is how long a client waits that was told to come again: less than it was told, so that
// more happens in the time that there is.
const pause = 100 * time.Millisecond

func (c *clients) sendEvents() {
	for range c.size.batches {
		list := c.w.batch(c.size.events)
		for end := time.Now().Add(patience); len(list) > 0; {
			if time.Now().After(end) {
				c.t.Error("events are not accepted in time")
				return
			}
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second) // as the collector
			err := c.backend(c.fleet.any().url).Send(ctx, list)
			cancel()
			taken, rejected := ids(list), 0
			if err != nil {
				taken = nil
				if p, ok := errors.AsType[*driver.Partial](err); ok {
					taken, rejected = p.Accepted, len(p.Rejected)
				}
			}
			if rejected > 0 {
				c.t.Errorf("%d events were rejected: %v", rejected, err)
				return
			}
			c.mu.Lock()
			for _, e := range list {
				c.asked[e.ID]++
			}
			c.accepted = append(c.accepted, taken...)
			if err != nil {
				c.again++
			}
			c.mu.Unlock()
			list = slices.DeleteFunc(list, func(e driver.Event) bool { return slices.Contains(taken, e.ID) })
			if err != nil {
				time.Sleep(pause + rand.N(pause))
			}
		}
	}
}

func (c *clients) askDeletions() {
	for n := range c.size.people {
		p := c.w.person()
		// Spread over the time in which events come.
		for end := time.Now().Add(patience); c.progress() < float64(n)/float64(c.size.people) && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond)
		}
		for end := time.Now().Add(patience); ; time.Sleep(pause) {
			id, ok := demand(c.fleet.any().url, p.demand())
			if ok {
				c.mu.Lock()
				c.receipts[p.id] = id
				c.mu.Unlock()
				break
			}
			if time.Now().After(end) {
				c.t.Error("a deletion is not accepted in time")
				return
			}
		}
	}
}

// demand posts a request for a deletion and reports whether it was taken.
func demand(url, body string) (id string, ok bool) {
	resp, err := http.Post(url+"/v1/deletions", "application/json", strings.NewReader(body))
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	var said struct{ ID string }
	err = json.NewDecoder(resp.Body).Decode(&said)
	return said.ID, err == nil && (resp.StatusCode == http.StatusAccepted || resp.StatusCode == http.StatusOK)
}

// account looks for each event that was accepted in both places, and returns how many came to
// the vendor twice for a reason: their client sent them twice, or a fault lay between, when
// nobody knew whether they had arrived.
func (c *clients) account(v *vendor, db *sql.DB, faults []time.Time) (doubled int) {
	stored := map[string]bool{}
	rows, err := db.QueryContext(c.t.Context(), `SELECT id FROM events`)
	if err != nil {
		c.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			c.t.Fatal(err)
		}
		stored[id] = true
	}
	if err := rows.Err(); err != nil {
		c.t.Fatal(err)
	}
	came := v.times()
	lost, without := 0, 0
	for _, id := range c.accepted {
		times := came[id]
		if !stored[id] || len(times) == 0 {
			lost++
		}
		for i := 1; i < len(times); i++ {
			cause := c.asked[id] > 1 || slices.ContainsFunc(faults, func(at time.Time) bool {
				// It takes some time to notice that a replica or a database is gone.
				return at.After(times[i-1].Add(-10*time.Second)) && at.Before(times[i].Add(time.Second))
			})
			if cause {
				doubled++
			} else {
				without++
			}
		}
	}
	if want := c.size.clients * c.size.batches * c.size.events; len(c.accepted) != want {
		c.t.Errorf("%d events were accepted, want %d", len(c.accepted), want)
	}
	if lost > 0 {
		c.t.Errorf("of %d events that were accepted, %d are lost", len(c.accepted), lost)
	}
	if without > 0 {
		c.t.Errorf("%d times the vendor was sent what it had, without cause", without)
	}
	return doubled
}

// queries returns how often each machine's deletion was asked for.
func queries(s *datadog.Server) map[string]int {
	n := map[string]int{}
	for _, q := range s.Requests() {
		n[q.Query]++
	}
	return n
}

// accountDeletions looks for each deletion that was acknowledged, at the vendor and in the ledger,
// and returns how often the vendor was asked again for a reason: the ledger says that it was
// asked and not what it answered. A 429 is an answer.
func (c *clients) accountDeletions(r *relay, s *datadog.Server) (again int) {
	out, _, _ := r.operate("deletions", "export", "--config", "relay.yaml")
	type entry struct {
		ID        string
		MachineID string `json:"machine_id"`
		Steps     []struct{ Event, Vendor string }
	}
	ledger := map[string]entry{}
	for line := range strings.Lines(string(out)) {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			c.t.Fatal(err)
		}
		if _, twice := ledger[e.MachineID]; twice {
			c.t.Errorf("a deletion is in the ledger twice")
		}
		ledger[e.MachineID] = e
	}
	asked := queries(s)
	for machine, receipt := range c.receipts {
		e, there := ledger[machine]
		if !there || e.ID != receipt {
			c.t.Error("a deletion was acknowledged and is not in the ledger")
			continue
		}
		unknown := 0
		answered := map[string]int{}
		for _, step := range e.Steps {
			if step.Event == "answered" {
				answered[step.Vendor]++
			}
			switch {
			case step.Vendor != "datadog":
			case step.Event == "asking":
				unknown++
			case step.Event == "answered" || step.Event == "failed":
				unknown--
			}
		}
		for vendor, n := range answered {
			if n > 1 {
				c.t.Errorf("%s answered %d times to one deletion: it was asked again though it had taken it", vendor, n)
			}
		}
		again += max(unknown, 0)
		n := asked["host:"+machine+" service:mytool"]
		if n == 0 {
			c.t.Error("the vendor was not asked for a deletion that was acknowledged")
		}
		if n > 1+max(unknown, 0) {
			c.t.Errorf("the vendor was asked %d times for one deletion, of which %d were not answered", n, unknown)
		}
	}
	if len(c.receipts) != c.size.people {
		c.t.Errorf("%d deletions were acknowledged, want %d", len(c.receipts), c.size.people)
	}
	return again
}
