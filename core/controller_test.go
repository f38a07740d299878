package core_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// named is a tool whose author says who asks, and for what.
func named() props.Tool {
	tool := someTool()
	tool.Telemetry.Controller, tool.Telemetry.Contact = "Example Ltd", "privacy@example.com"
	tool.Telemetry.Purpose, tool.Telemetry.Retention = "to count commands", "14 months"
	return tool
}

func TestWhoAsksAndForWhatStandsInStatusAndSchema(t *testing.T) {
	t.Parallel()
	want := core.Controller{Name: "Example Ltd", Contact: "privacy@example.com", Purpose: "to count commands", Retention: "14 months"}
	m := manager(named(), filepath.Join(t.TempDir(), "telemetry"), nil)
	if got := m.Status().Controller; got != want {
		t.Errorf("the status says %+v", got)
	}
	if got := schemaOf(t, named()).Controller; got != want {
		t.Errorf("the schema says %+v", got)
	}
}

func TestWhatAnAuthorSaysOfWhoAsksIsOneLineOfText(t *testing.T) {
	t.Parallel()
	for field, set := range map[string]func(*props.TelemetryConfig, string){
		"Controller": func(c *props.TelemetryConfig, text string) { c.Controller = text },
		"Contact":    func(c *props.TelemetryConfig, text string) { c.Contact = text },
		"Retention":  func(c *props.TelemetryConfig, text string) { c.Retention = text },
		"Purpose":    func(c *props.TelemetryConfig, text string) { c.Purpose = text },
	} {
		for _, text := range []string{"two\nlines", "\x1b[2Jdrawn", "\u202eturned", "\xff", strings.Repeat("é", 81)} {
			tool := someTool()
			set(&tool.Telemetry, text)
			dir := core.WithStateDir(filepath.Join(t.TempDir(), "telemetry"))
			_, err := core.Open(tool, dir)
			if mistake, ok := errors.AsType[*driver.ConfigError](err); !ok || mistake.Field != "Telemetry."+field {
				t.Errorf("%s is %q: %v", field, text, err)
			}
			// What is shown beside the mistake is fit for a terminal all the same.
			c := core.NewManager(tool, dir).Status().Controller
			if all := c.Name + c.Contact + c.Purpose + c.Retention; all == "" || len(all) > 163 || strings.ContainsAny(all, "\n\x1b\u202e") || !utf8.ValidString(all) {
				t.Errorf("%s is %q: the status shows %q", field, text, all)
			}
		}
		tool := someTool()
		set(&tool.Telemetry, strings.Repeat("é", 80))
		if _, err := core.Open(tool, core.WithStateDir(filepath.Join(t.TempDir(), "telemetry"))); err != nil {
			t.Errorf("%s of 160 bytes: %v", field, err)
		}
	}
}

func TestAnAuthorWhoNamesNobodyIsWarnedWhereEventsLeaveTheMachine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*props.TelemetryConfig)
		warned bool
	}{
		"nobody named":            {func(*props.TelemetryConfig) {}, true},
		"only blanks":             {func(c *props.TelemetryConfig) { c.Controller = "  " }, true},
		"somebody named":          {func(c *props.TelemetryConfig) { c.Controller = "Example Ltd" }, false},
		"no receiver":             {func(c *props.TelemetryConfig) { c.Endpoint = "" }, false},
		"a file on this machine":  {func(c *props.TelemetryConfig) { c.Backend, c.Endpoint = "file", "" }, false},
		"a mistake, told already": {func(c *props.TelemetryConfig) { c.Backend = "unknown" }, false},
	} {
		tool := someTool()
		c.change(&tool.Telemetry)
		m := core.NewManager(tool, core.WithStateDir(filepath.Join(t.TempDir(), "telemetry")))
		warnings := m.AuthorWarnings()
		if (len(warnings) == 1 && strings.Contains(warnings[0], "http (127.0.0.1:1)")) != c.warned || !c.warned && warnings != nil {
			t.Errorf("%s: %q", name, warnings)
		}
		if text := strings.Join(m.Status().Faults, "\n"); strings.Contains(text, "Controller") {
			t.Errorf("%s: its users are told %s", name, text)
		}
	}
}
