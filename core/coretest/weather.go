package coretest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// weather is what a network does to a request.
type weather struct {
	name string
	// answer is what the receiver says; without one, play is all there is.
	answer http.HandlerFunc
	// without sets up a network in which nothing answers.
	without func() (*stage, error)
}

// Weathers returns the names of the weathers that Exit tries.
func Weathers() []string {
	var names []string
	for _, w := range weathers() {
		names = append(names, w.name)
	}
	return names
}

func weathers() []weather {
	return []weather{
		{name: "answers at once", answer: says(http.StatusOK)},
		{name: "answers after 300 ms", answer: late(300 * time.Millisecond)},
		{name: "never answers", answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		{name: "fails with 500", answer: says(http.StatusInternalServerError)},
		{name: "asks to wait with 429", answer: says(http.StatusTooManyRequests, "Retry-After", "3600")},
		{name: "refuses connections", without: refusing},
		{name: "black hole", without: blackHole},
		{name: "dead name server", without: deadNameServer},
	}
}

func choose(names []string) ([]weather, error) {
	all := weathers()
	if names == nil {
		return all, nil
	}
	for _, name := range names {
		if !slices.Contains(Weathers(), name) {
			return nil, fmt.Errorf("coretest: there is no weather %q, but %s", name, quoted(Weathers()))
		}
	}
	return slices.DeleteFunc(all, func(w weather) bool { return !slices.Contains(names, w.name) }), nil
}

func says(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

func late(d time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusOK)
	}
}

// notHere says why a weather cannot be played on this machine.
type notHere string

func (n notHere) Error() string { return string(n) }

// stage is a weather that is played.
type stage struct {
	env  []string // leads a program into it
	wrap []string // is a program that runs the command in surroundings of its own
	// reached is closed when the first request has come; nil where nothing can tell.
	reached chan struct{}
	close   func()
}

func (w weather) play(a *authority) (*stage, error) {
	if w.without != nil {
		return w.without()
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on loopback: %w", err)
	}
	s := &stage{env: append(proxied(listener.Addr()), "SSL_CERT_FILE="+a.file), reached: make(chan struct{})}
	once := sync.OnceFunc(func() { close(s.reached) })
	quiet := log.New(discard{}, "", 0) // a client that goes away is what some weathers are about
	inner := &http.Server{Handler: w.answer, ErrorLog: quiet}
	tunnels := newTunnels(listener.Addr())
	go inner.Serve(tunnels) //nolint:errcheck // ends with close
	outer := &http.Server{ErrorLog: quiet, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		once()
		if r.Method != http.MethodConnect {
			w.answer(rw, r) // a receiver without https
			return
		}
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			return
		}
		if _, err := conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
			conn.Close()
			return
		}
		tunnels.add(tls.Server(conn, a.config(r.URL.Hostname())))
	})}
	go outer.Serve(listener) //nolint:errcheck // ends with close
	s.close = func() {
		outer.Close()
		inner.Close()
	}
	return s, nil
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// proxied is the environment of a program that has address for a proxy.
func proxied(address net.Addr) []string {
	var env []string
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		env = append(env, name+"=http://"+address.String())
	}
	return env
}

// tunnels is the listener of what came through the proxy.
type tunnels struct {
	address net.Addr
	conns   chan net.Conn
	closed  chan struct{}
	end     func()
}

func newTunnels(address net.Addr) *tunnels {
	t := &tunnels{address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
	t.end = sync.OnceFunc(func() { close(t.closed) })
	return t
}

func (t *tunnels) add(c net.Conn) {
	select {
	case t.conns <- c:
	case <-t.closed:
		c.Close()
	}
}

func (t *tunnels) Accept() (net.Conn, error) {
	select {
	case c := <-t.conns:
		return c, nil
	case <-t.closed:
		return nil, net.ErrClosed
	}
}

func (t *tunnels) Close() error   { t.end(); return nil }
func (t *tunnels) Addr() net.Addr { return t.address }

// refusing is a proxy that was there a moment ago.
func refusing() (*stage, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on loopback: %w", err)
	}
	return &stage{env: proxied(listener.Addr()), close: func() {}}, listener.Close()
}

// blackHole is a proxy whose queue of connections is full, so that the system leaves the first
// packet of another one without an answer.
func blackHole() (*stage, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on loopback: %w", err)
	}
	s := &stage{env: proxied(listener.Addr())}
	var waiting []net.Conn
	s.close = func() {
		listener.Close()
		for _, c := range waiting {
			c.Close()
		}
	}
	if err := narrow(listener.(*net.TCPListener)); err != nil {
		s.close()
		return nil, err
	}
	// A queue of none holds one or two. Who waits a quarter of a second on loopback waits
	// for good; a machine that is that slow only fills it up sooner.
	for range 16 {
		c, err := net.DialTimeout("tcp", listener.Addr().String(), 250*time.Millisecond)
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			return s, nil
		}
		if err != nil {
			break
		}
		waiting = append(waiting, c)
	}
	s.close()
	return nil, notHere("this system answers also where the queue of connections is full")
}

// authority makes certificates for the receivers.
type authority struct {
	file string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey

	mu   sync.Mutex
	made map[string]*tls.Certificate
}

func newAuthority(file string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	a := &authority{file: file, key: key, made: map[string]*tls.Certificate{}}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "coretest"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	var text bytes.Buffer
	if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
		return nil, fmt.Errorf("encode a certificate: %w", err)
	}
	return a, os.WriteFile(file, text.Bytes(), 0o600)
}

// config is that of a server which is host.
func (a *authority) config(host string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if c := a.made[host]; c != nil {
			return c, nil
		}
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(int64(len(a.made)) + 2), Subject: pkix.Name{CommonName: "a receiver"},
			NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter,
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		if ip := net.ParseIP(strings.Trim(host, "[]")); ip != nil {
			leaf.IPAddresses = []net.IP{ip}
		} else {
			leaf.DNSNames = []string{host}
		}
		der, err := x509.CreateCertificate(rand.Reader, leaf, a.cert, a.key.Public(), a.key)
		if err != nil {
			return nil, fmt.Errorf("make a certificate: %w", err)
		}
		a.made[host] = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
		return a.made[host], nil
	}}
}
