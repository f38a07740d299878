//go:build !plan9 && !notelemetry

package driverhttp_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
)

// patience ends a test that would hang. Nothing is ever measured against it.
const patience = 20 * time.Second

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func newClient(t *testing.T, cfg driver.Config) *driverhttp.Client {
	t.Helper()
	c := driverhttp.NewClient(cfg)
	t.Cleanup(c.Close)
	return c
}

func server(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// roundTripper makes a transport of a function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// rawServer hands every connection, numbered from 1, to serve and closes it after
// that. It returns the URL.
func rawServer(t *testing.T, serve func(n int, c *net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				serve(n, c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return "http://" + l.Addr().String()
}

// readRequest reads one request to its last byte.
func readRequest(r *bufio.Reader) (*http.Request, []byte, error) {
	req, err := http.ReadRequest(r)
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(req.Body)
	return req, body, err
}

const okay = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

func TestPostSendsTheDeclaredHeadersAndNoOther(t *testing.T) {
	t.Parallel()
	got := make(chan *http.Request, 1)
	url := rawServer(t, func(_ int, c *net.TCPConn) {
		r, body, err := readRequest(bufio.NewReader(c))
		if err != nil {
			t.Error(err)
			return
		}
		if string(body) != "payload" {
			t.Errorf("body %q", body)
		}
		got <- r
		io.WriteString(c, okay)
	})
	c := newClient(t, driver.Config{
		Tool: "mytool", Version: "v1.2.3",
		Headers: map[string]string{"authorization": "Bearer k", "X-Both": "config", "Idempotency-Key": "author's"},
	})
	answer, err := c.Post(patient(t), driverhttp.Request{
		URL:    url + "/v1/events?key=1",
		Header: http.Header{"X-Own": {"a", "b"}, "X-Both": {"request"}},
		Body:   []byte("payload"),
	})
	if err != nil || answer.Status != 200 || string(answer.Body) != "{}" {
		t.Fatalf("got %+v, %v", answer, err)
	}
	r := <-got
	want := http.Header{
		"User-Agent":      {"mytool/v1.2.3 gotoolbase-telemetry"},
		"Content-Length":  {"7"},
		"Authorization":   {"Bearer k"},
		"Idempotency-Key": {"author's"},
		"X-Own":           {"a", "b"},
		"X-Both":          {"request"},
	}
	if !maps.EqualFunc(r.Header, want, slices.Equal) {
		t.Errorf("headers\n got %v\nwant %v", r.Header, want)
	}
	if r.Method != "POST" || r.RequestURI != "/v1/events?key=1" || "http://"+r.Host != url {
		t.Errorf("got %s %s at %s", r.Method, r.RequestURI, r.Host)
	}
}

func TestUserAgentIsMadeOfTokenCharacters(t *testing.T) {
	t.Parallel()
	tests := []struct{ tool, version, want string }{
		{"mytool", "v1.2.3", "mytool/v1.2.3 gotoolbase-telemetry"},
		{"mytool", "", "mytool gotoolbase-telemetry"},
		{"", "v1", "gotoolbase-telemetry"},
		{"", "", "gotoolbase-telemetry"},
		{"my tool", "1.0 (beta)", "my-tool/1.0--beta gotoolbase-telemetry"},
		{"a\r\nX-Evil: 1", "1\x00", "a--X-Evil--1/1 gotoolbase-telemetry"},
		{"werkzeug-ü", "v1+meta", "werkzeug/v1+meta gotoolbase-telemetry"},
		{"日本", "\xff", "gotoolbase-telemetry"},
		{strings.Repeat("x", 1000), "1", strings.Repeat("x", 64) + "/1 gotoolbase-telemetry"},
	}
	for _, tt := range tests {
		var got string
		c := newClient(t, driver.Config{Tool: tt.tool, Version: tt.version,
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				got = r.Header.Get("User-Agent")
				return &http.Response{StatusCode: 204}, nil
			})})
		if _, err := c.Post(t.Context(), driverhttp.Request{URL: "https://example.com", Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		if got != tt.want {
			t.Errorf("%q %q: got %q, want %q", tt.tool, tt.version, got, tt.want)
		}
	}
}

func TestTheAuthorsHeadersAreCopied(t *testing.T) {
	t.Parallel()
	headers := map[string]string{"X-Key": "first"}
	own := http.Header{"X-Own": {"own"}}
	c := newClient(t, driver.Config{Headers: headers, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("X-Key") != "first" || r.Header.Get("X-Own") != "own" {
			t.Errorf("headers %v", r.Header)
		}
		r.Header["X-Own"][0] = "changed by the transport"
		r.Header.Set("X-Key", "changed by the transport")
		return &http.Response{StatusCode: 204}, nil
	})})
	headers["X-Key"] = "changed by the author"
	for range 2 {
		if _, err := c.Post(t.Context(), driverhttp.Request{URL: "https://example.com", Header: own, Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBodyIsCompressedOnlyWhereItPays(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 64<<10)
	rand.Read(noise)
	tests := []struct {
		name string
		body []byte
		gzip bool
		want string
	}{
		{"allowed and large", bytes.Repeat([]byte("telemetry "), 1000), true, "gzip"},
		{"not allowed", bytes.Repeat([]byte("telemetry "), 1000), false, ""},
		{"one packet", bytes.Repeat([]byte("a"), 1024), true, ""},
		{"just above one packet", bytes.Repeat([]byte("a"), 1025), true, "gzip"},
		{"would grow", noise, true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := server(t, func(_ http.ResponseWriter, r *http.Request) {
				if got := r.Header.Get("Content-Encoding"); got != tt.want {
					t.Errorf("Content-Encoding %q, want %q", got, tt.want)
				}
				raw, err := io.ReadAll(r.Body)
				if err != nil || int64(len(raw)) != r.ContentLength {
					t.Errorf("%d bytes of %d: %v", len(raw), r.ContentLength, err)
				}
				if tt.want == "gzip" {
					if len(raw) >= len(tt.body) {
						t.Errorf("%d bytes became %d", len(tt.body), len(raw))
					}
					z, err := gzip.NewReader(bytes.NewReader(raw))
					if err != nil {
						t.Error(err)
						return
					}
					if raw, err = io.ReadAll(z); err != nil {
						t.Error(err)
					}
				}
				if !bytes.Equal(raw, tt.body) {
					t.Error("the body changed on its way")
				}
			})
			_, err := newClient(t, driver.Config{}).Post(patient(t), driverhttp.Request{URL: s.URL, Body: tt.body, Gzip: tt.gzip})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// What packs is nobody's in particular: what goes into one request must not show in another.
func TestConcurrentCompressedBodiesDoNotMix(t *testing.T) {
	t.Parallel()
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		raw, err := io.ReadAll(iotest.OneByteReader(r.Body)) // slowly, while others compress
		return &http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewReader(raw))}, err
	})
	var all sync.WaitGroup
	for sender := range 8 {
		c := newClient(t, driver.Config{Transport: transport})
		all.Go(func() {
			for i := range 20 {
				body := bytes.Repeat(fmt.Appendf(nil, "sender %d, batch %d; ", sender, i), 60+400*(i%3))
				answer, err := c.Post(t.Context(), driverhttp.Request{URL: "https://example.com", Body: body, Gzip: true})
				if err != nil {
					t.Error(err)
					continue
				}
				unpacked, err := gzip.NewReader(bytes.NewReader(answer.Body))
				if err != nil {
					t.Error(err)
					continue
				}
				if got, err := io.ReadAll(unpacked); err != nil || !bytes.Equal(got, body) {
					t.Errorf("sender %d, batch %d: another body (%v)", sender, i, err)
				}
			}
		})
	}
	all.Wait()
}

func TestEveryStatusIsAnAnswer(t *testing.T) {
	t.Parallel()
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		var status int
		fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
	})
	c := newClient(t, driver.Config{})
	for _, status := range []int{200, 202, 204, 226, 304, 400, 401, 404, 407, 413, 429, 500, 503, 599, 999} {
		answer, err := c.Post(patient(t), driverhttp.Request{URL: fmt.Sprintf("%s/%d", s.URL, status), Body: []byte("x")})
		if err != nil || answer.Status != status || answer.Header.Get("Retry-After") != "7" {
			t.Errorf("%d: got %+v, %v", status, answer, err)
		}
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := server(t, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s reached the new address, with key %q", r.Method, r.Header.Get("Authorization"))
	})
	c := newClient(t, driver.Config{Headers: map[string]string{"Authorization": "k"}})
	for _, location := range []string{elsewhere.URL, "/here", "", "http://[::1", "%zz"} {
		for _, status := range []int{300, 301, 302, 303, 307, 308} {
			var hits atomic.Int32
			s := server(t, func(w http.ResponseWriter, _ *http.Request) {
				hits.Add(1)
				if location != "" {
					w.Header().Set("Location", location)
				}
				w.WriteHeader(status)
			})
			answer, err := c.Post(patient(t), driverhttp.Request{URL: s.URL, Body: []byte("x")})
			if err != nil || answer.Status != status || hits.Load() != 1 {
				t.Errorf("%d to %q: got %d, %v after %d requests", status, location, answer.Status, err, hits.Load())
			}
		}
	}
}

func TestNoCookieComesBack(t *testing.T) {
	t.Parallel()
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		if len(r.Cookies()) > 0 {
			t.Errorf("cookies %v", r.Cookies())
		}
		http.SetCookie(w, &http.Cookie{Name: "track", Value: "1"})
	})
	c := newClient(t, driver.Config{})
	for range 2 {
		if _, err := c.Post(patient(t), driverhttp.Request{URL: s.URL, Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnAnswerWithoutEndIsCutAtOneMiB(t *testing.T) {
	t.Parallel()
	released := make(chan struct{})
	s := server(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(released)
		for {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	answer, err := newClient(t, driver.Config{}).Post(patient(t), driverhttp.Request{URL: s.URL, Body: []byte("x")})
	if err != nil || len(answer.Body) != 1<<20 {
		t.Errorf("got %d bytes, %v", len(answer.Body), err)
	}
	<-released // the connection was closed, or the handler would write for ever
}

func TestACompressedAnswerIsNotUnpacked(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	z.Write(make([]byte, 8<<20))
	z.Close()
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		if accept := r.Header.Get("Accept-Encoding"); accept != "" {
			t.Errorf("Accept-Encoding %q", accept)
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(bomb.Bytes())
	})
	answer, err := newClient(t, driver.Config{}).Post(patient(t), driverhttp.Request{URL: s.URL, Body: []byte("x")})
	if err != nil || !bytes.Equal(answer.Body, bomb.Bytes()) {
		t.Errorf("got %d bytes, %v, want the %d that were sent", len(answer.Body), err, bomb.Len())
	}
}

// net/http repeats some requests by itself when a kept connection dies. A telemetry
// event would be there twice.
func TestADyingConnectionIsOneAttempt(t *testing.T) {
	t.Parallel()
	hangUp := func(*net.TCPConn) {}
	reset := func(c *net.TCPConn) { c.SetLinger(0) } // Close then sends RST
	torn := func(c *net.TCPConn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf") }
	for _, tt := range []struct {
		name  string
		warm  int // requests that were answered on the connection before
		death func(*net.TCPConn)
	}{
		{"new connection, closed", 0, hangUp},
		{"new connection, reset", 0, reset},
		{"new connection, torn answer", 0, torn},
		{"kept connection, closed", 1, hangUp},
		{"kept connection, reset", 1, reset},
		{"kept connection, torn answer", 1, torn},
		{"long kept connection, closed", 5, hangUp},
	} {
		for _, key := range []string{"", "Idempotency-Key", "X-Idempotency-Key"} {
			t.Run(tt.name+" "+key, func(t *testing.T) {
				t.Parallel()
				var requests, connections atomic.Int32
				url := rawServer(t, func(n int, c *net.TCPConn) {
					connections.Add(1)
					r := bufio.NewReader(c)
					for {
						_, body, err := readRequest(r)
						if err != nil {
							return
						}
						requests.Add(1)
						if string(body) == "last" {
							tt.death(c)
							return
						}
						io.WriteString(c, okay)
					}
				})
				transport := driverhttp.NewTransport()
				transport.MaxIdleConnsPerHost = 1 // ours keeps none, that of an author may
				cfg := driver.Config{Transport: transport}
				if key != "" {
					cfg.Headers = map[string]string{key: "1"}
				}
				c := newClient(t, cfg)
				for range tt.warm {
					if _, err := c.Post(patient(t), driverhttp.Request{URL: url, Body: []byte("first")}); err != nil {
						t.Fatal(err)
					}
				}
				answer, err := c.Post(patient(t), driverhttp.Request{URL: url, Body: []byte("last")})
				var e *driverhttp.Error
				if !errors.As(err, &e) || e.Cause == nil {
					t.Errorf("got %+v, %v, want an Error with a cause", answer, err)
				}
				if requests.Load() != int32(tt.warm)+1 || connections.Load() != 1 {
					t.Errorf("%d requests on %d connections, want %d on 1", requests.Load(), connections.Load(), tt.warm+1)
				}
			})
		}
	}
}

// The same in HTTP/2, where a server can refuse a stream or the whole connection and
// net/http then likes to try another one. Our transport does not speak it, but that of
// an author may.
func TestARefusedStreamIsOneAttempt(t *testing.T) {
	t.Parallel()
	const (
		data, headers, rstStream, settings, goAway = 0, 1, 3, 4, 7
		refusedStream                              = 7
	)
	type frame struct {
		kind, flags byte
		stream      uint32
		payload     []byte
	}
	write := func(w io.Writer, f frame) {
		head := binary.BigEndian.AppendUint32(nil, uint32(len(f.payload))<<8|uint32(f.kind))
		head = binary.BigEndian.AppendUint32(append(head, f.flags), f.stream)
		w.Write(append(head, f.payload...))
	}
	read := func(r io.Reader) (f frame, err error) {
		var head [9]byte
		if _, err = io.ReadFull(r, head[:]); err != nil {
			return f, err
		}
		f = frame{kind: head[3], flags: head[4], stream: binary.BigEndian.Uint32(head[5:])}
		f.payload = make([]byte, binary.BigEndian.Uint32(head[:4])>>8)
		_, err = io.ReadFull(r, f.payload)
		return f, err
	}
	for name, refuse := range map[string]func(w io.Writer, stream uint32){
		"stream refused": func(w io.Writer, stream uint32) {
			write(w, frame{rstStream, 0, stream, binary.BigEndian.AppendUint32(nil, refusedStream)})
		},
		"connection going away": func(w io.Writer, _ uint32) {
			write(w, frame{goAway, 0, 0, make([]byte, 8)}) // last stream 0, no error
		},
		"protocol error": func(w io.Writer, stream uint32) {
			write(w, frame{rstStream, 0, stream, binary.BigEndian.AppendUint32(nil, 1)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			certs := httptest.NewTLSServer(nil)
			pool := x509.NewCertPool()
			pool.AddCert(certs.Certificate())
			cert := certs.TLS.Certificates[0]
			certs.Close()

			var requests atomic.Int32
			url := rawServer(t, func(_ int, raw *net.TCPConn) {
				c := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"}})
				defer c.Close()
				preface := make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
				if _, err := io.ReadFull(c, preface); err != nil {
					return
				}
				write(c, frame{settings, 0, 0, nil})
				for {
					f, err := read(c)
					if err != nil {
						return
					}
					const endStream = 1
					if f.kind == data && f.flags&endStream != 0 {
						requests.Add(1)
						refuse(c, f.stream)
					}
				}
			})
			transport := driverhttp.NewTransport()
			transport.TLSClientConfig.RootCAs = pool
			transport.Protocols.SetHTTP2(true)
			c := newClient(t, driver.Config{Transport: transport})
			// No lower than the wait before net/http's first repetition, about 1 s.
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			answer, err := c.Post(ctx, driverhttp.Request{URL: strings.Replace(url, "http:", "https:", 1), Body: []byte("x")})
			if err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %+v, %v", answer, err)
			}
			if requests.Load() != 1 {
				t.Errorf("%d requests, want 1", requests.Load())
			}
		})
	}
}

func TestTheBodyIsNotReadAfterPostReturned(t *testing.T) {
	t.Parallel()
	var kept io.Reader
	c := newClient(t, driver.Config{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		kept = r.Body
		if r.GetBody != nil {
			t.Error("the request can be sent again")
		}
		return nil, io.EOF
	})})
	if _, err := c.Post(t.Context(), driverhttp.Request{URL: "https://example.com", Body: []byte("x")}); err == nil {
		t.Fatal("no error")
	}
	if n, err := kept.Read(make([]byte, 1)); n != 0 || err == nil || err == io.EOF {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

// ending tells when it is closed.
type ending struct {
	io.Reader
	closed *atomic.Bool
}

func (e ending) Close() error { e.closed.Store(true); return nil }

func TestTheAnswerIsClosedEvenIfItIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]io.Reader{
		"short":  strings.NewReader("{}"),
		"long":   bytes.NewReader(make([]byte, 3<<20)),
		"broken": io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF)),
	} {
		var closed atomic.Bool
		c := newClient(t, driver.Config{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: ending{answer, &closed}}, nil
		})})
		c.Post(t.Context(), driverhttp.Request{URL: "https://example.com", Body: []byte("x")})
		if !closed.Load() {
			t.Errorf("%s: the answer was left open", name)
		}
	}
}

