//go:build linux

package telemetrycmd

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// lowlyUser is a user who can be kept out of a directory, which the superuser cannot.
const lowlyUser = 65534

// newLowlyPlace is a place of a user who is not the superuser.
func newLowlyPlace(t *testing.T, env ...string) *place {
	t.Helper()
	dir, err := os.MkdirTemp("", "telemetrycmd-lowly")
	if err != nil {
		t.Fatal(err)
	}
	p := newEmptyPlace(t, dir, env...)
	t.Cleanup(func() {
		for _, name := range []string{p.state, filepath.Join(p.state, "queue")} {
			_ = os.Chmod(name, 0o700)
		}
		os.RemoveAll(dir)
	})
	if os.Geteuid() == 0 {
		p.attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: lowlyUser, Gid: lowlyUser}}
		err = errors.Join(os.Chown(dir, lowlyUser, lowlyUser), os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(p.exe), 0o755))
		if err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// newBusyPlace is such a place of somebody who said yes, where one event was sent and others wait.
func newBusyPlace(t *testing.T, waiting int) *place {
	t.Helper()
	p := newLowlyPlace(t)
	p.must("telemetry", "enable")
	for range 1 + waiting {
		p.must("deploy")
	}
	if got := p.statusJSON(); got.Queue.Events != waiting || got.Delivered != 1 {
		t.Fatalf("%d events wait, %d were delivered", got.Queue.Events, got.Delivered)
	}
	return p
}

func (p *place) chmod(name string, mode fs.FileMode) {
	p.t.Helper()
	if err := os.Chmod(filepath.Join(p.state, name), mode); err != nil {
		p.t.Fatal(err)
	}
}

// read is what of the JSON of commands the tests here look at.
type read struct {
	State             string
	Blocked           string
	Faults            []string
	Delivered         int
	Erased            int
	Sent              int
	Lost              int
	Problem           string
	NotErased         int    `json:"not_erased"`
	NotAllStored      string `json:"not_all_stored"`
	QueueUnknown      bool   `json:"queue_unknown"`
	DeliveriesUnknown bool   `json:"deliveries_unknown"`
	DeliveriesGone    bool   `json:"deliveries_gone"`
	RequestsUnknown   bool   `json:"requests_unknown"`
	CannotStore       string `json:"cannot_store"`
	LocalErased       int    `json:"local_erased"`
	Requests          []any
	IdentityLost      bool     `json:"identity_lost"`
	LostMachineIDs    []string `json:"lost_machine_ids"`
	Queue             struct{ Events, Damaged int }
	Held              []struct{ Why string }
}

func (p *place) printed(args ...string) (r read, code int) {
	p.t.Helper()
	cmd := p.command(append(append([]string{"telemetry"}, args...), "-o", "json")...)
	out, err := cmd.Output()
	if cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	name := args[0]
	if len(args) > 1 && args[1] != "--yes" {
		name = "reset_status"
	}
	newOutputs(p.t).check(name, string(out))
	if err := json.Unmarshal(out, &r); err != nil {
		p.t.Fatalf("%v: %v in %s", args, err, out)
	}
	return r, cmd.ProcessState.ExitCode()
}

func (p *place) statusJSON() read {
	p.t.Helper()
	r, _ := p.printed("status")
	return r
}

// say runs a telemetry command and returns all that it printed, whatever came of it.
func (p *place) say(args ...string) string {
	p.t.Helper()
	out, err := p.command(append([]string{"telemetry"}, args...)...).CombinedOutput()
	if exit := (*os.PathError)(nil); errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return string(out)
}

func (p *place) wantSaid(out string, texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		not, unwanted := strings.CutPrefix(text, "!")
		if unwanted == strings.Contains(out, not) {
			p.t.Errorf("%q: said %v, in\n%s", not, unwanted, out)
		}
	}
}

