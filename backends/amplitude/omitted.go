//go:build notelemetry

package amplitude

import "github.com/gotoolbase/telemetry/core/driver"

// Driver returns the driver "amplitude" without what it needs to reach anybody.
func Driver() driver.Driver { return driver.Omitted("amplitude") }
