package schemafile

import (
	"bytes"
	"encoding/json"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/props"
)

// object is a piece of a JSON Schema.
type object = map[string]any

// JSONSchema returns the schema of one event in its canonical encoding, by JSON Schema draft
// 2020-12 (https://json-schema.org/draft/2020-12). It refuses whatever is not in s.
func JSONSchema(s core.Schema) ([]byte, error) {
	properties, required := object{}, []string{}
	for _, f := range s.Fields {
		properties[f.Name] = property(f)
		if f.Present == core.Always {
			required = append(required, f.Name)
		}
	}
	anyKey := object{"type": "object", "additionalProperties": object{"type": "string"}}
	var cases []object
	var known []string
	for _, e := range s.Events {
		metadata := keys(e.Fields)
		switch {
		case e.Bare:
		case s.AnyKey:
			metadata = anyKey
		default:
			metadata = keys(append(append([]core.SchemaField{}, s.Metadata...), e.Fields...))
		}
		then := object{"metadata": metadata}
		if !e.AnyName {
			then["name"] = object{"enum": append([]string{""}, e.Names...)}
		}
		known = append(known, e.Type)
		cases = append(cases, object{"if": isOf([]string{e.Type}), "then": object{"properties": then}})
	}
	if !s.Declared && !s.AnyKey {
		cases = append(cases, object{"if": isOf(known), "else": object{"properties": object{"metadata": keys(s.Metadata)}}})
	}
	return indented(object{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"title":                "An event of " + s.Tool,
		"type":                 "object",
		"properties":           properties,
		"required":             required,
		"additionalProperties": false,
		"allOf":                cases,
	})
}

// isOf holds for events of one of the types.
func isOf(types []string) object {
	return object{"properties": object{"type": object{"enum": types}}}
}

// keys is metadata that holds nothing but these.
func keys(fields []core.SchemaField) object {
	properties := object{}
	for _, f := range fields {
		properties[f.Name] = property(f)
	}
	return object{"type": "object", "properties": properties, "additionalProperties": false}
}

func property(f core.SchemaField) object {
	p := object{"type": "string"}
	switch f.Type {
	case string(props.KindOneOf), string(props.KindBuckets):
		p["enum"] = f.Values
	case string(props.KindBool):
		p["enum"] = []string{"true", "false"}
	case string(props.KindNumber):
		p["pattern"] = `^-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$`
	case string(props.KindVersion):
		p["pattern"] = `^[0-9]+(\.[0-9]+){0,3}(-[0-9A-Za-z]+([.-][0-9A-Za-z]+)*)?$`
	case string(props.KindText):
		if f.MaxBytes > 0 {
			p["maxLength"] = f.MaxBytes // of characters, of which there are no more than bytes
		}
	case core.TypeUUID:
		p["pattern"] = `^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$`
	case core.TypeTime:
		p["format"], p["pattern"] = "date-time", `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,3})?Z$`
	case core.TypeID:
		p["pattern"] = `^[0-9a-f]{32}$`
	case core.TypeInteger:
		p["type"] = "integer"
	case core.TypeFlag:
		p["type"] = "boolean"
	case core.TypeTexts:
		p["type"], p["items"] = "array", object{"type": "string"}
	case core.TypeIntegers:
		p["type"], p["items"] = "array", object{"type": "integer"}
	case core.TypeMetadata:
		p["type"] = "object"
	}
	if f.Purpose != "" {
		p["description"] = f.Purpose
	}
	return p
}

// indented is JSON for people and for diffs.
func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return b.Bytes(), err
}
