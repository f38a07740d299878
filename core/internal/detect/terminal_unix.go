//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package detect

import (
	"syscall"
	"unsafe"
)

// answersAsTerminal is tcgetattr(3), which only terminals answer.
func answersAsTerminal(fd uintptr) bool {
	var attributes syscall.Termios
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, getAttributes, uintptr(unsafe.Pointer(&attributes)))
	return errno == 0
}
