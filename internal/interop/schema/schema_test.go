// Package schema lets a JSON Schema validator read events as they are recorded, by the schema
// that `telemetry schema --output jsonschema` prints.
package schema

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/coretest"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/schemafile"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compiled is the schema of a tool's events. The validator holds it to draft 2020-12 itself.
func compiled(t *testing.T, tool props.Tool) *jsonschema.Schema {
	t.Helper()
	s, err := core.NewManager(tool).Schema()
	if err != nil {
		t.Fatal(err)
	}
	text, err := schemafile.JSONSchema(s)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("event.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("event.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func read(t *testing.T, e driver.Event) map[string]any {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.AppendJSON(nil)))
	if err != nil {
		t.Fatal(err)
	}
	return value.(map[string]any)
}

// tools declare as much, less and nothing.
func tools() map[string]props.Tool {
	tool := func(change func(*props.TelemetryConfig)) props.Tool {
		tool := props.Tool{Name: "mytool", Version: "1.2.3"}
		change(&tool.Telemetry)
		return tool
	}
	return map[string]props.Tool{
		"declared": tool(func(c *props.TelemetryConfig) {
			c.ErrorClasses = []props.ErrorClass{"quota"}
			c.Metadata = map[string]string{"edition": "pro"}
			c.Fields = []props.Field{{Name: "edition", Type: props.OneOf("free", "pro")}}
			c.Events = []props.EventSpec{
				{Type: "exported", Names: []string{"by hand"}, Fields: []props.Field{
					{Name: "format", Type: props.OneOf("json", "csv")}, {Name: "rows", Type: props.Buckets(10, 100)}, {Name: "ratio", Type: props.Number()},
					{Name: "quick", Type: props.Bool()}, {Name: "engine", Type: props.Version()}, {Name: "note", Type: props.Text()},
				}},
				{Type: "nothing"},
				{Type: props.EventCommandInvocation, Fields: []props.Field{{Name: "format", Type: props.OneOf("json")}}},
			}
		}),
		"keys": tool(func(c *props.TelemetryConfig) {
			c.MetadataKeys = []string{"format", "rows", "session_id", "token-ghp_0123456789abcdefghijABCDEFGHIJ012345"}
			c.ExtendedCollection = true
		}),
		"nothing": tool(func(c *props.TelemetryConfig) {
			c.Metadata = map[string]string{"edition": "pro"}
			c.ExtendedCollection = true
		}),
	}
}

// record records whatever an author may, and returns it as it was sent.
func record(t *testing.T, tool props.Tool) []driver.Event {
	t.Helper()
	home := coretest.New(t, tool)
	c := home.Collector()
	long := strings.Repeat("ünïcode words ", 200)
	pairs := map[string]string{
		"format": "json", "rows": "42", "ratio": "-1.50", "quick": "T", "engine": "v1.20.0-rc.1+x", "note": long, "edition": "free",
		"session_id": "3f2c8a10-7a10-4c3e-8f21-0123456789ab", "token-ghp_0123456789abcdefghijABCDEFGHIJ012345": "x", "other": long, "password": "x",
	}
	for _, kind := range []props.EventType{"exported", "nothing", "not declared", "", props.EventFeatureUsed, props.EventUpdateCheck, props.EventUpdateApplied, props.EventCommandError} {
		c.Track(kind, "by hand", pairs)
		c.Track(kind, long, pairs)
		c.Track(kind, "", nil)
	}
	c.TrackCommand("remote add", -5, -1, pairs)
	c.TrackCommandExtended("login", []string{"login", "--verbose", "zoe"}, 5, 1, long, pairs)
	c.Command("login").Flags("verbose", "format").Annotate("format", "json").Done(props.Outcome{Err: context.Canceled})
	c.Command("login").Done(props.Outcome{Err: errors.New("no"), Class: "quota"})
	c.Command("login").Done(props.Outcome{Err: errors.New("no"), Class: "made up"})
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	home.Events()                                                     // the losses are reported with the next
	if _, err := home.Manager().Reset(t.Context(), nil); err != nil { // a deletion request goes the same way
		t.Fatal(err)
	}
	return home.Events()
}

func TestEveryEventThatIsRecordedFitsTheSchema(t *testing.T) {
	for name, tool := range tools() {
		schema := compiled(t, tool)
		events := record(t, tool)
		kinds := map[string]int{}
		for _, e := range events {
			kinds[e.Type]++
			if err := schema.Validate(read(t, e)); err != nil {
				t.Errorf("%s: %s\n%v", name, e.AppendJSON(nil), err)
			}
		}
		if kinds["telemetry.loss"] == 0 || kinds["data.deletion_request"] != 1 || kinds["exported"] != 3 || kinds["command.invocation"] != 5 {
			t.Errorf("%s: recorded %v", name, kinds)
		}
	}
}

func TestWhatNobodyDeclaredDoesNotFitTheSchema(t *testing.T) {
	for name, tool := range tools() {
		schema := compiled(t, tool)
		for _, e := range record(t, tool) {
			declared := name == "declared"
			refused := func(what string, change func(event map[string]any)) {
				t.Helper()
				event := read(t, e)
				change(event)
				if schema.Validate(event) == nil {
					t.Errorf("%s, %s: %s is accepted", name, e.Type, what)
				}
			}
			refused("a made-up field", func(event map[string]any) { event["hostname"] = "x" })
			refused("a number for a text", func(event map[string]any) { event["name"] = 1 })
			refused("no time", func(event map[string]any) { delete(event, "timestamp") })
			refused("another time zone", func(event map[string]any) { event["timestamp"] = "2026-11-20T10:00:00+01:00" })
			refused("a made-up agent", func(event map[string]any) { event["agent"] = "zoe" })
			refused("a made-up class", func(event map[string]any) { event["error_class"] = "zoe" })
			refused("an ID that is none", func(event map[string]any) { event["run_id"] = "zoe" })
			if declared {
				refused("arguments", func(event map[string]any) { event["args"] = []any{"x"} })
				refused("a made-up type", func(event map[string]any) { event["type"] = "zoe" })
			}
			if name != "nothing" || e.Type == "telemetry.loss" {
				refused("a made-up key", func(event map[string]any) { event["metadata"] = map[string]any{"zoe": "x"} })
			}
			if declared && e.Type == "exported" {
				for key, value := range map[string]string{"format": "xml", "rows": "42", "ratio": "1.50", "quick": "T", "engine": "v1", "note": strings.Repeat("x", 65), "edition": "gold"} {
					refused(key, func(event map[string]any) { event["metadata"] = map[string]any{key: value} })
				}
				refused("a made-up name", func(event map[string]any) { event["name"] = "zoe" })
			}
		}
	}
}
