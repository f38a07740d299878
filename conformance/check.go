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
	// Since is the version of the contract that brought the clause.
	Since string

	needs    []need
	slow     bool          // it waits for seconds or starts many processes, so -short leaves it out
	watchdog time.Duration // 2 min if zero
	where    venue
	// lingers says that an honest backend may leave a connection for a while.
	lingers bool
	// last says that the check looks at what all the others have seen.
	last bool
	do   func(*probe) // nil where the result comes from what was seen during the others
}

// venue says in which processes a check is made.
type venue int

const (
	// The zero value is everywhere: here, through Config.Transport, and as shipped, in a
	// process without one.
	_ venue = iota
	// here: what the check does needs this process, or has a process of its own.
	here
	// shipped: what the check looks at exists only there.
	shipped
)

// Checks returns every check of backends, in the order of the contract.
func Checks() []Check {
	return dated(slices.Concat(driverChecks(), statusChecks(), answerChecks(), faultChecks(), deliveryChecks(), http2Checks(), instanceChecks(), fidelityChecks(), batchChecks(), contextChecks(),
		privacyChecks(), lifecycleChecks(), watcherChecks(), collectorChecks(), socketChecks()))
}

func findCheck(id string) (Check, bool) {
	all := append(Checks(), ProgramChecks()...)
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
requestor to the second. The program ` + "`telemetry-conformance`" + ` holds a backend in any language to
the first part and to the last (conformance/WIRE.md). How to write a backend is told in
docs/how-to/write-a-backend.md, and the contract from a backend author's side in the comment of
package core/driver.

This is version ` + ContractVersion + `. What a version means and what has changed is told in
conformance/CHANGELOG.md; the last column says which version brought a clause.

A **must** fails the run. A **should** is reported. A check is skipped only where the
subject declares that its vendor knows no such thing, and the report says so.
`)
	var groups []string
	clauses := map[string][]Check{}
	for _, c := range slices.Concat(Checks(), DeletionChecks(), ProgramChecks()) {
		group, _, _ := strings.Cut(c.ID, "/")
		if clauses[group] == nil {
			groups = append(groups, group)
		}
		clauses[group] = append(clauses[group], c)
	}
	for _, group := range groups {
		fmt.Fprintf(&b, "\n## %s\n\n| check | what holds | | since |\n|---|---|---|---|\n", titles[group])
		for _, c := range clauses[group] {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.ID, strings.ReplaceAll(c.Sentence, "|", `\|`), c.Level, c.Since)
		}
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
	"program":   "Backends that are programs",
}
