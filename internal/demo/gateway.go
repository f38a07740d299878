package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver that is called "sqlite"

	"github.com/gotoolbase/telemetry/internal/standin/datadog"
)

const (
	// personAddress is where the person is, as the proxy before the gateway sees it, and the
	// other one a neighbour's.
	personAddress    = "203.0.113.77"
	neighbourAddress = "198.51.100.23"
	neighbour        = "0ddba11f0ddba11f0ddba11f0ddba11f"
	canary           = "ca9a27ca9a27ca9a27ca9a27ca9a2700"
)

// passage is the cast of the third story: the people, a proxy before the gateway as most
// operators have one, and somebody who stands in for Datadog.
type passage struct {
	*people
	proxy    *proxy
	vendor   *vendor
	database *sql.DB // the gateway's, to be looked into
}

func runGateway(ctx context.Context, dir string) {
	addresses := reserve(3)
	g := &passage{people: &people{story: newStory(), ctx: ctx}}
	g.proxy, g.vendor = newProxy(addresses[0]), newVendor(addresses[2])
	must(g.proxy.up())
	defer g.proxy.down() //nolint:errcheck // the end
	must(g.vendor.up())
	defer g.vendor.down() //nolint:errcheck // the end
	g.url, g.admin = g.proxy.url()+"/v1/deletions", "http://"+addresses[1]

	g.tool = got(build(ctx, dir, "examples/mytool", "-ldflags", "-X main.version=1.0.0 -X main.endpoint="+g.proxy.url()+"/v1/events -X main.deletions="+g.url))
	g.operator = got(build(ctx, dir, "cmd/telemetry-relay"))
	must(os.WriteFile(filepath.Join(g.tool.dir, secretName), []byte("Dear Ada,\nthree lines,\nand a word.\n"), 0o600))
	g.write("relay.yaml", fmt.Sprintf(`listen: %s
admin: %s
proxies: [127.0.0.0/8]
database: sqlite:data/relay.db
quiet: 3s
poll: 1s
tools:
  mytool:
    destinations:
      - {backend: store}
      - {backend: datadog, endpoint_file: datadog.url, api_key_file: api.key}
    deletions:
      - {vendor: store}
      - {vendor: datadog, endpoint: %q, retention: 15d, api_key_file: api.key, application_key_file: application.key, canary: %s}
`, addresses[0], addresses[1], g.vendor.url(), canary))
	g.write("datadog.url", g.vendor.url()+"\n")
	g.write("api.key", datadog.APIKey+"\n")
	g.write("application.key", datadog.ApplicationKey+"\n")
	defer g.stopRelay(os.Interrupt)

	g.first()
	g.page()
	g.firewall()
	g.away()
	stale := g.copied(dir)
	g.forget()
	g.stale(stale)
	g.traces()
	fmt.Fprintf(g.out, "\n%s\n", g.paint(bold, fmt.Sprintf("All %d claims hold.", g.claims)))
}

func (g *passage) first() {
	g.title("One address, and everybody behind it")
	g.say("mytool links nothing but core and the http backend, and knows one address: the operator's. There a proxy takes what comes "+
		"from %s and hands it to telemetry-relay, which keeps events in a SQLite file and sends them on to somebody who stands in for Datadog.", personAddress)
	program := got(os.ReadFile(g.tool.exe))
	g.claim(!bytes.Contains(program, []byte("datadoghq")) && !bytes.Contains(program, []byte(datadog.APIKey)), "there is neither a vendor's host nor a vendor's key in mytool")
	g.show(string(got(os.ReadFile(filepath.Join(g.operator.dir, "relay.yaml")))))
	r := g.operate("serve", "--config", "relay.yaml", "--check")
	g.claim(r.code == 0, "the operator's file is right", r.output())
	g.startRelay()
	g.database = got(sql.Open("sqlite", "file:"+filepath.Join(g.operator.dir, "data", "relay.db")+"?mode=ro"))

	g.say("The person at a terminal is asked, and says yes:")
	screen := got(g.tool.runOnTerminal(g.ctx, promptEnd, "y", "count", secretName))
	asked, _, _ := strings.Cut(screen, "Each")
	g.command("mytool count "+secretName, strings.TrimSpace(asked)+"\n…\nSend usage data? [y/N] y\n…\n"+counted)
	g.claim(strings.HasSuffix(screen, counted), "after the answer mytool does what it was started for", screen)
	r = g.person("telemetry", "flush")
	g.claim(r.code == 0, "flush ends with exit code 0", r.code)
	g.id = got(g.tool.status(g.ctx)).MachineID
	stored, sent := g.stored(g.id), g.vendor.stored(g.id)
	g.claim(len(stored) == 1 && slices.Equal(stored, sent), "the event is in the SQLite file and at the vendor, with the ID that it was recorded with", stored, sent)
	request := g.vendor.deliveries()[0]
	g.say("This is what the vendor was sent:")
	g.show(strings.ReplaceAll(headOf(request), datadog.APIKey, "…"))
	g.json(request.Body)
	g.claim(strings.Contains(g.proxy.seen(), personAddress), "the proxy told the gateway where the person is: "+personAddress)
	g.claim(!strings.Contains(whole(request), personAddress), "the vendor was not told")
}

