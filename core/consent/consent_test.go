package consent_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func stored(answer consent.Answer) consent.Stored {
	return consent.Stored{Answer: answer, Notice: 1, At: noon}
}

// save stores an answer at noon, to version 1 of the notice.
func save(store consent.Store, answer consent.Answer, seen consent.Stored) error {
	if answer == consent.AnswerNo {
		return store.No(consent.SourceCommand, "", consent.Terms{NoticeVersion: 1}, noon)
	}
	return store.Yes(consent.Past{At: noon, Decided: answer, By: consent.SourceQuestion, Terms: consent.Terms{NoticeVersion: 1}}, seen)
}

func decide(in consent.Input, env ...string) consent.Decision {
	in.Feature = true
	in.Tool = "my-tool"
	in.Terms.NoticeVersion = max(in.Terms.NoticeVersion, 1)
	in.Lookup = func(name string) (string, bool) {
		for _, pair := range env {
			if key, value, _ := strings.Cut(pair, "="); key == name {
				return value, true
			}
		}
		return "", false
	}
	return consent.Decide(in)
}

func TestAnyNoDecidesAndSilenceIsNo(t *testing.T) {
	t.Parallel()
	yes, no := consent.Policy{Verdict: consent.Yes}, consent.Policy{Verdict: consent.No}
	const own = "MY_TOOL_TELEMETRY"
	for _, c := range []struct {
		name    string
		in      consent.Input
		env     []string
		on      bool
		decider string
	}{
		{name: "nobody said anything", decider: "nobody"},
		{name: "a stored yes", in: consent.Input{Stored: stored(consent.AnswerYes)}, on: true, decider: "your answer"},
		{name: "a stored no", in: consent.Input{Stored: stored(consent.AnswerNo)}, decider: "your answer"},
		{name: "a stored answer that cannot be read", in: consent.Input{Stored: consent.Stored{Err: errors.New("damaged")}}, decider: "your answer"},
		{name: "the general variable says yes", env: []string{"TELEMETRY_ENABLED=true"}, on: true, decider: "TELEMETRY_ENABLED"},
		{name: "the tool's variable says yes", env: []string{own + "=on"}, on: true, decider: own},
		{name: "the policy says yes", in: consent.Input{Policy: yes}, on: true, decider: "the administrator's policy"},
		{name: "a stored no against a general yes", in: consent.Input{Stored: stored(consent.AnswerNo)}, env: []string{"TELEMETRY_ENABLED=true"}, decider: "your answer"},
		{name: "a stored no against every yes", in: consent.Input{Stored: stored(consent.AnswerNo), Policy: yes}, env: []string{"TELEMETRY_ENABLED=1", own + "=on"}, decider: "your answer"},
		{name: "an unreadable answer against every yes", in: consent.Input{Stored: consent.Stored{Err: errors.New("damaged")}, Policy: yes}, env: []string{own + "=on"}, decider: "your answer"},
		{name: "DO_NOT_TRACK against every yes", in: consent.Input{Stored: stored(consent.AnswerYes), Policy: yes}, env: []string{"DO_NOT_TRACK=1", "TELEMETRY_ENABLED=1", own + "=on"}, decider: "DO_NOT_TRACK"},
		{name: "the policy is named before the variables", in: consent.Input{Policy: no}, env: []string{"DO_NOT_TRACK=1"}, decider: "the administrator's policy"},
		{name: "the general no against the tool's yes", env: []string{"TELEMETRY_ENABLED=false", own + "=on"}, decider: "TELEMETRY_ENABLED"},
		{name: "the tool's no against the general yes", env: []string{"TELEMETRY_ENABLED=true", own + "=off"}, decider: own},
		{name: "a value that says neither", in: consent.Input{Stored: stored(consent.AnswerYes)}, env: []string{own + "=perhaps"}, decider: own},
		{name: "empty variables say nothing", in: consent.Input{Stored: stored(consent.AnswerYes)}, env: []string{"DO_NOT_TRACK=", "TELEMETRY_ENABLED=", own + "="}, on: true, decider: "your answer"},
		{name: "built without telemetry", in: consent.Input{Omitted: true, Stored: stored(consent.AnswerYes)}, decider: "this build"},
		{name: "a yes to an older notice", in: consent.Input{Terms: consent.Terms{NoticeVersion: 2}, Stored: stored(consent.AnswerYes)}, decider: "nobody"},
		{name: "a no to an older notice stays", in: consent.Input{Terms: consent.Terms{NoticeVersion: 2}, Stored: stored(consent.AnswerNo)}, decider: "your answer"},
		{name: "CI says nothing", env: []string{"CI=true"}, decider: "nobody"},
		{name: "local alone is no yes", env: []string{"TELEMETRY_LOCAL=1"}, decider: "nobody"},
	} {
		d := decide(c.in, c.env...)
		if d.Enabled != c.on || d.Decider != c.decider {
			t.Errorf("%s: enabled %v by %s, want %v by %s", c.name, d.Enabled, d.Decider, c.on, c.decider)
		}
		if wantUndecided := c.decider == "nobody"; d.Undecided != wantUndecided {
			t.Errorf("%s: undecided %v", c.name, d.Undecided)
		}
	}
}

