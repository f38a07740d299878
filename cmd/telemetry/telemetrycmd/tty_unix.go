//go:build unix && !solaris && !aix

package telemetrycmd

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// glance is how often waitReadable looks whether its context has ended: when somebody
// pressed Ctrl-C and the tool handles that signal itself, it must seem at once.
const glance = 50 * time.Millisecond

// maxSelect is FD_SETSIZE: select knows no descriptor beyond it.
const maxSelect = 1024

// waitReadable returns nil when in can be read without waiting. It uses select, because
// poll does not work on terminals on macOS, and deadlines of os.File on none that a
// shell has opened.
func waitReadable(ctx context.Context, in *os.File, deadline time.Time) error {
	raw, err := in.SyscallConn()
	if err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		left := min(time.Until(deadline), glance)
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		ready := 0
		var selectErr error
		err := raw.Control(func(fd uintptr) {
			if fd >= maxSelect {
				selectErr = unix.EBADF
				return
			}
			var set unix.FdSet
			set.Set(int(fd))
			timeout := unix.NsecToTimeval(left.Nanoseconds())
			ready, selectErr = unix.Select(int(fd)+1, &set, nil, nil, &timeout)
		})
		switch {
		case err != nil:
			return err
		case errors.Is(selectErr, unix.EINTR): // Go's scheduler sends itself signals
		case selectErr != nil:
			return selectErr
		case ready > 0:
			return nil
		}
	}
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
