package telemetrycmd

import "golang.org/x/sys/unix"

// discardInput is tcflush(fd, TCIFLUSH).
func discardInput(fd int) { _ = unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH) }
