package noop_test

import (
	"testing"

	"github.com/gotoolbase/telemetry/backends/noop"
	"github.com/gotoolbase/telemetry/conformance"
)

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Subject{Driver: noop.Driver(), Discards: true})
}
