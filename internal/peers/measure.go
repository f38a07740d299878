//go:build linux

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// scale is how much is done.
type scale struct {
	name      string
	rounds    int // paired runs of a cell that does not wait
	waits     int // runs of a cell that waits
	starts    int // paired runs of a start
	tracks    int // processes a peer in turn
	events    int // recorded by each of them
	kills     int
	eights    int
	offline   int
	noWaiting bool
}

var scales = map[string]scale{
	// Ten minutes on two processors.
	"1":    {name: "1", rounds: 11, waits: 3, starts: 31, tracks: 31, events: 1001, kills: 60, eights: 8, offline: 50},
	"full": {name: "full", rounds: 41, waits: 5, starts: 101, tracks: 101, events: 1001, kills: 200, eights: 25, offline: 500},
	// A minute, for CI: it looks at what becomes of events and times nothing.
	"smoke": {name: "smoke", kills: 2, eights: 1, offline: 5, noWaiting: true},
}

// waits is what a run takes that waits for a deadline and not for a processor.
const waits = 900 * time.Millisecond

// key is a cell of the tables of an end.
type key struct {
	peer, weather int
	ci            bool
}

// figures is everything that is measured.
type figures struct {
	fates     map[key]fate
	added     map[key]time.Duration // to hello
	hello     time.Duration
	start     map[string]time.Duration // of programs, to hello
	idle      map[string]time.Duration
	tracks    []track
	recording []fate // killed in the middle of it; by peer, as the rest
	closing   []fate // killed after it
	eightNew  []fate
	eightUsed []fate
	eightDown []fate
	backlog   []fate
	readOnly  map[key]fate
}

// track is what one event costs.
type track struct {
	ns, allocs, bytes int64
	ratio             float64 // to the first floor, in the same round
	fate              fate
}

func median[T int64 | float64 | time.Duration](list []T) T {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// each calls do for every job, several at once, and returns the first error.
func each[T any](jobs []T, atOnce int, do func(T) error) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var first error
	slots := make(chan struct{}, atOnce)
	for _, job := range jobs {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := do(job); err != nil {
				mu.Lock()
				defer mu.Unlock()
				if first == nil {
					first = err
				}
			}
		})
	}
	wg.Wait()
	return first
}

// keys are the cells of the tables of an end.
func (l *lab) keys() (all []key) {
	for p := range peers {
		for w := range weathers {
			if weathers[w].silent && l.names.missing != "" {
				continue
			}
			all = append(all, key{p, w, false}, key{p, w, true})
		}
	}
	return all
}

// fates finds out what becomes of one event in every cell. Cells wait for deadlines, so that
// many are looked at at once.
func (l *lab) fates(keys []key) (map[key]fate, error) {
	all := map[key]fate{}
	var mu sync.Mutex
	err := each(keys, 48, func(k key) error {
		f, err := l.one(peers[k.peer], weathers[k.weather], k.ci)
		mu.Lock()
		defer mu.Unlock()
		all[k] = f
		return err
	})
	return all, err
}

// exits measures what an end costs in every cell, as the median of what a run takes more than
// one of hello next to it.
func (l *lab) exits(f *figures, keys []key) error {
	var long, short []key
	for _, k := range keys {
		if f.fates[k].took > waits {
			long = append(long, k)
		} else {
			short = append(short, k)
		}
	}
	f.added = map[key]time.Duration{}
	var mu sync.Mutex
	err := each(long, 16, func(k key) error {
		took, err := l.alone(k, l.scale.waits)
		mu.Lock()
		defer mu.Unlock()
		if took < waits {
			short = append(short, k) // it was the machine that took so long
		} else {
			f.added[k] = took
		}
		return err
	})
	if err != nil {
		return err
	}
	return l.inTurn(f, short)
}

// pair is a cell that is run in turn with hello.
type pair struct {
	*stage
	key           key
	added, hellos []time.Duration
}

func (l *lab) newPair(k key) (*pair, error) {
	s, err := l.set(peers[k.peer], weathers[k.weather], k.ci, false)
	return &pair{stage: s, key: k}, err
}

