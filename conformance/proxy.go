package conformance

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// proxy leads to a wire from outside of Config.Transport: an HTTP proxy on this machine,
// as HTTPS_PROXY names one. Production hands no Transport over, so on this way a backend
// is seen as it ships: with its own client, its own trust in certificates and its own
// dealing with redirects.
type proxy struct {
	listener net.Listener
	all      sync.WaitGroup

	mu       sync.Mutex
	wire     *wire // where new connections lead
	accepted int
	conns    map[*net.TCPConn]bool // whether the client has not hung up
}

func newProxy(w *wire) (*proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: listener, wire: w, conns: map[*net.TCPConn]bool{}}
	p.all.Go(p.accept)
	return p, nil
}

// url is what HTTPS_PROXY is set to.
func (p *proxy) url() string { return "http://" + p.listener.Addr().String() }

// leadTo makes all new connections end at w.
func (p *proxy) leadTo(w *wire) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wire = w
}

// clients returns how many were ever connected, and how many have not hung up.
func (p *proxy) clients() (accepted, open int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, there := range p.conns {
		if there {
			open++
		}
	}
	return p.accepted, open
}

// left notes that a client has hung up, also where the vendor has not.
func (p *proxy) left(c *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.conns[c]; known {
		p.conns[c] = false
	}
}

// hangUp ends every connection and takes new ones.
func (p *proxy) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *proxy) close() {
	p.listener.Close()
	p.hangUp()
	p.all.Wait()
}

func (p *proxy) accept() {
	for {
		accepted, err := p.listener.Accept()
		if err != nil {
			return
		}
		c := accepted.(*net.TCPConn)
		p.mu.Lock()
		w := p.wire
		p.accepted++
		p.conns[c] = true
		p.mu.Unlock()
		p.all.Go(func() {
			p.serve(c, w)
			c.Close()
			p.mu.Lock()
			delete(p.conns, c)
			p.mu.Unlock()
		})
	}
}

// serve connects one client with the wire, until either side ends.
func (p *proxy) serve(c *net.TCPConn, w *wire) {
	reader := bufio.NewReader(c)
	r, err := http.ReadRequest(reader)
	if err != nil {
		return
	}
	if r.Method != http.MethodConnect {
		// A request in plain text to another machine: noted, and not carried.
		w.ask(r.URL)
		_, _ = io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return
	}
	w.ask(&url.URL{Scheme: "https", Host: strings.TrimSuffix(r.Host, ":443")})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	spoke := make(chan error, 1)
	go func() { // the client says nothing until it is connected, so all that ends this is that it goes
		_, err := reader.Peek(1)
		if err != nil {
			p.left(c)
			cancel()
		}
		spoke <- err
	}()
	vendor, err := w.connect(ctx)
	if err != nil {
		_, _ = io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		c.Close()
		<-spoke
		return
	}
	defer vendor.Close()
	_, err = io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n")
	if <-spoke != nil || err != nil {
		return
	}
	splice(c, reader, vendor.Conn.(*net.TCPConn), func() { p.left(c) })
}

// splice carries what either side sends. A reset of one becomes a reset of the other.
func splice(client *net.TCPConn, reader io.Reader, vendor *net.TCPConn, left func()) {
	// Small buffers, or an endless answer would seem to be read as far as they reach.
	const buffer = 64 << 10
	_, _ = vendor.SetReadBuffer(buffer), client.SetWriteBuffer(buffer)
	var both sync.WaitGroup
	carry := func(to *net.TCPConn, from io.Reader) {
		// By hand: the kernel's way of copying keeps pipes open, which would look like the
		// backend's.
		if _, err := io.Copy(struct{ io.Writer }{to}, struct{ io.Reader }{from}); err != nil {
			reset(client)
			reset(vendor)
			return
		}
		_ = to.CloseWrite()
	}
	both.Go(func() { carry(client, vendor) })
	both.Go(func() {
		carry(vendor, reader)
		left()
	})
	both.Wait()
}