func TestStatusSaysOnWhereTheQueueTakesEventsAndTheDirectoryTakesNothing(t *testing.T) {
	t.Parallel()
	p := newBusyPlace(t, 1)
	p.chmod("", 0o500)
	const partly = "on, but not everything may be stored"
	p.wantSaid(p.say("status"), partly, "permission denied", "!Not recorded", "!off (")
	if got := p.statusJSON(); got.State != "on" || got.Blocked != "" || got.NotAllStored == "" || len(got.Faults) != 1 {
		t.Errorf("%+v", got)
	}
	p.wantSaid(p.say("enable"), "!nothing can be recorded", "!Thank you", "telemetry status")
	p.must("deploy")
	if got := p.statusJSON(); got.Queue.Events != 2 {
		t.Errorf("%d events wait after another command", got.Queue.Events)
	}
	p.wantSaid(p.say("flush"), "Sent 2 events")
	// The notes of it could not be replaced.
	if got := p.statusJSON(); got.Delivered != 3 || p.arrived() != 3 {
		t.Errorf("%d are said to be delivered, %d arrived", got.Delivered, p.arrived())
	}
	p.wantSaid(p.say("status"), "Delivered: at least 3 events", "!last on")
	p.chmod("", 0o700)
	p.wantSaid(p.say("status"), "Delivered: 3 events", "when 2 of them were is not noted", "!at least", "!last on", "!not everything")
	p.must("telemetry", "flush") // has nothing to send, and can be noted
	p.wantSaid(p.say("status"), "Delivered: 3 events", "!is not noted", "!last on")
	p.must("deploy")
	p.must("telemetry", "flush")
	p.wantSaid(p.say("status"), "Delivered: 4 events, last on")
}

func TestStatusSaysOffWhereTheQueueTakesNothing(t *testing.T) {
	t.Parallel()
	p := newBusyPlace(t, 1)
	p.chmod("queue", 0o500)
	p.chmod("queue/0000.events2", 0o400)
	p.wantSaid(p.say("status"), "on, but nothing can be stored", "!not everything") // in a CI job commands send by themselves
	p.env = append(p.env, "TELEMETRY_LOCAL=1")
	p.wantSaid(p.say("status"), "off (allowed, but something is wrong)", "Not recorded: nothing can be stored", "!not everything")
	p.must("deploy")
	if got := p.statusJSON(); got.Queue.Events != 1 || got.State != "off" {
		t.Errorf("%+v", got)
	}
}

