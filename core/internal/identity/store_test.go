package identity

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/internal/state"
)

func aStore(t *testing.T) (Store, state.Dir) {
	t.Helper()
	dir := state.At(t.TempDir())
	return NewStore(dir), dir
}

// take is what a process does before it sends.
func take(t *testing.T, s Store, signals Signals) string {
	t.Helper()
	ids, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	key, changed, err := ids.Take(signals)
	if err == nil && changed {
		err = s.Save(ids)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key.MachineID()
}

var here = Signals{MachineID: strings.Repeat("a1", 16), MAC: "00:11:22:33:44:55", Host: "laptop", User: "ada"}

func TestTheIDStaysAsLongAsTheMachineDoes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Signals)
		stays  bool
	}{
		"nothing":                        {func(*Signals) {}, true},
		"another address, at a dock":     {func(s *Signals) { s.MAC = "00:aa:bb:cc:dd:ee" }, true},
		"a made-up one, for privacy":     {func(s *Signals) { s.MAC, s.MadeUpMAC = "02:aa:bb:cc:dd:ee", true }, true},
		"no network card":                {func(s *Signals) { s.MAC = "" }, true},
		"another name, by the network":   {func(s *Signals) { s.Host = "dhcp-17" }, true},
		"another machine, a copied home": {func(s *Signals) { s.MachineID = strings.Repeat("b2", 16) }, false},
		"another account":                {func(s *Signals) { s.User = "bob" }, false},
	} {
		s, _ := aStore(t)
		first := take(t, s, here)
		then := here
		c.change(&then)
		if second := take(t, s, then); (second == first) != c.stays {
			t.Errorf("%s: the ID stays %v, want %v", name, second == first, c.stays)
		}
		if back := take(t, s, here); back != first {
			t.Errorf("%s: back again, it has another ID", name)
		}
	}
}

func TestWithoutAMachineIDTheAddressThatIsBurnedInCounts(t *testing.T) {
	t.Parallel()
	s, _ := aStore(t)
	bare := here
	bare.MachineID = ""
	first := take(t, s, bare)
	renamed := bare
	renamed.Host = "other"
	if take(t, s, renamed) != first {
		t.Error("another name made another ID")
	}
	made := bare
	made.MAC, made.MadeUpMAC = "02:00:00:00:00:01", true
	second := take(t, s, made)
	made.MAC = "02:00:00:00:00:02"
	if take(t, s, made) != second {
		t.Error("an address that software made up made another ID")
	}
}

func TestAnIDOfAnOlderVersionStaysWhateverBecomesOfItsSignals(t *testing.T) {
	t.Parallel()
	s, dir := aStore(t)
	salt := zeroToThirtyOne()
	old := Derive(salt, here) // from every signal
	record := fmt.Sprintf("format=1\nkey0=%s\nsalt=%s\n.\n", old.Hex(), salt.Hex())
	if err := os.WriteFile(dir.Join("identity"), []byte(record), 0o600); err != nil {
		t.Fatal(err)
	}
	if id := take(t, s, here); id != old.MachineID() {
		t.Errorf("after the upgrade the ID is %s, before it was %s", id, old.MachineID())
	}
	moved := here
	moved.MAC, moved.Host = "00:aa:bb:cc:dd:ee", "other"
	if id := take(t, s, moved); id != old.MachineID() {
		t.Errorf("with another address the ID is %s, before it was %s", id, old.MachineID())
	}
	elsewhere := here
	elsewhere.MachineID = strings.Repeat("c3", 16)
	if take(t, s, elsewhere) == old.MachineID() {
		t.Error("it followed the home to another machine")
	}
}

