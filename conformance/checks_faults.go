package conformance

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// fault is something that goes wrong between a backend and its vendor.
type fault struct {
	id, sentence string
	arrange      func(*probe)
	// limit is the deadline of Send: short where only it can end the attempt.
	limit func() time.Duration
	// answered says that the whole head of an accepting answer arrives, so that a vendor
	// whose status alone decides may have accepted.
	answered bool
	// trust says that the vendor is not to be trusted, so that nothing may be sent to it.
	trust bool
	// over says which networks know it, HTTP alone if nil.
	over need
}

// faults returns all of them.
func faults() []fault {
	return []fault{
		{id: "delivery/refused-keeps-batch", limit: longTime, over: anyNetwork,
			sentence: "A connection that is refused keeps the batch.",
			arrange:  func(p *probe) { p.wire.dialWith(refuse) }},
		{id: "delivery/hang-while-connecting", limit: shortTime, over: anyNetwork,
			sentence: "The deadline holds while connecting, also where packets are swallowed.",
			arrange:  func(p *probe) { p.wire.dialWith(p.wire.blackhole) }},
		{id: "delivery/reset-on-connect", limit: longTime, over: connected,
			sentence: "A connection that is reset before the request keeps the batch.",
			arrange: func(p *probe) {
				p.server.set(func(s *server) { s.greet = func(c *net.TCPConn) bool { reset(c); return false } })
			}},
		{id: "delivery/reset-in-request", limit: longTime, over: connected,
			sentence: "A connection that is reset in the middle of the request keeps the batch.",
			arrange:  func(p *probe) { p.server.set(func(s *server) { s.readLimit = 64 }) }},
		{id: "delivery/reset-before-answer", limit: longTime, over: connected,
			sentence: "A connection that is reset instead of an answer keeps the batch: nobody knows what the vendor did.",
			arrange:  func(p *probe) { p.server.reactWith(drop) }},
		{id: "delivery/reset-in-answer", limit: longTime, answered: true,
			sentence: "A connection that is reset in the middle of the answer loses nothing.",
			arrange: func(p *probe) {
				a := p.filled(p.subject.Accepted, 2)
				p.server.reactWith(func(x *exchange) bool {
					x.write(a.head(len(a.Body)+100) + a.Body)
					return drop(x)
				})
			}},
		{id: "delivery/closed-before-answer", limit: longTime,
			sentence: "A connection that ends in order, and without an answer, keeps the batch.",
			arrange: func(p *probe) {
				p.server.reactWith(func(x *exchange) bool { x.conn.Close(); return false })
			}},
		{id: "delivery/closed-in-head", limit: longTime,
			sentence: "An answer that ends within its head is none.",
			arrange: func(p *probe) {
				p.server.reactWith(func(x *exchange) bool {
					x.write(fmt.Sprintf("HTTP/1.1 %d OK\r\nContent-Le", p.subject.Accepted.status()))
					_ = x.raw.CloseWrite() // beneath TLS, which then cannot say that it was meant
					return false
				})
			}},
		{id: "delivery/hang-before-answer", limit: shortTime, over: connected,
			sentence: "The deadline holds while there is no answer.",
			arrange:  func(p *probe) { p.server.reactWith(hang) }},
		{id: "delivery/hang-in-answer", limit: shortTime, answered: true,
			sentence: "The deadline holds while the rest of an answer does not come.",
			arrange: func(p *probe) {
				a := p.filled(p.subject.Accepted, 2)
				p.server.reactWith(func(x *exchange) bool {
					x.write(a.head(len(a.Body)+100) + a.Body)
					return hang(x)
				})
			}},
		{id: "delivery/slow-answer", limit: shortTime, answered: true,
			sentence: "The deadline holds while an answer drips in, a byte at a time.",
			arrange: func(p *probe) {
				a := p.subject.Accepted
				p.server.reactWith(func(x *exchange) bool {
					for ok := x.write(a.head(1 << 20)); ok; ok = x.wait(shortTime()/10) && x.write(" ") {
					}
					return false
				})
			}},
		{id: "delivery/late-answer", limit: shortTime, over: connected,
			sentence: "An answer that comes after the deadline is none.",
			arrange: func(p *probe) {
				p.server.reactWith(func(x *exchange) bool {
					return p.overtime(x) && answer(p.subject.Accepted)(x)
				})
			}},
		{id: "delivery/expired-certificate", limit: longTime, trust: true, over: encrypted,
			sentence: "A certificate that has expired is not trusted, and nothing is sent.",
			arrange:  withCertificate(expired)},
		{id: "delivery/unknown-authority", limit: longTime, trust: true, over: encrypted,
			sentence: "A certificate of an unknown authority is not trusted, and nothing is sent.",
			arrange:  withCertificate(unknownAuthority)},
		{id: "delivery/certificate-of-another-host", limit: longTime, trust: true, over: encrypted,
			sentence: "A certificate for another host is not trusted, and nothing is sent.",
			arrange: withCertificate(func(string) (*tls.Certificate, error) {
				return goodCertificate("somebody-else.vendor.test")
			})},
	}
}

