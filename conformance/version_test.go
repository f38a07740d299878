package conformance

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var giveOut = flag.Bool("release", false, "keep the clauses of the contract as those of ContractVersion, once and for all")

func TestContractChangesAsItsVersionSays(t *testing.T) {
	t.Parallel()
	checks := slices.Concat(Checks(), DeletionChecks(), ProgramChecks())
	if *giveOut {
		name := filepath.Join("released", ContractVersion+".txt")
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(clauseLines(checks)); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	changelog := string(text)
	if *update {
		if changelog, err = withNewClauses(changelog, ContractVersion, checks); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("CHANGELOG.md", []byte(changelog), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, problem := range unexplained(releases(), ContractVersion, checks, changelog) {
		t.Error(problem)
	}
}

const newClauses = "New clauses:\n"

// newLines is how a changelog lists what a version brings.
func newLines(version string, checks []Check) []string {
	var lines []string
	for _, c := range checks {
		if c.Since == version {
			lines = append(lines, fmt.Sprintf("- `%s` (%s): %s", c.ID, c.Level, c.Sentence))
		}
	}
	return lines
}

// versionSection finds what a changelog says of a version, and where.
func versionSection(changelog, version string) (start, end int, ok bool) {
	for _, heading := range []string{"\n## " + version + "\n", "\n## " + version + ","} {
		if i := strings.Index(changelog, heading); i >= 0 {
			start = i + 1
			if n := strings.Index(changelog[start:], "\n## "); n >= 0 {
				return start, start + n, true
			}
			return start, len(changelog), true
		}
	}
	return 0, 0, false
}

// withNewClauses makes the list of new clauses anew.
func withNewClauses(changelog, version string, checks []Check) (string, error) {
	start, end, ok := versionSection(changelog, version)
	if !ok {
		return "", fmt.Errorf("CHANGELOG.md has no heading for %s", version)
	}
	before, _, ok := strings.Cut(changelog[start:end], newClauses)
	if !ok {
		return "", fmt.Errorf("CHANGELOG.md has no line %q under %s", strings.TrimSpace(newClauses), version)
	}
	list := ""
	if lines := newLines(version, checks); len(lines) > 0 {
		list = "\n" + strings.Join(lines, "\n") + "\n"
	}
	return changelog[:start] + before + newClauses + list + changelog[end:], nil
}

// unexplained returns what has changed since the last release without the changelog
// saying so, or against what the number of the version says.
func unexplained(released []release, version string, checks []Check, changelog string) (problems []string) {
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	start, end, ok := versionSection(changelog, version)
	if !ok {
		return []string{"CHANGELOG.md has no heading for " + version}
	}
	told := strings.Split(changelog[start:end], "\n")
	tells := func(c Check, what string) bool {
		line := "- " + what + " `" + c.ID + "`: "
		return slices.ContainsFunc(told, func(l string) bool { return strings.HasPrefix(l, line) && len(l) > len(line) })
	}
	last := released[len(released)-1]
	major, minor := versionNumbers(version)
	lastMajor, lastMinor := versionNumbers(last.version)
	majorRaised := major > lastMajor
	raised := majorRaised || major == lastMajor && minor > lastMinor
	now := map[string]Check{}
	for _, c := range checks {
		now[c.ID] = c
	}
	for _, was := range last.clauses {
		c, there := now[was.ID]
		switch {
		case !there && (!majorRaised || !tells(was, "Withdrawn")):
			complain("%s is gone: that takes a new major version, and a line \"- Withdrawn `%[1]s`: why\" in CHANGELOG.md", was.ID)
		case there && c.Level != was.Level && (c.Level == Should && !majorRaised || !raised || !tells(was, "Now "+string(c.Level))):
			complain("%s was a %s: that takes a new version, a major one if it is a should now, and a line \"- Now %s `%[1]s`: why\" in CHANGELOG.md", was.ID, was.Level, c.Level)
		case there && c.Sentence != was.Sentence && !tells(was, "Reworded"):
			complain("%s said %q in %s: if it means the same, CHANGELOG.md needs a line \"- Reworded `%[1]s`: why\"; if not, it needs a new ID", was.ID, was.Sentence, last.version)
		}
		delete(now, was.ID)
	}
	for id := range now {
		for _, r := range released[:len(released)-1] {
			if slices.ContainsFunc(r.clauses, func(c Check) bool { return c.ID == id }) {
				complain("%s was withdrawn after %s and is back: it needs an ID of its own", id, r.version)
			}
		}
		if !raised {
			complain("%s is not in %s, which was given out: raise ContractVersion", id, last.version)
		}
	}
	fresh := newLines(version, checks)
	for _, line := range fresh {
		if !slices.Contains(told, line) {
			complain("CHANGELOG.md does not list under %s: %s\ngo test ./conformance -run TestContract -update", version, line)
		}
	}
	for _, line := range told {
		if strings.HasPrefix(line, "- `") && !slices.Contains(fresh, line) {
			complain("CHANGELOG.md lists as new under %s what is not: %s", version, line)
		}
	}
	return problems
}

// A contract that was changed in every way that the rules speak of.
func TestAChangeOfTheContractHasToBeTold(t *testing.T) {
	t.Parallel()
	clause := func(id string, level Level, sentence, since string) Check {
		return Check{ID: id, Level: level, Sentence: sentence, Since: since}
	}
	kept := clause("a/kept", Must, "It holds.", "1.0")
	soft := clause("a/soft", Should, "It is well.", "1.0")
	gone := clause("a/gone", Must, "It held.", "1.0")
	released := []release{{"1.0", []Check{kept, soft, gone}}, {"1.1", []Check{kept, soft}}}
	with := func(changed ...Check) []Check {
		list := []Check{kept, soft}
		for _, c := range changed {
			if i := slices.IndexFunc(list, func(was Check) bool { return was.ID == c.ID }); i >= 0 {
				list[i] = c
			} else {
				list = append(list, c)
			}
		}
		return list
	}
	fresh := clause("a/fresh", Must, "It is new.", "1.2")
	for name, test := range map[string]struct {
		version, told string
		checks        []Check
		want          string // in the only problem; "" for none
	}{
		"nothing":                       {version: "1.1", checks: with()},
		"a new one":                     {version: "1.2", checks: with(fresh), told: "- `a/fresh` (must): It is new."},
		"a new one, not told":           {version: "1.2", checks: with(fresh), want: "- `a/fresh` (must)"},
		"a new one, another level told": {version: "1.2", checks: with(fresh), told: "- `a/fresh` (should): It is new.\n- `a/fresh` (must): It is new.", want: "lists as new"},
		"one of a version given out":    {version: "1.1", checks: with(clause("a/soft", Should, "It is well.", "1.1")), told: "- `a/soft` (should): It is well."},
		"a new one in an old version": {version: "1.1", checks: with(clause("a/fresh", Must, "It is new.", "1.1")),
			told: "- `a/fresh` (must): It is new.", want: "raise ContractVersion"},
		"one told that is none":     {version: "1.2", checks: with(), told: "- `a/dream` (must): It is.", want: "a/dream"},
		"one told that is old":      {version: "1.2", checks: with(), told: "- `a/kept` (must): It holds.", want: "lists as new"},
		"one withdrawn":             {version: "2.0", checks: []Check{kept}, told: "- Withdrawn `a/soft`: nobody needs it."},
		"one withdrawn by a minor":  {version: "1.2", checks: []Check{kept}, told: "- Withdrawn `a/soft`: nobody needs it.", want: "a/soft is gone"},
		"one withdrawn in silence":  {version: "2.0", checks: []Check{kept}, want: "a/soft is gone"},
		"one withdrawn, no reason":  {version: "2.0", checks: []Check{kept}, told: "- Withdrawn `a/soft`: ", want: "a/soft is gone"},
		"one that comes back":       {version: "1.2", checks: with(clause("a/gone", Must, "It held.", "1.2")), told: "- `a/gone` (must): It held.", want: "a/gone was withdrawn"},
		"other words":               {version: "1.1", checks: with(clause("a/kept", Must, "It does hold.", "1.0")), told: "- Reworded `a/kept`: clearer."},
		"other words in silence":    {version: "1.1", checks: with(clause("a/kept", Must, "It does hold.", "1.0")), want: `a/kept said "It holds."`},
		"a should becomes a must":   {version: "1.2", checks: with(clause("a/soft", Must, "It is well.", "1.0")), told: "- Now must `a/soft`: it hurt."},
		"a must becomes a should":   {version: "2.0", checks: with(clause("a/kept", Should, "It holds.", "1.0")), told: "- Now should `a/kept`: it did not hurt."},
		"a must is softened, minor": {version: "1.2", checks: with(clause("a/kept", Should, "It holds.", "1.0")), told: "- Now should `a/kept`: it did not hurt.", want: "a/kept was a must"},
		"no heading":                {version: "3.0", checks: with(), want: "no heading"},
	} {
		heading := test.version
		if name == "no heading" {
			heading = "3.1"
		}
		changelog := "# Changes\n\n## " + heading + ", not yet given out\n\n" + test.told + "\n\n## 0.9\n\n- `a/older` (must): It is old.\n"
		problems := unexplained(released, test.version, test.checks, changelog)
		if test.want == "" && len(problems) > 0 || test.want != "" && (len(problems) != 1 || !strings.Contains(problems[0], test.want)) {
			t.Errorf("%s: %q, want one with %q", name, problems, test.want)
		}
	}
}

func TestTheChangelogGetsItsListOfNewClauses(t *testing.T) {
	t.Parallel()
	checks := []Check{{ID: "a/old", Level: Must, Sentence: "It is old.", Since: "1.0"}, {ID: "a/new", Level: Must, Sentence: "It is new.", Since: "1.1"}}
	const before, after = "# Changes\n\n## 1.1\n\nWords.\n\n" + newClauses, "\n## 1.0\n\nThe first.\n"
	want := before + "\n- `a/new` (must): It is new.\n" + after
	for _, list := range []string{"", "\n- `a/gone` (must): It was here.\n"} {
		if got, err := withNewClauses(before+list+after, "1.1", checks); err != nil || got != want {
			t.Errorf("%v, %q", err, got)
		}
	}
	if _, err := withNewClauses(before+after, "1.2", checks); err == nil {
		t.Error("a version without a heading is no error")
	}
}

// 1.10 comes after 1.9, as files would not be sorted.
func TestVersionsAreNumbers(t *testing.T) {
	t.Parallel()
	sorted := []string{"1.0", "1.9", "1.10", "2.0", "10.0"}
	if got := slices.SortedFunc(slices.Values([]string{"10.0", "1.10", "1.0", "2.0", "1.9"}), compareVersions); !slices.Equal(got, sorted) {
		t.Errorf("sorted as %q", got)
	}
}

func TestACheckKnowsSinceWhen(t *testing.T) {
	t.Parallel()
	checks := dated([]Check{{ID: "delivery/one-attempt"}, {ID: "delivery/no-such-check"}})
	if checks[0].Since != "1.0" || checks[1].Since != ContractVersion {
		t.Errorf("since %q and %q", checks[0].Since, checks[1].Since)
	}
	for _, r := range releases() {
		if len(r.clauses) == 0 || r.clauses[0].ID == "" {
			t.Errorf("version %s has no clauses", r.version)
		}
	}
}
