package consent_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/internal/state"
)

// fresh returns a store in an empty directory that exists, and the directory.
func fresh(t *testing.T) (consent.Store, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return consent.NewStore(dir), dir
}

// variable is a decision that a variable made, with what the person answered before.
func variable(store consent.Store, local bool) consent.Decision {
	return consent.Decision{Enabled: true, LocalOnly: local, Source: consent.SourceVariable, Stored: store.Load()}
}

// record takes the receipt of a decision, at noon.
func record(t *testing.T, store consent.Store, d consent.Decision, terms consent.Terms) consent.Receipt {
	t.Helper()
	receipt, err := store.Record(d, terms, noon)
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

func yes(t *testing.T, store consent.Store, answer consent.Answer, by consent.Source, terms consent.Terms) consent.Stored {
	t.Helper()
	if err := store.Yes(consent.Past{At: noon, Decided: answer, By: by, Terms: terms}, store.Load()); err != nil {
		t.Fatal(err)
	}
	return store.Load()
}

func wantRetired(t *testing.T, store consent.Store, what string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if r, err := store.InForce(id); !errors.Is(err, consent.ErrRetired) {
			t.Errorf("%s: a receipt of before is in force, %+v, %v", what, r, err)
		}
	}
}

func TestOneYesIsOneReceiptAndAnotherIsAnother(t *testing.T) {
	t.Parallel()
	store, _ := fresh(t)
	first := yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
	receipt, err := store.InForce(first.Receipt)
	if err != nil || len(receipt.ID) != 32 || receipt.By != consent.SourceQuestion || receipt.Local || !receipt.At.Equal(noon) ||
		receipt.Terms.Digest() != shown().Digest() {
		t.Fatalf("%+v, %v", receipt, err)
	}
	if again := yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown()); again.Receipt != first.Receipt {
		t.Error("the same yes once more makes another receipt")
	}
	seen := map[string]bool{first.Receipt: true}
	for _, stored := range []consent.Stored{
		yes(t, store, consent.AnswerLocal, consent.SourceQuestion, shown()),
		yes(t, store, consent.AnswerYes, consent.SourceCommand, shown()),
		yes(t, store, consent.AnswerYes, consent.SourceQuestion, with(func(d *consent.Terms) { d.Extended = true })),
	} {
		if seen[stored.Receipt] {
			t.Errorf("%+v has the receipt of another yes", stored)
		}
		seen[stored.Receipt] = true
		// What was recorded under the ones before may still go where they say.
		for id := range seen {
			if _, err := store.InForce(id); err != nil {
				t.Errorf("after another yes: %v", err)
			}
		}
	}
}

func TestUnderAVariableThereIsOneReceiptForEachReceiverAndScope(t *testing.T) {
	t.Parallel()
	store, _ := fresh(t)
	first := record(t, store, variable(store, false), shown())
	if again := record(t, store, variable(store, false), shown()); again.ID != first.ID || again.By != consent.SourceVariable {
		t.Errorf("%+v, then %+v", first, again)
	}
	local := record(t, store, variable(store, true), shown())
	if local.ID == first.ID || !local.Local {
		t.Errorf("on this machine only: %+v", local)
	}
	elsewhere := with(func(d *consent.Terms) { d.Hosts = []string{"c.example.com"} })
	if r := record(t, store, variable(store, false), elsewhere); r.ID == first.ID || !elsewhere.SameReceiver(r.Terms) {
		t.Errorf("to another receiver: %+v", r)
	}
}

