//go:build !notelemetry

package deletions_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/internal/pgtest"
	"github.com/gotoolbase/telemetry/relay/store"
)

// What makes the test binary a relay: its database, where its vendor is, and at which of its
// steps it is killed (0: at none).
const (
	childURL    = "RELAY_TEST_DATABASE"
	childVendor = "RELAY_TEST_VENDOR"
	childKill   = "RELAY_TEST_KILL"
)

// The test binary is also the relay that gets killed: see runChild.
func TestMain(m *testing.M) {
	if url := os.Getenv(childURL); url != "" {
		runChild(url)
	}
	os.Exit(m.Run())
}

// runChild is a relay that prints its address, and then each line of its log, until its
// standard input is closed.
func runChild(url string) {
	die := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	kill, _ := strconv.ParseInt(os.Getenv(childKill), 10, 64)
	steps := &steps{kill: kill}
	db, err := store.Open(context.Background(), url, deletions.Schema())
	if err != nil {
		die(err)
	}
	r, err := deletions.New(deletions.Config{
		Ledger: deletions.NewLedger(db), Quiet: 10 * time.Millisecond, Limit: plenty,
		Log:   slog.New(steppedLog{slog.NewTextHandler(os.Stdout, nil), steps}),
		Tools: map[string][]deletions.Vendor{"mytool": {{Name: "vendor", Requestor: remote{os.Getenv(childVendor), steps}}}},
	})
	if err != nil {
		die(err)
	}
	r.Hurry()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		die(err)
	}
	server := deletions.NewServer(r)
	go server.Serve(listener) //nolint:errcheck // it is closed below
	fmt.Println("http://" + listener.Addr().String())
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := r.Run(ctx); err != nil {
		die(err)
	}
	server.Close()
	if err := db.Close(); err != nil {
		die(err)
	}
	os.Exit(0)
}

// steps kills this process at one of the things that it does.
type steps struct {
	kill int64
	n    atomic.Int64
}

func (s *steps) step() {
	if s.n.Add(1) != s.kill {
		return
	}
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill() // kill -9
	}
	select {}
}

// steppedLog has a step at each line, which is after each transaction that says something.
type steppedLog struct {
	slog.Handler
	steps *steps
}

func (l steppedLog) Handle(ctx context.Context, r slog.Record) error {
	err := l.Handler.Handle(ctx, r)
	l.steps.step()
	return err
}

// remote is a requestor for the vendor in the test's process, with a step before and after
// each call.
type remote struct {
	url   string
	steps *steps
}

func (r remote) call(ctx context.Context, what, id string) (deletion.Receipt, error) {
	r.steps.step()
	defer r.steps.step()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/"+what+"/"+id, nil)
	if err != nil {
		return deletion.Receipt{}, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return deletion.Receipt{}, err
	}
	defer resp.Body.Close()
	state, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return deletion.Receipt{}, fmt.Errorf("answered %d, %w", resp.StatusCode, err)
	}
	return deletion.Receipt{State: deletion.State(state), ID: id}, err
}

func (r remote) RequestDeletion(ctx context.Context, req deletion.Request) (deletion.Receipt, error) {
	return r.call(ctx, "delete", req.MachineID)
}

func (r remote) Status(ctx context.Context, receipt deletion.Receipt) (deletion.Receipt, error) {
	return r.call(ctx, "status", receipt.ID)
}

// vendorServer remembers how often it was asked for whom. The first follow-up finds the
// request in hand, the second one done.
type vendorServer struct {
	*httptest.Server
	mu            sync.Mutex
	asked, looked map[string]int
}

func newVendorServer(t *testing.T) *vendorServer {
	v := &vendorServer{asked: map[string]int{}, looked: map[string]int{}}
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		v.mu.Lock()
		defer v.mu.Unlock()
		id := filepath.Base(req.URL.Path)
		if strings.HasPrefix(req.URL.Path, "/delete/") {
			v.asked[id]++
			io.WriteString(w, string(deletion.Acknowledged)) //nolint:errcheck // the relay may be dead
			return
		}
		if v.asked[id] == 0 {
			http.Error(w, "nobody asked for that", http.StatusNotFound)
			return
		}
		v.looked[id]++
		state := deletion.Acknowledged
		if v.looked[id] > 1 {
			state = deletion.Verified
		}
		io.WriteString(w, string(state)) //nolint:errcheck // the relay may be dead
	}))
	t.Cleanup(v.Close)
	return v
}

