//go:build !unix && !notelemetry

package store

import "io/fs"

// OpenToOthers is not known here: directories of a person's own are inherited as such.
func OpenToOthers(fs.FileInfo) bool { return false }
