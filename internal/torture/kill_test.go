//go:build linux

package torture

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/props"
)

// scene is one process at a time: what came before it, itself, and what must hold after
// it beside the invariants of all.
type scene struct {
	before func(t *testing.T, s *stage)
	victim plan
	after  func(t *testing.T, s *stage, o outcome)
}

// onlyOnRequest skips what plays every scene at every one of its calls. TestTorture plays some of
// them at some.
func onlyOnRequest(t *testing.T) {
	t.Helper()
	if os.Getenv("TORTURE") != everyCall {
		t.Skip("takes long; make torture TORTURE=" + everyCall)
	}
}

const everyCall = "every-call"

func TestNothingBreaksWhereverAProcessIsKilled(t *testing.T) {
	t.Parallel()
	onlyOnRequest(t)
	for name, c := range killScenes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 1; c.killed(t, n) && !t.Failed(); n++ {
			}
		})
	}
}

func killScenes() map[string]scene {
	yes := func(t *testing.T, s *stage) { s.mustEnable(t, false) }
	recorded := func(t *testing.T, s *stage) {
		yes(t, s)
		s.run(abandoning("r", 3))
		s.run(abandoning("l", 3, variableLocal))
	}
	return map[string]scene{
		"a command":                        {before: yes, victim: recording("v", 5, inCI)},
		"a command that keeps it all here": {before: yes, victim: recording("v", 5, variableLocal)},
		"a command at the cap": {
			before: func(t *testing.T, s *stage) {
				s.h.capped = true
				yes(t, s)
				s.run(abandoning("full", 1000, smallCap, "HURRY=1"))
			},
			victim: abandoning("v", 60, smallCap, "HURRY=1"),
			after:  everyEventIsCounted,
		},
		"a yes": {
			before: func(t *testing.T, s *stage) { s.run(abandoning("r", 3, variableYes)) },
			victim: answering("v", toYes),
		},
		"a yes after a no": {
			before: func(t *testing.T, s *stage) {
				recorded(t, s)
				s.run(answering("no", toNo))
			},
			victim: answering("v", toYes),
		},
		"a no": {before: recorded, victim: answering("v", toNo)},
		"a reset": {
			before: func(t *testing.T, s *stage) {
				recorded(t, s)
				s.run(sending("s"))
			},
			victim: answering("v", toReset),
		},
		"a sender": {
			before: func(t *testing.T, s *stage) {
				yes(t, s)
				for i, env := range [][]string{nil, {variableLocal}, {variableYes, variableLocal}} {
					s.run(abandoning("r"+strconv.Itoa(i), 12, env...))
				}
			},
			victim: sending("v"),
		},
		"a sender that sends at most once": {
			before: func(t *testing.T, s *stage) {
				s.h.capped = true
				yes(t, s)
				s.run(abandoning("r", 12))
			},
			victim: sending("v", atMostOnce),
			after:  onceOrCounted,
		},
		"a sender that takes up losses": {
			before: func(t *testing.T, s *stage) {
				recorded(t, s)
				s.lose(t, 5)
			},
			victim: sending("v"),
			after: func(t *testing.T, s *stage, o outcome) {
				// Killed between the report and the end of the count, it is told twice.
				if n := o.status.Lost["unwritten"]; n != 5 && n != 10 {
					t.Errorf("%v lost, want 5 that could not be written", o.status.Lost)
				}
			},
		},
		"a sender that finds damage": {
			before: func(t *testing.T, s *stage) {
				yes(t, s)
				s.run(abandoning("r", 2))
				s.damage(t)
			},
			victim: sending("v"),
			after: func(t *testing.T, s *stage, o outcome) {
				if n := o.status.Lost["unreadable"]; n != 1 && n != 2 { // as above
					t.Errorf("%v lost, want 1 unreadable", o.status.Lost)
				}
			},
		},
	}
}

// Each kind of process stands still before a call while others do all their work.
func TestNothingBreaksWhateverOthersDoMeanwhile(t *testing.T) {
	t.Parallel()
	onlyOnRequest(t)
	for _, c := range stallScenes() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for n := 1; c.stalled(t, n, c.others) && !t.Failed(); n++ {
			}
		})
	}
}

// stallScene is a scene with what others do while its victim stands still.
type stallScene struct {
	scene
	name, others string
}

func stallScenes() (list []stallScene) {
	victims := map[string]plan{
		"a command":                {role: "record", id: "v", env: []string{"EVENTS=2", "END=9", "PAUSE=2ms", inCI}},
		"a command that stays":     {role: "record", id: "v", env: []string{"EVENTS=2", "END=9", "PAUSE=2ms", variableLocal}},
		"a command by variable":    {role: "record", id: "v", env: []string{"EVENTS=2", "END=0", "PAUSE=2ms", variableYes}},
		"a command on a full disk": {role: "record", id: "v", env: []string{"EVENTS=2", "END=9", "PAUSE=2ms", inCI}},
		"a sender":                 sending("v"),
		"a yes":                    answering("v", toYes),
		"a local yes":              answering("v", toLocal),
		"a no":                     answering("v", toNo),
		"a reset":                  answering("v", toReset),
	}
	others := []string{
		"no", "no yes record", "local record", "yes record", "record send", "variable", "no send yes record", "reset yes record",
	}
	for _, name := range slices.Sorted(maps.Keys(victims)) {
		for _, first := range []string{toYes, toNo} {
			for _, steps := range others {
				list = append(list, stallScene{
					name: name + " after a " + first + ", beside " + steps, others: steps,
					scene: scene{victim: victims[name], before: func(t *testing.T, s *stage) {
						disk := ""
						if strings.Contains(name, "full disk") {
							disk = s.disk(t, "size=1m")
						}
						s.mustEnable(t, false)
						s.run(abandoning("before", 12))
						if first == toNo {
							s.run(answering("first", toNo))
						}
						if disk != "" { // where nothing can be stored, nothing need arrive
							s.h.capped = true
							s.relieve = fill(t, disk)
						}
					}},
				})
			}
		}
	}
	return list
}

