//go:build !notelemetry

package httpjson_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/httpjson"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

const canary = "c4n4ry"

// patient ends a test that would hang. Nothing is ever measured against it.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// open resolves the settings as the collector does, and opens.
func open(t *testing.T, cfg driver.Config, settings map[string]string) (driver.Backend, error) {
	t.Helper()
	d := httpjson.Driver()
	var err error
	if cfg.Settings, err = d.Resolve(settings); err != nil {
		return nil, err
	}
	b, err := d.Open(cfg)
	if err == nil {
		t.Cleanup(func() { b.Close() })
	}
	return b, err
}

func mustOpen(t *testing.T, endpoint string) driver.Backend {
	t.Helper()
	b, err := open(t, driver.Config{Tool: "mytool", Version: "v1"}, map[string]string{"endpoint": endpoint})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func server(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func events(n int) []driver.Event {
	list := make([]driver.Event, n)
	for i := range list {
		duration, exit := int64(i), i
		list[i] = driver.Event{
			ID: fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", i), Type: "command.invocation", Name: "remote add",
			Time: time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC), DurationMS: &duration, ExitCode: &exit,
			Args: []string{"--x"}, Error: "<failed> & \u2028", Tool: "mytool", Version: "v1", OS: "linux", Arch: "amd64",
			OSVersion: "debian 12", GoVersion: "go1.26", MachineID: strings.Repeat("ab", 16), ConsentID: strings.Repeat("cd", 16),
			Metadata: map[string]string{"k": "v"}, Truncated: 1,
		}
	}
	return list
}

func TestABatchArrivesAsOneJSONArrayWithEveryField(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		n                     int
		compression, encoding string
	}{{1, "", ""}, {500, "", "gzip"}, {500, "gzip", "gzip"}, {500, "none", ""}} {
		var requests atomic.Int32
		s := server(t, func(_ http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			if r.Method != "POST" || r.URL.Path != "/v1/events" || r.URL.RawQuery != "tenant=1" {
				t.Errorf("got %s %s", r.Method, r.URL)
			}
			if r.Header.Get("Content-Type") != "application/json" || r.Header.Get("X-Key") != "k" ||
				r.Header.Get("Content-Encoding") != tt.encoding || r.UserAgent() != "mytool/v1 gotoolbase-telemetry" {
				t.Errorf("headers %v", r.Header)
			}
			body := io.Reader(r.Body)
			if tt.encoding == "gzip" {
				var err error
				if body, err = gzip.NewReader(r.Body); err != nil {
					t.Error(err)
					return
				}
			}
			var got []driver.Event
			if err := json.NewDecoder(body).Decode(&got); err != nil {
				t.Error(err)
			}
			if !reflect.DeepEqual(got, events(tt.n)) {
				t.Errorf("got %+v", got)
			}
		})
		b, err := open(t, driver.Config{Tool: "mytool", Version: "v1", Headers: map[string]string{"X-Key": "k"}},
			map[string]string{"endpoint": s.URL + "/v1/events?tenant=1", "compression": tt.compression})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Send(patient(t), events(tt.n)); err != nil || requests.Load() != 1 {
			t.Errorf("%+v: %v after %d requests", tt, err, requests.Load())
		}
	}
}

