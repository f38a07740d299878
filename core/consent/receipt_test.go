package consent_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/gotoolbase/telemetry/core/consent"
)

// A command may take a receipt just before Prune puts it out of the way. Whoever delivers
// what it recorded, before it is put back or after Prune was killed, must find it in force.
func TestAReceiptThatIsLookedAtForUseIsInForce(t *testing.T) {
	t.Parallel()
	store := consent.NewStore(filepath.Join(t.TempDir(), "telemetry"))
	receipt, err := store.Record(consent.Decision{Enabled: true, Source: consent.SourceVariable}, terms(1), noon)
	if err != nil {
		t.Fatal(err)
	}
	looks := 0
	killed := func(id string) bool {
		if looks++; looks == 1 {
			return false
		}
		if _, err := store.InForce(id); err != nil {
			t.Errorf("out of the way: %v", err)
		}
		panic("killed")
	}
	func() {
		defer func() { _ = recover() }()
		store.Prune(killed)
	}()
	if _, err := store.InForce(receipt.ID); looks != 2 || err != nil {
		t.Errorf("after %d looks: %v", looks, err)
	}
	store.Prune(func(string) bool { return true })
	if !store.Holds(receipt.ID) {
		t.Error("it is used, and was not put back")
	}
	store.Prune(func(string) bool { return false })
	if _, err := store.InForce(receipt.ID); !errors.Is(err, consent.ErrRetired) {
		t.Errorf("unused: %v", err)
	}
}

func TestANoEndsAReceiptThatIsOutOfTheWay(t *testing.T) {
	t.Parallel()
	store := consent.NewStore(filepath.Join(t.TempDir(), "telemetry"))
	receipt, err := store.Record(consent.Decision{Enabled: true, Source: consent.SourceVariable}, terms(1), noon)
	if err != nil {
		t.Fatal(err)
	}
	looks := 0
	func() {
		defer func() { _ = recover() }()
		store.Prune(func(string) bool {
			if looks++; looks == 2 {
				panic("killed")
			}
			return false
		})
	}()
	if err := errors.Join(store.No(consent.SourceCommand, "", consent.Terms{NoticeVersion: 1}, noon), save(store, consent.AnswerYes, store.Load())); err != nil {
		t.Fatal(err)
	}
	if _, err := store.InForce(receipt.ID); looks != 2 || !errors.Is(err, consent.ErrRetired) {
		t.Errorf("after %d looks: %v", looks, err)
	}
}
