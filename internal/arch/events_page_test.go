package arch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// What an analyst is told of classes and histograms is what the code has.
func TestThePageForReadersOfEventsNamesEveryClassAndBound(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "reading-events.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(content)
	for _, class := range props.ErrorClasses() {
		if !strings.Contains(page, "\n    "+string(class)+" ") {
			t.Errorf("the page does not tell what the class %q means", class)
		}
	}
	bounds := strings.Trim(fmt.Sprint(driver.DurationBounds()), "[]")
	if !strings.Contains(page, "\n    "+bounds+",") {
		t.Errorf("the page does not have the bounds %s", bounds)
	}
}
