package core_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion"
)

// What an export must never hold.
const (
	headerCanary = "CANARY-HEADER-7c1f"
	envCanary    = "CANARY-ENV-93ab"
)

func exported(t *testing.T, m *core.Manager, withKeys bool) (core.Export, string) {
	t.Helper()
	e, err := m.Export(t.Context(), withKeys)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	mustFitTheSchema(t, text)
	return e, string(text)
}

// mustFitTheSchema holds a document to docs/reference/export.schema.json: to as much of JSON Schema as
// that uses. A real validator reads it in internal/interop/schema.
func mustFitTheSchema(t *testing.T, document []byte) {
	t.Helper()
	var value any
	if err := json.Unmarshal(document, &value); err != nil {
		t.Fatal(err)
	}
	schema := exportSchema(t)
	fit(t, schema, schema, value, "export")
}

func exportSchema(t *testing.T) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "reference", "export.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

// resolved follows a reference.
func resolved(root, schema map[string]any) map[string]any {
	if ref, ok := schema["$ref"].(string); ok {
		defs := root["$defs"].(map[string]any)
		return defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	}
	return schema
}

func fit(t *testing.T, root, schema map[string]any, value any, at string) {
	t.Helper()
	schema = resolved(root, schema)
	if want, ok := schema["const"]; ok && value != want {
		t.Errorf("%s is %v, not %v", at, value, want)
	}
	if list, ok := schema["enum"].([]any); ok && !slices.Contains(list, value) {
		t.Errorf("%s is %v, none of %v", at, value, list)
	}
	is := map[string]bool{}
	switch value := value.(type) {
	case map[string]any:
		is["object"] = true
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := value[name.(string)]; !ok {
				t.Errorf("%s has no %s", at, name)
			}
		}
		properties, _ := schema["properties"].(map[string]any)
		others, _ := schema["additionalProperties"].(map[string]any)
		for name, field := range value {
			switch known, ok := properties[name].(map[string]any); {
			case ok:
				fit(t, root, known, field, at+"."+name)
			case others != nil:
				fit(t, root, others, field, at+"."+name)
			case properties != nil:
				t.Errorf("%s.%s is not in the schema", at, name)
			}
		}
	case []any:
		is["array"] = true
		for i, item := range value {
			fit(t, root, schema["items"].(map[string]any), item, fmt.Sprintf("%s[%d]", at, i))
		}
	case string:
		is["string"] = true
		if schema["format"] == "date-time" {
			if _, err := time.Parse(time.RFC3339Nano, value); err != nil {
				t.Errorf("%s: %v", at, err)
			}
		}
	case float64:
		is["number"], is["integer"] = true, value == float64(int64(value))
		if least, ok := schema["minimum"].(float64); ok && value < least {
			t.Errorf("%s is %v", at, value)
		}
	case bool:
		is["boolean"] = true
	}
	if kind, ok := schema["type"].(string); ok && !is[kind] {
		t.Errorf("%s is %v, which is no %s", at, value, kind)
	}
}

// Both ways: what the schema promises is written, and what is written is in it.
func TestTheSchemaOfAnExportHasTheFieldsOfTheExport(t *testing.T) {
	t.Parallel()
	root := exportSchema(t)
	compared := 0
	var compare func(of reflect.Type, schema map[string]any)
	compare = func(of reflect.Type, schema map[string]any) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			if items, ok := resolved(root, schema)["items"].(map[string]any); ok && of.Kind() == reflect.Slice {
				schema = items
			}
			of = of.Elem()
		}
		schema = resolved(root, schema)
		properties, ok := schema["properties"].(map[string]any)
		if of.Kind() != reflect.Struct || of == reflect.TypeFor[time.Time]() || !ok {
			return
		}
		compared++
		required, _ := schema["required"].([]any)
		var names, always []string
		for _, f := range reflect.VisibleFields(of) {
			if f.Anonymous {
				continue // its fields are fields of this one
			}
			name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
			names = append(names, name)
			if option == "" {
				always = append(always, name)
			}
			known, ok := properties[name].(map[string]any)
			if !ok {
				t.Errorf("%s.%s is not in the schema", of.Name(), name)
				continue
			}
			if of != f.Type && of.Name() != "ExportAnswer" { // which is within itself
				compare(f.Type, known)
			}
		}
		for name := range properties {
			if !slices.Contains(names, name) {
				t.Errorf("%s has no %s", of.Name(), name)
			}
		}
		for _, name := range required {
			if !slices.Contains(always, name.(string)) {
				t.Errorf("%s.%s may be missing", of.Name(), name)
			}
		}
		if len(required) != len(always) {
			t.Errorf("%s: required are %v, and always there %v", of.Name(), required, always)
		}
	}
	compare(reflect.TypeFor[core.Export](), root)
	if compared < 18 {
		t.Errorf("only %d types were compared", compared)
	}
}

