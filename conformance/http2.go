package conformance

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// serveHTTP2 is the vendor where client and server agreed on HTTP/2. A reaction writes its
// answer as with HTTP/1.1; it is sent as frames when it is complete.
func (s *server) serveHTTP2(conn *tls.Conn) {
	once := &oneConn{conn: conn, closed: make(chan struct{})}
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	vendor := &http.Server{
		Protocols: protocols,
		TLSConfig: &tls.Config{NextProtos: []string{"h2"}},
		ErrorLog:  log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x := &exchange{server: s}
			r.URL.Scheme, r.URL.Host = "https", r.Host
			if !x.take(r) {
				return
			}
			if !s.survive(x, s.record(x)) {
				panic(http.ErrAbortHandler) // a stream that is reset
			}
			x.relay(w)
		}),
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-s.closed:
			conn.Close()
		case <-stop:
		}
	}()
	vendor.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed || state == http.StateHijacked {
			once.close()
		}
	}
	_ = vendor.Serve(once) // returns when the one connection has ended
}

// relay sends what a reaction wrote.
func (x *exchange) relay(w http.ResponseWriter) {
	x.server.mu.Lock()
	text := bytes.Clone(x.answer.Bytes())
	x.server.mu.Unlock()
	answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(text)), nil)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer answer.Body.Close()
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body)
}

// oneConn is a listener that has one connection to give.
type oneConn struct {
	conn   net.Conn
	closed chan struct{}
	given  bool
	once   sync.Once
}

func (l *oneConn) Accept() (net.Conn, error) {
	if !l.given {
		l.given = true
		return l.conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) close() { l.once.Do(func() { close(l.closed) }) }

func (l *oneConn) Close() error   { l.close(); return nil }
func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

func http2Checks() []Check {
	return []Check{
		{ID: "delivery/http2", Level: Must, where: shipped, needs: []need{network},
			// net/http keeps a connection that Close meets within a moment of an answer.
			lingers:  true,
			Sentence: "Where the vendor offers HTTP/2 too, every answer means the same, a reset stream keeps the batch, and there is one attempt.", do: overHTTP2},
		{ID: "privacy/through-the-proxy", Level: Must, where: shipped, needs: []need{network},
			Sentence: "Where the environment names a proxy, nothing goes past it: one that refuses, wants a password, is gone or takes no connection keeps the batch, and the deadline holds.", do: throughTheProxy},
	}
}

func throughTheProxy(p *probe) {
	way, err := p.way()
	if err != nil {
		p.failOnly("the suite could not prepare a proxy: %v", err)
		return
	}
	try := func(what string, limit time.Duration) {
		b, ok := p.open()
		if !ok {
			return
		}
		defer b.Close()
		if v := p.sendWithin(b, p.batch(2), limit); !v.late && !v.kept() {
			p.failOnly("a proxy that %s: Send returned %v, want the batch kept", what, v)
		}
		if n := len(p.server.seen()); n > 0 {
			p.failf("a proxy that %s: %d requests arrived all the same", what, n)
		}
	}
	for _, status := range []string{"403 Forbidden", "407 Proxy Authentication Required", "429 Too Many Requests", "502 Bad Gateway", "400 Bad Request", "204 No Content"} {
		way.refuses("HTTP/1.1 " + status + "\r\nProxy-Authenticate: Basic realm=\"somebody\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		try("answers "+status, longTime())
	}
	way.refuses("welcome\r\n\r\n")
	try("speaks no HTTP", longTime())
	way.refuses("")
	if p.watcher != nil {
		p.watcher.stalled = true
	}
	way.gone()
	try("is gone", longTime())
	if err := way.back(); err != nil {
		p.note("the proxy could not be brought back: %v", err)
		return
	}
	resume, ok := way.stall()
	if ok {
		try("takes no connection", shortTime())
	}
	resume()
}

// way is the proxy that the environment of the backend names.
func (p *probe) way() (*proxy, error) {
	if p.watcher != nil {
		return p.watcher.proxy, nil
	}
	return p.wire.proxied() // that of the processes of a program
}

func overHTTP2(p *probe) {
	p.server.set(func(s *server) { s.protocols = []string{"h2", "http/1.1"} })
	try := func(what string, react reaction, judge func(v verdict)) {
		b, ok := p.open()
		if !ok {
			return
		}
		defer b.Close()
		p.server.reactWith(react)
		before := len(p.server.seen())
		v := p.send(b, p.batch(3))
		if n := len(p.server.seen()) - before; n > 1 {
			p.failf("%s: %d requests arrived", what, n)
		}
		if !v.late {
			judge(v)
		}
	}
	for _, status := range SuiteStatuses() {
		try(fmt.Sprint("status ", status), answer(p.answerWith(status)), func(v verdict) {
			if want := p.subject.Statuses[status]; v.class != want {
				p.failf("status %d to a batch of 3 over HTTP/2: Send returned %v, want %v", status, v, want)
			}
		})
	}
	for what, react := range map[string]reaction{
		"a reset stream": func(*exchange) bool { return false },
		"a redirect":     answer(Answer{Status: http.StatusTemporaryRedirect, Header: http.Header{"Location": {elsewhere + "/here"}}}),
	} {
		try(what, react, func(v verdict) {
			if !v.kept() {
				p.failf("%s over HTTP/2: Send returned %v, want the batch kept", what, v)
			}
		})
	}
	// Several at once share a connection, where each has a stream of its own.
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	p.server.set(func(s *server) { s.exchanges = nil })
	p.accept()
	const senders, size = 6, 3
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			if v := p.send(b, sampleEvents(p.base, i*size, size)); !v.accepted() {
				p.failf("one of %d Sends at once over HTTP/2: %v", senders, v)
			}
		})
	}
	all.Wait()
	p.expect(p.batch(senders * size))
}
