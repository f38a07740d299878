//go:build !notelemetry

package deletions_test

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/deletion/httpjson"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/store"
)

var someVendor = deletions.Vendor{Name: "vendor", Requestor: &vendor{}}

func TestARequestGetsAReceiptThatCanBeLookedUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t, someVendor)
	a := f.mustPost(somebody(1))
	if !regexp.MustCompile("^[0-9a-f]{32}$").MatchString(a.ID) || a.ID == somebody(1).id || a.Detail == "" {
		t.Errorf("got %+v", a)
	}
	if want := noon.Add(-time.Minute); !a.RequestedAt.Equal(want) {
		t.Errorf("requested at %v, want %v", a.RequestedAt, want)
	}
	if b := f.mustPost(somebody(2)); b.ID == a.ID {
		t.Error("two people got the same receipt")
	}
	f.wantState(a.ID, deletion.Acknowledged)
	for _, id := range []string{strings.Repeat("0f", 16), "", "x", strings.ToUpper(a.ID), a.ID + "0", a.ID + "/", somebody(1).id} {
		if got := f.get(id); got.Status != http.StatusNotFound || got.Error != "unknown_receipt" {
			t.Errorf("%q: got %+v", id, got)
		}
	}
}

func TestTheRequestorOfToolsUnderstandsTheRelay(t *testing.T) {
	t.Parallel()
	f := newFixture(t, someVendor)
	server := httptest.NewServer(f.relay)
	t.Cleanup(server.Close)
	tool := httpjson.Requestor{Endpoint: server.URL + "/v1/deletions"}
	p := somebody(1)
	req := deletion.Request{Tool: "mytool", MachineID: p.id, DeletionKey: p.key, RequestedAt: time.Now()}
	receipt, err := tool.RequestDeletion(t.Context(), req)
	if err != nil || receipt.State != deletion.Acknowledged || receipt.Detail == "" {
		t.Fatalf("got %+v, %v", receipt, err)
	}
	if again, err := tool.Status(t.Context(), receipt); err != nil || again.State != deletion.Acknowledged || again.ID != receipt.ID {
		t.Errorf("got %+v, %v", again, err)
	}
	receipt.ID = strings.Repeat("0f", 16)
	if _, err := tool.Status(t.Context(), receipt); !errors.Is(err, deletion.ErrUnknownReceipt) {
		t.Errorf("got %v, want ErrUnknownReceipt", err)
	}
	req.DeletionKey = somebody(2).key
	if _, err := tool.RequestDeletion(t.Context(), req); driver.Classify(err) != driver.ClassPermanent {
		t.Errorf("a forged proof got %v, want a permanent error", err)
	}
}

func TestWhatIsNoProvenRequestIsRefusedAndNotStored(t *testing.T) {
	t.Parallel()
	p, other := somebody(1), somebody(2)
	good := body("mytool", p)
	with := func(old, now string) string { return strings.Replace(good, old, now, 1) }
	for name, c := range map[string]struct {
		body   string
		status int
		word   string
	}{
		"a forged proof":             {with(p.key, strings.Repeat("5c", 32)), 403, "proof_mismatch"},
		"another's ID":               {with(p.id, other.id), 403, "proof_mismatch"},
		"another's key":              {with(p.key, other.key), 403, "proof_mismatch"},
		"the ID as the key":          {with(p.key, p.id+p.id), 403, "proof_mismatch"},
		"a key of zeros":             {with(p.key, strings.Repeat("0", 64)), 403, "proof_mismatch"},
		"a query for an ID":          {with(p.id, "* OR @usr.id:"+p.id[:19]), 400, "invalid_request"},
		"a query as long as an ID":   {with(p.id, "*OR*"+p.id[4:]), 400, "invalid_request"},
		"an ID in capitals":          {with(p.id, strings.ToUpper(p.id)), 400, "invalid_request"},
		"an ID with a newline":       {with(p.id, p.id[:31]+`\n`), 400, "invalid_request"},
		"a short ID":                 {with(p.id, p.id[:31]), 400, "invalid_request"},
		"no ID":                      {with(p.id, ""), 400, "invalid_request"},
		"a number for an ID":         {with(`"`+p.id+`"`, "17"), 400, "invalid_request"},
		"a short key":                {with(p.key, p.key[:62]), 400, "invalid_request"},
		"a key with noise":           {with(p.key, p.key[:63]+" "), 400, "invalid_request"},
		"no key":                     {with(`"deletion_key":"`+p.key+`",`, ""), 400, "invalid_request"},
		"no tool":                    {with("mytool", ""), 400, "invalid_request"},
		"an unknown tool":            {with("mytool", "theirtool"), 404, "unknown_tool"},
		"a tool in capitals":         {with("mytool", "MYTOOL"), 404, "unknown_tool"},
		"nothing":                    {"", 400, "invalid_request"},
		"half":                       {good[:100], 400, "invalid_request"},
		"two":                        {good + good, 400, "invalid_request"},
		"a list":                     {"[" + good + "]", 400, "invalid_request"},
		"null":                       {"null", 400, "invalid_request"},
		"no JSON":                    {"machine_id=" + p.id, 400, "invalid_request"},
		"binary":                     {"\x00\xff\xfe", 400, "invalid_request"},
		"many brackets":              {strings.Repeat("[", 4000), 400, "invalid_request"},
		"a little more than allowed": {good + strings.Repeat(" ", 4097-len(good)), 413, "too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, someVendor)
			if a := f.serve(post(c.body)); a.Status != c.status || a.Error != c.word || a.ID != "" {
				t.Errorf("got %+v, want %d %s", a, c.status, c.word)
			}
			if list := f.deletions(); len(list) != 0 {
				t.Errorf("the ledger has %+v", list)
			}
			f.wantMetric(fmt.Sprintf(`telemetry_relay_requests_total{doing="request",outcome=%q} 1`, c.word))
			f.mustPost(p) // who is not kept out by it
		})
	}
}