// process is a relay in a process of its own.
type process struct {
	*testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	out   *bufio.Scanner
	url   string
	// drained is closed when all was read that it said, nil where the test reads it.
	drained chan struct{}
}

// start starts one. It may be killed before it has an address.
func start(t *testing.T, url, vendor string, kill int) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childURL+"="+url, childVendor+"="+vendor, fmt.Sprint(childKill, "=", kill),
		"GORACE=atexit_sleep_ms=0") // or the race detector spends a second on each end
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{T: t, cmd: cmd, stdin: stdin, out: bufio.NewScanner(out)}
	for p.next() {
		if strings.HasPrefix(p.out.Text(), "http://") {
			p.url = p.out.Text()
			break
		}
	}
	return p
}

// next waits for a line of its log, and reports whether there is one: it is not dead.
func (p *process) next() bool { return p.out.Scan() }

// end waits for its death, and reports whether it was killed.
func (p *process) end() (killed bool) {
	p.Helper()
	p.stdin.Close()
	if p.drained == nil {
		p.drain()
	}
	<-p.drained
	err := p.cmd.Wait()
	if err != nil && p.cmd.ProcessState.ExitCode() == 1 && os.PathSeparator == '/' {
		p.Errorf("the relay failed: %v", err)
	}
	return err != nil
}

// ask sends a request, or looks a receipt up. It returns false if the relay is dead.
func (p *process) ask(method, path, body string) (answer, bool) {
	p.Helper()
	var a answer
	req, err := http.NewRequestWithContext(p.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, false
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return a, false
	}
	if err := json.Unmarshal(content, &a); err != nil {
		p.Fatalf("%s: %v", content, err)
	}
	a.Status = resp.StatusCode
	return a, true
}

// tools are the people whose tools ask a relay until it is done, as deletion/httpjson does.
type tools struct {
	people   []person
	receipts map[string]string // by machine ID
}

// follow posts what has no receipt yet and waits until all are verified. It returns false
// if the relay died before.
func (c *tools) follow(p *process) bool {
	p.Helper()
	for _, who := range c.people {
		if c.receipts[who.id] != "" {
			continue
		}
		a, alive := p.ask(http.MethodPost, "/v1/deletions", body("mytool", who))
		if !alive {
			return false
		}
		if a.Status/100 != 2 || a.ID == "" {
			p.Fatalf("got %+v", a)
		}
		c.receipts[who.id] = a.ID
	}
	for _, who := range c.people {
		for {
			a, alive := p.ask(http.MethodGet, "/v1/deletions/"+c.receipts[who.id], "")
			if !alive {
				return false
			}
			if a.Status == http.StatusServiceUnavailable { // its database is away
				continue
			}
			if a.Status != http.StatusOK || a.ID != c.receipts[who.id] {
				p.Fatalf("a receipt that was given is not there any more: %+v", a)
			}
			if a.State == deletion.Verified {
				break
			}
		}
	}
	return true
}

