//go:build !notelemetry

package report

import (
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// dimension is what events are grouped by.
type dimension string

const (
	byActivity dimension = "active"  // machines | jobs
	byCommand  dimension = "command" // of invocations: the command
	byEvent    dimension = "event"   // of the others: type and name
	byVersion  dimension = "version"
	bySystem   dimension = "system" // os and arch
	byOS       dimension = "os"     // os_version, or os
	byWho      dimension = "who"    // people | scripts | ci | agents
	byRunner   dimension = "runner" // the agent or the CI system, by name
	// ofReturn counts, in a cohort, who was active how many weeks after its first.
	ofReturn dimension = "return"
	// leftOut counts what is in no other group, by reason. It has no installations.
	leftOut dimension = "left_out"
)

// slots are where in an installation's hash a dimension finds its own: so nobody can see in
// the database that an installation of one command is one of some version.
var slots = map[dimension]int{byActivity: 0, byCommand: 1, byEvent: 2, byVersion: 3, bySystem: 4, byOS: 5, byWho: 6, byRunner: 7, ofReturn: 0}

// Values of byActivity: jobs are those in CI and in containers, where a machine ID often
// lives no longer than they do.
const (
	machines = "machines"
	jobs     = "jobs"
)

// Values of byWho.
const (
	people  = "people"
	scripts = "scripts"
	inCI    = "ci"
	agents  = "agents"
)

// Values of leftOut.
const (
	late        = "late"        // its window is closed
	implausible = "implausible" // numbers that no tool writes
	twice       = "twice"       // its ID was there before
)

// rest is the group of what has no place of its own: values beyond the most that are kept, and
// runners of no known name.
const rest = "…"

const (
	maxValue  = 100        // bytes of a value: a command's path, a version
	maxWeight = 10_000_000 // calls that one record may stand for: a day of a busy farm
)

// buckets is how many places a histogram of durations has.
const buckets = 14

// numbers are what groups are added up by.
type numbers struct {
	events   int64
	ended    int64 // those that have an exit code
	failures int64 // those of them that failed, by their own fault
	buckets  [buckets]int64
}

func (n *numbers) add(o numbers) {
	n.events += o.events
	n.ended += o.ended
	n.failures += o.failures
	for i, v := range o.buckets {
		n.buckets[i] += v
	}
}

// weigh returns what an event counts for: a folded record for as many as were folded, and a
// run of a sample for all those that it stands for. It reports false for what no tool writes.
func weigh(e *driver.Event) (numbers, bool) {
	count, rate := max(int64(e.Count), 1), max(int64(e.SampleRate), 1)
	if e.Count < 0 || e.SampleRate < 0 || e.Failures < 0 || count > maxWeight || rate > maxWeight/count ||
		int64(e.Failures) > count || len(e.Durations) > buckets {
		return numbers{}, false
	}
	n := numbers{events: count * rate}
	failures := int64(0)
	if e.ExitCode != nil {
		n.ended, failures = n.events, int64(e.Failures)
		if e.Count == 0 && *e.ExitCode != 0 {
			failures = 1
		}
	}
	switch props.ErrorClass(e.ErrorClass) {
	case props.ErrorUsage, props.ErrorInterrupted, props.ErrorUnrecorded:
	default:
		n.failures = failures * rate
	}
	left := count
	for i, v := range e.Durations {
		if v < 0 || int64(v) > left {
			return numbers{}, false
		}
		left -= int64(v)
		n.buckets[i] = int64(v) * rate
	}
	if e.DurationMS != nil && e.Count == 0 {
		if *e.DurationMS < 0 {
			return numbers{}, false
		}
		n.buckets[bucketOf(*e.DurationMS)] = rate
	}
	return n, true
}

func bucketOf(ms int64) int {
	bounds := driver.DurationBounds()
	for i, bound := range bounds {
		if ms <= bound {
			return i
		}
	}
	return len(bounds)
}

// counts says that an event is about the use of a tool, and not about telemetry itself.
func counts(e *driver.Event) bool {
	return e.Type != string(props.EventDeletionRequest) && !strings.HasPrefix(e.Type, "telemetry.")
}

// place is a group that an event belongs to, in its week.
type place struct {
	dim   dimension
	value string
	// hashed says that its installation is counted there. What is for the public is counted
	// in machines: five jobs of one person would be five installations. Who and what runs a
	// tool are closed lists, which name nobody, and are counted with the jobs.
	hashed bool
}

// places returns the groups of an event.
func places(e *driver.Event) []place {
	steady := !e.CI && !e.Container
	activity := jobs
	if steady {
		activity = machines
	}
	list := append(make([]place, 0, 8),
		place{byActivity, activity, true},
		place{byVersion, value(e.Version), steady},
		place{bySystem, value(e.OS + " " + e.Arch), steady},
	)
	os := e.OSVersion
	if os == "" {
		os = e.OS
	}
	list = append(list, place{byOS, value(os), steady})
	if e.Type == string(props.EventCommandInvocation) {
		list = append(list, place{byCommand, value(e.Name), steady})
	} else {
		list = append(list, place{byEvent, value(strings.TrimSpace(e.Type + " " + e.Name)), steady})
	}
	switch {
	case e.CI:
		list = append(list, place{byWho, inCI, true})
		if e.CIProvider != "" {
			list = append(list, place{byRunner, runner(e.CIProvider, ciSystems), true})
		}
	case e.Agent != "":
		list = append(list, place{byWho, agents, true}, place{byRunner, runner(e.Agent, codingAgents), true})
	case e.Interactive:
		list = append(list, place{byWho, people, true})
	default:
		list = append(list, place{byWho, scripts, true})
	}
	return list
}

// The names that are known to run tools.
var ciSystems, codingAgents = consent.CIProviders(), consent.Agents()

// runner holds a name to its list; other is what tools call an agent of no known name. One that is not there may be of a newer tool, or no runner's
// at all, and it would be published on the word of k jobs, which one person can start.
func runner(name string, known []string) string {
	if name != other && slices.Contains(known, name) {
		return name
	}
	return rest
}

// value makes a text fit to be a group's name.
func value(text string) string { return strings.TrimSpace(plaintext.Cut(text, maxValue)) }

// momentOf is the time at which an event counts.
func momentOf(e *driver.Event, at time.Time) time.Time {
	if e.Time.After(at.Add(ahead)) {
		return at
	}
	return e.Time
}