// pool is a transport that keeps a connection after each request until it is told not
// to, whatever it was told before.
type pool struct {
	closing func()
	idle    bool
}

func (p *pool) RoundTrip(*http.Request) (*http.Response, error) {
	p.closing()
	p.idle = true
	return nil, io.EOF
}

func (p *pool) CloseIdleConnections() { p.idle = false }

func TestAConnectionGivenBackAfterCloseIsClosed(t *testing.T) {
	t.Parallel()
	transport := &pool{}
	c := driverhttp.NewClient(driver.Config{Transport: transport})
	transport.closing = c.Close
	if _, err := c.Post(t.Context(), driverhttp.Request{URL: "https://example.com", Body: []byte("x")}); err == nil || transport.idle {
		t.Errorf("%v, idle connection: %v", err, transport.idle)
	}
}

func TestTransportsThatBreakTheRulesAreBorne(t *testing.T) {
	t.Parallel()
	for name, rt := range map[string]roundTripper{
		"nil and nil":    func(*http.Request) (*http.Response, error) { return nil, nil },
		"answer, no end": func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 204}, nil },
	} {
		answer, err := newClient(t, driver.Config{Transport: rt}).Post(t.Context(),
			driverhttp.Request{URL: "https://example.com", Body: []byte("x")})
		if (err == nil) != (answer.Status == 204) {
			t.Errorf("%s: got %+v, %v", name, answer, err)
		}
	}
}

