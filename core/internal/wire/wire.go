// Package wire sees what a backend puts on the wire, and changes nothing about it. The
// collector opens every backend that leaves the machine with a Tap around its transport, so
// that what goes out can be written down before it does, and shown before anything goes out.
package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
)

const (
	// maxBody bounds what is held of a request in memory: ten times what a batch may have. What
	// is larger goes out as it is read.
	maxBody = 16 << 20
	// maxAnswer is how much of an answer is kept: what vendors have to say in words.
	maxAnswer = 1 << 10
)

// Tap sees the requests of one backend.
type Tap struct {
	// Out is called with each request before anything of it goes out, and with each write to a
	// connection of Dial. The exchange learns of the answer later. An error keeps it from going
	// out. It may be called by several goroutines at once.
	Out func(*Exchange) error
}

// Exchange is a request, or bytes for a connection, and what came back.
type Exchange struct {
	// Method, URL and Header are those of an HTTP request, with the headers that net/http adds.
	// Method is empty for a connection.
	Method, URL string
	Header      http.Header
	// Network and Address are those of a connection that is none of HTTP.
	Network, Address string
	// Body is what goes out. It is nil and Hidden set where it cannot be told: a connection
	// encrypts it, or it is above what is held in memory.
	Body   []byte
	Hidden bool

	mu     sync.Mutex
	status int
	answer []byte
}

// Answer returns the status and the beginning of the answer, as far as they have come.
func (x *Exchange) Answer() (status int, beginning []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.status, bytes.Clone(x.answer)
}

// Transport returns a RoundTripper that behaves as next does, and lets the tap see each
// request.
func (t *Tap) Transport(next http.RoundTripper) http.RoundTripper { return &transport{t, next} }

type transport struct {
	tap  *Tap
	next http.RoundTripper
}

// RoundTrip reads the body first, once, and hands on a request with the same one. A request
// without GetBody stays without: net/http cannot send it again.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	x := &Exchange{Method: r.Method, URL: r.URL.String()}
	out := r
	if r.Body != nil && r.Body != http.NoBody {
		body, err := readBody(r.Context(), r.Body)
		if err != nil {
			return nil, err
		}
		out = r.WithContext(r.Context()) // a copy: the caller's is not ours to change
		if x.Hidden = len(body) > maxBody; x.Hidden {
			out.Body = joined{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
		} else {
			_ = r.Body.Close()
			x.Body, out.Body = body, io.NopCloser(bytes.NewReader(body))
		}
	}
	x.Header = sentHeaders(r, x)
	if err := t.tap.Out(x); err != nil {
		if out.Body != nil {
			_ = out.Body.Close()
		}
		return nil, err
	}
	response, err := t.next.RoundTrip(out)
	if response == nil {
		return nil, err
	}
	response.Request = r
	x.mu.Lock()
	x.status = response.StatusCode
	x.mu.Unlock()
	// The body of a 101 is the connection, which is more than a reader.
	if response.Body != nil && response.StatusCode != http.StatusSwitchingProtocols {
		response.Body = &answerBody{response.Body, x}
	}
	return response, err
}

// CloseIdleConnections closes those of the transport.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// joined is a body that is read on, with its own Close.
type joined struct {
	io.Reader
	io.Closer
}

// readBody reads a body, of one that is too large the beginning, until ctx ends: net/http
// would not wait any longer for it either.
func readBody(ctx context.Context, body io.ReadCloser) ([]byte, error) {
	type result struct {
		body []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		b, err := io.ReadAll(io.LimitReader(body, maxBody+1))
		done <- result{b, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			_ = body.Close()
		}
		return r.body, r.err
	case <-ctx.Done():
		_ = body.Close()
		return nil, context.Cause(ctx)
	}
}

// sentHeaders are the headers of a request with those that net/http puts before them.
func sentHeaders(r *http.Request, x *Exchange) http.Header {
	header := r.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	header.Set("Host", host)
	switch agent, set := header["User-Agent"]; {
	case !set:
		header.Set("User-Agent", "Go-http-client/1.1")
	case len(agent) == 0 || agent[0] == "":
		header.Del("User-Agent")
	}
	switch {
	case r.ContentLength > 0:
		header.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	case len(x.Body) > 0 || x.Hidden:
		header.Set("Transfer-Encoding", "chunked")
	case r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch:
		header.Set("Content-Length", "0")
	}
	return header
}

// answerBody keeps the beginning of what is read of an answer.
type answerBody struct {
	io.ReadCloser
	x *Exchange
}

func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.x.heard(p[:n])
	return n, err
}

func (x *Exchange) heard(p []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if room := maxAnswer - len(x.answer); room > 0 {
		x.answer = append(x.answer, p[:min(len(p), room)]...)
	}
}

// Dial returns a way to open connections as next does, of which the tap sees each write.
// Bytes that TLS has encrypted say nothing: of such a connection it sees the first, Hidden.
func (t *Tap) Dial(next DialFunc) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := next(ctx, network, address)
		if err != nil {
			return nil, err
		}
		seen := &conn{Conn: c, tap: t, network: network, address: address}
		if half, ok := c.(halfCloser); ok {
			return &halfConn{seen, half}, nil
		}
		return seen, nil
	}
}

// DialFunc is driver.Config.Dial.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

type halfCloser interface{ CloseWrite() error }

type conn struct {
	net.Conn
	tap              *Tap
	network, address string

	mu     sync.Mutex // held while the tap is told
	last   *Exchange  // whose answer is what comes next
	hidden bool
}

func (c *conn) Write(p []byte) (int, error) {
	if err := c.told(p); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// told lets the tap see what is written.
func (c *conn) told(p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hidden {
		return nil
	}
	x := &Exchange{Network: c.network, Address: c.address, Body: bytes.Clone(p)}
	// A record of TLS that begins a handshake: RFC 8446, section 5.1.
	if c.last == nil && len(p) > 2 && p[0] == 22 && p[1] == 3 {
		x.Body, x.Hidden, c.hidden = nil, true, true
	}
	c.last = x
	return c.tap.Out(x)
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	last, hidden := c.last, c.hidden
	c.mu.Unlock()
	if last != nil && !hidden {
		last.heard(p[:n])
	}
	return n, err
}

// halfConn is a connection whose sending side can be closed alone.
type halfConn struct {
	*conn
	half halfCloser
}

func (c *halfConn) CloseWrite() error { return c.half.CloseWrite() }

// ErrNowhere is what a backend is told that was opened to be looked at.
var ErrNowhere = errors.New("nothing is sent, this is only a preview")

// Nowhere is a transport that lets nothing out.
type Nowhere struct{}

// RoundTrip returns ErrNowhere.
func (Nowhere) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return nil, ErrNowhere
}

// DialNowhere returns a connection that takes everything and leads to nobody.
func DialNowhere(_ context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	_ = there.Close()
	return nowhere{here}, nil
}

type nowhere struct{ net.Conn }

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) CloseWrite() error           { return nil }
