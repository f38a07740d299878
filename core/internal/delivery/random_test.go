package delivery_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/spool"
)

// world is what a sender meets, and what may and must become of each event in it.
type world struct {
	*fixture
	random   *rand.Rand
	next     int
	receipts []string          // that events are recorded under
	local    map[string]bool   // those for this machine only
	ended    map[string]bool   // those that were withdrawn
	kept     map[string]bool   // those that this process must not deliver
	tracked  map[string]string // every event, and its receipt
	outcome  map[string]string // of an event whose fate somebody told: accepted, refused
	lost     int               // as the reports of the runs say
	unnamed  int               // refused without a name
}

// newWorld has five receipts: two for the network, two local ones, and one to be kept.
func newWorld(t *testing.T, random *rand.Rand) *world {
	w := &world{
		fixture: newFixture(t, 0), random: random, local: map[string]bool{}, ended: map[string]bool{}, kept: map[string]bool{},
		tracked: map[string]string{}, outcome: map[string]string{},
	}
	for i := range 5 {
		id := strings.Repeat(fmt.Sprint(i+1), 32)
		w.receipts = append(w.receipts, id)
		w.local[id] = i == 2 || i == 3
		w.kept[id] = i == 4
	}
	w.sender.Route = w.route
	return w
}

func (w *world) route(id string) (delivery.Route, error) {
	switch {
	case w.ended[id]:
		return delivery.Route{Drop: spool.LossWithdrawn}, nil
	case w.kept[id]:
		return delivery.Route{Keep: "another receiver"}, nil
	}
	local := w.local[id]
	v := &vendor{answer: func(events []driver.Event) error { return w.answer(local, events) }}
	return delivery.Route{
		Backend: v, Local: local, Stays: local, Receipt: id, Limits: driver.Limits{Events: 1 + w.random.IntN(20)},
		Allowed: func() error {
			if w.ended[id] {
				return delivery.ErrErased
			}
			return nil
		},
	}, nil
}

// answer is one Send. It holds the sender to what it may send, and answers at random.
func (w *world) answer(local bool, events []driver.Event) error {
	var named []string // the author's events among them
	reports := false
	for _, e := range events {
		if w.local[e.ConsentID] != local || w.kept[e.ConsentID] {
			w.Errorf("%s of receipt %.1s goes to the wrong receiver", e.ID, e.ConsentID)
		}
		if w.ended[e.ConsentID] {
			w.Errorf("%s is sent after its receipt %.1s has ended", e.ID, e.ConsentID)
		}
		if e.Type == "telemetry.loss" {
			reports = true
			continue
		}
		named = append(named, e.ID)
		if w.tracked[e.ID] != e.ConsentID {
			w.Errorf("%s was recorded under %.1s and is sent under %.1s", e.ID, w.tracked[e.ID], e.ConsentID)
		}
		if was := w.outcome[e.ID]; was != "" {
			w.Errorf("%s is sent again, it was %s", e.ID, was)
		}
	}
	tell := func(outcome string, ids ...string) {
		for _, id := range ids {
			if w.tracked[id] != "" {
				w.outcome[id] = outcome
			}
		}
	}
	if w.random.IntN(12) == 0 { // a no, while the batch is on its way
		w.ended[w.receipts[w.random.IntN(4)]] = true
	}
	switch w.random.IntN(11) {
	default:
		tell("accepted", named...)
		return nil
	case 5:
		return errors.New("reset")
	case 6:
		panic("a backend of a stranger's")
	case 7:
		return driver.Throttled(errors.New("429"), time.Minute)
	case 8:
		return tooLarge()
	case 9:
		if len(events) > 1 || w.random.IntN(2) == 0 {
			return driver.Refused(errors.New("400"), len(events))
		}
		return driver.Permanent(errors.New("400"))
	case 10:
		if w.random.IntN(3) == 0 && !reports {
			n := 1 + w.random.IntN(len(events))
			w.unnamed += n
			tell("refused or accepted", named...)
			return &driver.Partial{Unnamed: n, Err: errors.New("some of them")}
		}
		verdicts := &driver.Partial{Err: errors.New("207")}
		for _, e := range events {
			switch w.random.IntN(3) {
			case 0:
				verdicts.Accepted = append(verdicts.Accepted, e.ID)
				tell("accepted", e.ID)
			case 1:
				verdicts.Rejected = append(verdicts.Rejected, e.ID)
				tell("refused", e.ID)
			}
		}
		return verdicts
	}
}

// track queues some events under one of the receipts that are in force.
func (w *world) track() {
	id := w.receipts[w.random.IntN(len(w.receipts))]
	if w.ended[id] {
		return
	}
	from := w.next
	w.next += 1 + w.random.IntN(30)
	w.record(id, from, w.next, time.Now())
	for _, event := range ids(from, w.next) {
		w.tracked[event] = id
	}
}

// check compares the queue with what it should hold after a run.
func (w *world) check(run int, r delivery.Report) {
	w.Helper()
	for _, n := range r.Lost {
		w.lost += n
	}
	waiting := map[string]string{}
	for receipt, list := range w.waiting() {
		for _, id := range list {
			if strings.HasPrefix(id, "test-") {
				if waiting[id] != "" {
					w.Errorf("run %d: %s waits twice", run, id)
				}
				waiting[id] = receipt
			}
		}
	}
	gone := 0
	accepted := 0
	for id, receipt := range w.tracked {
		switch where := waiting[id]; {
		case where != "" && where != receipt:
			w.Errorf("run %d: %s waits under %.1s, not %.1s", run, id, where, receipt)
		case where != "" && w.outcome[id] != "":
			w.Errorf("run %d: %s waits, it was %s", run, id, w.outcome[id])
		case where == "":
			gone++
			if w.kept[receipt] {
				w.Errorf("run %d: %s was to be kept", run, id)
			}
		}
		if w.outcome[id] == "accepted" {
			accepted++
		}
		if w.outcome[id] == "refused or accepted" {
			accepted++ // less those that the answers counted, below
		}
	}
	accepted -= w.unnamed
	// A report that is dropped with its receipt counts what it stands for once more.
	again := len(w.ended) > 0
	if uncounted := gone - accepted - w.lost; uncounted > 0 || uncounted < 0 && !again {
		w.Errorf("run %d: %d events are gone, %d of them were accepted and %d are counted as lost", run, gone, accepted, w.lost)
	}
}

func TestWhateverTheReceiversAnswerEveryEventGoesWhereItMayOrIsCounted(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for round := range 30 {
		w := newWorld(t, rand.New(rand.NewPCG(seed, uint64(round))))
		for range 4 {
			w.track()
		}
		for run := range 12 {
			r, _ := w.run()
			w.check(run, r)
			if w.random.IntN(2) == 0 {
				w.track()
			}
			w.now = r.NextAt
		}
		if t.Failed() {
			t.Fatalf("in round %d, where these had ended: %v", round, slices.Collect(maps.Keys(w.ended)))
		}
	}
}
