package telemetrycmd

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/schemafile"
)

func declare(h *home) {
	h.tool.Telemetry.NoticeVersion = 2
	h.tool.Telemetry.Fields = []props.Field{{Name: "edition", Type: props.OneOf("free", "pro"), Purpose: "who uses what"}}
	h.tool.Telemetry.Events = []props.EventSpec{{
		Type: "export.finished", Purpose: "which formats matter", Names: []string{"by hand", "scheduled"}, Since: 2, Until: "2027-06-30",
		Fields: []props.Field{
			{Name: "format", Type: props.OneOf("json", "csv"), Purpose: "what was asked for", Until: "2026-01-31"}, // the clock is at February
			{Name: "rows", Type: props.Buckets(10, 100, 1000)},
		},
	}}
}

func TestTheSchemaIsShownWhateverTheAnswerAndMakesNothing(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	declare(h)
	undecided := h.must("telemetry", "schema")
	if _, err := os.Stat(h.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the state directory: %v", err)
	}
	for line := range strings.Lines(undecided) {
		if strings.Count(line, "\t") != 5 {
			t.Errorf("not six fields: %q", line)
		}
	}
	for _, line := range []string{
		"*\tid\ta UUID\talways\ttells events apart; random\t\n",
		"*\tmetadata.edition\tone of free, pro\tif set\twho uses what\t\n",
		"export.finished\t\tnames: by hand, scheduled\t\twhich formats matter\tsince notice 2, until 2027-06-30\n",
		"export.finished\tmetadata.format\tone of json, csv\tif set\twhat was asked for\tuntil 2026-01-31\n",
		"export.finished\tmetadata.rows\ta count, as 0-9, 10-99, 100-999, 1000+\tif set\t\t\n",
		"telemetry.loss\tmetadata.count\ta number\talways\thow many\t\n",
	} {
		if !strings.Contains(undecided, line) {
			t.Errorf("it lacks %q:\n%s", line, undecided)
		}
	}
	h.must("telemetry", "enable")
	before := snapshot(t, h.dir)
	for _, args := range [][]string{nil, {"-o", "json"}, {"-o", "markdown"}, {"-o", "jsonschema"}} {
		h.must(append([]string{"telemetry", "schema"}, args...)...)
	}
	if after := snapshot(t, h.dir); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	h.env["DO_NOT_TRACK"] = "1"
	if off := h.must("telemetry", "schema"); off != undecided || len(h.sent()) != 0 {
		t.Errorf("%d were sent; where telemetry is off it says\n%s", len(h.sent()), off)
	}
}

func TestTheSchemaHasFormatsForProgramsAndPages(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	declare(h)
	want, err := h.manager().Schema()
	if err != nil {
		t.Fatal(err)
	}
	var got core.Schema
	if err := json.Unmarshal([]byte(h.must("telemetry", "schema", "--output", "json")), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Fields) != len(want.Fields) || len(got.Events) != len(want.Events) || got.Events[5].Fields[0].Values[1] != "csv" {
		t.Errorf("%+v", got)
	}
	if page := h.must("telemetry", "schema", "-o", "markdown"); page != string(schemafile.Markdown(want)) {
		t.Errorf("%s", page)
	}
	if text := h.must("telemetry", "schema", "-o", "jsonschema"); !json.Valid([]byte(text)) || !strings.Contains(text, "draft/2020-12") {
		t.Errorf("%s", text)
	}
	for command, formats := range map[string]string{"schema": "text, json, markdown or jsonschema", "status": "text or json"} {
		if _, errs, code := h.run("telemetry", command, "--output", "yaml"); code != 2 || !strings.Contains(errs, "must be "+formats) {
			t.Errorf("%s: code %d, %s", command, code, errs)
		}
	}
}

func TestAMistakeInTheDeclarationIsWhatSchemaSays(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	declare(h)
	h.tool.Telemetry.Events[0].Until = "soon"
	if out, errs, code := h.run("telemetry", "schema"); code != 1 || out != "" || !strings.Contains(errs, "Telemetry.Events[0].Until: is not a date") {
		t.Errorf("code %d, %q, %q", code, out, errs)
	}
}
