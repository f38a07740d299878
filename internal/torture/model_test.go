//go:build linux

package torture

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/props"
)

// Where an event may go by the model. It is written from docs/explanation/consent.md, not from the code.
const (
	nowhere  = "nowhere"
	here     = "this machine"
	anywhere = "the receiver"
)

// scope is what the answer and the variables of a command make of what it records.
func scope(env []string, answer string) string {
	set := func(pair string) bool { return slices.Contains(env, pair) }
	switch {
	case set(doNotTrack), set(policyOff), set(policyBroken), answer == toNo:
		return nowhere
	case answer == "" && !set(variableYes) && !set(policyOn):
		return nowhere
	case answer == toLocal, set(variableLocal), set(policyLocal):
		return here
	}
	return anywhere
}

// A process that has one of these among its variables runs under that policy.
const (
	policyOff    = "POLICY=off"
	policyOn     = "POLICY=on"
	policyLocal  = "POLICY=local"
	policyBroken = "POLICY=none that is known"
)

// change is a switch of consent, from the log of the process that made it.
type change struct {
	kind       string
	begin, end int64
	// sure says that it was made, else it may have been: the process was killed in it.
	sure bool
	// sending is what `disable` said of a batch that was on its way.
	sending bool
}

func (c change) isNo() bool { return c.kind == toNo || c.kind == toReset }

// sighting is a receipt that was in force at a time.
type sighting struct {
	receipt string
	at      int64
}

// recorded is one call of Track.
type recorded struct {
	key           string
	env           []string
	open          int64 // when its process began
	before, after int64
	returned      bool // else its process was killed in it, if it came so far
	// late says that its process had met a lock that was slow, which one that stands still in
	// it is: then it keeps events in memory, and closed says whether it lived to count them.
	late, closed bool
	// process is the ID of its process, tool says that this is one of the tool, whose command is
	// told of as well, and unrecorded that it ended itself in a way that nobody can record.
	process, end     string
	tool, unrecorded bool
	// blinded says that its process may have found no answer.
	blinded bool
}

// patience is how long a command waits for a lock of its own.
const patience = 20e6

// history is all that the processes of a round said and that their end told.
type history struct {
	changes []change
	alive   []sighting
	local   map[string]bool // receipts of answers that keep everything here
	events  map[string]recorded
	unsure  map[string]bool // processes that may not have noted what their attempt came to
	killed  []int64         // when a process in the background was killed, of which nobody knows the ID
	resets  bool
	capped  bool // more was recorded than fits
	// damaged says that files were changed behind the tool's back: what it knew is gone with them.
	damaged bool
}

// possible returns the answers that may have been the stored one at some time between
// from and to: those that no other one is known to have replaced before.
func (h *history) possible(from, to int64) map[string]bool {
	answers := map[string]bool{}
	add := func(w change) {
		if w.begin > to {
			return
		}
		for _, v := range h.changes {
			if v.sure && v.begin > w.end && v.end < from {
				return
			}
		}
		answer := w.kind
		if w.isNo() {
			answer = toNo
		}
		answers[answer] = true
	}
	add(change{end: math.MinInt64})
	for _, w := range h.changes {
		add(w)
	}
	return answers
}

// endsWithANo reports whether a no came after everything else that anybody said.
func (h *history) endsWithANo() bool {
	return slices.ContainsFunc(h.changes, func(no change) bool {
		return no.sure && no.isNo() && !slices.ContainsFunc(h.changes, func(c change) bool { return !c.isNo() && c.end >= no.begin })
	})
}

func (h *history) scopes(env []string, from, to int64) map[string]bool {
	scopes := map[string]bool{}
	for answer := range h.possible(from, to) {
		scopes[scope(env, answer)] = true
	}
	return scopes
}

// outcome is what is known in the end.
type outcome struct {
	requests []request
	logged   map[string]int // lines of the log on this machine, by key
	loggedID map[string]string
	status   core.Status
}

// check returns what broke, in sentences that begin with the name of the invariant.
func (h *history) check(o outcome) (broken []string) {
	for _, invariant := range []func(outcome) []string{
		h.onlyWhereItMayGo, h.nothingAfterANo, h.nobodyIsKnownAgain, h.nothingIsLost, h.copiesAreExplained, h.statusIsTrue,
	} {
		broken = append(broken, invariant(o)...)
	}
	return broken
}

// noticed is how long after an answer changed a command may still record under the one of
// before: it looks every millisecond.
const noticed = 1e6

