package telemetrycmd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/consent"
)

// consentIDs returns what names the decisions of the events that arrived, each once.
func (p *place) consentIDs() (ids []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events {
		if !slices.Contains(ids, e.ConsentID) {
			ids = append(ids, e.ConsentID)
		}
	}
	return ids
}

// wantFound holds the tool to telling of each decision that went out, and how it was made.
func (p *place) wantFound(by consent.Source, ids ...string) {
	p.t.Helper()
	for _, id := range ids {
		var told struct {
			Decisions []struct{ Receipt, By string }
		}
		out, err := p.command("telemetry", "receipts", id, "--output", "json").CombinedOutput()
		if err == nil {
			err = json.Unmarshal(out, &told)
		}
		if err != nil || len(told.Decisions) != 1 || told.Decisions[0].Receipt != id || told.Decisions[0].By != string(by) {
			p.t.Errorf("of the decision %s, which went out, the tool says %v: %s", id, err, out)
		}
	}
}

func TestEachDecisionThatWentOutIsFoundByItsID(t *testing.T) {
	t.Parallel()
	p := newEmptyPlace(t, t.TempDir(), "MYTOOL_TELEMETRY=on")
	deliver := func() {
		t.Helper()
		before := p.arrived()
		p.must("deploy")
		if len(p.flushed()) == before {
			t.Fatal("nothing went out")
		}
	}
	for range 3 {
		deliver()
	}
	first := p.consentIDs()
	if len(first) != 1 {
		t.Errorf("one decision has the IDs %v", first)
	}
	p.wantFound(consent.SourceVariable, first...)
	p.must("telemetry", "disable")
	p.must("telemetry", "enable")
	deliver()
	deliver()
	both := p.consentIDs()
	if len(both) != 2 {
		t.Errorf("before and after a no the IDs are %v", both)
	}
	p.wantFound(consent.SourceVariable, both...)
	p.must("telemetry", "reset", "--yes")
	p.must("telemetry", "enable")
	deliver()
	if all := p.consentIDs(); len(all) < 3 || slices.Contains(both, all[len(all)-1]) {
		t.Errorf("before the reset %v, with what came after it %v", both, all)
	} else {
		p.wantFound(consent.SourceVariable, all[len(all)-1])
	}
}

// Nothing can be put into the history there, and what is in it holds.
func TestADecisionIsFoundByItsIDAlsoWhereNothingCanBeStored(t *testing.T) {
	t.Parallel()
	p := newEmptyPlace(t, t.TempDir(), "MYTOOL_TELEMETRY=on")
	p.must("deploy")
	p.flushed()
	defer frozen(t, filepath.Dir(p.state))()
	before := p.arrived()
	p.must("deploy")
	if p.arrived() == before {
		t.Fatal("nothing went out")
	}
	ids := p.consentIDs()
	if len(ids) != 1 {
		t.Errorf("one decision has the IDs %v", ids)
	}
	p.wantFound(consent.SourceVariable, ids...)
}

func TestALogThatIsGoneIsMissedUntilTheNextReset(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	deliver := func() {
		p.must("deploy")
		p.flushed()
	}
	deliver()
	for _, name := range []string{"sent.log", "sent.log.head"} {
		if err := os.Remove(filepath.Join(p.state, name)); err != nil {
			t.Fatal(err)
		}
	}
	missed := func(when string) {
		t.Helper()
		out, err := p.command("telemetry", "log", "--verify").CombinedOutput()
		if err == nil || !strings.Contains(string(out), "the log is not as it was written, it was changed or damaged: entry 1 is missing") {
			t.Errorf("%s --verify says %v: %s", when, err, out)
		}
		if all := p.asJSON("log", "--verify", "--output", "json"); all["fits"] != false {
			t.Errorf("%s a program is told %v", when, all)
		}
		if !p.says("entry 1 is missing", "log") {
			t.Errorf("%s log says %s", when, p.must("telemetry", "log"))
		}
	}
	missed("when it is gone")
	deliver()
	missed("after a delivery")
	p.must("telemetry", "reset", "--yes")
	p.must("telemetry", "log", "--verify")
	p.must("telemetry", "enable")
	deliver()
	p.must("telemetry", "log", "--verify")
}
