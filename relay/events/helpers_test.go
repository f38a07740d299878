//go:build !notelemetry

package events_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/events"
	"github.com/gotoolbase/telemetry/relay/store"
)

// vendor stands for a vendor that takes what the http backend posts.
type vendor struct {
	*httptest.Server
	mu sync.Mutex
	// order are the IDs that were taken, in their order, as often as they came. bodies are the
	// requests.
	order  []string
	events map[string]driver.Event
	calls  int
	// judge answers a batch: with nil, it is taken.
	judge func(w http.ResponseWriter, batch []driver.Event) bool
}

func newVendor(t testing.TB) *vendor {
	v := &vendor{events: map[string]driver.Event{}}
	v.Server = httptest.NewServer(v)
	t.Cleanup(v.Close)
	return v
}

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		body = z
	}
	var batch []driver.Event
	if json.NewDecoder(body).Decode(&batch) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	v.mu.Lock()
	v.calls++
	judge := v.judge
	v.mu.Unlock()
	if judge != nil && judge(w, batch) {
		return
	}
	v.take(batch...)
	w.WriteHeader(http.StatusNoContent)
}

func (v *vendor) take(batch ...driver.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range batch {
		v.order = append(v.order, e.ID)
		v.events[e.ID] = e
	}
}

func (v *vendor) set(judge func(http.ResponseWriter, []driver.Event) bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.judge = judge
}

func (v *vendor) got() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]string{}, v.order...)
}

func (v *vendor) asked() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.calls
}

func away(w http.ResponseWriter, _ []driver.Event) bool {
	w.WriteHeader(http.StatusServiceUnavailable)
	return true
}

// destination reaches a vendor.
func (v *vendor) destination(t testing.TB, name string) events.Destination {
	d := httpjson.Driver()
	return events.Destination{Name: name, Driver: d, Backend: open(t, d, map[string]string{"endpoint": v.URL + "/in"})}
}

func open(t testing.TB, d driver.Driver, settings map[string]string) driver.Backend {
	t.Helper()
	resolved, err := d.Resolve(settings)
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.Open(driver.Config{Settings: resolved, Tool: "mytool", Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func database(t testing.TB) (db *store.DB, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "db", "relay.db")
	db, err := store.Open(context.Background(), "sqlite:"+file, events.Schema())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db, file
}

// gateway is one that listens.
type gateway struct {
	*events.Gateway
	t   testing.TB
	url string
	log *logged
	db  *store.DB
	// ended counts requests that were answered, or whose client is gone.
	ended atomic.Int32
}

// left reports whether a client has gone, in a test of one request.
func (g *gateway) left() bool { return g.ended.Load() > 0 }

type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serve makes a gateway of a configuration whose gaps it fills, with one tool, mytool.
func serve(t testing.TB, cfg events.Config, destinations ...events.Destination) *gateway {
	t.Helper()
	g := &gateway{t: t, log: &logged{}}
	if cfg.DB == nil {
		cfg.DB, _ = database(t)
	}
	g.db = cfg.DB
	if cfg.Tools == nil {
		cfg.Tools = map[string]events.Tool{"mytool": {Destinations: destinations}}
	}
	cfg.Log = slog.New(slog.NewTextHandler(g.log, nil))
	made, err := events.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	g.Gateway = made
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		context.AfterFunc(r.Context(), func() { g.ended.Add(1) })
		made.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	g.url = s.URL + events.Path
	return g
}

// run has Run go on until the test ends, or stop is called.
func (g *gateway) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := g.Run(ctx); err != nil {
			g.t.Error(err)
		}
	}()
	stop = func() { cancel(); <-done }
	g.t.Cleanup(stop)
	return stop
}

// client is a tool's http backend.
func (g *gateway) client() driver.Backend {
	return open(g.t, httpjson.Driver(), map[string]string{"endpoint": g.url})
}

func (g *gateway) metrics() string {
	g.t.Helper()
	var b strings.Builder
	if err := g.Metrics(context.Background(), &b); err != nil {
		g.t.Fatal(err)
	}
	return b.String()
}

func (g *gateway) mustHave(metric string) {
	g.t.Helper()
	if text := g.metrics(); !strings.Contains(text, "\n"+metric+"\n") {
		g.t.Errorf("%s is not in\n%s", metric, text)
	}
}

// number answers SELECT COUNT(*) and the like.
func number(t testing.TB, db *store.DB, query string, args ...any) (n int64) {
	t.Helper()
	err := db.Read(context.Background(), func(tx *store.Tx) error {
		_, err := tx.One(context.Background(), []any{&n}, query, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var serial struct {
	sync.Mutex
	n int
}

// event makes one that just happened.
func event() driver.Event {
	serial.Lock()
	serial.n++
	n := serial.n
	serial.Unlock()
	exit, took := 0, int64(12)
	return driver.Event{
		ID: fmt.Sprintf("0193a3c0-0000-7000-8000-%012x", n), Type: "command.invocation", Name: "remote add",
		Time: time.Now().UTC().Truncate(time.Millisecond), ExitCode: &exit, DurationMS: &took,
		Tool: "mytool", Version: "1.0.0", OS: "linux", Arch: "amd64", OSVersion: "debian 12", GoVersion: "go1.26",
		RunID: "0193a3c0-0000-7000-8000-0000000000aa", MachineID: machine(1), ConsentID: strings.Repeat("c", 32),
	}
}

func batch(n int) []driver.Event {
	list := make([]driver.Event, n)
	for i := range list {
		list[i] = event()
	}
	return list
}

func machine(n int) string { return fmt.Sprintf("%032x", n) }

func ids(list []driver.Event) []string {
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].ID
	}
	return names
}

// post sends a body as it is.
func (g *gateway) post(body []byte, header ...string) *http.Response {
	g.t.Helper()
	req, err := http.NewRequest(http.MethodPost, g.url, bytes.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(text))
	return resp
}

func packed(t testing.TB, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func partial(err error) *driver.Partial {
	p, _ := errors.AsType[*driver.Partial](err)
	return p
}

// soon waits for something that another goroutine brings about.
func soon(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after 20 s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
