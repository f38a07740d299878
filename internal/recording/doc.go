//go:build !linux || notelemetry

// Recording writes the picture of README, on Linux, which has the pseudo-terminal that it needs.
package main

func main() {}