func TestOtherFormsOfTheSameRequestAreTaken(t *testing.T) {
	t.Parallel()
	p := somebody(1)
	good := body("mytool", p)
	for name, body := range map[string]string{
		"unknown fields":     strings.Replace(good, "{", `{"version":"2","nested":{"a":[1]},`, 1),
		"a key in capitals":  strings.Replace(good, p.key, strings.ToUpper(p.key), 1),
		"as large as may be": good + strings.Repeat(" ", 4096-len(good)),
	} {
		f := newFixture(t, someVendor)
		if a := f.serve(post(body)); a.Status != http.StatusAccepted {
			t.Errorf("%s: got %+v", name, a)
		}
	}
}

func TestTheClockOfAToolDecidesNothing(t *testing.T) {
	t.Parallel()
	p := somebody(1)
	for name, c := range map[string]struct {
		field string
		want  time.Time
	}{
		"none":          {``, noon},
		"a week ago":    {`,"requested_at":"2026-11-15T14:00:00+02:00"`, noon.Add(-7 * day)},
		"tomorrow":      {`,"requested_at":"2026-11-23T12:00:00Z"`, noon},
		"the year 9999": {`,"requested_at":"9999-12-31T23:59:59Z"`, noon},
		"1970":          {`,"requested_at":"1970-01-01T00:00:00Z"`, noon},
		"no time":       {`,"requested_at":"soon"`, noon},
		"a number":      {`,"requested_at":1795000000`, noon},
		"null":          {`,"requested_at":null`, noon},
		"an object":     {`,"requested_at":{"at":1}`, noon},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // where the clock stands still
				f := newFixture(t, someVendor)
				a := f.serve(post(fmt.Sprintf(`{"machine_id":%q,"deletion_key":%q,"tool":"mytool"%s}`, p.id, p.key, c.field)))
				if a.Status != http.StatusAccepted || !a.RequestedAt.Equal(c.want) {
					t.Errorf("got %+v, want 202 and %v", a, c.want)
				}
			})
		})
	}
}

