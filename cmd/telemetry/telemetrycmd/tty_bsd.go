//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package telemetrycmd

import "golang.org/x/sys/unix"

// discardInput is tcflush(fd, TCIFLUSH).
func discardInput(fd int) {
	const fread = 1 // FREAD of sys/fcntl.h: the queue that is read from
	_ = unix.IoctlSetPointerInt(fd, unix.TIOCFLUSH, fread)
}