func TestAnExportHasEverythingOfAnInstallation(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := named()
	tool.Telemetry.Endpoint, tool.Telemetry.PrivacyURL = in.URL, "https://example.com/privacy"
	tool.Telemetry.Headers = map[string]string{"X-Api-Key": headerCanary}
	dir := filepath.Join(t.TempDir(), "telemetry")
	options := []core.Option{core.WithStateDir(dir), environment(map[string]string{"HOME": "/home/" + envCanary, "SECRET": envCanary, "MYTOKEN": envCanary})}
	m := core.NewManager(tool, options...)
	if err := m.Answer(consent.AnswerLocal, m.Stored(), "for this machine"); err != nil {
		t.Fatal(err)
	}
	track := func(name string) *core.Collector {
		t.Helper()
		c := open(t, tool, options)
		c.Track(props.EventFeatureUsed, name, map[string]string{"note": "x"})
		return c
	}
	if err := track("stays").Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Answer(consent.AnswerYes, m.Stored(), "the notice"); err != nil {
		t.Fatal(err)
	}
	if err := track("goes").Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	track("waits")
	e, text := exported(t, m, false)
	if e.SchemaVersion != 1 || e.At.IsZero() || e.Warning != "" || len(e.Problems) != 0 {
		t.Errorf("version %d at %s, warning %q, problems %q", e.SchemaVersion, e.At, e.Warning, e.Problems)
	}
	if e.Tool.Name != "sometool" || e.Tool.Controller.Contact != "privacy@example.com" || e.Tool.PrivacyURL != "https://example.com/privacy" {
		t.Errorf("the tool is %+v", e.Tool)
	}
	if d := e.Decision; !d.Enabled || d.LocalOnly || d.Answer != "yes" || d.DecidedBy != "your answer" {
		t.Errorf("the decision is %+v", d)
	}
	if list := e.History.Decisions; len(list) != 2 || list[0].Decided != "local" || *list[0].Shown != "for this machine" || *list[1].Shown != "the notice" || list[1].Terms.Controller != "Example Ltd" {
		t.Errorf("the history is %+v", list)
	}
	if len(e.Receipts) == 0 || e.Receipts[len(e.Receipts)-1].ID != m.Stored().Receipt {
		t.Errorf("receipts: %+v", e.Receipts)
	}
	if e.Identity.MachineID != m.Status().MachineID || !e.Identity.Used || e.Identity.Keys != nil {
		t.Errorf("the identity is %+v", e.Identity)
	}
	if len(e.Waiting) != 1 || e.Waiting[0].Event.Name != "waits" || e.Waiting[0].Event.MachineID != e.Identity.MachineID || e.Waiting[0].Stays {
		t.Errorf("waiting: %+v", e.Waiting)
	}
	if len(e.LocalLog.Events) != 1 || e.LocalLog.Events[0].Name != "stays" || e.LocalLog.Unreadable != 0 {
		t.Errorf("the local log: %+v", e.LocalLog)
	}
	if list := e.Sent.Deliveries; len(list) != 1 || !strings.Contains(list[0].Text, `"goes"`) || list[0].Status != 202 || !list[0].Answered || list[0].Receipts[0] != m.Stored().Receipt {
		t.Errorf("the log of what was sent: %+v", e.Sent)
	}
	if e.Counts.Delivered != 1 || e.Counts.Stayed != 1 {
		t.Errorf("counts: %+v", e.Counts)
	}
	ask := e.Ask
	if ask.Controller != "Example Ltd" || ask.Contact != "privacy@example.com" || !slices.Equal(ask.MachineIDs, []string{e.Identity.MachineID}) ||
		len(ask.Receivers) != 1 || !strings.HasPrefix(ask.Receivers[0], "http (127.0.0.1") || ask.Erase != "sometool telemetry reset" {
		t.Errorf("whom to ask: %+v", ask)
	}
	var names []string
	for _, f := range e.Files {
		names = append(names, f.Name)
	}
	for _, name := range []string{"consent", "decisions", "identity", "local/events.ndjson"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not among the files %q", name, names)
		}
	}
	_, secret, err := m.Identity()
	if err != nil {
		t.Fatal(err)
	}
	for what, canary := range map[string]string{"a header's value": headerCanary, "the environment": envCanary, "the key": secret, "a path": filepath.Dir(dir)} {
		if strings.Contains(text, canary) {
			t.Errorf("%s is in it", what)
		}
	}
	with, text := exported(t, m, true)
	if with.Warning == "" || with.Identity.Keys[e.Identity.MachineID] != secret {
		t.Errorf("with keys: warning %q, %d keys", with.Warning, len(with.Identity.Keys))
	}
	if strings.Contains(text, headerCanary) || strings.Contains(text, envCanary) {
		t.Error("the author's secrets are in one with keys")
	}
}