func TestWithoutTheAuthorsFeatureNothingCounts(t *testing.T) {
	t.Parallel()
	d := consent.Decide(consent.Input{
		Tool: "t", Stored: stored(consent.AnswerYes), Lookup: func(string) (string, bool) { return "1", true },
	})
	if d.Enabled || d.Undecided || d.Decider != "the tool" {
		t.Errorf("%+v", d)
	}
}

func TestDoNotTrackIsReadCautiously(t *testing.T) {
	t.Parallel()
	for value, optsOut := range map[string]bool{
		"": false, "0": false, "false": false, "no": false, "off": false, "OFF": false, " no ": false,
		"1": true, "true": true, "yes": true, "2": true, "anything": true, "\xff": true, "-1": true,
	} {
		d := decide(consent.Input{Stored: stored(consent.AnswerYes)}, "DO_NOT_TRACK="+value)
		if d.Enabled == optsOut {
			t.Errorf("DO_NOT_TRACK=%q: enabled %v", value, d.Enabled)
		}
	}
}

func TestLocalRestrictsAYesFromAnywhere(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]consent.Decision{
		"the variable":              decide(consent.Input{Stored: stored(consent.AnswerYes)}, "TELEMETRY_LOCAL=true"),
		"a value it does not know":  decide(consent.Input{Stored: stored(consent.AnswerYes)}, "TELEMETRY_LOCAL=perhaps"),
		"the answer":                decide(consent.Input{Stored: stored(consent.AnswerLocal)}),
		"the answer, general yes":   decide(consent.Input{Stored: stored(consent.AnswerLocal)}, "TELEMETRY_ENABLED=1"),
		"the policy":                decide(consent.Input{Policy: consent.Policy{Local: true}, Stored: stored(consent.AnswerYes)}),
		"an old answer, policy yes": decide(consent.Input{Terms: consent.Terms{NoticeVersion: 9}, Policy: consent.Policy{Verdict: consent.Yes}, Stored: stored(consent.AnswerLocal)}),
	} {
		if !d.Enabled || !d.LocalOnly {
			t.Errorf("%s: enabled %v, local only %v", name, d.Enabled, d.LocalOnly)
		}
	}
	if d := decide(consent.Input{Stored: stored(consent.AnswerYes)}, "TELEMETRY_LOCAL=off"); d.LocalOnly {
		t.Error("TELEMETRY_LOCAL=off restricts")
	}
}

func TestEveryToolHasAVariableOfItsOwn(t *testing.T) {
	t.Parallel()
	for tool, want := range map[string]string{"mytool": "MYTOOL_TELEMETRY", "my-tool.v2": "MY_TOOL_V2_TELEMETRY", "k9s": "K9S_TELEMETRY"} {
		if got := consent.EnvName(tool); got != want {
			t.Errorf("%s: %s, want %s", tool, got, want)
		}
	}
}

