package conformance

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Check is one clause of the contract, as data.
type Check struct {
	// ID is stable: reports, lists of known failures and documents refer to it.
	ID string
	// Sentence says what holds for a backend that keeps the contract.
	Sentence string
	Level    Level

	needs    []need
	watchdog time.Duration // 2 min if zero
	do       func(*probe)
}

// Checks returns every check of backends, in the order of the contract.
func Checks() []Check {
	return slices.Concat(driverChecks(), statusChecks(), faultChecks(), deliveryChecks(), fidelityChecks(),
		privacyChecks(), lifecycleChecks(), collectorChecks(), socketChecks())
}

func findCheck(id string) (Check, bool) {
	all := Checks()
	i := slices.IndexFunc(all, func(c Check) bool { return c.ID == id })
	if i < 0 {
		return Check{}, false
	}
	return all[i], true
}

// Contract returns the text of CONTRACT.md: the checks, as the code has them.
func Contract() string {
	var b strings.Builder
	b.WriteString(`# The contract

<!-- Made from the checks of package conformance; do not edit.
     go test ./conformance -run TestContract -update -->

What a backend promises to the people who run a tool. Each clause is a check that runs:
` + "`conformance.Run`" + ` holds a backend to the first part, ` + "`conformance.RunDeletion`" + ` a deletion
requestor to the second. How to write a backend is told in docs/write-a-backend.md, and
the contract from a backend author's side in the comment of package core/driver.

A **must** fails the run. A **should** is reported. A check is skipped only where the
subject declares that its vendor knows no such thing, and the report says so.
`)
	section := func(title string, lines [][3]string) {
		fmt.Fprintf(&b, "\n## %s\n\n| check | what holds | |\n|---|---|---|\n", title)
		for _, l := range lines {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", l[0], strings.ReplaceAll(l[1], "|", `\|`), l[2])
		}
	}
	var groups []string
	lines := map[string][][3]string{}
	add := func(id, sentence string, level Level) {
		group, _, _ := strings.Cut(id, "/")
		if lines[group] == nil {
			groups = append(groups, group)
		}
		lines[group] = append(lines[group], [3]string{id, sentence, string(level)})
	}
	for _, c := range Checks() {
		add(c.ID, c.Sentence, c.Level)
	}
	for _, c := range DeletionChecks() {
		add(c.ID, c.Sentence, c.Level)
	}
	for _, group := range groups {
		section(titles[group], lines[group])
	}
	return b.String()
}

// titles are the headings of the groups.
var titles = map[string]string{
	"driver":    "What a driver says of itself",
	"delivery":  "Delivery",
	"fidelity":  "Fidelity",
	"privacy":   "Privacy",
	"lifecycle": "Leaving nothing behind",
	"collector": "Through the real collector",
	"deletion":  "Deletion requestors",
}