func TestNoEventsAreNoRequest(t *testing.T) {
	t.Parallel()
	s := server(t, func(http.ResponseWriter, *http.Request) { t.Error("sent") })
	if err := mustOpen(t, s.URL).Send(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// The table is the one of the package comment, written out once more: deriving it from
// the code would find no mistake in it.
func TestEveryStatusMeansWhatTheTableSays(t *testing.T) {
	t.Parallel()
	const (
		accepted  = driver.ClassAccepted
		unknown   = driver.ClassUnknown
		throttled = driver.ClassThrottled
		tooLarge  = driver.ClassTooLarge
	)
	type row struct {
		status int
		class  driver.Class  // of a batch of two
		wait   time.Duration // without a Retry-After
		asked  bool          // a Retry-After is respected
		says   string
	}
	rows := []row{
		{200, accepted, 0, false, ""}, {201, accepted, 0, false, ""},
		{202, accepted, 0, false, ""}, {204, accepted, 0, false, ""},
		{203, unknown, 0, false, "Endpoint"}, {205, unknown, 0, false, "Endpoint"},
		{206, unknown, 0, false, "Endpoint"}, {207, unknown, 0, false, "Endpoint"}, {299, unknown, 0, false, "Endpoint"},
		{300, unknown, 0, false, "set Endpoint"}, {301, unknown, 0, false, "set Endpoint"},
		{302, unknown, 0, false, "set Endpoint"}, {303, unknown, 0, false, "set Endpoint"},
		{304, unknown, 0, false, "set Endpoint"}, {307, unknown, 0, false, "set Endpoint"},
		{308, unknown, 0, false, "answered 308: set Endpoint to the new address"},
		{400, tooLarge, 0, false, "schema"}, {409, tooLarge, 0, false, "schema"}, {422, tooLarge, 0, false, "schema"},
		{401, throttled, time.Hour, false, "Headers"}, {403, throttled, time.Hour, false, "Headers"},
		{407, throttled, time.Hour, false, "HTTPS_PROXY"},
		{402, throttled, time.Hour, false, "Endpoint"}, {404, throttled, time.Hour, false, "Endpoint"},
		{405, throttled, time.Hour, false, "Endpoint"}, {406, throttled, time.Hour, false, "Endpoint"},
		{410, throttled, time.Hour, false, "Endpoint"}, {411, throttled, time.Hour, false, "Endpoint"},
		{412, throttled, time.Hour, false, "Endpoint"}, {414, throttled, time.Hour, false, "Endpoint"},
		{421, throttled, time.Hour, false, "Endpoint"}, {431, throttled, time.Hour, false, "Endpoint"},
		{451, throttled, time.Hour, false, "Endpoint"}, {499, throttled, time.Hour, false, "Endpoint"},
		{415, throttled, time.Hour, false, "Settings[compression]"},
		{413, tooLarge, 0, false, ""},
		{408, unknown, 0, true, ""}, {425, unknown, 0, true, ""}, {429, unknown, 0, true, ""},
		{500, unknown, 0, true, ""}, {501, unknown, 0, true, ""}, {502, unknown, 0, true, ""},
		{503, unknown, 0, true, ""}, {504, unknown, 0, true, ""}, {511, unknown, 0, false, "log in"}, {599, unknown, 0, true, ""},
		{600, unknown, 0, false, "Endpoint"}, {999, unknown, 0, false, "Endpoint"},
	}
	var requests atomic.Int32
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		var status int
		fmt.Sscanf(r.URL.Path, "/%d", &status)
		if after := r.URL.Query().Get("after"); after != "" {
			w.Header().Set("Retry-After", after)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Location", "/elsewhere?"+canary)
		w.WriteHeader(status)
		if status != 204 && status != 304 {
			fmt.Fprintf(w, `{"echo": "%s"}`, canary)
		}
	})
	for _, r := range rows {
		for _, after := range []string{"", "90", canary} {
			before := requests.Load()
			err := mustOpen(t, fmt.Sprintf("%s/%d?after=%s", s.URL, r.status, after)).Send(patient(t), events(2))
			class, wait := r.class, r.wait
			if r.asked && after == "90" {
				class, wait = throttled, 90*time.Second
			}
			if driver.Classify(err) != class || driver.Wait(err) != wait {
				t.Errorf("%d, Retry-After %q: %v, wait %v (%v), want %v, wait %v",
					r.status, after, driver.Classify(err), driver.Wait(err), err, class, wait)
			}
			if n := requests.Load() - before; n != 1 {
				t.Errorf("%d: %d requests", r.status, n)
			}
			if err == nil {
				continue
			}
			if text := err.Error(); !strings.Contains(text, fmt.Sprint("answered ", r.status)) || !strings.Contains(text, r.says) ||
				strings.Contains(text, canary) {
				t.Errorf("%d: says %q, want %q and no canary", r.status, text, r.says)
			}
		}
	}
}

func TestARetryAfterDateIsAWait(t *testing.T) {
	t.Parallel()
	s := server(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", time.Now().Add(48*time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	// More than a day is cut, so the result does not depend on the clock.
	if err := mustOpen(t, s.URL).Send(patient(t), events(1)); driver.Wait(err) != 24*time.Hour {
		t.Errorf("wait %v of %v", driver.Wait(err), err)
	}
}

// answering returns a backend whose server gives one answer to everything.
func answering(t *testing.T, status int, contentType, body string) driver.Backend {
	t.Helper()
	return mustOpen(t, server(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}).URL)
}

func TestARefusalIsOfOneEventOnlyIfThatIsAlone(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 409, 422} {
		for _, body := range []string{"", "bad", `{"error":"bad"}`} {
			b := answering(t, status, "text/plain", body)
			for n, want := range map[int]driver.Class{1: driver.ClassPermanent, 2: driver.ClassTooLarge, 50: driver.ClassTooLarge} {
				if err := b.Send(patient(t), events(n)); driver.Classify(err) != want {
					t.Errorf("%d %q to %d events: %v (%v), want %v", status, body, n, err, driver.Classify(err), want)
				}
			}
		}
	}
	b := answering(t, 413, "text/plain", "")
	for _, n := range []int{1, 2} {
		if err := b.Send(patient(t), events(n)); driver.Classify(err) != driver.ClassTooLarge {
			t.Errorf("413 to %d events: %v (%v)", n, err, driver.Classify(err))
		}
	}
}

