//go:build !notelemetry

package relaycmd

import (
	"os"
	"path/filepath"

	"github.com/gotoolbase/telemetry/relay/store"
)

// inputs are the files that a command reads, by the flags that name them.
type inputs map[string]string

// addPlace adds the file of a database and that which names it.
func (in inputs) addPlace(config, url string) {
	in["--config"] = config
	if file, is := store.File(url); is {
		in["the database"] = file
	}
}

// spare refuses to write over one of the files, which would be gone: a key with which exports
// were signed, or the events of a report.
func (in inputs) spare(flag, output string) error {
	for what, file := range in {
		if file != "" && sameFile(file, output) {
			return usage("%s: %s is %s too, and would be overwritten", flag, quote(output), what)
		}
	}
	return nil
}

// sameFile reports whether two names are of one file, also by a link.
func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	if errX == nil && errY == nil {
		return os.SameFile(x, y)
	}
	absA, errX := filepath.Abs(a)
	absB, errY := filepath.Abs(b)
	return errX == nil && errY == nil && absA == absB
}
