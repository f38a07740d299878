package conformance

import (
	"cmp"
	"embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ContractVersion is the version of the contract that this suite holds backends and
// requestors to. What keeps one keeps every earlier one with the same major number:
//
//   - The minor number grows when clauses are added, or a should becomes a must.
//   - The major number grows when a clause is withdrawn, or a must becomes a should.
//
// An ID never changes its meaning. A clause that has to say something else is withdrawn,
// its ID is not used again, and a new one takes its place. A check that tries its sentence
// on more input, and a sentence that says the same in other words, change no version.
// CHANGELOG.md beside this file tells of every version.
const ContractVersion = "1.2"

// releasedFiles has a file for each version that was given out: its clauses, one a line.
//
//go:embed released/*.txt
var releasedFiles embed.FS

// release is a version of the contract that was given out.
type release struct {
	version string
	clauses []Check // without what they do
}

// releases returns all of them, the oldest first.
var releases = sync.OnceValue(func() []release {
	files, err := releasedFiles.ReadDir("released")
	if err != nil {
		panic(err) // it is embedded
	}
	var all []release
	for _, f := range files {
		text, err := releasedFiles.ReadFile("released/" + f.Name())
		if err != nil {
			panic(err)
		}
		r := release{version: strings.TrimSuffix(f.Name(), ".txt")}
		for line := range strings.Lines(string(text)) {
			words := strings.SplitN(strings.TrimSpace(line), " ", 3)
			r.clauses = append(r.clauses, Check{Level: Level(words[0]), ID: words[1], Sentence: words[2]})
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b release) int { return compareVersions(a.version, b.version) })
	return all
})

// clauseLines is how a version's clauses are kept in released.
func clauseLines(checks []Check) string {
	var b strings.Builder
	for _, c := range checks {
		fmt.Fprintf(&b, "%s %s %s\n", c.Level, c.ID, c.Sentence)
	}
	return b.String()
}

// dated sets since when each check is in the contract: what no version has that was given
// out is new in the next one.
func dated(checks []Check) []Check {
	since := map[string]string{}
	for _, r := range slices.Backward(releases()) {
		for _, c := range r.clauses {
			since[c.ID] = r.version
		}
	}
	for i, c := range checks {
		checks[i].Since = cmp.Or(since[c.ID], ContractVersion)
	}
	return checks
}

// compareVersions compares two versions of the contract.
func compareVersions(a, b string) int {
	majorA, minorA := versionNumbers(a)
	majorB, minorB := versionNumbers(b)
	return cmp.Or(cmp.Compare(majorA, majorB), cmp.Compare(minorA, minorB))
}

func versionNumbers(version string) (major, minor int) {
	before, after, _ := strings.Cut(version, ".")
	major, _ = strconv.Atoi(before)
	minor, _ = strconv.Atoi(after)
	return major, minor
}
