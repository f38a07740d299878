//go:build !unix && !notelemetry

package store

import "io/fs"

// openToOthers is not known here: directories of a person's own are inherited as such.
func openToOthers(fs.FileInfo) bool { return false }
