package conformance

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Socket is a vendor that is not reached over HTTP but over connections or datagrams of
// its own, which the driver makes with Config.Dial. Nothing is answered there: a vendor
// that has taken a batch ends the connection in order after the driver has, one that
// failed resets it, and a datagram is accepted when the system has taken it.
type Socket struct {
	// Network is "tcp", "tls" for TCP with TLS, or "udp".
	Network string
	// Split cuts what arrived on a connection, up to its end, into messages: one event
	// each. [bufio.ScanLines] and [ScanCounted] are what syslog knows. nil means that all
	// of it is one message, as a datagram is.
	Split bufio.SplitFunc
	// Decode reads a message as the vendor documents that it is read.
	Decode func(message []byte) (Received, error)
	// Unacknowledged says why an accepted batch may be lost all the same. The report
	// repeats it, and the driver has to say so in Driver.Accepted.
	Unacknowledged string
}

// ScanCounted is a [bufio.SplitFunc] for octet counting (RFC 6587, section 3.4.1, and RFC
// 5425): the length of the message in decimal, a space, the message.
func ScanCounted(data []byte, atEOF bool) (advance int, token []byte, err error) {
	const digits = 9 // of a message that fits into memory
	space := bytes.IndexByte(data, ' ')
	switch {
	case len(data) == 0:
		return 0, nil, nil
	case space < 0 && len(data) <= digits && !atEOF:
		return 0, nil, nil
	case space < 1 || space > digits || data[0] == '0':
		return 0, nil, errors.New("a message does not begin with its length")
	}
	length, err := strconv.ParseUint(string(data[:space]), 10, 32)
	if err != nil {
		return 0, nil, errors.New("a message does not begin with its length")
	}
	end := space + 1 + int(length)
	if end <= len(data) {
		return end, data[space+1 : end], nil
	}
	if atEOF {
		return 0, nil, fmt.Errorf("a message has %d bytes of %d", len(data)-space-1, length)
	}
	return 0, nil, nil
}

// messages cuts what arrived.
func (s *Socket) messages(b []byte) ([][]byte, error) {
	if s.Split == nil {
		return [][]byte{b}, nil
	}
	scanner := bufio.NewScanner(bytes.NewReader(b))
	scanner.Buffer(nil, math.MaxInt32)
	scanner.Split(s.Split)
	var list [][]byte
	for scanner.Scan() {
		list = append(list, bytes.Clone(scanner.Bytes()))
	}
	return list, scanner.Err()
}

