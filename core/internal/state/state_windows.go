package state

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"unsafe"

	"github.com/gotoolbase/telemetry/internal/plaintext"
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

func openEmpty(path string) (*os.File, error) {
	f, err := open(path, syscall.GENERIC_WRITE,
		syscall.FILE_SHARE_READ|syscall.FILE_SHARE_WRITE|syscall.FILE_SHARE_DELETE, syscall.OPEN_ALWAYS)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
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
		return nil, plaintext.Bare(err)
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
		return nil, plaintext.Bare(err)
	}
	if !info.Mode().IsRegular() { // a link opened as itself, or a device
		f.Close()
		return nil, entry(path, ErrUnsafe)
	}
	return f, nil
}

// CloseExclusive closes a file that OpenExclusive opened.
func CloseExclusive(f *os.File) error { return f.Close() }

// Unlinked reports whether an open file has no name any more, or is to lose it with the
// last handle: what is written to it can be read by no other process.
func Unlinked(f *os.File) bool {
	// See FILE_STANDARD_INFO in Microsoft's documentation.
	const fileStandardInfo = 1
	var info struct {
		allocated, size       int64
		links                 uint32
		deletePending, folder bool
	}
	ok, _, _ := getFileInformation.Call(f.Fd(), fileStandardInfo, uintptr(unsafe.Pointer(&info)), unsafe.Sizeof(info))
	return ok != 0 && (info.deletePending || info.links == 0)
}

// Package syscall does not have the one call that tells of a deletion to come.
var getFileInformation = syscall.NewLazyDLL("kernel32.dll").NewProc("GetFileInformationByHandleEx")

// Looking at a name on Windows does not tell the number of the file.
func fileNumber(fs.FileInfo) uint64 { return 0 }

// OpenExclusiveWatched is OpenExclusive: no lock takes long here.
func OpenExclusiveWatched(path string, _ *Watch) (*os.File, error) { return OpenExclusive(path) }

// CloseExclusiveWatched is CloseExclusive.
func CloseExclusiveWatched(f *os.File, _ *Watch) error { return CloseExclusive(f) }

// Held reports whether a process has a file open exclusively. It makes no file.
func Held(path string) bool {
	f, err := open(path, syscall.GENERIC_READ|syscall.GENERIC_WRITE,
		syscall.FILE_SHARE_READ|syscall.FILE_SHARE_DELETE, syscall.OPEN_EXISTING)
	if err == nil {
		f.Close()
	}
	return errors.Is(err, errSharingViolation)
}
