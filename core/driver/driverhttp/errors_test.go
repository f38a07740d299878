//go:build !plan9 && !notelemetry

package driverhttp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
)

const canary = "c4n4ry"

// quiet keeps the expected complaints of a test server off the terminal.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// secretPost posts with the canary wherever a secret can be.
func secretPost(t *testing.T, base string, transport http.RoundTripper) error {
	t.Helper()
	c := newClient(t, driver.Config{Transport: transport, Insecure: true,
		Headers: map[string]string{"Authorization": "Bearer " + canary}})
	answer, err := c.Post(patient(t), driverhttp.Request{
		URL:    base + "/" + canary + "?key=" + canary,
		Header: http.Header{"X-Key": {canary}},
		Body:   []byte(strings.Repeat(canary, 1000)),
		Gzip:   true,
	})
	if err == nil {
		t.Errorf("got %+v, want an error", answer)
	}
	return err
}

// leaks reports whether err or anything in its chain shows the canary or an address of
// this machine's.
func leaks(err error) string {
	for ; err != nil; err = errors.Unwrap(err) {
		for _, text := range []string{err.Error(), fmt.Sprintf("%+v %#v %q", err, err, err)} {
			if strings.Contains(text, canary) || strings.Contains(text, "->") {
				return text
			}
		}
	}
	return ""
}

// nobody returns an address where nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestErrorsOfTheWireHoldNoSecret(t *testing.T) {
	t.Parallel()
	answering := func(text string) string {
		return rawServer(t, func(_ int, c *net.TCPConn) {
			if _, _, err := readRequest(bufio.NewReader(c)); err == nil {
				io.WriteString(c, text)
			}
		})
	}
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = quiet()
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)

	tests := []struct {
		name, url string
		says      string
		cause     error
	}{
		{"nobody listens", "http://" + nobody(t), "refused", nil},
		{"closed without an answer", answering(""), "closed before", io.ErrUnexpectedEOF},
		{"torn answer", answering("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + canary), "closed before", io.ErrUnexpectedEOF},
		{"torn headers", answering("HTTP/1.1 200 OK\r\nX-Echo: " + canary), "closed before", io.ErrUnexpectedEOF},
		{"not HTTP", answering(canary + " " + canary + "\r\n\r\n"), "no usable answer", nil},
		{"status that is none", answering("HTTP/1.1 " + canary + " OK\r\n\r\n"), "no usable answer", nil},
		{"header that is none", answering("HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n"), "no usable answer", nil},
		{"length that is none", answering("HTTP/1.1 200 OK\r\nContent-Length: " + canary + "\r\n\r\n"), "no usable answer", nil},
		{"chunk that is none", answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + canary + "\r\n"), "no usable answer", nil},
		{"TLS asked of a plain server", strings.Replace(answering(""), "http:", "https:", 1), "", nil},
		{"certificate that nobody signed", untrusted.URL, "certificate is not trusted", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := secretPost(t, tt.url, nil)
			if text := leaks(err); text != "" {
				t.Errorf("leaks: %s", text)
			}
			var e *driverhttp.Error
			if !errors.As(err, &e) || e.Host == "" || !strings.Contains(tt.url, "//"+e.Host) || !strings.Contains(e.Problem, tt.says) {
				t.Errorf("got %v, want the host and %q", err, tt.says)
			}
			if tt.cause != nil && !errors.Is(err, tt.cause) {
				t.Errorf("%v is not %v", err, tt.cause)
			}
		})
	}
}

func TestErrorsOfTransportsAreReplacedByOurOwnWords(t *testing.T) {
	t.Parallel()
	inURL := func(err error) error {
		return &url.Error{Op: "Post", URL: "https://u:" + canary + "@h/" + canary + "?k=" + canary, Err: err}
	}
	tests := []struct {
		name  string
		err   error
		says  string
		cause error
	}{
		{"unknown", errors.New("no responder for " + canary), "no usable answer", nil},
		{"in a url.Error", inURL(errors.New(canary)), "no usable answer", nil},
		{"deadline in a url.Error", inURL(context.DeadlineExceeded), "timed out", context.DeadlineExceeded},
		{"name not found", &net.DNSError{Err: "no such host " + canary, Name: canary, Server: canary, IsNotFound: true}, "cannot be resolved", nil},
		{"name server slow", &net.DNSError{Err: canary, Name: canary, IsTimeout: true}, "timed out", context.DeadlineExceeded},
		{"reset", inURL(&net.OpError{Op: "read", Source: &net.UnixAddr{Name: canary}, Err: os.NewSyscallError(canary, syscall.ECONNRESET)}), "reset", syscall.ECONNRESET},
		{"proxy refuses the connection", &net.OpError{Op: "proxyconnect", Net: canary, Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}, "through the proxy: ", syscall.ECONNREFUSED},
		{"TLS alert", &net.OpError{Op: "remote error", Err: errors.New(canary)}, "TLS", nil},
		{"header value refused", fmt.Errorf("net/http: invalid header field value %q", canary), "no usable answer", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := secretPost(t, "https://example.com:8443", roundTripper(func(*http.Request) (*http.Response, error) { return nil, tt.err }))
			if text := leaks(err); text != "" {
				t.Errorf("leaks: %s", text)
			}
			if !strings.HasPrefix(err.Error(), "example.com:8443: ") || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %q, want the host and %q", err, tt.says)
			}
			if tt.cause != nil && !errors.Is(err, tt.cause) {
				t.Errorf("%v is not %v", err, tt.cause)
			}
		})
	}
}

func TestAHeaderThatCannotBeSentIsNotShown(t *testing.T) {
	t.Parallel()
	s := server(t, func(http.ResponseWriter, *http.Request) { t.Error("sent") })
	c := newClient(t, driver.Config{Headers: map[string]string{"X-Key": canary + "\r\nX: 1"}})
	_, err := c.Post(patient(t), driverhttp.Request{URL: s.URL, Body: []byte("x")})
	if err == nil || leaks(err) != "" {
		t.Errorf("got %v", err)
	}
}
