package conformance

import (
	"fmt"
	"slices"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// contextChecks try what an event says beside what happened: where and for whom the tool
// ran, how it was called, what went wrong, and how many events it stands for. A sample event
// has all of that at once, so that one taken for the other would not show.
func contextChecks() []Check {
	kept := []need{keepsSomething}
	return []Check{
		{ID: "fidelity/context", Level: Must, needs: kept,
			Sentence: "Whether a tool ran in continuous integration and in which, before a person, for which agent, in a container and in which run: each arrives as the event says it, whatever the others say. What is false may be left out.", do: contexts},
		{ID: "fidelity/flags", Level: Must, needs: kept,
			Sentence: "Names of flags arrive each by itself and in the order of the event, whatever characters are in them.", do: flagNames},
		{ID: "fidelity/error-class", Level: Must, needs: kept,
			Sentence: "The class of an error arrives as it is, with a text of the error's and without one, also if it is an author's own; an event that has none arrives without.", do: errorClasses},
		{ID: "fidelity/folded", Level: Must, needs: kept,
			Sentence: "A record that stands for many events arrives as one, with how many they are, how many of them failed, and how many fell into each bucket of durations.", do: foldedRecords},
	}
}

// singleEvent is one of a person at a terminal, without what not every event has.
func singleEvent(p *probe, n int) driver.Event {
	e := sampleEvent(p.base, n)
	lean(&e)
	return e
}

// contexts has every combination of the three truths, since one that is sent for another
// shows only where they differ. Lists grow, so some names are in none that a backend could
// know.
func contexts(p *probe) {
	var events []driver.Event
	add := func(change func(*driver.Event)) {
		e := singleEvent(p, len(events))
		change(&e)
		events = append(events, e)
	}
	for bits := range 8 {
		add(func(e *driver.Event) { e.CI, e.Interactive, e.Container = bits&1 != 0, bits&2 != 0, bits&4 != 0 })
	}
	for _, names := range [][2]string{{"gitlab-ci", ""}, {"gitlab-ci", "claude-code"}, {"forthcoming-ci", "other"}, {"", "forthcoming-agent"}} {
		add(func(e *driver.Event) {
			e.CI, e.CIProvider, e.Agent = names[0] != "", names[0], names[1]
		})
	}
	// Of two runs on one machine, and of none.
	for _, run := range []string{sampleRun(p.base, 0), sampleRun(p.base, 60), "", sampleRun(p.base, 0)} {
		add(func(e *driver.Event) { e.RunID = run })
	}
	p.passes("events of several runs", events)
}

func flagNames(p *probe) {
	many := make([]string, mostFlags)
	for i := range many {
		many[i] = fmt.Sprintf("flag-%d", (7*i+3)%mostFlags) // each once, and not in the order of the alphabet
	}
	var events []driver.Event
	for i, flags := range [][]string{
		{"verbose"}, {"zone", "all", "depth"}, {"v", "V"}, {"no-color", "color"}, {"a,b", "c"}, {"a", "b,c"}, {"x=y", "k:v", "two words", `say "hi"`, `back\slash`, "[a]", "{b}"},
		{"null", "true", "0", "1e3"}, {"größe", "大小"}, many,
	} {
		e := singleEvent(p, i)
		e.Flags = flags
		events = append(events, e)
	}
	p.passes("names of flags", append(events, singleEvent(p, len(events))))
}

func errorClasses(p *probe) {
	classes := []string{"", "quota_exceeded", "HTTP 503", "http.503/slow"}
	for _, class := range props.ErrorClasses() {
		classes = append(classes, string(class))
	}
	var events []driver.Event
	for _, class := range classes {
		for _, text := range []string{"", "the quota is exceeded"} {
			e := singleEvent(p, len(events))
			code := 1
			e.ExitCode, e.ErrorClass, e.Error = &code, class, text
			events = append(events, e)
		}
	}
	p.passes("classes of errors", events)
}

func foldedRecords(p *probe) {
	buckets := len(driver.DurationBounds()) + 1
	all, last := make([]int, buckets), make([]int, buckets)
	for i := range all {
		all[i] = 1000 + i*i
	}
	last[buckets-1] = 5
	var events []driver.Event
	for _, record := range []struct {
		count, failures int
		durations       []int
	}{
		{1, 0, []int{1}}, {1, 1, nil}, {9, 9, []int{0, 9}}, {15_000, 77, all}, {5, 0, last}, {12, 5, []int{0, 0, 4, 0, 8}}, {12, 5, []int{0, 0, 4, 0, 8}},
	} {
		// The same command, outcome and day: what was folded elsewhere is not folded again.
		e := singleEvent(p, 1)
		e.ID = sampleID(p.base, 100+len(events))
		e.Time, e.RunID = p.base, ""
		e.Count, e.Failures, e.Durations = record.count, record.failures, record.durations
		events = append(events, e)
	}
	p.passes("folded records", append(events, singleEvent(p, 0)))
}

// sameBuckets makes the ways equal in which buckets at the end may be written that hold
// nothing.
func sameBuckets(list []int) []int {
	for len(list) > 0 && list[len(list)-1] == 0 {
		list = list[:len(list)-1]
	}
	return slices.Clip(list)
}
