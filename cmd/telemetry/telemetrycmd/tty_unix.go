//go:build unix && !solaris && !aix

package telemetrycmd

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// maxSelect is FD_SETSIZE: select knows no descriptor beyond it.
const maxSelect = 1024

// waitReadable returns nil when in can be read without waiting. The time in which the
// process was stopped is not counted: nobody could answer. begun, that part of the line
// was read, makes no difference here.
func waitReadable(ctx context.Context, in *os.File, begun bool, patience time.Duration) error {
	for left := patience; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if left <= 0 || !inForeground(in) { // a job that was stopped and goes on with bg would be stopped for reading
			return os.ErrDeadlineExceeded
		}
		start := time.Now()
		ready, err := readable(in, min(left, glance))
		if ready || err != nil {
			return err
		}
		left -= min(time.Since(start), glance)
	}
}

// readable reports whether in can be read within wait. It uses select, because poll does
// not work on terminals on macOS, and deadlines of os.File on none that a shell opened.
func readable(in *os.File, wait time.Duration) (bool, error) {
	raw, err := in.SyscallConn()
	if err != nil {
		return false, err
	}
	n, selectErr := 0, error(nil)
	err = raw.Control(func(fd uintptr) {
		if fd >= maxSelect {
			selectErr = unix.EBADF
			return
		}
		var set unix.FdSet
		set.Set(int(fd))
		timeout := unix.NsecToTimeval(wait.Nanoseconds())
		n, selectErr = unix.Select(int(fd)+1, &set, nil, nil, &timeout)
	})
	if errors.Is(selectErr, unix.EINTR) { // Go's scheduler sends itself signals
		return false, err
	}
	return n > 0, errors.Join(err, selectErr)
}

// typedAhead reports whether a line waits to be read. What is only half a line yet is
// discarded: the question would take it, for it takes the line that it becomes part of.
func typedAhead(in *os.File) bool {
	if ready, err := readable(in, 0); ready || err != nil {
		return true
	}
	if raw, err := in.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { discardInput(int(fd)) })
	}
	return false
}

// inForeground reports whether the terminal listens to us. A job in the background
// ("mytool &") has a terminal too, and would be stopped for reading from it.
func inForeground(terminal *os.File) bool {
	raw, err := terminal.SyscallConn()
	if err != nil {
		return false
	}
	foreground := false
	err = raw.Control(func(fd uintptr) {
		group, err := unix.IoctlGetInt(int(fd), unix.TIOCGPGRP)
		foreground = err == nil && group == unix.Getpgrp()
	})
	return err == nil && foreground
}
