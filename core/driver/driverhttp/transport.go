//go:build !notelemetry

package driverhttp

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

// NewTransport returns what carries a client's requests where Config.Transport is
// nil. Every call returns a new one with its own connections; close it with
// CloseIdleConnections, as [Client.Close] does.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{
		// A first packet that is lost is sent again after 1, 3 and 7 s; who has not
		// answered after the third is not there.
		Timeout: 10 * time.Second,
	}
	// One POST at a time gains nothing from HTTP/2, in which a connection outlives Close
	// if that comes within a moment of an answer.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  proxyFromEnvironment,
		OnProxyConnectResponse: refuseProxyAnswer,
		DialContext:            dialFor(dialer),
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		// A vendor that takes longer to accept a batch is overloaded, and pressing on does
		// not help it.
		ResponseHeaderTimeout: 15 * time.Second,
		// A vendor's headers take 1 to 2 KiB; the default of 10 MB is for browsing.
		MaxResponseHeaderBytes: 64 << 10,
		// On a connection that is kept idle net/http reads on, and prints what a server says there
		// unasked, in its words, to the standard logger: to the terminal of the person who runs the tool. Most
		// uploads are one batch, so there is little to keep one for. (DisableKeepAlives does the same, and
		// adds a header that is in no log of what was sent.)
		MaxIdleConnsPerHost: -1,
		// Asking for compressed answers saves nothing on short ones, and 1 MiB of gzip
		// unpacks to 1 GiB.
		DisableCompression: true,
		Protocols:          protocols,
	}
}

// callerKey is under which a request's context holds itself, for dialFor.
type callerKey struct{}

// dialFor ends a dial with the request that it is for. net/http has it go on, for a request that
// may come later, and a backend whose Send has returned would still open connections.
func dialFor(dialer *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		caller, ok := ctx.Value(callerKey{}).(context.Context)
		if !ok {
			return dialer.DialContext(ctx, network, address)
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(caller, cancel)()
		return dialer.DialContext(ctx, network, address)
	}
}

// proxyFromEnvironment is what a transport asks. net/http's own function of this name
// knows no ALL_PROXY, and connects directly where it cannot read a value.
func proxyFromEnvironment(r *http.Request) (*url.URL, error) { return proxyFor(syscall.Getenv, r.URL) }

// refuseProxyAnswer replaces net/http's error for a proxy that does not connect,
// which would hold whatever text the proxy sent.
func refuseProxyAnswer(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		variable, _ := proxyVariable(syscall.Getenv, "https") // whose requests alone need a connection
		return proxyError{resp.StatusCode, variable}
	}
	return nil
}
