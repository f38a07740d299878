//go:build !notelemetry

package deletions_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/store"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// person is one installation, with its key and the ID that belongs to it.
type person struct{ key, id string }

func somebody(n int) person {
	key := [deletion.KeyBytes]byte{0xee, byte(n), byte(n >> 8), byte(n >> 16)}
	return person{hex.EncodeToString(key[:]), deletion.MachineID(key)}
}

// vendor is a stranger's service, behind a requestor. By default it takes a request and
// has deleted by the first follow-up.
type vendor struct {
	delete func(n int, req deletion.Request) (deletion.Receipt, error)
	status func(n int, receipt deletion.Receipt) (deletion.Receipt, error)
	// hang, where not nil, is called in the middle of a request.
	hang func(ctx context.Context)

	mu     sync.Mutex
	asked  []deletion.Request
	looked []deletion.Receipt
	times  []time.Time // of the requests
	looks  []time.Time
	now    int // calls that run
	most   int
}

func (v *vendor) RequestDeletion(ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
	v.mu.Lock()
	v.asked, v.times = append(v.asked, req), append(v.times, time.Now())
	n := len(v.asked)
	v.now++
	v.most = max(v.most, v.now)
	v.mu.Unlock()
	defer func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.now--
	}()
	if v.hang != nil {
		v.hang(ctx)
	}
	if err := ctx.Err(); err != nil {
		return deletion.Receipt{}, err
	}
	if v.delete != nil {
		return v.delete(n, req)
	}
	return deletion.Receipt{State: deletion.Acknowledged, ID: "vendor-" + req.MachineID[:8], MachineID: req.MachineID, At: req.RequestedAt}, nil
}

// counts returns how often it was asked to delete, and how far it is.
func (v *vendor) counts() (asked, looked int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.asked), len(v.looked)
}

// follower is a vendor that can also be asked how far it is.
type follower struct{ *vendor }

func (f follower) Status(_ context.Context, receipt deletion.Receipt) (deletion.Receipt, error) {
	f.mu.Lock()
	f.looked, f.looks = append(f.looked, receipt), append(f.looks, time.Now())
	n := len(f.looked)
	f.mu.Unlock()
	if f.status != nil {
		return f.status(n, receipt)
	}
	receipt.State = deletion.Verified
	return receipt, nil
}

// fixture is a relay with its ledger. In a bubble of synctest time is the test's; the
// machine's clock is off by what the test says.
type fixture struct {
	*testing.T
	url    string
	began  time.Time
	off    atomic.Int64 // a time.Duration
	cfg    deletions.Config
	db     *store.DB
	ledger *deletions.Ledger
	relay  *deletions.Relay
	log    *syncBuffer
	stop   func() error
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

var plenty = deletions.Limit{
	PerAddress: deletions.Rate{PerSecond: 1e6, Burst: 1e6}, Global: deletions.Rate{PerSecond: 1e6, Burst: 1e6},
}

// lookEvery is how long it takes a fixture's relay to see what a command did.
const lookEvery = time.Hour

func newFixture(t *testing.T, vendors ...deletions.Vendor) *fixture {
	t.Helper()
	f := &fixture{T: t, url: "sqlite:" + filepath.Join(t.TempDir(), "data", "relay.db"), began: time.Now(), log: &syncBuffer{}, stop: func() error { return nil }}
	f.cfg = deletions.Config{
		Tools: map[string][]deletions.Vendor{"mytool": vendors}, Limit: plenty,
		Now: func() time.Time { return f.now() }, Log: slog.New(slog.NewTextHandler(f.log, nil)),
	}
	f.open()
	t.Cleanup(func() { f.close() })
	return f
}

// now is what the machine's clock shows.
func (f *fixture) now() time.Time {
	return noon.Add(time.Since(f.began)).Add(time.Duration(f.off.Load()))
}

func (f *fixture) open() {
	f.Helper()
	var err error
	if f.db, err = store.Open(context.Background(), f.url, deletions.Schema()); err != nil {
		f.Fatal(err)
	}
	f.ledger = deletions.NewLedger(f.db)
	f.cfg.Ledger = f.ledger
	if f.relay, err = deletions.New(f.cfg); err != nil {
		f.Fatal(err)
	}
	f.relay.LookEvery(lookEvery)
}

// run starts the worker, to be stopped with close.
func (f *fixture) run() {
	ctx, cancel := context.WithCancel(f.Context())
	done := make(chan error)
	r := f.relay
	go func() { done <- r.Run(ctx) }()
	f.stop = func() error { cancel(); return <-done }
}

func (f *fixture) close() {
	f.Helper()
	if err := f.stop(); err != nil {
		f.Error(err)
	}
	f.stop = func() error { return nil }
	if err := f.db.Close(); err != nil {
		f.Error(err)
	}
}

// crash ends the relay without a last write, as a kill does.
func (f *fixture) crash() {
	f.Helper()
	if err := f.db.Close(); err != nil {
		f.Error(err)
	}
	f.close()
}

// restart is what a deployment does.
func (f *fixture) restart() {
	f.Helper()
	f.close()
	f.open()
	f.run()
}

// pass lets time pass, in a bubble.
func (f *fixture) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// answer is what a tool gets.
type answer struct {
	Status      int
	ID          string
	State       deletion.State
	Detail      string
	Error       string
	RequestedAt time.Time `json:"requested_at"`
	VerifiedAt  time.Time `json:"verified_at"`
	header      http.Header
}

func (f *fixture) serve(req *http.Request) answer {
	f.Helper()
	w := httptest.NewRecorder()
	f.relay.ServeHTTP(w, req)
	a := answer{Status: w.Code, header: w.Header()}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		f.Fatalf("%s %s: %d with %q, which is no JSON", req.Method, req.URL, w.Code, w.Body)
	}
	if kind, cache := w.Header().Get("Content-Type"), w.Header().Get("Cache-Control"); kind != "application/json" || cache != "no-store" {
		f.Errorf("%s %s: Content-Type %q, Cache-Control %q", req.Method, req.URL, kind, cache)
	}
	return a
}

