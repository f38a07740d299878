//go:build !notelemetry

package report

import (
	"bytes"
	"math"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

// Whatever a table holds: what is read as a set of installations is written as the same, and
// joined with another it is a set again.
func FuzzParseSketch(f *testing.F) {
	of := func(hashes ...uint64) []byte {
		s := newSketch()
		for _, h := range hashes {
			s.add(h)
		}
		return s.bytes()
	}
	var many []uint64
	for i := range uint64(sketchSize + 10) {
		many = append(many, i*(math.MaxUint64/(sketchSize+11))+1)
	}
	f.Add(of(), of(1, 2, 3))
	f.Add(of(many...), of(many[:5]...))
	f.Add(make([]byte, 8), make([]byte, 16))
	f.Add([]byte{}, bytes.Repeat([]byte{0xff}, 24))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var s *sketch
		var ok bool
		// A hash is eight bytes here as there.
		fuzzing.Allocs(t, len(a), 1<<10, 4, func() { s, ok = parseSketch(a) })
		if !ok {
			return
		}
		if !bytes.Equal(s.bytes(), a) {
			t.Errorf("%x is written as %x", a, s.bytes())
		}
		if s.count() < 0 {
			t.Errorf("%x counts %d", a, s.count())
		}
		o, ok := parseSketch(b)
		if !ok {
			return
		}
		if n := s.common(o); n < 0 || n > s.count() {
			t.Errorf("%d of %d are common", n, s.count())
		}
		s.merge(o)
		joined, ok := parseSketch(s.bytes())
		if !ok || !slices.Equal(joined.hashes, s.hashes) || joined.limit > o.limit {
			t.Errorf("%x and %x joined are %x", a, b, s.bytes())
		}
	})
}

// Whatever is asked of the page, weeks and groups are within what it shows.
func FuzzParseQuery(f *testing.F) {
	for _, raw := range []string{"", "tool=mytool&weeks=4&k=5", "weeks=0", "k=99999999999999999999", "weeks=+1&weeks=2", "%zz", "k=1025"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		values, _ := url.ParseQuery(raw) // what it could read, as net/http takes it
		q, k, err := parseQuery(values, time.Unix(1770120000, 0))
		if err == nil && (q.Weeks < 0 || q.Weeks > MaxWeeks || k < 1 || k > MaxK) {
			t.Errorf("%q is %+v and %d", raw, q, k)
		}
	})
}
