//go:build !vendors

package main

import "github.com/gotoolbase/telemetry/core/driver"

// vendors is empty unless built with -tags vendors: a tool carries no vendor that it does
// not use, and what is measured of this one is what ours costs.
var vendors []driver.Driver
