package spool_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/record"
	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/internal/state"
)

// The test binary is also the process that writes: see write.
func TestMain(m *testing.M) {
	if dir := os.Getenv("SPOOL_TEST_DIR"); dir != "" {
		write(dir, os.Getenv("SPOOL_TEST_NAME"))
	}
	os.Exit(m.Run())
}

// write appends lines to the queue in dir, printing the ID of each once it is there.
// It goes on for the given number of events.
func write(dir, name string) {
	count, _ := strconv.Atoi(os.Getenv("SPOOL_TEST_COUNT"))
	q := queue(dir)
	w, err := q.Writer(receipt, room)
	for i := 0; err == nil && i < count; i++ {
		id := fmt.Sprintf("%s-%027d", name, i)
		if w, err = put(q, w, line(id, time.Now())); err == nil {
			os.Stdout.WriteString(id + "\n")
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// receipt is what everything is recorded under where a test does not say otherwise, and
// room enough for an event.
const (
	receipt = "0123456789abcdef0123456789abcdef"
	other   = "fedcba9876543210fedcba9876543210"
	room    = 512
)

// put appends a line, in another slot if this one is full.
func put(q *spool.Queue, w *spool.Writer, line []byte) (*spool.Writer, error) {
	err := w.Append(line)
	if !errors.Is(err, spool.ErrFull) {
		return w, err
	}
	w.Close()
	if w, err = q.Writer(receipt, len(line)); err != nil {
		return nil, err
	}
	return w, w.Append(line)
}

func process(dir, name string, count int) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SPOOL_TEST_DIR="+dir, "SPOOL_TEST_NAME="+name, fmt.Sprint("SPOOL_TEST_COUNT=", count))
	cmd.Stderr = os.Stderr
	return cmd
}

func queue(dir string) *spool.Queue {
	return &spool.Queue{
		Dir: state.At(dir), MaxBytes: 8 << 20, MaxAge: time.Hour, Now: time.Now,
		LossLine: func(l spool.Loss) []byte {
			e := driver.Event{
				ID: fmt.Sprintf("loss-%031d", rand.Uint64()>>1), Type: "telemetry.loss", Name: l.Reason, Time: time.Now().UTC(),
				Metadata: map[string]string{"count": strconv.Itoa(l.Count)},
			}
			return append(e.AppendJSON(nil), '\n')
		},
	}
}

func line(id string, at time.Time) []byte {
	e := driver.Event{ID: id, Type: "feature.used", Name: "export", Time: at.UTC().Truncate(time.Millisecond)}
	return append(e.AppendJSON(nil), '\n')
}

func testID(i int) string { return fmt.Sprintf("test-%031d", i) }

// fill appends events 0 to n-1 and closes the writer.
func fill(t testing.TB, q *spool.Queue, n int) {
	t.Helper()
	w, err := q.Writer(receipt, room)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := w.Append(line(testID(i), q.Now())); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
}

// contents is what a sender finds: the IDs in order, the lines that are no events, and
// how many events the reports of losses stand for.
type contents struct {
	ids     []string
	damaged int
	lost    int
}

func read(t testing.TB, q *spool.Queue) (c contents) {
	t.Helper()
	slots, err := q.Slots()
	if err != nil {
		t.Fatal(err)
	}
	for _, slot := range slots {
		claim, err := q.Claim(slot)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range claim.Entries {
			e, err := record.Parse(entry.Line)
			switch {
			case err != nil:
				c.damaged++
			case e.Type == "telemetry.loss":
				report, _ := spool.ReportOf(entry.Line)
				c.lost += report.Count
			default:
				c.ids = append(c.ids, e.ID)
			}
		}
		claim.Close()
	}
	for _, n := range spool.Losses(q.Dir) {
		c.lost += n
	}
	return c
}

func wantIDs(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("waiting:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestEventsReturnInOrder(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	fill(t, q, 3)
	wantIDs(t, read(t, q).ids, testID(0), testID(1), testID(2))
	stats, err := q.Stats()
	if err != nil || stats.Total() != 3 || stats.Events[receipt] != 3 || stats.Damaged != 0 || stats.Bytes == 0 {
		t.Errorf("%+v, %v", stats, err)
	}
}

func TestManyShortCommandsShareOneFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q := queue(dir)
	for range 500 {
		fill(t, q, 1)
	}
	if c := read(t, q); len(c.ids) != 500 {
		t.Errorf("%d events wait, want 500", len(c.ids))
	}
	if files, _ := os.ReadDir(filepath.Join(dir, "queue")); len(files) > 2 {
		t.Errorf("%d files, want 2 at most", len(files))
	}
}

func TestEveryReturnedEventSurvivesSIGKILL(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts many processes")
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	q := queue(t.TempDir())
	returned := map[string]bool{}
	for round := range 30 {
		cmd := process(q.Dir.Path(), fmt.Sprintf("kill%04d", round), 1<<20)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for stop := random.IntN(1000); stop >= 0 && lines.Scan(); stop-- {
			returned[lines.Text()] = true
		}
		cmd.Process.Kill() // at whatever it is doing now
		for lines.Scan() {
			returned[lines.Text()] = true
		}
		cmd.Wait() //nolint:errcheck // it was killed
	}
	c := read(t, q)
	seen := map[string]int{}
	for _, id := range c.ids {
		seen[id]++
	}
	for id := range returned {
		// The last line of the output may be torn; an ID is 36 characters.
		if len(id) == 36 && seen[id] != 1 && c.lost == 0 {
			t.Errorf("%s was returned and is there %d times", id, seen[id])
		}
	}
	if len(returned) < 1000 || c.lost > 0 {
		t.Errorf("%d events returned, %d dropped at the cap: not the test that was meant", len(returned), c.lost)
	}
}

func TestEightProcessesAtOnceLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	var processes []*exec.Cmd
	for i := range 8 {
		cmd := process(q.Dir.Path(), fmt.Sprintf("proc%04d", i), 200)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		processes = append(processes, cmd)
	}
	for _, cmd := range processes {
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for _, id := range read(t, q).ids {
		if seen[id] {
			t.Errorf("%s twice", id)
		}
		seen[id] = true
	}
	if len(seen) != 8*200 {
		t.Errorf("%d events, want 1600", len(seen))
	}
}

func TestAtTheCapTheOldestGoAndAreCounted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q := queue(dir)
	q.MaxBytes = 1 << 20
	const written = 20_000 // some 3 MB
	w, err := q.Writer(receipt, room)
	if err != nil {
		t.Fatal(err)
	}
	for i := range written {
		if w, err = put(q, w, line(testID(i), time.Now())); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	var size int64
	files, _ := os.ReadDir(filepath.Join(dir, "queue"))
	for _, file := range files {
		info, err := file.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > q.MaxBytes || len(files) > 64 {
		t.Errorf("%d bytes in %d files, with a cap of %d", size, len(files), q.MaxBytes)
	}
	c := read(t, q)
	if len(c.ids)+c.lost != written {
		t.Errorf("%d wait and %d are reported lost, of %d", len(c.ids), c.lost, written)
	}
	kept := map[string]bool{}
	for _, id := range c.ids {
		kept[id] = true
	}
	if !kept[testID(written-1)] || kept[testID(0)] {
		t.Error("the newest is gone, or the oldest is still there")
	}
}

func TestWhatIsTooOldGivesWayOnTheWritePath(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	fill(t, q, 3)
	now := time.Now()
	q.Now = func() time.Time { return now.Add(2 * time.Hour) }
	fill(t, q, 1)
	c := read(t, q)
	if len(c.ids) != 1 || c.lost != 3 {
		t.Errorf("%d wait, %d lost; want 1 and 3", len(c.ids), c.lost)
	}
}

func TestAClockThatJumpsLosesNothing(t *testing.T) {
	t.Parallel()
	for name, now := range map[string]time.Time{
		"to 1970":     time.Unix(0, 0),
		"to 2060":     time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC),
		"back a week": time.Now().Add(-7 * 24 * time.Hour),
	} {
		q := queue(t.TempDir())
		fill(t, q, 3)
		q.Now = func() time.Time { return now }
		fill(t, q, 1)
		if c := read(t, q); len(c.ids) != 4 || c.lost != 0 {
			t.Errorf("%s: %d wait, %d lost; want 4 and 0", name, len(c.ids), c.lost)
		}
		if q.Expired(time.Now()) {
			t.Errorf("%s: the sender would drop what was recorded before", name)
		}
	}
}

func TestACutFileLosesOnlyTheLineThatWasCut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q := queue(dir)
	fill(t, q, 3)
	slot := filepath.Join(dir, "queue", "0000.events2")
	whole, err := os.ReadFile(slot)
	if err != nil {
		t.Fatal(err)
	}
	secondEnd := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	for cut := secondEnd; cut < len(whole)-1; cut += 7 {
		if err := os.WriteFile(slot, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		w, err := q.Writer(receipt, room)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(line(testID(9), time.Now())); err != nil {
			t.Fatal(err)
		}
		w.Close()
		wantIDs(t, read(t, q).ids, testID(0), testID(1), testID(9))
	}
}

func TestNoiseIsNoEvent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q := queue(dir)
	fill(t, q, 1)
	slot := filepath.Join(dir, "queue", "0000.events2")
	noise := make([]byte, 4096)
	for i := range noise {
		noise[i] = byte(rand.IntN(256))
	}
	whole, err := os.ReadFile(slot)
	if err != nil {
		t.Fatal(err)
	}
	noisy := bytes.Join([][]byte{bytes.ReplaceAll(noise, []byte("#receipt"), nil), whole, []byte("=not-a-mark\n=5-3\n=1-9999999999999999999999\n"), whole[:20]}, []byte("\n"))
	if err := os.WriteFile(slot, noisy, 0o600); err != nil {
		t.Fatal(err)
	}
	c := read(t, q)
	wantIDs(t, c.ids, testID(0))
	if c.damaged < 4 {
		t.Errorf("%d damaged lines, want at least 4", c.damaged)
	}
}

func TestSettledEventsDoNotComeBack(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	fill(t, q, 6)
	claim, err := q.Claim("0000.events2")
	if err != nil {
		t.Fatal(err)
	}
	e := claim.Entries
	if err := errors.Join(claim.Settle(e[0], e[1], e[4]), claim.Settle(e[1]), claim.Settle(), claim.Close()); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, read(t, q).ids, testID(2), testID(3), testID(5))
	// A writer goes on in the same slot, behind the mark.
	fill(t, q, 1)
	wantIDs(t, read(t, q).ids, testID(2), testID(3), testID(5), testID(0))
	claim, err = q.Claim("0000.events2")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(claim.Settle(claim.Entries...), claim.Close()); err != nil {
		t.Fatal(err)
	}
	if slots, err := q.Slots(); err != nil || len(slots) != 0 {
		t.Errorf("slots %v, %v; want none that hold anything", slots, err)
	}
	fill(t, q, 1)
	wantIDs(t, read(t, q).ids, testID(0))
}

