package consent_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/gotoolbase/telemetry/core/consent"
)

func TestAQuestionThatWasNotAnsweredIsOpenAgainWithANewerNotice(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "telemetry")
	store := consent.NewStore(dir)
	if _, ok := store.Unanswered(terms(0)); ok {
		t.Error("unanswered before it was put")
	}
	if err := store.NoteUnanswered(terms(2), noon); err != nil {
		t.Fatal(err)
	}
	for notice, want := range map[int]bool{0: true, 2: true, 3: false} {
		if at, ok := store.Unanswered(terms(notice)); ok != want || !at.Equal(noon) {
			t.Errorf("notice %d: %v, %v; want %v", notice, at, ok, want)
		}
	}
	if got := store.Load(); got.Answer != consent.AnswerNone || got.Err != nil {
		t.Errorf("it counts as an answer: %+v", got)
	}
	info, err := os.Stat(filepath.Join(dir, "unanswered"))
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// terms are those of a version of the notice.
func terms(notice int) consent.Terms { return consent.Terms{NoticeVersion: notice} }

// Of a note that cannot be read, the quiet reading counts of the one, the honest reading
// of the other.
func TestADamagedNoteNeitherStallsNorSilences(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "telemetry")
	store := consent.NewStore(dir)
	for _, note := range []func() error{
		func() error { return store.NoteUnanswered(terms(2), noon) },
		func() error { return store.NoteTold(consent.Decision{}, terms(2), "", noon) },
	} {
		if err := note(); err != nil {
			t.Fatal(err)
		}
	}
	if !store.Told(terms(2)) || store.Told(terms(3)) {
		t.Errorf("told: %v of notice 2, %v of notice 3", store.Told(terms(2)), store.Told(terms(3)))
	}
	whole, err := os.ReadFile(filepath.Join(dir, "told"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		for _, name := range []string{"unanswered", "told"} {
			if err := os.WriteFile(filepath.Join(dir, name), whole[:i], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if at, ok := store.Unanswered(terms(2)); !ok || !at.IsZero() {
			t.Errorf("cut to %d bytes, unanswered is %v, %v", i, at, ok)
		}
		if store.Told(terms(2)) {
			t.Errorf("cut to %d bytes, told", i)
		}
	}
	if err := store.NoteTold(consent.Decision{}, terms(2), "", noon); err != nil || !store.Told(terms(2)) {
		t.Errorf("telling once more does not repair it: %v", err)
	}
}

func TestAYesByTheGeneralVariableAloneIsKnown(t *testing.T) {
	t.Parallel()
	const general, own = "TELEMETRY_ENABLED=1", "MY_TOOL_TELEMETRY=on"
	for name, c := range map[string]struct {
		in   consent.Input
		env  []string
		want bool
	}{
		"nothing":           {},
		"the variable":      {env: []string{general}, want: true},
		"the tool's own":    {env: []string{own}},
		"both":              {env: []string{general, own}},
		"a stored yes":      {in: consent.Input{Stored: stored(consent.AnswerYes)}, env: []string{general}},
		"an outdated yes":   {in: consent.Input{Terms: consent.Terms{NoticeVersion: 2}, Stored: stored(consent.AnswerYes)}, env: []string{general}, want: true},
		"a stored no":       {in: consent.Input{Stored: stored(consent.AnswerNo)}, env: []string{general}},
		"the policy's yes":  {in: consent.Input{Policy: consent.Policy{Verdict: consent.Yes}}, env: []string{general}},
		"DO_NOT_TRACK":      {env: []string{general, "DO_NOT_TRACK=1"}},
		"on this machine":   {env: []string{general, "TELEMETRY_LOCAL=1"}, want: true},
		"a no of its value": {env: []string{"TELEMETRY_ENABLED=0"}},
	} {
		if got := decide(c.in, c.env...).ByGeneralVariable(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