func TestWhatMustNotBeSentNeverReachesTheTransport(t *testing.T) {
	t.Parallel()
	c := newClient(t, driver.Config{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		t.Errorf("sent to %s", r.URL.Host)
		return nil, io.EOF
	})})
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		ctx context.Context
		req driverhttp.Request
	}{
		"plain http to another machine": {t.Context(), driverhttp.Request{URL: "http://example.com", Body: []byte("x")}},
		"credentials in the URL":        {t.Context(), driverhttp.Request{URL: "https://u:p@example.com", Body: []byte("x")}},
		"no URL":                        {t.Context(), driverhttp.Request{Body: []byte("x")}},
		"no body":                       {t.Context(), driverhttp.Request{URL: "https://example.com"}},
		"cancelled before":              {done, driverhttp.Request{URL: "https://example.com", Body: []byte("x")}},
	} {
		_, err := c.Post(tt.ctx, tt.req)
		var e *driverhttp.Error
		if !errors.As(err, &e) || e.Problem == "" {
			t.Errorf("%s: got %v", name, err)
		}
		if errors.Is(err, context.Canceled) != (tt.ctx == done) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// pipeTransport is a NewTransport whose connections end in serve, in the fake time
// of a synctest bubble.
func pipeTransport(serve func(c net.Conn)) *http.Transport {
	transport := driverhttp.NewTransport()
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			serve(theirs)
		}()
		return ours, nil
	}
	return transport
}

