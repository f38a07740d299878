//go:build !notelemetry

// Package rates bounds how often one address may come, and says which address a request
// counts for.
package rates

import (
	"hash/maphash"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Rate is how often something may happen: Burst times at once, and then again as time
// passes.
type Rate struct {
	PerSecond float64
	Burst     int
}

// cells is how many are told apart. Two that share a cell share its rate; at 16 bytes each, a
// table is 1 MB, however many come.
const cells = 1 << 16

// Table holds a rate for each of any number of addresses, or machines. None of them is kept,
// only a hash with a key of this process, which also keeps strangers from choosing whose cell
// they share. It may be used by several goroutines at once.
type Table struct {
	seed  maphash.Seed
	rate  Rate
	start time.Time
	mu    sync.Mutex
	cells [cells]bucket
}

// bucket is how much was taken and not yet given back, at a time. Zero is untouched.
type bucket struct {
	taken float64
	at    time.Duration
}

// New returns a table in which nobody has come yet.
func New(rate Rate) *Table {
	return &Table{seed: maphash.MakeSeed(), rate: rate, start: time.Now()}
}

// maxWait is how long anybody is told to wait, also where a rate is so low that it says years.
const maxWait = time.Hour

// Take returns 0 if who may go on, else after how long to try again.
func (t *Table) Take(who string) time.Duration {
	cell := &t.cells[maphash.String(t.seed, who)%cells]
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Since(t.start)
	cell.taken = max(0, cell.taken-(now-cell.at).Seconds()*t.rate.PerSecond)
	cell.at = now
	if over := cell.taken + 1 - float64(t.rate.Burst); over > 0 {
		return min(time.Duration(min(over/t.rate.PerSecond, maxWait.Seconds())*float64(time.Second))+1, maxWait)
	}
	cell.taken++
	return 0
}

// Address returns whom a request counts for: an IPv4 address or an IPv6 /64, which is what one
// customer gets.
func Address(req *http.Request, proxies []netip.Prefix) string {
	address, ok := Client(req, proxies)
	if !ok {
		return req.RemoteAddr // a Unix socket's, for one: all share it
	}
	if address.Is6() {
		if network, err := address.Prefix(64); err == nil {
			return network.String()
		}
	}
	return address.String()
}

// Client returns the address that a request comes from. It is not the client's to choose: an
// entry of X-Forwarded-For counts only where one of these proxies wrote it, so the last that
// none of them sent from.
func Client(req *http.Request, proxies []netip.Prefix) (address netip.Addr, ok bool) {
	if address, ok = parse(req.RemoteAddr); !ok {
		return address, false
	}
	entries := strings.Split(strings.Join(req.Header.Values("X-Forwarded-For"), ","), ",")
	for _, entry := range slices.Backward(entries) {
		if !slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(address) }) {
			break
		}
		before, ok := parse(entry)
		if !ok {
			break
		}
		address = before
	}
	return address, true
}

func parse(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	ip, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		withPort, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		ip = withPort.Addr()
	}
	return ip.Unmap().WithZone(""), true
}
