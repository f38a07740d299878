//go:build !notelemetry

// Package driverhttp is the HTTP client of drivers: one POST, one answer, nothing
// else on the wire. Authors of backends that speak HTTP read it; authors and users of
// tools need none of it.
//
// # What it takes care of
//
//	one attempt    no retry of ours or of net/http's, no redirect
//	time           ends with the context, also while connecting and while an answer
//	               drips in; after 30 s where the context has no deadline
//	memory         at most 1 MiB of an answer is read, and nothing is decompressed
//	privacy        headers are those of the request, of Config.Headers and a user agent
//	               made of tool and version: no cookie, no platform, no host name
//	secrets        no error holds user info, path or query of a URL, a header's value,
//	               a body or a local address
//
// What a status means is not decided here: that is each vendor's own.
//
// The environment is read for one thing: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY,
// in capitals or not, say how this machine reaches the network. Ignoring them would take
// traffic around an administrator's proxy, or show an address that a person hides. So
// where the first of them that is set for a request cannot be understood, nothing is
// sent; [ProxyProblem] says so before.
package driverhttp

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/internal/gzip"
)

const (
	// maxTime ends a Post whose context has no deadline. A batch of 1 MB needs 20 s on a
	// line of 50 KB/s; on a worse one it is left for the next upload.
	maxTime = 30 * time.Second
	// maxAnswer bounds what is read of an answer. Vendors say what they have to say in a
	// few hundred bytes; a partial verdict that names 1 000 events takes 200 KiB.
	maxAnswer = 1 << 20
	// minGzip is where compressing begins to pay: what is smaller travels in one network
	// packet (about 1 400 bytes with its headers) anyway.
	minGzip = 1 << 10
	// maxName bounds tool and version in the user agent: a careless one must not be what
	// takes a request over a server's bound for headers, commonly 8 KiB.
	maxName = 64
)

// Client posts, and asks. It may be used by several goroutines at once.
type Client struct {
	transport http.RoundTripper
	header    http.Header
	insecure  bool
	closed    atomic.Bool
}

// NewClient makes a client of the configuration that a driver was opened with: its
// Transport, Headers, Insecure, Tool and Version. It contacts nothing.
// [CheckHeaders] says whether the headers are fit to be sent.
func NewClient(cfg driver.Config) *Client {
	c := &Client{
		transport: cfg.Transport,
		header:    http.Header{"User-Agent": {userAgent(cfg.Tool, cfg.Version)}},
		insecure:  cfg.Insecure,
	}
	if c.transport == nil {
		c.transport = NewTransport()
	}
	for name, value := range cfg.Headers {
		c.header.Set(name, value)
	}
	return c
}

// Request is what is posted, or asked.
type Request struct {
	// URL must pass [CheckEndpoint].
	URL string
	// Header is added to the client's headers and wins over them.
	Header http.Header
	// Body must not be empty where it is posted: net/http may send a request without a
	// body twice. It is not read any more once Post has returned.
	Body []byte
	// Gzip allows the body to be compressed where that makes it smaller.
	Gzip bool
}

// Answer is what came back. Any status is an answer, not an error.
type Answer struct {
	Status int
	Header http.Header
	// Body is the answer's body as it was sent, cut after 1 MiB.
	Body []byte
}

// Post sends the request once and reads the answer. A nil error means that an answer
// arrived as a whole, whatever it says. An error is an [*Error] and means that no caller
// knows what the server did: it matches [context.DeadlineExceeded] where time ran out
// and [context.Canceled] where ctx was cancelled.
func (c *Client) Post(ctx context.Context, r Request) (Answer, error) {
	if len(r.Body) == 0 {
		return Answer{}, &Error{Problem: "nothing to post: the body is empty"}
	}
	return c.exchange(ctx, http.MethodPost, r)
}

// Get asks once and reads the answer, with the errors of Post. Body and Gzip of the
// request are ignored.
func (c *Client) Get(ctx context.Context, r Request) (Answer, error) {
	r.Body, r.Gzip = nil, false
	return c.exchange(ctx, http.MethodGet, r)
}

func (c *Client) exchange(ctx context.Context, method string, r Request) (Answer, error) {
	u, err := CheckEndpoint(r.URL, c.insecure)
	if err != nil {
		return Answer{}, &Error{Problem: err.Error()}
	}
	if c.closed.Load() {
		return Answer{}, &Error{Host: u.Host, Problem: "the client is closed", Cause: net.ErrClosed}
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, maxTime)
		defer cancel()
	}
	if ctx.Err() != nil {
		return Answer{}, newError(ctx, u.Host, ctx.Err())
	}
	ctx = context.WithValue(ctx, callerKey{}, ctx)

	header := c.header.Clone()
	maps.Copy(header, r.Header.Clone())
	content := r.Body
	if r.Gzip {
		if packed := compress(content); packed != nil {
			content = packed
			header.Set("Content-Encoding", "gzip")
		}
	}
	var body io.ReadCloser = http.NoBody
	if len(content) > 0 {
		body = &onceBody{rest: content}
	}
	defer body.Close()
	// A Post that is under way during Close gives its connection back after it.
	defer func() {
		if c.closed.Load() {
			c.closeIdle()
		}
	}()

	// The transport is called without an http.Client around it, which would follow
	// redirects, keep cookies and put the URL into its errors. The request has no
	// GetBody: without one net/http cannot send a body again, whatever headers say and
	// however a kept connection dies, in HTTP/1 and in HTTP/2.
	resp, err := c.transport.RoundTrip((&http.Request{
		Method:        method,
		URL:           u,
		Host:          u.Host,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        header,
		Body:          body,
		ContentLength: int64(len(content)),
	}).WithContext(ctx))
	if err == nil && resp == nil {
		err = errors.New("no answer and no error")
	}
	if err != nil {
		return Answer{}, newError(ctx, u.Host, err)
	}
	if resp.Body == nil {
		resp.Body = http.NoBody // net/http never leaves it out, transports of tests do
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		// Its body is the connection, which goes on after ctx has ended.
		return Answer{Status: resp.StatusCode, Header: resp.Header}, nil
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return Answer{}, newError(ctx, u.Host, err)
	}
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: text}, nil
}

// Close closes idle connections. A Post under way completes; a later one fails. Close
// may be called twice and at any time, and returns at once.
func (c *Client) Close() {
	c.closed.Store(true)
	c.closeIdle()
}

func (c *Client) closeIdle() {
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// compress returns b in gzip's format, and nil where that is not worth sending.
func compress(b []byte) []byte {
	if len(b) <= minGzip {
		return nil
	}
	if packed := gzip.Pack(b); len(packed) < len(b) {
		return packed
	}
	return nil
}

// onceBody is a body that is read once and not after Close: net/http may still be
// reading in the background when RoundTrip has returned.
type onceBody struct {
	mu   sync.Mutex
	rest []byte
	over bool
}

func (b *onceBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return 0, http.ErrBodyReadAfterClose
	}
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *onceBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rest, b.over = nil, true
	return nil
}

// userAgent names the program and this library. It takes from tool and version what
// RFC 9110 allows in a product token and puts a hyphen for anything else.
func userAgent(tool, version string) string {
	const library = "gotoolbase-telemetry"
	tool, version = token(tool), token(version)
	switch {
	case tool == "":
		return library
	case version == "":
		return tool + " " + library
	}
	return tool + "/" + version + " " + library
}

func token(s string) string {
	if len(s) > maxName {
		s = s[:maxName]
	}
	s = strings.Map(func(r rune) rune {
		if isToken(r) {
			return r
		}
		return '-'
	}, s)
	return strings.Trim(s, "-")
}
