package toolfile

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/strictyaml"
)

func TestThePageOfAToolsFileHasEveryKeyThatIsRead(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "tool-file.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, file, _ := strings.Cut(string(page), "```yaml\n")
	file, _, _ = strings.Cut(file, "```")
	if _, err := Parse([]byte(file), driver.Driver{Name: "posthog"}); err != nil {
		t.Fatalf("the file of the page is not read: %v", err)
	}
	var tool props.Tool
	for _, f := range slices.Concat(toolFields(&tool), telemetryFields(&tool.Telemetry), eventFields(&props.EventSpec{}), fieldFields(&props.Field{}),
		[]strictyaml.Field{{Name: "OneOf"}, {Name: "Buckets"}, {Name: "Email"}}) {
		if f.Why != "" { // one that no file can have
			continue
		}
		if !regexp.MustCompile(`(?m)[{,\s]` + f.Name + `:`).MatchString(file) {
			t.Errorf("the file of the page does not have %s", f.Name)
		}
	}
}
