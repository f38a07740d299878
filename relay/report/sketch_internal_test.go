//go:build !notelemetry

package report

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func sketchOf(hashes ...uint64) *sketch {
	s := newSketch()
	for _, h := range hashes {
		s.add(h)
	}
	return s
}

func hashes(r *rand.Rand, n int) []uint64 {
	list := make([]uint64, n)
	for i := range list {
		list[i] = r.Uint64()
	}
	return list
}

func TestASetIsTheSameInWhateverOrderItsPartsAreJoined(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for _, n := range []int{0, 1, 100, sketchSize, sketchSize + 1, 3 * sketchSize, 20 * sketchSize} {
		all := hashes(r, n)
		whole := sketchOf(all...)
		parts := make([]*sketch, 5)
		for i := range parts {
			parts[i] = newSketch()
		}
		for _, h := range all { // some are in two parts
			parts[r.IntN(5)].add(h)
			parts[r.IntN(5)].add(h)
		}
		r.Shuffle(5, func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		joined := newSketch()
		for _, p := range append(parts, parts[2]) {
			joined.merge(p)
		}
		if joined.limit != whole.limit || !slices.Equal(joined.hashes, whole.hashes) {
			t.Errorf("%d: %d below %x, want %d below %x", n, len(joined.hashes), joined.limit, len(whole.hashes), whole.limit)
		}
		if joined.merge(whole) {
			t.Errorf("%d: joining it again makes it another one", n)
		}
		back, ok := parseSketch(joined.bytes())
		if !ok || back.limit != joined.limit || !slices.Equal(back.hashes, joined.hashes) {
			t.Errorf("%d: it does not come back from its bytes", n)
		}
	}
}

func TestCountsAreExactUpToTheSizeAndCloseBeyond(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2)) // a fixed seed: an estimate is far off once in a while
	for _, n := range []int{0, 1, 5, sketchSize} {
		if got := sketchOf(hashes(r, n)...).count(); got != int64(n) {
			t.Errorf("%d are counted as %d", n, got)
		}
	}
	worst := 0.0
	for _, n := range []int{5_000, 100_000, 1_000_000} {
		s := sketchOf(hashes(r, n)...)
		off := math.Abs(float64(s.count())-float64(n)) / float64(n)
		worst = max(worst, off)
		if off > 4*0.022 {
			t.Errorf("%d are counted as %d", n, s.count())
		}
		s.remove(s.hashes[7])
		if again := s.count(); math.Abs(float64(again)-float64(n))/float64(n) > 4*0.022 {
			t.Errorf("%d less one are counted as %d", n, again)
		}
	}
	if worst == 0 {
		t.Error("estimates are exact, so none was made")
	}
}

func TestWhatTwoSetsHaveInCommonIsExactWhileBothAreSmallAndCloseBeyond(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		first, second, both int
		exact               bool
	}{{10, 10, 0, true}, {10, 5, 5, true}, {2000, 2000, 700, true}, {50_000, 30_000, 20_000, false}, {1500, 60_000, 900, false}, {60_000, 1500, 900, false}} {
		shared := hashes(r, c.both)
		a := sketchOf(append(hashes(r, c.first-c.both), shared...)...)
		b := sketchOf(append(hashes(r, c.second-c.both), shared...)...)
		got := a.common(b)
		if c.exact && got != int64(c.both) {
			t.Errorf("%+v: %d", c, got)
		}
		// The error of an overlap: of 2048 × both/first hashes, or fewer where the other's limit is lower.
		kept := float64(c.both) * min(1, float64(sketchSize)/float64(max(c.first, c.second)))
		if off := math.Abs(float64(got) - float64(c.both)); !c.exact && off > 4*float64(c.both)/math.Sqrt(kept) {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

func TestBytesThatAreNoSetAreRefused(t *testing.T) {
	t.Parallel()
	good := sketchOf(1, 2, 3).bytes()
	if _, ok := parseSketch(good); !ok {
		t.Fatal("a set is refused")
	}
	swapped := slices.Clone(good)
	copy(swapped[8:], good[16:24])
	copy(swapped[16:], good[8:16])
	double := append(slices.Clone(good), good[len(good)-8:]...)
	for name, b := range map[string][]byte{"empty": {}, "cut": good[:len(good)-1], "swapped": swapped, "double": double, "long": make([]byte, 8+8*sketchSize+8)} {
		if _, ok := parseSketch(b); ok {
			t.Errorf("%s: taken for a set", name)
		}
	}
}

func TestTheSameMachineHasOtherHashesInAnotherWindowToolAndDimension(t *testing.T) {
	t.Parallel()
	one, two := newHasher(newKey()), newHasher(newKey())
	h := one.of("x", "m", byCommand)
	if h != one.of("x", "m", byCommand) {
		t.Error("it is not the same twice")
	}
	for name, other := range map[string]uint64{
		"window": two.of("x", "m", byCommand), "tool": one.of("y", "m", byCommand), "machine": one.of("x", "n", byCommand),
		"dimension": one.of("x", "m", byVersion), "the place of the border": one.of("xm", "", byCommand),
	} {
		if other == h {
			t.Errorf("another %s gives the same hash", name)
		}
	}
}

func TestWeeksBeginOnMondayAndWindowsCloseAfterTheirGrace(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]string{"2026-11-23T00:00:00Z": "2026-11-23", "2026-11-29T23:59:59Z": "2026-11-23", "2026-11-22T23:59:59Z": "2026-11-16", "1970-01-01T00:00:00Z": "1969-12-29"} {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := weekOf(when).begin(); got.Format(time.DateOnly) != want || got.Weekday() != time.Monday {
			t.Errorf("%s is in the week of %v", at, got)
		}
	}
	// At every hour of a month: what an event of now or of an hour ahead needs is open.
	for now := time.Date(2026, 11, 1, 0, 30, 0, 0, time.UTC); now.Month() == time.November; now = now.Add(time.Hour) {
		open := openWindows(now)
		for _, at := range []time.Time{now, now.Add(ahead), now.Add(-Grace), now.Add(day - time.Hour)} {
			if !slices.Contains(open, dayOf(at)) || !slices.Contains(open, weekOf(at)) {
				t.Fatalf("%v: nothing is open for %v", now, at)
			}
			for n := range cohortWeeks + 1 {
				if !slices.Contains(open, weekOf(at).cohort(n)) {
					t.Fatalf("%v: the cohort %d weeks before %v is not open", now, n, at)
				}
			}
		}
		for _, w := range open {
			if !w.open(now) {
				t.Fatalf("%v: %v is over", now, w)
			}
		}
	}
}
