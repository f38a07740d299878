package conformance

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// proxy leads to a wire from outside of Config.Transport: an HTTP proxy on this machine,
// as HTTPS_PROXY names one. A program that opens a backend itself hands no Transport over, so on this way a backend
// is seen as it ships: with its own client, its own trust in certificates and its own
// dealing with redirects.
type proxy struct {
	addr string
	all  sync.WaitGroup

	mu       sync.Mutex
	listener *net.TCPListener      // nil while the proxy is gone
	paused   chan struct{}         // closed when connections are taken again, nil while they are
	refusal  string                // what is answered in place of a connection, if not empty
	wire     *wire                 // where new connections lead
	conns    map[*net.TCPConn]bool // whether the client has not hung up
}

func newProxy(w *wire) (*proxy, error) {
	p := &proxy{addr: "127.0.0.1:0", wire: w, conns: map[*net.TCPConn]bool{}}
	return p, p.back()
}

// back makes the proxy listen, where it listened before.
func (p *proxy) back() error {
	listener, err := net.Listen("tcp", p.addr)
	if err != nil {
		return err
	}
	tcp := listener.(*net.TCPListener)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener, p.addr = tcp, tcp.Addr().String()
	p.all.Go(func() { p.accept(tcp) })
	return nil
}

// gone makes the proxy one that is not there.
func (p *proxy) gone() {
	p.mu.Lock()
	listener := p.listener
	p.listener = nil
	p.mu.Unlock()
	if listener != nil {
		listener.Close()
	}
	p.hangUp()
}

// refuses makes the proxy answer with text in place of a connection, and connect again if
// that is empty.
func (p *proxy) refuses(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusal = text
}

// stall makes the proxy one to which connecting neither works nor fails, until the
// returned function is called; false where the system does not let it.
func (p *proxy) stall() (resume func(), ok bool) {
	p.mu.Lock()
	listener, paused := p.listener, make(chan struct{})
	p.paused = paused
	p.mu.Unlock()
	_ = listener.SetDeadline(time.Unix(1, 0)) // ends the waiting of accept
	var fillers []net.Conn
	resume = func() {
		for _, c := range fillers {
			c.Close()
		}
		_ = backlog(listener, somaxconn)
		_ = listener.SetDeadline(time.Time{})
		p.mu.Lock()
		p.paused = nil
		p.mu.Unlock()
		close(paused)
		p.catchUp()
	}
	if backlog(listener, 0) != nil {
		return resume, false
	}
	for range somaxconn {
		c, err := net.DialTimeout("tcp", p.addr, 50*time.Millisecond)
		if err != nil {
			return resume, true
		}
		fillers = append(fillers, c)
	}
	return resume, false
}

// catchUp returns when every connection that was made before has been taken: they are taken
// in order, and the one that is made here is answered.
func (p *proxy) catchUp() {
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patient(5 * time.Second)))
	_ = c.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, c)
}

// somaxconn is enough for the few connections that are tried at the same time.
const somaxconn = 128

// url is what HTTPS_PROXY is set to.
func (p *proxy) url() string { return "http://" + p.addr }

// leadTo makes all new connections end at w.
func (p *proxy) leadTo(w *wire) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wire = w
}

// clients is how many have not hung up.
func (p *proxy) clients() (open int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, there := range p.conns {
		if there {
			open++
		}
	}
	return open
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
	p.gone()
	p.all.Wait()
}

func (p *proxy) accept(listener *net.TCPListener) {
	for {
		c, err := listener.AcceptTCP()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			p.mu.Lock()
			paused := p.paused
			p.mu.Unlock()
			if paused != nil {
				<-paused
			}
			continue
		}
		if err != nil {
			return
		}
		p.mu.Lock()
		w := p.wire
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
	p.mu.Lock()
	refusal := p.refusal
	p.mu.Unlock()
	if refusal != "" {
		_, _ = io.WriteString(c, refusal)
		return
	}
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
