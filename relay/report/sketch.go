//go:build !notelemetry

package report

import (
	"encoding/binary"
	"math"
	"slices"
)

// sketchSize is how many hashes are kept of a group. Up to so many installations are counted
// exactly; a larger number is estimated, with a standard error of 1/√2048, which is 2.2 %.
const sketchSize = 2048

// sketch is a set of installations, by hashes that are spread evenly: all those below a
// limit, which falls as the set grows. (The literature calls it a theta or KMV sketch.)
// Sets can be joined and compared, in any order and any number of times.
type sketch struct {
	limit  uint64
	hashes []uint64 // ascending, each below limit
}

func newSketch() *sketch { return &sketch{limit: math.MaxUint64} }

// add reports whether the set is another one now.
func (s *sketch) add(h uint64) bool {
	if h >= s.limit {
		return false
	}
	i, found := slices.BinarySearch(s.hashes, h)
	if found {
		return false
	}
	s.hashes = slices.Insert(s.hashes, i, h)
	if len(s.hashes) > sketchSize {
		s.limit = s.hashes[sketchSize]
		s.hashes = s.hashes[:sketchSize]
	}
	return true
}

// merge adds another set, and reports whether this one is another now.
func (s *sketch) merge(o *sketch) bool {
	changed := false
	if o.limit < s.limit {
		s.limit, changed = o.limit, true
		i, _ := slices.BinarySearch(s.hashes, s.limit)
		s.hashes = s.hashes[:i]
	}
	for _, h := range o.hashes {
		changed = s.add(h) || changed
	}
	return changed
}

func (s *sketch) has(h uint64) bool {
	_, found := slices.BinarySearch(s.hashes, h)
	return found
}

// remove takes one out. The limit stays, so an estimate stays one.
func (s *sketch) remove(h uint64) bool {
	i, found := slices.BinarySearch(s.hashes, h)
	if found {
		s.hashes = slices.Delete(s.hashes, i, i+1)
	}
	return found
}

// share is the part of all sets that a sketch with this limit holds.
func share(limit uint64) float64 { return float64(limit) / math.MaxUint64 }

// count is how many are in the set.
func (s *sketch) count() int64 {
	if s.limit == math.MaxUint64 {
		return int64(len(s.hashes))
	}
	return int64(math.Round(float64(len(s.hashes)) / share(s.limit)))
}

// common is how many of the set are in the other one too.
func (s *sketch) common(o *sketch) int64 {
	limit := min(s.limit, o.limit)
	n := 0
	for _, h := range s.hashes {
		if h >= limit {
			break
		}
		if o.has(h) {
			n++
		}
	}
	if limit == math.MaxUint64 {
		return int64(n)
	}
	return min(s.count(), int64(math.Round(float64(n)/share(limit))))
}

func (s *sketch) bytes() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 8+8*len(s.hashes)), s.limit)
	for _, h := range s.hashes {
		b = binary.BigEndian.AppendUint64(b, h)
	}
	return b
}

// leastLimit is that of a set of more installations than there can be, 2⁴⁰ times sketchSize. What
// is estimated with a smaller limit may be no number.
const leastLimit = math.MaxUint64 >> 40

// parseSketch undoes bytes. What is in no order was not written by it.
func parseSketch(b []byte) (*sketch, bool) {
	if len(b) < 8 || len(b)%8 != 0 || len(b) > 8+8*sketchSize {
		return nil, false
	}
	s := &sketch{limit: binary.BigEndian.Uint64(b), hashes: make([]uint64, 0, len(b)/8-1)}
	if s.limit < leastLimit {
		return nil, false
	}
	for b = b[8:]; len(b) > 0; b = b[8:] {
		h := binary.BigEndian.Uint64(b)
		if h >= s.limit || len(s.hashes) > 0 && h <= s.hashes[len(s.hashes)-1] {
			return nil, false
		}
		s.hashes = append(s.hashes, h)
	}
	return s, true
}
