package state_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

func env(pairs map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, set := pairs[name]
		return value, set
	}
}

func TestTheDirectoryIsInTheUsersOwnStateDirectory(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		t.Skip("the paths below are those of other systems")
	}
	for name, c := range map[string]struct {
		env  map[string]string
		want string
		err  error
	}{
		"home":                     {env: map[string]string{"HOME": "/h"}, want: "/h/.local/state/tool/telemetry"},
		"XDG":                      {env: map[string]string{"HOME": "/h", "XDG_STATE_HOME": "/x"}, want: "/x/tool/telemetry"},
		"relative XDG is ignored":  {env: map[string]string{"HOME": "/h", "XDG_STATE_HOME": "x"}, want: "/h/.local/state/tool/telemetry"},
		"relative home is no home": {env: map[string]string{"HOME": "."}, err: state.ErrNoHome},
		"nothing":                  {err: state.ErrNoHome},
		"never the shared temp":    {env: map[string]string{"TMPDIR": "/tmp"}, err: state.ErrNoHome},
	} {
		got, err := state.Locate("tool", env(c.env))
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v; want %q, %v", name, got, err, c.want, c.err)
		}
	}
}

func TestCreateMakesAPrivateDirectoryOnce(t *testing.T) {
	t.Parallel()
	dir := state.At(filepath.Join(t.TempDir(), "a", "b"))
	if err := dir.Check(); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Check of a missing directory: %v", err)
	}
	for range 2 {
		if err := dir.Create(); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{dir.Path(), filepath.Dir(dir.Path())} {
		if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
			t.Errorf("%v, %v; want mode 0700", info.Mode(), err)
		}
	}
}

func TestAnUnsafeDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links and modes are not for everyone on Windows")
	}
	parent := t.TempDir()
	make := func(name string, f func(path string) error) state.Dir {
		path := filepath.Join(parent, name)
		if err := f(path); err != nil {
			t.Fatal(err)
		}
		return state.At(path)
	}
	for name, dir := range map[string]state.Dir{
		"a symbolic link":       make("link", func(p string) error { return os.Symlink(t.TempDir(), p) }),
		"a dangling link":       make("dangling", func(p string) error { return os.Symlink("/nowhere/at/all", p) }),
		"a plain file":          make("file", func(p string) error { return os.WriteFile(p, nil, 0o600) }),
		"writable by others":    make("open", func(p string) error { return errors.Join(os.Mkdir(p, 0o700), os.Chmod(p, 0o777)) }),
		"writable by the group": make("group", func(p string) error { return errors.Join(os.Mkdir(p, 0o700), os.Chmod(p, 0o770)) }),
	} {
		if err := dir.Check(); !errors.Is(err, state.ErrUnsafe) {
			t.Errorf("%s: Check says %v", name, err)
		}
		if err := dir.Create(); !errors.Is(err, state.ErrUnsafe) {
			t.Errorf("%s: Create says %v", name, err)
		}
	}
}

func TestADirectoryOfAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" || os.Geteuid() != 0 {
		t.Skip("needs root, to give a directory away")
	}
	home := t.TempDir()
	if err := os.Chown(home, 4242, 4242); err != nil {
		t.Fatal(err)
	}
	// As under sudo with the caller's HOME: nothing is made in it.
	dir := state.At(filepath.Join(home, ".local", "state", "tool", "telemetry"))
	if err := dir.Create(); !errors.Is(err, state.ErrForeign) {
		t.Errorf("Create in a foreign home says %v", err)
	}
	if entries, _ := os.ReadDir(home); len(entries) != 0 {
		t.Errorf("it left %v in a foreign home", entries)
	}
	if err := state.At(home).Check(); !errors.Is(err, state.ErrForeign) {
		t.Errorf("Check of a foreign directory says %v", err)
	}
}