// Login pages, filters and proxies answer with any status, and have not looked at the
// events. What they say of the size may be true all the same.
func TestAWebPageIsNoRefusal(t *testing.T) {
	t.Parallel()
	for status := 400; status < 600; status++ {
		for _, page := range [][2]string{{"text/html; charset=utf-8", ""}, {"", "<!DOCTYPE html><title>c4n4ry</title>"}} {
			b := answering(t, status, page[0], page[1])
			for _, n := range []int{1, 2} {
				err := b.Send(patient(t), events(n))
				class := driver.Classify(err)
				kept := class == driver.ClassUnknown || class == driver.ClassThrottled
				if status == 413 {
					kept = class == driver.ClassTooLarge
				}
				if !kept || strings.Contains(err.Error(), canary) {
					t.Errorf("%d with a page to %d events: %v (%v)", status, n, err, class)
				}
			}
		}
	}
}

func TestAServerNamesTheEventsThatItRefuses(t *testing.T) {
	t.Parallel()
	batch := events(3)
	a, b, c := batch[0].ID, batch[1].ID, batch[2].ID
	for name, tt := range map[string]struct {
		body               string
		accepted, rejected []string // by a 200
		silent             bool     // the body says nothing
	}{
		"one":                    {`{"rejected":["` + b + `"]}`, []string{a, c}, []string{b}, false},
		"two, with spaces":       {" {\n\t\"rejected\" : [ \"" + c + "\" ,\r\n\"" + a + "\" ] }\n", []string{b}, []string{c, a}, false},
		"all":                    {`{"rejected":["` + a + `","` + b + `","` + c + `"]}`, nil, []string{a, b, c}, false},
		"nothing":                {``, nil, nil, true},
		"none":                   {`{"rejected":[]}`, nil, nil, true},
		"null":                   {`{"rejected":null}`, nil, nil, true},
		"another event":          {`{"rejected":["` + b + `","` + canary + `"]}`, nil, nil, true},
		"one twice":              {`{"rejected":["` + b + `","` + b + `"]}`, nil, nil, true},
		"cut":                    {`{"rejected":["` + b + `"`, nil, nil, true},
		"a comma too many":       {`{"rejected":["` + b + `",]}`, nil, nil, true},
		"text behind":            {`{"rejected":["` + b + `"]} ` + canary, nil, nil, true},
		"another key":            {`{"refused":["` + b + `"]}`, nil, nil, true},
		"a key beside it":        {`{"rejected":["` + b + `"],"error":"` + canary + `"}`, nil, nil, true},
		"a list of other things": {`{"rejected":[{"id":"` + b + `"}]}`, nil, nil, true},
		"a bare list":            {`["` + b + `"]`, nil, nil, true},
		"in capitals":            {`{"rejected":["` + strings.ToUpper(b) + `"]}`, nil, nil, true},
	} {
		for _, status := range []int{200, 201, 202, 400, 409, 422, 404, 500} {
			err := answering(t, status, "application/json", tt.body).Send(patient(t), batch)
			partial, named := errors.AsType[*driver.Partial](err)
			want := driver.Partial{Rejected: tt.rejected}
			if status < 300 {
				want.Accepted = tt.accepted // else the others come again
			}
			judges := status < 300 || status == 400 || status == 409 || status == 422
			switch {
			case named != (judges && !tt.silent):
				t.Errorf("%s, %d: got %v (%v)", name, status, err, driver.Classify(err))
			case named && (!slices.Equal(partial.Accepted, want.Accepted) || !slices.Equal(partial.Rejected, want.Rejected) || partial.Unnamed != 0):
				t.Errorf("%s, %d: got %+v, want %+v", name, status, partial, want)
			case err != nil && strings.Contains(err.Error(), canary):
				t.Errorf("%s, %d: %v holds the answer", name, status, err)
			case tt.silent && status < 300 && err != nil:
				t.Errorf("%s, %d: %v, want the status alone to count", name, status, err)
			}
		}
	}
}

