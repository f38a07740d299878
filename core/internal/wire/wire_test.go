package wire_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gotoolbase/telemetry/core/internal/wire"
)

func get(t *testing.T, ctx context.Context, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tapped returns a transport and what its tap has seen.
func tapped() (http.RoundTripper, *[]*wire.Exchange) {
	var seen []*wire.Exchange
	tap := &wire.Tap{Out: func(x *wire.Exchange) error {
		seen = append(seen, x)
		return nil
	}}
	return tap.Transport(&http.Transport{DisableCompression: true}), &seen
}

func TestTheTapSeesWhatTheServerGets(t *testing.T) {
	t.Parallel()
	var got http.Header
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		got.Set("Host", r.Host)
		if len(r.TransferEncoding) > 0 {
			got["Transfer-Encoding"] = r.TransferEncoding
		}
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, "short and stout")
	}))
	defer server.Close()
	for name, r := range map[string]*http.Request{
		"bytes":     get(t, t.Context(), "POST", server.URL+"/a?b=c", bytes.NewReader([]byte("body"))),
		"a stream":  get(t, t.Context(), "POST", server.URL, io.MultiReader(strings.NewReader("body"))),
		"no body":   get(t, t.Context(), "GET", server.URL, nil),
		"empty":     get(t, t.Context(), "POST", server.URL, http.NoBody),
		"own agent": get(t, t.Context(), "PUT", server.URL, strings.NewReader("body")),
	} {
		if name == "own agent" {
			r.Header.Set("User-Agent", "own")
			r.Header["X-Two"] = []string{"1", "2"}
		}
		transport, seen := tapped()
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		x := (*seen)[0]
		if len(*seen) != 1 || x.Method != r.Method || x.URL != r.URL.String() || !bytes.Equal(x.Body, body) {
			t.Errorf("%s: the tap saw %s %s %q, and %q arrived", name, x.Method, x.URL, x.Body, body)
		}
		if fmt.Sprint(x.Header) != fmt.Sprint(got) {
			t.Errorf("%s: the tap saw\n%v, and there arrived\n%v", name, x.Header, got)
		}
		if status, said := x.Answer(); status != http.StatusTeapot || string(said) != "short and stout" || string(text) != string(said) || response.Request != r {
			t.Errorf("%s: %d %q, and %q was read", name, status, said, text)
		}
	}
}

func TestNothingGoesOutThatTheTapRefuses(t *testing.T) {
	t.Parallel()
	var arrived atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived.Add(1) }))
	defer server.Close()
	refused := errors.New("refused")
	tap := &wire.Tap{Out: func(*wire.Exchange) error { return refused }}
	if _, err := tap.Transport(http.DefaultTransport).RoundTrip(get(t, t.Context(), "POST", server.URL, strings.NewReader("x"))); !errors.Is(err, refused) {
		t.Errorf("%v", err)
	}
	c, err := tap.Dial(wire.DialNowhere)(t.Context(), "tcp", "nowhere:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, refused) {
		t.Errorf("%v", err)
	}
	if arrived.Load() > 0 {
		t.Error("a request arrived")
	}
}