func TestOtherPathsMethodsAndTypesAreToldApart(t *testing.T) {
	t.Parallel()
	f := newFixture(t, someVendor)
	for _, c := range []struct {
		method, path, kind string
		status             int
		word, allow        string
	}{
		{"GET", "/v1/deletions", "", 405, "method_not_allowed", "POST"},
		{"DELETE", "/v1/deletions", "", 405, "method_not_allowed", "POST"},
		{"POST", "/v1/deletions/" + somebody(1).id, "application/json", 405, "method_not_allowed", "GET, HEAD"},
		{"POST", "/v1/deletions", "", 415, "unsupported_media_type", ""},
		{"POST", "/v1/deletions", "text/plain", 415, "unsupported_media_type", ""},
		{"POST", "/v1/deletions", "application/x-www-form-urlencoded", 415, "unsupported_media_type", ""},
		{"POST", "/v1/deletions", "application/json; charset=utf-8", 202, "", ""},
		{"GET", "/v1/deletions/../../healthz", "", 404, "unknown_receipt", ""},
		{"GET", "/v1/deletions/" + somebody(1).id + "?id=x", "", 404, "unknown_receipt", ""},
		{"GET", "/", "", 404, "not_found", ""},
		{"GET", "/v1", "", 404, "not_found", ""},
		{"POST", "/v2/deletions", "application/json", 404, "not_found", ""},
		{"GET", "/healthz", "", 404, "not_found", ""},
		{"GET", "/metrics", "", 404, "not_found", ""},
	} {
		req := httptest.NewRequest(c.method, c.path, strings.NewReader(body("mytool", somebody(1))))
		if c.kind != "" {
			req.Header.Set("Content-Type", c.kind)
		}
		if a := f.serve(req); a.Status != c.status || a.Error != c.word || a.header.Get("Allow") != c.allow {
			t.Errorf("%s %s as %q: got %+v, want %d %s", c.method, c.path, c.kind, a, c.status, c.word)
		}
	}
}

func TestHealthAndMetricsAreNobodysBusinessOnTheNetworkOfTools(t *testing.T) {
	t.Parallel()
	f := newFixture(t, someVendor)
	status := func(h http.Handler, method, path string) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w.Code
	}
	receipt := "/v1/deletions/" + f.mustPost(somebody(1)).ID
	for _, path := range []string{"/metrics", "/healthz"} {
		if got := status(f.relay, http.MethodGet, path); got != http.StatusNotFound {
			t.Errorf("tools' handler answers %s with %d", path, got)
		}
		if got := status(f.relay.Admin(), http.MethodPost, path); got != http.StatusMethodNotAllowed {
			t.Errorf("the other handler answers a POST of %s with %d", path, got)
		}
	}
	if got := status(f.relay.Admin(), http.MethodGet, "/metrics"); got != http.StatusOK {
		t.Errorf("the other handler answers /metrics with %d", got)
	}
	if got := status(f.relay.Admin(), http.MethodGet, receipt); got != http.StatusNotFound {
		t.Errorf("the other handler answers about a receipt with %d", got)
	}
}

func TestHealthNeedsTheWorker(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, someVendor)
		if status, said := f.health(); status != http.StatusServiceUnavailable || !strings.Contains(said, `"worker":"does not run"`) {
			t.Errorf("got %d %s", status, said)
		}
		f.run()
		synctest.Wait()
		if status, said := f.health(); status != http.StatusOK {
			t.Errorf("got %d %s", status, said)
		}
	})
}

// endless is a body that never ends, and counts how much of it was read.
type endless struct {
	mu   sync.Mutex
	read int
}

func (e *endless) Read(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.read += len(p)
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestAGigabyteIsCutOffEarly(t *testing.T) {
	t.Parallel()
	f := newFixture(t, someVendor)
	server := httptest.NewUnstartedServer(nil)
	server.Config = deletions.NewServer(f.relay)
	server.Start()
	t.Cleanup(server.Close)
	client := server.Client()
	client.Transport.(*http.Transport).ExpectContinueTimeout = time.Minute
	for name, length := range map[string]int64{"announced": 1 << 30, "streamed": -1} {
		body := &endless{}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/v1/deletions", io.LimitReader(body, 1<<30))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = length
		if length > 0 {
			req.Header.Set("Expect", "100-continue") // as curl does with what is large
		}
		req.Header.Set("Content-Type", "application/json")
		// The client may be told, or find the connection closed while it writes.
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("%s: got %d, want 413", name, resp.StatusCode)
			}
		}
		body.mu.Lock()
		// What is beyond the relay's 4 KiB are buffers of the two sockets.
		if body.read > 32<<20 || length > 0 && body.read > 0 {
			t.Errorf("%s: %d KiB were taken", name, body.read>>10)
		}
		body.mu.Unlock()
	}
	f.wantMetric(`telemetry_relay_requests_total{doing="request",outcome="too_large"} 2`)
}

// pipes is a listener whose connections work on the clock of a bubble.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