func TestNoServerHoldsPostLongerThanItsTime(t *testing.T) {
	t.Parallel()
	hang := func(c net.Conn) { io.Copy(io.Discard, c) } // reads, never answers
	deaf := func(net.Conn) { time.Sleep(time.Minute) }  // takes not one byte
	drip := func(head string) func(net.Conn) {
		return func(c net.Conn) {
			readRequest(bufio.NewReader(c))
			io.WriteString(c, head)
			for {
				time.Sleep(time.Second)
				if _, err := io.WriteString(c, "x"); err != nil {
					return
				}
			}
		}
	}
	tests := []struct {
		name string
		// deadline of the context; 0 for none
		deadline time.Duration
		https    bool
		serve    func(net.Conn)
		want     time.Duration
	}{
		{"no answer, short deadline", 2 * time.Second, false, hang, 2 * time.Second},
		{"no answer, no deadline", 0, false, hang, 15 * time.Second},
		{"no answer, long deadline", time.Hour, false, hang, 15 * time.Second},
		{"request not taken, no deadline", 0, false, deaf, 30 * time.Second},
		{"TLS not answered, no deadline", 0, true, hang, 10 * time.Second},
		{"dripping headers, short deadline", 5 * time.Second, false, drip("HTTP/1.1 200 OK\r\nX-Slow: "), 5 * time.Second},
		{"dripping headers, no deadline", 0, false, drip("HTTP/1.1 200 OK\r\nX-Slow: "), 15 * time.Second},
		{"dripping body, short deadline", 5500 * time.Millisecond, false, drip("HTTP/1.1 200 OK\r\n\r\n"), 5500 * time.Millisecond},
		{"dripping body, no deadline", 0, false, drip("HTTP/1.1 200 OK\r\n\r\n"), 30 * time.Second},
		{"dripping body, longer deadline", 40 * time.Second, false, drip("HTTP/1.1 200 OK\r\n\r\n"), 40 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				transport := pipeTransport(tt.serve)
				c := driverhttp.NewClient(driver.Config{Transport: transport})
				defer c.Close()
				ctx := t.Context()
				if tt.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.deadline)
					defer cancel()
				}
				url := "http://127.0.0.1/v1"
				if tt.https {
					url = "https://127.0.0.1/v1"
				}
				start := time.Now()
				answer, err := c.Post(ctx, driverhttp.Request{URL: url, Body: []byte("x")})
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %+v, %v", answer, err)
				}
				if took := time.Since(start); took != tt.want {
					t.Errorf("took %v, want %v", took, tt.want)
				}
				time.Sleep(time.Hour) // in the bubble's time: the server ends
			})
		})
	}
}