func TestAClaimAndAWriterKeepEachOtherOut(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	w, err := q.Writer(receipt, room)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(line(testID(0), time.Now())); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Claim("0000.events2"); !errors.Is(err, state.ErrBusy) {
		t.Fatalf("claiming a slot that is written says %v", err)
	}
	w.Close()
	claim, err := q.Claim("0000.events2")
	if err != nil {
		t.Fatal(err)
	}
	fill(t, q, 2) // takes another slot
	claim.Close()
	wantIDs(t, read(t, q).ids, testID(0), testID(0), testID(1))
}

func TestErasingReachesAWriterThatGoesOn(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	fill(t, q, 2)
	w, err := q.Writer(receipt, room)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for i := range 3 {
		if err := w.Append(line(testID(i), time.Now())); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := q.Erase(); n != 5 || err != nil {
		t.Fatalf("erased %d, %v; want 5", n, err)
	}
	for i := range 3 {
		if err := w.Append(line(testID(i), time.Now())); err != nil {
			t.Fatal(err)
		}
	}
	if c := read(t, q); len(c.ids) != 0 {
		t.Errorf("%v wait after all", c.ids)
	}
	fill(t, q, 1)
	wantIDs(t, read(t, q).ids, testID(0))
}

func TestForeignFilesInTheQueueAreLeftAlone(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links are not for everyone on Windows")
	}
	dir := t.TempDir()
	q := queue(dir)
	planted := filepath.Join(t.TempDir(), "planted")
	err := errors.Join(
		os.WriteFile(planted, line(testID(7), time.Now()), 0o600),
		os.Mkdir(filepath.Join(dir, "queue"), 0o700),
		os.Symlink(planted, filepath.Join(dir, "queue", "0000.events2")),
		os.Mkdir(filepath.Join(dir, "queue", "0001.events2"), 0o700),
		os.WriteFile(filepath.Join(dir, "queue", "notes.txt"), line(testID(8), time.Now()), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	w, err := q.Writer(receipt, room)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(line(testID(0), time.Now())); err != nil {
		t.Fatal(err)
	}
	w.Close()
	wantIDs(t, read(t, q).ids, testID(0))
	if _, err := os.Stat(planted); err != nil {
		t.Error("the file that a link in the queue pointed to is gone")
	}
}

func TestAReportOfLossesIsToldFromEvents(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	for text, want := range map[string]spool.Loss{
		string(line(testID(1), time.Now())):                    {},
		string(q.LossLine(spool.Loss{Reason: "x", Count: 41})): {Reason: "x", Count: 41},
		`noise "type":"telemetry.loss"`:                        {},
	} {
		if got, is := spool.ReportOf([]byte(strings.TrimSpace(text))); got != want || is != (want.Count > 0) {
			t.Errorf("%.60s: %v %v, want %v", text, got, is, want)
		}
	}
}

// Taking a slot costs the same in an empty queue and in one with 100 000 strange files.
func BenchmarkWriter(b *testing.B) {
	for _, files := range []int{0, 100_000} {
		b.Run(fmt.Sprint("files=", files), func(b *testing.B) {
			dir := b.TempDir()
			q := queue(dir)
			fill(b, q, 1)
			for i := range files {
				if err := os.WriteFile(filepath.Join(dir, "queue", fmt.Sprint("x", i)), nil, 0o600); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				w, err := q.Writer(receipt, room)
				if err != nil {
					b.Fatal(err)
				}
				w.Close()
			}
		})
	}
}

func TestASlotIsOfOneReceipt(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	fill(t, q, 2)
	w, err := q.Writer(other, room)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Append(line(testID(7), time.Now())), w.Close()); err != nil {
		t.Fatal(err)
	}
	fill(t, q, 1)
	stats, err := q.Stats()
	if err != nil || stats.Events[receipt] != 3 || stats.Events[other] != 1 || !q.Holds(other) || q.Holds(strings.Repeat("0", 32)) {
		t.Errorf("%+v, %v", stats, err)
	}
	claim, err := q.Claim("0001.events2")
	if err != nil || claim.Receipt != other {
		t.Fatalf("%+v, %v", claim, err)
	}
	if err := errors.Join(claim.Settle(claim.Entries...), claim.Close()); err != nil {
		t.Fatal(err)
	}
	if q.Holds(other) {
		t.Error("an empty slot still belongs to somebody")
	}
}

func TestASlotWhoseHeadWasTornIsUsedAgainAndADamagedOneIsNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q := queue(dir)
	now := time.Now()
	q.Now = func() time.Time { return now }
	fill(t, q, 1)
	slot := filepath.Join(dir, "queue", "0000.events2")
	whole, err := os.ReadFile(slot)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range bytes.IndexByte(whole, '\n') {
		if err := os.WriteFile(slot, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		fill(t, q, 1)
		if again, err := os.ReadFile(slot); err != nil || len(again) != len(whole) {
			t.Errorf("cut to %d bytes and written again it has %d bytes, not %d, %v", cut, len(again), len(whole), err)
		}
	}
	damaged := bytes.Clone(whole)
	damaged[12] = 'x'
	if err := os.WriteFile(slot, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	fill(t, q, 1)
	claim, err := q.Claim("0000.events2")
	if err != nil || claim.Receipt != "" || claim.Legacy {
		t.Errorf("%+v, %v", claim, err)
	}
	claim.Close()
}

func TestSlotsOfOlderVersionsAreReadAndNeverAddedTo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q := queue(dir)
	legacy := filepath.Join(dir, "queue", "0000")
	if err := errors.Join(os.Mkdir(filepath.Dir(legacy), 0o700), os.WriteFile(legacy, line(testID(1), time.Now()), 0o600)); err != nil {
		t.Fatal(err)
	}
	fill(t, q, 1)
	wantIDs(t, read(t, q).ids, testID(1), testID(0))
	claim, err := q.Claim("0000")
	if err != nil || !claim.Legacy || claim.Receipt != "" || len(claim.Entries) != 1 {
		t.Errorf("%+v, %v", claim, err)
	}
	claim.Close()
}

// The cap holds however many processes record at once.
func TestTheCapIsACap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var processes []*exec.Cmd
	for i := range 20 {
		cmd := process(dir, fmt.Sprintf("proc%04d", i), 5000)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		processes = append(processes, cmd)
	}
	for _, cmd := range processes {
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	q := queue(dir)
	var size int64
	files, _ := os.ReadDir(filepath.Join(dir, "queue"))
	for _, file := range files {
		if info, err := file.Info(); err == nil {
			size += info.Size()
		}
	}
	c := read(t, q)
	if size > q.MaxBytes || len(c.ids)+c.lost != 20*5000 || c.lost == 0 {
		t.Errorf("%d bytes with a cap of %d; %d wait and %d are lost", size, q.MaxBytes, len(c.ids), c.lost)
	}
}

func TestNoSlotGrowsAboveWhatASenderHolds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q := queue(dir)
	q.MaxBytes = 4 << 30
	w, err := q.Writer(receipt, room)
	if err != nil {
		t.Fatal(err)
	}
	big := line(strings.Repeat("x", 40<<10), time.Now())
	for range 300 { // 12 MB
		if w, err = put(q, w, big); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	files, _ := os.ReadDir(filepath.Join(dir, "queue"))
	for _, file := range files {
		if info, err := file.Info(); err != nil || info.Size() > 4<<20 {
			t.Errorf("%s has %d bytes, %v", file.Name(), info.Size(), err)
		}
	}
	if c := read(t, q); c.damaged+len(c.ids) != 300 {
		t.Errorf("%d lines are read back, of 300", c.damaged+len(c.ids))
	}
}

func TestAWriterKnowsThatItsSlotIsGoneAndWhatIsInIt(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	w, err := q.Writer(receipt, room)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Append(line(testID(0), time.Now())); err != nil {
		t.Fatal(err)
	}
	safe := w.Size()
	if _, err := q.Erase(); err != nil || !w.Gone() {
		t.Fatalf("gone %v, %v", w.Gone(), err)
	}
	for i := range 3 {
		if err := w.Append(line(testID(i), time.Now())); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.CountSince(safe); n != 3 {
		t.Errorf("%d events were written since, want 3", n)
	}
}

func TestTheLatestTimeOfAnEventIsKept(t *testing.T) {
	t.Parallel()
	q := queue(t.TempDir())
	at := time.Now().UTC().Truncate(time.Millisecond)
	for i, set := range []time.Time{at, at.Add(time.Hour), at.Add(2 * time.Hour)} {
		fill(t, q, 1)
		claim, err := q.Claim("0000.events2")
		if err != nil || len(claim.Entries) != i+1 {
			t.Fatalf("%d entries, %v", len(claim.Entries), err)
		}
		if latest := claim.Latest(claim.Entries[i]); !latest.IsZero() {
			t.Errorf("event %d already has %v", i, latest)
		}
		if err := errors.Join(claim.SetLatest(set), claim.SetLatest(set.Add(time.Minute)), claim.Close()); err != nil {
			t.Fatal(err)
		}
		for n, entry := range claim.Entries {
			if want := at.Add(time.Duration(n) * time.Hour); !claim.Latest(entry).Equal(want) {
				t.Errorf("event %d has %v at claim %d, want %v", n, claim.Latest(entry), i, want)
			}
		}
	}
	wantIDs(t, read(t, q).ids, testID(0), testID(0), testID(0))
}
