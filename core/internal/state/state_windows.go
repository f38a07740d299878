package state

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// The user's profile is private by its access list, which files made in it inherit;
// Windows has no owner or mode to compare.
func ours(fs.FileInfo) bool             { return true }
func writableByOthers(fs.FileInfo) bool { return false }

// Writable returns nil: only trying tells on Windows.
func (d Dir) Writable() error { return nil }

func openRead(path string) (*os.File, error) {
	return open(path, syscall.GENERIC_READ,
		syscall.FILE_SHARE_READ|syscall.FILE_SHARE_WRITE|syscall.FILE_SHARE_DELETE, syscall.OPEN_EXISTING)
}

const errSharingViolation = syscall.Errno(32)

// OpenExclusive opens a file for reading and appending, creating it if need be, such
// that no other process has it open in this way. It returns ErrBusy at once where one
// has. Closing the file, or dying, ends the exclusiveness. Not sharing write access is
// the lock; sharing deletion lets a withdrawal of consent remove the file under us.
func OpenExclusive(path string) (*os.File, error) {
	f, err := open(path, syscall.GENERIC_READ|syscall.GENERIC_WRITE,
		syscall.FILE_SHARE_READ|syscall.FILE_SHARE_DELETE, syscall.OPEN_ALWAYS)
	if errors.Is(err, errSharingViolation) {
		return nil, ErrBusy
	}
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		f.Close()
		return nil, Bare(err)
	}
	return f, nil
}

func open(path string, access, share, disposition uint32) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	h, err := syscall.CreateFile(name, access, share, nil, disposition,
		syscall.FILE_ATTRIBUTE_NORMAL|syscall.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(h), path)
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, Bare(err)
	}
	if !info.Mode().IsRegular() { // a link opened as itself, or a device
		f.Close()
		return nil, ErrUnsafe
	}
	return f, nil
}

// CloseExclusive closes a file that OpenExclusive opened.
func CloseExclusive(f *os.File) error { return f.Close() }