func TestUnderAnAnswerOneRecordsForItsReceiverAndScope(t *testing.T) {
	t.Parallel()
	store, stored := accepted(t, consent.AnswerYes, shown())
	narrower := with(func(d *consent.Terms) { d.Hosts, d.Fields = d.Hosts[:1], nil })
	for name, terms := range map[string]consent.Terms{"the same": shown(), "narrower": narrower} {
		if r := record(t, store, decide(consent.Input{Stored: stored, Terms: terms}), terms); r.ID != stored.Receipt {
			t.Errorf("%s: %+v", name, r)
		}
	}
	local := record(t, store, decide(consent.Input{Stored: stored, Terms: shown()}, "TELEMETRY_LOCAL=1"), shown())
	if local.ID == stored.Receipt || !local.Local || local.By != consent.SourceQuestion {
		t.Errorf("on this machine only, for once: %+v", local)
	}
	// A tool that declares nobody just now must not record for the one who was shown.
	nobody := with(func(d *consent.Terms) { d.Backend, d.Hosts = "noop", nil })
	if r := record(t, store, decide(consent.Input{Stored: stored, Terms: nobody}), nobody); r.ID == stored.Receipt {
		t.Errorf("for nobody: %+v", r)
	}
	if again := store.Load(); again.Receipt != stored.Receipt {
		t.Errorf("the answer became %+v", again)
	}
}

func TestANoEndsEveryReceiptForGood(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	old := []string{
		record(t, store, variable(store, false), shown()).ID,
		record(t, store, variable(store, true), shown()).ID,
		yes(t, store, consent.AnswerLocal, consent.SourceCommand, shown()).Receipt,
		yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown()).Receipt,
	}
	for _, id := range old {
		if _, err := store.InForce(id); err != nil {
			t.Fatalf("before the no: %v", err)
		}
	}
	if err := store.No(consent.SourceCommand, "", shown(), noon); err != nil {
		t.Fatal(err)
	}
	wantRetired(t, store, "after the no", old...)
	if entries, err := os.ReadDir(filepath.Join(dir, "receipts")); err != nil || len(entries) > 0 {
		t.Errorf("%d receipts are still stored, %v", len(entries), err)
	}
	again := yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
	fromVariable := record(t, store, variable(store, false), shown())
	wantRetired(t, store, "after a yes behind it", old...)
	for _, id := range old {
		if id == again.Receipt || id == fromVariable.ID {
			t.Error("a receipt of before the no is used again")
		}
	}
}

// A no that could not end a receipt, because a folder could not be written, is not undone
// by the yes behind it.
func TestAYesAfterANoEndsWhatTheNoCouldNot(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	old := yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown()).Receipt
	path := filepath.Join(dir, "receipts", old)
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(store.No(consent.SourceCommand, "", shown(), noon), os.WriteFile(path, kept, 0o600)); err != nil {
		t.Fatal(err)
	}
	wantRetired(t, store, "while the no stands", old)
	yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
	wantRetired(t, store, "after a yes behind it", old)
}

func TestAMissingCopyOfAReceiptIsMadeAgain(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	stored := yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
	if err := os.RemoveAll(filepath.Join(dir, "receipts")); err != nil {
		t.Fatal(err)
	}
	if r, err := store.InForce(stored.Receipt); err != nil || r.Terms.Digest() != shown().Digest() || store.Holds(stored.Receipt) {
		t.Errorf("without the copy: %+v, %v", r, err)
	}
	if r := record(t, store, decide(consent.Input{Stored: stored, Terms: shown()}), shown()); r.ID != stored.Receipt || !store.Holds(r.ID) {
		t.Errorf("after recording: %+v, stored %v", r, store.Holds(r.ID))
	}
	if r, err := store.InForce(stored.Receipt); err != nil || r.By != consent.SourceQuestion || !r.At.Equal(noon) {
		t.Errorf("from the copy: %+v, %v", r, err)
	}
}

func TestADamagedReceiptIsInForceForNothing(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	id := record(t, store, variable(store, false), shown()).ID
	other := record(t, store, variable(store, true), shown()).ID
	path := filepath.Join(dir, "receipts", id)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := store.InForce(id); !errors.Is(err, state.ErrCorrupt) {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
	}
	for i := range whole {
		check("cut", whole[:i])
		for _, bit := range []byte{1, 4, 0x80} {
			flipped := []byte(string(whole))
			flipped[i] ^= bit
			check("a flipped bit", flipped)
		}
	}
	another, err := os.ReadFile(filepath.Join(dir, "receipts", other))
	if err != nil {
		t.Fatal(err)
	}
	check("another receipt under its name", another)
	check("something large", make([]byte, 1<<20))
	store.Mend(id)
	if r, err := store.InForce(id); !errors.Is(err, state.ErrCorrupt) || store.Holds(id) {
		t.Errorf("set aside: %+v, %v", r, err)
	}
	if kept, err := os.ReadFile(path + ".damaged"); err != nil || len(kept) != 1<<20 {
		t.Errorf("to look at there are %d bytes, %v", len(kept), err)
	}
}

