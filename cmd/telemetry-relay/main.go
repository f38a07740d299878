//go:build !notelemetry

// Telemetry-relay is for those who run a tool and answer for its data: it takes requests for
// deletion and has the vendors delete. See package relaycmd.
//
//	telemetry-relay serve --config relay.yaml
//
// A vendor is one line in one of the lists below: what is not in them, this program cannot
// reach. Who needs another one writes a main function of their own.
package main

import (
	"os"

	"github.com/gotoolbase/telemetry/backends/amplitude"
	"github.com/gotoolbase/telemetry/backends/datadog"
	"github.com/gotoolbase/telemetry/backends/otlp"
	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/backends/segment"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	deleteamplitude "github.com/gotoolbase/telemetry/deletion/amplitude"
	deletedatadog "github.com/gotoolbase/telemetry/deletion/datadog"
	deleteposthog "github.com/gotoolbase/telemetry/deletion/posthog"
	deletesegment "github.com/gotoolbase/telemetry/deletion/segment"
	"github.com/gotoolbase/telemetry/relay/relaycmd"
)

func main() {
	os.Exit(relaycmd.Main([]driver.Driver{ // http and store are always there
		amplitude.Driver(),
		datadog.Driver(),
		otlp.Driver(),
		posthog.Driver(),
		segment.Driver(),
	}, []deletion.Vendor{
		deleteamplitude.Vendor(),
		deletedatadog.Vendor(),
		deleteposthog.Vendor(),
		deletesegment.Vendor(),
	}))
}