func TestAServerTakesSomeEventsAndAsksForOthersAgain(t *testing.T) {
	t.Parallel()
	batch := events(3)
	a, b, c := batch[0].ID, batch[1].ID, batch[2].ID
	for name, tt := range map[string]struct {
		body               string
		accepted, rejected []string
		silent             bool // the body says nothing
	}{
		"one of each":       {`{"accepted":["` + b + `"],"rejected":["` + a + `"]}`, []string{b}, []string{a}, false},
		"in another order":  {` { "rejected" : [ "` + a + `" ] , "accepted" : [ "` + c + `", "` + b + `" ] } `, []string{c, b}, []string{a}, false},
		"accepted alone":    {`{"accepted":["` + b + `"]}`, []string{b}, nil, false},
		"rejected alone":    {`{"rejected":["` + b + `"]}`, nil, []string{b}, false},
		"an empty list":     {`{"accepted":[],"rejected":["` + b + `"]}`, nil, []string{b}, false},
		"all":               {`{"accepted":["` + a + `","` + b + `","` + c + `"]}`, []string{a, b, c}, nil, false},
		"nothing":           {``, nil, nil, true},
		"no event":          {`{"accepted":[],"rejected":[]}`, nil, nil, true},
		"null":              {`{"accepted":null,"rejected":["` + b + `"]}`, nil, nil, true},
		"one in both lists": {`{"accepted":["` + b + `"],"rejected":["` + b + `"]}`, nil, nil, true},
		"a list twice":      {`{"accepted":["` + a + `"],"accepted":["` + b + `"]}`, nil, nil, true},
		"another event":     {`{"accepted":["` + canary + `"]}`, nil, nil, true},
		"another key":       {`{"accepted":["` + a + `"],"` + canary + `":["` + b + `"]}`, nil, nil, true},
		"text behind":       {`{"accepted":["` + a + `"]}]`, nil, nil, true},
		"a web page":        {`<html>{"accepted":["` + a + `"]}`, nil, nil, true},
	} {
		s := server(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusMultiStatus)
			io.WriteString(w, tt.body)
		})
		err := mustOpen(t, s.URL).Send(patient(t), batch)
		partial, named := errors.AsType[*driver.Partial](err)
		switch {
		case named == tt.silent, err != nil && strings.Contains(err.Error(), canary):
			t.Errorf("%s: got %v (%v)", name, err, driver.Classify(err))
		case tt.silent && driver.Classify(err) != driver.ClassUnknown:
			t.Errorf("%s: got %v (%v), want the batch to be kept", name, err, driver.Classify(err))
		case named && (!sameIDs(partial.Accepted, tt.accepted) || !sameIDs(partial.Rejected, tt.rejected) || partial.Wait != 7*time.Second):
			t.Errorf("%s: got %+v", name, partial)
		}
	}
}

func sameIDs(a, b []string) bool { return len(a) == len(b) && (len(a) == 0 || slices.Equal(a, b)) }

// What is read as a list of refused events is one, to a whole JSON parser too.
func FuzzRejected(f *testing.F) {
	batch := events(2)
	for _, body := range []string{`{"rejected":["%a"]}`, ` { "rejected" : [ "%b" , "%a" ] } `, `{"rejected":["%a","%a"]}`, `{"rejected":[]}`, `{"rejected":["%a"`, "\ufeff{}"} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		body = strings.NewReplacer("%a", batch[0].ID, "%b", batch[1].ID).Replace(body)
		b, err := open(t, driver.Config{Transport: replying(body)}, map[string]string{"endpoint": "https://telemetry.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		// A request of a few KiB; an ID of two bytes has a header of 16, in a slice that doubles.
		fuzzing.Allocs(t, len(body), 64<<10, 64, func() { err = b.Send(t.Context(), batch) })
		fuzzing.Verdict(t, err, batch, body)
		partial, named := errors.AsType[*driver.Partial](err)
		if !named {
			return
		}
		var want map[string][]string
		if err := json.Unmarshal([]byte(body), &want); err != nil || len(want) != 1 || !slices.Equal(want["rejected"], partial.Rejected) {
			t.Errorf("%q is read as %q; encoding/json: %q, %v", body, partial.Rejected, want, err)
		}
		all := slices.Sorted(slices.Values(slices.Concat(partial.Accepted, partial.Rejected)))
		if !slices.Equal(all, []string{batch[0].ID, batch[1].ID}) {
			t.Errorf("%q: %+v is not each event once", body, partial)
		}
	})
}

