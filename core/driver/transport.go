//go:build !notelemetry

package driver

import (
	"crypto/x509"
	"net/http"
)

// RoundTripper and CertPool are [http.RoundTripper] and [x509.CertPool], and nothing at all in
// a build without telemetry, which links neither package.
type (
	RoundTripper = http.RoundTripper
	CertPool     = x509.CertPool
)