func TestAnExportHasTheKeysOfRequestsOnlyIfAsked(t *testing.T) {
	t.Parallel()
	for name, requestor := range map[string]deletion.Requestor{
		"as an event": nil,
		"by mail": deletion.Func(func(_ context.Context, r deletion.Request) (deletion.Receipt, error) {
			return deletion.Receipt{State: deletion.Manual, URL: "mailto:privacy@example.com?body=" + r.DeletionKey, Parts: []deletion.Receipt{
				{State: deletion.Manual, URL: "mailto:other@example.com?body=" + r.DeletionKey},
			}}, nil
		}),
		"in vain": deletion.Func(func(context.Context, deletion.Request) (deletion.Receipt, error) {
			return deletion.Receipt{}, errors.New("not reached")
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tool := toolFor(newIntake(t).URL)
			tool.Telemetry.DeletionRequestor = requestor
			m, _ := sentFrom(t, tool)
			_, secret, err := m.Identity()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Reset(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			e, text := exported(t, m, false)
			if strings.Contains(text, secret) {
				t.Errorf("the key is in it:\n%s", text)
			}
			if len(e.Requests) != 1 || len(e.Ask.MachineIDs) != 1 || e.Ask.MachineIDs[0] != e.Requests[0].MachineID || len(e.Ask.Receivers) == 0 && e.Requests[0].Receiver != "" {
				t.Errorf("requests %+v, whom to ask %+v", e.Requests, e.Ask)
			}
			if e.Identity.MachineID != "" || e.Decision.Answer != "no" || len(e.History.Decisions) != 1 {
				t.Errorf("%+v, %+v, %+v", e.Identity, e.Decision, e.History)
			}
			if with, text := exported(t, m, true); !strings.Contains(text, secret) || with.Warning == "" {
				t.Error("with keys, it is not in it")
			}
		})
	}
}

func TestAnExportHasNoKeyOfARequestThatIsInTheLocalLog(t *testing.T) {
	t.Parallel()
	for name, field := range map[string]string{"of this version": "deletion_key", "of one before 0.1.0": "erasure_key"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const key = "CANARY-KEY-51e0"
			dir := said(t, newIntake(t).URL)
			event := driver.Event{ID: strings.Repeat("0", 36), Type: string(props.EventDeletionRequest), Time: time.Now().UTC(), Metadata: map[string]string{field: key}}
			log := filepath.Join(dir, "local", "events.ndjson")
			if err := errors.Join(os.MkdirAll(filepath.Dir(log), 0o700), os.WriteFile(log, append(event.AppendJSON(nil), '\n'), 0o600)); err != nil {
				t.Fatal(err)
			}
			m := manager(someTool(), dir, nil)
			e, text := exported(t, m, false)
			if len(e.LocalLog.Events) != 1 || strings.Contains(text, key) {
				t.Errorf("%+v", e.LocalLog)
			}
			if _, text := exported(t, m, true); !strings.Contains(text, key) {
				t.Error("with keys, it is not in it")
			}
		})
	}
}

func TestAnExportOfNothingIsWholeAndMakesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "telemetry")
	e, _ := exported(t, manager(someTool(), dir, nil), true)
	if len(e.Problems) != 0 || e.Decision.Enabled || e.Identity.MachineID != "" || len(e.Files) != 0 {
		t.Errorf("%+v", e)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a state directory: %v", err)
	}
}

