//go:build !notelemetry

package relaycmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/events"
	"github.com/gotoolbase/telemetry/relay/store"
)

// withEvents is a file without mistakes, to be spoilt.
const withEvents = `listen: 127.0.0.1:0
database: sqlite:db/relay.db
tools:
  mytool:
    schema: mytool.yaml
    destinations:
    - {backend: store, retention: 90d}
    - backend: http
      endpoint_file: endpoint.url
      headers: {Authorization_env: TOKEN}
`

func TestAMistakeInWhatAFileSaysOfEventsIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.env = append(p.env, "TOKEN=Bearer "+postHogKey)
	p.write("endpoint.url", "https://telemetry.example.com/v1/events\n")
	p.write("plain.url", "http://telemetry.example.com/"+postHogKey+"\n")
	p.write("mytool.yaml", "Name: mytool\nTelemetry: {Events: [{Type: export.finished}]}\n")
	p.write("other.yaml", "Name: other\n")
	p.write("mistake.yaml", "Name: mytool\nTelemetry: {Events: [{Type: telemetry.loss}]}\n")
	p.write("garbage.yaml", "Nmae: mytool\n")
	for name, test := range map[string]struct{ old, new, want string }{
		"none":                      {"", "", ""},
		"no database":               {"database: sqlite:db/relay.db\n", "", "database: not set: where the record of all deletions is"},
		"two databases":             {"database:", "database_env: X\ndatabase:", "line 2: database_env: the database is named in another way as well"},
		"a password":                {"sqlite:db/relay.db", "postgres://u:" + postHogKey + "@h/db", "line 2: database: no password stands in this file"},
		"no such variable":          {"database: sqlite:db/relay.db", "database_env: X", "line 2: database_env: the environment has no such variable"},
		"an unknown backend":        {"backend: http", "backend: htpp", "line 8: tools.mytool.destinations[1].backend: not a backend that this program can reach: store, http, amplitude, datadog, otlp, posthog or segment"},
		"no backend":                {"{backend: store, retention: 90d}", "{retention: 90d}", "line 7: tools.mytool.destinations[0]: needs a backend"},
		"no destination":            {withEvents[strings.Index(withEvents, "destinations:"):], "destinations: []\n", "destinations: there is none"},
		"two of a name":             {"backend: http", "backend: http\n      name: store", "line 8: tools.mytool.destinations[1]: there is a store before it"},
		"an unknown setting":        {"retention:", "retenton:", `did you mean "retention"?`},
		"a retention that is none":  {"90d", "3 months", "line 7: tools.mytool.destinations[0].retention: must be whole days, such as 90d"},
		"an endpoint in the file":   {"endpoint_file: endpoint.url", "endpoint: https://h/" + postHogKey, "line 9: tools.mytool.destinations[1].endpoint: no key stands in this file"},
		"an endpoint that is open":  {"endpoint.url", "plain.url", "line 9: tools.mytool.destinations[1].endpoint_file: "},
		"a header in the file":      {"Authorization_env: TOKEN", "Authorization: " + postHogKey, "line 10: tools.mytool.destinations[1].headers.Authorization: no key stands in this file"},
		"a header's variable":       {"TOKEN", "TOKNE", "line 10: tools.mytool.destinations[1].headers.Authorization_env: the environment has no such variable"},
		"a schema that is missing":  {"mytool.yaml", "none.yaml", "line 5: tools.mytool.schema: "},
		"a schema that is a folder": {"schema: mytool.yaml", "schema: .", "line 5: tools.mytool.schema: not a plain file: a reload reads it again"},
		"another tool's schema":     {"mytool.yaml", "other.yaml", "line 5: tools.mytool.schema: declares another tool"},
		"a schema that is wrong":    {"mytool.yaml", "mistake.yaml", "Telemetry.Events[0].Type"},
		"a schema with a slip":      {"mytool.yaml", "garbage.yaml", `did you mean "Name"?`},
		"a schema for nothing":      {withEvents[strings.Index(withEvents, "    destinations:"):], "    deletions: [{vendor: store}]\n", "is for events, which this tool has no destinations for"},
		"a size without a unit":     {"tools:", "limits: {events: {memory: 64}}\ntools:", "line 3: limits.events.memory: must be a size in whole MiB, such as 256MiB"},
		"an age that is too old":    {"tools:", "limits: {events: {stored_age: 91d}}\ntools:", "line 3: limits.events.stored_age: must be above zero and at most 90d"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := *p
			p.T = t
			if !strings.Contains(withEvents, test.old) {
				t.Fatalf("there is no %q to be spoilt", test.old)
			}
			file := p.write(strings.ReplaceAll(name, " ", "-")+".yaml", strings.Replace(withEvents, test.old, test.new, 1))
			if test.want == "" {
				p.must("serve", "--config", file, "--check")
				return
			}
			p.fails(2, test.want, "serve", "--config", file, "--check")
		})
	}
}