// After a 101 the body is the connection itself, whose reading no context ends.
func TestAnAnswerThatSwitchesProtocolsIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := driverhttp.NewClient(driver.Config{Transport: pipeTransport(func(c net.Conn) {
			readRequest(bufio.NewReader(c))
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			c.SetReadDeadline(time.Now().Add(time.Hour)) // so that the test ends also where nobody closes
			io.Copy(io.Discard, c)
		})})
		defer c.Close()
		start := time.Now()
		answer, err := c.Post(t.Context(), driverhttp.Request{URL: "http://127.0.0.1/", Body: []byte("x")})
		if err != nil || answer.Status != http.StatusSwitchingProtocols || len(answer.Body) > 0 {
			t.Errorf("got %+v, %v", answer, err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestCancelEndsPostAtOnce(t *testing.T) {
	t.Parallel()
	for name, transport := range map[string]func() *http.Transport{
		"while connecting": func() *http.Transport {
			transport := driverhttp.NewTransport()
			transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return transport
		},
		"while looking up a name that hangs": func() *http.Transport {
			transport := driverhttp.NewTransport()
			transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
				time.Sleep(time.Hour) // deaf to its context, as a resolver in C is
				return nil, io.EOF
			}
			return transport
		},
		"while waiting for the answer": func() *http.Transport {
			return pipeTransport(func(c net.Conn) { io.Copy(io.Discard, c) })
		},
		"while the answer drips in": func() *http.Transport {
			return pipeTransport(func(c net.Conn) {
				readRequest(bufio.NewReader(c))
				io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nx")
				io.Copy(io.Discard, c)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := driverhttp.NewClient(driver.Config{Transport: transport()})
				defer c.Close()
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(3*time.Second, cancel)
				start := time.Now()
				_, err := c.Post(ctx, driverhttp.Request{URL: "http://127.0.0.1/", Body: []byte("x")})
				if !errors.Is(err, context.Canceled) || time.Since(start) != 3*time.Second {
					t.Errorf("got %v after %v", err, time.Since(start))
				}
				time.Sleep(time.Hour) // in the bubble's time: the deaf dial ends
			})
		})
	}
}