func TestADamagedCopyOfTheAnswersReceiptIsMadeAgain(t *testing.T) {
	t.Parallel()
	for what, mend := range map[string]func(store consent.Store, id string){
		"by a sender": func(store consent.Store, id string) { store.Mend(id) },
		"by an answer after it": func(store consent.Store, _ string) {
			yes(t, store, consent.AnswerLocal, consent.SourceCommand, shown())
		},
	} {
		store, dir := fresh(t)
		stored := yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
		path := filepath.Join(dir, "receipts", stored.Receipt)
		if err := os.WriteFile(path, []byte("noise"), 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := store.InForce(stored.Receipt); err != nil || r.Terms.Digest() != shown().Digest() {
			t.Errorf("%s: before it, %+v, %v", what, r, err)
		}
		mend(store, stored.Receipt)
		if r, err := store.InForce(stored.Receipt); err != nil || r.By != consent.SourceQuestion {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
		if kept, err := os.ReadFile(path + ".damaged"); err != nil || string(kept) != "noise" {
			t.Errorf("%s: to look at there is %q, %v", what, kept, err)
		}
	}
}

func TestAReceiptsIDIsNoPath(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	stored := yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
	for _, id := range []string{"", ".", "../consent", strings.ToUpper(stored.Receipt), stored.Receipt + "0", strings.Repeat("/", 32), strings.Repeat("g", 32)} {
		if r, err := store.InForce(id); !errors.Is(err, state.ErrCorrupt) {
			t.Errorf("%q: %+v, %v", id, r, err)
		}
		store.Mend(id)
	}
	if _, err := os.Stat(filepath.Join(dir, "consent")); err != nil || !store.Holds(stored.Receipt) {
		t.Errorf("something else was set aside: %v", err)
	}
}

func TestANoIsStoredWhereNoLockCanBeHad(t *testing.T) {
	t.Parallel()
	const held = "another process holds it"
	for name, block := range map[string]func(t *testing.T, dir string){
		held: func(t *testing.T, dir string) {
			lock, err := state.At(dir).TryLock("consent.lock")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(lock.Unlock)
		},
		"there is something else in its place": func(t *testing.T, dir string) {
			path := filepath.Join(dir, "consent.lock")
			if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, dir := fresh(t)
			stored := yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
			block(t, dir)
			begin := time.Now()
			if err := store.No(consent.SourceCommand, "", shown(), noon); err != nil {
				t.Errorf("the no says %v", err)
			}
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
			if got := store.Load(); got.Answer != consent.AnswerNo || got.Err != nil {
				t.Errorf("stored is %+v", got)
			}
			wantRetired(t, store, name, stored.Receipt)
			err := store.Yes(consent.Past{At: noon, Decided: consent.AnswerYes, By: consent.SourceQuestion, Terms: shown()}, store.Load())
			if name != held && (err == nil || errors.Is(err, consent.ErrChanged)) {
				t.Errorf("a yes without a lock says %v", err)
			} else if name == held && err != nil { // the no has taken the lock away from the other process
				t.Errorf("a yes afterwards says %v", err)
			}
		})
	}
}

// The no lies between what the person saw and what they answer, also where the yes was
// already waiting for its turn.
func TestAYesThatWaitedForANoHasNotSeenIt(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	seen := yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
	lock, err := state.At(dir).TryLock("consent.lock")
	if err != nil {
		t.Fatal(err)
	}
	said := make(chan error)
	go func() {
		said <- store.Yes(consent.Past{At: noon, Decided: consent.AnswerYes, By: consent.SourceCommand, Terms: shown()}, seen)
	}()
	no := state.Record{"answer": "no", "notice": "2", "at": noon.Format(time.RFC3339), "revision": "2"}
	if err := state.At(dir).WriteRecord("consent", no); err != nil { // as No does under the lock
		t.Fatal(err)
	}
	lock.Unlock()
	if err := <-said; !errors.Is(err, consent.ErrChanged) {
		t.Errorf("the yes says %v", err)
	}
	if got := store.Load(); got.Answer != consent.AnswerNo {
		t.Errorf("stored is %+v", got)
	}
}

func TestWhateverStandsInPlaceOfTheAnswerIsANoAndANoReplacesIt(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(path string) error{
		"noise":  func(path string) error { return os.WriteFile(path, []byte("noise"), 0o600) },
		"a link": func(path string) error { return os.Symlink("elsewhere", path) },
		"a file that others may write": func(path string) error {
			return errors.Join(os.WriteFile(path, []byte("x"), 0o600), os.Chmod(path, 0o622))
		},
		"a receipt that is none": func(path string) error {
			return state.At(filepath.Dir(path)).WriteRecord("consent", state.Record{
				"answer": "yes", "notice": "1", "at": noon.Format(time.RFC3339), "revision": "1", "receipt": "../x",
			})
		},
	} {
		if runtime.GOOS == "windows" && (name == "a link" || strings.Contains(name, "others")) {
			continue
		}
		store, dir := fresh(t)
		stored := yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
		path := filepath.Join(dir, "consent")
		if err := errors.Join(os.Remove(path), put(path)); err != nil {
			t.Fatal(err)
		}
		if got := store.Load(); got.Err == nil {
			t.Errorf("%s reads as %+v", name, got)
		}
		if d := decide(consent.Input{Stored: store.Load(), Terms: shown()}, "MY_TOOL_TELEMETRY=on"); d.Enabled || d.Undecided {
			t.Errorf("%s: %+v", name, d)
		}
		wantRetired(t, store, name, stored.Receipt)
		if err := store.No(consent.SourceCommand, "", shown(), noon); err != nil || store.Load().Answer != consent.AnswerNo {
			t.Errorf("a no over %s: %v, stored is %+v", name, err, store.Load())
		}
		wantRetired(t, store, "a no over "+name, stored.Receipt)
	}
}

func TestAFolderInPlaceOfTheAnswerIsANoAndGivesWayToOne(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	old := record(t, store, variable(store, false), shown()).ID
	if err := os.MkdirAll(filepath.Join(dir, "consent", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := store.Load(); got.Err == nil {
		t.Errorf("reads as %+v", got)
	}
	if err := store.No(consent.SourceCommand, "", shown(), noon); err != nil || store.Load().Answer != consent.AnswerNo {
		t.Errorf("the no says %v, stored is %+v", err, store.Load())
	}
	if store.Holds(old) {
		t.Error("a receipt of before is still there")
	}
}

func TestOverAnUnreadableAnswerOnlyAYesThatHasSeenItIsStored(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	seen := store.Load() // the question is on the screen …
	old := record(t, store, variable(store, false), shown()).ID
	// … and what somebody answered meanwhile was damaged. It may have been a no.
	if err := os.WriteFile(filepath.Join(dir, "consent"), []byte("answer=no"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := store.Yes(consent.Past{At: noon, Decided: consent.AnswerYes, By: consent.SourceQuestion, Terms: shown()}, seen); !errors.Is(err, consent.ErrChanged) {
		t.Errorf("the yes says %v", err)
	}
	if err := store.Yes(consent.Past{At: noon, Decided: consent.AnswerYes, By: consent.SourceQuestion, Terms: shown()}, store.Load()); err != nil {
		t.Errorf("one that has seen it says %v", err)
	}
	wantRetired(t, store, "after it", old)
	if names := state.At(dir).Damaged(); len(names) != 1 {
		t.Errorf("set aside are %v", names)
	}
}

func TestWhatIsAskedOfNobodysDirectoryLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "telemetry")
	store := consent.NewStore(dir)
	wantRetired(t, store, "in a place where nothing is", strings.Repeat("0", 32))
	store.Prune(func(string) bool { return false })
	store.Mend(strings.Repeat("0", 32))
	if store.Load().Answer != consent.AnswerNone || store.Holds(strings.Repeat("0", 32)) {
		t.Errorf("%+v", store.Load())
	}
	if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a directory now: %v", err)
	}
}
