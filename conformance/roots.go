//go:build !notelemetry

package conformance

import (
	"crypto/x509"

	"github.com/gotoolbase/telemetry/core/driver"
)

// setRoots has a backend trust the suite's certificate authority.
func setRoots(c *driver.Config, roots *x509.CertPool) { c.RootCAs = roots }
