package core_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/props"
)

func mustDecisions(t *testing.T, m *core.Manager) core.Decisions {
	t.Helper()
	d, err := m.Decisions()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDecisionsTellWhatWasShownAndWhatIsSentBeyond(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "telemetry")
	tool := named()
	tool.Telemetry.MetadataKeys = []string{"format", "shell"}
	m := manager(tool, dir, nil)
	if err := m.Answer(consent.AnswerYes, m.Stored(), "what is shown\n"); err != nil {
		t.Fatal(err)
	}
	if err := m.Answer(consent.AnswerNo, m.Stored(), "what is shown then"); err != nil {
		t.Fatal(err)
	}
	if err := m.Enable(true, "of this machine"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Disable(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		decided consent.Answer
		by      consent.Source
		shown   string
	}{
		{consent.AnswerYes, consent.SourceQuestion, "what is shown\n"},
		{consent.AnswerNo, consent.SourceQuestion, "what is shown then"},
		{consent.AnswerLocal, consent.SourceCommand, "of this machine"},
		{consent.AnswerNo, consent.SourceCommand, ""},
	} {
		got := mustDecisions(t, m).List[i]
		if got.Decided != want.decided || got.By != want.by || got.Shown != want.shown || !got.ShownKnown || !got.Answered || got.Unrecorded || got.More != nil || got.Less != nil {
			t.Errorf("decision %d is %+v, want %+v", i, got, want)
		}
	}
	// The next version of the tool belongs to somebody else, and wants other things.
	tool.Telemetry.Controller = "Buyer Inc"
	tool.Telemetry.MetadataKeys = []string{"format", "plan"}
	list := mustDecisions(t, manager(tool, dir, nil)).List
	if more, less := strings.Join(list[0].More, "; "), strings.Join(list[0].Less, "; "); more != "the controller: Buyer Inc, not Example Ltd; the metadata plan" || less != "the metadata shell" {
		t.Errorf("more %q, less %q", more, less)
	}
	if more := strings.Join(list[2].More, "; "); more != "the metadata plan" {
		t.Errorf("of this machine only: more %q", more)
	}
}

func TestAResetLeavesOfTheHistoryItsOwnNo(t *testing.T) {
	t.Parallel()
	dir := said(t, newIntake(t).URL)
	m := manager(someTool(), dir, nil)
	if err := m.Enable(false, "CANARY"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	d := mustDecisions(t, m)
	if len(d.List) != 1 || d.List[0].Decided != consent.AnswerNo || d.List[0].By != consent.SourceCommand || d.Problem != "" || d.Missing != 0 {
		t.Errorf("%+v", d)
	}
	everyFile(t, dir, func(name, content string) {
		if strings.Contains(content, "CANARY") {
			t.Errorf("%s still has what was shown", name)
		}
	})
}

// everyFile calls look with each file in a directory.
func everyFile(t *testing.T, dir string, look func(name, content string)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		look(filepath.Base(path), string(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatCommandsRecordUnderAVariableIsOneDecision(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	dir := said(t, in.URL)
	m := manager(processTool(in.URL), dir, nil)
	if _, err := m.Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "consent")); err != nil { // as where nobody ever answered
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { abandoned(t, dir, in.URL, 2, "SOMETOOL_TELEMETRY=on") })
	}
	wg.Wait()
	d := mustDecisions(t, m)
	if n := len(d.List); n != 2 || d.Problem != "" { // the no of the reset, and this one
		t.Fatalf("%+v", d)
	}
	if got := d.List[1]; got.Decided != consent.AnswerYes || got.By != consent.SourceVariable || got.Decider != "SOMETOOL_TELEMETRY" || got.Shown != "" || !got.ShownKnown || got.Unrecorded {
		t.Errorf("%+v", got)
	}
}

// The answer stands, commands record, and status says what is wrong.
func TestNothingDependsOnTheHistory(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	for name, block := range map[string]func(t *testing.T, dir string){
		"a folder in its place": func(t *testing.T, dir string) {
			if err := errors.Join(os.Remove(filepath.Join(dir, "decisions")), os.MkdirAll(filepath.Join(dir, "decisions", "x"), 0o700)); err != nil {
				t.Fatal(err)
			}
		},
		"somebody holds it": func(t *testing.T, dir string) {
			t.Cleanup(holdLock(t, dir, "decisions"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := said(t, in.URL)
			block(t, dir)
			m := manager(processTool(in.URL), dir, nil)
			if r, err := m.Disable(t.Context()); err != nil || !r.Off {
				t.Errorf("the no: %+v, %v", r, err)
			}
			if m.Decision().Enabled {
				t.Error("after the no it is on")
			}
			if err := m.Enable(false, ""); err != nil || !m.Decision().Enabled {
				t.Errorf("the yes: %v", err)
			}
			abandoned(t, dir, in.URL, 2)
			abandoned(t, dir, in.URL, 3, "SOMETOOL_TELEMETRY=on")
			if n := waiting(t, dir, in.URL); n != 5 {
				t.Errorf("%d events wait", n)
			}
			d, _ := m.Decisions()
			last := core.PastDecision{}
			for _, p := range d.List {
				if p.Answered {
					last = p
				}
			}
			if last.Decided != consent.AnswerYes || !last.Unrecorded || last.ShownKnown {
				t.Errorf("the last answer is told as %+v", last)
			}
			if s := m.Status(); !s.Recording || !strings.Contains(strings.Join(s.Faults, "\n"), "history of decisions") {
				t.Errorf("recording %v, faults %q", s.Recording, s.Faults)
			}
		})
	}
}

func TestStatusSaysNothingOfAHistoryThatIsAsItWasWritten(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "telemetry")
	m := manager(someTool(), dir, nil)
	if err := m.Enable(false, "a notice"); err != nil {
		t.Fatal(err)
	}
	if s := m.Status(); s.Faults != nil {
		t.Errorf("%q", s.Faults)
	}
	path := filepath.Join(dir, "decisions")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(content), "a notice", "b notice", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := m.Status(); len(s.Faults) != 1 || s.Faults[0] != "the history of decisions is not as it was written: entry 1 is not as it was written" {
		t.Errorf("%q", s.Faults)
	}
	if !m.Decision().Enabled {
		t.Error("the answer depends on it")
	}
}

func TestAPolicyIsADecisionToo(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	policy := filepath.Join(root, "policy")
	if err := os.WriteFile(policy, []byte("on\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	options := []core.Option{core.WithStateDir(filepath.Join(root, "telemetry")), core.WithPolicyFile(policy), environment(nil)}
	c, err := core.Open(someTool(), options...)
	if err != nil {
		t.Fatal(err)
	}
	c.Track(props.EventFeatureUsed, "x", nil)
	d := mustDecisions(t, core.NewManager(someTool(), options...))
	if len(d.List) != 1 || d.List[0].By != consent.SourcePolicy || d.List[0].Decider != "the administrator's policy" || d.List[0].Answered {
		t.Errorf("%+v", d)
	}
}
