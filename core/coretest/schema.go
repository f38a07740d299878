package coretest

import (
	"os"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/schemafile"
)

// updateVariable, set to "update", has CheckSchema make its files anew. It is a variable and
// not a flag, since -update may be a flag of the tool's own tests.
const updateVariable = "TELEMETRY_LOCK"

// CheckSchema fails a test of a tool when the tool may send more than the people who said
// yes were told, and says what to do:
//
//	func TestWhatIsSentIsWhatTheNoticeSays(t *testing.T) { coretest.CheckSchema(t, tool()) }
//
// It compares what the author declares with the file telemetry.lock beside the test, which
// is checked in, and fails where an event or a field is new, can have more values, lives
// longer or is no longer declared, while Telemetry.NoticeVersion is what it was; and where
// something was declared until a day that is over. Thirty days before that it says so in
// the test's log. Whatever became narrower only has to be taken over. If there is a
// TELEMETRY.md beside the test, it is held to what `telemetry schema --output markdown`
// prints.
//
// TELEMETRY_LOCK=update go test makes both files anew, telemetry.lock also where there is
// none; but not where a new notice version is missing. What is compared with is what was
// released last, so restore the file from there if you change your mind in between.
//
// Where people are asked and not told by whom, the test's log says so; see
// core.Manager.AuthorWarnings.
//
// A declaration that core.Open refuses fails the test as well. go test answers from its cache
// while nothing has changed, so a day that is over is noticed where the cache is new, as in most
// continuous integration, or with -count=1.
//
// Nothing is recorded, and no option is needed but core.WithClock for tests of time.
func CheckSchema(t testing.TB, tool props.Tool, options ...core.Option) {
	t.Helper()
	m := core.NewManager(tool, options...)
	schema, err := m.Schema()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := core.Open(tool, append([]core.Option{core.WithStateDir(t.TempDir())}, options...)...); err != nil {
		t.Fatalf("the declaration has a mistake: %v", err)
	}
	test, _, _ := strings.Cut(t.Name(), "/")
	remedy := updateVariable + "=update go test -count=1 -run '^" + test + "$'"
	found, err := schemafile.Check(".", schema, os.Getenv(updateVariable) == "update", remedy)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range found.Written {
		t.Logf("%s is made anew; read the difference before you commit it", name)
	}
	for _, warning := range append(found.Warnings, m.AuthorWarnings()...) {
		t.Log(warning)
	}
	for _, problem := range found.Problems {
		t.Error(problem)
	}
}
