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
	// Many backends run for a moment each, whose garbage is small and need not be collected
	// often.
	debug.SetGCPercent(400)
	flag.Parse()
	// Two tests at once are what two processors get by default; these wait for deadlines.
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0)))
	}
	os.Exit(m.Run())
}
