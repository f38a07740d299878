// Package state is the one directory where a tool's telemetry keeps what it keeps,
// for one user on one machine. It knows where that directory is, whether it can be
// trusted, and how to read, replace and lock a small file in it. What the files mean
// is the business of consent, identity, spool and delivery.
package state

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// Why the directory cannot be used. Errors of this package wrap one of these or an
// errno, and never hold a path. Where one is about a file in the directory, it names that.
var (
	// ErrNoHome: neither the home nor a state directory is known.
	ErrNoHome = errors.New(noHome())
	// ErrForeign: the place belongs to another user, as under sudo with the caller's
	// HOME. Files made there would belong to the wrong one.
	ErrForeign = errors.New("the state directory belongs to another user")
	// ErrNoPlace: there is no directory and none can be made, whoever tries: HOME may be /dev/null/x.
	ErrNoPlace = errors.New("the state directory cannot be made: part of its path can hold no directory")
	// ErrUnsafe: a symbolic link or something that is not a plain file or directory, or
	// one that others may write to.
	ErrUnsafe = errors.New("the state directory is not a private plain directory")
	// errClosed: its owner may not enter or read it. The superuser could, and is told the same.
	errClosed = errors.New("the state directory is closed to its owner")
	// ErrCorrupt: a file holds what this program would not have written.
	ErrCorrupt = errors.New("the file is damaged")
	// ErrBusy: another process holds the lock.
	ErrBusy = errors.New("another process is at work")
	// ErrNoLocks: the file system has no locks between processes, as some of a network have
	// none. Nothing is recorded there; what a person says is stored all the same.
	ErrNoLocks = errors.New("the file system of the state directory has no locks")
	// ErrTooLarge: nothing is written that ReadFile would not read back.
	ErrTooLarge = errors.New("the file would be too large to be read back")
)

const (
	dirMode  = 0o700
	fileMode = 0o600
	// readAndEnter is what the owner of a directory needs at least.
	readAndEnter = 0o500
	// maxFile bounds what ReadFile takes in and WriteFile writes. Our own small files stay
	// below 60 KiB, but for a deletion request with long receipts of sixteen requestors.
	maxFile = 128 << 10
)

func noHome() string {
	if runtime.GOOS == "windows" {
		return "%LocalAppData% is not set, or not by its whole path"
	}
	return "no home directory is set, or not by its whole path"
}

// Locate returns the path of the state directory of a tool, without looking at it.
// The only variables read are those that say where the user's own files are.
func Locate(tool string, lookup func(string) (string, bool)) (string, error) {
	get := wholePath(lookup)
	base, home := "", get("HOME")
	switch runtime.GOOS {
	case "windows":
		base = get("LocalAppData")
	case "darwin", "ios":
		if home != "" {
			base = filepath.Join(home, "Library", "Application Support")
		}
	default:
		base = get("XDG_STATE_HOME")
		if base == "" && home != "" {
			base = filepath.Join(home, ".local", "state")
		}
	}
	if base == "" {
		return "", ErrNoHome
	}
	return filepath.Join(base, tool, "telemetry"), nil
}

// wholePath returns a lookup of paths, "" for what is no whole one, as the XDG specification asks for.
func wholePath(lookup func(string) (string, bool)) func(name string) string {
	return func(name string) string {
		if value, _ := lookup(name); filepath.IsAbs(value) {
			return value
		}
		return ""
	}
}

// LocateCache returns the user's cache, where all programs have what may be lost, without looking at it.
// Its path is "" where it is not known: then Create and Check fail.
func LocateCache(lookup func(string) (string, bool)) Dir {
	get := wholePath(lookup)
	home := get("HOME")
	switch {
	case runtime.GOOS == "windows":
		return Dir{get("LocalAppData")}
	case home != "" && (runtime.GOOS == "darwin" || runtime.GOOS == "ios"):
		return Dir{filepath.Join(home, "Library", "Caches")}
	case get("XDG_CACHE_HOME") != "":
		return Dir{get("XDG_CACHE_HOME")}
	case home != "":
		return Dir{filepath.Join(home, ".cache")}
	}
	return Dir{}
}

// Dir is a state directory. It is a path and no more: copies are the same directory,
// and any number of processes may use it.
type Dir struct{ path string }

// At returns the directory at path, which need not exist.
func At(path string) Dir { return Dir{path} }

// Path returns the directory's path, for the operating system, not for messages.
func (d Dir) Path() string { return d.path }

// Join returns the path of a file in it.
func (d Dir) Join(name string) string { return filepath.Join(d.path, name) }

// Check reports whether the directory can be trusted. The error wraps
// fs.ErrNotExist where there is none, and changes nothing.
func (d Dir) Check() error {
	info, err := os.Lstat(d.path)
	if noDirectory(err) {
		return ErrNoPlace
	}
	if err != nil {
		return plaintext.Bare(err)
	}
	if !info.IsDir() || writableByOthers(info) {
		return ErrUnsafe
	}
	if !ours(info) {
		return ErrForeign
	}
	if info.Mode().Perm()&readAndEnter != readAndEnter {
		return errClosed
	}
	return nil
}

// Create makes the directory if there is none, private to the user, and checks it.
// It makes nothing inside a directory that belongs to another user.
func (d Dir) Create() error {
	err := d.Check()
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for parent := filepath.Dir(d.path); ; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if errors.Is(err, fs.ErrNotExist) && parent != filepath.Dir(parent) {
			continue
		}
		if err != nil {
			return plaintext.Bare(err)
		}
		if !ours(info) {
			return ErrForeign
		}
		break
	}
	if err := os.MkdirAll(d.path, dirMode); err != nil {
		return notMade(err)
	}
	return d.Check()
}

