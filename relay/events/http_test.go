//go:build !notelemetry

package events_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/events"
	"github.com/gotoolbase/telemetry/relay/internal/rates"
)

func TestWhatIsNoBatchOfEventsIsRefused(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	g := serve(t, events.Config{}, v.destination(t, "vendor"))
	good := driver.AppendJSONArray(nil, batch(1))
	big := func(n int) []byte { return bytes.Repeat([]byte(" "), n) }
	with := func(field, value string) []byte {
		return []byte(`[{"id":"0193a3c0-0000-7000-8000-00000000ffff","type":"x","timestamp":"` +
			time.Now().UTC().Format(time.RFC3339) + `","tool_name":"mytool","` + field + `":` + value + `}]`)
	}
	for name, c := range map[string]struct {
		body   []byte
		header []string
		want   int
	}{
		"one event":               {good, nil, 204},
		"packed":                  {packed(t, good), []string{"Content-Encoding", "gzip"}, 204},
		"packed, in capitals":     {packed(t, good), []string{"Content-Encoding", "GZIP"}, 204},
		"with a character set":    {good, []string{"Content-Type", "application/json; charset=utf-8"}, 204},
		"no event":                {[]byte("[]"), nil, 204},
		"nothing":                 {nil, nil, 400},
		"no JSON":                 {[]byte("c4n4ry"), nil, 400},
		"an object":               {[]byte("{}"), nil, 400},
		"half a batch":            {good[:len(good)/2], nil, 400},
		"text behind":             {append(bytes.Clone(good), "[]"...), nil, 400},
		"a number":                {[]byte("[1]"), nil, 400},
		"no ID":                   {[]byte(`[{"type":"x"}]`), nil, 400},
		"an ID that is none":      {[]byte(`[{"id":"0193a3c0-0000-4000-8000-00000000ffff"}]`), nil, 400},
		"an ID in capitals":       {bytes.ReplaceAll(good, []byte("0193a3c0"), []byte("0193A3C0")), nil, 400},
		"deep":                    {with("x", strings.Repeat("[", 5000)+strings.Repeat("]", 5000)), nil, 400},
		"too many":                {append([]byte("["), append(bytes.Repeat(append(bytes.Clone(good[1:len(good)-1]), ','), 1000), good[1:]...)...), nil, 400},
		"an unknown coding":       {good, []string{"Content-Encoding", "br"}, 415},
		"two codings":             {good, []string{"Content-Encoding", "gzip, gzip"}, 415},
		"another type":            {good, []string{"Content-Type", "text/plain"}, 415},
		"no type":                 {good, []string{"Content-Type", ""}, 415},
		"not packed at all":       {good, []string{"Content-Encoding", "gzip"}, 400},
		"half of what was packed": {packed(t, good)[:60], []string{"Content-Encoding", "gzip"}, 400},
		"large":                   {append(big(1<<20), good...), nil, 413},
		"large when unpacked":     {packed(t, append(big(1<<20), good...)), []string{"Content-Encoding", "gzip"}, 413},
		"a bomb":                  {packed(t, big(100<<20)), []string{"Content-Encoding", "gzip"}, 413},
		"just not too large":      {append(big(1<<20-len(good)), good...), nil, 204},
		"a text for a number":     {with("duration_ms", `"c4n4ry"`), nil, 422},
		"a fraction":              {with("exit_code", `1.5`), nil, 422},
		"a number for a text":     {with("name", `1`), nil, 422},
		"a list for a text":       {with("os", `["linux"]`), nil, 422},
		"less than nothing":       {with("count", `-1`), nil, 422},
		"a time that is none":     {with("timestamp", `"yesterday"`), nil, 422},
		"metadata of numbers":     {with("metadata", `{"a":1}`), nil, 422},
		"null":                    {with("metadata", `null`), nil, 204},
		"a field of tomorrow":     {with("mood", `{"a":[1,2,{"b":null}]}`), nil, 204},
	} {
		resp := g.post(c.body, c.header...)
		text, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != c.want || strings.Contains(string(text), "c4n4ry") {
			t.Errorf("%s: %d %s, want %d", name, resp.StatusCode, text, c.want)
		}
		if c.want >= 300 && resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: the answer is %s", name, resp.Header.Get("Content-Type"))
		}
	}
	if strings.Contains(g.metrics(), "mood") || !strings.Contains(g.metrics(), "telemetry_relay_events_memory_bytes 0\n") {
		t.Errorf("a stranger's text is a label, or memory is not given back:\n%s", g.metrics())
	}
	if got := v.events["0193a3c0-0000-7000-8000-00000000ffff"]; got.Metadata != nil || got.Truncated > 1 {
		t.Errorf("the vendor got %+v", got)
	}
}

