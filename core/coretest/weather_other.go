//go:build !unix

package coretest

import "net"

func narrow(*net.TCPListener) error {
	return notHere("the queue of connections cannot be made shorter")
}
