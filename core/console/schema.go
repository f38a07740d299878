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
	showSchema(c.out, schema)
	return nil
}

// showSchema writes a table for each event on a terminal. In a pipe, each line stands for
// itself: event, field, values, presence, purpose, and the period in which it is recorded.
func showSchema(out screen.Screen, s core.Schema) {
	const every = "*"
	if !out.Terminal {
		out.Grid(nil, schemaRows(every, "", s.Fields))
		out.Grid(nil, schemaRows(every, "metadata.", s.Metadata))
		for _, e := range s.Events {
			out.Grid(nil, [][]screen.Cell{cells(e.Type, "", "names: "+schemafile.Names(e), "", e.Purpose, schemafile.When(e))})
			out.Grid(nil, schemaRows(e.Type, "metadata.", e.Fields))
		}
		return
	}
	grid := func(fields []core.SchemaField) {
		var rows [][]screen.Cell
		for _, f := range fields {
			rows = append(rows, cells(f.Name, within(schemafile.Words(f), len(f.Values)), f.Present, withPeriod(s, f.Purpose, f.Since, f.Until)))
		}
		out.Grid([]string{"FIELD", "VALUE", "PRESENT", "FOR"}, rows)
	}
	heading := func(text string) { fmt.Fprintln(out, "\n"+out.Paint(screen.Bold, screen.Clean(text))) }
	fmt.Fprintf(out, "What %s may send after a yes, and nothing else (notice version %d)\n", s.Tool, s.NoticeVersion)
	heading("Every event")
	grid(s.Fields)
	if len(s.Metadata) > 0 {
		heading("Metadata of any event")
		grid(s.Metadata)
	}
	heading("Events")
	var rows [][]screen.Cell
	for _, e := range s.Events {
		rows = append(rows, cells(e.Type, within(schemafile.Names(e), len(e.Names)), withPeriod(s, schemafile.Purpose(e), e.Since, e.Until)))
	}
	out.Grid([]string{"TYPE", "NAME", "FOR"}, rows)
	for _, e := range s.Events {
		if len(e.Fields) > 0 {
			heading("Metadata of " + e.Type)
			grid(e.Fields)
		}
	}
	switch {
	case s.AnyKey:
		fmt.Fprintln(out, "\nThe tool does not declare more: there may be other events, and details under any key.")
	case !s.Declared:
		fmt.Fprintln(out, "\nThe tool does not declare its events: there may be others.")
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
func within(words string, n int) string {
	const width = 40
	if len(words) > width && n > 0 {
		return fmt.Sprintf("one of %d", n)
	}
	return words
}

// withPeriod adds to a purpose when something is recorded.
func withPeriod(s core.Schema, purpose string, since int, until string) string {
	period := schemafile.Period(since, until)
	if s.Ended(until) {
		period = "no longer recorded, " + period
	}
	if period == "" {
		return purpose
	}
	return strings.TrimSpace(purpose + " (" + period + ")")
}