func TestASlowSenderIsCutOff(t *testing.T) {
	head := "POST /v1/deletions HTTP/1.1\r\nHost: relay\r\nContent-Type: application/json\r\nContent-Length: 200\r\n"
	for name, c := range map[string]struct {
		server func(h http.Handler) *http.Server
		sent   string
		most   time.Duration
		want   string
	}{
		"in the head":                      {deletions.NewServer, head, 6 * time.Second, ""},
		"in the body":                      {deletions.NewServer, head + "\r\n{", 11 * time.Second, "400 Bad Request"},
		"in the body, of another server":   {func(h http.Handler) *http.Server { return &http.Server{Handler: h} }, head + "\r\n{", 11 * time.Second, "400 Bad Request"},
		"in between, with no request left": {deletions.NewServer, "", 61 * time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFixture(t, someVendor)
				server, listener := c.server(f.relay), newPipes()
				go server.Serve(listener)
				defer server.Close()
				conn := listener.dial()
				defer conn.Close()
				began := time.Now()
				if _, err := io.WriteString(conn, c.sent); err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(bufio.NewReader(conn))
				if took := time.Since(began); err != nil || took > c.most || !strings.Contains(string(got), c.want) {
					t.Errorf("after %v: %q, %v", took, got, err)
				}
				if list := f.deletions(); len(list) != 0 {
					t.Errorf("the ledger has %+v", list)
				}
			})
		})
	}
}

// Each of them costs a descriptor, of which a process has few.
func TestManyIdleConnectionsKeepNobodyOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t, someVendor)
	server := httptest.NewUnstartedServer(nil)
	server.Config = deletions.NewServerOf(f.relay, 10)
	server.Start()
	t.Cleanup(server.Close)
	var idle []net.Conn
	for range 40 {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		idle = append(idle, conn)
	}
	for n := range 20 { // each on a connection of its own
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Post(server.URL+"/v1/deletions", "application/json", strings.NewReader(body("mytool", somebody(n))))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusAccepted {
			t.Errorf("answered %d", resp.StatusCode)
		}
	}
	for i, conn := range idle[:30] {
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("idle connection %d is still open: %v", i, err)
		}
	}
}

func TestManyAtOnceGetOneDeletionEach(t *testing.T) {
	t.Parallel()
	f := newFixture(t, someVendor)
	const people, times = 40, 10
	ids := make([][]string, people)
	var mu sync.Mutex
	var wait sync.WaitGroup
	for range times {
		for n := range people {
			wait.Go(func() {
				a := f.post(somebody(n))
				if a.Status/100 != 2 {
					t.Errorf("got %+v", a)
				}
				mu.Lock()
				defer mu.Unlock()
				ids[n] = append(ids[n], a.ID)
			})
		}
	}
	wait.Wait()
	for n := range ids {
		for _, id := range ids[n] {
			if id != ids[n][0] {
				t.Errorf("person %d got the receipts %s and %s", n, ids[n][0], id)
			}
		}
	}
	if list := f.deletions(); len(list) != people {
		t.Errorf("%d deletions, want %d", len(list), people)
	}
	f.wantMetric(fmt.Sprintf(`telemetry_relay_requests_total{doing="request",outcome="accepted"} %d`, people))
	f.wantMetric(fmt.Sprintf(`telemetry_relay_requests_total{doing="request",outcome="known"} %d`, people*(times-1)))
}

func TestSecretsAreNowhereAndIDsOnlyInTheLedger(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, refusedOne := somebody(1), somebody(2)
		v := &vendor{
			delete: func(n int, req deletion.Request) (deletion.Receipt, error) {
				switch {
				case req.DeletionKey != "":
					t.Error("a vendor was given a key")
				case req.MachineID == refusedOne.id:
					return deletion.Receipt{State: deletion.Refused, Detail: "not " + req.MachineID}, nil
				case n < 3:
					return deletion.Receipt{}, fmt.Errorf("GET https://vendor.example/?id=%s: connection reset", req.MachineID)
				}
				return deletion.Receipt{State: deletion.Acknowledged, Detail: "deleting " + req.MachineID}, nil
			},
			status: func(n int, r deletion.Receipt) (deletion.Receipt, error) {
				switch n {
				case 1:
					return r, fmt.Errorf("%s: %w", p.id, deletion.ErrUnknownReceipt)
				case 2:
					return r, driver.Permanent(errors.New(p.id))
				}
				r.State = deletion.Verified
				return r, nil
			},
		}
		f := newFixture(t, deletions.Vendor{Name: "vendor", Requestor: follower{v}})
		f.run()
		f.mustPost(p)
		f.mustPost(refusedOne)
		forged := post(strings.Replace(body("mytool", p), p.id, somebody(3).id, 1))
		forged.RemoteAddr, forged.Header["X-Forwarded-For"] = "192.0.2.77:4711", []string{"198.51.100.99"}
		if a := f.serve(forged); a.Status != http.StatusForbidden {
			t.Errorf("got %+v", a)
		}
		f.pass(12 * day)
		if e := f.deletions()[0]; e.State != deletion.Verified || len(e.Steps) < 10 {
			t.Fatalf("this is not the way that was meant: %+v", e)
		}
		file, _ := store.File(f.url)
		var ledger string
		for _, part := range []string{file, file + "-wal"} {
			content, err := os.ReadFile(part)
			if err != nil {
				t.Error(err)
			}
			ledger += string(content)
		}
		for _, secret := range []string{p.key, refusedOne.key, "192.0.2.77", "198.51.100.99", somebody(3).id} {
			if strings.Contains(f.log.String()+f.metrics()+ledger, secret) {
				t.Errorf("%s is in the log, the metrics or the ledger", secret)
			}
		}
		for _, id := range []string{p.id, refusedOne.id} {
			if strings.Contains(f.log.String()+f.metrics(), id) {
				t.Errorf("a machine ID is in the log or the metrics:\n%s", f.log)
			}
			if !strings.Contains(ledger, id) {
				t.Error("a machine ID is not in the ledger")
			}
		}
	})
}