// onlyWhereItMayGo: what was recorded for this machine, or while nothing was to be
// recorded, never reached the receiver; what was recorded to be sent is not in the log here.
func (h *history) onlyWhereItMayGo(o outcome) (broken []string) {
	for _, r := range o.requests {
		for _, event := range r.events {
			if h.local[event.ConsentID] {
				broken = append(broken, fmt.Sprintf("scope: %s arrived under %s, the receipt of a local answer", event.Metadata[callKey], event.ConsentID))
			}
			e, known := h.events[event.Metadata[callKey]]
			if event.Type != "feature.used" {
				continue
			}
			if !known {
				broken = append(broken, fmt.Sprintf("scope: %q arrived, which nobody recorded", event.Metadata[callKey]))
			} else if scopes := h.scopes(e.env, e.before-noticed, e.after); !scopes[anywhere] {
				broken = append(broken, fmt.Sprintf("scope: %s arrived and was recorded for %v\n%s", e.key, slices.Collect(maps.Keys(scopes)), h.around(e, r)))
			}
		}
	}
	for key := range o.logged {
		if key == "" {
			continue // a report of losses
		}
		e, known := h.events[key]
		if scopes := h.scopes(e.env, e.before-noticed, e.after); !known || !scopes[here] {
			broken = append(broken, fmt.Sprintf("scope: %s is in the log and was recorded for %v\n%s", key, slices.Collect(maps.Keys(scopes)), h.around(e, request{})))
		}
	}
	return broken
}

// nothingAfterANo: what was recorded, or whose receipt was seen, before a no that has
// returned does not reach the receiver after it. Where `disable` said that a batch is on
// its way, that one may.
func (h *history) nothingAfterANo(o outcome) (broken []string) {
	seen := map[string]int64{} // when a receipt is first known to have been there
	see := func(receipt string, at int64) {
		if was, ok := seen[receipt]; receipt != "" && (!ok || at < was) {
			seen[receipt] = at
		}
	}
	for _, s := range h.alive {
		see(s.receipt, s.at)
	}
	for _, r := range o.requests {
		for _, event := range r.events {
			if e, known := h.events[event.Metadata[callKey]]; known {
				see(event.ConsentID, e.after)
			}
		}
	}
	for _, no := range h.changes {
		if !no.isNo() || !no.sure {
			continue
		}
		late := 0
		for _, r := range o.requests {
			if r.at <= no.end {
				continue
			}
			what := ""
			for _, event := range r.events {
				if event.Type == string(props.EventDeletionRequest) {
					continue
				}
				if e, known := h.events[event.Metadata[callKey]]; known && e.after < no.begin {
					what = fmt.Sprintf("%s was recorded before a no and arrived %d µs after it\n%s", e.key, (r.at-no.end)/1000, h.around(e, r))
				} else if at, known := seen[event.ConsentID]; known && at < no.begin {
					what = fmt.Sprintf("%s (%s) arrived %d µs after a no under receipt %s, which was there %d µs before it", event.Metadata[callKey], event.Type, (r.at-no.end)/1000, event.ConsentID, (no.begin-at)/1000)
				}
			}
			if what != "" {
				if late++; !no.sending || late > 1 {
					broken = append(broken, "no: "+what)
				}
			}
		}
	}
	return broken
}

// nobodyIsKnownAgain: under a machine ID that was in use before a reset, nothing is sent
// after it.
func (h *history) nobodyIsKnownAgain(o outcome) (broken []string) {
	for _, c := range h.changes {
		if c.kind != toReset || !c.sure {
			continue
		}
		before := map[string]bool{}
		for _, r := range o.requests {
			for _, event := range r.events {
				if r.at < c.begin && event.MachineID != "" {
					before[event.MachineID] = true
				}
			}
		}
		for _, r := range o.requests {
			for _, event := range r.events {
				if r.at > c.end && before[event.MachineID] && event.Type != string(props.EventDeletionRequest) {
					broken = append(broken, fmt.Sprintf("identity: %s arrived %d µs after a reset under the ID of before it", event.Metadata[callKey], (r.at-c.end)/1000))
				}
			}
		}
	}
	return broken
}

// nothingIsLost: what was recorded under a yes, with no no since its command began, has
// arrived where it was to go.
func (h *history) nothingIsLost(o outcome) (broken []string) {
	arrived := map[string]bool{}
	reported := map[string]map[string]string{} // counts by reason and the report's ID
	for _, r := range o.requests {
		if r.answer != taken && r.answer != lost {
			continue
		}
		for _, event := range r.events {
			arrived[event.Metadata[callKey]] = true
			if event.Type == string(props.EventLoss) {
				if reported[event.Name] == nil {
					reported[event.Name] = map[string]string{}
				}
				reported[event.Name][event.ID] = event.Metadata["count"]
			}
		}
	}
	late := 0
	for _, e := range h.events {
		if !h.mustArrive(e) || arrived[e.key] || o.logged[e.key] > 0 {
			continue
		}
		if e.late {
			late++
		} else {
			broken = append(broken, fmt.Sprintf("lost: %s; counted as lost: %v, reported: %v\n%s", e.key, o.status.Lost, reported, h.around(e, request{})))
		}
	}
	if late > o.status.TotalLost() {
		broken = append(broken, fmt.Sprintf("lost: %d events of commands that met slow locks; counted as lost: %v", late, o.status.Lost))
	}
	return broken
}