func TestFilesThatCannotBeOursAreRefused(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links and modes are not for everyone on Windows")
	}
	dir := state.At(t.TempDir())
	secret := filepath.Join(t.TempDir(), "elsewhere")
	err := errors.Join(
		os.WriteFile(secret, []byte("x"), 0o600),
		os.Symlink(secret, dir.Join("link")),
		os.WriteFile(dir.Join("open"), []byte("x"), 0o600), os.Chmod(dir.Join("open"), 0o666),
		os.Mkdir(dir.Join("dir"), 0o700),
		os.WriteFile(dir.Join("huge"), make([]byte, 1<<20), 0o600),
		os.WriteFile(dir.Join("twin"), []byte("x"), 0o600), os.Link(dir.Join("twin"), dir.Join("twin2")),
	)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{
		"link": state.ErrUnsafe, "open": state.ErrUnsafe, "dir": state.ErrUnsafe, "huge": state.ErrCorrupt, "missing": fs.ErrNotExist,
	} {
		if _, err := dir.ReadFile(name); !errors.Is(err, want) {
			t.Errorf("ReadFile of %s: %v, want %v", name, err, want)
		}
	}
	for _, name := range []string{"link", "open", "twin"} {
		if f, err := state.OpenExclusive(dir.Join(name)); !errors.Is(err, state.ErrUnsafe) {
			t.Errorf("OpenExclusive of %s: %v, %v", name, f, err)
		}
	}
}

func TestErrorsHoldNoPath(t *testing.T) {
	t.Parallel()
	dir := state.At(filepath.Join(t.TempDir(), "canary-dir"))
	_, readErr := dir.ReadFile("canary-file")
	_, lockErr := dir.TryLock("canary-lock")
	for _, err := range []error{dir.Check(), readErr, lockErr, dir.WriteFile("canary-file", nil), dir.Rename("canary-a", "canary-b")} {
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v", err)
		}
	}
}

func TestWriteFileReplacesAsAWholeAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir := state.At(t.TempDir())
	for _, want := range []string{"first", "second, which is longer", ""} {
		if err := dir.WriteFile("f", []byte(want)); err != nil {
			t.Fatal(err)
		}
		if got, err := dir.ReadFile("f"); err != nil || string(got) != want {
			t.Errorf("read %q, %v; want %q", got, err, want)
		}
	}
	entries, err := os.ReadDir(dir.Path())
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v; want the file alone", entries, err)
	}
	if info, err := os.Stat(dir.Join("f")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want mode 0600", info.Mode(), err)
	}
}

// Windows lets nobody replace or delete a file that others have open, unless they allow it.
func TestAFileIsReplacedAndRemovedWhileOthersLookAtIt(t *testing.T) {
	t.Parallel()
	dir := state.At(t.TempDir())
	looks := []func(){
		func() { _, _ = dir.ReadFile("f") }, // there may be none
		func() { // as a virus scanner does, and any program of Go
			if f, err := os.Open(dir.Join("f")); err == nil {
				f.Close()
			}
		},
	}
	changes := map[string]func() error{
		"replaced": func() error { return dir.WriteFile("f", []byte("content")) },
		"emptied":  func() error { return dir.Empty("f") },
		"removed":  func() error { return dir.Remove("f") },
		"renamed": func() error {
			return errors.Join(dir.WriteFile("g", nil), dir.Rename("g", "f"))
		},
	}
	for range 50 {
		for name, change := range changes {
			var all sync.WaitGroup
			for _, look := range looks {
				all.Go(func() {
					for range 3 {
						look()
					}
				})
			}
			if err := change(); err != nil {
				t.Errorf("it could not be %s: %v", name, err)
			}
			all.Wait()
		}
	}
}

