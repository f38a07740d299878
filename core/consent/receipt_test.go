package consent_test

import (
	"errors"
	"os"
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

// A command that looked before a no may go on after it, and after the yes that follows: it must
// not bring the receipt back that the no has ended.
func TestACommandThatLookedBeforeANoBringsNoReceiptBack(t *testing.T) {
	t.Parallel()
	store, _ := fresh(t)
	ended := yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
	looked := consent.Decision{Enabled: true, Source: consent.SourceQuestion, Stored: ended}
	if err := store.No(consent.SourceCommand, "", shown(), noon); err != nil {
		t.Fatal(err)
	}
	yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
	if receipt, err := store.Record(looked, shown(), noon); !errors.Is(err, consent.ErrRetired) {
		t.Errorf("it records under %+v (%v)", receipt, err)
	}
	wantRetired(t, store, "afterwards", ended.Receipt)
}

// Whatever puts the file of a receipt back, such as a process that was about to write it when
// the no came, or a copy of the directory: a no has ended it for good.
func TestAReceiptThatIsThereAgainAfterANoStaysEnded(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	ended := yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
	byVariable := record(t, store, variable(store, false), shown())
	files := map[string][]byte{}
	for _, id := range []string{ended.Receipt, byVariable.ID} {
		content, err := os.ReadFile(filepath.Join(dir, "receipts", id))
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Join(dir, "receipts", id)] = content
	}
	if err := store.No(consent.SourceCommand, "", shown(), noon); err != nil {
		t.Fatal(err)
	}
	after := yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
	for file, content := range files {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantRetired(t, store, "after the next yes", ended.Receipt, byVariable.ID)
	if list, err := store.Receipts(); err != nil || len(list) != 1 || list[0].ID != after.Receipt {
		t.Errorf("in force are %+v (%v), want the one of the last yes", list, err)
	}
	again := yes(t, store, consent.AnswerYes, consent.SourceCommand, shown())
	same := yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
	wantRetired(t, store, "after more yeses", ended.Receipt, byVariable.ID)
	for _, r := range []string{again.Receipt, same.Receipt, record(t, store, variable(store, false), shown()).ID} {
		if r == ended.Receipt || r == byVariable.ID {
			t.Errorf("%s is recorded under again", r)
		}
	}
}

// The history knows of a no whose file was removed.
func TestAReceiptOfBeforeANoStaysEndedWhereTheAnswerWasRemoved(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	ended := yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
	file := filepath.Join(dir, "receipts", ended.Receipt)
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(store.No(consent.SourceCommand, "", shown(), noon), os.Remove(filepath.Join(dir, "consent"))); err != nil {
		t.Fatal(err)
	}
	after := yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	wantRetired(t, store, "with the answer removed", ended.Receipt)
	if _, err := store.InForce(after.Receipt); err != nil {
		t.Errorf("the present one: %v", err)
	}
}
