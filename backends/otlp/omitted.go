//go:build notelemetry

package otlp

import "github.com/gotoolbase/telemetry/core/driver"

// Driver returns the driver "otlp" without what it needs to reach anybody.
func Driver() driver.Driver { return driver.Omitted("otlp") }
