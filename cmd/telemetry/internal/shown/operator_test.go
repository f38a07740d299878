//go:build !notelemetry

package shown

import (
	// What the operator's program is built of, as shown_test.go has it of the others.
	_ "github.com/gotoolbase/telemetry/relay/relaycmd"
)
