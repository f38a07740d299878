//go:build linux && !notelemetry

package load

import "flag"

var seed = flag.Uint64("seed", 0, "what events and people are made of; 0 is the time")
