package state

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// inUse reports whether an error says that another process has the file.
func inUse(err error) bool { return errors.Is(err, errSharingViolation) }

// untilFree tries for half a second to replace or delete a file that others have open. Windows
// refuses that, by errors such as these, as long as one of them does not allow it: a virus scanner
// or an indexer, which look at every file that was just written, or one of us that sets a time.
// They take milliseconds. So many rounds and not a time: on a busy machine time passes without
// anything having been tried.
func untilFree(try func() error, refusals ...syscall.Errno) error {
	const rounds, pause = 100, 5 * time.Millisecond
	err := try()
	for round := 1; round < rounds && slices.ContainsFunc(refusals, func(e syscall.Errno) bool { return errors.Is(err, e) }); round++ {
		time.Sleep(pause)
		err = try()
	}
	return err
}

// rename goes by os.Root because that asks for what the rename of Unix does: a file that others
// read is replaced, and they read on. Where the file system cannot do that, as FAT cannot, access
// is denied to a file that is open.
func rename(from, to string) error {
	root, err := os.OpenRoot(filepath.Dir(from))
	if err != nil {
		return err
	}
	defer root.Close()
	return untilFree(func() error { return root.Rename(filepath.Base(from), filepath.Base(to)) },
		errSharingViolation, syscall.ERROR_ACCESS_DENIED)
}

func remove(path string) error {
	return untilFree(func() error { return os.Remove(path) }, errSharingViolation)
}

func removeAll(path string) error {
	return untilFree(func() error { return os.RemoveAll(path) }, errSharingViolation)
}
