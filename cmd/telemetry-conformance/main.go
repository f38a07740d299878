//go:build !notelemetry

// Telemetry-conformance holds a backend that is a program of its own, in any language, to
// the contract that the backends in Go are held to. It plays the vendor, hands the program
// batches on its standard input and reads verdicts from its standard output.
//
//	telemetry-conformance --vendor acme.yaml -- ./acme
//
// The protocol and the file are described in conformance/WIRE.md. It is apart from
// cmd/telemetry, so that the program for scripts links none of it.
package main

import "os"

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }
