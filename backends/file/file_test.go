//go:build !plan9

package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
)

func event(id string) driver.Event { return driver.Event{ID: id, Name: "line\nbreak"} }

func line(id string) string {
	e := event(id)
	return string(e.AppendJSON(nil)) + "\n"
}

func open(t *testing.T, cfg driver.Config) driver.Backend {
	t.Helper()
	b, err := Driver().Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func send(t *testing.T, b driver.Backend, ids ...string) {
	t.Helper()
	if err := trySend(t, b, ids...); err != nil {
		t.Fatal(err)
	}
}

func trySend(t *testing.T, b driver.Backend, ids ...string) error {
	t.Helper()
	events := make([]driver.Event, len(ids))
	for i, id := range ids {
		events[i] = event(id)
	}
	return b.Send(t.Context(), events)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestEventsAreAppendedOneALine(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state", "mytool")
	b := open(t, driver.Config{Dir: dir})
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open touched the directory: %v", err)
	}
	send(t, b, "1", "2")
	send(t, b, "3")
	send(t, open(t, driver.Config{Dir: dir}), "4")
	path := filepath.Join(dir, "events.ndjson")
	if got, want := read(t, path), line("1")+line("2")+line("3")+line("4"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if runtime.GOOS == "windows" {
		return // has no such modes
	}
	for path, want := range map[string]fs.FileMode{path: 0o600, dir: 0o700 | fs.ModeDir, filepath.Dir(dir): 0o700 | fs.ModeDir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("mode %v, %v, want %v", info.Mode(), err, want)
		}
	}
}

func TestThePathSettingWinsAndIsAbsolute(t *testing.T) {
	t.Parallel()
	d := Driver()
	if d.Name != "file" || !d.Local || d.Hosts != nil {
		t.Errorf("driver %+v", d)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "deep", "own.log")
	settings, err := d.Resolve(map[string]string{"path": path})
	if err != nil {
		t.Fatal(err)
	}
	send(t, open(t, driver.Config{Dir: filepath.Join(dir, "unused"), Settings: settings}), "1")
	if got := read(t, path); got != line("1") {
		t.Errorf("got %s", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "unused")); err == nil {
		t.Error("the tool's directory was made all the same")
	}
	for _, relative := range []string{"c4n4ry.log", "./c4n4ry.log", "../c4n4ry.log", "~/c4n4ry.log"} {
		_, err := d.Resolve(map[string]string{"path": relative})
		var config *driver.ConfigError
		if !errors.As(err, &config) || !strings.Contains(config.Problem, "absolute") || strings.Contains(err.Error(), "c4n4ry") {
			t.Errorf("%s: got %v", relative, err)
		}
	}
}

func TestWithoutPathAndDirectoryOpenFails(t *testing.T) {
	t.Parallel()
	_, err := Driver().Open(driver.Config{})
	var config *driver.ConfigError
	if !errors.As(err, &config) || config.Field != "Telemetry.Settings[path]" {
		t.Errorf("got %v", err)
	}
}

func TestNothingIsWrittenForNothingOrAfterTheEnd(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	b := open(t, driver.Config{Dir: dir})
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Send(done, nil); err != nil {
		t.Errorf("no events: %v", err)
	}
	if err := b.Send(done, []driver.Event{event("1")}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory was made: %v", err)
	}
	for range 2 {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

func TestATornLineIsEndedFirst(t *testing.T) {
	t.Parallel()
	for before, want := range map[string]string{
		"":              line("1"),
		"\n":            "\n" + line("1"),
		line("0"):       line("0") + line("1"),
		`{"id":"torn"`:  `{"id":"torn"` + "\n" + line("1"),
		line("0") + "{": line("0") + "{\n" + line("1"),
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "events.ndjson")
		write(t, path, before)
		send(t, open(t, driver.Config{Dir: dir}), "1")
		if got := read(t, path); got != want {
			t.Errorf("after %q: got %q, want %q", before, got, want)
		}
	}
}

func TestAFullFileIsMovedAndReplacesTheOlder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "events.ndjson")
	full := func(c string) string { return strings.Repeat(c, 10<<20-1) + "\n" }
	b := open(t, driver.Config{Dir: dir})

	write(t, path, full("a"))
	send(t, b, "1")
	if read(t, path) != line("1") || read(t, path+".1") != full("a") {
		t.Error("the full file was not moved")
	}
	write(t, path, full("b"))
	send(t, b, "2")
	send(t, b, "3")
	if read(t, path) != line("2")+line("3") || read(t, path+".1") != full("b") {
		t.Error("the older half was not replaced")
	}
	if names, _ := os.ReadDir(dir); len(names) != 2 {
		t.Errorf("%d files", len(names))
	}
}