// killed plays the scene with its victim killed before the nth call, and reports whether it
// came so far.
func (c *scene) killed(t *testing.T, n int) bool {
	t.Helper()
	c.victim.under = killBefore(n)
	s := c.play(t, fmt.Sprintf("killed before call %d", n))
	return s.h.unsure[c.victim.id]
}

// stalled plays the scene with its victim standing still before the nth call, while others
// take their steps, and reports whether it came so far.
func (c *scene) stalled(t *testing.T, n int, steps string) (reached bool) {
	t.Helper()
	before := c.before
	c.before = func(t *testing.T, s *stage) {
		before(t, s)
		c.victim.meanwhile = func() {
			reached = true
			for i, step := range strings.Fields(steps) {
				id := step + strconv.Itoa(i) + "-"
				switch step {
				case "record":
					s.run(abandoning(id, 3))
				case "variable":
					s.run(abandoning(id, 3, variableYes))
				case "send":
					s.run(sending(id))
				default:
					s.run(answering(id, step))
				}
			}
		}
	}
	c.victim.under = stallBefore(n)
	c.play(t, fmt.Sprintf("standing still before call %d", n))
	return reached
}

func (c *scene) play(t *testing.T, what string) *stage {
	t.Helper()
	s, in := calm(t)
	c.before(t, s)
	s.run(c.victim)
	s.awaitEnd()
	o, err := s.settle(t, in)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return s
	}
	broken := append(s.problems, s.h.check(o)...)
	for _, sentence := range broken[:min(len(broken), mostTold)] {
		t.Errorf("%s: %s", what, sentence)
	}
	if c.after != nil {
		c.after(t, s, o)
	}
	if t.Failed() {
		t.Logf("%s", what)
	}
	return s
}

// recording is a command, abandoning one that ends without Close.
func recording(id string, events int, env ...string) plan {
	return plan{role: "record", id: id, env: append([]string{"EVENTS=" + strconv.Itoa(events), "END=9"}, env...)}
}

func abandoning(id string, events int, env ...string) plan {
	return recording(id, events, append([]string{"END=0"}, env...)...)
}

func sending(id string, env ...string) plan {
	return plan{role: "send", id: id, env: append([]string{"SENDS=1"}, env...)}
}

func answering(id, kind string) plan {
	return plan{role: "switch", id: id, env: []string{"TIMES=1", "SWITCHES=" + kind}}
}

func (s *stage) mustEnable(t *testing.T, local bool) {
	t.Helper()
	if err := s.enable("first", local); err != nil {
		t.Fatal(err)
	}
}

// lose counts events as those that could not be stored.
func (s *stage) lose(t *testing.T, n int64) {
	t.Helper()
	path := filepath.Join(s.dir, "losses-unwritten")
	err := os.WriteFile(path, nil, 0o600)
	if err == nil {
		err = os.Chtimes(path, time.Time{}, time.Unix(n, 0))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// damage adds a line to the one slot of the queue that nobody wrote.
func (s *stage) damage(t *testing.T) {
	t.Helper()
	slots, err := filepath.Glob(filepath.Join(s.dir, "queue", "*.events2"))
	if err != nil || len(slots) != 1 {
		t.Fatalf("%v, %v", slots, err)
	}
	f, err := os.OpenFile(slots[0], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("damage\n"); err != nil {
		t.Fatal(err)
	}
}

// smallCap is room for some hundred events.
const smallCap = "CAP=131072"

// onceOrCounted holds in at-most-once mode: an event arrives once, or is counted, and where
// its sender was killed it may be both.
func onceOrCounted(t *testing.T, s *stage, o outcome) {
	t.Helper()
	arrived := map[string]int{}
	for _, r := range o.requests {
		for _, event := range r.events {
			if r.answer == taken && event.Type == "feature.used" {
				arrived[event.Metadata[callKey]]++
			}
		}
	}
	for key, n := range arrived {
		if n > 1 {
			t.Errorf("%s arrived %d times", key, n)
		}
	}
	if len(arrived)+o.status.TotalLost() < s.tracked {
		t.Errorf("of %d events %d arrived and %v were lost", s.tracked, len(arrived), o.status.Lost)
	}
}

// everyEventIsCounted holds where events are dropped: each arrived or was counted, and only
// where a process was killed in between a few may be both.
func everyEventIsCounted(t *testing.T, s *stage, o outcome) {
	t.Helper()
	arrived, reports := map[string]bool{}, map[string]int{}
	for _, r := range o.requests {
		for _, event := range r.events {
			if event.Type == string(props.EventLoss) {
				reports[event.ID], _ = strconv.Atoi(event.Metadata["count"])
			} else {
				arrived[event.Metadata[callKey]] = true
			}
		}
	}
	reported := 0
	for _, n := range reports {
		reported += n
	}
	returned, maybe := 0, 0
	for _, e := range s.h.events {
		if e.returned {
			returned++
		} else {
			maybe++
		}
	}
	lost := o.status.TotalLost()
	if got := len(arrived) + lost; got < returned || got > returned+maybe && s.kills == 0 {
		t.Errorf("%d events arrived and %v were lost; %d were recorded and perhaps %d more", len(arrived), o.status.Lost, returned, maybe)
	}
	// Where the sender met no slot for the receiver, or was killed, nothing tells it.
	if reported > lost || reported < lost && s.kills == 0 && len(o.requests) > 0 {
		t.Errorf("the receiver was told of %d, status tells of %v", reported, o.status.Lost)
	}
}
