package schemafile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

// Whatever is in telemetry.lock, a test of a tool fails or passes on it, and only the file that
// was made passes.
func FuzzLock(f *testing.F) {
	now := schemaOf(f, base(), today)
	dir := f.TempDir()
	if _, err := Check(dir, now, true, remedy); err != nil {
		f.Fatal(err)
	}
	made, err := os.ReadFile(filepath.Join(dir, Lock))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(made)
	f.Add(made[:len(made)/2])
	for _, text := range []string{"", "{}", "null", "[]", `{"events":[{"type":"exported","fields":[{"name":"format","type":{}}]}]}`, `{"notice_version":9}`, `{"sample_rate":-1}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, Lock), content, 0o600); err != nil {
			t.Fatal(err)
		}
		var found Findings
		var err error
		// The tool's own schema is made anew and written as text; of the file, an event or a field
		// of three bytes is a structure of 200, compared with each of the tool's.
		fuzzing.Allocs(t, len(content), 256<<10, 2<<10, func() { found, err = Check(dir, now, false, remedy) })
		if err != nil {
			t.Fatal(err)
		}
		if len(found.Problems) == 0 && len(content) != len(made) && len(content) < len(made) {
			t.Errorf("%q passes for the schema", content)
		}
		if len(found.Written) > 0 {
			t.Errorf("%q was written over", content)
		}
	})
}
