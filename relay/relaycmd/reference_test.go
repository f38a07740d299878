//go:build !notelemetry

package relaycmd

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/core/driver"
)

func TestThePageOfTheGatewaysFileHasEveryKeyThatIsRead(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/reference/relay-file.md")
	if err != nil {
		t.Fatal(err)
	}
	_, file, _ := strings.Cut(string(page), "```yaml\n")
	file, _, _ = strings.Cut(file, "```")
	s := surroundings{drivers: []driver.Driver{posthog.Driver()}, vendors: reachable()}
	if _, err := s.parseConfig([]byte(file)); err != nil {
		t.Fatalf("the file of the page is not read: %v", err)
	}
	// A key that is none has the reader say which there are.
	const none = "zzzzzzzzzz: 1"
	for place, with := range map[string]string{
		"listen:":             none + "\nlisten:",
		"tls: {":              "tls: {" + none + ", ",
		"limits:\n":           "limits:\n  " + none + "\n",
		"global: {":           "global: {" + none + ", ",
		"  events:\n":         "  events:\n    " + none + "\n",
		"  domain:":           "  " + none + "\n  domain:",
		"acme: {":             "acme: {" + none + ", ",
		"    schema:":         "    " + none + "\n    schema:",
		"{backend: store, ":   "{backend: store, " + none + ", ",
		"- backend: http\n":   "- backend: http\n        " + none + "\n",
		"- vendor: posthog\n": "- vendor: posthog\n        " + none + "\n",
	} {
		if !strings.Contains(file, place) {
			t.Errorf("the file of the page has no %q any more", place)
			continue
		}
		_, err := s.parseConfig([]byte(strings.Replace(file, place, with, 1)))
		if err == nil {
			t.Errorf("at %q a key that is none is taken", place)
			continue
		}
		_, known, _ := strings.Cut(err.Error(), "known here are ")
		if known == "" {
			t.Errorf("at %q: %v", place, err)
		}
		for _, key := range strings.Split(known, ", ") {
			name := regexp.MustCompile(`[{,\s]` + regexp.QuoteMeta(key) + `:|` + "`" + regexp.QuoteMeta(key) + "`")
			if !name.Match(page) && !setting(key) {
				t.Errorf("at %q the key %s is read, and not in the page", place, key)
			}
		}
	}
}

// setting says that a key is a backend's or a vendor's own, which stand in another page.
func setting(key string) bool {
	page, err := os.ReadFile("../../docs/reference/backends.md")
	if err != nil {
		return false
	}
	for _, ending := range []string{"", inFile, inEnv} {
		if name, found := strings.CutSuffix(key, ending); found && strings.Contains(string(page), "| `"+name+"`") {
			return true
		}
	}
	return false
}
