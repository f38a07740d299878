package coretest_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/coretest"
	"github.com/gotoolbase/telemetry/core/props"
)

// told is a test that writes down what it is told.
type told struct {
	testing.TB
	errors, logs []string
}

func (t *told) Helper()                   {}
func (t *told) Name() string              { return "TestMine" }
func (t *told) Error(args ...any)         { t.errors = append(t.errors, fmt.Sprint(args...)) }
func (t *told) Log(args ...any)           { t.logs = append(t.logs, fmt.Sprint(args...)) }
func (t *told) Logf(f string, a ...any)   { t.logs = append(t.logs, fmt.Sprintf(f, a...)) }
func (t *told) Errorf(f string, a ...any) { t.errors = append(t.errors, fmt.Sprintf(f, a...)) }
func (t *told) Fatal(args ...any)         { t.Error(args...); panic(t) }
func (t *told) Fatalf(f string, a ...any) { t.Errorf(f, a...); panic(t) }

// The whole life of a lock file, as an author sees it.
func TestAnAuthorIsToldWhatToDo(t *testing.T) { // not parallel: it works in a directory of its own
	t.Chdir(t.TempDir())
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	tool := props.Tool{Name: "mytool", Telemetry: props.TelemetryConfig{
		NoticeVersion: 1,
		Events:        []props.EventSpec{{Type: "exported", Fields: []props.Field{{Name: "format", Type: props.OneOf("json"), Until: "2027-06-30"}}}},
	}}
	check := func(update string) *told {
		t.Setenv("TELEMETRY_LOCK", update)
		return checked(t, func(t testing.TB) {
			coretest.CheckSchema(t, tool, core.WithClock(func() time.Time { return now }))
		})
	}
	expect := func(mine *told, errors, logs string) {
		t.Helper()
		if got := strings.Join(mine.errors, "\n"); got != errors {
			t.Errorf("it fails with\n%s\nwant\n%s", got, errors)
		}
		if got := strings.Join(mine.logs, "\n"); got != logs {
			t.Errorf("it logs\n%s\nwant\n%s", got, logs)
		}
	}
	const update = "TELEMETRY_LOCK=update go test -count=1 -run '^TestMine$'"
	expect(check(""), "there is no telemetry.lock, which tells what people have said yes to. To make it: "+update, "")
	expect(check("update"), "", "telemetry.lock is made anew; read the difference before you commit it")
	expect(check(""), "", "")
	tool.Telemetry.Events[0].Fields[0].Type = props.OneOf("json", "csv")
	wider := "mytool may send more than version 1 of its notice says:\n  - the metadata format of exported may also be csv\n" +
		"Say so in Telemetry.Notice and raise NoticeVersion to 2, so that people are asked again. Then: " + update
	expect(check(""), wider, "")
	expect(check("update"), wider, "")
	tool.Telemetry.NoticeVersion = 2
	expect(check(""), "telemetry.lock is not up to date:\n  - the metadata format of exported may also be csv\nTo make it anew: "+update, "")
	expect(check("update"), "", "telemetry.lock is made anew; read the difference before you commit it")
	now = time.Date(2027, 6, 30, 23, 0, 0, 0, time.UTC)
	expect(check(""), "", "the metadata format of exported is declared until 2027-06-30: after that day it is not recorded, and this test fails")
	now = now.Add(time.Hour)
	expect(check(""), "the metadata format of exported was declared until 2027-06-30 and is no longer recorded. "+
		"Remove it; or give it a later Until, if it is still needed, and raise NoticeVersion", "")
	now = now.AddDate(0, -1, 0)
	tool.Telemetry.Events[0].Fields[0].Until = "2028-06-30"
	tool.Telemetry.Endpoint, tool.Telemetry.NoticeVersion = "https://analytics.example.com/events", 3
	tool.Features = props.SetFeatures(props.Enable(props.TelemetryCmd))
	const nobody = "Telemetry.Controller is not set, so people are asked for a yes and not told to whom: " +
		"name the person, company or project that answers for what goes to http (analytics.example.com)"
	expect(check("update"), "", "telemetry.lock is made anew; read the difference before you commit it\n"+nobody)
	tool.Telemetry.Controller = "Example Ltd"
	expect(check("update"), "", "telemetry.lock is made anew; read the difference before you commit it")
	tool.Telemetry.Events[0].Type = ""
	expect(check(""), "Telemetry.Events[0].Type: must be 1 to 64 letters, digits, '-', '_' or '.', not beginning with '-' or '.'", "")
	if entries, err := os.ReadDir("."); err != nil || len(entries) != 1 {
		t.Errorf("it left %v, %v", entries, err)
	}
}
