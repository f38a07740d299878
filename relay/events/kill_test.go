//go:build !notelemetry

package events_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/events"
	"github.com/gotoolbase/telemetry/relay/store"
)

// asGateway has the test's program be a gateway: its database, and its vendors.
const asGateway = "TELEMETRY_TEST_EVENTS_GATEWAY"

func TestMain(m *testing.M) {
	if spec := os.Getenv(asGateway); spec != "" {
		if err := beGateway(strings.Split(spec, " ")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func beGateway(spec []string) error {
	ctx := context.Background()
	db, err := store.Open(ctx, spec[0], events.Schema())
	if err != nil {
		return err
	}
	var to []events.Destination
	add := func(name string, d driver.Driver, settings map[string]string) error {
		resolved, err := d.Resolve(settings)
		if err != nil {
			return err
		}
		b, err := d.Open(driver.Config{Settings: resolved, Tool: "mytool"})
		to = append(to, events.Destination{Name: name, Driver: d, Backend: b})
		return err
	}
	if err := add("store", events.StoreDriver(db), nil); err != nil {
		return err
	}
	for i, url := range spec[1:] {
		if err := add(fmt.Sprint("vendor-", i), httpjson.Driver(), map[string]string{"endpoint": url}); err != nil {
			return err
		}
	}
	g, err := events.New(events.Config{
		DB: db, Tools: map[string]events.Tool{"mytool": {Destinations: to}}, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + l.Addr().String() + events.Path)
	go func() { _ = g.Run(ctx) }()
	return http.Serve(l, g)
}

// process is a gateway of its own.
type process struct {
	cmd *exec.Cmd
	url string
}

func start(t *testing.T, spec ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), asGateway+"="+strings.Join(spec, " "))
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("it does not start: %v", err)
	}
	p.url = strings.TrimSpace(line)
	return p
}

// kill ends it as SIGKILL does: in the middle of whatever it does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func (p *process) client(t *testing.T) driver.Backend {
	return open(t, httpjson.Driver(), map[string]string{"endpoint": p.url})
}

func TestAProcessThatIsKilledBetweenStoringAndAnsweringLosesNothingAndStoresNothingTwice(t *testing.T) {
	t.Parallel()
	db, file := database(t)
	v := newVendor(t)
	hold, arrived := make(chan struct{}), make(chan struct{}, 9)
	v.set(func(http.ResponseWriter, []driver.Event) bool {
		arrived <- struct{}{}
		<-hold
		return true
	})
	p := start(t, "sqlite:"+file, v.URL)
	sent := batch(7)
	failed := make(chan error, 1)
	go func() { failed <- p.client(t).Send(context.Background(), sent) }()
	<-arrived
	soon(t, "it is stored", func() bool { return number(t, db, `SELECT COUNT(*) FROM events`) == 7 })
	p.kill()
	if err := <-failed; driver.Classify(err) != driver.ClassUnknown {
		t.Fatalf("the client was told %v", err)
	}
	v.set(nil)
	close(hold)
	p = start(t, "sqlite:"+file, v.URL)
	if err := p.client(t).Send(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	if n := number(t, db, `SELECT COUNT(*) FROM events`); n != 7 {
		t.Errorf("%d rows, want 7", n)
	}
	if got := v.got(); len(got) != 7 {
		t.Errorf("the vendor has %d events, want 7", len(got))
	}
}

// Clients send until they are told that their events are accepted, while the gateway is killed
// at any moment and one vendor comes and goes: then every event is in every place.
func TestNothingThatWasAcceptedIsLostWheneverTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills real processes for some seconds")
	}
	db, file := database(t)
	here, flaky := newVendor(t), newVendor(t)
	var mu sync.Mutex
	p := start(t, "sqlite:"+file, here.URL, flaky.URL)
	current := func() *process {
		mu.Lock()
		defer mu.Unlock()
		return p
	}
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	accepted := make([][]string, 6)
	for n := range accepted {
		clients.Go(func() {
			for ctx.Err() == nil {
				list := batch(1 + rand.N(20))
				for list != nil {
					err := current().client(t).Send(context.Background(), list)
					p := partial(err)
					switch {
					case err == nil:
						accepted[n], list = append(accepted[n], ids(list)...), nil
					case p != nil && len(p.Rejected) > 0:
						t.Errorf("rejected: %v", err)
						return
					case p != nil:
						accepted[n] = append(accepted[n], p.Accepted...)
						list = without(list, p.Accepted)
					}
				}
			}
		})
	}
	for round := range 6 {
		if round%2 == 0 {
			flaky.set(away)
		} else {
			flaky.set(nil)
		}
		time.Sleep(300*time.Millisecond + rand.N(500*time.Millisecond))
		current().kill()
		mu.Lock()
		p = start(t, "sqlite:"+file, here.URL, flaky.URL)
		mu.Unlock()
	}
	cancel()
	flaky.set(nil)
	clients.Wait()
	// The lease of a process that was killed while it sent is over in half a minute.
	if err := db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE events_backlog SET leased = 0 WHERE holder <> ''`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	soon(t, "nothing waits", func() bool { return number(t, db, waiting) == 0 })
	total := 0
	for _, list := range accepted {
		for _, id := range list {
			total++
			if number(t, db, `SELECT COUNT(*) FROM events WHERE id = ?`, id) != 1 || !here.has(id) || !flaky.has(id) {
				t.Errorf("%s was accepted: here %t, flaky %t", id, here.has(id), flaky.has(id))
			}
		}
	}
	if total == 0 {
		t.Error("nothing was accepted")
	}
	t.Logf("%d events", total)
}

func (v *vendor) has(id string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, known := v.events[id]
	return known
}

func without(list []driver.Event, names []string) []driver.Event {
	var rest []driver.Event
	for _, e := range list {
		found := false
		for _, id := range names {
			found = found || id == e.ID
		}
		if !found {
			rest = append(rest, e)
		}
	}
	return rest
}
