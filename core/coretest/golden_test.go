package coretest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/coretest"
)

// Two machines, two days, two runs: one file.
func TestAGoldenFileIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	for _, day := range []int{1, 20} {
		home := coretest.New(t, tool(), core.WithClock(func() time.Time { return time.Date(2026, 11, day, 12, 0, 0, 0, time.UTC) }))
		c := home.Collector()
		c.TrackCommand("export", int64(day), 3, map[string]string{"format": "json"})
		c.TrackCommand("import", int64(day), 0, nil)
		coretest.Golden(t, filepath.Join("testdata", "golden.ndjson"), home.Events())
	}
}

func TestTheLifeOfAGoldenFile(t *testing.T) { // not parallel: it sets a variable
	file := filepath.Join(t.TempDir(), "testdata", "sent.ndjson")
	events := recorded()
	check := func(update string) *told {
		t.Helper()
		t.Setenv("TELEMETRY_GOLDEN", update)
		return checked(t, func(t testing.TB) { coretest.Golden(t, file, events) })
	}
	const remedy = "TELEMETRY_GOLDEN=update go test -count=1 -run '^TestMine$'"
	if mine := check(""); len(mine.errors) != 1 || mine.errors[0] != "there is no "+file+". To make it: "+remedy {
		t.Errorf("%q", mine.errors)
	}
	if mine := check("update"); len(mine.errors) > 0 || len(mine.logs) != 1 {
		t.Errorf("%q, %q", mine.errors, mine.logs)
	}
	if mine := check(""); len(mine.errors)+len(mine.logs) > 0 {
		t.Errorf("%q, %q", mine.errors, mine.logs)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(content), "\n", "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if mine := check(""); len(mine.errors) > 0 {
		t.Errorf("with the line ends of Windows: %q", mine.errors)
	}
	*events[0].DurationMS, events[0].OS = 99, "windows"
	if mine := check(""); len(mine.errors) > 0 {
		t.Errorf("on another machine: %q", mine.errors)
	}
	events[1].Metadata = map[string]string{"format": "csv"}
	mine := check("")
	if len(mine.errors) != 1 || !strings.Contains(mine.errors[0], "\n   2 - {") || !strings.Contains(mine.errors[0], "\n   2 + {") ||
		!strings.Contains(mine.errors[0], `"format":"csv"`) || strings.Contains(mine.errors[0], "\n   1 ") || !strings.Contains(mine.errors[0], remedy) {
		t.Errorf("%q", mine.errors)
	}
	if mine := check("-update"); len(mine.errors) != 1 {
		t.Errorf("another value updates: %q", mine.logs)
	}
}

// The names of the machine and of the account are masked in a test as they are anywhere, so a value
// that is one of them here is none elsewhere.
func TestAValueThatIsThisMachinesNameIsSaidToDependOnIt(t *testing.T) {
	t.Parallel()
	const name = "zaphodsmachine"
	sent := func(lookup func(string) (string, bool)) coretest.Events {
		home := coretest.New(t, tool(), core.WithEnv(lookup))
		home.Collector().TrackCommand("export", 1, 0, map[string]string{"format": name})
		return home.Events()
	}
	named := sent(func(variable string) (string, bool) {
		if variable == "USER" {
			return name, true
		}
		return "", false
	})
	unnamed := sent(func(string) (string, bool) { return "", false })
	const why = "masked here"
	for _, order := range [][2]coretest.Events{{unnamed, named}, {named, unnamed}} {
		file := filepath.Join(t.TempDir(), "sent.ndjson")
		if err := os.WriteFile(file, coretest.GoldenContent(t, order[0]), 0o600); err != nil {
			t.Fatal(err)
		}
		mine := checked(t, func(t testing.TB) { coretest.Golden(t, file, order[1]) })
		if len(mine.errors) != 1 || !strings.Contains(mine.errors[0], "name") || !strings.Contains(mine.errors[0], why) {
			t.Errorf("%q", mine.errors)
		}
		mine = checked(t, func(t testing.TB) { coretest.Golden(t, file, order[0]) })
		if len(mine.errors) > 0 {
			t.Errorf("%q", mine.errors)
		}
	}
	file := filepath.Join(t.TempDir(), "sent.ndjson")
	if err := os.WriteFile(file, coretest.GoldenContent(t, recorded()), 0o600); err != nil {
		t.Fatal(err)
	}
	if mine := checked(t, func(t testing.TB) { coretest.Golden(t, file, recorded()[:1]) }); len(mine.errors) != 1 || strings.Contains(mine.errors[0], why) {
		t.Errorf("said of what no name is in: %q", mine.errors)
	}
}