func TestALockKeepsOthersOutUntilItIsReleased(t *testing.T) {
	t.Parallel()
	dir := state.At(t.TempDir())
	lock, err := dir.TryLock("lock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dir.TryLock("lock"); !errors.Is(err, state.ErrBusy) {
		t.Fatalf("the second TryLock says %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dir.WaitLock(ctx, "lock"); !errors.Is(err, state.ErrBusy) {
		t.Fatalf("WaitLock of a context that is over says %v", err)
	}
	time.AfterFunc(10*time.Millisecond, lock.Unlock)
	again, err := dir.WaitLock(t.Context(), "lock")
	if err != nil {
		t.Fatal(err)
	}
	again.Unlock()
}

func TestWhatAnotherHoldsMayBeWritten(t *testing.T) {
	t.Parallel()
	dir := state.At(t.TempDir())
	lock, err := dir.TryLock("log")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	if err := dir.MayWrite("log"); err != nil {
		t.Error(err)
	}
}

func TestARecordReadsBackAndShowsDamage(t *testing.T) {
	t.Parallel()
	record := state.Record{"a": "1", "b": "two words = fine", "empty": ""}
	whole := record.Encode()
	got, err := state.ParseRecord(whole)
	if err != nil || len(got) != 3 || got["b"] != record["b"] {
		t.Fatalf("%v, %v", got, err)
	}
	for i := range whole {
		if got, err := state.ParseRecord(whole[:i]); err == nil {
			t.Errorf("accepted the first %d of %d bytes as %v", i, len(whole), got)
		}
	}
	for _, damaged := range []string{
		"", "noise", string(whole) + "x", "format=2\n.\n", "format=1\na\n.\n", "format=1\n=x\n.\n",
		"format=1\na=1\na=2\n.\n", "format=1\na=\x00\n.\n", "format=1\r\na=1\r\n.\r\n",
	} {
		if got, err := state.ParseRecord([]byte(damaged)); !errors.Is(err, state.ErrCorrupt) {
			t.Errorf("%q: %v, %v", damaged, got, err)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add(state.Record{"answer": "yes", "notice": "1"}.Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		// A line of three bytes is a header of 16 and an entry of two maps, which double.
		fuzzing.Allocs(t, len(data), 4<<10, 128, func() { _, _ = state.ParseRecord(data) })
		r, err := state.ParseRecord(data)
		if err != nil {
			return
		}
		again, err := state.ParseRecord(r.Encode())
		if err != nil || !bytes.Equal(again.Encode(), r.Encode()) {
			t.Errorf("%v does not survive: %v, %v", r, again, err)
		}
	})
}

func TestAFlippedBitInARecordIsNoticedWhereverItIs(t *testing.T) {
	t.Parallel()
	whole := state.Record{"answer": "yes", "notice": "3", "empty": "", "at": "2026-11-25T10:00:00Z"}.Encode()
	for i := range len(whole) * 8 {
		damaged := bytes.Clone(whole)
		damaged[i/8] ^= 1 << (i % 8)
		if r, err := state.ParseRecord(damaged); !errors.Is(err, state.ErrCorrupt) {
			t.Errorf("bit %d of byte %d: %v, %v", i%8, i/8, r, err)
		}
	}
	lines := strings.SplitAfter(string(whole), "\n")
	for i := 1; i < len(lines)-3; i++ {
		without := strings.Join(append(append([]string{}, lines[:i]...), lines[i+1:]...), "")
		if r, err := state.ParseRecord([]byte(without)); !errors.Is(err, state.ErrCorrupt) {
			t.Errorf("without line %q: %v, %v", lines[i], r, err)
		}
	}
}

func TestARecordOfAVersionWithoutChecksumsIsRead(t *testing.T) {
	t.Parallel()
	if r, err := state.ParseRecord([]byte("format=1\nanswer=yes\n.\n")); err != nil || r["answer"] != "yes" {
		t.Errorf("%v, %v", r, err)
	}
}

func TestNothingIsWrittenThatWouldNotBeReadBack(t *testing.T) {
	t.Parallel()
	dir := state.At(t.TempDir())
	for size := 128<<10 - 2; size < 128<<10+3; size++ {
		written := dir.WriteFile("f", make([]byte, size))
		_, read := dir.ReadFile("f")
		if (written == nil) != (size <= 128<<10) || written == nil && read != nil || written != nil && !errors.Is(written, state.ErrTooLarge) {
			t.Errorf("%d bytes: written %v, read %v", size, written, read)
		}
	}
}

func TestDamagedFilesAreKeptUpToAHandful(t *testing.T) {
	t.Parallel()
	dir := state.At(t.TempDir())
	for i := range 12 {
		if err := dir.WriteFile("f", []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		if _, err := dir.SetAside("f"); err != nil {
			t.Fatal(err)
		}
	}
	names := dir.Damaged()
	first, err := dir.ReadFile("f.damaged")
	if len(names) != 9 || err != nil || first[0] != 0 {
		t.Errorf("%v, the first is %v, %v", names, first, err)
	}
}
