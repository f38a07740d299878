package erasures_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/erasures"
)

// sample returns a ledger with all kinds of steps, of two erasures.
func sample(t *testing.T) []byte {
	t.Helper()
	var content []byte
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{
			erase: func(n int, _ deletion.Request) (deletion.Receipt, error) {
				if n == 1 {
					return deletion.Receipt{}, errors.New("connection reset")
				}
				return deletion.Receipt{State: deletion.Acknowledged, ID: "seven"}, nil
			},
			status: func(n int, r deletion.Receipt) (deletion.Receipt, error) {
				if n == 1 {
					return r, deletion.ErrUnknownReceipt
				}
				r.State = deletion.Verified
				return r, nil
			},
		}
		f := newFixture(t, erasures.Vendor{Name: "vendor", Requestor: follower{v}})
		f.run()
		f.mustPost(somebody(1))
		f.pass(time.Second)
		f.mustPost(somebody(2))
		f.pass(5 * day)
		f.close()
		content = mustRead(t, path(f.dir))
		f.open(nil)
	})
	if n := bytes.Count(content, []byte("\n")); n < 12 {
		t.Fatalf("%d lines: not the ledger that was meant\n%s", n, content)
	}
	return content
}

// lines returns the lines with their newlines.
func lines(content []byte) [][]byte { return slices.Collect(bytes.Lines(content)) }

// openAndClose is what a start and an end of a relay do to a ledger.
func openAndClose(t *testing.T, dir string) error {
	t.Helper()
	l, err := erasures.OpenLedger(dir)
	if err != nil {
		return err
	}
	if _, err := erasures.New(erasures.Config{Ledger: l, Tools: map[string][]erasures.Vendor{"mytool": {someVendor}}}); err != nil {
		t.Error(err)
	}
	return l.Close()
}