// openConns counts the connections that a server sees.
type openConns struct {
	mu    sync.Mutex
	state map[net.Conn]http.ConnState
	zero  *sync.Cond
}

func countConns(s *httptest.Server) *openConns {
	o := &openConns{state: map[net.Conn]http.ConnState{}}
	o.zero = sync.NewCond(&o.mu)
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if state == http.StateClosed || state == http.StateHijacked {
			delete(o.state, c)
		} else {
			o.state[c] = state
		}
		o.zero.Broadcast()
	}
	return o
}

// waitNone returns once no connection is open. A leak makes it wait until the test
// binary's own time limit names this line.
func (o *openConns) waitNone() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.state) > 0 {
		o.zero.Wait()
	}
}

func TestCloseLeavesNoConnection(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint("TLS ", secure), func(t *testing.T) {
			t.Parallel()
			entered, release := make(chan struct{}, 1), make(chan struct{})
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.ProtoMajor != 1 {
					t.Errorf("speaks %s", r.Proto)
				}
				if r.URL.Path == "/slow" {
					entered <- struct{}{}
					<-release
				}
			}))
			conns := countConns(s)
			cfg := driver.Config{}
			if secure {
				s.EnableHTTP2 = true
				s.StartTLS()
				transport := driverhttp.NewTransport()
				transport.TLSClientConfig.RootCAs = x509.NewCertPool()
				transport.TLSClientConfig.RootCAs.AddCert(s.Certificate())
				cfg.Transport = transport
			} else {
				s.Start()
			}
			t.Cleanup(s.Close)
			c := driverhttp.NewClient(cfg)
			post := func(path string) error {
				_, err := c.Post(patient(t), driverhttp.Request{URL: s.URL + path, Body: []byte("x")})
				return err
			}
			for range 3 {
				if err := post("/"); err != nil {
					t.Fatal(err)
				}
			}
			underWay := make(chan error)
			go func() { underWay <- post("/slow") }()
			<-entered
			c.Close()
			c.Close()
			close(release)
			if err := <-underWay; err != nil {
				t.Errorf("Post under way during Close: %v", err)
			}
			if err := post("/"); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Post after Close: %v", err)
			}
			conns.waitNone()
		})
	}
}

