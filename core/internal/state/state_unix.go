//go:build unix && !solaris && !aix

package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/gotoolbase/telemetry/internal/plaintext"
)

func ours(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

func writableByOthers(info fs.FileInfo) bool { return info.Mode().Perm()&0o022 != 0 }

// Writable returns why nothing could be stored in the directory, or made where it is to
// be, without trying.
func (d Dir) Writable() error {
	for path := d.path; ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) && path != filepath.Dir(path) {
			continue
		}
		if err != nil {
			return notMade(err)
		}
		if !ours(info) {
			return ErrForeign
		}
		const writeAndSearch = 2 | 1
		return syscall.Access(path, writeAndSearch)
	}
}

// open does not follow a link in the last place and does not wait on a fifo. It is os.OpenFile
// for files that no process waits for: os would start its poller for the first of them.
func open(path string, flag int) (*os.File, error) {
	for {
		fd, err := syscall.Open(path, flag|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_CLOEXEC, uint32(fileMode))
		switch {
		case err == syscall.EINTR: // a fifo or a network file system
			continue
		case err != nil:
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		// It was for opening alone, and os polls whatever has it.
		if err := syscall.SetNonblock(fd, false); err != nil {
			_ = syscall.Close(fd)
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		return os.NewFile(uintptr(fd), path), nil
	}
}

func openRead(path string) (*os.File, error) {
	f, err := open(path, os.O_RDONLY)
	if notAFile(err) {
		return nil, ErrUnsafe
	}
	return f, err
}

func openEmpty(path string) (*os.File, error) {
	return open(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
}

// notAFile reports whether opening failed because a link, which FreeBSD calls EMLINK, a
// folder, or a fifo or socket is in the file's place.
func notAFile(err error) bool {
	return errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EMLINK) ||
		errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.ENXIO)
}

// OpenExclusive opens a file for reading and appending, creating it if need be, such
// that no other process has it open in this way. It returns ErrBusy at once where one
// has. Closing the file, or dying, ends the exclusiveness.
func OpenExclusive(path string) (*os.File, error) { return OpenExclusiveWatched(path, nil) }

// OpenExclusiveWatched is OpenExclusive for a caller that watches how long the lock takes.
func OpenExclusiveWatched(path string, watch *Watch) (*os.File, error) {
	for {
		f, err := open(path, os.O_RDWR|os.O_APPEND|os.O_CREATE)
		if err != nil {
			if notAFile(err) {
				return nil, entry(path, ErrUnsafe)
			}
			return nil, plaintext.Bare(err)
		}
		watch.begin()
		err = flock(f)
		watch.end()
		var st syscall.Stat_t
		if err == nil {
			err = syscall.Fstat(int(f.Fd()), &st)
		}
		switch {
		case errors.Is(err, syscall.EWOULDBLOCK):
			err = ErrBusy
		case errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.EOPNOTSUPP):
			err = ErrNoLocks
		case err != nil:
		case st.Mode&syscall.S_IFMT != syscall.S_IFREG || st.Mode&0o022 != 0 || st.Nlink > 1:
			err = ErrUnsafe
		case int(st.Uid) != os.Geteuid():
			err = ErrForeign
		case st.Nlink == 0:
			// Erased between open and lock: what is written to it would go nowhere.
			_ = CloseExclusive(f)
			continue
		default:
			return f, nil
		}
		_ = CloseExclusive(f)
		return nil, entry(path, err)
	}
}

// Unlinked reports whether an open file has no name any more: what is written to it can be
// read by no other process. It costs one system call and allocates nothing. On a network file
// system it may be false for a file that another machine deleted.
func Unlinked(f *os.File) bool {
	var st syscall.Stat_t
	return syscall.Fstat(int(f.Fd()), &st) == nil && st.Nlink == 0
}

func fileNumber(info fs.FileInfo) uint64 {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return uint64(st.Ino) //nolint:unconvert // it has other types elsewhere
}

// CloseExclusive closes a file that OpenExclusive opened. It releases the lock first: a
// process that another goroutine is just starting shares our files for a moment, and
// with them the lock.
func CloseExclusive(f *os.File) error { return CloseExclusiveWatched(f, nil) }

// CloseExclusiveWatched is CloseExclusive for a caller that watches how long that takes.
func CloseExclusiveWatched(f *os.File, watch *Watch) error {
	watch.begin()
	defer watch.end()
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	return f.Close()
}

func flock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EINTR {
			return err
		}
	}
}

// Held reports whether a process has a file open exclusively. It makes no file.
func Held(path string) bool {
	f, err := open(path, os.O_RDWR)
	if err != nil {
		return false
	}
	held := errors.Is(flock(f), syscall.EWOULDBLOCK)
	_ = CloseExclusive(f)
	return held
}