func TestALedgerCutAnywhereLosesHalfALineAtMost(t *testing.T) {
	t.Parallel()
	content := bytes.Join(lines(sample(t))[:8], nil) // the rest is of the same kinds
	whole, err := erasures.ReadLedger(copyOf(t, content))
	if err != nil {
		t.Fatal(err)
	}
	dir := copyOf(t, nil)
	for cut := range len(content) + 1 {
		if testing.Short() && cut%17 != 0 {
			continue
		}
		if err := os.WriteFile(path(dir), content[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		os.Remove(filepath.Join(dir, "torn"))
		kept := content[:bytes.LastIndexByte(content[:cut], '\n')+1]
		torn := content[len(kept):cut]

		audit, err := erasures.Verify(dir)
		if err != nil || audit.Lines != int64(bytes.Count(kept, []byte("\n"))) || audit.TornBytes != int64(len(torn)) {
			t.Fatalf("cut at %d: %+v, %v", cut, audit, err)
		}
		list, err := erasures.ReadLedger(dir)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		for i, e := range list {
			if e.ID != whole[i].ID || e.MachineID != whole[i].MachineID || len(e.Steps) > len(whole[i].Steps) ||
				fmt.Sprint(e.Steps) != fmt.Sprint(whole[i].Steps[:len(e.Steps)]) {
				t.Fatalf("cut at %d: %+v is not the start of %+v", cut, e, whole[i])
			}
		}
		reopen := func(t *testing.T, dir string) error {
			l, err := erasures.OpenLedger(dir)
			if err != nil {
				return err
			}
			return l.Close()
		}
		if cut%16 == 0 {
			reopen = openAndClose // which writes on, and takes its time
		}
		if err := reopen(t, dir); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		after := mustRead(t, path(dir))
		if !bytes.HasPrefix(after, kept) {
			t.Fatalf("cut at %d: a whole line was lost", cut)
		}
		again, err := erasures.ReadLedger(dir)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(list) {
			t.Fatalf("cut at %d: reopened, %v\n%v, want\n%v", cut, err, again, list)
		}
		aside, err := os.ReadFile(filepath.Join(dir, "torn"))
		if len(torn) == 0 && !errors.Is(err, fs.ErrNotExist) || len(torn) > 0 && string(aside) != string(torn)+"\n" {
			t.Fatalf("cut at %d: set aside %q, %v; want %q", cut, aside, err, torn)
		}
	}
}

func TestAHalfWrittenLineIsToldOf(t *testing.T) {
	t.Parallel()
	f := newFixture(t, someVendor)
	f.mustPost(somebody(1))
	f.close()
	file, err := os.OpenFile(path(f.dir), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(make([]byte, 3<<20)); err != nil { // what some file systems leave after a power cut
		t.Fatal(err)
	}
	file.Close()
	f.open(nil)
	f.wantMetric("telemetry_relay_ledger_torn_lines 1")
	if !strings.Contains(f.log.String(), "half written") {
		t.Errorf("the log has\n%s", f.log)
	}
	if a := f.post(somebody(1)); a.Status != http.StatusOK {
		t.Errorf("got %+v", a)
	}
	f.only()
	if audit, err := erasures.Verify(f.dir); err != nil || audit.TornBytes != 0 {
		t.Errorf("got %+v, %v; want nothing after the last line", audit, err)
	}
}

// damaged expects that a ledger is refused because of a line, by everybody who reads it.
func damaged(t *testing.T, dir, what string, content []byte, line int64) {
	t.Helper()
	if err := os.WriteFile(path(dir), content, 0o600); err != nil {
		t.Fatal(err)
	}
	_, verifyErr := erasures.Verify(dir)
	_, readErr := erasures.ReadLedger(dir)
	l, openErr := erasures.OpenLedger(dir)
	if openErr == nil {
		l.Close()
	}
	for _, err := range []error{verifyErr, readErr, openErr} {
		damage, ok := errors.AsType[*erasures.DamageError](err)
		if !ok || damage.Line != line {
			t.Errorf("%s: got %v, want damage in line %d", what, err, line)
			continue
		}
		if text := err.Error(); !strings.Contains(text, fmt.Sprintf("line %d ", line)) || !strings.Contains(text, "AcceptDamage") {
			t.Errorf("%s: %q does not say where and what to do", what, text)
		}
	}
	if !bytes.Equal(mustRead(t, path(dir)), content) {
		t.Errorf("%s: a ledger that was refused has changed", what)
	}
}

func TestAChangedByteIsFoundInItsLine(t *testing.T) {
	t.Parallel()
	content := bytes.Join(lines(sample(t))[:6], nil) // the rest is of the same kinds
	dir, step := copyOf(t, nil), 1
	if testing.Short() {
		step = 29
	}
	for i := 0; i < len(content)-1; i += step { // without the last newline a line is torn
		changed := bytes.Clone(content)
		changed[i] ^= 1
		damaged(t, dir, fmt.Sprintf("byte %d", i), changed, int64(bytes.Count(content[:i], []byte("\n")))+1)
	}
}

func TestLinesThatAreRemovedMovedOrRewrittenShow(t *testing.T) {
	t.Parallel()
	content := sample(t)
	all, dir := lines(content), copyOf(t, nil)
	join := func(parts ...[][]byte) []byte { return bytes.Join(slices.Concat(parts...), nil) }
	for i := range len(all) - 1 {
		line := int64(i + 1)
		damaged(t, dir, fmt.Sprintf("without line %d", line), join(all[:i], all[i+1:]), line)
		damaged(t, dir, fmt.Sprintf("line %d twice", line), join(all[:i+1], all[i:]), line+1)
		damaged(t, dir, fmt.Sprintf("lines %d and %d swapped", line, line+1), join(all[:i], all[i+1:i+2], all[i:i+1], all[i+2:]), line)
		damaged(t, dir, fmt.Sprintf("an empty line after line %d", line), join(all[:i+1], [][]byte{[]byte("\n")}, all[i+1:]), line+1)
		// Somebody who knows the checksum is found out by the next line.
		rewritten := append(erasures.Sign(bytes.TrimSuffix(all[i], []byte("\n"))), '\n')
		damaged(t, dir, fmt.Sprintf("line %d rewritten", line), join(all[:i], [][]byte{rewritten}, all[i+1:]), line+1)
	}
	damaged(t, dir, "a line without an end", join(all[:2], [][]byte{bytes.Repeat([]byte("x"), 3<<20), []byte("\n")}, all[2:]), 3)
}

func TestAHeadThatWasKeptShowsThatTheEndIsMissing(t *testing.T) {
	t.Parallel()
	content := sample(t)
	all := lines(content)
	full, err := erasures.Verify(copyOf(t, content))
	if err != nil {
		t.Fatal(err)
	}
	short, err := erasures.Verify(copyOf(t, bytes.Join(all[:len(all)-1], nil)))
	if err != nil {
		t.Fatal(err)
	}
	if full.Lines != int64(len(all)) || short.Lines != full.Lines-1 || short.Head == full.Head || full.LastAt.Before(noon) {
		t.Errorf("whole %+v, short %+v", full, short)
	}
}

func TestOneProcessAtATimeHasALedgerOpen(t *testing.T) {
	t.Parallel()
	f := newFixture(t, someVendor)
	if _, err := erasures.OpenLedger(f.dir); !errors.Is(err, erasures.ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	if _, err := erasures.AcceptDamage(f.dir); !errors.Is(err, erasures.ErrBusy) {
		t.Errorf("repairing: got %v, want ErrBusy", err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+f.dir)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), erasures.ErrBusy.Error()) {
		t.Errorf("another process: %v, %s", err, out)
	}
	f.close()
	f.open(nil)
}

func TestTheLedgerIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has access lists in place of modes")
	}
	f := newFixture(t, someVendor)
	f.mustPost(somebody(1))
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", entry.Name(), info.Mode(), err)
		}
	}
	if info, err := os.Stat(f.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v", info.Mode(), err)
	}
	loose := filepath.Join(t.TempDir(), "loose")
	if err := os.Mkdir(loose, 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := erasures.OpenLedger(loose); !errors.Is(err, erasures.ErrUnsafe) {
		t.Errorf("got %v, want ErrUnsafe", err)
	}
}

func TestThereIsNothingToReadWhereNoLedgerIs(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(string) error{
		"ReadLedger":   func(dir string) error { _, err := erasures.ReadLedger(dir); return err },
		"Verify":       func(dir string) error { _, err := erasures.Verify(dir); return err },
		"AcceptDamage": func(dir string) error { _, err := erasures.AcceptDamage(dir); return err },
	} {
		if err := read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestALaterVersionsLedgerIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := copyOf(t, erasures.Newer())
	if _, err := erasures.OpenLedger(dir); !errors.Is(err, erasures.ErrNewer) {
		t.Errorf("got %v, want ErrNewer", err)
	}
	if _, err := erasures.AcceptDamage(dir); !errors.Is(err, erasures.ErrNewer) {
		t.Errorf("repairing: got %v, want ErrNewer", err)
	}
}

func TestReadingWhileARelayWritesSeesWholeLines(t *testing.T) {
	t.Parallel()
	f := newFixture(t, someVendor)
	var writers sync.WaitGroup
	done := make(chan struct{})
	for w := range 4 {
		writers.Go(func() {
			for n := range 50 {
				f.mustPost(somebody(w<<8 | n))
			}
		})
	}
	go func() { writers.Wait(); close(done) }()
	seen := 0
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
		}
		n := len(f.erasures())
		if n < seen {
			t.Fatalf("%d erasures, after %d", n, seen)
		}
		seen = n
	}
	if seen != 200 {
		t.Errorf("%d erasures, want 200", seen)
	}
}

func TestDamagedLinesAreSetAsideWhenTheOperatorSaysSo(t *testing.T) {
	t.Parallel()
	content := sample(t)
	all := lines(content)
	whole, err := erasures.ReadLedger(copyOf(t, content))
	if err != nil {
		t.Fatal(err)
	}
	machines := map[string]bool{somebody(1).id: true, somebody(2).id: true}
	for i := range all {
		for name, damage := range map[string]func() []byte{
			"a changed byte": func() []byte {
				// In a machine ID, if there is one: nobody else may be erased for it.
				changed := bytes.Clone(content)
				at := bytes.Index(all[i], []byte(`"machine_id":"`))
				changed[bytes.Index(content, all[i])+max(at, 0)+20] ^= 1
				return changed
			},
			"a removed line": func() []byte { return bytes.Join(slices.Concat(all[:i], all[i+1:]), nil) },
			"a rewritten line": func() []byte {
				return bytes.Replace(content, all[i], append(erasures.Sign(bytes.TrimSuffix(all[i], []byte("\n"))), '\n'), 1)
			},
			"zeros in its place": func() []byte { return bytes.Replace(content, all[i], append(make([]byte, len(all[i])-1), '\n'), 1) },
		} {
			if i == len(all)-1 && name != "a changed byte" && name != "zeros in its place" {
				continue // which nothing shows; see the package comment
			}
			what := fmt.Sprintf("%s, line %d", name, i+1)
			dir := copyOf(t, damage())
			was := mustRead(t, path(dir))
			d, err := erasures.AcceptDamage(dir)
			if err != nil || d.Kept < 1 || d.Kept > len(all)-1 || d.SetAside < 1 && name != "a removed line" {
				t.Errorf("%s: %+v, %v", what, d, err)
				continue
			}
			if kept := mustRead(t, d.Original); !bytes.Equal(kept, was) {
				t.Errorf("%s: the ledger as it was is not kept", what)
			}
			list, err := erasures.ReadLedger(dir)
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
			for _, e := range list {
				j := slices.IndexFunc(whole, func(w erasures.Erasure) bool { return w.ID == e.ID })
				if j < 0 || !machines[e.MachineID] || whole[j].MachineID != e.MachineID || len(e.Steps) > len(whole[j].Steps) {
					t.Errorf("%s: %+v was not there before", what, e)
				}
			}
			if err := openAndClose(t, dir); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			if again, err := erasures.AcceptDamage(dir); err != nil || again != (erasures.Damage{}) {
				t.Errorf("%s: a sound ledger was repaired: %+v, %v", what, again, err)
			}
		}
	}
}

