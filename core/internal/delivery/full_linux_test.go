package delivery_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/state"
)

// onFullDisk moves a fixture to a disk of its own, queues that many events and fills the
// disk to the last byte, for root alone. The result frees it again.
func onFullDisk(t *testing.T, f *fixture, events int) (free func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount")
	}
	mount := t.TempDir()
	if err := syscall.Mount("telemetry-test", mount, "tmpfs", 0, "mode=0700,size=256k"); err != nil {
		t.Skipf("no mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(mount, 0); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	f.sender.Dir, f.sender.Queue.Dir = state.At(mount), state.At(mount)
	f.track(0, events-1)
	// The last event ends with a page, so that not even a mark fits behind it.
	slot := filepath.Join(mount, "queue", "0000.events2")
	info, err := os.Stat(slot)
	if err != nil {
		t.Fatal(err)
	}
	e := driver.Event{ID: id(events - 1), Type: "feature.used", Name: "x", Time: time.Now().UTC().Truncate(time.Millisecond)}
	if f.folds {
		e.Count = 1
	}
	room := 2*4096 - int(info.Size())%4096
	e.Name = strings.Repeat("x", room-len(e.AppendJSON(nil)))
	w, err := f.sender.Queue.Writer(receipt, room)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Append(append(e.AppendJSON(nil), '\n')), w.Close()); err != nil {
		t.Fatal(err)
	}
	if info, err = os.Stat(slot); err != nil || info.Size()%4096 != 0 {
		t.Fatalf("the slot has %d bytes, %v", info.Size(), err)
	}
	var ballast []string
	for i := 0; ; i++ {
		name := filepath.Join(mount, fmt.Sprint("ballast", i))
		ballast = append(ballast, name)
		if err := os.WriteFile(name, make([]byte, 4096), 0o600); errors.Is(err, syscall.ENOSPC) {
			break
		} else if err != nil || i > 1000 {
			t.Fatalf("filling: %v after %d files", err, i)
		}
	}
	return func() {
		for _, name := range ballast {
			os.Remove(name)
		}
	}
}

func TestAtMostOnceNothingIsSentOrLostWhereItCannotBeMarked(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	f.sender.AtMostOnce = true
	free := onFullDisk(t, f, 8)
	for range 2 {
		if r, err := f.run(); !errors.Is(err, syscall.ENOSPC) || r.Kept != 8 || len(r.Lost) > 0 || len(f.vendor.attempts) > 0 {
			t.Errorf("%+v, %v, %d attempts", r, err, len(f.vendor.attempts))
		}
	}
	free()
	f.mustRun(8, 0)
	f.wantAccepted(ids(0, 8))
}

func TestOnAFullDiskWhatIsAcceptedIsNotSentAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	free := onFullDisk(t, f, 8)
	if r, err := f.run(); err != nil || r.Sent != 8 || r.Kept != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	free()
	f.mustRun(0, 0)
	f.wantAccepted(ids(0, 8))
	if notes := delivery.ReadNotes(f.sender.Dir); notes.Failures != 0 {
		t.Errorf("%+v", notes)
	}
}

// What was sent and is not fixed could be added to something else later, and count twice.
func TestOnAFullDiskRecordsWaitUntilTheirSumCanBeFixed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	f.folds = true
	free := onFullDisk(t, f, 8)
	if r, err := f.run(); !errors.Is(err, syscall.ENOSPC) || r.Kept != 8 || len(r.Lost) > 0 || len(f.vendor.attempts) > 0 {
		t.Errorf("%+v, %v, %d attempts", r, err, len(f.vendor.attempts))
	}
	free()
	f.mustRun(8, 0)
	if sent := f.vendor.attempts[0]; len(sent) != 2 || sent[0].Count+sent[1].Count != 8 {
		t.Errorf("%+v", sent)
	}
}
