//go:build notelemetry

package segment

import "github.com/gotoolbase/telemetry/core/driver"

// Driver returns the driver "segment" without what it needs to reach anybody.
func Driver() driver.Driver { return driver.Omitted("segment") }
