package state

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// Some files say what they have to say by their time: one system call reads or sets it,
// every process sees it whole, and setting it needs no space on a full disk.

// Time returns the modification time of a file, zero if there is none.
func (d Dir) Time(name string) time.Time {
	info, err := os.Lstat(d.Join(name))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// SetTime sets the modification time of a file, and makes an empty one if there is none.
func (d Dir) SetTime(name string, t time.Time) error {
	info, err := os.Lstat(d.Join(name))
	if err == nil && !info.Mode().IsRegular() {
		return entry(name, ErrUnsafe) // the time of what a link leads to is not ours to set
	}
	if err == nil && os.Chtimes(d.Join(name), t, t) == nil {
		return nil
	}
	f, err := os.OpenFile(d.Join(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return plaintext.Bare(err)
	}
	if err == nil {
		f.Close()
	}
	if err := os.Chtimes(d.Join(name), t, t); err != nil {
		return plaintext.Bare(err)
	}
	return nil
}

// mostCounted is more than is ever counted, and tells a count from a time: that of a file that was
// just made, and 1980, which copies get where archives of the DOS kind or reproducible images
// made them. It is in 1973.
const mostCounted = 100_000_000

// Count returns the number that a file's time is, in seconds since 1970. Counting so needs
// no space on a full disk, and is one system call: a process that is killed has counted or
// has not.
func (d Dir) Count(name string) int {
	count := d.Time(name).Unix()
	if count <= 0 || count >= mostCounted {
		return 0
	}
	return int(count)
}

// AddCount adds to that number, which does not fall below zero, and returns what of a
// negative n the file did not have.
func (d Dir) AddCount(name string, n int) (rest int, err error) {
	if n == 0 {
		return 0, nil
	}
	count := d.Count(name) + n
	if err := d.SetTime(name, time.Unix(int64(min(max(count, 0), mostCounted-1)), 0)); err != nil {
		return n, err
	}
	return min(count, 0), nil
}
