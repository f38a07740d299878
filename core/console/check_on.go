//go:build telemetrycheck

package console

const mayCheck = true