// To look must not take that something can be stored.
func TestWhatWaitsIsShownWhereTheDirectoryTakesNothing(t *testing.T) {
	t.Parallel()
	p := newBusyPlace(t, 2)
	home := filepath.Dir(p.state) // is the person's own
	p.env = append(p.env, "HOME="+home)
	p.chmod("", 0o500)
	for command, name := range map[string]string{"inspect": `"name":"deploy"`, "inspect --next": `"name": "deploy"`, "export": `"name": "deploy"`} {
		out := p.say(strings.Fields(command)...)
		if n := strings.Count(out, name); n < 2 {
			t.Errorf("%s shows %d of 2 events:\n%s", command, n, out)
		}
		p.wantSaid(out, "!denied", "!not whole")
	}
	if left, err := os.ReadDir(filepath.Join(home, ".cache")); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestWhatWaitsIsShownOnAFileSystemThatIsReadOnly(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.sendOne()
	h.record(2)
	h.env["XDG_CACHE_HOME"] = t.TempDir()
	if !h.readOnly() {
		t.Skip("nothing can be made read-only here")
	}
	for _, command := range [][]string{{"inspect", "--output", "json"}, {"export"}} {
		if out := h.must(append([]string{"telemetry"}, command...)...); strings.Count(out, `"name": "build"`) < 2 {
			t.Errorf("%v:\n%s", command, out)
		}
	}
}

func TestFlushSaysThatAFileOfTheQueueCannotBeOpened(t *testing.T) {
	t.Parallel()
	p := newBusyPlace(t, 2)
	p.chmod("queue/0000.events2", 0o400)
	p.wantSaid(p.say("flush"), "2 events were not sent: in a file of the queue that cannot be opened", "!Nothing was waiting")
}

func TestWhatWaitsInAFileThatMayOnlyBeReadIsShownAndSaidToStay(t *testing.T) {
	t.Parallel()
	p := newBusyPlace(t, 2)
	p.chmod("queue/0000.events2", 0o400)
	p.wantSaid(p.say("status"), "Waiting: 2 events")
	for command, name := range map[string]string{"inspect": `"name":"deploy"`, "export": `"name": "deploy"`} {
		out := p.say(command)
		if n := strings.Count(out, name); n < 2 {
			t.Errorf("%s shows %d of 2 events:\n%s", command, n, out)
		}
		p.wantSaid(out, "!denied")
	}
	p.wantSaid(p.say("export"), `"kept_because": "in a file of the queue that cannot be opened"`)
	p.wantSaid(p.say("inspect", "--next"), "in a file of the queue that cannot be opened", "!denied")
	p.chmod("queue/0000.events2", 0o600)
	p.wantSaid(p.say("flush"), "Sent 2 events")
}

func TestWhatWaitsInAFileThatCannotBeReadIsNotSaidToBeNothing(t *testing.T) {
	t.Parallel()
	p := newBusyPlace(t, 2)
	p.chmod("queue/0000.events2", 0)
	p.wantSaid(p.say("status"), "Waiting: not known", "the queue cannot be read: 0000.events2: open: permission denied")
	if got := p.statusJSON(); !got.QueueUnknown || got.Queue.Events != 0 {
		t.Errorf("%+v", got)
	}
	p.wantSaid(p.say("export"), "what waits: copying what waits: open: permission denied")
	p.wantSaid(p.say("flush"), "!Nothing was waiting")
	if got, code := p.printed("flush"); code != 1 || !got.QueueUnknown || got.Problem == "" {
		t.Errorf("%+v, %d", got, code)
	}
}

func TestOnAFullDiskNothingIsCountedTwiceOrNotAtAll(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount")
	}
	mount := t.TempDir()
	if err := syscall.Mount("telemetry-test", mount, "tmpfs", 0, "mode=0700,size=256k"); err != nil {
		t.Skipf("no mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(mount, syscall.MNT_DETACH) })
	p := newEmptyPlace(t, mount)
	p.must("telemetry", "enable")
	p.must("deploy") // is sent
	p.must("deploy") // waits
	ballast := filepath.Join(mount, "ballast")
	fill := func() {
		f, err := os.OpenFile(ballast, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for err == nil {
			_, err = f.Write(make([]byte, 4096))
		}
	}
	fill()
	p.wantSaid(p.say("status"), "on, but not everything may be stored", "no space left on device", "!Not recorded")
	p.must("deploy")
	if got := p.statusJSON(); got.Queue.Events != 2 {
		t.Errorf("%d events wait", got.Queue.Events)
	}
	for range 30 {
		p.must("deploy")
	}
	told := 0
	flush := func() {
		got, _ := p.printed("flush")
		told += got.Lost
		if now := p.statusJSON(); now.Delivered != p.arrived() {
			t.Errorf("%d are said to be delivered, %d arrived", now.Delivered, p.arrived())
		}
	}
	before := p.statusJSON()
	if before.Lost == 0 {
		t.Fatal("nothing was lost")
	}
	serverIs := func(down bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.down = down
	}
	// What is delivered makes room. As long as nothing is, no flush can note what was lost.
	serverIs(true)
	for range 2 {
		fill()
		flush()
	}
	if told != 0 {
		t.Errorf("flush told of %d lost events that it could not note, and will again", told)
	}
	serverIs(false)
	for range 3 {
		flush()
		fill()
	}
	p.wantSaid(p.say("status"), "Delivered: at least ")
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	flush()
	flush()
	if got := p.statusJSON(); told != before.Lost || got.Lost != told {
		t.Errorf("flush told of %d lost events, status says %d, it was %d", told, got.Lost, before.Lost)
	}
}

func TestStatusSaysOnWhereOnlyTheQueueTakesNoMoreSlots(t *testing.T) {
	t.Parallel()
	p := newBusyPlace(t, 1)
	p.chmod("queue", 0o500)
	p.wantSaid(p.say("status"), "on, but not everything may be stored", "!Not recorded")
	p.must("deploy")
	if got := p.statusJSON(); got.Queue.Events != 2 || got.State != "on" {
		t.Errorf("%+v", got)
	}
}

func TestDisableErasesWhatWaitsInAQueueFromWhichNothingCanBeRemoved(t *testing.T) {
	t.Parallel()
	p := newBusyPlace(t, 2)
	p.chmod("queue", 0o500)
	p.wantSaid(p.say("disable"), "The 2 events that were waiting to be sent are erased.", "!Nothing was waiting", "!could")
	if got := p.statusJSON(); got.Queue.Events != 0 {
		t.Errorf("%d events wait", got.Queue.Events)
	}
}

func TestDisableSaysWhatItCouldNotErase(t *testing.T) {
	t.Parallel()
	p := newBusyPlace(t, 2)
	p.chmod("queue", 0o500)
	p.chmod("queue/0000.events2", 0o400)
	p.wantSaid(p.say("disable"), "!Nothing was waiting", "could be erased", "telemetry disable")
	if got, code := p.printed("disable"); got.Erased != 0 || got.NotErased != 2 || code != 1 {
		t.Errorf("%+v, %d", got, code)
	}
	p.wantSaid(p.say("reset", "--yes"), "!Nothing was waiting", "telemetry reset")
}

func TestResetNamesNoVariableThatIsNotSet(t *testing.T) {
	t.Parallel()
	p := newBusyPlace(t, 1)
	p.chmod("", 0o500)
	p.wantSaid(p.say("reset", "--yes"), "!MYTOOL_TELEMETRY_IDENTITY", "telemetry reset")
	p.chmod("", 0o700)
	p.wantSaid(p.say("reset", "--yes"), "!MYTOOL_TELEMETRY_IDENTITY")
}

// unusable are the ways in which a state directory cannot be trusted.
var unusable = map[string]func(p *place) error{
	"others may write to it": func(p *place) error { return os.Chmod(p.state, 0o777) },
	"it is a link": func(p *place) error {
		return errors.Join(os.Rename(p.state, p.state+".else"), os.Symlink(p.state+".else", p.state))
	},
	"it cannot be entered": func(p *place) error { return os.Chmod(p.state, 0) },
	"it is another's": func(p *place) error {
		if p.attr == nil {
			return errors.ErrUnsupported
		}
		p.attr = nil
		return nil
	},
}

func TestNoCommandLooksIntoADirectoryThatCannotBeTrusted(t *testing.T) {
	t.Parallel()
	for name, spoil := range unusable {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newBusyPlace(t, 1)
			if err := spoil(p); errors.Is(err, errors.ErrUnsupported) {
				t.Skip("only the superuser is another")
			} else if err != nil {
				t.Fatal(err)
			}
			arrived, closed := p.arrived(), name == "it cannot be entered" && os.Geteuid() != 0
			slot := filepath.Join(p.state, "queue", "0000.events2")
			before, err := os.ReadFile(slot)
			if err != nil && !closed {
				t.Fatal(err)
			}
			p.wantSaid(p.say("flush"), "!nothing waits", "!telemetry is off", "!to turn it on", "telemetry status")
			if got, code := p.printed("flush"); !got.QueueUnknown || got.Problem == "" || code != 1 {
				t.Errorf("flush: %+v, %d", got, code)
			}
			p.wantSaid(p.say("share"), "!IDENTITY=", "telemetry status")
			for _, args := range [][]string{{"receipts"}, {"receipts", "1"}, {"receipts", "-o", "json"}, {"log"}, {"inspect"}, {"export"}} {
				out, err := p.command(append([]string{"telemetry"}, args...)...).Output()
				if err == nil || len(out) > 0 {
					t.Errorf("%v: %v, printed %q", args, err, out)
				}
			}
			p.wantSaid(p.say("status"), "Waiting: not known", "Delivered: not known", "Machine ID: not known", "!stored, but it cannot be read", "To mend it: ")
			p.wantSaid(p.say("disable"), "!Nothing was waiting", "MYTOOL_TELEMETRY=off")
			p.wantSaid(p.say("reset", "--yes"), "!Nothing to reset", "!Nothing was waiting", "MYTOOL_TELEMETRY=off")
			if after, err := os.ReadFile(slot); !closed && (err != nil || string(after) != string(before)) {
				t.Errorf("what waits was changed: %v, %q", err, after)
			}
			p.run("deploy")
			if p.arrived() != arrived {
				t.Errorf("%d more events arrived", p.arrived()-arrived)
			}
		})
	}
}

func TestAPendingRequestIsNotDeniedWhereItCannotBeSeen(t *testing.T) {
	t.Parallel()
	for name, spoil := range unusable {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newBusyPlace(t, 0)
			p.env = append(p.env, "TOOL_ENDPOINT=http://127.0.0.1:9/")
			p.say("enable") // the receiver is another by now
			p.say("reset", "--yes")
			p.wantSaid(p.say("reset", "--status"), "NOT handed over")
			if err := spoil(p); errors.Is(err, errors.ErrUnsupported) {
				t.Skip("only the superuser is another")
			} else if err != nil {
				t.Fatal(err)
			}
			for _, flag := range []string{"--status", "--resume"} {
				p.wantSaid(p.say("reset", flag), "!There is no deletion request", "!NOT handed over", "telemetry status")
				if got, code := p.printed("reset", flag); !got.RequestsUnknown || code != 1 {
					t.Errorf("%s: %+v, %d", flag, got, code)
				}
			}
			if got := p.statusJSON(); !got.RequestsUnknown {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestNobodyIsToldOfAnAnswerThatIsNotStored(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(p *place) error{
		"a file is in the way": func(p *place) error { return os.WriteFile(filepath.Dir(p.state)+"/file", nil, 0o600) },
		"others may write to it": func(p *place) error {
			return errors.Join(os.Mkdir(p.state, 0o777), os.Chmod(p.state, 0o777))
		},
		"it is another's": func(p *place) error { return os.Mkdir(p.state, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newLowlyPlace(t)
			if err := spoil(p); err != nil {
				t.Fatal(err)
			}
			if name == "a file is in the way" {
				p.env = append(p.env, "TOOL_STATE="+filepath.Dir(p.state)+"/file/state")
			}
			if p.attr == nil && name == "it is another's" {
				t.Skip("only the superuser is another")
			}
			p.wantSaid(p.say("status"), "!stored, but", "Decided by: your answer (not known, which counts as no: ")
		})
	}
}

func TestAFileOfTheQueueThatIsNoneStopsNobody(t *testing.T) {
	t.Parallel()
	p := newBusyPlace(t, 1)
	slot := filepath.Join(p.state, "queue", "0000.events2")
	if err := errors.Join(os.Rename(slot, slot+".else"), syscall.Mkfifo(slot, 0o600), os.Lchown(slot, p.user(), p.user())); err != nil {
		t.Fatal(err)
	}
	p.wantSaid(p.say("status"), "the queue has files that are not private and plain, which are left alone: 0000.events2")
	p.wantSaid(p.say("disable"), "Telemetry of mytool is off.")
	if _, err := os.Lstat(slot); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
}

func TestEventsInAFileThatOthersMayWriteToAreSaidToStay(t *testing.T) {
	t.Parallel()
	p := newBusyPlace(t, 2)
	p.chmod("queue/0000.events2", 0o666)
	p.wantSaid(p.say("status"), "Not sent: 2 events", "others may write to")
	out := p.say("flush")
	p.wantSaid(out, "2 events were not sent", "others may write to", "!Nothing was waiting")
	if got, code := p.printed("flush"); code != 1 || got.Sent != 0 {
		t.Errorf("%+v, %d", got, code)
	}
}

func TestAFileThatIsNotPrivateIsNamed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"consent", "identity", "delivery", "decisions", "sent.log"} {
		p := newBusyPlace(t, 0)
		p.chmod(name, 0o666)
		p.wantSaid(p.say("status"), name+" in the state directory is not private and plain", "!a private plain directory")
		p.wantSaid(p.say("status"), "!Machine ID: none")
	}
}

func TestADamagedReceiptIsNotTakenForAWithdrawnYes(t *testing.T) {
	t.Parallel()
	p := newBusyPlace(t, 2)
	receipts, err := filepath.Glob(filepath.Join(p.state, "receipts", "*"))
	if err != nil || len(receipts) != 1 {
		t.Fatal(receipts, err)
	}
	if err := os.WriteFile(receipts[0], []byte("noise"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.wantSaid(p.say("status"), "!no longer holds", "!given up")
	p.must("deploy")
	p.wantSaid(p.say("flush"), "Sent 3 events", "!damaged")
}

func TestExportSaysThatNotesCannotBeRead(t *testing.T) {
	t.Parallel()
	p := newBusyPlace(t, 0)
	if err := os.WriteFile(filepath.Join(p.state, "delivery"), []byte("noise"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.wantSaid(p.say("export"), "the notes of deliveries: the file is damaged")
}

// user is who the tool of the place runs as.
func (p *place) user() int {
	if p.attr != nil {
		return lowlyUser
	}
	return os.Geteuid()
}

func TestALockThatNobodyCanTakeIsToldOf(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"upload.lock", "identity.lock", "consent.lock"} {
		p := newBusyPlace(t, 1)
		lock := filepath.Join(p.state, name)
		if err := errors.Join(os.RemoveAll(lock), os.Mkdir(lock, 0o755)); err != nil {
			t.Fatal(err)
		}
		p.wantSaid(p.say("status"), "What is wrong: what needs a lock is not done until that is removed: "+name+" in the state directory is not private and plain")
		if err := os.Remove(lock); err != nil {
			t.Fatal(err)
		}
		p.wantSaid(p.say("status"), "!What is wrong")
		p.wantSaid(p.say("flush"), "Sent 1 event")
	}
}

func TestAnIdentityThatIsGoneIsAsLoudAsADamagedOne(t *testing.T) {
	t.Parallel()
	for name, also := range map[string][]string{"with the log": nil, "without the log": {"sent.log", "sent.log.head", "logged"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newBusyPlace(t, 0)
			id := p.printedID()
			for _, file := range append(also, "identity") {
				if err := os.Remove(filepath.Join(p.state, file)); err != nil {
					t.Fatal(err)
				}
			}
			p.wantSaid(p.say("status"), "What is wrong: the identity under which something was sent is gone")
			out, err := p.command("telemetry", "reset", "--yes").CombinedOutput()
			if err == nil {
				t.Error("the exit code is 0")
			}
			p.wantSaid(string(out), "!nobody to ask", "Error: an identity is gone, so nobody could be asked to delete what was sent under it")
			if named := strings.Contains(string(out), id); named != (also == nil) {
				t.Errorf("the machine ID %s is named: %v, in\n%s", id, named, out)
			}
			p.wantSaid(p.say("status"), "!What is wrong")
		})
	}
}

func TestAnIdentityThatIsGoneIsNamedAfterAnotherOneCame(t *testing.T) {
	t.Parallel()
	p := newBusyPlace(t, 0)
	id := p.printedID()
	if err := os.Remove(filepath.Join(p.state, "identity")); err != nil {
		t.Fatal(err)
	}
	p.must("deploy")
	p.wantSaid(p.say("flush"), "Sent 1 event")
	p.wantSaid(p.say("status"), "is gone")
	got, code := p.printed("reset", "--yes")
	if code != 1 || len(got.Requests) != 1 || !got.IdentityLost || len(got.LostMachineIDs) != 1 || got.LostMachineIDs[0] != id {
		t.Errorf("%+v, %d", got, code)
	}
}

func TestAnIdentityThatLooksUnusedIsAskedForWhereSomethingWasSent(t *testing.T) {
	t.Parallel()
	p := newBusyPlace(t, 0)
	id := p.printedID()
	identity := filepath.Join(p.state, "identity")
	if err := os.Rename(identity, identity+".unused"); err != nil {
		t.Fatal(err)
	}
	p.wantSaid(p.say("reset", "--yes"), "Data sent under the machine ID "+id, "!nobody to ask", "!is gone")
}

// printedID is the machine ID that status prints.
func (p *place) printedID() string {
	p.t.Helper()
	_, rest, _ := strings.Cut(p.say("status"), "Machine ID: ")
	id, _, _ := strings.Cut(rest, "\n")
	if len(id) != 32 {
		p.t.Fatalf("the machine ID is %q", id)
	}
	return id
}