// noDirectory says of an error that part of a path is no directory. Windows has one number for that
// and for a directory that is not there, which is one that can be made.
func noDirectory(err error) bool {
	return errors.Is(err, syscall.ENOTDIR) && !errors.Is(err, fs.ErrNotExist)
}

// notMade is why a directory could not be made. That something is not there is no answer to that, and
// is taken for a directory that is to come.
func notMade(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return ErrNoPlace
	}
	return plaintext.Bare(err)
}

// ReadFile returns the content of a small file. The error wraps fs.ErrNotExist where
// there is none, and ErrUnsafe or ErrCorrupt where it cannot be ours.
func (d Dir) ReadFile(name string) ([]byte, error) { return d.ReadUpTo(name, maxFile) }

// ReadUpTo is ReadFile for a file that may have so many bytes.
func (d Dir) ReadUpTo(name string, most int64) ([]byte, error) {
	f, err := Open(d.Join(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, plaintext.Bare(err)
	}
	if int64(len(data)) > most {
		return nil, ErrCorrupt
	}
	return data, nil
}

// WriteFile replaces a small file as a whole: a process that reads it sees the old or the new
// content, also after a power cut.
func (d Dir) WriteFile(name string, data []byte) error {
	if len(data) > maxFile {
		return ErrTooLarge
	}
	return d.Replace(name, data)
}

// Replace is WriteFile for a file of any size, which ReadUpTo reads.
func (d Dir) Replace(name string, data []byte) error { return d.replace(name, data, (*os.File).Sync) }

// ReplaceSoon is Replace that does not wait for the disk: a power cut may leave either content,
// or none.
func (d Dir) ReplaceSoon(name string, data []byte) error {
	return d.replace(name, data, func(*os.File) error { return nil })
}

func (d Dir) replace(name string, data []byte, sync func(*os.File) error) error {
	f, err := os.CreateTemp(d.path, "."+name+".*.tmp") // CreateTemp makes it 0600
	if err != nil {
		return plaintext.Bare(err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = sync(f)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = rename(f.Name(), d.Join(name))
	}
	if err != nil {
		os.Remove(f.Name())
		return plaintext.Bare(err)
	}
	return nil
}

// Remove deletes a file; it is no error if there is none.
func (d Dir) Remove(name string) error {
	if err := Delete(d.Join(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// RemoveAll deletes a file or a folder with what is in it; it is no error if there is none.
func (d Dir) RemoveAll(name string) error { return plaintext.Bare(removeAll(d.Join(name))) }

// Delete deletes a file, which others may have open.
func Delete(path string) error { return plaintext.Bare(remove(path)) }

// Rename gives a file another name, replacing what has it.
func (d Dir) Rename(name, to string) error {
	if err := rename(d.Join(name), d.Join(to)); err != nil {
		return plaintext.Bare(err)
	}
	return nil
}

// RemoveTemp deletes what writers that were killed left behind, and previews: what is older
// than any of them takes.
func (d Dir) RemoveTemp() {
	entries, _ := os.ReadDir(d.path)
	for _, entry := range entries {
		if name := entry.Name(); strings.HasPrefix(name, ".") && strings.HasSuffix(name, tempSuffix) {
			if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > time.Minute {
				_ = d.RemoveAll(name)
			}
		}
	}
}

// Lock is a lock between processes. It ends with the process that holds it.
type Lock struct{ f *os.File }

// TryLock takes the lock of that name, or returns ErrBusy.
func (d Dir) TryLock(name string) (*Lock, error) {
	f, err := OpenExclusive(d.Join(name))
	if noDirectory(err) {
		return nil, ErrNoPlace
	}
	if err != nil {
		return nil, err
	}
	return &Lock{f}, nil
}

// WaitLock takes the lock of that name, trying until ctx ends.
func (d Dir) WaitLock(ctx context.Context, name string) (*Lock, error) {
	// The holders work for milliseconds at most, so polling is as good as queueing and
	// can be given up.
	const poll = 5 * time.Millisecond
	for {
		lock, err := d.TryLock(name)
		if !errors.Is(err, ErrBusy) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, ErrBusy
		case <-time.After(poll):
		}
	}
}

// WaitLockIfAny is WaitLock where work has to be done also on file systems without locks:
// there it returns no lock and no error.
func (d Dir) WaitLockIfAny(ctx context.Context, name string) (*Lock, error) {
	lock, err := d.WaitLock(ctx, name)
	if errors.Is(err, ErrNoLocks) {
		return nil, nil
	}
	return lock, err
}

// SpoiltLocks returns, of each lock that no process can take because something else has its name,
// what that is.
func (d Dir) SpoiltLocks() (spoilt []error) {
	entries, _ := os.ReadDir(d.path)
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".lock") {
			continue
		}
		f, err := Open(d.Join(entry.Name()))
		if err == nil {
			f.Close()
		} else if errors.Is(err, ErrUnsafe) || errors.Is(err, ErrForeign) {
			spoilt = append(spoilt, err)
		}
	}
	return spoilt
}

// Gone reports whether the lock's file has no name any more, so that another process can take the
// lock beside this one. See Unlinked.
func (l *Lock) Gone() bool { return l != nil && Unlinked(l.f) }

// Began is when the lock's file was made, zero where that is not known. Another file in its place has
// another time.
func (l *Lock) Began() time.Time {
	if l == nil {
		return time.Time{}
	}
	info, err := l.f.Stat()
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// Unlock releases the lock, if there is one.
func (l *Lock) Unlock() {
	if l != nil {
		_ = CloseExclusive(l.f)
	}
}
