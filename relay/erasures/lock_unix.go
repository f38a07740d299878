//go:build unix && !solaris && !aix

package erasures

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

func openToOthers(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }

// lockFile takes the lock that is the open file, or returns ErrBusy. It ends with the
// process.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return f, nil
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EWOULDBLOCK):
			err = ErrBusy
		}
		f.Close()
		return nil, err
	}
}

// unlockFile releases the lock before it closes the file: a process that another goroutine
// is just starting shares our files for a moment, and with them the lock.
func unlockFile(f *os.File) error {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	return f.Close()
}

// syncDir makes durable which files there are.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		err = nil // some network and FUSE file systems
	}
	return errors.Join(err, d.Close())
}
