package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A promise of SECURITY.md is worth the test that it names.
func TestEveryTestThatTheThreatModelNamesExists(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, model, found := strings.Cut(string(page), "\n## Threat model\n")
	if !found {
		t.Fatal("SECURITY.md has no threat model")
	}
	test := regexp.MustCompile("`([a-z0-9/]+)\\.(Test\\w+)`")
	rows := 0
	for line := range strings.Lines(model) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| asset ") {
			continue
		}
		rows++
		named := test.FindAllStringSubmatch(line, -1)
		if len(named) == 0 {
			t.Errorf("no test shows this: %s", line)
		}
		for _, name := range named {
			if !hasTest(t, filepath.Join(root, filepath.FromSlash(name[1])), name[2]) {
				t.Errorf("%s has no %s", name[1], name[2])
			}
		}
	}
	if rows == 0 {
		t.Error("the threat model is empty")
	}
}

func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), "\nfunc "+name+"(t *testing.T) {") {
			return true
		}
	}
	return false
}
