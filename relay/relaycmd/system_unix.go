//go:build !notelemetry && unix

package relaycmd

import (
	"io/fs"
	"os"
	"syscall"
)

// openToOthers reports whether others than its owner may read or change a file.
func openToOthers(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }

// reloads are the signals on which certificates are read anew.
var reloads = []os.Signal{syscall.SIGHUP}
