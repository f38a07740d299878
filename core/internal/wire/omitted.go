//go:build notelemetry

package wire

import "github.com/gotoolbase/telemetry/core/driver"

// Transport returns next: a build without telemetry has no transport to look into.
func (t *Tap) Transport(next driver.RoundTripper) driver.RoundTripper { return next }

// Nowhere stands for the transport that lets nothing out.
type Nowhere struct{}
