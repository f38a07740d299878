package coretest

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// NoNetwork fails the test if, while it runs, something of this process goes to another machine
// by http.DefaultTransport (which http.DefaultClient and http.Get use, and which is often
// cloned), or asks net.DefaultResolver for a name that is not in the hosts file. Both are
// refused, and the failure names where it went. Loopback stays open, without a proxy.
//
// It does not see a connection to an address in numbers by a dialer or a transport of one's
// own, one by cgo, a packet on a socket that is open already, a resolver of one's own, a
// copy of the transport made earlier, and what other processes do. Those are seen from
// outside only: on Linux, unshare --net go test ./... leaves the tests no network at all.
//
// What it replaces belongs to the whole process, so a parallel test cannot have it: as with
// testing.T.Setenv, it panics. For all tests of a package there is RunWithoutNetwork. A
// goroutine that an earlier test left behind is taken for the test's own.
func NoNetwork(t testing.TB) {
	t.Helper()
	t.Setenv("TELEMETRY_NO_NETWORK", "1") // for its panic: nothing reads it
	g := &guard{}
	restore := g.install()
	t.Cleanup(func() {
		restore()
		for _, place := range g.places() {
			t.Errorf("the test went to the network: to %s", place)
		}
	})
}

// RunWithoutNetwork is m.Run with the guard of NoNetwork around all tests, parallel ones among
// them:
//
//	func TestMain(m *testing.M) { os.Exit(coretest.RunWithoutNetwork(m)) }
//
// Which of them went to the network it cannot tell. Where to is on standard error, and the
// code is 1, though all tests passed.
func RunWithoutNetwork(m *testing.M) int {
	g := &guard{}
	restore := g.install()
	code := m.Run()
	restore()
	for _, place := range g.places() {
		fmt.Fprintf(os.Stderr, "a test went to the network: to %s\n", place)
		code = max(code, 1)
	}
	return code
}

// guard refuses what leaves the machine, and remembers where it went.
type guard struct {
	mu   sync.Mutex
	seen []string
}

func (g *guard) install() (restore func()) {
	transport, resolver := http.DefaultTransport, net.DefaultResolver
	http.DefaultTransport = g.transport(transport)
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: g.nameServer}
	return func() { http.DefaultTransport, net.DefaultResolver = transport, resolver }
}

// transport returns one that is guarded. It is an *http.Transport where it was one, because
// programs rely on that.
func (g *guard) transport(was http.RoundTripper) http.RoundTripper {
	t, ok := was.(*http.Transport)
	if !ok {
		return guardedTripper{g, was}
	}
	t = t.Clone()
	t.Proxy = nil // one on loopback would carry everything away, unseen
	dial := t.DialContext
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if err := g.refuse(address); err != nil {
			return nil, err
		}
		host, port, err := net.SplitHostPort(address)
		if err != nil || !strings.EqualFold(host, "localhost") {
			return dial(ctx, network, address)
		}
		// The hosts file of Windows does not have it: the system's own resolver knows it there.
		conn, err := dial(ctx, network, net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			return dial(ctx, network, net.JoinHostPort("::1", port))
		}
		return conn, nil
	}
	if dial := t.DialTLSContext; dial != nil {
		t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if err := g.refuse(address); err != nil {
				return nil, err
			}
			return dial(ctx, network, address)
		}
	}
	return t
}

type guardedTripper struct {
	*guard
	next http.RoundTripper
}

func (g guardedTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := g.refuse(r.URL.Host); err != nil {
		if r.Body != nil {
			r.Body.Close() // a RoundTripper closes it also where it fails
		}
		return nil, err
	}
	return g.next.RoundTrip(r)
}

// refuse returns an error unless address, with or without a port, is on this machine.
func (g *guard) refuse(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.Trim(address, "[]")
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	g.note(address)
	return fmt.Errorf("coretest: no test is to reach %s", address)
}

func (g *guard) note(place string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, known := range g.seen {
		if place == known || strings.HasPrefix(place, known+".") { // the domains of the machine, one after another
			return
		}
	}
	g.seen = append(g.seen, place)
}

func (g *guard) places() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.seen)
}

// nameServer stands in for the machine's name servers: it notes what it is asked for and knows
// no name. The resolver speaks to what is no packet connection as over TCP.
func (g *guard) nameServer(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		var length [2]byte
		if _, err := io.ReadFull(server, length[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(server, query); err != nil {
			return
		}
		name, end, ok := question(query)
		if !ok {
			return
		}
		g.note("the name " + name)
		answer := append(binary.BigEndian.AppendUint16(nil, uint16(end)), query[:end]...)
		header := answer[2:]
		header[2], header[3] = 0x81, 0x83 // an answer: there is no such name
		copy(header[6:12], make([]byte, 6))
		_, _ = server.Write(answer) // the resolver sees for itself that it did not come
	}()
	return client, nil
}

// question returns the name that a query asks for and where the question ends. RFC 1035, 4.1.
func question(query []byte) (name string, end int, ok bool) {
	const header, kindAndClass = 12, 4
	var labels []string
	for at := header; at < len(query); {
		n := int(query[at])
		at++
		if n == 0 {
			return strings.Join(labels, "."), at + kindAndClass, at+kindAndClass <= len(query)
		}
		if at+n > len(query) {
			break
		}
		labels = append(labels, string(query[at:at+n]))
		at += n
	}
	return "", 0, false
}
