//go:build !telemetrycheck

package console

// mayCheck is false in what users get: they should send nothing by a word that they mistyped.
const mayCheck = false
