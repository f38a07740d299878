// Package datadogmodels holds what our backend sends against Datadog's own Go models of
// the same call, which Datadog generates from the description of its API.
//
// Compiling them takes minutes and 8 GB of memory: they are for these tests alone.
package datadogmodels

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/backends/datadog"
	"github.com/gotoolbase/telemetry/core/driver"
)

const apiKey = "0123456789abcdef0123456789abcdef"

// request is one that arrived, its body unpacked.
type request struct {
	method, url string
	header      http.Header
	body        []byte
}

// recorder answers as Datadog was recorded to, and keeps what it was sent.
type recorder struct {
	mu   sync.Mutex
	list []request
}

// RoundTrip makes a recorder the transport of a client.
func (rec *recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	got, err := read(r)
	if err != nil {
		return nil, err
	}
	rec.mu.Lock()
	rec.list = append(rec.list, got)
	rec.mu.Unlock()
	return &http.Response{
		StatusCode: http.StatusAccepted, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader("{}")), Request: r,
	}, nil
}

// ServeHTTP makes it a server.
func (rec *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := rec.RoundTrip(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	maps.Copy(w.Header(), answer.Header)
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body)
}

func read(r *http.Request) (request, error) {
	body := io.Reader(r.Body)
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "":
	case "gzip":
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			return request{}, err
		}
		body = unpacked
	default:
		return request{}, errors.New("unknown encoding " + encoding)
	}
	text, err := io.ReadAll(body)
	return request{r.Method, r.URL.String(), r.Header.Clone(), text}, err
}

// only returns the one request that arrived.
func (rec *recorder) only(t *testing.T) request {
	t.Helper()
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if len(rec.list) != 1 {
		t.Fatalf("%d requests arrived, want 1", len(rec.list))
	}
	return rec.list[0]
}

// open opens our backend as the collector does. transport may be nil.
func open(t *testing.T, transport http.RoundTripper, settings map[string]string) driver.Backend {
	t.Helper()
	d := datadog.Driver()
	resolved, err := d.Resolve(settings)
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.Open(driver.Config{Settings: resolved, Tool: "mytool", Version: "v1.2.3", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// capture sends events through our backend. It returns the request, and a time of the
// hour in which all of it was made, since the dates of late events depend on that hour.
func capture(t *testing.T, settings map[string]string, events []driver.Event) (request, time.Time) {
	t.Helper()
	for {
		rec := &recorder{}
		before := time.Now()
		if err := open(t, rec, settings).Send(t.Context(), events); err != nil {
			t.Fatal(err)
		}
		if time.Now().Truncate(time.Hour).Equal(before.Truncate(time.Hour)) {
			return rec.only(t), before
		}
	}
}

// value decodes JSON to the value it stands for. Numbers keep their digits: a float64
// would make two large integers equal that are not.
func value(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %.500s", err, text)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Fatalf("more than one value: %.500s", text)
	}
	return v
}

// list is value for an array of so many elements.
func list(t *testing.T, text []byte, n int) []any {
	t.Helper()
	elements, ok := value(t, text).([]any)
	if !ok || len(elements) != n {
		t.Fatalf("not an array of %d elements: %.500s", n, text)
	}
	return elements
}

// wantSame compares two arrays element by element, so that a difference can be read.
func wantSame(t *testing.T, what string, got, want []any) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", what, len(got), len(want))
	}
	for i := range got {
		if reflect.DeepEqual(got[i], want[i]) {
			continue
		}
		g, _ := got[i].(map[string]any)
		w, _ := want[i].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(union(g, w))) {
			if !reflect.DeepEqual(g[name], w[name]) {
				t.Errorf("%s, element %d, %s: got %#v, want %#v", what, i, name, g[name], w[name])
			}
		}
		t.Fatalf("%s: element %d differs", what, i)
	}
}

func union(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, b)
	return all
}