func TestNoKeyIsDroppedHoweverManyMachinesShareAHome(t *testing.T) {
	t.Parallel()
	s, dir := aStore(t)
	want := map[string]bool{}
	for i := range 3*maxKeys + 7 {
		signals := here
		signals.MachineID = fmt.Sprintf("%032x", i)
		want[take(t, s, signals)] = true
	}
	if err := s.MarkUsed(); err != nil {
		t.Fatal(err)
	}
	ids, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range ids.Keys() {
		delete(want, key.MachineID())
	}
	if len(want) > 0 {
		t.Errorf("%d keys are gone", len(want))
	}
	if err := s.Forget(ids); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir.Path()); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func TestADamagedIdentityIsNoticedAtEveryBitAndSetAside(t *testing.T) {
	t.Parallel()
	s, dir := aStore(t)
	take(t, s, here)
	if err := s.MarkUsed(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(dir.Join("identity"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(whole) * 8 {
		damaged := slices.Clone(whole)
		damaged[i/8] ^= 1 << (i % 8)
		if err := os.WriteFile(dir.Join("identity"), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Load(); !errors.Is(err, state.ErrCorrupt) {
			t.Fatalf("bit %d of byte %d: %v", i%8, i/8, err)
		}
	}
	if err := s.SetAside(); err != nil {
		t.Fatal(err)
	}
	if lost := s.Lost(); len(lost) != 1 {
		t.Errorf("%v is set aside", lost)
	}
	if ids, err := s.Load(); err != nil || len(ids.Keys()) != 0 {
		t.Errorf("%d keys, %v", len(ids.Keys()), err)
	}
}

func TestWhatIsWholeOfAHistoryStaysWhenTheRestIsDamaged(t *testing.T) {
	t.Parallel()
	s, dir := aStore(t)
	for i := range maxKeys + 1 {
		signals := here
		signals.MachineID = fmt.Sprintf("%032x", i)
		take(t, s, signals)
	}
	if err := dir.Empty("identity.unused"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(); !errors.Is(err, state.ErrCorrupt) {
		t.Fatal(err)
	}
	if err := s.SetAside(); err != nil {
		t.Fatal(err)
	}
	ids, err := s.Load()
	if err != nil || len(ids.Keys()) != maxKeys/2 || !ids.Used {
		t.Errorf("%d keys, used %v, %v", len(ids.Keys()), ids.Used, err)
	}
}

func TestManyMachinesOnOneHomeKeepTheirKeysInEveryRound(t *testing.T) {
	t.Parallel()
	s, _ := aStore(t)
	ids := map[string]bool{}
	for range 3 {
		for i := range maxKeys + 50 {
			signals := here
			signals.MachineID = fmt.Sprintf("%032x", i)
			ids[take(t, s, signals)] = true
		}
	}
	stored, err := s.Load()
	if err != nil || len(stored.Keys()) != maxKeys+50 || len(ids) != maxKeys+50 {
		t.Errorf("%d keys are stored for %d IDs, %v", len(stored.Keys()), len(ids), err)
	}
}

func TestTwoMachinesOfAnOlderVersionOnOneHomeKeepTheirIDs(t *testing.T) {
	t.Parallel()
	s, dir := aStore(t)
	salt := zeroToThirtyOne()
	other := here
	other.MachineID = strings.Repeat("b2", 16)
	one, two := Derive(salt, here), Derive(salt, other)
	record := fmt.Sprintf("format=1\nkey0=%s\nkey1=%s\nsalt=%s\n.\n", one.Hex(), two.Hex(), salt.Hex())
	if err := os.WriteFile(dir.Join("identity"), []byte(record), 0o600); err != nil {
		t.Fatal(err)
	}
	if take(t, s, here) != one.MachineID() || take(t, s, other) != two.MachineID() || take(t, s, here) != one.MachineID() {
		t.Error("an ID changed")
	}
}

func TestAFileWithAnotherNameIsNoReceiver(t *testing.T) {
	t.Parallel()
	s, dir := aStore(t)
	if err := s.NoteReceiver("http (a.example)"); err != nil {
		t.Fatal(err)
	}
	note := receiverName("http (a.example)")
	for _, stray := range []string{note + "~", note + ".bak", receiverPrefix, receiverPrefix + "log", receiverPrefix + strings.Repeat("0", receiverDigits+1)} {
		if err := os.WriteFile(dir.Join(stray), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Receivers(""); !slices.Equal(got, []string{"http (a.example)"}) {
		t.Errorf("%q", got)
	}
	if err := s.Forget(Identities{}); err != nil {
		t.Fatal(err)
	}
	if got := s.Receivers(""); len(got) > 0 {
		t.Errorf("after they were forgotten: %q", got)
	}
}