func TestABodyThatFailsOrHangsIsTheCallersError(t *testing.T) {
	t.Parallel()
	transport, seen := tapped()
	broken := errors.New("broken")
	r, w := io.Pipe()
	w.CloseWithError(broken)
	if _, err := transport.RoundTrip(get(t, t.Context(), "POST", "http://127.0.0.1:1", r)); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	r, w = io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := transport.RoundTrip(get(t, ctx, "POST", "http://127.0.0.1:1", r)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if len(*seen) > 0 {
		t.Error("the tap saw a request that has no body")
	}
}

func TestAnAnswerIsHandedOnAsItComes(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/upgrade" {
			c, _, _ := http.NewResponseController(w).Hijack()
			fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			io.Copy(c, io.LimitReader(c, 4))
			c.Close()
			return
		}
		w.Header().Set("Trailer", "X-End")
		fmt.Fprint(w, "first")
		w.(http.Flusher).Flush()
		<-goOn
		fmt.Fprint(w, "second")
		w.Header().Set("X-End", "yes")
	}))
	defer server.Close()
	transport, _ := tapped()
	response, err := transport.RoundTrip(get(t, t.Context(), "GET", server.URL, nil))
	if err != nil {
		t.Fatal(err)
	}
	start := make([]byte, 5)
	if _, err := io.ReadFull(response.Body, start); err != nil || string(start) != "first" {
		t.Errorf("%q, %v before the answer is whole", start, err)
	}
	close(goOn)
	rest, err := io.ReadAll(response.Body)
	if err != nil || string(rest) != "second" || response.Trailer.Get("X-End") != "yes" {
		t.Errorf("%q, %v, trailer %v", rest, err, response.Trailer)
	}
	response.Body.Close()
	r := get(t, t.Context(), "GET", server.URL+"/upgrade", nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "x")
	if response, err = transport.RoundTrip(r); err != nil {
		t.Fatal(err)
	}
	both, ok := response.Body.(io.ReadWriteCloser)
	if !ok {
		t.Fatal("the body of a 101 is no connection any more")
	}
	defer both.Close()
	if _, err := both.Write([]byte("echo")); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(both); err != nil || string(text) != "echo" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestARequestWithoutGetBodyIsReadOnceAndStaysWithout(t *testing.T) {
	t.Parallel()
	var got *http.Request
	tap := &wire.Tap{Out: func(*wire.Exchange) error { return nil }}
	next := roundTripper(func(r *http.Request) (*http.Response, error) {
		got = r
		_, _ = io.ReadAll(r.Body)
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	})
	body := &counting{Reader: strings.NewReader("body")}
	r := get(t, t.Context(), "POST", "http://nowhere.invalid", body)
	if _, err := tap.Transport(next).RoundTrip(r); err != nil {
		t.Fatal(err)
	}
	if got.GetBody != nil || body.ends != 1 || r.Body == got.Body || got.ContentLength != r.ContentLength {
		t.Errorf("GetBody %t, read to its end %d times", got.GetBody != nil, body.ends)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// counting counts how often it was read to its end.
type counting struct {
	io.Reader
	ends int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err == io.EOF {
		c.ends++
	}
	return n, err
}

func TestClosingIdleConnectionsReachesTheTransport(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	closed := make(chan struct{})
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			close(closed)
		}
	}
	server.Start()
	defer server.Close()
	transport, _ := tapped()
	response, err := transport.RoundTrip(get(t, t.Context(), "GET", server.URL, nil))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	transport.(interface{ CloseIdleConnections() }).CloseIdleConnections()
	<-closed
}

func TestAConnectionIsSeenAsItIsWrittenAndCanBeClosedOnOneSide(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(c, c)
			c.Close()
		}
	}()
	for first, hidden := range map[string]bool{"line\n": false, "\x16\x03\x01hello": true} {
		var seen []*wire.Exchange
		tap := &wire.Tap{Out: func(x *wire.Exchange) error { seen = append(seen, x); return nil }}
		c, err := tap.Dial(new(net.Dialer).DialContext)(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, err1 := c.Write([]byte(first))
		_, err2 := c.Write([]byte("more"))
		err3 := c.(interface{ CloseWrite() error }).CloseWrite()
		text, err4 := io.ReadAll(c)
		c.Close()
		if err := errors.Join(err1, err2, err3, err4); err != nil || string(text) != first+"more" {
			t.Fatalf("%q, %v", text, err)
		}
		if hidden {
			if len(seen) != 1 || !seen[0].Hidden || seen[0].Body != nil {
				t.Errorf("of what is encrypted there was seen %+v", seen)
			}
			continue
		}
		if len(seen) != 2 || string(seen[0].Body)+string(seen[1].Body) != first+"more" || seen[0].Address != listener.Addr().String() {
			t.Errorf("there was seen %+v", seen)
		}
		if _, said := seen[1].Answer(); string(said) != first+"more" {
			t.Errorf("the answer is %q", said)
		}
	}
}
