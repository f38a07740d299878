//go:build notelemetry

package datadog

import "github.com/gotoolbase/telemetry/core/driver"

// Driver returns the driver "datadog" without what it needs to reach anybody.
func Driver() driver.Driver { return driver.Omitted("datadog") }