// page looks at what came in.
func (g *passage) page() {
	g.title("A page of what came in")
	g.say("The gateway counts what it accepts, and writes the counts every ten seconds:")
	began := time.Now()
	var page string
	must(poll("the event was on the page", func() (bool, error) {
		resp, err := http.Get(g.admin + "/report")
		if err != nil {
			return false, err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		page = string(text)
		return resp.StatusCode == http.StatusOK && strings.Contains(page, "active-by-day.csv"), err
	}))
	g.claim(strings.Contains(page, "count") && time.Since(began) < time.Minute, "at the admin address, /report has the command that ran, in less than a minute")
	g.claim(!strings.Contains(page, g.id) && !strings.Contains(page, "<script"), "it is one page without a script, and no machine ID is on it")
	r := g.operate("report", "--database", "sqlite:data/relay.db", "--k", "1", "--out", "report.html", "--csv", "numbers")
	g.claim(r.code == 0, "the operator has it as a file too, with the numbers behind each chart", r.output())
	g.claim(len(got(os.ReadFile(filepath.Join(g.operator.dir, "report.html")))) > 1000, "which is a page")
	active := string(got(os.ReadFile(filepath.Join(g.operator.dir, "numbers", "active-by-day.csv"))))
	lines := strings.Split(strings.TrimSpace(active), "\n")
	g.show(lines[0] + "\n…\n" + lines[len(lines)-1])
	today := lines[len(lines)-1]
	day := time.Now().UTC().Format(time.DateOnly)
	g.claim(today == day+",1,0" || today == day+",0,1", "one installation was active today, or one job where this runs in a container", today)
}

// firewall sends by hand what no tool of this version would.
func (g *passage) firewall() {
	g.title("What does not pass")
	g.say("Somebody else, at %s, sends an event with a field that events do not have, as a tool that was tampered with might:", neighbourAddress)
	event := map[string]any{
		"id": "0193a3c0-0000-7000-8000-00000000beef", "type": "command.invocation", "name": "count", "timestamp": time.Now().UTC().Format(time.RFC3339),
		"tool_name": "mytool", "tool_version": "1.0.0", "os": "linux", "arch": "amd64", "machine_id": neighbour, "home_directory": "/home/" + user,
	}
	status := g.post(neighbourAddress, event)
	g.claim(status == http.StatusNoContent, "the gateway takes it", status)
	passed := whole(g.vendor.deliveries()[1]) + strings.Join(g.texts(`SELECT event FROM events WHERE machine_id = ?`, neighbour), "")
	g.claim(len(g.stored(neighbour)) == 1 && len(g.vendor.stored(neighbour)) == 1 && !strings.Contains(passed, user), "and hands it on without that field", passed)
	g.claim(g.metric(`telemetry_relay_events_findings_total{tool="mytool",kind="field"}`) == "1", "which is counted")
}

// post sends an event through the proxy, from an address.
func (g *passage) post(from string, event map[string]any) (status int) {
	body := got(json.Marshal([]any{event}))
	req := got(http.NewRequest(http.MethodPost, g.proxy.url()+"/v1/events", bytes.NewReader(body)))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(cameFrom, from)
	resp := got(http.DefaultClient.Do(req))
	defer resp.Body.Close()
	return resp.StatusCode
}

func (g *passage) away() {
	g.title("The vendor is away")
	before := g.vendor.stored(g.id)
	must(g.vendor.down())
	for _, args := range [][]string{{"count", secretName}, {"fail", "--code", "3"}, {"sleep", "1ms"}} {
		g.person(args...)
	}
	s := got(g.tool.status(g.ctx))
	recorded := ids(got(queued(s.StateDir)))
	g.claim(len(recorded) == 3, "three events wait on the person's machine", recorded)
	r := g.person("telemetry", "flush")
	left := got(queued(s.StateDir))
	g.claim(r.code == 0 && len(left) == 0, "the gateway takes them: they are durable there, so the person's machine need not keep them", r.code, len(left))
	g.claim(slices.Equal(g.missing(before, g.stored(g.id)), recorded), "the SQLite file has them as events")
	waiting := g.texts(`SELECT id FROM events_waiting WHERE destination = 'datadog' ORDER BY seq`)
	g.claim(slices.Equal(slices.Sorted(slices.Values(waiting)), recorded) && g.waits() == "3", "and as what the vendor misses, which /metrics says too", waiting, g.waits())
	g.stopRelay(os.Kill)
	g.say("The gateway is killed with SIGKILL, and started again.")
	g.startRelay()
	g.claim(g.waits() == "3", "they still wait", g.waits())
	g.say("The vendor is back:")
	must(g.vendor.up())
	must(poll("the vendor had what it missed", func() (bool, error) { return g.waits() == "0", nil }))
	after := g.vendor.stored(g.id)
	g.claim(slices.Equal(g.missing(before, after), recorded), "it was sent what it missed, with the same IDs", after)
	order := g.vendor.taken()[len(before)+1:] // and the neighbour's
	g.claim(slices.Equal(order, waiting), "each once, in the order in which they came in", order, waiting)
	g.claim(slices.Equal(g.stored(g.id), after), "both places have the same events")
}

// missing are those of the second list that are not in the first.
func (g *passage) missing(before, after []string) []string {
	return slices.DeleteFunc(slices.Clone(after), func(id string) bool { return slices.Contains(before, id) })
}

// copied makes what a backup or an image of a container is: the person's files of now, with an
// event that waits.
func (g *passage) copied(dir string) *tool {
	g.person("count", secretName)
	was := *g.tool
	was.home = filepath.Join(dir, "mytool-copy")
	must(os.CopyFS(was.home, os.DirFS(g.tool.home)))
	must(filepath.WalkDir(was.home, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	}))
	was.env = slices.Clone(was.env)
	was.env[0] = "HOME=" + was.home
	return &was
}

