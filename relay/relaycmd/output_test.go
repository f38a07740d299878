//go:build !notelemetry

package relaycmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

const schemaFile = "../../docs/reference/relay-output.schema.json"

// The schema is made of the types that are printed, and of their comments.
func TestTheSchemaOfWhatCommandsPrintIsThatOfTheTypes(t *testing.T) {
	t.Parallel()
	said := comments(t)
	defs := map[string]any{}
	for _, o := range outputs() {
		def := schemaOf(t, reflect.TypeOf(o.of), said)
		def["description"] = "What is printed by telemetry-relay " + o.doc + "."
		defs[o.name] = def
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "telemetry-relay --output json", "$defs": defs,
	}); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaFile, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(schemaFile); err != nil || !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%s is not what the types are, %v: -update writes it", schemaFile, err)
	}
}

// comments are those of the fields of this package's structs, by type and field.
func comments(t *testing.T) map[string]string {
	t.Helper()
	said := map[string]string{}
	for _, file := range []string{"output.go", "check.go", "delete.go", "maintain.go", "show.go", "sign.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				if fields, ok := spec.Type.(*ast.StructType); ok {
					for _, field := range fields.Fields.List {
						for _, name := range field.Names {
							said[spec.Name.Name+"."+name.Name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
						}
					}
				}
			}
			return true
		})
	}
	return said
}

func schemaOf(t *testing.T, kind reflect.Type, said map[string]string) map[string]any {
	t.Helper()
	switch {
	case kind == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case kind == reflect.TypeFor[netip.Prefix]():
		return map[string]any{"type": "string"}
	}
	switch kind.Kind() {
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Pointer:
		return schemaOf(t, kind.Elem(), said)
	case reflect.Map:
		return map[string]any{"type": "object"}
	case reflect.Slice:
		if kind.Elem() == reflect.TypeFor[receiptJSON]() && said["deep"] != "" { // parts have no parts
			return map[string]any{"type": "array", "items": map[string]any{"type": "object"}}
		}
		return map[string]any{"type": []string{"array", "null"}, "items": schemaOf(t, kind.Elem(), said)}
	case reflect.Struct:
	default:
		t.Fatalf("%v is printed", kind)
	}
	if kind == reflect.TypeFor[receiptJSON]() {
		deeper := map[string]string{"deep": "yes"}
		for name, text := range said {
			deeper[name] = text
		}
		said = deeper
	}
	properties, required := map[string]any{}, []string{}
	for field := range kind.Fields() {
		tag, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous:
			inner := schemaOf(t, field.Type, said)
			for name, of := range inner["properties"].(map[string]any) {
				properties[name] = of
			}
			required = append(required, inner["required"].([]string)...)
			continue
		case !field.IsExported():
			continue
		}
		of := schemaOf(t, field.Type, said)
		if text := said[kind.Name()+"."+field.Name]; text != "" {
			of["description"] = strings.ReplaceAll(text, field.Name+" ", tag+" ")
		}
		if tag == "schema_version" {
			of["const"] = schemaVersion
		}
		properties[tag] = of
		if options == "" {
			required = append(required, tag)
		}
	}
	return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

// Each golden file of a document is of one of the kinds, with its version and no other fields.
func TestWhatCommandsPrintIsInTheSchema(t *testing.T) {
	t.Parallel()
	kinds := map[string]reflect.Type{}
	for _, o := range outputs() {
		kinds[o.name] = reflect.TypeOf(o.of)
	}
	for name, kind := range map[string]string{
		"check_json": "check", "check_events_json": "check", "deletions_list_json": "deletions_list", "deletions_list_none_json": "deletions_list",
		"deletions_show_json": "deletion", "deletions_export": "deletion", "deletions_retry_json": "deletions_retry",
		"delete_posthog_dry_run_json": "delete_found", "delete_datadog_dry_run_nobody": "delete_found", "delete_datadog_cancelled": "delete",
	} {
		text, err := os.ReadFile("testdata/" + name + ".golden")
		if err != nil {
			t.Fatal(err)
		}
		_, document, found := bytes.Cut(text, []byte("\n{"))
		if !found {
			t.Errorf("%s holds no document", name)
			continue
		}
		document = bytes.ReplaceAll(document, []byte("SOON"), []byte("2026-11-22T12:00:00Z"))
		isOf(t, name, append([]byte("{"), document...), kinds[kind])
	}
	h := newHistory(t)
	isOf(t, "verify", []byte(h.must("deletions", "verify", "--config", "relay.yaml", "-o", "json")), kinds["deletions_verify"])
	isOf(t, "add", []byte(h.must("deletions", "add", "--config", "relay.yaml", "--tool", "mytool", "--machine-id", somebody(7).id, "--by", "a", "--why", "b", "-o", "json")),
		kinds["deletions_add"])
}

// isOf reads the first document of a text as one of a kind.
func isOf(t *testing.T, name string, text []byte, kind reflect.Type) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	into := reflect.New(kind)
	if err := decoder.Decode(into.Interface()); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if version := into.Elem().FieldByName("SchemaVersion").Int(); version != schemaVersion {
		t.Errorf("%s: %s", name, fmt.Sprint("schema_version is ", version))
	}
}