// inTurn measures the cells that wait for nothing. Each round goes through all of them, so that
// what else the machine does is spread over all, and none has all of it.
func (l *lab) inTurn(f *figures, keys []key) error {
	var pairs []*pair
	var mu sync.Mutex
	defer func() {
		for _, p := range pairs {
			p.close()
		}
	}()
	err := each(keys, 24, func(k key) error {
		p, err := l.newPair(k)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			pairs = append(pairs, p)
		}
		return err
	})
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(l.seed, 0)) //nolint:gosec // no secret
	var hellos []time.Duration
	for round := range l.scale.rounds {
		// None comes after the same other one in every round, which may have left something to do.
		for _, i := range random.Perm(len(pairs)) {
			if err := pairs[i].run(round); err != nil {
				return err
			}
		}
	}
	for _, p := range pairs {
		f.added[p.key] = median(p.added)
		hellos = append(hellos, p.hellos...)
	}
	f.hello = median(hellos)
	return nil
}

// alone measures a cell by itself.
func (l *lab) alone(k key, rounds int) (time.Duration, error) {
	p, err := l.newPair(k)
	if err != nil {
		return 0, err
	}
	defer p.close()
	for round := range rounds {
		if err := p.run(round); err != nil {
			return 0, err
		}
	}
	return median(p.added), nil
}

// run runs the cell and hello, in an order that changes with the round.
func (p *pair) run(round int) error {
	s := *p.stage
	if s.peer.state == agreed {
		// An upload is due in a home where none was tried.
		s.home = p.newHome(p.key.ci)
		s.home.thread = p.home.thread
		if err := copyDir(p.home.dir, s.home.dir); err != nil {
			return err
		}
		defer os.RemoveAll(s.home.dir)
	}
	defer s.home.end() // what is left in the background is not to disturb the next
	var with, without outcome
	var err error
	for turn := range 2 {
		if (round+turn)%2 == 0 {
			without = p.home.run(p.programs.file(hello), "record", p.endpoint, "0", "0")
			err = without.err
		} else {
			with, err = s.record(1)
		}
		if err != nil {
			return err
		}
	}
	p.added, p.hellos = append(p.added, with.took-without.took), append(p.hellos, without.took)
	return nil
}

// starts measures what a process takes that records nothing: up to main, and with the peer set
// up and closed, both less what hello takes.
func (l *lab) starts(f *figures) error {
	f.start, f.idle = map[string]time.Duration{}, map[string]time.Duration{}
	in, err := newIntake(fair)
	if err != nil {
		return err
	}
	defer in.close()
	endpoint := "http://127.0.0.1:" + strconv.Itoa(in.port)
	h := l.newHome(false)
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return err
	}
	if o := h.run(l.programs.file("telemetry"), "telemetry", endpoint, "enable"); o.err != nil {
		return fmt.Errorf("saying yes: %w: %s", o.err, o.said)
	}
	for _, c := range []struct {
		into map[string]time.Duration
		args []string
	}{{f.start, nil}, {f.idle, []string{"idle", endpoint}}} {
		all := map[string][]time.Duration{}
		for round := range l.scale.starts {
			took := map[string]time.Duration{}
			for i := range l.programs.built {
				// Each comes after each other as often.
				name := l.programs.built[(round+i)%len(l.programs.built)].name
				o := h.run(l.programs.file(name), c.args...)
				if o.err != nil {
					return fmt.Errorf("%s: %w: %s", name, o.err, o.said)
				}
				took[name] = o.took
			}
			for name, d := range took {
				all[name] = append(all[name], d-took[hello])
			}
		}
		for name, list := range all {
			c.into[name] = median(list)
		}
	}
	h.end()
	return nil
}

