//go:build unix

package spool

import (
	"errors"
	"os"
	"syscall"

	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// write is f.Write without the bookkeeping that lets files be used by several goroutines
// and be waited for: a tenth of the cost of recording an event. A Writer is used by one
// goroutine at a time, and its file is a plain one.
func write(f *os.File, b []byte) (int, error) {
	for {
		n, err := syscall.Write(int(f.Fd()), b)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

// rewrite overwrites the file from at on, and cuts it after that. The handle that appends
// cannot: the other one is opened by the file's name, and used only if that still is this
// file. On a network file system closing it may release the lock, so it is cut before.
func rewrite(f *os.File, b []byte, at int64) error {
	other, err := os.OpenFile(f.Name(), os.O_WRONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return plaintext.Bare(err)
	}
	defer other.Close()
	ours, err1 := f.Stat()
	named, err2 := other.Stat()
	if err := errors.Join(err1, err2); err != nil {
		return plaintext.Bare(err)
	}
	if !os.SameFile(ours, named) {
		return nil // it was erased, and another one is in its place
	}
	_, err = other.WriteAt(b, at)
	if err == nil {
		err = other.Sync() // before what it is in the place of is gone
	}
	if err != nil {
		return plaintext.Bare(err)
	}
	if err := other.Truncate(at + int64(len(b))); err != nil {
		return plaintext.Bare(err)
	}
	return nil
}