func TestThePolicyFileFailsClosed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for content, want := range map[string]consent.Policy{
		"off\n": {Verdict: consent.No}, "on": {Verdict: consent.Yes}, " LOCAL ": {Local: true},
		"": {Verdict: consent.No}, "true": {Verdict: consent.No}, "on off": {Verdict: consent.No}, strings.Repeat("on", 1000): {Verdict: consent.No},
	} {
		path := filepath.Join(dir, fmt.Sprintf("policy-%x", content[:min(len(content), 9)]))
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got := consent.ReadPolicies(path)
		if got.Verdict != want.Verdict || got.Local != want.Local || got.Detail == "" {
			t.Errorf("%.20q: %+v, want %+v", content, got, want)
		}
	}
	if got := consent.ReadPolicies(filepath.Join(dir, "none")); got.Verdict != consent.Silent {
		t.Errorf("no file: %+v", got)
	}
	if got := consent.ReadPolicies(dir); got.Verdict != consent.No {
		t.Errorf("a folder in its place: %+v", got)
	}
}

func TestAnAnswerIsKept(t *testing.T) {
	t.Parallel()
	store := consent.NewStore(filepath.Join(t.TempDir(), "telemetry"))
	if got := store.Load(); got.Answer != consent.AnswerNone || got.Err != nil {
		t.Fatalf("before any: %+v", got)
	}
	for _, answer := range []consent.Answer{consent.AnswerYes, consent.AnswerNo, consent.AnswerLocal} {
		if err := save(store, answer, store.Load()); err != nil {
			t.Fatal(err)
		}
		if got := store.Load(); got.Answer != answer || got.Notice != 1 || !got.At.Equal(noon) || got.Err != nil {
			t.Errorf("%+v, want %s", got, answer)
		}
	}
}

func TestAYesDoesNotUndoANoThatItHasNotSeen(t *testing.T) {
	t.Parallel()
	store := consent.NewStore(filepath.Join(t.TempDir(), "telemetry"))
	seen := store.Load()                                                    // a prompt is on the screen …
	if err := save(store, consent.AnswerNo, consent.Stored{}); err != nil { // … `disable` runs elsewhere …
		t.Fatal(err)
	}
	if err := save(store, consent.AnswerYes, seen); !errors.Is(err, consent.ErrChanged) { // … and is answered yes
		t.Errorf("the stale yes says %v", err)
	}
	if got := store.Load(); got.Answer != consent.AnswerNo {
		t.Errorf("stored %q", got.Answer)
	}
	if err := save(store, consent.AnswerYes, store.Load()); err != nil {
		t.Errorf("a yes that has seen the no says %v", err)
	}
}

func TestANoIsNotLostAmongManyYeses(t *testing.T) {
	t.Parallel()
	for range 20 {
		store := consent.NewStore(filepath.Join(t.TempDir(), "telemetry"))
		seen := store.Load()
		done := make(chan error)
		for range 8 {
			go func() {
				if err := save(store, consent.AnswerYes, seen); err != nil && !errors.Is(err, consent.ErrChanged) {
					done <- err
					return
				}
				done <- nil
			}()
		}
		go func() { done <- save(store, consent.AnswerNo, seen) }()
		for range 9 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if got := store.Load(); got.Answer != consent.AnswerNo {
			t.Fatalf("nine said something at once, one of them no: %q is stored", got.Answer)
		}
	}
}

func TestAStoredAnswerThatIsDamagedIsAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := consent.NewStore(dir)
	if err := save(store, consent.AnswerYes, consent.Stored{}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "consent")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		if err := os.WriteFile(path, whole[:i], 0o600); err != nil {
			t.Fatal(err)
		}
		if got := store.Load(); got.Err == nil && (i > 0 || got.Answer != consent.AnswerNo) {
			t.Fatalf("cut to %d bytes it reads as %q", i, got.Answer)
		}
	}
	for _, damage := range [][2]string{{"answer=yes", "answer=YES"}, {"notice=1", "notice=x"}, {"revision=1", "revision="}, {"answer=yes", "answer=yes\nanswer=no"}} {
		content := strings.Replace(string(whole), damage[0], damage[1], 1)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := store.Load(); got.Err == nil {
			t.Errorf("%s reads as %q", damage[1], got.Answer)
		}
	}
	// Only a new answer repairs it.
	if err := save(store, consent.AnswerNo, store.Load()); err != nil || store.Load().Answer != consent.AnswerNo {
		t.Errorf("a no over the damage: %v", err)
	}
}
