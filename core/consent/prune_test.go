package consent_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
)

// meeting is Prune and a command that takes a slot under a receipt which nothing waits
// under, each in its own process. Their steps can come in any order:
//
//	Prune     look for slots of the receipt, rename it, look again, remove it or put it back
//	command   find the receipt, write its ID into a slot, look whether it is stored, record
//	sender    look whether what was recorded is under a receipt in force
type meeting struct {
	t        *testing.T
	order    string
	store    consent.Store
	receipt  consent.Receipt // that the command found, in its slot's head after named
	named    bool
	recorded bool
}

func (m *meeting) used(id string) bool { return m.named && m.receipt.ID == id }

func (m *meeting) find() {
	var err error
	if m.receipt, err = m.store.Record(variable(m.store, false), shown(), noon); err != nil {
		m.t.Fatalf("%s: %v", m.order, err)
	}
}

func (m *meeting) name() { m.named = true }

// look ends with something recorded, or the slot is given up and the command begins anew.
func (m *meeting) look() {
	for tries := 0; !m.store.Holds(m.receipt.ID); tries++ {
		if tries == 3 { // as many as a command makes
			m.t.Errorf("%s: the command finds no receipt", m.order)
			return
		}
		m.find()
	}
	m.recorded = true
}

func (m *meeting) send() {
	if !m.recorded {
		return
	}
	if _, err := m.store.InForce(m.receipt.ID); err != nil {
		m.t.Errorf("%s: what was recorded is under a receipt that is not in force: %v", m.order, err)
	}
}

var errKilled = errors.New("killed")

// run lets each step of the command come at one of the places between the steps of Prune,
// which is killed at the place with that number.
func (m *meeting) run(places [4]int, kill int) {
	place, pruning := 0, false
	arrive := func() {
		for i, step := range []func(){m.find, m.name, m.look, m.send} {
			if places[i] == place {
				step()
			}
		}
		if place++; place-1 == kill && pruning {
			panic(errKilled)
		}
	}
	prune := func() {
		pruning = true
		defer func() {
			pruning = false
			if r := recover(); r != nil && r != any(errKilled) {
				panic(r)
			}
		}()
		m.store.Prune(func(id string) bool {
			arrive()
			used := m.used(id)
			arrive()
			return used
		})
	}
	arrive()
	prune()
	for place < placesOfPrune { // those that Prune did not come to
		arrive()
	}
}

// placesOfPrune is before it, around each of its two looks, and after it.
const placesOfPrune = 6

func TestPruneAndACommandThatTakesASlotGetAlongInEveryOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	orders := 0
	for kill := -1; kill <= placesOfPrune; kill++ {
		if kill == 0 || kill == 1 || kill >= 5 {
			continue // a Prune that is killed before it renames anything, or after all, is none
		}
		for i := range placesOfPrune * placesOfPrune * placesOfPrune * placesOfPrune {
			places := [4]int{i % 6, i / 6 % 6, i / 36 % 6, i / 216}
			if places[0] > places[1] || places[1] > places[2] || places[2] > places[3] {
				continue
			}
			orders++
			m := &meeting{
				t: t, order: fmt.Sprintf("places %v, killed at %d", places, kill),
				store: consent.NewStore(filepath.Join(dir, fmt.Sprint(orders))),
			}
			m.find() // in an earlier command
			m.run(places, kill)
			m.look()
			m.store.Prune(m.used) // the next one
			m.send()
			m.store.Prune(func(string) bool { return false })
			wantRetired(t, m.store, m.order+", and delivered", m.receipt.ID)
		}
	}
	t.Logf("%d orders", orders)
}

func TestPruneKeepsTheReceiptOfTheAnswerAndWhatIsUsed(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	first := yes(t, store, consent.AnswerLocal, consent.SourceQuestion, shown()).Receipt
	waits := yes(t, store, consent.AnswerYes, consent.SourceCommand, shown()).Receipt
	current := yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown()).Receipt
	store.Prune(func(id string) bool { return id == waits })
	wantRetired(t, store, "unused", first)
	for _, id := range []string{waits, current} {
		if _, err := store.InForce(id); err != nil || !store.Holds(id) {
			t.Errorf("stored %v, %v", store.Holds(id), err)
		}
	}
	// What was damaged stays to be looked at.
	if err := os.WriteFile(filepath.Join(dir, "receipts", waits), []byte("noise"), 0o600); err != nil {
		t.Fatal(err)
	}
	store.Mend(waits)
	store.Prune(func(string) bool { return false })
	if _, err := os.Stat(filepath.Join(dir, "receipts", waits+".damaged")); err != nil {
		t.Errorf("the damaged one: %v", err)
	}
}

func TestPruneRemovesWhatAKilledWriterLeftBehind(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
	old, young := filepath.Join(dir, "receipts", ".x.1.tmp"), filepath.Join(dir, "receipts", ".x.2.tmp")
	yesterday := time.Now().Add(-24 * time.Hour)
	if err := errors.Join(os.WriteFile(old, nil, 0o600), os.Chtimes(old, yesterday, yesterday), os.WriteFile(young, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	store.Prune(func(string) bool { return true })
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old one: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("the one that may still be written: %v", err)
	}
}
