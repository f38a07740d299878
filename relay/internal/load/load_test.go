//go:build linux && !notelemetry

package load

import (
	"flag"
	"testing"
	"time"
)

var (
	seed = flag.Uint64("seed", 0, "what events and people are made of; 0 is the time")
	// page is the file that the figures are written to; without it nothing is measured.
	page = flag.String("page", "", "measure, and write the figures to this file")
	// times is how much longer everything is measured than in some two minutes.
	times = flag.Int("times", 1, "how many times as long it is measured")
	full  = flag.Bool("full", false, "with a million deletions, and a vendor that is full for a minute")
	part  = flag.String("part", "", "only one of throughput, replicas, ledger and siege, and no page")
)

// figures are what a page is made of.
type figures struct {
	throughput []throughput
	outcome    outcome
	ledger     []looks
	siege      []siege
	took       time.Duration
	seed       uint64
	busy       [2]string // the load averages before and after
}

// TestLoad is `make load`. How long things take is no matter of passing; what is lost or doubled
// is.
func TestLoad(t *testing.T) {
	if *page == "" && *part == "" {
		t.Skip("measures only with -page: make load")
	}
	w := newWorld(t)
	f := figures{seed: w.seed}
	f.busy[0] = busy()
	began := time.Now()
	do := func(name string, measure func(t *testing.T)) {
		if *part == "" || *part == name {
			t.Run(name, measure)
		}
	}
	each := time.Duration(*times) * time.Second
	do("throughput", func(t *testing.T) { f.throughput = measureThroughput(t, w, each) })
	s := size{clients: 12, batches: 240 * *times, events: 10, people: 150 * *times, full: 8 * time.Second}
	deletions := 100_000
	if *full {
		s.full, deletions = time.Minute, 1_000_000
		s.batches *= 4
	}
	do("replicas", func(t *testing.T) { f.outcome = replicas(t, s) })
	do("ledger", func(t *testing.T) { f.ledger = measureLedger(t, w, deletions) })
	do("siege", func(t *testing.T) { f.siege = measureSiege(t, w, 6*each) })
	f.took, f.busy[1] = time.Since(began), busy()
	if *part == "" && !t.Failed() {
		f.write(t, *page)
	}
}