func TestOnlyThePathAndTheMethodOfEventsAreServed(t *testing.T) {
	t.Parallel()
	g := serve(t, events.Config{}, newVendor(t).destination(t, "vendor"))
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{"GET", "", 405}, {"PUT", "", 405}, {"POST", "/", 400}, {"POST", "/more", 404}, {"GET", "/../deletions", 404},
	} {
		req, err := http.NewRequest(c.method, g.url+c.path, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want || c.want == 405 && resp.Header.Get("Allow") != "POST" {
			t.Errorf("%s %s: %d %v, want %d", c.method, c.path, resp.StatusCode, resp.Header, c.want)
		}
	}
}

func TestWhoPostsTooOftenIsToldWhenToComeBack(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	g := serve(t, events.Config{
		Limits:  events.Limits{PerAddress: rates.Rate{PerSecond: 0.01, Burst: 3}},
		Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}, v.destination(t, "vendor"))
	post := func(from string) *http.Response {
		return g.post(driver.AppendJSONArray(nil, batch(1)), "X-Forwarded-For", from)
	}
	for n := range 3 {
		if resp := post("192.0.2.1"); resp.StatusCode != 204 {
			t.Fatalf("request %d: %d", n, resp.StatusCode)
		}
	}
	if resp := post("198.51.100.7, 192.0.2.1"); resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("got %d %v", resp.StatusCode, resp.Header)
	}
	if resp := post("192.0.2.2"); resp.StatusCode != 204 {
		t.Errorf("somebody else: %d", resp.StatusCode)
	}
}

func TestBodiesBeyondTheMemoryAreSentAway(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	arrived := make(chan struct{}, 1)
	var once sync.Once
	g := serve(t, events.Config{Limits: events.Limits{Memory: 1000}}, standIn("vendor", func(ctx context.Context, _ []driver.Event) error {
		once.Do(func() { arrived <- struct{}{}; <-hold })
		return nil
	}))
	first := make(chan error, 1)
	go func() { first <- g.client().Send(context.Background(), batch(1)) }()
	<-arrived
	if err := g.client().Send(t.Context(), batch(2)); driver.Classify(err) != driver.ClassThrottled {
		t.Errorf("got %v", err)
	}
	close(hold)
	if err := <-first; err != nil {
		t.Errorf("the first: %v", err)
	}
	if err := g.client().Send(t.Context(), batch(1)); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
}

// Connections that announce a megabyte each and send one byte take what one byte takes.
func TestWhoAnnouncesMuchAndSendsNothingHoldsUpNobody(t *testing.T) {
	t.Parallel()
	g := serve(t, events.Config{Limits: events.Limits{Memory: 2 << 20}}, newVendor(t).destination(t, "vendor"))
	for range 20 {
		begin(t, g, 1<<20, []byte("["))
	}
	soon(t, "all have begun", func() bool { return memoryOf(g) >= 20 })
	if resp := g.post(driver.AppendJSONArray(nil, batch(1))); resp.StatusCode != 204 {
		t.Errorf("got %d", resp.StatusCode)
	}
}

// One address that does send its megabytes, slowly, leaves most of the memory to others.
func TestOneAddressHasItsShareOfTheMemory(t *testing.T) {
	t.Parallel()
	g := serve(t, events.Config{
		Limits:  events.Limits{Memory: 8 << 20},
		Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}, newVendor(t).destination(t, "vendor"))
	for n := range 2 {
		begin(t, g, 1<<20, bytes.Repeat([]byte(" "), 1<<20-1))
		soon(t, "one more has its part", func() bool { return memoryOf(g) == (n+1)<<20 })
	}
	if resp := g.post(driver.AppendJSONArray(nil, batch(1))); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("the same address: %d", resp.StatusCode)
	}
	if resp := g.post(driver.AppendJSONArray(nil, batch(1)), "X-Forwarded-For", "192.0.2.2"); resp.StatusCode != 204 {
		t.Errorf("somebody else: %d", resp.StatusCode)
	}
}