func post(body string) *http.Request {
	req := httptest.NewRequest(http.MethodPost, "/v1/deletions", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	return req
}

func body(tool string, p person) string {
	return fmt.Sprintf(`{"machine_id":%q,"deletion_key":%q,"tool":%q,"requested_at":"2026-11-22T11:59:00Z"}`, p.id, p.key, tool)
}

func (f *fixture) post(p person) answer {
	f.Helper()
	return f.serve(post(body("mytool", p)))
}

// mustPost posts a request that is accepted.
func (f *fixture) mustPost(p person) answer {
	f.Helper()
	a := f.post(p)
	if a.Status != http.StatusAccepted || a.State != deletion.Acknowledged || len(a.ID) != 32 {
		f.Fatalf("got %+v, want 202 and a receipt", a)
	}
	return a
}

func (f *fixture) get(id string) answer {
	f.Helper()
	return f.serve(httptest.NewRequest(http.MethodGet, "/v1/deletions/"+id, nil))
}

func (f *fixture) wantState(id string, want deletion.State) {
	f.Helper()
	if a := f.get(id); a.Status != http.StatusOK || a.State != want || a.ID != id {
		f.Errorf("got %+v, want 200 and %s", a, want)
	}
}

func (f *fixture) health() (int, string) {
	w := httptest.NewRecorder()
	f.relay.Admin().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
	return w.Code, w.Body.String()
}

func (f *fixture) metrics() string {
	w := httptest.NewRecorder()
	f.relay.Admin().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

func (f *fixture) wantMetric(line string) {
	f.Helper()
	if m := f.metrics(); !slices.Contains(strings.Split(m, "\n"), line) {
		f.Errorf("there is no line %q in the metrics:\n%s", line, m)
	}
}

// look opens the ledger as a command does, which is another process.
func (f *fixture) look(see func(l *deletions.Ledger)) {
	f.Helper()
	db, err := store.Open(context.Background(), f.url, deletions.Schema())
	if err != nil {
		f.Fatal(err)
	}
	defer db.Close()
	see(deletions.NewLedger(db))
}

// deletions reads the ledger, and holds it against its chain.
func (f *fixture) deletions() (list []deletions.Deletion) {
	f.Helper()
	f.look(func(l *deletions.Ledger) {
		f.verify(l)
		err := l.List(context.Background(), deletions.Filter{Steps: true}, func(e deletions.Deletion) error { list = append(list, e); return nil })
		if err != nil {
			f.Error(err)
		}
	})
	return list
}

func (f *fixture) verify(l *deletions.Ledger) {
	f.Helper()
	if a, err := l.Verify(context.Background()); err != nil || a.Damaged > 0 {
		f.Errorf("the ledger is damaged: %+v, %v", a, err)
	}
}

// act does something to the ledger as a command does.
func (f *fixture) act(what func(l *deletions.Ledger) error) {
	f.Helper()
	f.look(func(l *deletions.Ledger) {
		if err := what(l); err != nil {
			f.Error(err)
		}
	})
}

// only returns the one deletion that there is.
func (f *fixture) only() deletions.Deletion {
	f.Helper()
	list := f.deletions()
	if len(list) != 1 {
		f.Fatalf("%d deletions, want 1", len(list))
	}
	return list[0]
}

func events(e deletions.Deletion) (list []string) {
	for _, s := range e.Steps {
		list = append(list, s.Event)
	}
	return list
}

// replace puts a copy in a file's place, as somebody does who restores a backup.
func replace(t *testing.T, file string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file+".new", content, 0o600)
	}
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		t.Fatal(err)
	}
}