func (s *Socket) decode(b []byte) ([]Received, error) {
	messages, err := s.messages(b)
	if err != nil {
		return nil, err
	}
	var list []Received
	for _, m := range messages {
		r, err := s.Decode(m)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// check returns what is wrong with the declaration.
func (s *Socket) check(say func(ok bool, problem string)) {
	say(s.Network == "tcp" || s.Network == "tls" || s.Network == "udp", fmt.Sprintf("Socket.Network is %q, which is none of tcp, tls and udp", s.Network))
	say(s.Decode != nil, "Socket.Decode is missing: read the message as the vendor documents, with types of its own")
	say(s.Unacknowledged != "", "Socket.Unacknowledged gives no reason: what is there instead of an acknowledgement?")
	say(s.Network != "udp" || s.Split == nil, "Socket.Split is set for udp, where a datagram is a message")
}

// anyNetwork is network for what holds over sockets as well.
func anyNetwork(s *Subject) string {
	if s.Socket != nil {
		return ""
	}
	return network(s)
}

// connected is for what needs a connection, over which the vendor can be seen to end well
// or not: HTTP, TCP and TLS.
func connected(s *Subject) string {
	if s.Socket != nil && s.Socket.Network == "udp" {
		return "the subject declares datagrams: " + s.Socket.Unacknowledged
	}
	return anyNetwork(s)
}

func encrypted(s *Subject) string {
	if s.Socket != nil && s.Socket.Network != "tls" {
		return "the subject declares a Socket without TLS"
	}
	return anyNetwork(s)
}

func socket(s *Subject) string {
	if s.Socket == nil {
		return "the subject declares no Socket: its vendor is reached over HTTP, or not over a network"
	}
	return ""
}

func stream(s *Subject) string {
	if s.Socket != nil && s.Socket.Network == "udp" {
		return "the subject declares datagrams"
	}
	return socket(s)
}

func datagrams(s *Subject) string {
	if s.Socket != nil && s.Socket.Network != "udp" {
		return "the subject declares no datagrams"
	}
	return socket(s)
}

// What wire.Dial says first on a connection to the suite: which kind of socket it stands
// for. Datagrams travel over a connection of their own, each with its length before it and
// answered by a byte, because real ones may get lost even on one machine.
const (
	streamMark   = 's'
	datagramMark = 'd'
)

// serveSocket is the vendor behind Config.Dial.
func (s *server) serveSocket(raw *net.TCPConn) {
	var mark [1]byte
	if _, err := io.ReadFull(raw, mark[:]); err != nil {
		return
	}
	if mark[0] == datagramMark {
		s.serveDatagrams(raw)
		return
	}
	s.set(func(s *server) { s.begun++ })
	ended := sync.OnceFunc(func() { s.set(func(s *server) { s.ended++ }) })
	defer ended()
	s.mu.Lock()
	greet, certify, limit, stall := s.greet, s.certify, s.readLimit, s.stall
	s.mu.Unlock()
	if greet != nil && !greet(raw) {
		return
	}
	reader := bufio.NewReaderSize(raw, 16) // what it reads ahead is not stalled
	conn := net.Conn(buffered{raw, reader})
	if first, err := reader.Peek(1); err == nil && first[0] == tlsHandshake {
		secure := tls.Server(conn, &tls.Config{
			GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return certify(hello.ServerName) },
		})
		if secure.Handshake() != nil {
			return
		}
		conn = secure
	}
	switch {
	case stall:
		ended() // nothing more arrives
		<-s.closed
		return
	case limit > 0:
		_, _ = io.CopyN(io.Discard, conn, int64(limit))
		reset(raw)
		return
	}
	text, err := io.ReadAll(conn)
	if err != nil || len(text) == 0 {
		return // not ended in order: nobody knows what a vendor would make of it
	}
	x := &exchange{server: s, conn: conn, raw: raw, socket: true, Request: Request{Raw: text, Body: text}}
	react := s.record(x)
	ended()
	if s.survive(x, react) {
		conn.Close()
	} else {
		reset(raw)
	}
}

// record keeps an exchange and returns what is to be done.
func (s *server) record(x *exchange) reaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	x.number = len(s.exchanges)
	s.exchanges = append(s.exchanges, x)
	return s.react
}

// tlsHandshake is what a connection of TLS begins with, and no text.
const tlsHandshake = 0x16

// buffered is a connection of which something has been read ahead.
type buffered struct {
	net.Conn
	reader *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.reader.Read(p) }

func (s *server) serveDatagrams(raw *net.TCPConn) {
	for {
		var length [4]byte
		if _, err := io.ReadFull(raw, length[:]); err != nil {
			return
		}
		text := make([]byte, binary.BigEndian.Uint32(length[:]))
		if _, err := io.ReadFull(raw, text); err != nil {
			return
		}
		x := &exchange{server: s, socket: true, Request: Request{Raw: text, Body: text}}
		taken := byte(0)
		if s.survive(x, s.record(x)) {
			taken = 1
		}
		if _, err := raw.Write([]byte{taken}); err != nil {
			return
		}
	}
}

// Dial is the suite's Config.Dial: whatever address a backend asks for, it reaches the
// suite's server.
func (w *wire) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	w.trips = append(w.trips, &url.URL{Scheme: network, Host: address})
	dial := w.dialSocket
	w.mu.Unlock()
	mark := byte(streamMark)
	switch network {
	case "tcp", "tcp4", "tcp6":
	case "udp", "udp4", "udp6":
		mark = datagramMark
	default:
		return nil, net.UnknownNetworkError(network)
	}
	c, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil, errors.New("the suite's network is not TCP")
	}
	if _, err := tcp.Write([]byte{mark}); err != nil {
		tcp.Close()
		return nil, err
	}
	counted := &wireConn{Conn: tcp, wire: w}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns[counted] = true
	if mark == datagramMark {
		return newDatagramConn(counted, address), nil
	}
	w.opened++
	return &streamConn{wireConn: counted, tcp: tcp, address: address}, nil
}

