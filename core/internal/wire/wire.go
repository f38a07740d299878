// Package wire sees what a backend puts on the wire, and changes nothing about it. The
// collector opens every backend that leaves the machine with a Tap around its transport, so
// that what goes out can be written down before it does, and shown before anything goes out.
package wire

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/textproto"
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
	Header      textproto.MIMEHeader
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

// DialNowhere returns a connection that takes everything and leads to no host.
func DialNowhere(_ context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	_ = there.Close()
	return nowhere{here}, nil
}

type nowhere struct{ net.Conn }

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) CloseWrite() error           { return nil }
