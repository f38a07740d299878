//go:build unix

package state_test

import (
	"syscall"
	"testing"

	"github.com/gotoolbase/telemetry/core/internal/state"
)

// A process that another goroutine is just starting has a copy of every file for a
// moment. It must not keep the lock.
func TestALockEndsThoughACopyOfItsFileIsOpen(t *testing.T) {
	t.Parallel()
	dir := state.At(t.TempDir())
	f, err := state.OpenExclusive(dir.Join("slot"))
	if err != nil {
		t.Fatal(err)
	}
	twin, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(twin) //nolint:errcheck // nothing was written
	if err := state.CloseExclusive(f); err != nil {
		t.Fatal(err)
	}
	lock, err := dir.TryLock("slot")
	if err != nil {
		t.Fatal(err)
	}
	lock.Unlock()
}