func TestTheFileNeverExceedsTenMiB(t *testing.T) {
	t.Parallel()
	for _, room := range []int{-1, 0, 1} {
		dir := t.TempDir()
		path := filepath.Join(dir, "events.ndjson")
		// One more byte is kept for the end of a torn line.
		write(t, path, strings.Repeat("x", 10<<20-len(line("1"))-2-room)+"\n")
		send(t, open(t, driver.Config{Dir: dir}), "1")
		info, err := os.Stat(path)
		if err != nil || info.Size() > 10<<20 {
			t.Errorf("room %d: %v, %v", room, info, err)
		}
		if _, err := os.Stat(path + ".1"); (err == nil) != (room < 0) {
			t.Errorf("room %d: moved away: %v", room, err == nil)
		}
	}
}

func TestWhatIsNotARegularFileIsRefused(t *testing.T) {
	t.Parallel()
	const secret = "c4n4ry"
	for name, plant := range map[string]func(path, victim string) error{
		"link to a file":   func(path, victim string) error { return os.Symlink(victim, path) },
		"link to nothing":  func(path, victim string) error { return os.Symlink(victim+"2", path) },
		"directory":        func(path, _ string) error { return os.Mkdir(path, 0o700) },
		"link to a device": func(path, _ string) error { return os.Symlink(os.DevNull, path) },
		"pipe":             func(path, _ string) error { return exec.Command("mkfifo", path).Run() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), secret)
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			path, victim := filepath.Join(dir, "events.ndjson"), filepath.Join(dir, "victim")
			write(t, victim, "untouched")
			if err := plant(path, victim); err != nil {
				t.Skipf("cannot be made here: %v", err)
			}
			err := trySend(t, open(t, driver.Config{Dir: dir}), "1")
			if driver.Classify(err) != driver.ClassUnknown || !strings.Contains(err.Error(), "set another path") {
				t.Errorf("got %v", err)
			}
			if strings.Contains(fmt.Sprint(err), secret) {
				t.Errorf("%v names the path", err)
			}
			if got := read(t, victim); got != "untouched" {
				t.Errorf("the link's target is now %q", got)
			}
			if _, err := os.Stat(victim + "2"); err == nil {
				t.Error("the link's target was made")
			}
		})
	}
}

func TestErrorsNameNoPath(t *testing.T) {
	t.Parallel()
	const secret = "c4n4ry"
	for name, plant := range map[string]func(dir string) error{
		"file for a directory": func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
		"older half is a directory": func(dir string) error {
			if err := os.MkdirAll(filepath.Join(dir, "events.ndjson.1", "x"), 0o700); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, "events.ndjson"), make([]byte, 10<<20), 0o600)
		},
		"name too long": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), secret)
			if plant == nil {
				dir = filepath.Join(dir, strings.Repeat("x", 300))
			} else if err := plant(dir); err != nil {
				t.Fatal(err)
			}
			err := trySend(t, open(t, driver.Config{Dir: dir}), "1")
			if driver.Classify(err) != driver.ClassUnknown {
				t.Errorf("got %v", err)
			}
			for ; err != nil; err = errors.Unwrap(err) {
				if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
					t.Errorf("%#v names the path", err)
				}
			}
		})
	}
}

// disk is a file on a disk that has room for so many bytes more.
type disk struct {
	fs.FileInfo
	text     []byte
	room     int
	others   string // what another process appends after a failed write
	writes   int
	cutFails bool
}

func (d *disk) Stat() (fs.FileInfo, error) { return d, nil }
func (d *disk) Size() int64                { return int64(len(d.text)) }

func (d *disk) ReadAt(p []byte, off int64) (int, error) { return copy(p, d.text[off:]), nil }

func (d *disk) Write(p []byte) (int, error) {
	d.writes++
	if len(p) <= d.room {
		d.text = append(d.text, p...)
		return len(p), nil
	}
	d.text = append(append(d.text, p[:d.room]...), d.others...)
	return d.room, &fs.PathError{Op: "write", Path: "/home/c4n4ry", Err: syscall.ENOSPC}
}

