//go:build !notelemetry

package wire

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/textproto"
	"strconv"

	"github.com/gotoolbase/telemetry/core/driver"
)

// Transport returns a RoundTripper that behaves as next does, and lets the tap see each
// request.
func (t *Tap) Transport(next driver.RoundTripper) driver.RoundTripper { return &transport{t, next} }

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
	x.Header = textproto.MIMEHeader(sentHeaders(r, x))
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

// Nowhere is a transport that lets nothing out.
type Nowhere struct{}

// RoundTrip returns ErrNowhere.
func (Nowhere) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return nil, ErrNowhere
}