// replying is a transport that answers 200 with a text.
type replying string

func (body replying) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(body))), Request: r}, nil
}

func TestAWebPageIsNoAcceptance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		contentType, body string
		want              driver.Class
	}{
		{"text/html; charset=utf-8", "", driver.ClassUnknown},
		{"application/json", "<html>log in, c4n4ry</html>", driver.ClassUnknown},
		{"application/json", "{}", driver.ClassAccepted},
		{"text/plain", "ok", driver.ClassAccepted},
		{"application/json", "", driver.ClassAccepted},
	} {
		for _, status := range []int{200, 201, 202} {
			s := server(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				w.WriteHeader(status)
				io.WriteString(w, tt.body)
			})
			err := mustOpen(t, s.URL).Send(patient(t), events(1))
			if driver.Classify(err) != tt.want || err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("%d %q %q: got %v", status, tt.contentType, tt.body, err)
			}
		}
	}
}

func TestWhatNobodyAnsweredIsUnknown(t *testing.T) {
	t.Parallel()
	released := make(chan struct{})
	hang := server(t, func(http.ResponseWriter, *http.Request) { <-released })
	t.Cleanup(func() { close(released) }) // before the server's Close, which waits for it
	hangUp := server(t, func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		c.Close()
	})
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := mustOpen(t, hang.URL+"/"+canary).Send(short, events(1))
	if driver.Classify(err) != driver.ClassUnknown || !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), canary) {
		t.Errorf("no answer: %v", err)
	}
	err = mustOpen(t, hangUp.URL+"/"+canary).Send(patient(t), events(1))
	if driver.Classify(err) != driver.ClassUnknown || strings.Contains(err.Error(), canary) {
		t.Errorf("hung up: %v", err)
	}
}

