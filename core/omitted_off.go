//go:build !notelemetry

package core

// omitted says that the tool was built without telemetry.
const omitted = false
