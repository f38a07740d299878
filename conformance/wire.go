package conformance

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// wire is the suite's Config.Transport and Config.Dial. Whatever host a backend asks for, it reaches
// the suite's server, over TLS with a certificate that a client can trust; and it notes
// what was asked for.
type wire struct {
	base  *http.Transport
	roots *x509.CertPool
	// shipped says that the way to the wire is that of production.
	shipped bool
	// refusals, where not nil, counts the connections that were refused by arrangement.
	refusals *atomic.Int64
	over     chan struct{} // closed when the check is over

	mu         sync.Mutex
	dial       func(context.Context) (net.Conn, error)
	dialSocket func(context.Context) (net.Conn, error)
	works      func(*wire) // makes both of them reach the suite's server
	trips      []*url.URL
	conns      map[*wireConn]bool
	proxy      *proxy
	opened     int      // streams of Dial
	closed     int      // of them
	plain      []string // addresses of Dial that got something unencrypted
}

func newWire(addr, sockets string, roots *x509.CertPool) *wire {
	w := &wire{roots: roots, over: make(chan struct{}), conns: map[*wireConn]bool{}}
	to := func(addr string) func(context.Context) (net.Conn, error) {
		return func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", addr) }
	}
	w.works = func(w *wire) { w.dial, w.dialSocket = to(addr), to(sockets) }
	w.works(w)
	w.base = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := w.connect(ctx)
			if err != nil {
				return nil, err // a nil *wireConn in a net.Conn would not be nil
			}
			return c, nil
		},
		// One key exchange, and not the costliest: there is a handshake for most of the Sends.
		TLSClientConfig:    &tls.Config{RootCAs: roots, CurvePreferences: []tls.CurveID{tls.X25519}},
		DisableCompression: true,
	}
	return w
}

// setIn makes w the way that a backend takes, where production has none of its own. What
// does not speak HTTP is given Dial in any case: no proxy leads such protocols here.
func (w *wire) setIn(c *driver.Config) {
	c.Transport, c.RootCAs, c.Dial = nil, nil, w.Dial
	if !w.shipped {
		c.Transport = w
		setRoots(c, w.roots)
	}
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.ask(r.URL)
	return w.base.RoundTrip(r)
}

// ask notes what was asked for.
func (w *wire) ask(target *url.URL) {
	u := *target
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trips = append(w.trips, &u)
}

// connect opens a connection to the vendor, as the check arranged it.
func (w *wire) connect(ctx context.Context) (*wireConn, error) {
	w.mu.Lock()
	dial := w.dial
	w.mu.Unlock()
	c, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	counted := &wireConn{Conn: c, wire: w}
	w.mu.Lock()
	w.conns[counted] = true
	w.mu.Unlock()
	return counted, nil
}

// CloseIdleConnections is what a backend's Close calls.
func (w *wire) CloseIdleConnections() { w.base.CloseIdleConnections() }

func (w *wire) close() {
	close(w.over)
	w.base.CloseIdleConnections()
	w.mu.Lock()
	p := w.proxy
	for c := range w.conns {
		c.Conn.Close()
	}
	w.mu.Unlock()
	if p != nil {
		p.close()
	}
}

// proxied returns the way to w for another process.
func (w *wire) proxied() (*proxy, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var err error
	if w.proxy == nil {
		w.proxy, err = newProxy(w)
	}
	return w.proxy, err
}

func (w *wire) asked() []*url.URL {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*url.URL(nil), w.trips...)
}

func (w *wire) open() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.conns)
}

func (w *wire) dialWith(dial func(context.Context) (net.Conn, error)) {
	counted := func(ctx context.Context) (net.Conn, error) {
		c, err := dial(ctx)
		if errors.Is(err, syscall.ECONNREFUSED) && w.refusals != nil {
			w.refusals.Add(1)
		}
		return c, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dial, w.dialSocket = counted, counted
}

// dialServer makes the network work again.
func (w *wire) dialServer() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.works(w)
}

// blackhole is a network that swallows packets: connecting neither works nor fails.
func (w *wire) blackhole(ctx context.Context) (net.Conn, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-w.over:
		return nil, net.ErrClosed
	}
}

// wireConn is a connection that is counted while it is open.
type wireConn struct {
	net.Conn
	wire *wire
}

func (c *wireConn) Close() error {
	c.wire.mu.Lock()
	delete(c.wire.conns, c)
	c.wire.mu.Unlock()
	return c.Conn.Close()
}

// authority signs certificates for any name.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey

	mu     sync.Mutex
	leaves map[string]*tls.Certificate
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "conformance"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert: cert, key: key, leaves: map[string]*tls.Certificate{}}, err
}

// issue returns a certificate for name that is valid until then.
func (a *authority) issue(name string, until time.Time) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id := fmt.Sprint(name, until.Unix())
	if leaf := a.leaves[id]; leaf != nil {
		return leaf, nil
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(a.leaves) + 2)), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	a.leaves[id] = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
	return a.leaves[id], nil
}

// trusted is the authority whose certificates the wire accepts, stranger one whose it
// does not. Making one takes a millisecond, and a process needs no second.
var (
	trusted  = sync.OnceValues(newAuthority)
	stranger = sync.OnceValues(newAuthority)
)

func goodCertificate(name string) (*tls.Certificate, error) {
	a, err := trusted()
	if err != nil {
		return nil, err
	}
	return a.issue(name, a.cert.NotAfter)
}

// trustedRoots are what the wire trusts.
func trustedRoots() (*x509.CertPool, error) {
	a, err := trusted()
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool, nil
}
