package core

import "syscall"

// errno is what the system answers.
type errno = syscall.Errno

// Windows answers with the numbers of Windows Sockets, of which package syscall names two.
// syscall.ECONNREFUSED and the like are Go's own: no call returns them, but programs may.
const (
	errNetworkUnreachable errno = 10051 // WSAENETUNREACH
	errTimedOut           errno = 10060 // WSAETIMEDOUT
	errRefused            errno = 10061 // WSAECONNREFUSED
	errHostUnreachable    errno = 10065 // WSAEHOSTUNREACH
)

var timeoutErrnos = []errno{errTimedOut, syscall.ETIMEDOUT}

// networkErrnos are of the network wherever they are met.
var networkErrnos = []errno{
	errRefused, syscall.WSAECONNRESET, syscall.WSAECONNABORTED, errHostUnreachable, errNetworkUnreachable,
	syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
}
