package arch

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Of three words for one thing nobody could tell whether a vendor is meant: docs/README.md says
// which one is for what.
func TestADeletionAnErasureAndToEraseAreThreeThings(t *testing.T) {
	t.Parallel()
	words := []struct {
		word    *regexp.Regexp
		means   string
		in      []string // where it is looked for; everywhere, if empty
		allowed map[string]string
	}{
		{regexp.MustCompile(`(?i)erasure`), "the law's word: what a vendor does is a deletion", nil, map[string]string{
			"docs/README.md": "says what it means", "docs/legal/": "the law's own texts", "docs/how-to/answer-an-erasure-request.md": "what the mail is called that an operator gets",
			"internal/arch/words_test.go": "this test", "CHANGELOG.md": "tells what things were called",
			"conformance/released/": "as it was given out", "conformance/CHANGELOG.md": "the same", "conformance/deletion_": "an ID of a clause never changes",
			"conformance/REPORT.md": "the same", "CONTRACT.md": "the same",
			"relay/opendsr/": "OpenDSR's own word", "relay/relaycmd/config_opendsr_test.go": "the same",
			"relay/deletions/ledger.go": "what tables were called", "relay/deletions/former_test.go": "the same", "relay/opendsr/schema.go": "the same",
			"relay/deletions/http.go": "the address and key of tools built before", "core/internal/outbox/entry": "the key of requests made before",
			"deletion/event.go": "the same", "core/export_test.go": "the same", "relay/relaycmd/deletions.go": "what the command was called",
			"relay/relaycmd/config": "what the key was called", "cmd/telemetry/internal/cli/": "what the command was called", "docs/reference/commands.md": "the same",
		}},
		{regexp.MustCompile(`(?i)\berase[sd]?\b|\berasing\b`), "what a program does with its own files: what a vendor does is a deletion", []string{"deletion/", "relay/", "cmd/telemetry-relay/"}, map[string]string{
			"relay/relaycmd/delete.go": "what the command was called", "relay/report/": "the gateway's own keys",
		}},
	}
	root := filepath.Join("..", "..")
	if err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules" || d.Name() == "dist"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go" && filepath.Ext(path) != ".md" && filepath.Ext(path) != ".yaml":
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		path, _ = filepath.Rel(root, path)
		path = filepath.ToSlash(path)
		begins := func(with string) bool { return strings.HasPrefix(path, with) }
		for _, w := range words {
			looked := len(w.in) == 0 || slices.ContainsFunc(w.in, begins)
			allowed := slices.ContainsFunc(slices.Collect(maps.Keys(w.allowed)), begins)
			if found := w.word.Find(content); looked && !allowed && found != nil {
				t.Errorf("%s says %q, which is %s", path, found, w.means)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
