//go:build unix

package coretest

import (
	"fmt"
	"net"
	"syscall"
)

// narrow makes the listener's queue of connections as short as the system can.
func narrow(listener *net.TCPListener) error {
	raw, err := listener.SyscallConn()
	if err != nil {
		return fmt.Errorf("reach the socket: %w", err)
	}
	var listenErr error
	if err := raw.Control(func(fd uintptr) { listenErr = syscall.Listen(int(fd), 0) }); err != nil {
		return fmt.Errorf("reach the socket: %w", err)
	}
	if listenErr != nil {
		return notHere("the queue of connections cannot be made shorter")
	}
	return nil
}