func TestAFailedPostLeavesNoConnection(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	conns := countConns(s)
	s.Start()
	t.Cleanup(s.Close)
	c := newClient(t, driver.Config{})
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := c.Post(ctx, driverhttp.Request{URL: s.URL, Body: []byte("x")}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		cancel()
	}
	c.Close() // a Post that ended before it was connected leaves an idle connection
	conns.waitNone()
}

func TestManyGoroutinesPostAndClose(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	}))
	conns := countConns(s)
	s.Start()
	t.Cleanup(s.Close)
	c := driverhttp.NewClient(driver.Config{Headers: map[string]string{"X-Key": "k"}})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 20 {
				body := fmt.Sprint(i, " ", j)
				answer, err := c.Post(patient(t), driverhttp.Request{URL: s.URL, Body: []byte(body)})
				if err == nil && string(answer.Body) != body || err != nil && !errors.Is(err, net.ErrClosed) {
					t.Errorf("got %q, %v, want %q", answer.Body, err, body)
				}
				if i == 0 && j == 10 {
					c.Close()
				}
			}
		})
	}
	all.Wait()
	c.Close()
	conns.waitNone()
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("reached the server") }))
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	t.Cleanup(s.Close)
	transport := driverhttp.NewTransport()
	transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	transport.TLSClientConfig.RootCAs.AddCert(s.Certificate())
	if _, err := newClient(t, driver.Config{Transport: transport}).Post(patient(t), driverhttp.Request{URL: s.URL, Body: []byte("x")}); err == nil {
		t.Error("no error")
	}
}