// mustArrive reports whether an event was certainly recorded and never erased.
func (h *history) mustArrive(e recorded) bool { return !h.capped && h.lasting(e) }

// lasting reports that of an event which arrives, unless it is lost, and counted.
func (h *history) lasting(e recorded) bool {
	if !e.returned || e.blinded || e.late && !e.closed || h.scopes(e.env, e.open, e.after)[nowhere] {
		return false
	}
	return !slices.ContainsFunc(h.changes, func(c change) bool { return c.isNo() && c.end > e.open })
}

// doubtful returns what tells of a request that its sender may not have lived to note the answer.
// There is one sender at a time: when one is killed in the background, it is that of the last request.
func (h *history) doubtful(requests []request) func(request) bool {
	last := map[int64]bool{} // by arrival
	for _, killed := range h.killed {
		at := int64(0)
		for _, r := range requests {
			if r.at <= killed {
				at = max(at, r.at)
			}
		}
		last[at] = true
	}
	return func(r request) bool { return h.unsure[r.actor] || last[r.at] }
}

// copiesAreExplained: an event arrives twice only with the same ID, and only where the
// sender could not know that it had arrived.
func (h *history) copiesAreExplained(o outcome) (broken []string) {
	doubtful := h.doubtful(o.requests)
	known := map[string]request{} // by key, the request after which no other may come
	ids, keys := map[string]string{}, map[string]string{}
	requests := slices.Clone(o.requests)
	slices.SortStableFunc(requests, func(a, b request) int { return int(a.at - b.at) })
	for _, r := range requests {
		for _, event := range r.events {
			key := event.Metadata[callKey]
			if key == "" {
				key = event.ID
			}
			if was, ok := ids[key]; ok && was != event.ID {
				broken = append(broken, fmt.Sprintf("copies: %s arrived as %s and as %s", key, was, event.ID))
			}
			if was, ok := keys[event.ID]; ok && was != key {
				broken = append(broken, fmt.Sprintf("copies: %s and %s have the ID %s", key, was, event.ID))
			}
			if first, twice := known[key]; twice {
				broken = append(broken, fmt.Sprintf("copies: %s was taken from %s, which knew it, and %d µs later came from %s", key, first.actor, (r.at-first.at)/1000, r.actor))
			}
			ids[key], keys[event.ID] = event.ID, key
			if r.answer == taken && !doubtful(r) && !h.damaged {
				known[key] = r
			}
		}
	}
	for key, id := range o.loggedID {
		if was, ok := ids[key]; ok && was != id {
			broken = append(broken, fmt.Sprintf("copies: %s arrived as %s and is in the log as %s", key, was, id))
		}
	}
	return broken
}

// statusIsTrue: the counters count what was taken, as far as its sender lived to note it.
func (h *history) statusIsTrue(o outcome) (broken []string) {
	if o.status.Queue.Events != 0 || o.status.Queue.Damaged != 0 {
		broken = append(broken, fmt.Sprintf("status: after everything was sent, %+v waits", o.status.Queue))
	}
	if len(o.status.Faults) > 0 && !h.damaged {
		broken = append(broken, fmt.Sprintf("status: faults %q", o.status.Faults))
	}
	if h.resets || h.damaged { // which begin the counters anew, or may
		return broken
	}
	doubtful := h.doubtful(o.requests)
	least, most := 0, 0 // at least 0 where there may have been no room for the count
	for _, r := range o.requests {
		if r.answer != taken {
			continue
		}
		most += len(r.events)
		if !doubtful(r) && !h.capped {
			least += len(r.events)
		}
	}
	if n := o.status.Delivered; n < least || n > most {
		broken = append(broken, fmt.Sprintf("status: %d events were delivered, by its account; between %d and %d were", n, least, most))
	}
	lines := 0
	for _, n := range o.logged {
		lines += n
	}
	if n := o.status.Stayed; n > lines {
		broken = append(broken, fmt.Sprintf("status: %d events stayed here, by its account; %d lines are in the log", n, lines))
	}
	return broken
}

// around tells what happened near an event.
func (h *history) around(e recorded, r request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\tits command began %d µs before, with %q", (e.before-e.open)/1000, e.env)
	for _, c := range h.changes {
		if c.end > e.open-50e6 && (c.begin < e.after+20e6 || c.begin < r.at) {
			fmt.Fprintf(&b, "\n\t%s from %d to %d µs after its Track began (made: %v, sending: %v)", c.kind, (c.begin-e.before)/1000, (c.end-e.before)/1000, c.sure, c.sending)
		}
	}
	if r.at != 0 {
		fmt.Fprintf(&b, "\n\tarrived at %d µs from %s, %s", (r.at-e.before)/1000, r.actor, r.answer)
	}
	fmt.Fprintf(&b, "\n\tTrack took %d µs", (e.after-e.before)/1000)
	return b.String()
}