func TestCheckSaysWhereEventsWouldGo(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.env = append(p.env, "TOKEN=Bearer "+postHogKey)
	p.write("endpoint.url", "https://telemetry.example.com/v1/events?key="+postHogKey+"\n")
	p.write("mytool.yaml", "Name: mytool\nTelemetry: {Events: [{Type: export.finished}]}\n")
	file := p.write("relay.yaml", withEvents+"  other:\n    destinations: [{backend: store}]\n    deletions: [{vendor: store}, "+p.postHogVendor()+"]\n")
	golden(t, "check_events", p.transcript("serve", "--config", file, "--check"))
	golden(t, "check_events_json", p.transcript("serve", "--config", file, "--check", "--output", "json"))
	if _, err := http.Dir(p.dir).Open("db"); err == nil {
		t.Error("the check made the database's directory")
	}
}

func TestAToolWithHTTPAloneReachesTheDatabaseAndAVendor(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.env = append(p.env, "TOKEN=Bearer c4n4ry-token")
	var mu sync.Mutex
	var got []driver.Event
	var tokens []string
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var list []driver.Event
		if err := json.NewDecoder(r.Body).Decode(&list); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		got, tokens = append(got, list...), append(tokens, r.Header.Get("Authorization"))
	}))
	t.Cleanup(vendor.Close)
	p.write("endpoint.url", vendor.URL+"\n")
	p.write("mytool.yaml", "Name: mytool\nTelemetry: {Events: [{Type: export.finished}]}\n")
	p.write("relay.yaml", "admin: 127.0.0.1:0\n"+withEvents)
	r := p.start()
	url, admin := r.public, r.url(forAdmin)

	d := httpjson.Driver()
	settings, err := d.Resolve(map[string]string{"endpoint": url + events.Path})
	if err != nil {
		t.Fatal(err)
	}
	client, err := d.Open(driver.Config{Settings: settings, Tool: "mytool"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	event := driver.Event{
		ID: "0193a3c0-0000-7000-8000-000000000001", Type: "export.finished", Time: time.Now().UTC().Truncate(time.Millisecond),
		Tool: "mytool", OS: "linux", Arch: "amd64", MachineID: somebody(1).id, Metadata: map[string]string{"undeclared": "c4n4ry"},
	}
	if err := client.Send(t.Context(), []driver.Event{event}); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	if len(got) != 1 || got[0].ID != event.ID || got[0].Metadata != nil || tokens[0] != "Bearer c4n4ry-token" {
		t.Errorf("the vendor got %+v with %q", got, tokens)
	}
	mu.Unlock()
	if code, text := get(t, http.DefaultClient, admin+"/metrics"); code != 200 || !strings.Contains(text, `telemetry_relay_events_total{tool="mytool",outcome="accepted"} 1`) {
		t.Errorf("metrics: %d %s", code, text)
	}
	if code, text := get(t, http.DefaultClient, admin+"/healthz"); code != 200 {
		t.Errorf("healthz: %d %s", code, text)
	}
	deadline := time.Now().Add(patience)
	for seen := false; !seen; time.Sleep(100 * time.Millisecond) { // until the counts are written
		code, page := get(t, http.DefaultClient, admin+"/report")
		if seen = code == 200 && strings.Contains(page, "export.finished"); !seen && time.Now().After(deadline) {
			t.Fatalf("the page does not show the event: %d %s", code, page)
		}
	}
	if code, numbers := get(t, http.DefaultClient, admin+"/report/other-events.csv"); code != 200 || !strings.Contains(numbers, "export.finished,1,") {
		t.Errorf("numbers: %d %s", code, numbers)
	}
	for _, path := range []string{"/healthz", "/metrics", "/report", "/report/other-events.csv", "/v1/deletions"} {
		if code, _ := get(t, http.DefaultClient, url+path); code != 404 {
			t.Errorf("%s is at the tools' door: %d", path, code)
		}
	}
	db, err := store.Open(context.Background(), "sqlite:"+p.path("db/relay.db"), events.Schema())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var rows int
	if err := db.Read(t.Context(), func(tx *store.Tx) error {
		_, err := tx.One(t.Context(), []any{&rows}, `SELECT COUNT(*) FROM events WHERE machine_id = ?`, somebody(1).id)
		return err
	}); err != nil || rows != 1 {
		t.Errorf("%d rows, %v", rows, err)
	}
	for _, line := range r.log.with("") {
		if strings.Contains(line, "c4n4ry") || strings.Contains(line, somebody(1).id) {
			t.Errorf("the log says %s", line)
		}
	}
}

// The deletion is in the ledger, in the store, and at the door.
func TestWhoIsDeletedIsGoneFromTheStoreAndDoesNotComeBack(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("relay.yaml", "listen: 127.0.0.1:0\nquiet: 1ms\ndatabase: sqlite:db/relay.db\ntools:\n  mytool:\n    destinations: [{backend: store}]\n    deletions: [{vendor: store}]\n")
	r := p.start()
	d := httpjson.Driver()
	client, err := d.Open(driver.Config{Settings: map[string]string{"endpoint": r.public + events.Path}, Tool: "mytool"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	who, other := somebody(1), somebody(2)
	send := func(n int) error {
		at := time.Now().UTC().Truncate(time.Millisecond)
		return client.Send(t.Context(), []driver.Event{
			{ID: fmt.Sprintf("0193a3c0-0000-7000-8000-%012d", n), Type: "command.invocation", Time: at, Tool: "mytool", MachineID: who.id},
			{ID: fmt.Sprintf("0193a3c0-0000-7000-9000-%012d", n), Type: "command.invocation", Time: at, Tool: "mytool", MachineID: other.id},
		})
	}
	if err := send(1); err != nil {
		t.Fatal(err)
	}
	id := r.post("mytool", who)
	err = send(2)
	partial, named := errors.AsType[*driver.Partial](err)
	if !named || len(partial.Rejected) != 1 || len(partial.Accepted) != 1 {
		t.Errorf("a late batch got %v", err)
	}
	deadline := time.Now().Add(patience)
	for r.do(http.MethodGet, "/v1/deletions/"+id, "").State != "verified" {
		if time.Now().After(deadline) {
			t.Fatalf("it is not verified:\n%s", strings.Join(r.log.with(""), "\n"))
		}
		time.Sleep(20 * time.Millisecond)
	}
	var byMail struct {
		ID string `json:"id"`
	}
	added := p.must("deletions", "add", "--config", "relay.yaml", "--tool", "mytool", "--machine-id", somebody(3).id, "--by", "alice", "--why", "a letter", "-o", "json")
	if err := json.Unmarshal([]byte(added), &byMail); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{id, byMail.ID} {
		if shown := p.must("deletions", "show", id, "--config", "relay.yaml"); !strings.Contains(shown, "\nreport\n") {
			t.Errorf("the counts of the report are not among those who are asked:\n%s", shown)
		}
	}
	db, err := store.Open(context.Background(), "sqlite:"+p.path("db/relay.db"), events.Schema())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, c := range []struct {
		who  person
		want int
	}{{who, 0}, {other, 2}} {
		var rows int
		if err := db.Read(t.Context(), func(tx *store.Tx) error {
			_, err := tx.One(t.Context(), []any{&rows}, `SELECT COUNT(*) FROM events WHERE machine_id = ?`, c.who.id)
			return err
		}); err != nil || rows != c.want {
			t.Errorf("%d rows, want %d; %v", rows, c.want, err)
		}
	}
}

// A tool whose author named nobody to ask sends an event, which is as good as a request.
func TestARequestThatComesAsAnEventIsInTheLedgerAndNowhereElse(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("relay.yaml", "listen: 127.0.0.1:0\nquiet: 1ms\ndatabase: sqlite:db/relay.db\ntools:\n  mytool:\n    destinations: [{backend: store}]\n    deletions: [{vendor: store}]\n")
	r := p.start()
	d := httpjson.Driver()
	client, err := d.Open(driver.Config{Settings: map[string]string{"endpoint": r.public + events.Path}, Tool: "mytool"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for n, c := range []struct {
		kind, field, key string
		good             bool
	}{
		{"data.deletion_request", deletion.KeyField, somebody(2).key, false}, {"data.deletion_request", "", "", false}, {"command.invocation", "", "", true},
		{"data.deletion_request", deletion.FormerKeyField, somebody(1).key, true}, {"data.deletion_request", deletion.KeyField, somebody(1).key, true},
		{"command.invocation", "", "", false},
	} {
		e := driver.Event{
			ID: fmt.Sprintf("0193a3c0-0000-7000-8000-%012d", n), Type: c.kind, Time: time.Now().UTC().Truncate(time.Millisecond),
			Tool: "mytool", MachineID: somebody(1).id,
		}
		if c.key != "" {
			e.Metadata = map[string]string{c.field: c.key}
		}
		err := client.Send(t.Context(), []driver.Event{e})
		if partial, named := errors.AsType[*driver.Partial](err); c.good != (err == nil) || !c.good && (!named || len(partial.Rejected) != 1) {
			t.Errorf("event %d: %v", n, err)
		}
	}
	content, err := os.ReadFile(p.path("db/relay.db-wal"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(content), somebody(1).id) || strings.Contains(string(content), somebody(1).key) {
		t.Error("the ledger has no such machine, or the key is in the database")
	}
}

// A request counts for who sent it, whatever its headers say; behind a proxy, for whom that one
// names.
func TestDeletionRequestsCountForWhoTheProxySays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		proxies string
		want    int
	}{
		"no proxy": {"proxies: [192.0.2.1]", http.StatusTooManyRequests},
		"a proxy":  {"proxies: [127.0.0.0/8]", http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			file := p.declare(c.proxies)
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Replace(string(content), "limits: {per_address: {per_second: 1000, burst: 1000}}", "limits: {per_address: {per_second: 0.001, burst: 1}}", 1)
			p.write("relay.yaml", text)
			url := p.start().public
			last := 0
			for n := range 30 {
				req, err := http.NewRequest(http.MethodGet, url+"/v1/deletions/0193a3c0-0000-4000-8000-000000000001", nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d", n))
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				last = resp.StatusCode
			}
			if last != c.want {
				t.Errorf("the last of many got %d, want %d", last, c.want)
			}
		})
	}
}
