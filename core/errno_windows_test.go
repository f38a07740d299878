package core_test

import (
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/gotoolbase/telemetry/core/props"
)

func TestWhatWindowsSaysOfANetworkHasItsClass(t *testing.T) {
	t.Parallel()
	for number, want := range map[syscall.Errno]props.ErrorClass{
		10051: props.ErrorNetwork, // WSAENETUNREACH
		10053: props.ErrorNetwork, // WSAECONNABORTED
		10054: props.ErrorNetwork, // WSAECONNRESET
		10060: props.ErrorTimeout, // WSAETIMEDOUT
		10061: props.ErrorNetwork, // WSAECONNREFUSED
		10065: props.ErrorNetwork, // WSAEHOSTUNREACH
	} {
		bare := os.NewSyscallError("connectex", number)
		for _, err := range []error{bare, &net.OpError{Op: "dial", Net: "tcp", Err: bare}} {
			if e := ended(t, someTool(), props.Outcome{Err: err}); e.ErrorClass != string(want) {
				t.Errorf("%d as %T: %q, want %q", number, err, e.ErrorClass, want)
			}
		}
	}
}
