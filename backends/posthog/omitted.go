//go:build notelemetry

package posthog

import "github.com/gotoolbase/telemetry/core/driver"

// Driver returns the driver "posthog" without what it needs to reach anybody.
func Driver() driver.Driver { return driver.Omitted("posthog") }
