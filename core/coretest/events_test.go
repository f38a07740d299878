package coretest_test

import (
	"testing"

	"github.com/gotoolbase/telemetry/core/coretest"
	"github.com/gotoolbase/telemetry/core/driver"
)

func recorded() coretest.Events {
	code, took := 3, int64(12)
	return coretest.Events{
		{Type: "command.invocation", Name: "remote add", ExitCode: &code, DurationMS: &took, Flags: []string{"force", "output"}, ErrorClass: "usage", OS: "linux"},
		{Type: "feature.used", Name: "export", Metadata: map[string]string{"format": "json", "note": "a b", "exit_code": "none"}},
	}
}

const shown = `recorded 2
  command.invocation "remote add" duration_ms=12 error_class=usage exit_code=3 flags=force,output
  feature.used "export" metadata.exit_code=none metadata.format=json metadata.note="a b"
`

func TestEventsThatAreAsWantedPass(t *testing.T) {
	t.Parallel()
	e := recorded()
	e.Only(t, "export", "remote add")
	coretest.Events(nil).None(t)
	coretest.Events(nil).Only(t)
	for name, fields := range map[string][]string{
		"remote add": {"exit_code=3", "flags=force,output", "error=", "os=linux", "ci=false", "type=command.invocation"},
		"export":     {"format=json", "exit_code=none", "metadata.exit_code=none", "error_class="},
	} {
		if found := e.With(t, name, fields...); len(found) != 1 || found[0].Name != name {
			t.Errorf("%s: %v", name, found)
		}
	}
}

func TestAFailureShowsWhatWasRecordedAndTheDifference(t *testing.T) {
	t.Parallel()
	e := recorded()
	for want, check := range map[string]func(testing.TB){
		"want only \"export\", \"import\"\n" + shown + "difference\n" +
			"  recorded and not wanted: command.invocation \"remote add\" duration_ms=12 error_class=usage exit_code=3 flags=force,output\n" +
			"  wanted and not recorded: \"import\"\n": func(t testing.TB) { e.Only(t, "export", "import") },
		"want only \"export\", \"export\", \"remote add\"\n" + shown + "difference\n  wanted and not recorded: \"export\"\n": func(t testing.TB) {
			e.Only(t, "export", "export", "remote add")
		},
		"want no event\n" + shown: func(t testing.TB) { e.None(t) },
		"want \"export\" with format=csv exit_code=0 colour=red\n" + shown + "difference\n" +
			"  \"export\": format is json, want csv; exit_code is none, want 0; colour is not there, want red\n": func(t testing.TB) {
			e.With(t, "export", "format=csv", "exit_code=0", "colour=red")
		},
		"want \"import\" with\nrecorded nothing\ndifference\n  no event is named \"import\"\n": func(t testing.TB) { coretest.Events(nil).With(t, "import") },
		"coretest: the field \"format\" is not written name=value":                             func(t testing.TB) { e.With(t, "export", "format") },
	} {
		mine := checked(t, check)
		if len(mine.errors) != 1 || mine.errors[0] != want {
			t.Errorf("it fails with\n%q\nwant\n%q", mine.errors, want)
		}
	}
}

func TestEventsAreAListOfEvents(t *testing.T) {
	t.Parallel()
	var list []driver.Event = recorded()
	if len(list) != 2 {
		t.Error(list)
	}
}
