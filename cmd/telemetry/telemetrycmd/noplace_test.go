//go:build linux

package telemetrycmd

import (
	"os"
	"path/filepath"
	"testing"
)

// newPlaceless is a place whose state directory would be at a path, of somebody whose variable says yes.
func newPlaceless(t *testing.T, state string, env ...string) *place {
	t.Helper()
	return newEmptyPlace(t, t.TempDir(), append([]string{"TOOL_STATE=" + state, "TELEMETRY_ENABLED=1"}, env...)...)
}

// A home may be set to what is no directory, as /dev/null is for many a service.
func TestWhereNoDirectoryCanBeThatIsSaidInWordsAndWithARemedy(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const none = "the state directory cannot be made: part of its path can hold no directory"
	for _, state := range []string{"/dev/null/x/state", filepath.Join(file, "state")} {
		p := newPlaceless(t, state)
		for _, args := range [][]string{{"status"}, {"receipts"}, {"log"}, {"inspect"}, {"flush"}, {"export"}, {"enable"}, {"disable"}, {"reset", "--yes"}} {
			p.wantSaid(p.say(args...), none, "!lstat", "!open:", "!mkdir")
		}
		p.wantSaid(p.say("status"), "Telemetry of mytool: off", "To mend it: name a home directory that is there and yours", "!0700", "Kept in: "+state)
		p.wantSaid(p.say("receipts"), "Error: no decision is stored here, and none can be: "+none)
		p.must("deploy")
		if p.arrived() > 0 {
			t.Error("something was sent")
		}
	}
}

func TestALookAtADirectoryThatIsToComeLeavesNothing(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	p := newPlaceless(t, filepath.Join(home, ".local", "state", "mytool", "telemetry"))
	p.wantSaid(p.say("status"), "Telemetry of mytool: on", "!What is wrong", "!Not ")
	if entries, err := os.ReadDir(home); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestAPlaceThatMayOnlyBeReadIsSaidToBeThat(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	frozen(t, home)
	p := newPlaceless(t, filepath.Join(home, "x", "state"))
	p.wantSaid(p.say("status"), "Telemetry of mytool: on, but nothing can be stored", "read-only file system")
	p.wantSaid(p.say("receipts"), "No decision is stored here, and none can be: read-only file system")
}
