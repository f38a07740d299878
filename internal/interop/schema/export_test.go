package schema

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func TestAnExportIsWhatItsSchemaSays(t *testing.T) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	schema, err := c.Compile(filepath.Join("..", "..", "..", "docs", "reference", "export.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	tool := props.Tool{
		Name: "mytool", Version: "1.2.3", Features: props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{Backend: "file", Controller: "Example Ltd"},
	}
	options := []core.Option{core.WithStateDir(filepath.Join(t.TempDir(), "telemetry")), core.WithEnv(func(string) (string, bool) { return "", false })}
	m := core.NewManager(tool, options...)
	check := func(when string, change func(map[string]any), valid bool) {
		t.Helper()
		e, err := m.Export(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		change(document.(map[string]any))
		if err := schema.Validate(document); (err == nil) != valid {
			t.Errorf("%s: %v\n%s", when, err, text)
		}
	}
	nothing := func(map[string]any) {}
	check("of nothing", nothing, true)
	if err := m.Answer(consent.AnswerYes, m.Stored(), "the notice"); err != nil {
		t.Fatal(err)
	}
	collector, err := core.Open(tool, options...)
	if err != nil {
		t.Fatal(err)
	}
	collector.Track(props.EventFeatureUsed, "stays", nil)
	if err := collector.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	collector.Track(props.EventFeatureUsed, "waits", nil)
	check("with something of all", nothing, true)
	check("of another version", func(e map[string]any) { e["schema_version"] = json.Number("2") }, false)
	check("without a part", func(e map[string]any) { delete(e, "waiting") }, false)
}
