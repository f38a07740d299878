//go:build unix && !notelemetry

package store

import "io/fs"

// openToOthers reports whether anybody but the owner may enter a directory.
func openToOthers(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }
