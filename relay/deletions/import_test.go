//go:build !notelemetry

package deletions_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/deletions"
)

// testdata/ledger was written by the last version whose ledger was a file.
const oldLedger = "testdata/ledger"

// oldCopy is that ledger, with its file changed.
func oldCopy(t *testing.T, change func([]byte) []byte) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(oldLedger, "ledger.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ledger.jsonl"), change(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestALedgerThatWasAFileGoesOnInTheDatabase(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v, flaky := &vendor{}, &vendor{}
		f := newFixture(t, deletions.Vendor{Name: "strict", Requestor: follower{v}}, deletions.Vendor{Name: "flaky", Requestor: follower{flaky}})
		// A retry that the relay did not come to, of the one that was refused.
		dir := oldCopy(t, func(b []byte) []byte { return b })
		if err := os.WriteFile(filepath.Join(dir, "retry-d5fe7c519494ea0e3cb92cca7c565ccf"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		f.close()
		f.act(func(l *deletions.Ledger) error {
			done, err := l.Import(t.Context(), dir)
			if done.Lines != 40 || done.Deletions != 5 || done.TornBytes != 18 || len(done.Head) != 64 {
				t.Errorf("took over %+v", done)
			}
			return err
		})
		want := map[person]deletion.State{
			somebody(1): deletion.Verified, somebody(2): deletion.Verified, somebody(3): deletion.Acknowledged, // tried again
			somebody(4): deletion.Verified, somebody(5): deletion.Acknowledged,
		}
		list := f.deletions()
		for n, e := range list {
			p := somebody(n + 1)
			if e.MachineID != p.id || e.State != want[p] || !e.DueAt.Equal(e.ReceivedAt.Add(30*day)) {
				t.Errorf("deletion %d is %+v, want %s", n, e, want[p])
			}
		}
		if got := events(list[1]); !slices.Equal(got, []string{"received", "asking", "refused", "asking", "answered", "lost", "asking", "answered", "checked", "retried", "asking", "answered", "checked"}) {
			t.Errorf("the steps of the second are %v", got)
		}
		if v := list[1].Vendors[1]; v.Attempts != 2 || v.Lost != 1 {
			t.Errorf("its second vendor is %+v", v)
		}

		// And it goes on from there.
		f.open()
		f.run()
		f.pass(3 * day)
		for _, e := range f.deletions() {
			if e.State != deletion.Verified {
				t.Errorf("after three days there is %+v", e)
			}
		}
		if asked, _ := v.counts(); asked != 2 {
			t.Errorf("asked %d times, want for the one that was tried again and the one in its quiet period", asked)
		}
		f.look(func(l *deletions.Ledger) {
			if _, err := l.Import(t.Context(), oldLedger); !errors.Is(err, deletions.ErrNotEmpty) {
				t.Errorf("a second import got %v, want ErrNotEmpty", err)
			}
		})
	})
}

func TestADamagedFileIsNotTakenOverAtAll(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func([]byte) []byte{
		"a changed letter": func(b []byte) []byte { return bytes.Replace(b, []byte("in hand"), []byte("in hend"), 1) },
		"a missing line": func(b []byte) []byte {
			lines := bytes.SplitAfter(b, []byte("\n"))
			return bytes.Join(slices.Delete(lines, 10, 11), nil)
		},
		"two that changed places": func(b []byte) []byte {
			lines := bytes.SplitAfter(b, []byte("\n"))
			lines[5], lines[6] = lines[6], lines[5]
			return bytes.Join(lines, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, someVendor)
			if _, err := f.ledger.Import(t.Context(), oldCopy(t, change)); err == nil {
				t.Error("it was taken over")
			}
			if list := f.deletions(); len(list) != 0 {
				t.Errorf("there are %+v", list)
			}
			if _, err := f.ledger.Import(t.Context(), t.TempDir()); !errors.Is(err, deletions.ErrNoFile) {
				t.Errorf("an empty directory: got %v, want ErrNoFile", err)
			}
		})
	}
}
