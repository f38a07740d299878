//go:build !notelemetry

package events

import (
	"errors"
	"hash/maphash"
	"sync"
)

// shareOfAddress is which part of the memory one address may have: a company behind one address
// has thousands of usual bodies in it, and who sends slowly on purpose leaves the rest to others.
const shareOfAddress = 4

// errFull: there is no memory for more of a body.
var errFull = errors.New("bodies fill the memory that they may")

// memory bounds what bodies take at once, of all and of each address. Of an address it keeps a
// hash, while something of it is worked on.
type memory struct {
	most, mostOfOne int64
	seed            maphash.Seed

	mu   sync.Mutex
	all  int64
	each map[uint64]int64
}

func newMemory(most int64) *memory {
	// One body of any size has to pass, or its sender would come for ever.
	return &memory{most: most, mostOfOne: max(most/shareOfAddress, maxBody), seed: maphash.MakeSeed(), each: map[uint64]int64{}}
}

// taken is how much is in use.
func (m *memory) taken() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all
}

// room is what one request takes.
type room struct {
	of   *memory
	from uint64
	size int64
}

func (m *memory) room(from string) *room {
	return &room{of: m, from: maphash.String(m.seed, from)}
}

// resize makes the room larger or smaller, and reports false where there is no more.
func (r *room) resize(size int64) bool {
	m := r.of
	m.mu.Lock()
	defer m.mu.Unlock()
	more := size - r.size
	if more > 0 && (m.all+more > m.most || m.each[r.from]+more > m.mostOfOne) {
		return false
	}
	m.all += more
	m.each[r.from] += more
	if m.each[r.from] == 0 {
		delete(m.each, r.from)
	}
	r.size = size
	return true
}

func (r *room) close() { r.resize(0) }
