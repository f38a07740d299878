package arch

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheListOfPagesNamesEachPage(t *testing.T) {
	t.Parallel()
	docs := filepath.Join("..", "..", "docs")
	lists := ""
	for _, list := range []string{"README.md", "measurements/README.md"} {
		text, err := os.ReadFile(filepath.Join(docs, filepath.FromSlash(list)))
		if err != nil {
			t.Fatal(err)
		}
		lists += strings.ReplaceAll(string(text), "](", "]("+strings.TrimSuffix(list, "README.md"))
	}
	err := filepath.WalkDir(docs, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		name, err := filepath.Rel(docs, path)
		if name = filepath.ToSlash(name); name != "README.md" && !strings.Contains(lists, "]("+name+")") {
			t.Errorf("docs/README.md does not list %s", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
