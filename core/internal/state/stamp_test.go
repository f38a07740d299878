package state_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
)

// longAgo makes a file one that did not change lately.
func longAgo(t *testing.T, path string) {
	t.Helper()
	at := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestAStampChangesWithTheFileAndOnlyThen(t *testing.T) {
	t.Parallel()
	dir := state.At(t.TempDir())
	if got := dir.Stamp("f"); got != (state.Stamp{}) {
		t.Errorf("a file that is not there has the stamp %v", got)
	}
	write := func(content string) state.Stamp {
		t.Helper()
		if err := dir.WriteFile("f", []byte(content)); err != nil {
			t.Fatal(err)
		}
		longAgo(t, dir.Join("f"))
		return dir.Stamp("f")
	}
	first := write("yes")
	if first == (state.Stamp{}) || !dir.Stamp("f").Same(first) {
		t.Errorf("%v, then %v, and nothing changed", first, dir.Stamp("f"))
	}
	if got := write("longer"); got == first {
		t.Error("another size has the same stamp")
	}
	first = dir.Stamp("f")
	now := time.Now().Add(-time.Minute)
	if err := os.Chtimes(dir.Join("f"), now, now); err != nil {
		t.Fatal(err)
	}
	if got := dir.Stamp("f"); got.Same(first) {
		t.Error("another time has the same stamp")
	}
	if err := dir.Remove("f"); err != nil {
		t.Fatal(err)
	}
	if got := dir.Stamp("f"); got != (state.Stamp{}) {
		t.Errorf("a file that was removed has the stamp %v", got)
	}
}

func TestAFileReplacedByItsTwinHasAnotherStamp(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("a name does not tell the number of its file there")
	}
	dir := state.At(t.TempDir())
	var stamps []state.Stamp
	at := time.Now().Add(-time.Hour)
	for range 2 {
		if err := dir.WriteFile("f", []byte("same")); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(dir.Join("f"), at, at); err != nil {
			t.Fatal(err)
		}
		stamps = append(stamps, dir.Stamp("f"))
	}
	if stamps[0] == stamps[1] {
		t.Error("two files with the same content and time have the same stamp")
	}
}

// Within one tick of the clock a file can change, be looked at, and change again.
func TestTheStampOfAFileThatJustChangedProvesNothing(t *testing.T) {
	t.Parallel()
	dir := state.At(t.TempDir())
	if err := dir.WriteFile("f", []byte("yes")); err != nil {
		t.Fatal(err)
	}
	ahead := time.Now().Add(time.Hour) // written by a clock that was turned back since
	if err := os.Chtimes(dir.Join("f"), ahead, ahead); err != nil {
		t.Fatal(err)
	}
	if first, second := dir.Stamp("f"), dir.Stamp("f"); first.Same(second) {
		t.Errorf("%v is the same as the next", first)
	}
}

func TestAnOpenFileKnowsThatItsNameIsGone(t *testing.T) { // not parallel: it counts allocations
	path := filepath.Join(t.TempDir(), "slot")
	f, err := state.OpenExclusive(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = state.CloseExclusive(f) }()
	if state.Unlinked(f) {
		t.Error("the file is there and counts as gone")
	}
	if allocs := testing.AllocsPerRun(100, func() { state.Unlinked(f) }); allocs != 0 && runtime.GOOS != "windows" {
		t.Errorf("looking allocates %v times", allocs)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if !state.Unlinked(f) {
		t.Error("the file is gone and nothing shows it")
	}
	if again, err := state.OpenExclusive(path); err != nil || state.Unlinked(again) || !state.Unlinked(f) {
		t.Errorf("a new file of that name (%v) is taken for the old one", err)
	} else {
		_ = state.CloseExclusive(again)
	}
}
