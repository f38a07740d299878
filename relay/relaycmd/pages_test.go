//go:build !notelemetry

package relaycmd

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/gotoolbase/telemetry/backends/amplitude"
	"github.com/gotoolbase/telemetry/backends/datadog"
	"github.com/gotoolbase/telemetry/backends/otlp"
	"github.com/gotoolbase/telemetry/backends/posthog"
	"github.com/gotoolbase/telemetry/backends/segment"
	"github.com/gotoolbase/telemetry/core/driver"
)

// gatewayFile is a block of a page that is a gateway's file, as internal/pages knows them: one of
// its keys is listen.
var gatewayFile = regexp.MustCompile("(?m)^```yaml\n((?:[^`].*\n|\n)*?listen:(?:.*\n)*?)```$")

func TestTheGatewaysFilesOfThePagesAreRead(t *testing.T) {
	t.Parallel()
	s := surroundings{vendors: reachable(), drivers: []driver.Driver{
		amplitude.Driver(), datadog.Driver(), otlp.Driver(), posthog.Driver(), segment.Driver(),
	}}
	found := 0
	err := filepath.WalkDir("../../docs", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		page, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, block := range gatewayFile.FindAllSubmatch(page, -1) {
			found++
			if _, err := s.parseConfig(block[1]); err != nil {
				t.Errorf("%s: %v in\n%s", path, err, block[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found == 0 {
		t.Error("no page has one")
	}
}
