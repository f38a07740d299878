package console

import (
	"fmt"
	"strings"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/internal/schemafile"
	"github.com/gotoolbase/telemetry/internal/screen"
)

const (
	formatMarkdown   outputFormat = "markdown"
	formatJSONSchema outputFormat = "jsonschema"
)

func (s *commands) schema() *Command {
	var format *outputFormat
	c := s.command("schema", "Show everything that may be sent",
		"Show everything that may be sent, by event and field: what it holds, what it is for\n"+
			"and when it is there.\n\n"+
			"It is the same whether telemetry is on or off. Nothing is written and nobody is\n"+
			"contacted. As markdown it is a page for TELEMETRY.md, as jsonschema a JSON Schema\n"+
			"(draft 2020-12) that every event fits.",
		func(c *call) error { return c.schema(*format) },
		"schema", "schema --output markdown > "+schemafile.Page, "schema --output jsonschema")
	format = c.addOutput(formatMarkdown, formatJSONSchema)
	return c
}

func (c *call) schema(format outputFormat) error {
	schema, err := c.m.Schema()
	if err != nil {
		return err
	}
	switch format {
	case formatJSON:
		return screen.WriteJSON(c.out, struct {
			versionJSON
			core.Schema
		}{versionJSON{schemaVersion}, schema})
	case formatMarkdown:
		_, err = c.out.Write(schemafile.Markdown(schema))
		return err
	case formatJSONSchema:
		text, err := schemafile.JSONSchema(schema)
		if err == nil {
			_, err = c.out.Write(text)
		}
		return err
	}
	c.showSchema(c.out, schema)
	return nil
}

// showSchema writes a table for each event on a terminal. In a pipe, each line stands for
// itself: event, field, values, presence, purpose, and the period in which it is recorded.
func (s *settings) showSchema(out screen.Screen, schema core.Schema) {
	if !out.Terminal {
		pipeSchema(out, schema)
		return
	}
	grid := func(fields []core.SchemaField) {
		var rows [][]screen.Cell
		for _, f := range fields {
			purpose := s.withPeriod(f.Purpose, f.Since, f.Until, schema.Ended(f.Until))
			rows = append(rows, cells(f.Name, s.within(schemafile.Words(f), len(f.Values)), f.Present, purpose))
		}
		out.Grid([]string{s.text("FIELD"), s.text("VALUE"), s.text("PRESENT"), s.text("FOR")}, rows)
	}
	heading := func(text string) { fmt.Fprintln(out, "\n"+out.Paint(screen.Bold, screen.Clean(text))) }
	out.Line(screen.Plain, s.text("What %[1]s may send after a yes, and nothing else (notice version %[2]d)", schema.Tool, schema.NoticeVersion))
	heading(s.text("Every event"))
	grid(schema.Fields)
	if len(schema.Metadata) > 0 {
		heading(s.text("Metadata of any event"))
		grid(schema.Metadata)
	}
	heading(s.text("Events"))
	var rows [][]screen.Cell
	for _, e := range schema.Events {
		purpose := e.Purpose
		if e.Folded {
			purpose = s.text("%s; equal calls of a day are added up", purpose)
		}
		rows = append(rows, cells(e.Type, s.within(schemafile.Names(e), len(e.Names)), s.withPeriod(purpose, e.Since, e.Until, schema.Ended(e.Until))))
	}
	out.Grid([]string{s.text("TYPE"), s.text("NAME"), s.text("FOR")}, rows)
	for _, e := range schema.Events {
		if len(e.Fields) > 0 {
			heading(s.text("Metadata of %s", e.Type))
			grid(e.Fields)
		}
	}
	switch {
	case schema.AnyKey:
		fmt.Fprintln(out)
		out.Line(screen.Plain, s.text("The tool does not declare more: there may be other events, and details under any key."))
	case !schema.Declared:
		fmt.Fprintln(out)
		out.Line(screen.Plain, s.text("The tool does not declare its events: there may be others."))
	}
}

// pipeSchema writes the lines of a pipe, which are for programs and in English.
func pipeSchema(out screen.Screen, s core.Schema) {
	const every = "*"
	out.Grid(nil, schemaRows(every, "", s.Fields))
	out.Grid(nil, schemaRows(every, "metadata.", s.Metadata))
	for _, e := range s.Events {
		out.Grid(nil, [][]screen.Cell{cells(e.Type, "", "names: "+schemafile.Names(e), "", e.Purpose, schemafile.When(e))})
		out.Grid(nil, schemaRows(e.Type, "metadata.", e.Fields))
	}
}

func schemaRows(event, prefix string, fields []core.SchemaField) [][]screen.Cell {
	var rows [][]screen.Cell
	for _, f := range fields {
		rows = append(rows, cells(event, prefix+f.Name, schemafile.Words(f), f.Present, f.Purpose, schemafile.Period(f.Since, f.Until)))
	}
	return rows
}

func cells(texts ...string) []screen.Cell {
	row := make([]screen.Cell, len(texts))
	for i, text := range texts {
		row[i] = screen.Same(text, screen.Plain)
	}
	return row
}

// within returns words that name n values, or only how many there are where a table has no
// room for them.
func (s *settings) within(words string, n int) string {
	const width = 40
	if len(words) > width && n > 0 {
		return s.text("one of %d", n)
	}
	return words
}

// withPeriod adds to a purpose when something is recorded.
func (s *settings) withPeriod(purpose string, since int, until string, ended bool) string {
	var period []string
	if ended {
		period = append(period, s.text("no longer recorded"))
	}
	if since > 0 {
		period = append(period, s.text("since notice %d", since))
	}
	if until != "" {
		period = append(period, s.text("until %s", until))
	}
	if len(period) == 0 {
		return purpose
	}
	return strings.TrimSpace(s.text("%[1]s (%[2]s)", purpose, strings.Join(period, s.text(", "))))
}
