//go:build linux

package torture

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// scenario is one way in which it may go wrong, composed anew by each seed.
type scenario struct {
	name string
	play func(w *world)
}

// scenarios are all of them. Each is a file of its own, with what it needs.
var scenarios = []scenario{
	{"ends", everyEnd},
	{"fifty", fiftyAtOnce},
	{"minds", mindsChange},
	{"sender-killed", senderKilled},
	{"command-killed", commandKilled},
	{"call-fails", callsFail},
	{"disk-full", diskFull},
	{"quota", quotaReached},
	{"read-only", readOnly},
	{"power-cut", powerCut},
	{"damage", bitsFlip},
	{"clock", clocksJump},
	{"versions", versionsTakeTurns},
	{"server", serverMisbehaves},
	{"scene-killed", sceneKilled},
	{"scene-stalled", sceneStalled},
	{"strays", straysLieAround}, // the last: see playFor
}

// TestTorture plays scenarios for as long as TORTURE says, all of them before any a second time.
// TORTURE_SEED=name:seed plays one again; what the kernel made of it is not in a seed.
func TestTorture(t *testing.T) {
	t.Parallel()
	budget, err := time.ParseDuration(os.Getenv("TORTURE"))
	if err != nil {
		t.Skip("plays for as long as it is told to; make torture")
	}
	tool := built(t)
	if name, number, one := strings.Cut(os.Getenv("TORTURE_SEED"), ":"); one {
		seed, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			t.Fatalf("TORTURE_SEED: %v", err)
		}
		for _, s := range scenarios {
			if s.name == name {
				s.turn(t, tool, seed)
				return
			}
		}
		t.Fatalf("TORTURE_SEED: there is no scenario %q", name)
	}
	playFor(t, tool, budget, seeded(t))
}

// playFor plays scenarios until no other one would fit.
func playFor(t *testing.T, tool string, budget time.Duration, random *rand.Rand) {
	const atOnce = 2 // half of what a scenario does is to wait
	end := time.Now().Add(budget)
	turns := make(chan func(), atOnce)
	var players sync.WaitGroup
	for range atOnce {
		players.Go(func() {
			for turn := range turns {
				turn()
			}
		})
	}
	var mu sync.Mutex
	longest := map[string]time.Duration{}
	played := map[string]int{}
	fits := func(s scenario) bool {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(longest[s.name]).Before(end)
	}
	for first := true; slices.ContainsFunc(scenarios, fits); first = false {
		order := random.Perm(len(scenarios))
		if first { // the one that takes longest would else begin when the time is nearly over
			last := slices.Index(order, len(scenarios)-1)
			order[0], order[last] = order[last], order[0]
		}
		for _, i := range order {
			s, seed := scenarios[i], random.Uint64()
			turns <- func() {
				if !fits(s) {
					return
				}
				began := time.Now()
				s.turn(t, tool, seed)
				mu.Lock()
				defer mu.Unlock()
				played[s.name]++
				longest[s.name] = max(longest[s.name], time.Since(began))
			}
		}
	}
	close(turns)
	players.Wait()
	for _, s := range scenarios {
		t.Logf("%-15s %d times", s.name, played[s.name])
	}
}

// turn plays a scenario once and holds it to the model.
func (s scenario) turn(t *testing.T, tool string, seed uint64) {
	again := fmt.Sprintf("%s:%d", s.name, seed)
	t.Run(again, func(t *testing.T) {
		w := newWorld(t, tool, newRandom(seed))
		s.play(w)
		broken := w.verdict()
		for _, sentence := range broken[:min(len(broken), mostTold)] {
			t.Error(sentence)
		}
		if t.Failed() {
			t.Logf("%d sentences; TORTURE_SEED=%s plays it again", len(broken), again)
		}
	})
}

func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }
