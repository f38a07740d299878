//go:build unix && !notelemetry

package store

import (
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// OpenToOthers reports whether anybody may read or change a file, or enter a directory, but
// its owner and a group of this process's own. That group is how Kubernetes hands over what it
// mounts: with fsGroup a directory is 2770 and a key 0440, and the pod's group is nobody's else.
// https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
func OpenToOthers(info fs.FileInfo) bool {
	mode := info.Mode().Perm()
	if mode&0o007 != 0 {
		return true
	}
	if mode&0o070 == 0 {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	groups, err := os.Getgroups()
	return err != nil || int(stat.Gid) != os.Getegid() && !slices.Contains(groups, int(stat.Gid))
}
