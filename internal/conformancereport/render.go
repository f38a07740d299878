package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gotoolbase/telemetry/conformance"
)

// render makes the document. It has nothing that differs from one run to the next: no
// times, no machine and no commit, which are in the reports as JSON.
func render(reports []conformance.Report, mutants string) string {
	slices.SortFunc(reports, func(a, b conformance.Report) int { return cmp.Compare(a.Subject, b.Subject) })
	var b strings.Builder
	fmt.Fprintf(&b, `# Conformance report

<!-- Made by make conformance-report; do not edit. CI makes it anew and fails where it differs. -->

How the backends and deletion requestors of this module stand to version %s of
[the contract](../CONTRACT.md): how many checks of each group passed, and what became of
the others. A check is skipped only for a reason that is told below, and one that fails
fails the run, unless it is listed with its reason: then it must fail.
`, conformance.ContractVersion)
	for _, kind := range []struct{ title, name string }{
		{"Backends", conformance.KindBackend}, {"Deletion requestors", conformance.KindRequestor},
	} {
		of := slices.DeleteFunc(slices.Clone(reports), func(r conformance.Report) bool { return r.Kind != kind.name })
		if len(of) > 0 {
			fmt.Fprintf(&b, "\n## %s\n\n", kind.title)
			table(&b, of)
		}
	}
	b.WriteString("\n## What subjects declare of themselves\n\n")
	declared(&b, reports)
	b.WriteString("\n## What was not passed, and why\n\n")
	unpassed(&b, reports)
	b.WriteString(`
## Mutants

The suite is tried on backends and requestors that have one thing wrong with them each. A
mutant is caught if a check fails on it; ` + "`go test ./conformance`" + ` shows that each fails
exactly the checks that it names, and that there is no check that none fails. The score
may only go up.

| kind | caught | of |
|---|--:|--:|
`)
	for line := range strings.Lines(mutants) {
		var kind string
		var caught, of int
		if _, err := fmt.Sscanf(line, "%s %d of %d", &kind, &caught, &of); err == nil {
			fmt.Fprintf(&b, "| %s | %d | %d |\n", kind, caught, of)
		}
	}
	return b.String()
}

func group(id string) string { before, _, _ := strings.Cut(id, "/"); return before }

// table has a row for each report and a column for each group of checks.
func table(b *strings.Builder, reports []conformance.Report) {
	var groups []string
	for _, result := range reports[0].Results {
		if g := group(result.ID); !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	fmt.Fprintf(b, "| | %s |\n|---|%s\n", strings.Join(groups, " | "), strings.Repeat("---|", len(groups)))
	for _, r := range reports {
		count := map[string]map[conformance.Outcome]int{}
		for _, g := range groups {
			count[g] = map[conformance.Outcome]int{}
		}
		for _, result := range r.Results {
			count[group(result.ID)][result.Outcome]++
		}
		fmt.Fprintf(b, "| %s |", r.Subject)
		for _, g := range groups {
			fmt.Fprintf(b, " %d", count[g][conformance.Passed])
			for _, o := range []conformance.Outcome{conformance.Skipped, conformance.Known, conformance.Failed} {
				if n := count[g][o]; n > 0 {
					fmt.Fprintf(b, ", %d %s", n, o)
				}
			}
			b.WriteString(" |")
		}
		b.WriteString("\n")
	}
}

// declared lists what the subjects ask to be excused from.
func declared(b *strings.Builder, reports []conformance.Report) {
	for _, r := range reports {
		for _, name := range slices.Sorted(maps.Keys(r.Declared)) {
			fmt.Fprintf(b, "- %s: %s: %s\n", r.Subject, name, r.Declared[name])
		}
	}
}

// unpassed lists every check that was not passed, together what has the same reason for
// the same subjects.
func unpassed(b *strings.Builder, reports []conformance.Report) {
	type excuse struct{ why, checks string }
	var order []excuse
	subjects := map[excuse][]string{}
	for _, r := range reports {
		var reasons []string
		checks := map[string][]string{}
		for _, result := range r.Results {
			if result.Outcome == conformance.Passed {
				continue
			}
			why := fmt.Sprintf("%s: %s", result.Outcome, result.Reason)
			if result.Outcome == conformance.Failed { // a should; a must ends the run
				why = fmt.Sprintf("failed, which is only a %s", result.Level)
			}
			if checks[why] == nil {
				reasons = append(reasons, why)
			}
			checks[why] = append(checks[why], "`"+result.ID+"`")
		}
		for _, why := range reasons {
			e := excuse{why, strings.Join(checks[why], ", ")}
			if subjects[e] == nil {
				order = append(order, e)
			}
			subjects[e] = append(subjects[e], r.Subject)
		}
	}
	for _, e := range order {
		fmt.Fprintf(b, "- %s; %s (%s)\n", strings.Join(subjects[e], ", "), e.why, e.checks)
	}
}