// plainText returns the addresses to which something went that was not encrypted.
func (w *wire) plainText() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.plain...)
}

func (w *wire) notePlain(address string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plain = append(w.plain, address)
}

// streamConn is what Dial returns for tcp.
type streamConn struct {
	*wireConn
	tcp     *net.TCPConn
	address string
	first   sync.Once
	last    sync.Once
}

func (c *streamConn) Write(b []byte) (int, error) {
	if len(b) > 0 {
		c.first.Do(func() {
			if b[0] != tlsHandshake {
				c.wire.notePlain(c.address)
			}
		})
	}
	return c.wireConn.Write(b)
}

func (c *streamConn) CloseWrite() error { return c.tcp.CloseWrite() }

func (c *streamConn) Close() error {
	err := c.wireConn.Close()
	c.last.Do(func() {
		c.wire.mu.Lock()
		c.wire.closed++
		c.wire.mu.Unlock()
	})
	return err
}

// datagramConn is what Dial returns for udp. Nothing ever comes back over it: what it reads
// of its connection belongs to Write.
type datagramConn struct {
	*wireConn
	address string
	mu      sync.Mutex
	silence net.Conn // from which Read reads
}

func newDatagramConn(c *wireConn, address string) *datagramConn {
	silence, _ := net.Pipe()
	return &datagramConn{wireConn: c, address: address, silence: silence}
}

func (c *datagramConn) Read(b []byte) (int, error)         { return c.silence.Read(b) }
func (c *datagramConn) SetReadDeadline(t time.Time) error  { return c.silence.SetDeadline(t) }
func (c *datagramConn) SetWriteDeadline(t time.Time) error { return c.wireConn.SetDeadline(t) }

func (c *datagramConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *datagramConn) Close() error {
	c.silence.Close()
	return c.wireConn.Close()
}

// maxDatagram is what fits into a datagram of UDP over IPv4.
const maxDatagram = 65507

func (c *datagramConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wire.notePlain(c.address)
	fail := func(errno syscall.Errno) (int, error) {
		return 0, &net.OpError{Op: "write", Net: "udp", Addr: c.RemoteAddr(), Err: os.NewSyscallError("write", errno)}
	}
	if len(b) > maxDatagram {
		return fail(syscall.EMSGSIZE)
	}
	framed := append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
	if _, err := c.Conn.Write(framed); err != nil {
		return 0, err
	}
	var taken [1]byte
	if _, err := io.ReadFull(c.Conn, taken[:]); err != nil {
		return 0, err
	}
	if taken[0] == 0 {
		return fail(syscall.ECONNREFUSED) // as after an answer of ICMP to an earlier one
	}
	return len(b), nil
}

// settle waits until the vendor has read all of the streams that the backend has closed: if
// nobody waited for it, it arrives after Send has returned.
func (p *probe) settle() {
	if p.subject.Socket == nil {
		return
	}
	arrived := func() bool {
		p.wire.mu.Lock()
		opened, closed := p.wire.opened, p.wire.closed
		p.wire.mu.Unlock()
		p.server.mu.Lock()
		defer p.server.mu.Unlock()
		// Those of other processes are begun and ended here alone.
		return p.server.ended >= closed && p.server.begun-p.server.ended <= opened-closed
	}
	for end := time.Now().Add(shortTime()); !arrived() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// explain explains a request, or the messages that came over a socket.
func (p *probe) explain(x *explainer, e *exchange) {
	if !e.socket || p.subject.Socket == nil {
		x.request(e.Request)
		return
	}
	messages, err := p.subject.Socket.messages(e.Body)
	if err != nil {
		p.failf("the vendor cannot read what arrived: %v", err)
	}
	for _, m := range messages {
		x.body(m)
	}
}

// dialSmall dials with little room for what the other side has not read.
func dialSmall(dial func(context.Context) (net.Conn, error), bytes int) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		c, err := dial(ctx)
		if tcp, ok := c.(*net.TCPConn); ok && err == nil {
			_ = tcp.SetWriteBuffer(bytes)
		}
		return c, err
	}
}