func TestWhoseRequestWasLostWithTheDamageAsksAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, someVendor)
	a, b := f.mustPost(somebody(1)), f.mustPost(somebody(2))
	f.close()
	content := mustRead(t, path(f.dir))
	if err := os.WriteFile(path(f.dir), bytes.Replace(content, []byte(somebody(1).id), []byte(somebody(3).id), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := erasures.AcceptDamage(f.dir); err != nil {
		t.Fatal(err)
	}
	f.open(nil)
	if got := f.get(a.ID); got.Error != "unknown_receipt" {
		t.Errorf("got %+v", got)
	}
	f.wantState(b.ID, deletion.Acknowledged)
	f.mustPost(somebody(1))
	if list := f.erasures(); len(list) != 2 {
		t.Errorf("the ledger has %+v", list)
	}
}

// disk is a file that can hold so much, on a disk that fails when a test says so.
type disk struct {
	*os.File
	mu       sync.Mutex
	capacity int64
	sync     error
	truncate error
}

func (d *disk) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

func (d *disk) WriteAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if room := max(d.capacity-off, 0); int64(len(p)) > room {
		n, _ := d.File.WriteAt(p[:room], off)
		return n, syscall.ENOSPC
	}
	return d.File.WriteAt(p, off)
}

func (d *disk) Truncate(size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.truncate != nil {
		return d.truncate
	}
	return d.File.Truncate(size)
}

func (d *disk) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sync != nil {
		return d.sync
	}
	return d.File.Sync()
}

// onDisk reopens the fixture's ledger on such a disk.
func (f *fixture) onDisk() *disk {
	f.Helper()
	f.close()
	d := &disk{capacity: 1 << 30}
	f.open(func(file *os.File) erasures.File { d.File = file; return d })
	return d
}

func (f *fixture) wantUnavailable(p person) {
	f.Helper()
	a := f.post(p)
	if a.Status != http.StatusServiceUnavailable || a.Error != "ledger_unavailable" || a.header.Get("Retry-After") != "60" {
		f.Errorf("got %+v, want 503 and Retry-After", a)
	}
}

func TestAFullDiskAcceptsNothingByHalves(t *testing.T) {
	t.Parallel()
	f := newFixture(t, someVendor)
	old := f.mustPost(somebody(1))
	d := f.onDisk()
	before := mustRead(t, path(f.dir))
	for room := int64(0); room < 150; room += 11 {
		d.set(func() { d.capacity = int64(len(before)) + room })
		f.wantUnavailable(somebody(2))
		if after := mustRead(t, path(f.dir)); !bytes.Equal(after, before) {
			t.Fatalf("with room for %d bytes: the ledger has %q more", room, after[len(before):])
		}
	}
	if a := f.post(somebody(1)); a.Status != http.StatusOK || a.ID != old.ID {
		t.Errorf("a repeat needs no room, and got %+v", a)
	}
	f.wantState(old.ID, deletion.Acknowledged)
	if status, said := f.health(); status != http.StatusServiceUnavailable || !strings.Contains(said, `"ledger":"cannot be written"`) {
		t.Errorf("got %d %s", status, said)
	}
	f.wantMetric("telemetry_relay_ledger_writable 0")
	if n := strings.Count(f.log.String(), "no request is taken"); n != 1 {
		t.Errorf("told %d times in the log, want once:\n%s", n, f.log)
	}
	d.set(func() { d.capacity = 1 << 30 })
	if _, said := f.health(); !strings.Contains(said, `"ledger":"ok"`) {
		t.Errorf("with room again: %s", said)
	}
	f.wantMetric("telemetry_relay_ledger_writable 1")
	f.mustPost(somebody(2))
	if list := f.erasures(); len(list) != 2 {
		t.Errorf("the ledger has %+v", list)
	}
}

