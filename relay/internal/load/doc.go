//go:build !notelemetry

// Package load holds the gateway to what it promises where much comes in and much goes wrong,
// with real processes and databases on this machine. It has nothing but tests. `make load` also
// measures, and writes docs/measurements/load.md.
package load
