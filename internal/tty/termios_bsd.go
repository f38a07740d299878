//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package tty

import (
	"syscall"
	"unsafe"
)

const getAttributes = syscall.TIOCGETA

// discardInput is tcflush(fd, TCIFLUSH).
func discardInput(fd uintptr) {
	which := int32(1) // FREAD of sys/fcntl.h: the queue that is read from
	_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCFLUSH, uintptr(unsafe.Pointer(&which)))
}

// marked reports whether a descriptor is in a set.
func marked[W ~int32 | ~uint32 | ~int64 | ~uint64](words []W, fd int) bool {
	width := int(unsafe.Sizeof(words[0])) * 8
	return words[fd/width]&(1<<(fd%width)) != 0
}
