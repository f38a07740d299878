//go:build !linux

// Peers measures on Linux only: it needs /proc, and mounts of a thread's own.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "peers: measures on Linux only")
	os.Exit(1)
}
