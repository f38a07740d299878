//go:build !windows && (!unix || solaris || aix)

package state

import (
	"errors"
	"io/fs"
	"os"
)

// Where the standard library has no lock between processes, nothing is recorded.

func ours(fs.FileInfo) bool             { return true }
func writableByOthers(fs.FileInfo) bool { return false }

// Writable returns errors.ErrUnsupported, as OpenExclusive does.
func (d Dir) Writable() error { return errors.ErrUnsupported }

func openRead(path string) (*os.File, error) { return os.Open(path) }

func openEmpty(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
}

// OpenExclusive returns errors.ErrUnsupported.
func OpenExclusive(string) (*os.File, error) { return nil, errors.ErrUnsupported }

// CloseExclusive closes f.
func CloseExclusive(f *os.File) error { return f.Close() }

// Unlinked is not known here.
func Unlinked(*os.File) bool { return false }

func fileNumber(fs.FileInfo) uint64 { return 0 }

// OpenExclusiveWatched is OpenExclusive: no lock takes long here.
func OpenExclusiveWatched(path string, _ *Watch) (*os.File, error) { return OpenExclusive(path) }

// CloseExclusiveWatched is CloseExclusive.
func CloseExclusiveWatched(f *os.File, _ *Watch) error { return CloseExclusive(f) }

// Held reports false: there are no locks.
func Held(string) bool { return false }
