//go:build vendors

package main

import (
	"github.com/gotoolbase/telemetry/backends/amplitude"
	"github.com/gotoolbase/telemetry/backends/datadog"
	"github.com/gotoolbase/telemetry/backends/otlp"
	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/backends/segment"
	"github.com/gotoolbase/telemetry/core/driver"
)

// vendors are what this build can reach besides the built-in backends. A real tool lists
// the one or two that it uses, and needs no tag for it.
var vendors = []driver.Driver{amplitude.Driver(), datadog.Driver(), otlp.Driver(), posthog.Driver(), segment.Driver()}