func (g *passage) forget() {
	g.title("To be forgotten")
	had := len(g.vendor.stored(g.id))
	g.say("There are %d events of the person in the SQLite file, and %d at the vendor.", len(g.stored(g.id)), had)
	r := g.person("telemetry", "reset")
	g.claim(r.code == 0, "reset ends with exit code 0: the operator has the request", r.output())
	receipt := g.theOnly("acknowledged")
	g.say("After the quiet period (three seconds here, a day otherwise) both are asked:")
	must(poll("the vendor was asked", func() (bool, error) { return len(g.vendor.Requests()) == 1, nil }))
	must(poll("the store has deleted", func() (bool, error) { return len(g.stored(g.id)) == 0, nil }))
	g.claim(len(g.vendor.stored(g.id)) == had, "the SQLite file has nothing more of the person; the vendor can be told to stop for ten days, so it still has all")
	g.claim(g.ledger()[0].State == "acknowledged", "and nobody claims otherwise")
	g.say("Ten days later, by the clock of the stand-in, it deletes. The gateway looks how far it is, and counts what is left.")
	g.vendor.Advance(datadog.CancelWindow + time.Hour)
	for range 3 {
		g.vendor.Run()
	}
	must(poll("the deletion was verified", func() (bool, error) { return g.ledger()[0].State == "verified", nil }))
	g.operate("deletions", "show", receipt.ID, "--config", "relay.yaml")
	r = g.person("telemetry", "reset", "--resume")
	g.claim(r.code == 0 && strings.Contains(r.stdout, "verified"), "the person is told that it was verified", r.output())
	g.nothingLeft("0 in the SQLite file and 0 at the vendor")
	g.claim(len(g.stored(neighbour)) == 1 && len(g.vendor.stored(neighbour)) == 1, "the neighbour's event is in both places")
	g.claim(len(g.vendor.Requests()) == 1, "the vendor was asked once")
}