func (d *disk) Truncate(size int64) error {
	if d.cutFails {
		return &fs.PathError{Op: "truncate", Path: "/home/c4n4ry", Err: syscall.EPERM}
	}
	d.text = d.text[:size]
	return nil
}

func TestAHalfWrittenBatchIsTakenBack(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		disk disk
		want string
		err  error
	}{
		{"room for all", disk{text: []byte("old\n"), room: 100}, "old\nnew1\nnew2\n", nil},
		{"room for half", disk{text: []byte("old\n"), room: 7}, "old\n", syscall.ENOSPC},
		{"room for half after a torn line", disk{text: []byte("to"), room: 7}, "to", syscall.ENOSPC},
		{"room for nothing", disk{text: []byte("old\n")}, "old\n", syscall.ENOSPC},
		{"somebody else appended", disk{text: []byte("old\n"), room: 3, others: "\nother\n"}, "old\nnew\nother\n", syscall.ENOSPC},
		{"cannot be taken back", disk{text: []byte("old\n"), room: 3, cutFails: true}, "old\nnew", syscall.ENOSPC},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := appendLines(&tt.disk, []byte("\nnew1\nnew2\n"))
			if !errors.Is(err, tt.err) || string(tt.disk.text) != tt.want || tt.disk.writes != 1 {
				t.Errorf("got %v, %q after %d writes, want %v, %q", err, tt.disk.text, tt.disk.writes, tt.err, tt.want)
			}
			if err != nil && strings.Contains(pathless(err).Error(), "c4n4ry") {
				t.Errorf("%v names the path", pathless(err))
			}
		})
	}
}

func TestGoroutinesAndBackendsDoNotMixTheirLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	shared := open(t, driver.Config{Dir: dir})
	var all sync.WaitGroup
	for i := range 8 {
		b := shared
		if i%2 == 0 {
			b = open(t, driver.Config{Dir: dir})
		}
		all.Go(func() {
			for j := range 25 {
				if err := trySend(t, b, fmt.Sprint(i, " ", j, " a"), fmt.Sprint(i, " ", j, " b")); err != nil {
					t.Error(err)
				}
			}
			b.Close()
		})
	}
	all.Wait()
	checkLines(t, filepath.Join(dir, "events.ndjson"), 8, 25)
}

func TestTheFirstBatchesMayComeAtTheSameInstant(t *testing.T) {
	t.Parallel()
	for range 100 {
		dir := filepath.Join(t.TempDir(), "state")
		start := make(chan struct{})
		var all sync.WaitGroup
		for i := range 4 {
			b := open(t, driver.Config{Dir: dir})
			all.Go(func() {
				<-start
				if err := trySend(t, b, fmt.Sprint(i, " 0 a"), fmt.Sprint(i, " 0 b")); err != nil {
					t.Error(err)
				}
			})
		}
		close(start)
		all.Wait()
		checkLines(t, filepath.Join(dir, "events.ndjson"), 4, 1)
	}
}

// checkLines looks for every line of n writers exactly once, and no other.
func checkLines(t *testing.T, path string, writers, batches int) {
	t.Helper()
	seen := map[string]int{}
	for l := range strings.Lines(read(t, path)) {
		seen[l]++
	}
	for i := range writers {
		for j := range batches {
			for _, part := range []string{" a", " b"} {
				l := line(fmt.Sprint(i, " ", j, part))
				if seen[l] != 1 {
					t.Errorf("%d times: %s", seen[l], l)
				}
				delete(seen, l)
			}
		}
	}
	delete(seen, "\n") // race 3 of the package comment
	for l := range seen {
		t.Errorf("strange line %q", l)
	}
}

// Processes are tested with processes: this test binary, running TestWriterChild.
func TestProcessesDoNotMixTheirLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWriterChild$")
			cmd.Env = append(os.Environ(), "FILE_CHILD_DIR="+dir, fmt.Sprint("FILE_CHILD_NUMBER=", i))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, bytes.TrimSpace(out))
			}
		})
	}
	all.Wait()
	checkLines(t, filepath.Join(dir, "events.ndjson"), 4, 50)
}

func TestWriterChild(t *testing.T) {
	dir := os.Getenv("FILE_CHILD_DIR")
	if dir == "" {
		t.Skip("runs in a process of TestProcessesDoNotMixTheirLines only")
	}
	b := open(t, driver.Config{Dir: dir})
	for j := range 50 {
		id := fmt.Sprint(os.Getenv("FILE_CHILD_NUMBER"), " ", j)
		send(t, b, id+" a", id+" b")
	}
}
