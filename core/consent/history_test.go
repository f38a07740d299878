package consent_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

// past returns what the history tells, a line for each decision.
func past(t *testing.T, store consent.Store) string {
	t.Helper()
	h, err := store.History()
	if err != nil || h.Problem != "" {
		t.Fatalf("%v, %s", err, h.Problem)
	}
	var lines []string
	for _, p := range h.Decisions {
		line := fmt.Sprintf("%s by %s: %s", p.Decided, p.By, p.Decider)
		if p.RestrictedBy != "" {
			line += ", here by " + p.RestrictedBy
		}
		if p.Answered {
			line += ", answered"
		}
		if !p.ShownKnown {
			line += ", shown unknown"
		} else if p.Shown != "" {
			line += fmt.Sprintf(", shown %q", p.Shown)
		}
		if p.Unrecorded {
			line += ", unrecorded"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func wantPast(t *testing.T, when string, store consent.Store, want ...string) {
	t.Helper()
	if got := past(t, store); got != strings.Join(want, "\n") {
		t.Errorf("%s the history is\n%s\nwant\n%s", when, got, strings.Join(want, "\n"))
	}
}

func say(t *testing.T, store consent.Store, answer consent.Answer, by consent.Source, text string, at time.Time) {
	t.Helper()
	err := error(nil)
	if answer == consent.AnswerNo {
		err = store.No(by, text, shown(), at)
	} else {
		err = store.Yes(consent.Past{At: at, Decided: answer, By: by, Shown: text, Terms: shown()}, store.Load())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// recordUnder takes a receipt as a command does in these surroundings.
func recordUnder(t *testing.T, store consent.Store, policy consent.Policy, env ...string) consent.Receipt {
	t.Helper()
	d := decide(consent.Input{Stored: store.Load(), Terms: shown(), Policy: policy}, env...)
	if !d.Enabled {
		t.Fatalf("%+v", d)
	}
	return record(t, store, d, shown())
}

func TestEveryDecisionIsInTheHistoryWithWhatWasShown(t *testing.T) {
	t.Parallel()
	store, _ := fresh(t)
	none := consent.Policy{}
	wantPast(t, "before anything", store, "")
	recordUnder(t, store, none, "MY_TOOL_TELEMETRY=on")
	delivered(store) // else there is a receipt for variables
	recordUnder(t, store, none, "TELEMETRY_ENABLED=1")
	recordUnder(t, store, consent.Policy{Verdict: consent.Yes})
	say(t, store, consent.AnswerYes, consent.SourceQuestion, "The notice.\n\n  - with a \"list\"\n", noon)
	id := store.Load().Receipt
	recordUnder(t, store, none)
	recordUnder(t, store, none, "TELEMETRY_LOCAL=1")
	delivered(store)
	recordUnder(t, store, consent.Policy{Local: true})
	say(t, store, consent.AnswerLocal, consent.SourceCommand, "", noon.Add(time.Hour))
	recordUnder(t, store, none)
	say(t, store, consent.AnswerNo, consent.SourceQuestion, "The notice again.", noon.Add(2*time.Hour))
	say(t, store, consent.AnswerNo, consent.SourceCommand, "", noon.Add(3*time.Hour))
	wantPast(t, "afterwards", store,
		"yes by variable: MY_TOOL_TELEMETRY",
		"yes by variable: TELEMETRY_ENABLED",
		"yes by policy: the administrator's policy",
		`yes by question: your answer, answered, shown "The notice.\n\n  - with a \"list\"\n"`,
		"local by question: your answer, here by TELEMETRY_LOCAL",
		"local by question: your answer, here by the administrator's policy",
		"local by command: your answer, answered",
		`no by question: your answer, answered, shown "The notice again."`,
		"no by command: your answer, answered")
	h, _ := store.History()
	if yes := h.Decisions[3]; yes.Receipt != id || !yes.At.Equal(noon) || yes.Terms.Digest() != shown().Digest() {
		t.Errorf("the yes is %+v", yes)
	}
	if no := h.Decisions[7]; no.Receipt != "" || !no.At.Equal(noon.Add(2*time.Hour)) || no.Terms.Digest() != shown().Digest() {
		t.Errorf("the no is %+v", no)
	}
	if h.Missing != 0 || h.Cut != 0 || h.Behind {
		t.Errorf("%+v", h)
	}
}

// delivered is what a sender does when nothing waits any more.
func delivered(store consent.Store) { store.Prune(func(string) bool { return false }) }

// wantFound holds the history to having receipts, each once.
func wantFound(t *testing.T, when string, store consent.Store, ids ...string) {
	t.Helper()
	h, err := store.History()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		found := 0
		for _, p := range h.Decisions {
			if p.Receipt == id {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%s the receipt %s is in the history %d times: %+v", when, id, found, h.Decisions)
		}
	}
}

func TestAVariableKeepsItsReceiptUntilSomebodyAnswers(t *testing.T) {
	t.Parallel()
	store, _ := fresh(t)
	none := consent.Policy{}
	first := recordUnder(t, store, none, "MY_TOOL_TELEMETRY=on")
	for range 3 {
		delivered(store)
		wantRetired(t, store, "delivered", first.ID)
		r := recordUnder(t, store, none, "MY_TOOL_TELEMETRY=on")
		if r.ID != first.ID || !r.At.Equal(first.At) {
			t.Errorf("the same decision has the receipts %+v and %+v", first, r)
		}
		if _, err := store.InForce(r.ID); err != nil {
			t.Error(err)
		}
	}
	wantPast(t, "after three deliveries", store, "yes by variable: MY_TOOL_TELEMETRY")
	say(t, store, consent.AnswerNo, consent.SourceCommand, "", noon)
	say(t, store, consent.AnswerYes, consent.SourceCommand, "", noon)
	second := recordUnder(t, store, none, "MY_TOOL_TELEMETRY=on")
	if second.ID == first.ID {
		t.Error("what a no ended is in force again")
	}
	wantPast(t, "after answers", store, "yes by variable: MY_TOOL_TELEMETRY",
		"no by command: your answer, answered", "yes by command: your answer, answered", "yes by variable: MY_TOOL_TELEMETRY")
	// A receipt that is still there is not told twice.
	say(t, store, consent.AnswerYes, consent.SourceCommand, "", noon)
	wantFound(t, "in the end", store, first.ID, second.ID)
}

func TestEachDecisionThatIsNoAnswerKeepsAReceiptOfItsOwn(t *testing.T) {
	t.Parallel()
	store, _ := fresh(t)
	wider := with(func(d *consent.Terms) { d.Extended = true })
	under := func(policy consent.Policy, terms consent.Terms, env ...string) string {
		d := decide(consent.Input{Stored: store.Load(), Terms: terms, Policy: policy}, env...)
		id := record(t, store, d, terms).ID
		delivered(store)
		return id
	}
	all := func() []string {
		return []string{
			under(consent.Policy{}, shown(), "MY_TOOL_TELEMETRY=on"),
			under(consent.Policy{}, shown(), "TELEMETRY_ENABLED=1"),
			under(consent.Policy{Verdict: consent.Yes}, shown()),
			under(consent.Policy{}, wider, "MY_TOOL_TELEMETRY=on"),
			under(consent.Policy{}, shown(), "MY_TOOL_TELEMETRY=on", "TELEMETRY_LOCAL=1"),
		}
	}
	first := all()
	if again := all(); fmt.Sprint(again) != fmt.Sprint(first) {
		t.Errorf("%v became %v", first, again)
	}
	wantFound(t, "in the end", store, first...)
}

// What waits under a receipt keeps it alive, and must not lend it to another variable.
func TestAVariableRecordsUnderNoOtherVariablesReceipt(t *testing.T) {
	t.Parallel()
	store, _ := fresh(t)
	one := recordUnder(t, store, consent.Policy{}, "TELEMETRY_ENABLED=1")
	other := recordUnder(t, store, consent.Policy{}, "MY_TOOL_TELEMETRY=on")
	both := recordUnder(t, store, consent.Policy{Verdict: consent.Yes}, "MY_TOOL_TELEMETRY=on")
	local := recordUnder(t, store, consent.Policy{}, "MY_TOOL_TELEMETRY=on", "TELEMETRY_LOCAL=1")
	again := recordUnder(t, store, consent.Policy{}, "TELEMETRY_ENABLED=1")
	if one.ID == other.ID || again.ID != one.ID || both.ID == one.ID || local.ID == other.ID {
		t.Errorf("%s, %s, %s, %s and %s", one.ID, other.ID, both.ID, local.ID, again.ID)
	}
	wantFound(t, "while they wait", store, one.ID, other.ID, both.ID, local.ID)
}

func TestAResetBeginsNewReceipts(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	first := recordUnder(t, store, consent.Policy{}, "MY_TOOL_TELEMETRY=on")
	delivered(store)
	say(t, store, consent.AnswerNo, consent.SourceCommand, "", noon)
	if err := errors.Join(store.BeginHistory(), os.Remove(filepath.Join(dir, "consent"))); err != nil {
		t.Fatal(err)
	}
	second := recordUnder(t, store, consent.Policy{}, "MY_TOOL_TELEMETRY=on")
	delivered(store)
	third := recordUnder(t, store, consent.Policy{}, "MY_TOOL_TELEMETRY=on")
	if second.ID == first.ID || third.ID != second.ID {
		t.Errorf("%s before the reset, %s and %s after it", first.ID, second.ID, third.ID)
	}
}

// A no that the history could not take must not bring back what it ended.
func TestAfterAnAnswerThatCouldNotBeNotedThereIsANewReceipt(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	first := recordUnder(t, store, consent.Policy{}, "MY_TOOL_TELEMETRY=on")
	path := filepath.Join(dir, "decisions")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(path), os.MkdirAll(filepath.Join(path, "x"), 0o700)); err != nil {
		t.Fatal(err)
	}
	say(t, store, consent.AnswerNo, consent.SourceCommand, "", noon)
	say(t, store, consent.AnswerYes, consent.SourceCommand, "", noon)
	if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, content, 0o600)); err != nil {
		t.Fatal(err)
	}
	second := recordUnder(t, store, consent.Policy{}, "MY_TOOL_TELEMETRY=on")
	delivered(store)
	if third := recordUnder(t, store, consent.Policy{}, "MY_TOOL_TELEMETRY=on"); second.ID == first.ID || third.ID != second.ID {
		t.Errorf("%s, then %s and %s", first.ID, second.ID, third.ID)
	}
	wantPast(t, "then", store, "yes by variable: MY_TOOL_TELEMETRY",
		"yes by command: your answer, answered, shown unknown, unrecorded", "yes by variable: MY_TOOL_TELEMETRY")
}

func TestAReceiptThatTheHistoryCouldNotTakeIsKeptUntilItCan(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	path := filepath.Join(dir, "decisions")
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	r := recordUnder(t, store, consent.Policy{}, "MY_TOOL_TELEMETRY=on")
	delivered(store)
	if !store.Holds(r.ID) {
		t.Error("it is gone, and nothing is left of it")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	wantFound(t, "before it is noted", store, r.ID)
	delivered(store)
	if store.Holds(r.ID) {
		t.Error("it is still there")
	}
	wantPast(t, "then", store, "yes by variable: MY_TOOL_TELEMETRY, shown unknown, unrecorded")
	wantFound(t, "then", store, r.ID)
}

func TestOfTwoReceiptsOfOneDecisionBothAreInTheHistory(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	first := recordUnder(t, store, consent.Policy{}, "MY_TOOL_TELEMETRY=on")
	// A command that began in the moment in which another process held the answer.
	lock, err := state.At(dir).TryLock("consent.lock")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "receipts"), filepath.Join(dir, "away")); err != nil {
		t.Fatal(err)
	}
	second := recordUnder(t, store, consent.Policy{}, "MY_TOOL_TELEMETRY=on")
	if err := os.Rename(filepath.Join(dir, "away", first.ID), filepath.Join(dir, "receipts", first.ID)); err != nil {
		t.Fatal(err)
	}
	lock.Unlock()
	if second.ID == first.ID {
		t.Fatal("there is one")
	}
	wantFound(t, "while they are there", store, first.ID, second.ID)
	delivered(store)
	wantFound(t, "when nothing waits under them", store, first.ID, second.ID)
}

func TestWhatAPersonWasToldOfAVariableIsInTheHistoryWithAReceipt(t *testing.T) {
	t.Parallel()
	const on = "TELEMETRY_ENABLED=1"
	tell := func(t *testing.T, store consent.Store) {
		t.Helper()
		if err := store.NoteTold(decide(consent.Input{Terms: shown()}, on), shown(), "It is on.", noon); err != nil {
			t.Fatal(err)
		}
	}
	lastOf := func(t *testing.T, store consent.Store) consent.Past {
		t.Helper()
		h, err := store.History()
		if err != nil || len(h.Decisions) == 0 {
			t.Fatalf("%+v, %v", h, err)
		}
		return h.Decisions[len(h.Decisions)-1]
	}
	const told = `yes by variable: TELEMETRY_ENABLED, shown "It is on."`
	t.Run("before anything was recorded", func(t *testing.T) {
		store, _ := fresh(t)
		tell(t, store)
		for range 2 {
			r := recordUnder(t, store, consent.Policy{}, on)
			delivered(store)
			if last := lastOf(t, store); last.Receipt != r.ID {
				t.Errorf("recorded under %s, and told of is %q", r.ID, last.Receipt)
			}
		}
		wantPast(t, "then", store, told)
	})
	t.Run("while something waits that was recorded before", func(t *testing.T) {
		for range 8 { // the names of two receipts have no order
			store, _ := fresh(t)
			before := recordUnder(t, store, consent.Policy{}, on)
			tell(t, store)
			after := recordUnder(t, store, consent.Policy{}, on)
			if _, err := store.InForce(before.ID); err != nil || after.ID == before.ID || after.ID != lastOf(t, store).Receipt {
				t.Fatalf("%s before, %s after: %v", before.ID, after.ID, err)
			}
			delivered(store)
			if again := recordUnder(t, store, consent.Policy{}, on); again.ID != after.ID {
				t.Fatalf("%s, after a delivery %s", after.ID, again.ID)
			}
			wantPast(t, "then", store, "yes by variable: TELEMETRY_ENABLED", told)
			wantFound(t, "then", store, before.ID, after.ID)
		}
	})
	t.Run("by a version that kept no receipt of it", func(t *testing.T) {
		store, dir := fresh(t)
		tell(t, store)
		path := filepath.Join(dir, "decisions")
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		old := regexp.MustCompile(`\treceipt="[0-9a-f]+"`).ReplaceAll(content, nil)
		if err := errors.Join(os.WriteFile(path, old, 0o600), os.Remove(path+".head"), os.RemoveAll(filepath.Join(dir, "receipts"))); err != nil {
			t.Fatal(err)
		}
		if last := lastOf(t, store); last.Receipt != "" {
			t.Fatalf("%+v", last)
		}
		r := recordUnder(t, store, consent.Policy{}, on)
		if last := lastOf(t, store); last.Receipt != r.ID || last.Shown != "It is on." || !last.ShownKnown {
			t.Errorf("recorded under %s: %+v", r.ID, last)
		}
	})
}

func TestAnAnswerOfAVersionWithoutAHistoryIsToldWithoutAText(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	older(t, dir, consent.AnswerYes, 4, noon)
	const upgraded = "yes by upgrade: your answer, answered, shown unknown, unrecorded"
	wantPast(t, "before a command", store, upgraded)
	if h, _ := store.History(); h.Decisions[0].Terms.Tool != "" || h.Behind {
		t.Errorf("%+v", h)
	}
	adopt(t, store)
	adopt(t, store)
	wantPast(t, "after a command", store, upgraded)
	older(t, dir, consent.AnswerNo, 9, noon) // the last of several
	const no = "no by : your answer, answered, shown unknown, unrecorded"
	wantPast(t, "after a no of the older version", store, upgraded, no)
	h, _ := store.History()
	if !h.Behind || h.Missing != 6 {
		t.Errorf("missing %d, behind %v; want 6 (1, 2, 3 and 6, 7, 8)", h.Missing, h.Behind)
	}
	say(t, store, consent.AnswerYes, consent.SourceCommand, "", noon)
	wantPast(t, "after a yes", store, upgraded, no, "yes by command: your answer, answered")
	if h, _ := store.History(); h.Behind || h.Missing != 6 {
		t.Errorf("missing %d, behind %v", h.Missing, h.Behind)
	}
}

func TestAnAnswerStandsWhereTheHistoryCannotBeWritten(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	if err := os.MkdirAll(filepath.Join(dir, "decisions", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	want := func(when, line string) {
		t.Helper()
		h, err := store.History()
		if err == nil {
			t.Errorf("%s: no error", when)
		}
		if n := len(h.Decisions); n != 1 || !h.Decisions[0].Unrecorded || h.Decisions[0].ShownKnown || string(h.Decisions[0].Decided) != line {
			t.Errorf("%s: %+v", when, h.Decisions)
		}
	}
	variable := recordUnder(t, store, consent.Policy{}, "MY_TOOL_TELEMETRY=on")
	if _, err := store.InForce(variable.ID); err != nil {
		t.Errorf("under a variable: %v", err)
	}
	want("under a variable", "yes")
	say(t, store, consent.AnswerNo, consent.SourceCommand, "", noon)
	want("after a no", "no")
	wantRetired(t, store, "after the no", variable.ID)
	say(t, store, consent.AnswerYes, consent.SourceCommand, "shown", noon)
	want("after a yes", "yes")
	if _, err := store.InForce(store.Load().Receipt); err != nil {
		t.Errorf("the yes: %v", err)
	}
	if err := store.BeginHistory(); err == nil {
		t.Error("what could not be erased is not told")
	}
}

func TestAnAnswerThatCouldNotBeNotedIsNotedWithTheNext(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	path := filepath.Join(dir, "decisions")
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	say(t, store, consent.AnswerYes, consent.SourceQuestion, "shown", noon)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	say(t, store, consent.AnswerNo, consent.SourceCommand, "", noon.Add(time.Hour))
	wantPast(t, "then", store, "yes by question: your answer, answered, shown unknown, unrecorded", "no by command: your answer, answered")
}

func TestDecisionsStayInTheirOrderWhateverTheClockSays(t *testing.T) {
	t.Parallel()
	store, _ := fresh(t)
	for i, answer := range []consent.Answer{consent.AnswerYes, consent.AnswerNo, consent.AnswerLocal} {
		say(t, store, answer, consent.SourceCommand, "", noon.AddDate(-i, 0, 0))
	}
	wantPast(t, "with a clock that went back", store,
		"yes by command: your answer, answered", "no by command: your answer, answered", "local by command: your answer, answered")
	if h, _ := store.History(); !h.Decisions[2].At.Equal(noon.AddDate(-2, 0, 0)) || h.Missing != 0 {
		t.Errorf("%+v", h)
	}
}

func TestADamagedHistorySaysSoAndGoesOn(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func([]byte) []byte{
		"a changed word":    func(b []byte) []byte { return bytes.Replace(b, []byte("first words"), []byte("other words"), 1) },
		"a line less":       func(b []byte) []byte { return append(b[:0:0], b[bytes.IndexByte(b, '\n')+1:]...) },
		"an end less":       func(b []byte) []byte { return b[:bytes.IndexByte(b, '\n')+1] },
		"no line at all":    func([]byte) []byte { return nil },
		"something else":    func([]byte) []byte { return []byte("something else\n") },
		"an unknown answer": func(b []byte) []byte { return bytes.Replace(b, []byte(`decided="no"`), []byte(`decided="nay"`), 1) },
	} {
		store, dir := fresh(t)
		say(t, store, consent.AnswerYes, consent.SourceQuestion, "first words", noon)
		say(t, store, consent.AnswerNo, consent.SourceQuestion, "second words", noon)
		path := filepath.Join(dir, "decisions")
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		changed := damage(content)
		if bytes.Equal(content, changed) {
			t.Fatalf("%s changes nothing", name)
		}
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := store.History()
		if err != nil || h.Problem == "" {
			t.Errorf("%s: %v, %q", name, err, h.Problem)
		}
		if last := h.Decisions[len(h.Decisions)-1]; last.Decided != consent.AnswerNo {
			t.Errorf("%s: the last is %+v", name, last)
		}
		say(t, store, consent.AnswerLocal, consent.SourceCommand, "third words", noon)
		h, err = store.History()
		if err != nil || h.Problem == "" {
			t.Errorf("%s, after another answer: %v, %q", name, err, h.Problem)
		}
		if last := h.Decisions[len(h.Decisions)-1]; last.Shown != "third words" || last.Unrecorded {
			t.Errorf("%s, after another answer: the last is %+v", name, last)
		}
	}
}

func TestAResetBeginsANewHistoryWithItsNo(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	say(t, store, consent.AnswerYes, consent.SourceQuestion, "CANARY", noon)
	say(t, store, consent.AnswerNo, consent.SourceCommand, "", noon)
	if err := store.BeginHistory(); err != nil {
		t.Fatal(err)
	}
	const no = "no by command: your answer, answered"
	wantPast(t, "after a reset", store, no)
	say(t, store, consent.AnswerYes, consent.SourceQuestion, "of another process meanwhile", noon)
	if err := store.BeginHistory(); err != nil {
		t.Fatal(err)
	}
	wantPast(t, "with a yes that came after the no", store, no, `yes by question: your answer, answered, shown "of another process meanwhile"`)
	if h, _ := store.History(); h.Missing != 0 || h.Behind {
		t.Errorf("%+v", h)
	}
	content, err := os.ReadFile(filepath.Join(dir, "decisions"))
	if err != nil || bytes.Contains(content, []byte("CANARY")) {
		t.Errorf("%v, it is still there:\n%s", err, content)
	}
	// Where nothing could be read, the no begins it all the same.
	if err := errors.Join(store.No(consent.SourceCommand, "", shown(), noon), os.WriteFile(filepath.Join(dir, "decisions"), []byte("torn"), 0o600), store.BeginHistory()); err != nil {
		t.Fatal(err)
	}
	wantPast(t, "after a reset of what was damaged", store, "no by : your answer, answered, shown unknown, unrecorded")
}

func TestTheOldestAreCutForTheSizeAndTold(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	text := strings.Repeat("A long notice with \"quotes\".\n", 2000)
	for i := range 20 {
		say(t, store, consent.AnswerYes, consent.SourceCommand, text, noon.Add(time.Duration(i)*time.Hour))
	}
	h, err := store.History()
	if err != nil || h.Problem != "" || h.Cut == 0 || h.Cut+len(h.Decisions) != 20 || h.Missing != 0 {
		t.Errorf("%v, %q, %d cut, %d left, %d missing", err, h.Problem, h.Cut, len(h.Decisions), h.Missing)
	}
	if !h.CutFrom.Equal(noon) || !h.CutTo.Equal(noon.Add(time.Duration(h.Cut-1)*time.Hour)) {
		t.Errorf("cut from %s to %s", h.CutFrom, h.CutTo)
	}
	if last := h.Decisions[len(h.Decisions)-1]; len(last.Shown) > 32<<10 || !strings.HasSuffix(last.Shown, "…") {
		t.Errorf("%d bytes of text, ending in %q", len(last.Shown), last.Shown[max(0, len(last.Shown)-10):])
	}
	info, err := os.Stat(filepath.Join(dir, "decisions"))
	if err != nil || info.Size() > 256<<10 {
		t.Errorf("%v, %d bytes", err, info.Size())
	}
}

func TestAnswersThatAreMissingStayCountedWhenTheHistoryIsCut(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	say(t, store, consent.AnswerYes, consent.SourceCommand, "", noon)
	older(t, dir, consent.AnswerNo, 4, noon) // the last of three
	text := strings.Repeat("A long notice with \"quotes\".\n", 2000)
	cut := 0
	for i := 0; cut < 5; i++ {
		say(t, store, consent.AnswerYes, consent.SourceCommand, text, noon.Add(time.Duration(i)*time.Hour))
		h, err := store.History()
		if err != nil || h.Missing != 2 {
			t.Fatalf("%d are cut, and of 2 answers of which nothing is known it tells %d: %v", h.Cut, h.Missing, err)
		}
		cut = h.Cut
	}
	say(t, store, consent.AnswerNo, consent.SourceCommand, "", noon)
	if err := store.BeginHistory(); err != nil {
		t.Fatal(err)
	}
	if h, err := store.History(); err != nil || h.Missing != 0 {
		t.Errorf("after a reset %d are missing, %v", h.Missing, err)
	}
}

func TestWhatWasShownIsKeptWithoutWhatCommandsATerminal(t *testing.T) {
	t.Parallel()
	store, _ := fresh(t)
	say(t, store, consent.AnswerYes, consent.SourceQuestion, "one\x1b[2J\u202e\r\ntwo\xff", noon)
	wantPast(t, "then", store, `yes by question: your answer, answered, shown "one [2J  \ntwo?"`)
}

func TestNoAnswerIsLostToOneAtTheSameTime(t *testing.T) {
	t.Parallel()
	_, dir := fresh(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	stored := 0
	for i := range 8 {
		wg.Go(func() {
			store := consent.NewStore(dir)
			var err error
			if i%2 == 0 {
				err = store.Yes(consent.Past{At: noon, Decided: consent.AnswerYes, By: consent.SourceCommand, Shown: fmt.Sprint(i), Terms: shown()}, store.Load())
			} else {
				err = store.No(consent.SourceCommand, fmt.Sprint(i), shown(), noon)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				stored++
			} else if !errors.Is(err, consent.ErrChanged) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	h, err := consent.NewStore(dir).History()
	if err != nil || h.Problem != "" || len(h.Decisions) != stored || h.Missing != 0 || h.Behind {
		t.Errorf("%v: %d were stored, %+v", err, stored, h)
	}
}

// Whatever the file holds, there is an answer, and it is fit for a terminal.
func FuzzHistory(f *testing.F) {
	seed := consent.NewStore(filepath.Join(f.TempDir(), "telemetry"))
	if err := seed.No(consent.SourceCommand, "a\nnotice", shown(), noon); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(strings.Repeat("0", 64) + " 1 2026-11-22T12:00:00Z\tby=\"\\x1b\"\tdecided=\"no\"\tnotice=\"1\"\tshown=\"\\u202e\"\n"))
	f.Add([]byte("#cut 3 2026-11-22T12:00:00Z 2026-11-22T12:00:00Z " + strings.Repeat("0", 64) + "\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := filepath.Join(t.TempDir(), "telemetry")
		store := consent.NewStore(dir)
		if err := store.No(consent.SourceCommand, "", shown(), noon); err != nil {
			t.Fatal(err)
		}
		answered := filepath.Join(dir, "consent") // long ago: nobody is about to note it
		if err := errors.Join(os.WriteFile(filepath.Join(dir, "decisions"), content, 0o600), os.Chtimes(answered, noon, noon)); err != nil {
			t.Fatal(err)
		}
		// The file is read whole, and each line is cut into fields and made a map.
		fuzzing.Allocs(t, len(content), 128<<10, 256, func() { _, _ = store.History() })
		h, err := store.History()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range h.Decisions {
			text := strings.ReplaceAll(p.Shown, "\n", "") + p.Decider + p.RestrictedBy + string(p.By) + p.Receipt + strings.Join(p.Terms.Hosts, "") + p.Terms.Controller
			if strings.ContainsFunc(text, unicode.IsControl) || strings.ContainsRune(text, '\u202e') {
				t.Errorf("%q", text)
			}
		}
	})
}

func TestAHistoryThatWasRemovedIsMissed(t *testing.T) {
	t.Parallel()
	store, dir := fresh(t)
	for _, answer := range []consent.Answer{consent.AnswerYes, consent.AnswerNo, consent.AnswerYes} {
		say(t, store, answer, consent.SourceCommand, "", noon)
	}
	for _, name := range []string{"decisions", "decisions.head"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if h, err := store.History(); err != nil || len(h.Decisions) != 1 || h.Missing != 2 {
		t.Errorf("%d decisions, %d missing, %v", len(h.Decisions), h.Missing, err)
	}
	for range 2 { // also after other answers
		say(t, store, consent.AnswerNo, consent.SourceCommand, "", noon)
		if h, err := store.History(); err != nil || h.Missing != 2 {
			t.Errorf("with %d decisions, %d missing, %v", len(h.Decisions), h.Missing, err)
		}
	}
	if err := store.BeginHistory(); err != nil {
		t.Fatal(err)
	}
	say(t, store, consent.AnswerYes, consent.SourceCommand, "", noon)
	if h, err := store.History(); err != nil || h.Missing != 0 || len(h.Decisions) != 2 {
		t.Errorf("after a reset %d decisions, %d missing, %v", len(h.Decisions), h.Missing, err)
	}
}
