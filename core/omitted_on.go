//go:build notelemetry

package core

import (
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/wire"
)

// omitted says that the tool was built without telemetry.
const omitted = true

func theNetwork() (driver.RoundTripper, wire.DialFunc) { return nil, wire.DialNowhere }

func ofTLS(error) bool { return false }
