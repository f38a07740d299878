//go:build !notelemetry && unix

package relaycmd

import (
	"os"
	"syscall"
)

// reloads are the signals on which certificates are read anew.
var reloads = []os.Signal{syscall.SIGHUP}
