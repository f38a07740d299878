// Telemetry records and sends usage events for shell scripts and for tools that are not
// written in Go. It reads what the tool is from a file; see package toolfile.
//
//	telemetry --config mytool.yaml track command.invocation build --duration 142ms --exit-code 0
//	telemetry --config mytool.yaml exec -- make all
//
// A vendor is one line in the list below: what is not in it, this program cannot reach.
package main

import (
	"os"

	"github.com/gotoolbase/telemetry/backends/amplitude"
	"github.com/gotoolbase/telemetry/backends/datadog"
	"github.com/gotoolbase/telemetry/backends/otlp"
	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/backends/segment"
	"github.com/gotoolbase/telemetry/cmd/telemetry/internal/cli"
	"github.com/gotoolbase/telemetry/core/driver"
)

func main() {
	os.Exit(cli.Main([]driver.Driver{ // noop, stdout, file and http are always there
		amplitude.Driver(),
		datadog.Driver(),
		otlp.Driver(),
		posthog.Driver(),
		segment.Driver(),
	}))
}
