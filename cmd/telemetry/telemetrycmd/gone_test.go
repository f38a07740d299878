//go:build linux

package telemetrycmd

import (
	"bytes"
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
	const removed = "What is wrong: the notes of deliveries are gone"
	p := newBusyPlace(t, 0)
	p.wantSaid(p.say("status"), "!What is wrong")
	p.lose("delivery")
	p.wantSaid(p.say("status"), removed, "Delivered: not known")
	if got, _ := p.printed("status"); !got.DeliveriesUnknown || !got.DeliveriesGone {
		t.Errorf("%+v", got)
	}
	p.wantSaid(p.say("export"), "the notes of deliveries are gone")
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
	p.wantSaid(p.say("status"), "Kept here: not known", "What is wrong: the notes of deliveries are gone")
	p.must("deploy")
	p.must("telemetry", "flush")
	p.wantSaid(p.say("status"), "Kept here: at least 1 event")
}

// What another version or program wrote as JSON is dropped by the next upload, as what is none is.
func TestALineOfTheQueueThatCannotBeReadIsNotSaidToWait(t *testing.T) {
	t.Parallel()
	p := newBusyPlace(t, 1)
	slots, err := filepath.Glob(filepath.Join(p.state, "queue", "*.events2"))
	if err != nil || len(slots) == 0 {
		t.Fatal(slots, err)
	}
	content, err := os.ReadFile(slots[0])
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(content, []byte("\n"))
	event := lines[len(lines)-2]
	for _, change := range [][2]string{{`{`, `{"colour":"red",`}, {`"type":`, `"kind":`}, {`"id":"`, `"id":"0`}, {`"type":"`, `"count":"`}} {
		content = append(content, bytes.Replace(event, []byte(change[0]), []byte(change[1]), 1)...)
	}
	content = append(content, "{}\nnoise\n"...)
	if err := os.WriteFile(slots[0], content, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := p.statusJSON(); got.Queue.Events != 1 || got.Queue.Damaged != 6 {
		t.Errorf("%+v, one event can be read and six lines cannot", got.Queue)
	}
	p.wantSaid(p.say("status"), "Waiting: 1 event,", "What is wrong: 6 lines of the queue cannot be read")
	if waiting := p.asJSON("inspect", "-o", "json")["waiting"]; len(waiting.([]any)) != 1 {
		t.Errorf("inspect shows %v", waiting)
	}
	p.wantSaid(p.say("flush"), "Sent 1 event")
	if got := p.statusJSON(); got.Queue.Events != 1 || got.Queue.Damaged != 0 || got.Lost != 6 {
		t.Errorf("%+v, and what waits is the report of six lost lines", got)
	}
}

func TestANoCountsWhatWaitedAndNotWhatCouldNotBeRead(t *testing.T) {
	t.Parallel()
	p := newBusyPlace(t, 1)
	slots, err := filepath.Glob(filepath.Join(p.state, "queue", "*.events2"))
	if err != nil || len(slots) == 0 {
		t.Fatal(slots, err)
	}
	f, err := os.OpenFile(slots[0], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("{\"colour\":\"red\"}\n"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if got, _ := p.printed("disable"); got.Erased != 1 {
		t.Errorf("%d events are said to be erased, of one", got.Erased)
	}
}

func TestResetSaysHowMuchOfWhatStayedHereItErased(t *testing.T) {
	t.Parallel()
	p := newLowlyPlace(t)
	p.must("telemetry", "enable", "--local")
	p.must("deploy")
	p.must("telemetry", "flush")
	p.must("deploy")
	p.must("telemetry", "flush")
	p.must("deploy")
	log := filepath.Join(p.state, "local", "events.ndjson")
	if err := os.Rename(log, log+".1"); err != nil { // as a full one is
		t.Fatal(err)
	}
	p.must("telemetry", "flush")
	p.wantSaid(p.say("status"), "Kept here: 3 events")
	p.wantSaid(p.say("reset", "--yes"), "The 3 events that stayed on this machine are erased.")
	p.wantSaid(p.say("reset", "--yes"), "!stayed on this machine")

	p.must("telemetry", "enable", "--local")
	p.must("deploy")
	p.must("telemetry", "flush")
	if got, _ := p.printed("reset", "--yes"); got.LocalErased != 1 {
		t.Errorf("%d events that stayed here are said to be erased, of one", got.LocalErased)
	}
}

func TestReceiptsSayWhereNoneCanBeStored(t *testing.T) {
	t.Parallel()
	const cannot = "No decision is stored here, and none can be"
	p := newLowlyPlace(t)
	p.wantSaid(p.say("receipts"), "!"+cannot)
	for _, made := range []bool{false, true} { // the directory may be to come, or there
		if made {
			if err := os.Mkdir(p.state, 0o500); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(p.state, p.user(), p.user()); err != nil {
				t.Fatal(err)
			}
		} else if err := os.Chmod(filepath.Dir(p.state), 0o555); err != nil {
			t.Fatal(err)
		}
		p.wantSaid(p.say("receipts"), cannot+": permission denied")
		if got, code := p.printed("receipts"); got.CannotStore != "permission denied" || code != 0 {
			t.Errorf("made %v: %+v, %d", made, got, code)
		}
		if err := os.Chmod(filepath.Dir(p.state), 0o755); err != nil {
			t.Fatal(err)
		}
	}

	// Where there are some, that no more can be stored is status's to say.
	p = newBusyPlace(t, 0)
	p.chmod("", 0o500)
	p.wantSaid(p.say("receipts"), "!"+cannot, "yes")

	p = newLowlyPlace(t)
	p.env = []string{"PATH=" + os.Getenv("PATH")}
	p.wantSaid(p.say("receipts"), "Error: no decision is stored here, and none can be: no home directory is set")
}

func TestALogThatIsGoneAsAWholeStaysMissedWhenTheNextOneBegins(t *testing.T) {
	t.Parallel()
	p := newBusyPlace(t, 0)
	p.must("deploy")
	p.must("telemetry", "flush")
	const two = "Of 2 events that were delivered nothing is in the log"
	p.wantSaid(p.say("log"), "!nothing is in the log")
	p.lose("sent.log", "sent.log.head", "logged", "sent.gaps")
	for range 3 {
		p.wantSaid(p.say("log"), two)
		p.wantSaid(p.say("log", "--verify"), two)
		for _, args := range [][]string{{"log"}, {"log", "--verify"}} {
			if n := p.asJSON(append(args, "-o", "json")...)["delivered_before"]; n != 2.0 {
				t.Errorf("%s says that %v events were delivered before", args, n)
			}
		}
		if n := p.asJSON("export")["sent"].(map[string]any)["delivered_before"]; n != 2.0 {
			t.Errorf("the export says that %v events were delivered before", n)
		}
		p.must("deploy")
		p.must("telemetry", "flush")
	}
	// Whoever erases it by a command is told the same, of all that went.
	p.must("telemetry", "disable", "--erase-log")
	p.must("telemetry", "enable")
	p.must("deploy")
	p.must("telemetry", "flush")
	p.wantSaid(p.say("log"), "Of 5 events that were delivered nothing is in the log")
	p.must("telemetry", "reset", "--yes")
	p.must("telemetry", "enable")
	p.must("deploy")
	p.must("telemetry", "flush")
	p.wantSaid(p.say("log"), "!nothing is in the log")
}

// What the log knows is not denied because the identity cannot be read.
func TestAResetWithADamagedIdentityNamesTheMachineIDOfTheLog(t *testing.T) {
	t.Parallel()
	p := newBusyPlace(t, 0)
	id := p.printedID()
	identity := filepath.Join(p.state, "identity")
	content, err := os.ReadFile(identity)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(identity, bytes.Replace(content, []byte("salt="), []byte("salt=x"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	p.wantSaid(p.say("reset", "--yes"), id)
}
