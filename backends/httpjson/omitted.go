//go:build notelemetry

package httpjson

import "github.com/gotoolbase/telemetry/core/driver"

// Driver returns the driver "http" without what it needs to reach anybody.
func Driver() driver.Driver { return driver.Omitted("http") }
