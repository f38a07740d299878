//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package tty

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// answersAsTerminal is tcgetattr(3), which only terminals answer.
func answersAsTerminal(fd uintptr) bool {
	var attributes syscall.Termios
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, getAttributes, uintptr(unsafe.Pointer(&attributes)))
	return errno == 0
}

func columnsOf(fd uintptr) int {
	var size struct{ rows, columns, x, y uint16 } // struct winsize
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return 0
	}
	return int(size.columns)
}

// endsLine knows the end of a line, also that of a terminal in raw mode.
func endsLine(c byte) bool { return c == '\n' || c == '\r' }

// waitReadable returns nil when in can be read without waiting, and takes the time from left.
// The time in which the process was stopped is not counted: nobody could answer. begun, that
// part of the line was read, makes no difference here.
func waitReadable(ctx context.Context, in *os.File, _ bool, left *time.Duration) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if *left <= 0 || !InForeground(in) { // a job that was stopped and goes on with bg would be stopped for reading
			return os.ErrDeadlineExceeded
		}
		start := time.Now()
		ready, err := readable(in, min(*left, glance))
		*left -= min(time.Since(start), glance)
		if ready || err != nil {
			return err
		}
	}
}

// maxSelect is FD_SETSIZE, or less where a system has more: select knows no descriptor
// beyond it.
const maxSelect = 256

// readable reports whether in can be read within wait. It uses select, because poll does
// not work on terminals on macOS, and deadlines of os.File on none that a shell opened.
func readable(in *os.File, wait time.Duration) (bool, error) {
	ready, selectErr := false, error(nil)
	if !control(in, func(fd uintptr) {
		if fd >= maxSelect {
			selectErr = syscall.EBADF
			return
		}
		ready, selectErr = selectRead(int(fd), syscall.NsecToTimeval(wait.Nanoseconds()))
	}) {
		return false, os.ErrInvalid
	}
	if errors.Is(selectErr, syscall.EINTR) { // Go's scheduler sends itself signals
		return false, nil
	}
	return ready, selectErr
}

// mark adds a descriptor to a set, in the words of which it is one bit.
func mark[W ~int32 | ~uint32 | ~int64 | ~uint64](words []W, fd int) {
	width := int(unsafe.Sizeof(words[0])) * 8
	words[fd/width] |= 1 << (fd % width)
}

// TypedAhead reports whether a line waits to be read. What is only half a line yet is
// discarded: a question would take it, for it takes the line that it becomes part of.
func TypedAhead(in *os.File) bool {
	if ready, err := readable(in, 0); ready || err != nil {
		return true
	}
	control(in, discardInput)
	return false
}

// InForeground reports whether the terminal listens to us. A job in the background
// ("mytool &") has a terminal too, and would be stopped for reading from it.
func InForeground(terminal *os.File) bool {
	var group int32
	foreground := false
	control(terminal, func(fd uintptr) {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCGPGRP, uintptr(unsafe.Pointer(&group)))
		foreground = errno == 0 && int(group) == syscall.Getpgrp()
	})
	return foreground
}
