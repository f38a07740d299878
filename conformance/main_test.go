package conformance

import (
	"flag"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
)

func TestMain(m *testing.M) {
	// Some hundred backends run for a second or two each, whose garbage is small: collecting
	// it four times less often saves a tenth of the processor.
	debug.SetGCPercent(400)
	flag.Parse()
	// Two tests at once are what two processors get by default; these wait for deadlines.
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0)))
	}
	os.Exit(m.Run())
}