func TestAnExportChangesNothingAndSaysWhatItCouldNotRead(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	dir := said(t, in.URL)
	abandoned(t, dir, in.URL, 2)
	log := filepath.Join(dir, "local", "events.ndjson")
	if err := errors.Join(os.MkdirAll(filepath.Dir(log), 0o700), os.WriteFile(log, []byte("torn\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	m := manager(processTool(in.URL), dir, nil)
	before := map[string]string{}
	everyFile(t, dir, func(name, content string) { before[name] = content })
	e, _ := exported(t, m, false)
	after := map[string]string{}
	everyFile(t, dir, func(name, content string) { after[name] = content })
	if !reflect.DeepEqual(before, after) {
		t.Errorf("it changed %v to %v", before, after)
	}
	if len(e.Waiting) != 2 || e.LocalLog.Unreadable != 1 || in.postCount() != 0 {
		t.Errorf("%d wait, %d lines unreadable, %d posts", len(e.Waiting), e.LocalLog.Unreadable, in.postCount())
	}
	for _, name := range []string{"identity.unused", "decisions"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.Remove(path), os.MkdirAll(filepath.Join(path, "x"), 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	e, _ = exported(t, m, false)
	if text := strings.Join(e.Problems, "\n"); !strings.Contains(text, "machine ID") || !strings.Contains(text, "history of decisions") || strings.Contains(text, dir) {
		t.Errorf("the problems are %q", e.Problems)
	}
	if len(e.History.Decisions) != 1 || e.History.Decisions[0].Shown != nil || !e.History.Decisions[0].Unrecorded {
		t.Errorf("the history is %+v", e.History)
	}
}

func TestAnExportHasNoCountsWhereTheyCannotBeRead(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	dir := said(t, in.URL)
	abandoned(t, dir, in.URL, 1)
	m := manager(processTool(in.URL), dir, nil)
	mustFlush(t, m)
	if err := os.WriteFile(filepath.Join(dir, "delivery"), []byte("noise"), 0o600); err != nil {
		t.Fatal(err)
	}
	e, _ := exported(t, m, false)
	if e.Counts != nil || !slices.ContainsFunc(e.Problems, func(p string) bool { return strings.Contains(p, "the notes of deliveries") }) {
		t.Errorf("counted %+v, problems %q", e.Counts, e.Problems)
	}
}

func TestAnExportSaysWhichFileOfTheQueueItDoesNotTrust(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there are no modes there")
	}
	in := newIntake(t)
	dir := said(t, in.URL)
	abandoned(t, dir, in.URL, 2)
	slots, err := filepath.Glob(filepath.Join(dir, "queue", "*.events2"))
	if err != nil || len(slots) != 1 || os.Chmod(slots[0], 0o666) != nil {
		t.Fatalf("%v, %v", slots, err)
	}
	m := manager(processTool(in.URL), dir, nil)
	e, _ := exported(t, m, false)
	if text := strings.Join(e.Problems, "\n"); len(e.Waiting) != 0 || !strings.Contains(text, "queue/0000.events2 is not listed") {
		t.Errorf("%d wait, problems %q", len(e.Waiting), e.Problems)
	}
	r, err := m.Flush(t.Context(), nil)
	if s := m.Status(); err != nil || r.Sent != 0 || r.Kept != 2 || r.Left == "" || len(s.Held) != 1 || s.Held[0].Why != core.HeldDistrusted {
		t.Errorf("%+v, %v, held %v", r, err, s.Held)
	}
}

func TestAnExportHasNoPathInWhatWasShown(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "alice.smith")
	m := core.NewManager(someTool(), core.WithStateDir(dir))
	if err := m.Enable(true, "It stays on this machine, in\n"+dir+"/local/events.ndjson.\n"); err != nil {
		t.Fatal(err)
	}
	e, err := m.Export(t.Context(), false)
	if err != nil || len(e.History.Decisions) != 1 || e.History.Decisions[0].Shown == nil {
		t.Fatalf("%+v, %v", e.History, err)
	}
	if shown := *e.History.Decisions[0].Shown; strings.Contains(shown, "alice") || !strings.Contains(shown, "It stays on this machine") {
		t.Errorf("%q", shown)
	}
}
