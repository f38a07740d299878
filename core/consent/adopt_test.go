package consent_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
)

// older stores an answer as a version without receipts does, which knows neither them nor
// checksums: it counts one revision up and writes nothing else.
func older(t *testing.T, dir string, answer consent.Answer, revision int, at time.Time) {
	t.Helper()
	content := fmt.Sprintf("format=1\nanswer=%s\nat=%s\nnotice=2\nrevision=%d\n.\n", answer, at.Format(time.RFC3339), revision)
	if err := os.WriteFile(filepath.Join(dir, "consent"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// adopt records as a command does whose answer says yes.
func adopt(t *testing.T, store consent.Store) consent.Receipt {
	t.Helper()
	d := decide(consent.Input{Stored: store.Load(), Terms: shown()})
	if !d.Enabled {
		t.Fatalf("%+v", d)
	}
	return record(t, store, d, shown())
}

func TestAYesOfAVersionWithoutReceiptsGetsOneAndKeepsIt(t *testing.T) {
	t.Parallel()
	for _, answer := range []consent.Answer{consent.AnswerYes, consent.AnswerLocal} {
		store, dir := fresh(t)
		long := noon.Add(-100 * 24 * time.Hour)
		older(t, dir, answer, 7, long)
		d := decide(consent.Input{Stored: store.Load(), Terms: shown()})
		if d.Source != consent.SourceUpgrade || !d.Since.Equal(long) || d.LocalOnly != (answer == consent.AnswerLocal) {
			t.Errorf("%s: %+v", answer, d)
		}
		receipt := adopt(t, store)
		if receipt.By != consent.SourceUpgrade || !receipt.At.Equal(long) || receipt.Local != d.LocalOnly || !store.Holds(receipt.ID) {
			t.Errorf("%s: %+v", answer, receipt)
		}
		if got := store.Load(); got.Receipt != receipt.ID || got.Answer != answer || !got.At.Equal(long) {
			t.Errorf("%s: stored is %+v", answer, got)
		}
		if again := adopt(t, store); again.ID != receipt.ID {
			t.Errorf("%s: the next command has another receipt", answer)
		}
		// From now on the yes is to what was declared when it was adopted.
		wider := with(func(d *consent.Terms) { d.Extended = true })
		if d := decide(consent.Input{Stored: store.Load(), Terms: wider}); d.Enabled || !d.Undecided {
			t.Errorf("%s: covers more: %+v", answer, d)
		}
	}
}

func TestAYesToAnOlderNoticeIsNotAdopted(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	older(t, dir, consent.AnswerYes, 1, noon)
	newer := with(func(d *consent.Terms) { d.NoticeVersion = 3 })
	if d := decide(consent.Input{Stored: store.Load(), Terms: newer}); d.Enabled || len(d.Beyond) != 1 || d.Beyond[0] != "the notice, version 3 after 2" {
		t.Errorf("%+v", d)
	}
}

// newcomer looks at what is stored as each path of a newer version does. A receipt of
// before is in force or not, whichever of them comes first.
var newcomer = map[string]func(t *testing.T, store consent.Store){
	"a sender":  func(*testing.T, consent.Store) {},
	"a command": func(t *testing.T, store consent.Store) { adopt(t, store) },
	"a yes": func(t *testing.T, store consent.Store) {
		yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
	},
}

func TestOneAnswerOfAnOlderVersionKeepsTheReceiptsAndTwoEndThem(t *testing.T) {
	t.Parallel()
	for who, comes := range newcomer {
		for name, c := range map[string]struct {
			up   int // answers that the older version stored
			keep bool
		}{
			"a yes":               {1, true},
			"two answers":         {2, false}, // a no, then a yes
			"many answers":        {9, false},
			"began to count anew": {-2, false},
		} {
			store, dir := fresh(t)
			yes(t, store, consent.AnswerLocal, consent.SourceQuestion, shown())
			yes(t, store, consent.AnswerLocal, consent.SourceCommand, shown())
			local := store.Load().Receipt
			yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown()) // the third revision
			ids := []string{local, store.Load().Receipt, record(t, store, variable(store, false), shown()).ID}
			older(t, dir, consent.AnswerYes, 3+c.up, noon)
			comes(t, store)
			for i, id := range ids {
				_, err := store.InForce(id)
				if (err == nil) != c.keep {
					t.Errorf("%s, and %s comes: receipt %d is in force: %v, %v", name, who, i, err == nil, err)
				}
			}
		}
	}
}

// Where a variable alone said yes so far, an answer of an older version is the first.
func TestTwoAnswersOfAnOlderVersionEndWhatAVariableAllowedBefore(t *testing.T) {
	t.Parallel()
	for who, comes := range newcomer {
		for revision, keep := range map[int]bool{1: true, 2: false} {
			store, dir := fresh(t)
			id := record(t, store, variable(store, false), shown()).ID
			older(t, dir, consent.AnswerYes, revision, noon)
			comes(t, store)
			if _, err := store.InForce(id); (err == nil) != keep {
				t.Errorf("%d answers, and %s comes: %v", revision, who, err)
			}
		}
	}
}

func TestANoOfAnOlderVersionEndsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	id := yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown()).Receipt
	byVariable := record(t, store, variable(store, false), shown()).ID
	older(t, dir, consent.AnswerNo, 2, noon)
	wantRetired(t, store, "after its no", id, byVariable)
	yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
	wantRetired(t, store, "after a yes behind it", id, byVariable)
}

// A person who has both versions and answers with the older one again and again loses
// nothing that waits: each time it was one yes after another.
func TestVersionsThatTakeTurnsKeepWhatWaits(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	first := yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown()).Receipt
	revision := 1
	for turn := range 6 {
		revision++
		older(t, dir, consent.AnswerYes, revision, noon.Add(time.Duration(turn)*time.Minute))
		if turn%2 == 0 {
			adopt(t, store)
		} else {
			yes(t, store, consent.AnswerYes, consent.SourceQuestion, shown())
		}
		revision++
		if _, err := store.InForce(first); err != nil {
			t.Fatalf("after %d turns: %v", turn+1, err)
		}
	}
}
