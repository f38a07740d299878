package outbox

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
)

// Others have files too: a copy that somebody made, what an editor left.
func TestAFileWithAnotherNameIsNobodysRequest(t *testing.T) {
	dir := state.At(t.TempDir())
	for _, name := range []string{"", "1", "notes", strings.Repeat("0", 31), strings.Repeat("0", 33), strings.Repeat("G", 32), strings.Repeat("0", 32) + ".damaged"} {
		if err := os.WriteFile(dir.Join(prefix+name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if entries, err := (Box{Dir: dir, Now: time.Now}).Entries(); len(entries) > 0 || err != nil {
		t.Errorf("%v, %v", entries, err)
	}
}