func TestEveryTransportHasItsOwnConnectionsAndLimits(t *testing.T) {
	t.Parallel()
	a, b := driverhttp.NewTransport(), driverhttp.NewTransport()
	if a == b || a.TLSClientConfig == b.TLSClientConfig {
		t.Error("two calls share state")
	}
	if a.TLSHandshakeTimeout <= 0 || a.ResponseHeaderTimeout <= 0 ||
		a.MaxResponseHeaderBytes <= 0 || a.MaxIdleConnsPerHost >= 0 || !a.DisableCompression {
		t.Errorf("a limit is missing: %+v", a)
	}
}

func TestEndlessHeadersAreRefused(t *testing.T) {
	t.Parallel()
	url := rawServer(t, func(_ int, c *net.TCPConn) {
		if _, _, err := readRequest(bufio.NewReader(c)); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(c, "X-%d: %s\r\n", i, strings.Repeat("x", 1000)); err != nil {
				return
			}
		}
	})
	if answer, err := newClient(t, driver.Config{}).Post(patient(t), driverhttp.Request{URL: url, Body: []byte("x")}); err == nil {
		t.Errorf("got %d", answer.Status)
	}
}

func TestGetSendsNoBodyAndTheDeclaredHeaders(t *testing.T) {
	t.Parallel()
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %d %v %q %s", r.Method, r.URL.Path, r.ContentLength, r.TransferEncoding, body, r.Header.Get("X-Key"))
	})
	c := newClient(t, driver.Config{Headers: map[string]string{"X-Key": "k"}})
	answer, err := c.Get(patient(t), driverhttp.Request{URL: s.URL + "/state/1", Body: []byte("ignored"), Gzip: true})
	if got, want := string(answer.Body), `GET /state/1 0 [] "" k`; err != nil || got != want {
		t.Errorf("the server saw %s with the error %v, want %s", got, err, want)
	}
}

// net/http prints what is said on an idle connection to the standard logger.
func TestWhatAServerSaysUnaskedIsPrintedNowhere(t *testing.T) {
	var printed bytes.Buffer
	log.SetOutput(&printed)
	defer log.SetOutput(os.Stderr)
	ended := make(chan struct{}, 8)
	url := rawServer(t, func(_ int, c *net.TCPConn) {
		defer func() { ended <- struct{}{} }()
		r := bufio.NewReader(c)
		if _, _, err := readRequest(r); err != nil {
			t.Error(err)
		}
		io.WriteString(c, "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}canary\x1b[31m")
		_, _ = io.Copy(io.Discard, r) // until the client has closed it
	})
	c := newClient(t, driver.Config{})
	for range cap(ended) {
		if answer, err := c.Post(patient(t), driverhttp.Request{URL: url, Body: []byte("x")}); err != nil || answer.Status != http.StatusNoContent {
			t.Errorf("%+v, %v", answer, err)
		}
		<-ended // though nobody has called Close
	}
	if printed.Len() > 0 {
		t.Errorf("printed: %q", printed.String())
	}
}