func TestAMistakeInTheDeclarationNamesFieldAndFix(t *testing.T) {
	t.Parallel()
	const good = "https://telemetry.example.com/v1"
	for name, tt := range map[string]struct {
		settings    map[string]string
		headers     map[string]string
		insecure    bool
		field, says string // empty: no mistake
	}{
		"https":               {map[string]string{"endpoint": good}, nil, false, "", ""},
		"http on loopback":    {map[string]string{"endpoint": "http://127.0.0.1:1"}, nil, false, "", ""},
		"http, insecure":      {map[string]string{"endpoint": "http://h/"}, nil, true, "", ""},
		"http":                {map[string]string{"endpoint": "http://h/" + canary}, nil, false, "Telemetry.Settings[endpoint]", "https://"},
		"no endpoint":         {nil, nil, false, "Telemetry.Settings[endpoint]", "required"},
		"not a URL":           {map[string]string{"endpoint": "c4n4ry:%"}, nil, false, "Telemetry.Settings[endpoint]", "https://"},
		"key in the URL":      {map[string]string{"endpoint": "https://c4n4ry@h/"}, nil, true, "Telemetry.Settings[endpoint]", "Telemetry.Headers"},
		"unknown compression": {map[string]string{"endpoint": good, "compression": "br"}, nil, false, "Telemetry.Settings[compression]", "gzip, none"},
		"unknown setting":     {map[string]string{"endpoint": good, "url": canary}, nil, false, "Telemetry.Settings[url]", "endpoint"},
		"torn header":         {map[string]string{"endpoint": good}, map[string]string{"X-Key": canary + "\n"}, false, "Telemetry.Headers", "X-Key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := open(t, driver.Config{Headers: tt.headers, Insecure: tt.insecure}, tt.settings)
			if tt.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var config *driver.ConfigError
			if !errors.As(err, &config) || config.Field != tt.field || !strings.Contains(config.Problem, tt.says) || strings.Contains(err.Error(), canary) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTheDriverTellsHostAndLimits(t *testing.T) {
	t.Parallel()
	d := httpjson.Driver()
	if d.Name != "http" || d.Local || d.Limits != (driver.Limits{Events: 500, Bytes: 1_000_000, EventBytes: 65535}) {
		t.Errorf("driver %+v", d)
	}
	for endpoint, want := range map[string][]string{
		"https://telemetry.example.com/v1?key=1": {"telemetry.example.com"},
		"http://10.0.0.1:8080/":                  {"10.0.0.1:8080"},
		"nonsense":                               nil,
	} {
		if got := d.Hosts(map[string]string{"endpoint": endpoint}); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", endpoint, got, want)
		}
	}
	for _, s := range d.Settings {
		if s.Name == "endpoint" && !s.Secret {
			t.Error("the endpoint may hold a key and is not marked as secret")
		}
	}
}

// The largest batch, with the array's own bytes, stays below nginx's default bound.
func TestTheLargestBatchFitsIntoOneMiB(t *testing.T) {
	t.Parallel()
	l := httpjson.Driver().Limits
	if whole := l.Bytes + l.Events + 1; whole > 1<<20 {
		t.Errorf("%d bytes", whole)
	}
}

// Not parallel: it sets the environment.
func TestNothingOfTheMachineIsOnTheWire(t *testing.T) {
	for _, name := range []string{
		"HOME", "USER", "LOGNAME", "USERNAME", "USERPROFILE", "HOSTNAME", "COMPUTERNAME", "PWD", "LANG", "TERM", "SHELL",
		"OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_ENDPOINT",
		"DD_API_KEY", "DD_HOSTNAME", "DD_TAGS", "DD_ENV", "POSTHOG_API_KEY", "HTTP_USER_AGENT", "AWS_SECRET_ACCESS_KEY",
	} {
		t.Setenv(name, canary)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	type capture struct {
		raw    string
		header http.Header
		body   []byte
	}
	got := make(chan capture, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		var raw bytes.Buffer
		r, err := http.ReadRequest(bufio.NewReader(io.TeeReader(c, &raw)))
		if err != nil {
			t.Error(err)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		io.WriteString(c, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
		got <- capture{raw.String(), r.Header, body}
	}()
	// One small event, so that the bytes are readable.
	batch := events(1)
	batch[0].Args, batch[0].Error = nil, ""
	if err := mustOpen(t, "http://"+l.Addr().String()+"/v1").Send(patient(t), batch); err != nil {
		t.Fatal(err)
	}
	c := <-got
	if strings.Contains(c.raw, canary) {
		t.Errorf("the environment is on the wire:\n%s", c.raw)
	}
	if names, want := slices.Sorted(maps.Keys(c.header)), []string{"Content-Length", "Content-Type", "User-Agent"}; !slices.Equal(names, want) {
		t.Errorf("headers %v, want %v", names, want)
	}
	if want := driver.AppendJSONArray(nil, batch); !bytes.Equal(c.body, want) {
		t.Errorf("body\n got %s\nwant %s", c.body, want)
	}
}

func TestSendLeavesTheBatchAloneAndKeepsNothing(t *testing.T) {
	t.Parallel()
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError) // before the body is read
	})
	b := mustOpen(t, s.URL)
	batch := events(500)
	b.Send(patient(t), batch)
	if !reflect.DeepEqual(batch, events(500)) {
		t.Error("the batch was changed")
	}
	for i := range batch { // the race detector sees a late reader
		batch[i].Metadata["k"] = "changed"
		*batch[i].ExitCode = -1
	}
}

func TestSeveralGoroutinesSendAndClose(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]int{}
	s := server(t, func(_ http.ResponseWriter, r *http.Request) {
		var got []driver.Event
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, e := range got {
			seen[e.ID]++
		}
	})
	b := mustOpen(t, s.URL)
	var all sync.WaitGroup
	var accepted sync.Map
	for i := range 8 {
		all.Go(func() {
			for j := range 10 {
				id := fmt.Sprint(i, " ", j)
				if b.Send(patient(t), []driver.Event{{ID: id}}) == nil {
					accepted.Store(id, true)
				}
				if i == 0 && j == 5 {
					b.Close()
				}
			}
		})
	}
	all.Wait()
	for range 2 {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := b.Send(patient(t), events(1)); driver.Classify(err) != driver.ClassUnknown {
		t.Errorf("Send after Close: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	for id, n := range seen {
		if _, ok := accepted.Load(id); n != 1 || !ok {
			t.Errorf("%s arrived %d times, accepted %v", id, n, ok)
		}
	}
}
