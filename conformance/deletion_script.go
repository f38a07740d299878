package conformance

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// script is a transport that answers from memory. It costs a hundredth of a connection,
// so that each status and fault can be tried at each step of a request, and it sees what a
// connection hides: bodies that are left open, and a call that is made twice.
type script struct {
	mu    sync.Mutex
	react func(number int, r Request) reply
	calls []*call
	// unread counts bodies that were neither closed nor read to their end: each of them
	// would hold a connection.
	unread int

	consumed atomic.Int64  // bytes read of answers
	over     chan struct{} // closed when nobody is interested any more
}

func newScript(react func(int, Request) reply) *script {
	return &script{react: react, over: make(chan struct{})}
}

func (s *script) close() { close(s.over) }

// pause lasts until d has passed, or the request or the script is over, which it reports as
// false.
func (s *script) pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
	case <-s.over:
	}
	return false
}

// forever is longer than any check takes.
const forever = time.Hour

// reply is an answer, or what happens instead.
type reply struct {
	Answer
	// stream is the body where that is more than a text, made with a pause of the script's.
	// err says that there is no answer, hangs that there is none until the context ends.
	stream func(pause func(time.Duration) bool) io.Reader
	err    error
	hangs  bool
}

// call is one request to a script, with its answer.
type call struct {
	Request
	reply reply
}

// same is equal for calls of which the second is the first made again.
func (c *call) same() string { return c.Method + " " + c.URL + "\n" + string(c.Body) }

func (c *call) dump() string {
	answered := "(nothing)"
	if c.reply.err == nil && !c.reply.hangs {
		answered = c.reply.head(len(c.reply.Body)) + c.reply.Body
	}
	const enough = 3000
	return "→ " + printable(c.Raw, enough) + "\n← " + printable([]byte(answered), enough)
}

func (s *script) set(react func(int, Request) reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.react = react
}

func (s *script) seen() []*call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*call(nil), s.calls...)
}

func (s *script) leftOpen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unread
}

// RoundTrip implements http.RoundTripper.
func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	c := &call{Request: Request{Method: r.Method, URL: r.URL.String(), Header: r.Header.Clone()}}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, err
		}
		c.Body = body
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if c.Header == nil {
		c.Header = http.Header{}
	}
	c.Header.Set("Host", r.URL.Host)
	var raw bytes.Buffer
	fmt.Fprintf(&raw, "%s %s HTTP/1.1\r\n", r.Method, r.URL.RequestURI())
	_ = c.Header.Write(&raw) // a bytes.Buffer takes everything
	raw.WriteString("\r\n")
	raw.Write(c.Body)
	c.Raw = raw.Bytes()
	if plain, err := unpack(c.Header.Get("Content-Encoding"), c.Body); err == nil {
		c.Body = plain
	}
	s.mu.Lock()
	react, number := s.react, len(s.calls)
	s.calls = append(s.calls, c)
	s.mu.Unlock()
	answered := react(number, c.Request)
	s.mu.Lock()
	c.reply = answered
	s.mu.Unlock()
	if answered.hangs && !s.pause(r.Context(), forever) {
		return nil, cmp.Or(r.Context().Err(), errReset)
	}
	if answered.err != nil {
		return nil, answered.err
	}
	return s.response(r, answered), nil
}

func (s *script) response(r *http.Request, a reply) *http.Response {
	header := a.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if a.Type != "" {
		header.Set("Content-Type", a.Type)
	} else if a.Body != "" && header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/json")
	}
	resp := &http.Response{
		Status: fmt.Sprint(a.status(), " ", http.StatusText(a.status())), StatusCode: a.status(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: http.NoBody, Request: r,
	}
	text := io.Reader(strings.NewReader(a.Body))
	switch {
	case a.stream != nil:
		text, resp.ContentLength = a.stream(func(d time.Duration) bool { return s.pause(r.Context(), d) }), -1
	case a.Body == "" || a.status() == http.StatusNoContent || a.status() == http.StatusNotModified || r.Method == http.MethodHead:
		return resp
	default:
		resp.ContentLength = int64(len(a.Body))
	}
	s.mu.Lock()
	s.unread++
	s.mu.Unlock()
	resp.Body = &scriptBody{Reader: text, ctx: r.Context(), script: s}
	return resp
}

// scriptBody is a body that notes when it is done with. As over a connection, nothing is
// read of it once its context has ended.
type scriptBody struct {
	io.Reader
	ctx    context.Context //nolint:containedctx // it is the request's
	script *script
	done   sync.Once
}

func (b *scriptBody) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		b.Close()
		return 0, err
	}
	n, err := b.Reader.Read(p)
	b.script.consumed.Add(int64(n))
	if err != nil {
		b.Close()
	}
	return n, err
}

func (b *scriptBody) Close() error {
	b.done.Do(func() {
		b.script.mu.Lock()
		b.script.unread--
		b.script.mu.Unlock()
	})
	return nil
}

// readerFunc is a body made of a function.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// errReset is what a broken connection looks like.
var errReset = errors.New("read: connection reset by peer")
