//go:build !unix

package spool

import (
	"os"

	"github.com/gotoolbase/telemetry/internal/plaintext"
)

func write(f *os.File, b []byte) (int, error) { return f.Write(b) }

// rewrite overwrites the file from at on, and cuts it after that.
func rewrite(f *os.File, b []byte, at int64) error {
	_, err := f.WriteAt(b, at)
	if err == nil {
		err = f.Sync() // before what it is in the place of is gone
	}
	if err == nil {
		err = f.Truncate(at + int64(len(b)))
	}
	if err != nil {
		return plaintext.Bare(err)
	}
	return nil
}
