// Package report lets a JSON Schema validator read what conformance runs write.
package report

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gotoolbase/telemetry/conformance"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var root = filepath.Join("..", "..", "..")

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile(filepath.Join(root, "conformance", "report.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t *testing.T, text []byte) map[string]any {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return value.(map[string]any)
}

func TestWhatGoTestWritesIsAsTheSchemaSays(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command("go", "test", "-count=1", "./conformance/backends/noop", "./conformance/backends/httpjson", "-report", dir)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema(t).Validate(read(t, text)); err != nil {
			t.Errorf("%s: %v", filepath.Base(name), err)
		}
	}
}

// refused is a report with everything that one of a good subject has not.
func refused(t *testing.T) []byte {
	t.Helper()
	refuse := func(context.Context, deletion.Request) (deletion.Receipt, error) {
		return deletion.Receipt{}, errors.New("it does not work")
	}
	text, err := json.Marshal(conformance.VerifyDeletion(conformance.DeletionSubject{
		Name: "refusing", State: deletion.Delivered,
		Open:          func(string, http.RoundTripper) (deletion.Requestor, error) { return deletion.Func(refuse), nil },
		Decode:        func(conformance.Request) (string, error) { return "", nil },
		KnownFailures: map[string]string{"deletion/accepted-is-told": "it accepts nothing"},
	}))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestFindingsAndProblemsAreAsTheSchemaSays(t *testing.T) {
	if err := schema(t).Validate(read(t, refused(t))); err != nil {
		t.Error(err)
	}
	text, err := json.Marshal(conformance.VerifyDeletion(conformance.DeletionSubject{Name: "not described"}))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema(t).Validate(read(t, text)); err != nil {
		t.Error(err)
	}
}

func TestTheSchemaRefusesWhatIsNoReport(t *testing.T) {
	text := refused(t)
	first := func(r map[string]any) map[string]any { return r["results"].([]any)[0].(map[string]any) }
	for name, change := range map[string]func(map[string]any){
		"a field that no report has": func(r map[string]any) { r["extra"] = 1 },
		"no contract":                func(r map[string]any) { delete(r, "contract") },
		"a version that is none":     func(r map[string]any) { r["contract"] = "next" },
		"another kind":               func(r map[string]any) { r["kind"] = "relay" },
		"a date elsewhere":           func(r map[string]any) { r["date"] = "2026-01-02T03:04:05+01:00" },
		"no date":                    func(r map[string]any) { r["date"] = "yesterdayZ" },
		"another outcome":            func(r map[string]any) { first(r)["outcome"] = "ignored" },
		"a check without an age":     func(r map[string]any) { delete(first(r), "since") },
		"a finding without words":    func(r map[string]any) { first(r)["findings"] = []any{map[string]any{}} },
		"a commit that is none":      func(r map[string]any) { r["suite"].(map[string]any)["commit"] = "HEAD" },
	} {
		report := read(t, text)
		change(report)
		if schema(t).Validate(report) == nil {
			t.Errorf("%s is as the schema says", name)
		}
	}
}
