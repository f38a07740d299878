package core_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

func schemaOf(t *testing.T, tool props.Tool) core.Schema {
	t.Helper()
	s, err := core.NewManager(tool).Schema()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A field that is added to driver.Event has to be told to people.
func TestTheSchemaListsEveryFieldOfAnEvent(t *testing.T) {
	t.Parallel()
	kinds := map[string]reflect.Type{
		core.TypeUUID: reflect.TypeFor[string](), core.TypeID: reflect.TypeFor[string](), core.TypeTexts: reflect.TypeFor[[]string](),
		core.TypeIntegers: reflect.TypeFor[[]int](), core.TypeFlag: reflect.TypeFor[bool](), core.TypeMetadata: reflect.TypeFor[map[string]string](),
		"text": reflect.TypeFor[string](), "one_of": reflect.TypeFor[string](),
	}
	tool := someTool()
	tool.Telemetry.ExtendedCollection = true
	fields := schemaOf(t, tool).Fields
	for i, f := range reflect.VisibleFields(reflect.TypeFor[driver.Event]()) {
		name, optional, _ := strings.Cut(f.Tag.Get("json"), ",")
		if i >= len(fields) || fields[i].Name != name {
			t.Fatalf("field %d is not %s", i, name)
		}
		got := fields[i]
		if got.Purpose == "" || got.Present == "" {
			t.Errorf("%s: nobody is told what for or when", name)
		}
		// What cannot be left out is always there; of the others, the Go version is.
		if always := got.Present == core.Always; always != (optional == "") && name != "go_version" {
			t.Errorf("%s is present: %s", name, got.Present)
		}
		if want, known := kinds[got.Type]; known && f.Type != want {
			t.Errorf("%s is a %s, and in Go a %s", name, got.Type, f.Type)
		}
		if got.Type == "one_of" && len(got.Values) == 0 {
			t.Errorf("%s is one of nothing", name)
		}
	}
	if n := reflect.TypeFor[driver.Event]().NumField(); len(fields) != n {
		t.Errorf("%d fields, an event has %d", len(fields), n)
	}
	tool.Telemetry.ExtendedCollection = false
	var names []string
	for _, f := range schemaOf(t, tool).Fields {
		names = append(names, f.Name)
	}
	if slices.Contains(names, "args") || slices.Contains(names, "error") || len(names) != len(fields)-2 {
		t.Errorf("without extended collection there are %q", names)
	}
}

func TestTheSchemaListsWhatIsDeclared(t *testing.T) {
	t.Parallel()
	s := schemaOf(t, declaredTool())
	find := func(eventType string) core.SchemaEvent {
		i := slices.IndexFunc(s.Events, func(e core.SchemaEvent) bool { return e.Type == eventType })
		if i < 0 {
			t.Fatalf("there is no event %s", eventType)
		}
		return s.Events[i]
	}
	e := find("export.finished")
	if !e.Own || e.AnyName || !slices.Equal(e.Names, []string{"scheduled", "by hand"}) || e.Purpose != "which formats matter" || len(e.Fields) != 5 {
		t.Errorf("%+v", e)
	}
	if f := e.Fields[0]; f.Type != "one_of" || !slices.Equal(f.Values, []string{"json", "csv"}) || f.Since != 2 {
		t.Errorf("%+v", f)
	}
	if f := e.Fields[1]; f.Type != "buckets" || !slices.Equal(f.Values, []string{"0-9", "10-99", "100-999", "1000+"}) {
		t.Errorf("%+v", f)
	}
	if e := find("command.invocation"); e.Own || !e.AnyName || e.Purpose == "" || len(e.Fields) != 1 {
		t.Errorf("%+v", e)
	}
	if e := find("telemetry.loss"); !e.Bare || !slices.Contains(e.Names, "undeclared") || e.Fields[0].Name != "count" {
		t.Errorf("%+v", e)
	}
	if !s.Declared || s.AnyKey || len(s.Metadata) != 2 || s.Tool != "sometool" || s.NoticeVersion != 2 {
		t.Errorf("%+v", s)
	}
	tool := someTool()
	tool.Telemetry.MetadataKeys = []string{"shell", "format"}
	tool.Telemetry.Metadata = map[string]string{"edition": "x"}
	s = schemaOf(t, tool)
	var keys []string
	for _, f := range s.Metadata {
		keys = append(keys, f.Name)
	}
	if s.Declared || s.AnyKey || !slices.Equal(keys, []string{"edition", "format", "shell"}) {
		t.Errorf("%+v", s)
	}
	if s := schemaOf(t, someTool()); s.Declared || !s.AnyKey {
		t.Errorf("%+v", s)
	}
}

// What the collector keeps of a value is what a receiver finds to be one of the field's.
func TestAFieldHoldsWhatTheCollectorKeepsAndNothingElse(t *testing.T) {
	t.Parallel()
	for kind, c := range map[string]struct {
		of        props.FieldType
		good, bad []string
	}{
		"one of":  {props.OneOf("json", "csv"), []string{"json", "csv"}, []string{"", "JSON", "xml"}},
		"number":  {props.Number(), []string{"0", "-1", "1.5", "123456789012345"}, []string{"", "+1", "1.50", "01", "1e5", "1234567890123456"}},
		"flag":    {props.Bool(), []string{"true", "false"}, []string{"", "1", "TRUE", "yes"}},
		"version": {props.Version(), []string{"1.20.0", "1.20.0-rc.1"}, []string{"", "v1.2.3", "1.2.3+build", "192.168.1.1", "1.2-jane"}},
		"buckets": {props.Buckets(10, 100), []string{"0-9", "10-99", "100+"}, []string{"", "5", "9-10"}},
		"text":    {props.Text(), []string{"", "two words", strings.Repeat("x", 64)}, []string{strings.Repeat("x", 65)}},
	} {
		tool := props.Tool{Name: "mytool", Telemetry: props.TelemetryConfig{Fields: []props.Field{{Name: "f", Type: c.of}}}}
		schema, err := core.NewSchema(tool)
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range c.good {
			if !schema.Metadata[0].Holds(value) {
				t.Errorf("%s: %q is not held", kind, value)
			}
		}
		for _, value := range c.bad {
			if schema.Metadata[0].Holds(value) {
				t.Errorf("%s: %q is held", kind, value)
			}
		}
	}
}
