package check

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/licensecheck"
)

// allowed are the kinds of licence that may be linked: they ask for a notice and for nothing of
// those who build on us.
var allowed = []string{"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "blessing", "ISC", "MIT"}

// exceptions are modules that may have another kind, each for its reason.
var exceptions = map[string]string{
	// It asks for the source of its own files alone. They are linked unchanged, from the version
	// that the documents of a release name. posthog-go needs it.
	"github.com/hashicorp/golang-lru/v2": "MPL-2.0",
}

// readByHand are files that licensecheck does not know, with the licence that a person found.
var readByHand = map[string][]string{
	"modernc.org/sqlite LICENSE-SQLITE": {"blessing"}, // SQLite is in the public domain; SPDX calls it so
	"modernc.org/memory LICENSE-LOGO":   nil,          // of a picture, which is not linked

	// These tell of many parts in prose. What a program links of the first two are modules of their
	// own; the third has musl, which is under MIT and in a few files under BSD-2-Clause.
	"github.com/DataDog/datadog-api-client-go/v2 LICENSE-3rdparty.csv": nil,
	"modernc.org/sqlite LICENSE-3RD-PARTY.md":                          nil,
	"modernc.org/libc LICENSE-3RD-PARTY.md":                            {"BSD-2-Clause", "MIT"},
}

// certain is how much of a file has to be text that licensecheck knows, in percent. What is left
// is a copyright line, or a heading.
const certain = 80

// ofCode are the names of files that are a licence of what is linked.
var ofCode = regexp.MustCompile(`(?i)^(?:licen[cs]e|copying|[a-z0-9]+-license|unlicense)(?:[.-][a-z0-9_.-]+)?$`)

func TestEveryModuleThatIsLinkedHasAnAllowedAndReviewedLicence(t *testing.T) {
	t.Parallel()
	dirs := map[string]string{}
	for _, system := range systems {
		goos, goarch, _ := strings.Cut(system, "/")
		args := []string{"list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Dir}}{{end}}{{end}}"}
		for _, program := range programs {
			args = append(args, "./cmd/"+program)
		}
		for line := range strings.Lines(output(t, []string{"GOOS=" + goos, "GOARCH=" + goarch, "CGO_ENABLED=0"}, "go", args...)) {
			if module, dir, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
				dirs[module] = dir
			}
		}
	}
	if len(dirs) < len(programs) {
		t.Fatalf("only %d modules were found", len(dirs))
	}
	var list strings.Builder
	list.WriteString("# What the programs link, and its licence, as release/check has read it.\n")
	for _, module := range slices.Sorted(maps.Keys(dirs)) {
		kinds := licencesOf(t, module, dirs[module])
		for _, kind := range kinds {
			if !slices.Contains(allowed, kind) && exceptions[module] != kind {
				t.Errorf("%s is under %s, which is not allowed", module, kind)
			}
		}
		fmt.Fprintf(&list, "%s %s\n", module, strings.Join(kinds, " AND "))
	}
	file := filepath.Join(root, "internal", "sbom", "licences.txt")
	if *update {
		if err := os.WriteFile(file, []byte(list.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	reviewed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(reviewed) != list.String() {
		t.Errorf("internal/sbom/licences.txt has\n%s\nbut linked is\n%s\nif that is meant: go test . -update in release/check", reviewed, list.String())
	}
}

// licencesOf reads the files of a module that are a licence.
func licencesOf(t *testing.T, module, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, entry := range entries {
		if entry.IsDir() || !ofCode.MatchString(entry.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if by, ok := readByHand[module+" "+entry.Name()]; ok {
			for _, kind := range by {
				kinds[kind] = true
			}
			continue
		}
		found := licensecheck.Scan(text)
		if found.Percent < certain {
			t.Errorf("%s: %s is %.0f %% a licence that is known: read it", module, entry.Name(), found.Percent)
		}
		for _, match := range found.Match {
			kinds[match.ID] = true
		}
	}
	if len(kinds) == 0 {
		t.Errorf("%s has no file with a licence", module)
	}
	return slices.Sorted(maps.Keys(kinds))
}