// nothingLeft asks both places.
func (g *passage) nothingLeft(statement string) {
	here, there := g.stored(g.id), g.vendor.stored(g.id)
	g.claim(len(here) == 0 && len(there) == 0, "of the machine ID "+g.id+" there are "+statement, here, there)
}

func (g *passage) stale(was *tool) {
	g.title("A stale process")
	g.say("A copy of the person's files was made before the reset, as backups and images of containers are. mytool runs with them, " +
		"under the old machine ID, and sends what waited there:")
	s := got(was.status(g.ctx))
	g.claim(s.MachineID == g.id && s.Queue.Events > 0, "it has the old machine ID, and an event that was recorded before the reset", s)
	before := len(g.vendor.taken())
	g.command("mytool count "+secretName, got(was.run(g.ctx, "count", secretName)).output())
	r := got(was.run(g.ctx, "telemetry", "flush"))
	g.command("mytool telemetry flush", r.output())
	refused := g.metric(`telemetry_relay_events_findings_total{tool="mytool",kind="deleted"}`)
	g.claim(refused != "" && refused != "0", "the gateway refuses the events of a machine that was deleted: "+refused, r.output())
	g.nothingLeft("still 0 in the SQLite file and 0 at the vendor")
	g.claim(len(g.vendor.taken()) == before, "the vendor was sent none of them")
}

