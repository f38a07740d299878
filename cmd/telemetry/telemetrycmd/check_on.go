//go:build telemetrycheck

package telemetrycmd

const mayCheck = true
