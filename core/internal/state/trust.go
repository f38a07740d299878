package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// entryError is ErrUnsafe or ErrForeign of what is in the directory: then the directory itself
// is as it should be.
type entryError struct {
	name string
	err  error
}

func (e *entryError) Error() string {
	if errors.Is(e.err, ErrForeign) {
		return e.name + " in the state directory belongs to another user"
	}
	return e.name + " in the state directory is not private and plain"
}

func (e *entryError) Unwrap() error { return e.err }

// entry makes an error name the file or folder that it is about, if it says that this cannot
// be trusted. Any other error is returned as it is.
func entry(path string, err error) error {
	if errors.Is(err, ErrUnsafe) || errors.Is(err, ErrForeign) {
		return &entryError{plaintext.Clean(filepath.Base(path)), err}
	}
	return err
}

// CheckFolder is Check for a folder inside of a state directory, and names it.
func (d Dir) CheckFolder() error { return entry(d.path, d.Check()) }

// Trust returns why a file cannot be one of ours: it is a link, or no plain file, others may
// write to it, or it is another user's.
func Trust(info fs.FileInfo) error {
	switch {
	case !info.Mode().IsRegular() || writableByOthers(info):
		return entry(info.Name(), ErrUnsafe)
	case !ours(info):
		return entry(info.Name(), ErrForeign)
	}
	return nil
}

// OpenAny opens a plain file for reading also if others may write to it.
func OpenAny(path string) (*os.File, error) { return openRead(path) }

// Open opens a file of ours for reading. It waits for no other process, whatever has the file's name.
func Open(path string) (*os.File, error) {
	f, err := openRead(path)
	if err != nil {
		return nil, entry(path, plaintext.Bare(err))
	}
	info, err := f.Stat()
	if err == nil {
		err = Trust(info)
	}
	if err != nil {
		f.Close()
		return nil, plaintext.Bare(err)
	}
	return f, nil
}