func (g *passage) traces() {
	g.title("What is left of the person")
	r := g.operate("deletions", "verify", "--config", "relay.yaml")
	g.claim(r.code == 0, "the ledger's chain of hashes holds", r.code)
	g.stopRelay(os.Interrupt)
	log := string(got(os.ReadFile(filepath.Join(g.operator.dir, "relay.log"))))
	g.claim(strings.Contains(log, "mytool") && !strings.Contains(log, g.id) && !strings.Contains(log, personAddress) && !strings.Contains(log, datadog.APIKey),
		"the gateway's log names the tool, and neither the machine ID, nor the person's address, nor a key", log)
	var holding []string
	for _, file := range got(files(g.operator.dir)) {
		content, err := os.ReadFile(file)
		if err == nil && (bytes.Contains(content, []byte(personAddress)) || bytes.Contains(content, []byte(neighbourAddress))) {
			holding = append(holding, file)
		}
	}
	g.claim(len(holding) == 0, "no file of the gateway has anybody's address", holding)
	tables := g.texts(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`)
	var known []string
	for _, table := range tables {
		if !strings.HasPrefix(table, "deletion") && g.holds(table, g.id) {
			known = append(known, table)
		}
	}
	g.claim(len(known) == 0 && g.holds("deletions", g.id), fmt.Sprintf("of its %d tables none has the machine ID but those of the deletion's record", len(tables)), known)
	heads, addresses := 0, 0
	for _, request := range g.vendor.Calls() {
		if strings.Contains(whole(request), personAddress) || strings.Contains(whole(request), neighbourAddress) {
			addresses++
		}
		if request.Endpoint == datadog.Intake && strings.Contains(headOf(request), g.id) {
			heads++
		}
	}
	g.claim(addresses == 0, fmt.Sprintf("in none of %d requests to the vendor is anybody's address", len(g.vendor.Calls())), addresses)
	g.claim(heads == 0, "and in none that brought events is the machine ID anywhere but in the events", heads)
}

// stored are the IDs of a machine's events in the gateway's database, in order.
func (g *passage) stored(machine string) []string {
	return g.texts(`SELECT id FROM events WHERE machine_id = ? ORDER BY id`, machine)
}

// texts answers a query with one column.
func (g *passage) texts(query string, args ...any) (all []string) {
	rows := got(g.database.QueryContext(g.ctx, query, args...))
	defer rows.Close()
	for rows.Next() {
		var text string
		must(rows.Scan(&text))
		all = append(all, text)
	}
	must(rows.Err())
	return all
}

// holds looks for a text in all columns of a table.
func (g *passage) holds(table, text string) bool {
	rows := got(g.database.QueryContext(g.ctx, `SELECT * FROM "`+table+`"`))
	defer rows.Close()
	columns := got(rows.Columns())
	found := false
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		must(rows.Scan(values...))
		for _, v := range values {
			switch v := (*v.(*any)).(type) {
			case string:
				found = found || strings.Contains(v, text)
			case []byte:
				found = found || bytes.Contains(v, []byte(text))
			}
		}
	}
	must(rows.Err())
	return found
}

// metric returns the value of one, empty if there is none.
func (g *passage) metric(name string) string {
	resp := got(http.Get(g.admin + "/metrics"))
	defer resp.Body.Close()
	for line := range strings.Lines(string(got(io.ReadAll(resp.Body)))) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// waits is how many events the vendor misses.
func (g *passage) waits() string {
	return g.metric(`telemetry_relay_waiting_events{tool="mytool",destination="datadog"}`)
}

// place is a server at an address that stays, also while it is away.
type place struct {
	address string
	handler http.Handler
	server  *http.Server
}

func (p *place) url() string { return "http://" + p.address }

func (p *place) up() error {
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		return err
	}
	p.server = &http.Server{Handler: p.handler, ReadHeaderTimeout: deadline}
	go p.server.Serve(listener) //nolint:errcheck // until down
	return nil
}

func (p *place) down() error { return p.server.Close() }

// cameFrom stands for the network: whoever sends from another address than the person's says so.
const cameFrom = "Demo-Came-From"

// proxy is what stands before the gateway and tells it where requests come from.
type proxy struct {
	place
	mu     sync.Mutex
	headed strings.Builder // to the gateway
}

func newProxy(gateway string) *proxy {
	p := &proxy{place: place{address: reserve(1)[0]}}
	to := &url.URL{Scheme: "http", Host: gateway}
	p.handler = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			from := r.In.Header.Get(cameFrom)
			if from == "" {
				from = personAddress
			}
			r.Out.Header.Del(cameFrom)
			r.Out.Header.Set("X-Forwarded-For", from)
			p.mu.Lock()
			defer p.mu.Unlock()
			fmt.Fprintln(&p.headed, r.Out.Header)
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	return p
}

// seen is what it told the gateway.
func (p *proxy) seen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.headed.String()
}

// vendor is a Datadog that can be away.
type vendor struct {
	*datadog.Server
	place
}

func newVendor(address string) *vendor {
	v := &vendor{Server: datadog.New(datadog.Options{})}
	v.place = place{address: address, handler: v.Server}
	v.Store(datadog.Log{Host: canary, Service: "mytool", Date: time.Now(), Received: time.Now()})
	return v
}

// deliveries are the requests that brought events.
func (v *vendor) deliveries() []datadog.Call {
	return slices.DeleteFunc(v.Calls(), func(c datadog.Call) bool { return c.Endpoint != datadog.Intake })
}

// headOf is what stands before a request's body.
func headOf(c datadog.Call) string {
	text := c.Method + " " + c.Path + "?" + c.Query.Encode() + "\n"
	for _, name := range slices.Sorted(maps.Keys(c.Header)) {
		text += name + ": " + strings.Join(c.Header[name], ", ") + "\n"
	}
	return text
}

func whole(c datadog.Call) string { return headOf(c) + string(c.Body) }

// eventID is the ID of a log's event.
func eventID(raw json.RawMessage) string {
	var log struct {
		EventID string `json:"event_id"`
	}
	must(json.Unmarshal(raw, &log))
	return log.EventID
}

// stored are the IDs of a machine's events there, in order.
func (v *vendor) stored(machine string) []string {
	var all []string
	for _, log := range v.Stored(machine) {
		all = append(all, eventID(log.Raw))
	}
	slices.Sort(all)
	return all
}

// taken are the IDs of all events that it was sent, as often as they came.
func (v *vendor) taken() []string {
	var all []string
	for _, call := range v.deliveries() {
		var logs []json.RawMessage
		must(json.Unmarshal(call.Body, &logs))
		for _, raw := range logs {
			all = append(all, eventID(raw))
		}
	}
	return all
}
