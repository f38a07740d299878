package journal_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/journal"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

var start = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

func newJournal(t *testing.T, capacity int64) journal.Journal {
	return journal.Journal{Dir: state.At(t.TempDir()), Name: "j.log", Cap: capacity}
}

// write appends entries whose field "i" counts on from a number, and seals the journal.
func write(t *testing.T, j journal.Journal, from, n int) {
	t.Helper()
	w, err := j.Open()
	if err != nil {
		t.Fatal(err)
	}
	for i := from; i < from+n; i++ {
		if _, err := w.Append(start.Add(time.Duration(i)*time.Second), state.Record{"i": fmt.Sprint(i), "text": "tab\tline\n\u202e\"quote\" \x00"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Seal(), w.Close()); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, j journal.Journal) journal.Log {
	t.Helper()
	log, err := j.Read()
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func content(t *testing.T, j journal.Journal) []byte {
	t.Helper()
	b, err := os.ReadFile(j.Dir.Join(j.Name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func put(t *testing.T, j journal.Journal, b []byte) {
	t.Helper()
	if err := os.WriteFile(j.Dir.Join(j.Name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestEntriesAreReadBackInOrder(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 1<<20)
	if log := read(t, j); len(log.Entries) > 0 || log.Mismatch != nil {
		t.Errorf("a journal that is not there holds %v", log)
	}
	write(t, j, 1, 3)
	write(t, j, 4, 2)
	log := read(t, j)
	if len(log.Entries) != 5 || log.Mismatch != nil || log.Torn || log.Cut != 0 || log.Bytes != int64(len(content(t, j))) {
		t.Fatalf("%+v", log)
	}
	for i, e := range log.Entries {
		if e.N != i+1 || e.Fields["i"] != fmt.Sprint(i+1) || !e.At.Equal(start.Add(time.Duration(i+1)*time.Second)) ||
			e.Fields["text"] != "tab\tline\n\u202e\"quote\" \x00" {
			t.Errorf("entry %d is %+v", i, e)
		}
	}
	for _, r := range string(content(t, j)) {
		if r < ' ' && r != '\n' && r != '\t' || r == '\u202e' {
			t.Errorf("the file holds %q, which a terminal would obey", r)
		}
	}
}

func TestTheOldestAreCutAndTheCutIsTold(t *testing.T) {
	t.Parallel()
	const capacity = 4000
	j := newJournal(t, capacity)
	for i := 1; i <= 200; i++ {
		write(t, j, i, 1)
		if n := len(content(t, j)); n > capacity {
			t.Fatalf("%d bytes after %d entries", n, i)
		}
	}
	log := read(t, j)
	if log.Mismatch != nil || log.Cut+len(log.Entries) != 200 || len(log.Entries) < 5 {
		t.Fatalf("%d cut and %d left, %v", log.Cut, len(log.Entries), log.Mismatch)
	}
	if last := log.Entries[len(log.Entries)-1]; last.N != 200 || log.Entries[0].N != log.Cut+1 {
		t.Errorf("from %d to %d", log.Entries[0].N, last.N)
	}
	if !log.CutFrom.Equal(start.Add(time.Second)) || !log.CutTo.Equal(start.Add(time.Duration(log.Cut)*time.Second)) {
		t.Errorf("cut from %v to %v", log.CutFrom, log.CutTo)
	}
}

func TestAnEntryThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 4000)
	w, err := j.Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Append(start, state.Record{"x": strings.Repeat("x", 2000)}); !errors.Is(err, journal.ErrTooLarge) {
		t.Errorf("%v", err)
	}
	if _, err := j.Open(); !errors.Is(err, state.ErrBusy) {
		t.Errorf("a second writer: %v", err)
	}
	w.Close()
	if _, err := w.Append(start, nil); err == nil {
		t.Error("a writer that is closed appends")
	}
}

func TestATornEntryIsToldAndTheNextOneJoinsOn(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 1<<20)
	write(t, j, 1, 2)
	whole := content(t, j)
	head, err := j.Dir.ReadFile(j.Name + ".head")
	if err != nil {
		t.Fatal(err)
	}
	write(t, j, 3, 1)
	all := content(t, j)
	if err := j.Dir.WriteFile(j.Name+".head", head); err != nil { // a killed writer has not sealed
		t.Fatal(err)
	}
	for size := len(whole) + 1; size < len(all); size++ {
		put(t, j, all[:size])
		if log := read(t, j); !log.Torn || log.Mismatch != nil || len(log.Entries) != 2 {
			t.Fatalf("%d bytes of %d: %+v", size, len(all), log)
		}
	}
	write(t, j, 3, 1)
	log := read(t, j)
	if log.Torn || log.Mismatch != nil || len(log.Entries) != 3 || log.Entries[2].TornBefore != len(all)-1-len(whole) {
		t.Errorf("%+v", log)
	}
}

func TestEveryChangeShowsAtTheFirstEntryThatDoesNotFit(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 1<<20)
	write(t, j, 1, 5)
	lines := bytes.SplitAfter(content(t, j), []byte{'\n'})
	lines = lines[:5]
	join := func(lines ...[]byte) []byte { return bytes.Join(lines, nil) }
	changed := bytes.Replace(lines[2], []byte(`i="3"`), []byte(`i="4"`), 1)
	lastChanged := bytes.Replace(lines[4], []byte(`i="5"`), []byte(`i="6"`), 1)
	for name, c := range map[string]struct {
		content []byte
		n       int
	}{
		"changed":             {join(lines[0], lines[1], changed, lines[3], lines[4]), 4},
		"the last changed":    {join(lines[0], lines[1], lines[2], lines[3], lastChanged), 5},
		"one is gone":         {join(lines[0], lines[1], lines[3], lines[4]), 3},
		"the first is gone":   {join(lines[1:]...), 1},
		"the end is gone":     {join(lines[:3]...), 4},
		"all is gone":         {nil, 1},
		"swapped":             {join(lines[0], lines[2], lines[1], lines[3], lines[4]), 2},
		"twice":               {join(lines[0], lines[1], lines[1], lines[2], lines[3], lines[4]), 3},
		"followed by noise":   {join(append(lines[:5:5], []byte("noise"))...), 6},
		"followed by zeros":   {join(append(lines[:5:5], make([]byte, 100))...), 6},
		"nothing but noise":   {[]byte("noise"), 1},
		"cannot be read":      {join(lines[0], []byte("noise\n"), lines[2], lines[3], lines[4]), 2},
		"a cut that was none": {join([]byte("#cut 2 2026-05-04T03:02:01Z 2026-05-04T03:02:02Z "+strings.Repeat("0", 64)+"\n"), lines[2], lines[3], lines[4]), 3},
	} {
		put(t, j, c.content)
		if log := read(t, j); log.Mismatch == nil || log.Mismatch.N != c.n {
			t.Errorf("%s: %v, want entry %d", name, log.Mismatch, c.n)
		}
	}
	// What is written after it does not hide it.
	put(t, j, join(lines[:3]...))
	write(t, j, 6, 1)
	if log := read(t, j); log.Mismatch == nil || log.Mismatch.N != 4 {
		t.Errorf("after another entry: %v", log.Mismatch)
	}
}

func TestALossOfTheHeadShowsAndIsNotHiddenByWhatIsWrittenAfterIt(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(journal.Journal) error{
		"is gone":    func(j journal.Journal) error { return j.Dir.Remove(j.Name + ".head") },
		"is empty":   func(j journal.Journal) error { return j.Dir.WriteFile(j.Name+".head", nil) },
		"is a noise": func(j journal.Journal) error { return j.Dir.WriteFile(j.Name+".head", []byte("noise")) },
	} {
		j := newJournal(t, 4000)
		write(t, j, 1, 5)
		whole := content(t, j)
		put(t, j, whole[:bytes.Index(whole, []byte("\n"))+1])
		if err := damage(j); err != nil {
			t.Fatal(err)
		}
		for i := 2; i < 5; i++ {
			if log := read(t, j); log.Mismatch == nil || log.Mismatch.N != 2 {
				t.Errorf("the head %s, after %d entries: %v", name, i-1, log.Mismatch)
			}
			write(t, j, i, 1)
		}
	}
}

func TestALossOfEverythingShowsWhereItIsKnownFromElsewhereThatThereWasSomething(t *testing.T) {
	t.Parallel()
	known := 0
	for name, lose := range map[string]func(journal.Journal) error{
		"all is gone": journal.Journal.Erase,
		"both are of an earlier time": func(j journal.Journal) error {
			earlier := newJournal(t, 1<<20)
			write(t, earlier, 1, 2)
			return errors.Join(os.CopyFS(j.Dir.Join("earlier"), os.DirFS(earlier.Dir.Path())),
				os.Rename(j.Dir.Join("earlier/j.log"), j.Dir.Join("j.log")), os.Rename(j.Dir.Join("earlier/j.log.head"), j.Dir.Join("j.log.head")))
		},
	} {
		j := newJournal(t, 1<<20)
		j.Written = func() int { return known }
		known = 0
		write(t, j, 1, 5)
		known = 5
		if log := read(t, j); log.Mismatch != nil {
			t.Fatal(log.Mismatch)
		}
		if err := lose(j); err != nil {
			t.Fatal(err)
		}
		first := len(read(t, j).Entries) + 1
		for i := range 3 {
			if log := read(t, j); log.Mismatch == nil || log.Mismatch.N != first {
				t.Errorf("%s, and %d were written: %v", name, i, log.Mismatch)
			}
			write(t, j, 6+i, 1)
		}
		if log := read(t, j); log.Entries[len(log.Entries)-1].N != 8 {
			t.Errorf("%s: the last is %+v", name, log.Entries[len(log.Entries)-1])
		}
		known = 0 // erased on purpose
		if err := j.Erase(); err != nil {
			t.Fatal(err)
		}
		write(t, j, 1, 1)
		if log := read(t, j); log.Mismatch != nil || log.Entries[0].N != 1 {
			t.Errorf("erased: %+v", log)
		}
	}
}

func TestWhoCutsIsToldOfWhatIsCutOnce(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 4000)
	var cut []string
	j.Cutting = func(entries []journal.Entry) {
		for _, e := range entries {
			cut = append(cut, e.Fields["i"])
		}
	}
	for i := 1; i <= 100; i++ {
		write(t, j, i, 1)
	}
	log := read(t, j)
	if len(cut) == 0 || len(cut) != log.Cut {
		t.Fatalf("%d are cut, and told of were %d", log.Cut, len(cut))
	}
	for i, was := range cut {
		if was != fmt.Sprint(i+1) {
			t.Errorf("the entry %s was told of as the one with the number %d", was, i+1)
		}
	}
}

func TestOnlyWhatTheJournalCutItselfCountsAsCut(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 1<<20)
	write(t, j, 1, 5)
	lines := bytes.SplitAfter(content(t, j), []byte{'\n'})
	forged := append([]byte("#cut 2 2026-05-04T03:02:02Z 2026-05-04T03:02:03Z "), lines[2][:64]...)
	put(t, j, bytes.Join(append([][]byte{append(forged, '\n')}, lines[2:]...), nil))
	if log := read(t, j); log.Mismatch == nil || log.Mismatch.N != 1 {
		t.Errorf("a cut of what is no large journal: %v", log.Mismatch)
	}
	write(t, j, 6, 1)
	if log := read(t, j); log.Mismatch == nil || log.Mismatch.N != 1 {
		t.Errorf("after another entry: %v", log.Mismatch)
	}

	j = newJournal(t, 4000)
	for i := 1; i <= 60; i++ { // until it has cut twice at least
		write(t, j, i, 1)
	}
	log := read(t, j)
	if log.Mismatch != nil || log.Cut == 0 {
		t.Fatalf("%d cut, %v", log.Cut, log.Mismatch)
	}
	if err := j.Dir.Remove(j.Name + ".head"); err != nil {
		t.Fatal(err)
	}
	write(t, j, 61, 1)
	if log := read(t, j); log.Mismatch == nil || log.Mismatch.N != 61 {
		t.Errorf("the head was lost before entry 61: %v", log.Mismatch)
	}
	for i := 62; i < 120; i++ {
		write(t, j, i, 1)
	}
	whole := content(t, j)
	log = read(t, j)
	first, rest, _ := bytes.Cut(whole, []byte{'\n'})
	if log.Mismatch != nil || log.Cut < 61 {
		t.Errorf("%d cut, with that entry: %v", log.Cut, log.Mismatch)
	}
	put(t, j, append(bytes.Replace(whole[:len(first)+1], []byte("2026"), []byte("2025"), 1), rest...))
	if log := read(t, j); log.Mismatch == nil {
		t.Error("the time of what was cut was changed, and nothing shows")
	}
}

func TestAWriterThatWasKilledWhileItCutLeavesAJournalThatFits(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 4000)
	for i := 1; read(t, j).Cut == 0; i++ {
		before := contentIfAny(t, j)
		write(t, j, i, 1)
		if read(t, j).Cut == 0 {
			continue
		}
		w, err := j.Open() // holds the head as it is: of a cut that is noted
		if err != nil {
			t.Fatal(err)
		}
		head, _ := j.Dir.ReadRecord(j.Name + ".head")
		head["entries"], head["last"] = fmt.Sprint(i-1), hashOfLast(before)
		if err := errors.Join(w.Close(), j.Dir.WriteRecord(j.Name+".head", head)); err != nil {
			t.Fatal(err)
		}
		put(t, j, before)
		if log := read(t, j); log.Mismatch != nil || log.Cut != 0 {
			t.Errorf("%d cut, %v", log.Cut, log.Mismatch)
		}
		write(t, j, i, 1)
		if log := read(t, j); log.Mismatch != nil || log.Cut == 0 {
			t.Errorf("after it was cut again: %d cut, %v", log.Cut, log.Mismatch)
		}
	}
}

// contentIfAny is content where there may be no journal yet.
func contentIfAny(t *testing.T, j journal.Journal) []byte {
	t.Helper()
	b, err := os.ReadFile(j.Dir.Join(j.Name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return b
}

func hashOfLast(content []byte) string {
	content = bytes.TrimSuffix(content, []byte{'\n'})
	return fmt.Sprintf("%x", sha256.Sum256(content[bytes.LastIndexByte(content, '\n')+1:]))
}

func TestAWriterThatWasKilledBeforeItNotedTheFirstEntryLeavesAJournalThatFits(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 1<<20)
	w, err := j.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for i := range 3 {
		if log := read(t, j); log.Mismatch != nil || len(log.Entries) != i {
			t.Errorf("%+v", log)
		}
		if _, err := w.Append(start, state.Record{"a": "b"}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnErasedJournalBeginsAnewAndFits(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 1<<20)
	write(t, j, 1, 5)
	if err := j.Erase(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(j.Dir.Path()); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v are left", entries, err)
	}
	write(t, j, 1, 1)
	if log := read(t, j); log.Mismatch != nil || len(log.Entries) != 1 || log.Entries[0].N != 1 {
		t.Errorf("%+v", log)
	}
}

func TestAFileInWhichNothingCanBeWrittenIsAnErrorAndLeavesTheJournalWhole(t *testing.T) {
	t.Parallel()
	j := newJournal(t, 1<<20)
	write(t, j, 1, 2)
	if err := errors.Join(os.Remove(j.Dir.Join(j.Name)), os.Mkdir(j.Dir.Join(j.Name), 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Open(); err == nil {
		t.Error("a folder is a journal")
	}
	if _, err := j.Read(); err == nil {
		t.Error("a folder is read as a journal")
	}
}

func FuzzRead(f *testing.F) {
	dir := state.At(f.TempDir())
	j := journal.Journal{Dir: dir, Name: "j.log", Cap: 1000}
	w, err := j.Open()
	if err != nil {
		f.Fatal(err)
	}
	for range 8 {
		_, _ = w.Append(start, state.Record{"a": "b\n", "c": strings.Repeat("x", 90)})
		seed, _ := os.ReadFile(dir.Join(j.Name))
		f.Add(seed)
	}
	w.Close()
	f.Add([]byte("#cut"))
	f.Fuzz(func(t *testing.T, data []byte) {
		j := journal.Journal{Dir: state.At(t.TempDir()), Name: "j.log", Cap: 1 << 20}
		if err := os.WriteFile(j.Dir.Join(j.Name), data, 0o600); err != nil {
			t.Fatal(err)
		}
		// The file is read whole, and each line is cut into fields and made a map.
		fuzzing.Allocs(t, len(data), 64<<10, 256, func() { _, _ = j.Read() })
		before, err := j.Read()
		if err != nil {
			t.Skip()
		}
		w, err := j.Open()
		if err != nil {
			t.Fatal(err)
		}
		n, err := w.Append(start, state.Record{"after": "all"})
		if err != nil {
			t.Skip() // too large
		}
		if err := errors.Join(w.Seal(), w.Close()); err != nil {
			t.Fatal(err)
		}
		after, err := j.Read()
		if err != nil || len(after.Entries) == 0 || after.Torn {
			t.Fatalf("%+v, %v", after, err)
		}
		if last := after.Entries[len(after.Entries)-1]; last.N != n || last.Fields["after"] != "all" {
			t.Errorf("%+v was appended", last)
		}
		if before.Mismatch == nil && after.Mismatch != nil {
			t.Errorf("it fitted, and after an entry it does not: %v", after.Mismatch)
		}
	})
}
