package erasures

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Windows has access lists in place of modes; directories below a profile or ProgramData
// inherit theirs.
func openToOthers(fs.FileInfo) bool { return false }

const errSharingViolation = syscall.Errno(32)

// lockFile opens a file such that nobody else can, or returns ErrBusy. It ends with the
// process.
func lockFile(path string) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	const shareNothing = 0
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, shareNothing, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, errSharingViolation) {
		return nil, ErrBusy
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}

func unlockFile(f *os.File) error { return f.Close() }

// syncDir does nothing: NTFS writes down which files there are by itself.
func syncDir(string) error { return nil }
