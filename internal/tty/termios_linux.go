package tty

import "syscall"

const getAttributes = syscall.TCGETS

// discardInput is tcflush(fd, TCIFLUSH).
func discardInput(fd uintptr) {
	const tcflsh, tciflush = 0x540b, 0 // asm-generic/ioctls.h, which package syscall lacks
	_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, fd, tcflsh, tciflush)
}

// selectRead is select(2) for one descriptor to be read.
func selectRead(fd int, timeout syscall.Timeval) (ready bool, err error) {
	var set syscall.FdSet
	mark(set.Bits[:], fd)
	n, err := syscall.Select(fd+1, &set, nil, nil, &timeout)
	return n > 0, err
}