func faultChecks() []Check {
	list := []Check{{ID: "delivery/endless-answer", Level: Must, needs: []need{network},
		Sentence: "Of an answer that does not end, no more is read than any vendor has to say.", do: endlessAnswer},
		{ID: "delivery/endless-failure", Level: Must, needs: []need{network},
			Sentence: "Of a refusal, a redirect or an error that does not end, no more is read either, and the deadline holds.", do: endlessFailure}}
	for _, f := range faults() {
		if f.over == nil {
			f.over = network
		}
		list = append(list, Check{ID: f.id, Sentence: f.sentence, Level: Must, needs: []need{f.over}, do: func(p *probe) {
			b, ok := p.open()
			if !ok {
				return
			}
			defer b.Close()
			f.arrange(p)
			v := p.sendWithin(b, p.batch(3), f.limit())
			accepted := f.answered && !p.subject.BodyDecides && v.class == driver.ClassAccepted
			if !v.late && !v.kept() && !accepted {
				p.failf("Send returned %v, want the batch kept", v)
			}
			if f.trust {
				if n := len(p.server.seen()); n > 0 {
					p.failf("%d requests were sent to a server that is not trusted", n)
				}
			}
		}})
	}
	return list
}

// refuse dials a port that nobody listens on.
func refuse(ctx context.Context) (net.Conn, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l.Close()
	return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
}

func withCertificate(issue func(string) (*tls.Certificate, error)) func(*probe) {
	return func(p *probe) { p.server.set(func(s *server) { s.certify = issue }) }
}

func expired(name string) (*tls.Certificate, error) {
	a, err := trusted()
	if err != nil {
		return nil, err
	}
	return a.issue(name, time.Now().Add(-time.Hour))
}

func unknownAuthority(name string) (*tls.Certificate, error) {
	a, err := stranger()
	if err != nil {
		return nil, err
	}
	return a.issue(name, a.cert.NotAfter)
}

const (
	// tooMuch is beyond what any vendor answers, and beyond what the sockets in between
	// hold of an answer that nobody reads.
	tooMuch = 12 << 20
	// endless is where the suite stops, so that a backend which reads all of it does not
	// take the machine's memory.
	endless = 2 * tooMuch
)

func endlessAnswer(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	var written atomic.Int64
	p.server.reactWith(unending(p.subject.Accepted, noLength, &written))
	v := p.send(b, p.batch(2))
	if n := written.Load(); n > tooMuch {
		p.failf("%d MiB of the answer were read", n>>20)
	}
	if accepted := !p.subject.BodyDecides && v.class == driver.ClassAccepted; !v.late && !v.kept() && !accepted {
		p.failf("Send returned %v, want the batch kept", v)
	}
}

// framing is how an answer says where its body ends.
type framing int

const (
	noLength framing = iota // where the connection closes
	inChunks
	withLength
)

// unending answers with a body that goes on until nobody reads it, and counts its bytes.
func unending(a Answer, f framing, written *atomic.Int64) reaction {
	return func(x *exchange) bool {
		_ = x.raw.SetWriteBuffer(64 << 10)
		chunk := strings.Repeat(" ", 64<<10)
		length := -1
		switch f {
		case inChunks:
			a.Header = http.Header{"Transfer-Encoding": {"chunked"}}
			chunk = fmt.Sprintf("%x\r\n%s\r\n", len(chunk), chunk)
		case withLength:
			length = 1 << 40
		}
		x.write(a.head(length))
		for written.Load() < endless {
			n, err := io.WriteString(x.conn, chunk)
			written.Add(int64(n))
			if err != nil {
				break
			}
		}
		return false
	}
}

func endlessFailure(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	for status, f := range map[int]framing{400: withLength, 413: inChunks, 429: noLength, 500: noLength, 503: inChunks, 302: withLength} {
		var written atomic.Int64
		p.server.reactWith(unending(p.answerWith(status), f, &written))
		v := p.send(b, p.batch(2))
		if n := written.Load(); n > tooMuch {
			p.failf("%d MiB of an answer with status %d were read", n>>20, status)
		}
		if mustKeep := slices.Contains(alwaysKept, status) || status/100 == 3; v.class == driver.ClassAccepted || mustKeep && !v.late && !v.kept() {
			p.failf("an endless answer with status %d: Send returned %v", status, v)
		}
	}
	// One that stops in its middle.
	a := p.answerWith(503)
	p.server.reactWith(func(x *exchange) bool { return x.write(a.head(len(a.Body)+100)+a.Body) && hang(x) })
	if v := p.sendWithin(b, p.batch(2), shortTime()); !v.late && !v.kept() {
		p.failf("an answer with status 503 that stops in its middle: Send returned %v, want the batch kept", v)
	}
}

var errFull = errors.New("no space left on device")

// blocked returns a path in dir where no directory can be made.
func blocked(dir string) string {
	file := filepath.Join(dir, "a-file")
	_ = os.WriteFile(file, nil, 0o600)
	return filepath.Join(file, "below")
}
