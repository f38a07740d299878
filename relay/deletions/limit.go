//go:build !notelemetry

package deletions

import (
	"hash/maphash"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/relay/internal/rates"
)

// Rate is how often something may happen: Burst times at once, and then PerSecond as time passes.
type Rate = rates.Rate

// Limit bounds what strangers can have written to the ledger: everybody can make up an ID
// with its key. A look at a receipt counts as a tenth of a request, and what is forged is not
// counted.
type Limit struct {
	// PerAddress is for one IPv4 address or one IPv6 /64, which is what one customer gets.
	// Zero means 20 at once and then one a minute: people delete rarely, but an office
	// shares an address.
	PerAddress Rate
	// Global is for all together, and once more for those whose network (an IPv4 /24, an IPv6
	// /48) has not come for a minute or so. So who comes again and again, also from ever other
	// addresses of their networks, uses up nothing of what honest people need, who come once.
	// Zero means 1000 at once and then 10 a second, which is about 1 GB a day at most.
	Global Rate
}

const (
	costRequest = 1
	costLook    = 0.1
	// cells is how many addresses are told apart. Two that share a cell share its rate; at
	// 16 bytes each, a table is 1 MB, however many addresses there are.
	cells = 1 << 16
)

// limiter holds the rates. No address is kept, only its hash with a key of this process,
// which also keeps strangers from choosing whose cell they share.
type limiter struct {
	seed      maphash.Seed
	start     time.Time
	limit     Limit
	mu        sync.Mutex
	all       bucket
	newcomers bucket
	addresses [cells]bucket
	networks  [cells]bucket
}

// bucket is how much was taken and not yet given back, at a time. Zero is untouched.
type bucket struct {
	taken float64
	at    time.Duration
}

func newLimiter(limit Limit) *limiter {
	if limit.PerAddress == (Rate{}) {
		limit.PerAddress = Rate{PerSecond: 1. / 60, Burst: 20}
	}
	if limit.Global == (Rate{}) {
		limit.Global = Rate{PerSecond: 10, Burst: 1000}
	}
	return &limiter{seed: maphash.MakeSeed(), start: time.Now(), limit: limit}
}

// take returns 0 if the address may go on, else after how long it may try again. What the
// address may not do costs the others nothing.
func (l *limiter) take(address string, cost float64) time.Duration {
	cell, network := maphash.String(l.seed, address)%cells, l.network(address)%cells
	now := time.Since(l.start)
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait := l.addresses[cell].take(l.limit.PerAddress, now, cost); wait > 0 {
		return wait
	}
	all := &l.all
	if l.networks[network].left(l.limit.PerAddress, now) == 0 {
		all = &l.newcomers
	}
	wait := all.take(l.limit.Global, now, cost)
	if wait == 0 {
		l.networks[network].taken += cost
	}
	return wait
}

// network is the hash of the network that an address is in.
func (l *limiter) network(address string) uint64 {
	text, isNetwork := strings.CutSuffix(address, "/64")
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return maphash.String(l.seed, address)
	}
	bits := 24
	if isNetwork {
		bits = 48
	}
	around, err := ip.Prefix(bits)
	if err != nil {
		return maphash.String(l.seed, address)
	}
	bytes := around.Addr().As16()
	return maphash.Bytes(l.seed, bytes[:])
}

// bucket is the number by which the queue knows an address; see queue.
func (l *limiter) bucket(address string) int64 {
	return 1 + int64(l.network(address)>>32%buckets)
}

// left returns what was taken and is not given back yet.
func (b *bucket) left(r Rate, now time.Duration) float64 {
	b.taken = max(0, b.taken-(now-b.at).Seconds()*r.PerSecond)
	b.at = now
	return b.taken
}

func (b *bucket) take(r Rate, now time.Duration, cost float64) time.Duration {
	b.left(r, now)
	if over := b.taken + cost - float64(r.Burst); over > 0 {
		// An hour is enough where a rate is so low that it says years.
		return min(time.Duration(min(over/r.PerSecond, 3600)*float64(time.Second))+1, time.Hour)
	}
	b.taken += cost
	return 0
}
