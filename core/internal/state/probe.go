package state

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// MayWrite returns why nothing could be written into a file, or why it could not be made.
func (d Dir) MayWrite(name string) error {
	info, err := os.Lstat(d.Join(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return d.Probe()
	case err != nil:
		return plaintext.Bare(err)
	case !info.Mode().IsRegular(): // to open a fifo would be to wait for the process that reads it
		return ErrUnsafe
	}
	f, err := os.OpenFile(d.Join(name), os.O_WRONLY|os.O_APPEND, 0)
	if inUse(err) {
		return nil // by one who may
	}
	if err != nil {
		return plaintext.Bare(err)
	}
	return f.Close()
}

// Probe returns why nothing can be stored in the directory. It finds out by storing
// something, which also tells of a full disk, and leaves nothing behind. Where there is no
// directory yet it looks no further than Writable: what is above it is not ours to try in.
func (d Dir) Probe() error {
	if err := d.Check(); errors.Is(err, fs.ErrNotExist) {
		return d.Writable()
	} else if err != nil {
		return err
	}
	before, err := os.Stat(d.path)
	if err != nil {
		return plaintext.Bare(err)
	}
	f, err := os.CreateTemp(d.path, ".probe.*.tmp")
	if err != nil {
		return plaintext.Bare(err)
	}
	_, err = f.Write(make([]byte, 4096)) // a block: less may fit where nothing else does
	closeErr := f.Close()
	if locked, lockErr := OpenExclusive(f.Name()); lockErr == nil {
		_ = CloseExclusive(locked)
	} else if err == nil {
		err = lockErr
	}
	removeErr := os.Remove(f.Name())
	_ = os.Chtimes(d.path, time.Time{}, before.ModTime()) // as if nobody had been there
	if err := errors.Join(err, closeErr, removeErr); err != nil {
		return plaintext.Bare(err)
	}
	return nil
}