// check holds the ledger and the vendor against what the tools were told.
func (c *tools) check(t *testing.T, url string, v *vendorServer, repeats int) {
	t.Helper()
	db, err := store.Open(t.Context(), url, deletions.Schema())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ledger := deletions.NewLedger(db)
	if a, err := ledger.Verify(t.Context()); err != nil || a.Damaged > 0 {
		t.Errorf("the ledger is damaged: %+v, %v", a, err)
	}
	last := map[string]string{}
	if err := ledger.List(t.Context(), deletions.Filter{}, func(e deletions.Deletion) error {
		if e.State != deletion.Verified {
			t.Errorf("the ledger has %+v", e)
		}
		if last[e.MachineID] != "" {
			repeats++ // whose receipt was lost, and who asked again when it was verified
		}
		last[e.MachineID] = e.ID
		return nil
	}); err != nil || !maps.Equal(last, c.receipts) {
		t.Errorf("the ledger has %v, and people the receipts %v (%v)", last, c.receipts, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	more := 0
	for id, n := range v.asked {
		if !slices.ContainsFunc(c.people, func(p person) bool { return p.id == id }) {
			t.Errorf("the vendor was asked for %s, which nobody is", id)
		}
		more += n - 1
	}
	if len(v.asked) != len(c.people) || more > repeats {
		t.Errorf("the vendor was asked for %d of %d people, and %d times more; at most %d may be", len(v.asked), len(c.people), more, repeats)
	}
}

func sqliteIn(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "data", "relay.db") }

func TestAKillBetweenAnyTwoStepsLosesNothing(t *testing.T) {
	t.Parallel()
	every := 1
	if testing.Short() {
		every = 4
	}
	var points atomic.Int64
	var over atomic.Bool // a relay lived to the end
	for from := 1; !over.Load() && !t.Failed(); from += 8 * every {
		t.Run(fmt.Sprint("from ", from), func(t *testing.T) {
			for kill := from; kill < from+8*every; kill += every {
				t.Run(fmt.Sprint(kill), func(t *testing.T) {
					t.Parallel()
					if killAt(t, kill) {
						points.Add(1)
					} else {
						over.Store(true)
					}
				})
			}
		})
	}
	if want := int64(12 / every); points.Load() < want {
		t.Errorf("killed %d times, want %d at least: not the test that was meant", points.Load(), want)
	}
}

func killAt(t *testing.T, kill int) (killed bool) {
	url, v := sqliteIn(t), newVendorServer(t)
	c := &tools{people: []person{somebody(1), somebody(2)}, receipts: map[string]string{}}
	p := start(t, url, v.URL, kill)
	done := p.url != "" && c.follow(p)
	if killed = p.end(); !done || killed {
		p := start(t, url, v.URL, 0)
		if !c.follow(p) || p.end() {
			t.Fatal("the relay died again")
		}
	}
	// One call was under way, of each person's at most.
	c.check(t, url, v, 2)
	return killed
}

func TestManyKillsAtAnyTimeLoseNothing(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		manyKills(t, sqliteIn(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		manyKills(t, pgtest.Start(t).Database())
	})
}

func manyKills(t *testing.T, url string) {
	kills := 20
	if testing.Short() {
		kills = 4
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	v := newVendorServer(t)
	c := &tools{receipts: map[string]string{}}
	for round := range kills {
		p := start(t, url, v.URL, 0)
		if p.url == "" {
			t.Fatal("the relay did not start")
		}
		var posting sync.WaitGroup
		var mu sync.Mutex
		for n := range 8 {
			who := somebody(round<<8 | n)
			c.people = append(c.people, who)
			posting.Go(func() {
				if a, alive := p.ask(http.MethodPost, "/v1/deletions", body("mytool", who)); alive && a.ID != "" {
					mu.Lock()
					defer mu.Unlock()
					c.receipts[who.id] = a.ID
				}
			})
		}
		// At whatever it is doing then: while requests come in, between calls, or idle.
		timer := time.AfterFunc(time.Duration(random.Int64N(int64(60*time.Millisecond))), func() { _ = p.cmd.Process.Kill() })
		for p.next() { // until it is killed
		}
		timer.Stop()
		posting.Wait()
		p.end()
	}
	p := start(t, url, v.URL, 0)
	p.drain()
	if !c.follow(p) || p.end() {
		t.Fatal("the relay died by itself")
	}
	// Four calls may be under way when it is killed.
	c.check(t, url, v, 4*kills)
}

// drain reads what a process says from here on, which would wait for that else.
func (p *process) drain() {
	p.drained = make(chan struct{})
	go func() {
		defer close(p.drained)
		for p.next() {
		}
	}()
}

// Three processes on one PostgreSQL: one is killed, and the server is killed and comes back.
func TestReplicasShareTheWorkAndWhatOneHadWhenItDied(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	url, v := server.Database(), newVendorServer(t)
	c := &tools{receipts: map[string]string{}}
	var replicas []*process
	for range 3 {
		p := start(t, url, v.URL, 0)
		if p.url == "" {
			t.Fatal("a replica did not start")
		}
		p.drain()
		replicas = append(replicas, p)
	}
	people := 90
	if testing.Short() {
		people = 30
	}
	for n := range people {
		switch n {
		case people / 3:
			if err := replicas[0].cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		case people * 2 / 3:
			server.Kill()
			server.Start()
		}
		who := somebody(n)
		c.people = append(c.people, who)
		for c.receipts[who.id] == "" { // as a tool does that got 503, or no answer
			if a, alive := replicas[1+n%2].ask(http.MethodPost, "/v1/deletions", body("mytool", who)); alive {
				c.receipts[who.id] = a.ID
			}
		}
	}
	if !c.follow(replicas[1]) {
		t.Fatal("a replica died by itself")
	}
	for _, p := range replicas {
		p.end()
	}
	// Four calls were under way in each of them at each of the two deaths.
	c.check(t, url, v, 4+3*4)
}