func TestAfterAFailedWriteTheLedgerIsStillOne(t *testing.T) {
	t.Parallel()
	broken := errors.New("input/output error")
	for name, fail := range map[string]func(d *disk){
		"a full disk":                    func(d *disk) { d.capacity = 10 },
		"a disk that cannot sync":        func(d *disk) { d.sync = broken },
		"one that cannot even cut off":   func(d *disk) { d.sync, d.truncate = broken, broken },
		"a full one that cannot cut off": func(d *disk) { d.truncate = broken },
	} {
		for _, killed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, killed %t", name, killed), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, someVendor)
				f.mustPost(somebody(1))
				d := f.onDisk()
				size := int64(len(mustRead(t, path(f.dir))))
				d.set(func() {
					fail(d)
					d.capacity = size + 100
				})
				if name != "a full disk" && name != "a full one that cannot cut off" {
					d.set(func() { d.capacity = 1 << 30 })
				}
				f.wantUnavailable(somebody(2))
				f.wantUnavailable(somebody(3))
				if !killed {
					d.set(func() { d.capacity, d.sync, d.truncate = 1<<30, nil, nil })
				} else {
					f.close()
					f.open(nil)
				}
				f.post(somebody(2))
				f.mustPost(somebody(4))
				// What was told to come back may be there if the process died before it
				// could take it back: it was proven, and gets the receipt that is there.
				list := f.erasures()
				if len(list) < 3 || len(list) > 4 || !killed && len(list) != 3 {
					t.Errorf("the ledger has %+v", list)
				}
			})
		}
	}
}

func TestAWorkerOnAFullDiskAsksNobodyAndForgetsNoAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := &vendor{}
		f := newFixture(t, erasures.Vendor{Name: "vendor", Requestor: follower{v}})
		d := f.onDisk()
		full := func() { d.set(func() { d.capacity = 0 }) }
		room := func() { d.set(func() { d.capacity = 1 << 30 }) }
		f.run()
		a := f.mustPost(somebody(1))
		full()
		f.pass(2 * day)
		if asked, _ := v.counts(); asked != 0 {
			t.Error("a vendor was asked, and nobody would have known")
		}
		v.hang = func(context.Context) { full() } // while it is asked
		room()
		f.pass(time.Hour)
		if asked, _ := v.counts(); asked != 1 || len(f.only().Steps) != 2 {
			t.Errorf("asked %d times; the ledger has %v", asked, events(f.only()))
		}
		room()
		f.pass(day)
		f.wantState(a.ID, deletion.Verified)
		if asked, _ := v.counts(); asked != 1 {
			t.Errorf("asked %d times, want 1", asked)
		}
	})
}

func TestALedgerThatIsClosedTakesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, someVendor)
	f.mustPost(somebody(1))
	f.close()
	f.wantUnavailable(somebody(2))
	f.open(nil)
	f.only()
}

func FuzzAnyFileIsReadOrRefused(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte("\n"))
	f.Add([]byte(`{"seq":1,"at":"2026-11-22T12:00:00Z","clock_ms":0,"event":"created","format":1,"prev":"00"}` + "\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := copyOf(t, content)
		list, readErr := erasures.ReadLedger(dir)
		if len(list) > 0 {
			t.Errorf("%d erasures that no relay received", len(list))
		}
		damage, err := erasures.AcceptDamage(dir)
		if err != nil || (readErr == nil) != (damage == erasures.Damage{}) {
			t.Errorf("read: %v; repaired: %+v, %v", readErr, damage, err)
		}
		if err := openAndClose(t, dir); err != nil {
			t.Error(err)
		}
	})
}
