package console

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/screen"
)

func aTool() props.Tool {
	return props.Tool{
		Name: "mytool", Version: "1.2.3", Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{Endpoint: "http://127.0.0.1:9/events", PrivacyURL: "https://example.com/privacy"},
	}
}

func aDeclaredTool() props.Tool {
	tool := aTool()
	tool.Telemetry.NoticeVersion = 2
	tool.Telemetry.Fields = []props.Field{{Name: "edition", Type: props.OneOf("free", "pro"), Purpose: "who uses what"}}
	tool.Telemetry.Events = []props.EventSpec{{
		Type: "export.finished", Purpose: "which formats matter", Names: []string{"by hand", "scheduled"}, Since: 2, Until: "2027-06-30",
		Fields: []props.Field{
			{Name: "format", Type: props.OneOf("json", "csv"), Purpose: "what was asked for", Until: "2026-01-31"},
			{Name: "rows", Type: props.Buckets(10, 100, 1000)},
		},
	}}
	return tool
}

// schemaOf returns the schema of a tool in February 2026.
func schemaOf(t *testing.T, tool props.Tool) (core.Schema, error) {
	now := time.Date(2026, 2, 3, 14, 5, 6, 0, time.UTC)
	return core.NewManager(tool, core.WithStateDir(t.TempDir()), core.WithClock(func() time.Time { return now })).Schema()
}

func TestTheNoticeNamesEveryFieldThatIsSent(t *testing.T) {
	var named []string
	for _, f := range fieldWords {
		named = append(named, strings.Fields(f.fields)...)
	}
	for _, f := range reflect.VisibleFields(reflect.TypeOf(driver.Event{})) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		found := false
		for i, n := range named {
			if n == name {
				named[i], found = "", true
			}
		}
		if !found {
			t.Errorf("%s is sent and not named", name)
		}
	}
	if rest := strings.Join(named, ""); rest != "" {
		t.Errorf("named and not sent: %s", rest)
	}
}

// onTerminal is what a terminal without colours gets.
func onTerminal(s core.Schema) string {
	var b strings.Builder
	gather(nil).showSchema(screen.Screen{Writer: &b, Terminal: true}, s)
	return b.String()
}

func TestOnATerminalTheSchemaIsATable(t *testing.T) {
	t.Parallel()
	tool := aDeclaredTool()
	s, err := schemaOf(t, tool)
	if err != nil {
		t.Fatal(err)
	}
	got := onTerminal(s)
	for _, line := range []string{
		"What mytool may send after a yes, and nothing else (notice version 2)\n",
		"ci_provider    one of 25                in CI          in which system for that\n",
		"export.finished        by hand, scheduled  which formats matter (since notice 2, until 2027-06-30)\n",
		"format  one of json, csv                        if set   what was asked for (no longer recorded, until 2026-01-31)\n",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("it lacks %q:\n%s", line, got)
		}
	}
	if strings.Contains(got, "there may be other") {
		t.Errorf("it speaks of what is not declared:\n%s", got)
	}
	tool.Telemetry.Events, tool.Telemetry.Fields = nil, nil
	if s, err = schemaOf(t, tool); err != nil || !strings.Contains(onTerminal(s), "there may be other events, and details under any key") {
		t.Errorf("%v:\n%s", err, onTerminal(s))
	}
	tool.Telemetry.MetadataKeys = []string{"shell"}
	if s, err = schemaOf(t, tool); err != nil || !strings.Contains(onTerminal(s), "does not declare its events: there may be others") {
		t.Errorf("%v:\n%s", err, onTerminal(s))
	}
}

func TestTheNoticeNamesTheDeclaredKeys(t *testing.T) {
	t.Parallel()
	tool := aDeclaredTool()
	s := gather(nil)
	if text := s.metadataWords(tool.Telemetry); text != "the details edition, format, rows" {
		t.Errorf("%q", text)
	}
	tool.Telemetry.Events, tool.Telemetry.Fields = []props.EventSpec{}, nil
	if text := s.metadataWords(tool.Telemetry); text != "no details beyond these" {
		t.Errorf("%q", text)
	}
}

func TestAnEndAtTheQuestionIsTheEndOfTheContext(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithDeadline(t.Context(), time.Time{})
	defer cancelLate()
	err := error(&InterruptedError{cancelled, "a question was waiting for its answer"})
	if !errors.Is(err, context.Canceled) || err.Error() != "context canceled while a question was waiting for its answer" {
		t.Errorf("%v", err)
	}
	for _, test := range []struct {
		err  error
		want int
	}{
		{fmt.Errorf("wrapped: %w", err), 130},
		{&InterruptedError{late, "a question was waiting for its answer"}, 1},
	} {
		if got := core.ExitCode(test.err); got != test.want {
			t.Errorf("%v: %d, want %d", test.err, got, test.want)
		}
	}
}

func TestTheNoticeOfToolsThatShareSaysSo(t *testing.T) {
	t.Parallel()
	tool := aTool()
	alone := Notice(core.NewManager(tool, core.WithStateDir(t.TempDir())))
	tool.Telemetry.Installation = "suite"
	shared := strings.Join(strings.Fields(Notice(core.NewManager(tool, core.WithStateDir(t.TempDir())))), " ")
	if !strings.Contains(shared, "in all tools that share suite") || !strings.Contains(shared, "every other tool that shares suite") || strings.Contains(shared, "this tool only") {
		t.Errorf("shared: %s", shared)
	}
	if strings.Contains(alone, "share") || !strings.Contains(alone, "in this tool only") {
		t.Errorf("alone: %s", alone)
	}
}
