package conformance

import (
	"os"
	"runtime/debug"
	"testing"
)

func TestMain(m *testing.M) {
	// Some hundred backends run for a second or two each, whose garbage is small: collecting
	// it four times less often saves a tenth of the processor.
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}
