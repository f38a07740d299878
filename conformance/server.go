package conformance

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// server is the vendor, as the suite plays it. It speaks HTTP/1.1 over TLS by hand, so
// that a connection can be broken at any point.
type server struct {
	listener net.Listener
	sockets  net.Listener // for what is not HTTP
	closed   chan struct{}
	all      sync.WaitGroup

	// batch reads the events of an exchange, for answers that name them.
	batch func(*exchange) []Received

	mu        sync.Mutex
	certify   func(name string) (*tls.Certificate, error)
	greet     func(*net.TCPConn) bool // before TLS; false ends the connection
	protocols []string                // offered in TLS
	readLimit int                     // reset after so many bytes of a request, 0 for none
	react     reaction
	exchanges []*exchange
	stall     bool // read nothing of a stream
	begun     int  // streams
	ended     int  // of them, those of which all has been read
	conns     map[net.Conn]bool
}

// reaction is what the vendor does once it has read a request. It returns whether the
// connection goes on.
type reaction func(*exchange) bool

// exchange is one request and what was answered.
type exchange struct {
	server *server
	conn   net.Conn     // TLS, nil with HTTP/2
	raw    *net.TCPConn // beneath it
	number int          // from 0, over all connections of the server
	socket bool         // not HTTP: all of a connection, or a datagram
	Request
	problem string // why the body cannot be read
	answer  bytes.Buffer
}

func newServer() (*server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	sockets, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		listener.Close()
		return nil, err
	}
	s := &server{
		listener: listener, sockets: sockets, closed: make(chan struct{}), certify: goodCertificate, protocols: []string{"http/1.1"},
		react: answer(Answer{}), conns: map[net.Conn]bool{},
	}
	s.all.Go(func() { s.accept(listener, s.serve) })
	s.all.Go(func() { s.accept(sockets, s.serveSocket) })
	return s, nil
}

func (s *server) addr() string { return s.listener.Addr().String() }

// close ends every exchange, also those that hang.
func (s *server) close() {
	close(s.closed)
	s.listener.Close()
	s.sockets.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.all.Wait()
}

func (s *server) accept(l net.Listener, serve func(*net.TCPConn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.mu.Unlock()
		s.all.Go(func() {
			serve(c.(*net.TCPConn))
			c.Close()
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

func (s *server) serve(raw *net.TCPConn) {
	s.mu.Lock()
	greet, certify, limit, protocols := s.greet, s.certify, s.readLimit, s.protocols
	s.mu.Unlock()
	if greet != nil && !greet(raw) {
		return
	}
	conn := tls.Server(raw, &tls.Config{
		NextProtos:     protocols,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return certify(hello.ServerName) },
	})
	if conn.Handshake() != nil {
		return
	}
	if conn.ConnectionState().NegotiatedProtocol == "h2" {
		s.serveHTTP2(conn)
		return
	}
	if limit > 0 {
		_, _ = io.CopyN(io.Discard, conn, int64(limit))
		reset(raw)
		return
	}
	var copied bytes.Buffer
	reader := bufio.NewReader(io.TeeReader(conn, &copied))
	for {
		// What the reader has buffered beyond the last request belongs to the next one.
		ahead := reader.Buffered()
		copied.Next(copied.Len() - ahead)
		x := &exchange{server: s, conn: conn, raw: raw}
		if !x.read(reader) {
			return
		}
		x.Raw = bytes.Clone(copied.Bytes()[:copied.Len()-reader.Buffered()])
		if !s.survive(x, s.record(x)) {
			return
		}
	}
}

// survive makes a panic of the subject's functions a finding.
func (s *server) survive(x *exchange, react reaction) (goOn bool) {
	defer func() {
		if v := recover(); v != nil {
			x.server.set(func(*server) { x.problem = fmt.Sprintf("reading the request panicked: %v", v) })
			goOn = false
		}
	}()
	return react(x)
}

func (x *exchange) read(r *bufio.Reader) bool {
	req, err := http.ReadRequest(r)
	return err == nil && x.take(req)
}

// take reads a request whose head has been read.
func (x *exchange) take(req *http.Request) bool {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return false
	}
	url := req.URL.String()
	if !req.URL.IsAbs() {
		url = "https://" + req.Host + url
	}
	req.Header.Set("Host", req.Host)
	x.Request = Request{Method: req.Method, URL: url, Header: req.Header}
	x.Raw = body // with HTTP/1.1, the caller has the head too
	x.Body, err = unpack(req.Header.Get("Content-Encoding"), body)
	if err != nil {
		x.problem = err.Error()
	}
	return true
}

// unpack undoes a Content-Encoding.
func unpack(encoding string, body []byte) ([]byte, error) {
	var r io.Reader
	var err error
	switch strings.ToLower(encoding) {
	case "", "identity":
		return body, nil
	case "gzip":
		r, err = gzip.NewReader(bytes.NewReader(body))
	case "deflate":
		r, err = zlib.NewReader(bytes.NewReader(body))
	case "zstd", "zstd1": // Datadog's name for it
		return unzstd(body)
	default:
		return body, fmt.Errorf("the suite cannot unpack Content-Encoding %q", encoding)
	}
	if err != nil {
		return body, fmt.Errorf("the body is not %s: %w", encoding, err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return body, fmt.Errorf("the body is not %s: %w", encoding, err)
	}
	return plain, nil
}

// set changes what the server does from now on.
func (s *server) set(change func(*server)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *server) reactWith(r reaction) { s.set(func(s *server) { s.react = r }) }

// seen returns the exchanges so far.
func (s *server) seen() []*exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*exchange(nil), s.exchanges...)
}

// write sends bytes of an answer and notes them.
func (x *exchange) write(text string) bool {
	x.server.mu.Lock()
	x.answer.WriteString(text)
	x.server.mu.Unlock()
	if x.conn == nil {
		return true // what was noted is sent when the reaction has returned
	}
	_, err := io.WriteString(x.conn, text)
	return err == nil
}

// wait lasts until d has passed or the check is over, which it reports as false.
func (x *exchange) wait(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-x.server.closed:
		return false
	}
}

