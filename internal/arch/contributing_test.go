package arch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A folder that the map does not have is not found, and one that is gone is looked for in vain.
func TestTheMapForContributorsHasEveryFolder(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	content, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(content), "\n## The folders\n")
	part, _, _ = strings.Cut(part, "\n## ")
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, entry := range entries {
		// bin is where a person's own builds go: .gitignore has it.
		if entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") && entry.Name() != "bin" {
			there[entry.Name()] = true
			if !strings.Contains(part, "\n| `"+entry.Name()+"/` |") {
				t.Errorf("the map has no %s", entry.Name())
			}
		}
	}
	for line := range strings.Lines(part) {
		if name, isRow := strings.CutPrefix(line, "| `"); isRow {
			if name, _, _ = strings.Cut(name, "/"); !there[name] {
				t.Errorf("the map has %s, which is not there", name)
			}
		}
	}
}
