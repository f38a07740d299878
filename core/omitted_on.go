//go:build notelemetry

package core

import "github.com/gotoolbase/telemetry/core/driver"

// omitted says that the tool was built without telemetry.
const omitted = true

func setLoopbackOnly(*driver.Config) {}

func ofTLS(error) bool { return false }
