//go:build unix

package delivery_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
)

// files lets this process open no more files until it is called with true.
func files(t *testing.T) func(may bool) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	return func(may bool) {
		now := limit
		if !may {
			now.Cur = 0
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
			t.Error(err)
		}
	}
}

// alone runs a test in a process of its own, since it takes from the whole process. It is true
// there.
func alone(t *testing.T) bool {
	t.Helper()
	const variable = "TELEMETRY_TEST_ALONE"
	if os.Getenv(variable) == t.Name() {
		return true
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), variable+"="+t.Name())
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// delivered makes a fixture whose notes say that three events were delivered.
func delivered(t *testing.T) (f *fixture, notes string) {
	f = newFixture(t, 3)
	f.mustRun(3, 0)
	data, err := os.ReadFile(filepath.Join(f.sender.Dir.Path(), "delivery"))
	if err != nil {
		t.Fatal(err)
	}
	return f, string(data)
}

// wantNotes looks for notes as they were, and nothing set aside.
func (f *fixture) wantNotes(want string) {
	f.Helper()
	dir := f.sender.Dir.Path()
	if data, err := os.ReadFile(filepath.Join(dir, "delivery")); err != nil || string(data) != want {
		f.Errorf("the notes are %q, %v; want %q", data, err, want)
	}
	if aside, _ := filepath.Glob(filepath.Join(dir, "delivery?*")); len(aside) > 0 {
		f.Errorf("set aside: %v", aside)
	}
}

func TestNotesThatCannotBeReadForAMomentAreNotTakenForDamaged(t *testing.T) {
	t.Parallel()
	if !alone(t) {
		return
	}
	f, before := delivered(t)
	f.track(3, 5)
	may := files(t)
	clock := f.sender.Now
	f.sender.Daily = true // so that it asks for the time between the lock and the notes
	f.sender.Now = func() time.Time {
		may(false)
		return clock()
	}
	r, err := f.run()
	may(true)
	f.sender.Daily, f.sender.Now = false, clock
	if !errors.Is(err, syscall.EMFILE) || len(f.vendor.attempts) != 1 {
		t.Errorf("%+v, %v, %d attempts", r, err, len(f.vendor.attempts))
	}
	f.wantNotes(before)
	f.now = f.now.Add(time.Hour)
	f.mustRun(2, 0)
	if notes := delivery.ReadNotes(f.sender.Dir); notes.Delivered != 5 {
		t.Errorf("%d were delivered, want 5", notes.Delivered)
	}
}

func TestNotesThatCannotBeReadForAMomentAreNotReplaced(t *testing.T) {
	t.Parallel()
	if !alone(t) {
		return
	}
	f, before := delivered(t)
	may := files(t)
	f.vendor.answer = func([]driver.Event) error {
		may(false)
		return nil
	}
	clock := func() time.Time {
		may(true) // it asks for the time between reading the notes and writing them
		return f.now
	}
	_, err := delivery.Unqueued(t.Context(), f.sender.Dir, clock, []driver.Event{{ID: id(9)}}, driver.Driver{},
		func() (driver.Backend, error) { return f.vendor, nil })
	if err != nil {
		t.Error(err)
	}
	f.wantNotes(before)
}
