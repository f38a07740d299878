//go:build !notelemetry

package core

import (
	"crypto/tls"
	"fmt"
	"net"
	"syscall"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
	"github.com/gotoolbase/telemetry/core/internal/wire"
)

// omitted says that the tool was built without telemetry. What needs net/http or crypto/tls is
// in this file, so that such a tool does not link them.
const omitted = false

// theNetwork is what carries a backend's requests. In a test binary that reaches only
// loopback: a test that forgot to replace its endpoint fails instead of reaching a real
// server.
func theNetwork() (driver.RoundTripper, wire.DialFunc) {
	t := driverhttp.NewTransport()
	if !inTestBinary() {
		return t, new(net.Dialer).DialContext
	}
	dialer := &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		if host, _, err := net.SplitHostPort(address); err != nil || !net.ParseIP(host).IsLoopback() {
			return fmt.Errorf("a test binary reaches only loopback, not %s", address)
		}
		return nil
	}}
	t.Proxy = nil
	t.DialContext = dialer.DialContext
	return t, dialer.DialContext
}

// ofTLS reports whether an error is one of agreeing on TLS.
func ofTLS(err error) bool {
	switch err.(type) {
	case *tls.CertificateVerificationError, tls.AlertError, tls.RecordHeaderError:
		return true
	}
	return false
}