func (a Answer) status() int {
	if a.Status == 0 {
		return http.StatusOK
	}
	return a.Status
}

// head is the answer up to its body, which is said to have length bytes.
func (a Answer) head(length int) string { return a.headSaying(http.StatusText(a.status()), length) }

// headSaying is head with a reason phrase.
func (a Answer) headSaying(reason string, length int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", a.status(), reason)
	header := a.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if a.Type != "" {
		header.Set("Content-Type", a.Type)
	} else if length != 0 && header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/json")
	}
	if length >= 0 && a.status() != http.StatusNoContent {
		header.Set("Content-Length", fmt.Sprint(length))
	}
	_ = header.Write(&b) // a strings.Builder takes everything
	b.WriteString("\r\n")
	return b.String()
}

// answer sends a and keeps the connection. Over a socket there are no answers: the one of
// a vendor that accepts there is empty, and any other is a failure.
func answer(a Answer) reaction {
	return func(x *exchange) bool {
		if x.socket {
			return a.status() == http.StatusOK && a.Body == ""
		}
		body := a.Body
		if body == "" && a.Of != nil {
			body = a.Of(x.server.batch(x))
		}
		if a.status() == http.StatusNoContent || a.status() == http.StatusNotModified {
			body = ""
		}
		head := a.head(len(body))
		if x.Method == http.MethodHead {
			body = ""
		}
		return x.write(head + body)
	}
}

// hang sends nothing until the check is over.
func hang(x *exchange) bool {
	if x.socket && x.raw == nil {
		return true // nobody waits for what becomes of a datagram
	}
	<-x.server.closed
	return false
}

// drop resets the connection without an answer.
func drop(x *exchange) bool {
	if x.raw != nil { // a datagram has no connection
		reset(x.raw)
	}
	return false
}

// reset closes a connection such that the other side gets an error, not an end.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// dump shows the exchange to a person.
func (x *exchange) dump() string {
	const enough = 3000 // a screenful or two
	request := printable(x.Raw, enough)
	if x.Header.Get("Content-Encoding") != "" && x.problem == "" {
		request += "\n(unpacked) " + printable(x.Body, enough)
	}
	x.server.mu.Lock()
	answered := printable(x.answer.Bytes(), enough)
	x.server.mu.Unlock()
	if answered == "" {
		answered = "(nothing)"
	}
	return "→ " + request + "\n← " + answered
}

// printable keeps what a terminal can show of b.
func printable(b []byte, limit int) string {
	cut := ""
	if len(b) > limit {
		b, cut = b[:limit], fmt.Sprintf("… (%d bytes)", len(b))
	}
	var out strings.Builder
	for _, c := range b {
		switch {
		case c == '\r':
		case c == '\n' || c == '\t' || c >= ' ' && c < 0x7f:
			out.WriteByte(c)
		default:
			fmt.Fprintf(&out, `\x%02x`, c)
		}
	}
	return strings.TrimRight(out.String(), "\n") + cut
}