// measureTracks measures what an event costs, in processes of each peer in turn.
func (l *lab) measureTracks() ([]track, error) {
	type samples struct {
		ns, allocs, bytes []int64
		ratio             []float64
	}
	all := make([]samples, len(peers))
	result := make([]track, len(peers))
	for range l.scale.tracks {
		var floor int64
		for i, p := range peers {
			if p.state == used {
				continue // it is the same Track
			}
			s, err := l.set(p, fair, false, true)
			if err != nil {
				return nil, err
			}
			first, ids := s.numbers.take(l.scale.events)
			cmd := s.home.command(s.program, "bench", s.endpoint, first, strconv.Itoa(l.scale.events))
			out, err := cmd.Output()
			if err != nil {
				s.close()
				return nil, fmt.Errorf("%s: %w", p.program, err)
			}
			_, out, _ = bytes.Cut(out, []byte{'\n'}) // after hello
			var ns, allocs, size int64
			if _, err := fmt.Sscan(string(out), &ns, &allocs, &size); err != nil {
				s.close()
				return nil, fmt.Errorf("what %s printed: %w", p.program, err)
			}
			if i == 0 {
				floor = ns
			}
			a := &all[i]
			a.ns, a.allocs, a.bytes = append(a.ns, ns), append(a.allocs, allocs), append(a.bytes, size)
			a.ratio = append(a.ratio, float64(ns)/float64(max(floor, 1)))
			if p.state != unasked && p.program != "xtelemetry" { // which counted one name
				f, err := s.settled(ids)
				if err != nil {
					s.close()
					return nil, err
				}
				result[i].fate.add(f)
			}
			s.close()
		}
	}
	for i, a := range all {
		result[i].ns, result[i].allocs, result[i].bytes, result[i].ratio = median(a.ns), median(a.allocs), median(a.bytes), median(a.ratio)
	}
	return result, nil
}

// recorded are the peers whose events something can become of, each once.
func recorded() (list []int) {
	for i, p := range peers {
		if p.state != used && p.state != unasked {
			list = append(list, i)
		}
	}
	return list
}

// kills kills programs of every peer, and tells those apart that had recorded everything.
func (l *lab) kills() (recording, closing []fate, err error) {
	recording, closing = make([]fate, len(peers)), make([]fate, len(peers))
	for _, i := range recorded() {
		life, err := l.life(peers[i])
		if err != nil {
			return nil, nil, err
		}
		var mu sync.Mutex
		err = each(make([]struct{}, l.scale.kills), 6, func(struct{}) error {
			mu.Lock()
			// One source for each, so that the seed says when.
			random := rand.New(rand.NewPCG(l.seed, l.trials)) //nolint:gosec // no secret
			l.trials++
			mu.Unlock()
			f, err := l.killed(peers[i], random, life)
			mu.Lock()
			defer mu.Unlock()
			if f.events < killedEvents {
				recording[i].add(f)
			} else {
				closing[i].add(f)
			}
			return err
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return recording, closing, nil
}

// crowds lets eight processes at once record, several times, in homes that are new or that
// something was recorded in before.
func (l *lab) crowds(w weather, before bool) ([]fate, error) {
	all := make([]fate, len(peers))
	var mu sync.Mutex
	for range l.scale.eights {
		err := each(recorded(), 2, func(i int) error {
			f, err := l.eight(peers[i], w, before)
			mu.Lock()
			defer mu.Unlock()
			all[i].add(f)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (l *lab) backlogs() ([]fate, error) {
	all := make([]fate, len(peers))
	err := each(recorded(), 3, func(i int) error {
		f, err := l.backlog(peers[i])
		all[i] = f
		return err
	})
	return all, err
}

func (l *lab) frozen() (map[key]fate, error) {
	all := map[key]fate{}
	var keys []key
	for _, p := range recorded() {
		for w, weather := range weathers {
			if weather.name == fair.name || weather.name == "refused" {
				keys = append(keys, key{p, w, false}, key{p, w, true})
			}
		}
	}
	var mu sync.Mutex
	err := each(keys, 12, func(k key) error {
		f, err := l.readOnly(peers[k.peer], weathers[k.weather], k.ci)
		mu.Lock()
		defer mu.Unlock()
		all[k] = f
		return err
	})
	return all, err
}
