// Package fuzzing is for fuzz tests of parsers. It holds what they allocate to a bound that
// grows with their input and with nothing that the input says, and what backends make of
// an answer to what the collector relies on.
package fuzzing

import (
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// Allocs fails the test if parse allocates more than base and perByte bytes for each of size
// bytes of input, and says with how many. Both are to be a few times what the largest known input
// takes: the test is for what grows with a number in the input, or with its square.
//
// All that the process allocates in the meantime counts, so a test that calls it is not
// parallel; go test runs fuzz tests after all others. What is left of those may still allocate,
// so what exceeds the bound has to do so each of three times.
func Allocs(t testing.TB, size, base, perByte int, parse func()) {
	t.Helper()
	limit := uint64(base) + uint64(perByte)*uint64(size)
	var least uint64
	for i := range 3 {
		n := allocated(parse)
		if n <= limit {
			return
		}
		if i == 0 || n < least {
			least = n
		}
	}
	t.Errorf("%d bytes of input make it allocate %d; %d and %d for each byte is the bound", size, least, base, perByte)
}

func allocated(parse func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	parse()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Answer is a transport that answers every request alike.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// RoundTrip implements http.RoundTripper.
func (a Answer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
	}
	header := a.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: a.Status, Header: header, Body: io.NopCloser(strings.NewReader(a.Body)), ContentLength: int64(len(a.Body)), Request: r}, nil
}

// longestWait is what driver.Throttled asks for at most: what is longer is a mistake of the
// server's, or of a clock.
const longestWait = 24 * time.Hour

// Verdict fails the test unless err is one that the collector can act on, whatever the answer to
// batch was: it names events of the batch, each once, waits a day at most, and says a few
// words of the backend's own, without the server's.
func Verdict(t testing.TB, err error, batch []driver.Event, server string) {
	t.Helper()
	if err == nil {
		return
	}
	text := err.Error()
	if len(text) > 500 {
		t.Errorf("an error of %d bytes", len(text))
	}
	// A short word of the server's may be one of the backend's too.
	if len(server) >= 40 && strings.Contains(text, server) {
		t.Errorf("the error repeats what the server said: %q", text)
	}
	if wait := driver.Wait(err); wait < 0 || wait > longestWait {
		t.Errorf("it waits %v", wait)
	}
	partial, ok := errors.AsType[*driver.Partial](err)
	if !ok {
		return
	}
	if partial.Wait < 0 || partial.Wait > longestWait || partial.Unnamed < 0 || partial.Unnamed > len(batch) {
		t.Errorf("%+v", partial)
	}
	known := map[string]bool{}
	for _, e := range batch {
		known[e.ID] = true
	}
	for _, list := range [][]string{partial.Accepted, partial.Rejected} {
		for _, id := range list {
			if !known[id] {
				t.Errorf("%q is of no event, or named twice: %+v", id, partial)
			}
			known[id] = false
		}
	}
}
