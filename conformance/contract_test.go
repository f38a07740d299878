package conformance

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write CONTRACT.md instead of comparing it")

func TestContract(t *testing.T) {
	t.Parallel()
	name := filepath.Join("..", "CONTRACT.md")
	if *update {
		if err := os.WriteFile(name, []byte(Contract()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != Contract() {
		t.Error("CONTRACT.md does not say what the checks do: go test ./conformance -run TestContract -update")
	}
}

func TestEveryCheckHasAnIDASentenceAndALevel(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range slices.Concat(Checks(), DeletionChecks(), ProgramChecks()) {
		group, name, ok := strings.Cut(c.ID, "/")
		if !ok || titles[group] == "" || name == "" || name != strings.ToLower(name) || strings.ContainsAny(name, " _") {
			t.Errorf("%q is not a group that has a title and a name", c.ID)
		}
		if seen[c.ID] {
			t.Errorf("two checks are %s", c.ID)
		}
		seen[c.ID] = true
		if !strings.HasSuffix(c.Sentence, ".") || strings.ToUpper(c.Sentence[:1]) != c.Sentence[:1] {
			t.Errorf("%s: %q is not a sentence", c.ID, c.Sentence)
		}
		if c.Level != Must && c.Level != Should {
			t.Errorf("%s has the level %q", c.ID, c.Level)
		}
	}
}

// A backend without a conformance test would be green for ever.
func TestEveryBackendHasAConformanceTest(t *testing.T) {
	t.Parallel()
	folders, err := os.ReadDir(filepath.Join("..", "backends"))
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if !folder.IsDir() {
			continue
		}
		tests, err := filepath.Glob(filepath.Join("backends", folder.Name(), "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, name := range tests {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(text), "conformance.Run(")
		}
		if !found {
			t.Errorf("backends/%s has no conformance test: write conformance/backends/%[1]s/%[1]s_test.go with a TestConformance that calls "+
				"conformance.Run, as docs/how-to/write-a-backend.md shows", folder.Name())
		}
	}
}
