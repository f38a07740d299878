package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each block of these pages names the program that it is part of. That of this module is built
// with it, those of contrib by `make contrib`.
func TestTheCodeInPagesForAuthorsIsThatOfProgramsThatRun(t *testing.T) {
	t.Parallel()
	for page, least := range map[string]int{"without-cobra.md": 5, "translate.md": 4} {
		t.Run(page, func(t *testing.T) { blocksAreInTheirPrograms(t, page, least) })
	}
}

func blocksAreInTheirPrograms(t *testing.T, name string, least int) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "how-to", name))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```go (\\S+)\n(.*?)^```$").FindAllStringSubmatch(string(page), -1)
	if want := strings.Count(string(page), "```go"); len(blocks) != want || want < least {
		t.Errorf("%d of %d blocks name their program", len(blocks), want)
	}
	for _, block := range blocks {
		program, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(block[1])))
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.Contains(string(program), block[2]) {
			t.Errorf("this is not in %s:\n%s", block[1], block[2])
		}
	}
}

// An adapter is a module of its own so that its library is nobody else's dependency.
func TestAnAdapterNeedsItsOwnLibraryAndOnlyTheDocumentedPackages(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	required, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	imports := regexp.MustCompile(`(?m)^\t(?:\w+ )?"([^"]+\.[^"]+)"$`)
	commands := []string{"core!", "core/console", "core/props"}
	for adapter, may := range map[string]struct {
		library  string // empty where it is not imported
		packages []string
	}{
		"urfavecli":  {"github.com/urfave/cli/v3", commands},
		"kongcli":    {"github.com/alecthomas/kong", commands},
		"gotoolbase": {"", []string{"core/driver", "deletion!"}},
	} {
		library := may.library
		if library != "" && strings.Contains(string(required), library) {
			t.Errorf("this module requires %s", library)
		}
		if _, err := os.Stat(filepath.Join(root, "contrib", adapter, "go.mod")); err != nil {
			t.Error(err)
		}
		source, err := os.ReadFile(filepath.Join(root, "contrib", adapter, adapter+".go"))
		if err != nil {
			t.Fatal(err)
		}
		found := imports.FindAllStringSubmatch(string(source), -1)
		least := len(may.packages)
		if library != "" {
			least++
		}
		if len(found) < least {
			t.Errorf("%s imports %q only", adapter, found)
		}
		for _, path := range found {
			if path[1] != library && !under(path[1], may.packages...) {
				t.Errorf("%s imports %s", adapter, path[1])
			}
		}
	}
}