// begin sends the beginning of a request, and leaves it at that until the test ends.
func begin(t *testing.T, g *gateway, length int, body []byte) {
	t.Helper()
	address, _, _ := strings.Cut(strings.TrimPrefix(g.url, "http://"), "/")
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", events.Path, length)
	if _, err := c.Write([]byte(head)); err != nil {
		t.Fatal(err)
	}
	_, _ = c.Write(body) // which the gateway may refuse
}

func memoryOf(g *gateway) (n int) {
	const name = "\ntelemetry_relay_events_memory_bytes "
	_, rest, _ := strings.Cut(g.metrics(), name)
	number, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.Atoi(number)
	if err != nil {
		g.t.Fatal(err)
	}
	return n
}

// Everything that a client sends carries a mark, and what is written down is searched for it.
func TestNoAddressHeaderOrBodyIsWrittenDown(t *testing.T) {
	t.Parallel()
	here, gone := newVendor(t), newVendor(t)
	gone.set(func(w http.ResponseWriter, list []driver.Event) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(list[0].AppendJSON(nil)) // a vendor that repeats what it got
		return true
	})
	db, file := database(t)
	g := serve(t, events.Config{DB: db, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		here.destination(t, "here"), gone.destination(t, "gone"), kept(t, db, nil))
	const canary = "c4n4ry"
	const address = "198.51.100.222"
	headers := []string{"X-Forwarded-For", address, "Authorization", "Bearer " + canary, "User-Agent", canary, "Cookie", "a=" + canary, "X-" + canary, canary}
	allowed := batch(4)
	const kept = "allowed-w0rd"
	for i := range allowed {
		allowed[i].Name = kept
	}
	for _, body := range [][]byte{
		driver.AppendJSONArray(nil, allowed),
		[]byte(canary), []byte(`[{"id":"` + canary + `"}]`),
		bytes.ReplaceAll(driver.AppendJSONArray(nil, batch(1)), []byte(`"os":"linux"`), []byte(`"os":"`+canary+` `+canary+`","`+canary+`":"`+canary+`"`)),
		bytes.ReplaceAll(driver.AppendJSONArray(nil, batch(1)), []byte(machine(1)), []byte(canary)),
		bytes.ReplaceAll(driver.AppendJSONArray(nil, batch(1)), []byte(`"mytool"`), []byte(`"`+canary+`"`)),
		bytes.ReplaceAll(driver.AppendJSONArray(nil, batch(1)), []byte(`"exit_code":0`), []byte(`"exit_code":"`+canary+`"`)),
	} {
		resp := g.post(body, headers...)
		text, _ := io.ReadAll(resp.Body)
		if strings.Contains(string(text), canary) {
			t.Errorf("the answer to %s is %s", body, text)
		}
	}
	for range 3 {
		g.post(driver.AppendJSONArray(nil, allowed), headers...)
	}
	g.run()
	soon(t, "the destination counts as away", func() bool { return strings.Contains(g.log.String(), "takes no events") })
	if log := g.log.String() + g.metrics(); strings.Contains(log, canary) || strings.Contains(log, address) || strings.Contains(log, machine(1)) ||
		strings.Contains(log, kept) || strings.Contains(log, allowed[0].ID) {
		t.Errorf("log and metrics hold what a client sent:\n%s", log)
	}
	found := false
	files, err := filepath.Glob(file + "*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files of the database: %v", err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found = found || bytes.Contains(content, []byte(kept))
		for _, secret := range []string{canary, address, strings.ToUpper(canary)} {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s holds %q", filepath.Base(name), secret)
			}
		}
	}
	if !found {
		t.Error("the search finds nothing: what was stored is not there")
	}
}