func TestAMistakeInTheConfigurationIsNamed(t *testing.T) {
	t.Parallel()
	tools := func(vendors ...deletions.Vendor) map[string][]deletions.Vendor {
		return map[string][]deletions.Vendor{"mytool": vendors}
	}
	f := newFixture(t, someVendor)
	for field, cfg := range map[string]deletions.Config{
		"Ledger":                     {Tools: tools(someVendor)},
		"Tools":                      {Ledger: f.ledger},
		"Tools[mytool]":              {Ledger: f.ledger, Tools: tools()},
		"Tools[my\ntool]":            {Ledger: f.ledger, Tools: map[string][]deletions.Vendor{"my\ntool": {someVendor}}},
		"Tools[mytool][0].Name":      {Ledger: f.ledger, Tools: tools(deletions.Vendor{Requestor: &vendor{}})},
		"Tools[mytool][0].Requestor": {Ledger: f.ledger, Tools: tools(deletions.Vendor{Name: "vendor"})},
		"Tools[mytool][1].Name":      {Ledger: f.ledger, Tools: tools(someVendor, someVendor)},
		"Quiet":                      {Ledger: f.ledger, Tools: tools(someVendor), Quiet: -1},
		"Poll":                       {Ledger: f.ledger, Tools: tools(someVendor), Poll: 25 * time.Hour},
		"Limit.Global":               {Ledger: f.ledger, Tools: tools(someVendor), Limit: deletions.Limit{Global: deletions.Rate{Burst: 5}}},
		"Limit.PerAddress":           {Ledger: f.ledger, Tools: tools(someVendor), Limit: deletions.Limit{PerAddress: deletions.Rate{PerSecond: 5}}},
	} {
		_, err := deletions.New(cfg)
		if mistake, ok := errors.AsType[*driver.ConfigError](err); !ok || mistake.Field != "deletions.Config."+field {
			t.Errorf("%s: got %v", field, err)
		}
	}
	if _, err := deletions.New(deletions.Config{Ledger: f.ledger, Tools: tools(someVendor)}); err == nil {
		t.Error("two relays got the same ledger")
	}
}

func FuzzWhatIsReadIsARequest(f *testing.F) {
	p := somebody(1)
	f.Add([]byte(body("mytool", p)))
	f.Add([]byte(strings.Replace(body("mytool", p), p.id, strings.ToUpper(p.id), 1)))
	f.Add([]byte(`{"MACHINE_ID":"` + p.id + `","machine_id":"` + somebody(2).id + `","deletion_key":"` + p.key + `","tool":"mytool"}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		// The request of the test itself, and what a body of a few KiB at most is read into.
		fuzzing.Allocs(t, len(content), 64<<10, 16, func() { deletions.ReadRequest(httptest.NewRecorder(), post(string(content))) })
		req, word := deletions.ReadRequest(httptest.NewRecorder(), post(string(content)))
		switch word {
		case "invalid_request", "too_large":
			return
		case "":
		default:
			t.Errorf("%q: %s", content, word)
		}
		key, err := hex.DecodeString(req.DeletionKey)
		if req.Validate() != nil || err != nil || len(key) != deletion.KeyBytes || req.Tool == "" ||
			time.Since(req.RequestedAt) < 0 || time.Since(req.RequestedAt) > 2*year {
			t.Errorf("%q was read as %+v", content, req)
		}
	})
}
