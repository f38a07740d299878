//go:build linux

package telemetrycmd

import (
	"os"
	"path/filepath"
	"testing"
)

// lose removes files of the state directory, as somebody does who tidies up.
func (p *place) lose(names ...string) {
	p.t.Helper()
	for _, name := range names {
		if err := os.Remove(filepath.Join(p.state, name)); err != nil {
			p.t.Fatal(err)
		}
	}
}

func TestNotesOfDeliveriesThatAreGoneAreNotTakenForNone(t *testing.T) {
	t.Parallel()
	const removed = "What is wrong: the notes of deliveries were removed"
	p := newBusyPlace(t, 0)
	p.wantSaid(p.say("status"), "!What is wrong")
	p.lose("delivery")
	p.wantSaid(p.say("status"), removed, "Delivered: not known")
	if got, _ := p.printed("status"); !got.DeliveriesUnknown || !got.DeliveriesGone {
		t.Errorf("%+v", got)
	}
	p.wantSaid(p.say("export"), "the notes of deliveries were removed")
	p.wantSaid(p.say("disable"), "What was sent before stays with the receiver")
	p.must("telemetry", "enable")

	// It stays told when the next ones are there.
	for range 2 {
		p.must("deploy")
		p.must("telemetry", "flush")
	}
	p.wantSaid(p.say("status"), removed, "Delivered: at least 2 events")
	if got, _ := p.printed("status"); got.DeliveriesUnknown || !got.DeliveriesGone || got.Delivered != 2 {
		t.Errorf("%+v", got)
	}
	p.must("telemetry", "reset", "--yes")
	p.wantSaid(p.say("status"), "!What is wrong")
	p.must("telemetry", "enable")
	p.must("deploy")
	p.must("telemetry", "flush")
	p.wantSaid(p.say("status"), "!What is wrong", "Delivered: 1 event")
}

func TestALogAndNotesThatAreGoneAreNotTakenForNoDelivery(t *testing.T) {
	t.Parallel()
	const unknown = "Whether anything was delivered before is not known"
	p := newBusyPlace(t, 0)
	p.wantSaid(p.say("log"), "!"+unknown)
	p.lose("delivery")
	p.lose("sent.log", "sent.log.head", "logged")
	p.wantSaid(p.say("log"), unknown)
	p.wantSaid(p.say("log", "--verify"), unknown)
}

func TestWhatIsKeptHereIsNotSaidToBeNothingWhereTheNotesAreGone(t *testing.T) {
	t.Parallel()
	p := newLowlyPlace(t)
	p.must("telemetry", "enable", "--local")
	p.must("deploy")
	p.must("telemetry", "flush")
	p.wantSaid(p.say("status"), "Kept here: 1 event")
	if err := os.WriteFile(filepath.Join(p.state, "delivery"), []byte("noise"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.wantSaid(p.say("status"), "Kept here: not known")
	p.lose("delivery")
	p.wantSaid(p.say("status"), "Kept here: not known", "What is wrong: the notes of deliveries were removed")
	p.must("deploy")
	p.must("telemetry", "flush")
	p.wantSaid(p.say("status"), "Kept here: at least 1 event")
}
