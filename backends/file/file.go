// Package file is the backend that keeps events on this machine: the canonical JSON of
// [driver.Event], one event a line (NDJSON, https://github.com/ndjson/ndjson-spec),
// appended to one file. Tool authors name it "file"; people who choose to see their
// telemetry rather than send it get it too. Nothing leaves the machine.
//
// # Size
//
// A file that would exceed 10 MiB is first renamed to <name>.1, which replaces the one
// before. So the two together take at most 20 MiB, about 50 000 events: a log that
// no person asked to see must never be what fills a disk, and the older half goes first.
//
// # Several at once
//
// Goroutines take turns. Processes may append at the same time, since every batch is
// one write to the end of the file. Three races between processes are accepted, because
// a lock could leave a command waiting:
//
//  1. Both find the file full at the same instant. The second to rename it moves the
//     new file over the old half, which is lost one rotation early.
//  2. The disk fills up in the middle of a batch and, between the look at the file's
//     size and the cut that takes the half batch back, another process appends. Its
//     batch is cut off as well.
//  3. One sees the other's write half done and takes it for a torn line. An empty line
//     appears between the two.
//
// Written data is left to the operating system: it survives the end of the process,
// not a power failure.
package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/gotoolbase/telemetry/core/driver"
)

const (
	// maxFile is the greatest size of one of the two files: enough to look back over
	// months, small enough to open in an editor.
	maxFile = 10 << 20
	// maxBatch bounds one write, so that a batch always fits into a file and the memory
	// for it stays small.
	maxBatch = 1 << 20
)

// LogName is the name of the file in the tool's own directory.
const LogName = "events.ndjson"

// Driver returns the driver "file".
func Driver() driver.Driver {
	return driver.Driver{
		Name: "file",
		Doc:  "appends events to a file on this machine, one JSON object a line",
		Settings: []driver.Setting{{
			Name: "path",
			Doc:  "absolute path of the file; events.ndjson in the tool's own directory if not set",
			Check: func(value string) error {
				if !filepath.IsAbs(value) {
					return errors.New("not an absolute path: begin at the root, so that the file is the same wherever the tool is run")
				}
				return nil
			},
		}},
		Limits: driver.Limits{Bytes: maxBatch},
		Local:  true,
		Check:  check,
		Open: func(cfg driver.Config) (driver.Backend, error) {
			if err := check(cfg); err != nil {
				return nil, err
			}
			path := cfg.Settings["path"]
			if path == "" {
				path = filepath.Join(cfg.Dir, LogName)
			}
			return &backend{path: path}, nil
		},
	}
}

func check(cfg driver.Config) error {
	if cfg.Settings["path"] == "" && cfg.Dir == "" {
		return driver.SettingError("path", "required where the tool has no directory of its own: set an absolute path")
	}
	return nil
}

// backend opens the file for each batch: another process may have renamed it since.
type backend struct {
	path string
	mu   sync.Mutex // held while the file is open
}

// Send appends the batch with one write.
func (b *backend) Send(ctx context.Context, events []driver.Event) error {
	if len(events) == 0 {
		return nil
	}
	// The first byte is kept for ending a line that a crash has torn.
	lines := []byte{'\n'}
	for i := range events {
		lines = append(events[i].AppendJSON(lines), '\n')
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("file backend: %w", err)
	}
	f, err := b.open(int64(len(lines)))
	if err != nil {
		return fmt.Errorf("file backend: cannot open the log: %w", pathless(err))
	}
	err = appendLines(f, lines)
	// Some file systems (NFS) report a full disk only now.
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("file backend: cannot write the log: %w", pathless(err))
	}
	return nil
}

func (b *backend) Close() error { return nil }

var (
	errNotRegular = errors.New("it is not a regular file (a link, perhaps): remove it or set another path")
	errReplaced   = errors.New("it was replaced at the same moment")
)

// open opens the file for appending n bytes, after moving a full one away. It never
// follows a link and never opens a device or pipe: in a directory that others can
// write to, they would choose where events go.
func (b *backend) open(n int64) (*os.File, error) {
	// Read access is for looking at the last byte.
	const flags = os.O_RDWR | os.O_APPEND
	var f *os.File
	before, err := os.Lstat(b.path)
	if err == nil && before.Mode().IsRegular() && before.Size() > 0 && before.Size()+n > maxFile {
		if err = os.Rename(b.path, b.path+".1"); err == nil {
			err = fs.ErrNotExist
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(b.path), 0o700); err != nil {
			return nil, err
		}
		// O_EXCL makes a new file or none: it does not follow a link either.
		f, err = os.OpenFile(b.path, flags|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
		// Another process was faster, or a link leads nowhere.
		before, err = os.Lstat(b.path)
	}
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, errNotRegular
	}
	if f, err = os.OpenFile(b.path, flags, 0); err != nil {
		return nil, err
	}
	// What was opened must be what was looked at.
	if opened, err := f.Stat(); err != nil || !os.SameFile(before, opened) {
		f.Close()
		return nil, errReplaced
	}
	return f, nil
}

// target is what appendLines needs of an *os.File.
type target interface {
	Stat() (fs.FileInfo, error)
	ReadAt(p []byte, off int64) (int, error)
	Write(p []byte) (int, error)
	Truncate(size int64) error
}

// appendLines writes lines, which begins with a line break for the case that the file
// ends in the middle of a line. A write that fails half-way is taken back: the batch
// comes again, and half of it would be there twice. (Windows does not let go of bytes
// in a file opened for appending. There the torn line is ended by the next batch.)
func appendLines(f target, lines []byte) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	last := []byte{'\n'}
	if size > 0 {
		if _, err := f.ReadAt(last, size-1); err != nil {
			return err
		}
	}
	if last[0] == '\n' {
		lines = lines[1:]
	}
	n, err := f.Write(lines)
	if err == nil {
		return nil
	}
	// If the size is another one, another program has written, and is not to be cut off.
	if info, serr := f.Stat(); n > 0 && serr == nil && info.Size() == size+int64(n) {
		if terr := f.Truncate(size); terr != nil {
			return fmt.Errorf("%w; what was written could not be taken back", pathless(err))
		}
	}
	return err
}

// pathless returns what went wrong without the path it went wrong with, which holds
// the user's name.
func pathless(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	if link, ok := errors.AsType[*os.LinkError](err); ok {
		return link.Err
	}
	return err
}
