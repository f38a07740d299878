//go:build !notelemetry

package core

import (
	"crypto/tls"
	"fmt"
	"net"
	"syscall"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
)

// omitted says that the tool was built without telemetry. What needs net/http or crypto/tls is
// in this file, so that such a tool does not link them.
const omitted = false

// setLoopbackOnly is for test binaries: a test that forgot to replace its endpoint fails
// instead of reaching somebody's server.
func setLoopbackOnly(config *driver.Config) {
	dialer := &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		if host, _, err := net.SplitHostPort(address); err != nil || !net.ParseIP(host).IsLoopback() {
			return fmt.Errorf("a test binary reaches only loopback, not %s", address)
		}
		return nil
	}}
	t := driverhttp.NewTransport()
	t.Proxy = nil
	t.DialContext = dialer.DialContext
	config.Transport, config.Dial = t, t.DialContext
}

// ofTLS reports whether an error is one of agreeing on TLS.
func ofTLS(err error) bool {
	switch err.(type) {
	case *tls.CertificateVerificationError, tls.AlertError, tls.RecordHeaderError:
		return true
	}
	return false
}
