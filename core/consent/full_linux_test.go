package consent_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/gotoolbase/telemetry/core/consent"
)

// smallDisk mounts a file system with room for so much, for root alone.
func smallDisk(t *testing.T, options string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount")
	}
	dir := t.TempDir()
	if err := syscall.Mount("telemetry-test", dir, "tmpfs", 0, "mode=0700,"+options); err != nil {
		t.Skipf("no mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	return dir
}

// fillUp takes all space, and with small files all places for files.
func fillUp(t *testing.T, dir string) {
	t.Helper()
	for i := 0; ; i++ {
		err := os.WriteFile(filepath.Join(dir, fmt.Sprint("ballast", i)), make([]byte, 4<<10), 0o600)
		if errors.Is(err, syscall.ENOSPC) {
			return
		}
		if err != nil || i > 10_000 {
			t.Fatalf("filling: %v after %d files", err, i)
		}
	}
}

func TestOnAFullDiskANoIsStoredAndAYesIsNot(t *testing.T) {
	t.Parallel()
	for _, options := range []string{"size=128k", "size=8m,nr_inodes=24"} {
		t.Run(options, func(t *testing.T) {
			t.Parallel()
			dir := smallDisk(t, options)
			store := consent.NewStore(dir)
			stored := yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
			byVariable := record(t, store, variable(store, false), with(func(d *consent.Terms) { d.Backend = "otlp" })).ID
			fillUp(t, dir)
			if err := store.Yes(consent.Past{At: noon, Decided: consent.AnswerYes, By: consent.SourceCommand, Terms: shown()}, store.Load()); err == nil {
				t.Error("a yes says that it is stored")
			}
			if got := store.Load(); got.Receipt != stored.Receipt {
				t.Errorf("after a yes that failed: %+v", got)
			}
			if err := store.No(consent.SourceCommand, "", shown(), noon); err != nil {
				t.Errorf("the no says %v", err)
			}
			fillUp(t, dir) // what the receipts gave back
			got := store.Load()
			if got.Answer != consent.AnswerNo || got.Err != nil {
				t.Errorf("stored is %+v", got)
			}
			wantRetired(t, store, "after the no", stored.Receipt, byVariable)
			past, err := store.History()
			if n := len(past.Decisions); err != nil || n == 0 || past.Decisions[n-1].Decided != consent.AnswerNo || past.Missing != 0 {
				t.Errorf("after the no the history is %+v, %v", past, err)
			}
			if err := store.Yes(consent.Past{At: noon, Decided: consent.AnswerYes, By: consent.SourceCommand, Terms: shown()}, store.Load()); err == nil {
				t.Error("a yes over the no says that it is stored")
			}
			if got := store.Load(); got.Answer != consent.AnswerNo {
				t.Errorf("after a yes over the no: %+v", got)
			}
			if err := store.No(consent.SourceCommand, "", shown(), noon); err != nil {
				t.Errorf("a no once more says %v", err)
			}
			// Whoever saw the yes of before has not seen this no.
			if err := store.Yes(consent.Past{At: noon, Decided: consent.AnswerYes, By: consent.SourceCommand, Terms: shown()}, stored); !errors.Is(err, consent.ErrChanged) {
				t.Errorf("a yes that has not seen the no says %v", err)
			}
		})
	}
}

func TestWhereNoFileCanBeMadeANoIsNotClaimed(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "size=8m,nr_inodes=24")
	store := consent.NewStore(dir)
	fillUp(t, dir)
	if err := store.No(consent.SourceCommand, "", shown(), noon); err == nil && store.Load().Answer != consent.AnswerNo {
		t.Error("the no says that it is stored, and is not")
	}
}
