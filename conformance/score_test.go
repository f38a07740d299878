package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tally is how many of the mutants of a kind fail a check. That each fails exactly the
// checks that it names is shown where they are run.
type tally struct {
	kind       string
	caught, of int
}

func tallies() []tally {
	var list []tally
	count := func(kind, fails string) {
		i := slices.IndexFunc(list, func(t tally) bool { return t.kind == kind })
		if i < 0 {
			i, list = len(list), append(list, tally{kind: kind})
		}
		list[i].of++
		if strings.TrimSpace(fails) != "" {
			list[i].caught++
		}
	}
	for _, m := range mutants() {
		count(m.kind, m.fails)
	}
	for _, m := range slices.Concat(requestorMutants(), deskMutants(), clerkMutants()) {
		if m.fails != "" { // what fails nothing is a control
			count("deletion", m.fails)
		}
	}
	return list
}

func (t tally) String() string { return fmt.Sprintf("%s %d of %d", t.kind, t.caught, t.of) }

// fallen returns where the score is worse than it was: fewer mutants are caught, or more
// get away.
func fallen(was, is []tally) (worse []string) {
	for _, w := range was {
		now := tally{kind: w.kind}
		for _, t := range is {
			if t.kind == w.kind {
				now = t
			}
		}
		if now.caught < w.caught || now.of-now.caught > w.of-w.caught {
			worse = append(worse, fmt.Sprintf("the mutation score was %v and is %v: it may only go up", w, now))
		}
	}
	for _, t := range is {
		if known := slices.ContainsFunc(was, func(w tally) bool { return w.kind == t.kind }); !known && t.caught < t.of {
			worse = append(worse, fmt.Sprintf("the mutation score is %v, and a new kind begins with all", t))
		}
	}
	return worse
}

func TestTheMutationScoreOnlyGoesUp(t *testing.T) {
	t.Parallel()
	name := filepath.Join("testdata", "mutants.txt")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var was []tally
	for line := range strings.Lines(string(text)) {
		var w tally
		if _, err := fmt.Sscanf(line, "%s %d of %d", &w.kind, &w.caught, &w.of); err != nil {
			t.Fatalf("%s: %q: %v", name, line, err)
		}
		was = append(was, w)
	}
	is := tallies()
	worse := fallen(was, is)
	for _, problem := range worse {
		t.Error(problem)
	}
	var b strings.Builder
	for _, s := range is {
		fmt.Fprintln(&b, s)
	}
	switch {
	case len(worse) > 0 || b.String() == string(text):
	case *update:
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is below the score, which is\n%sgo test ./conformance -run Score -update", name, b.String())
	}
}

func TestAScoreIsWorseWithFewerCaughtOrMoreThatGetAway(t *testing.T) {
	t.Parallel()
	was := []tally{{"a", 3, 4}, {"b", 2, 2}}
	for name, test := range map[string]struct {
		is    []tally
		worse int
	}{
		"the same":              {[]tally{{"a", 3, 4}, {"b", 2, 2}}, 0},
		"one more is caught":    {[]tally{{"a", 4, 4}, {"b", 2, 2}}, 0},
		"one more, and caught":  {[]tally{{"a", 4, 5}, {"b", 2, 2}}, 0},
		"one more gets away":    {[]tally{{"a", 3, 5}, {"b", 2, 2}}, 1},
		"one is gone":           {[]tally{{"a", 2, 3}, {"b", 2, 2}}, 1},
		"a kind is gone":        {[]tally{{"a", 3, 4}}, 1},
		"a new kind":            {[]tally{{"a", 3, 4}, {"b", 2, 2}, {"c", 5, 5}}, 0},
		"a new kind with a gap": {[]tally{{"a", 3, 4}, {"b", 2, 2}, {"c", 4, 5}}, 1},
		"both are worse":        {[]tally{{"a", 2, 4}, {"b", 1, 2}}, 2},
	} {
		if worse := fallen(was, test.is); len(worse) != test.worse {
			t.Errorf("%s: %q", name, worse)
		}
	}
}
