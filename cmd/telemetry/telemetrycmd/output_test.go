package telemetrycmd

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion"
)

// outputs holds what commands print in JSON to docs/reference/output.schema.json, and notes which of its
// fields were there.
type outputs struct {
	t    *testing.T
	defs map[string]map[string]any
	seen map[string]bool
	// export are the definitions of docs/reference/export.schema.json, which a test in core holds to what
	// they describe.
	export map[string]map[string]any
}

func newOutputs(t *testing.T) *outputs {
	t.Helper()
	return &outputs{t, definitions(t, "output.schema.json"), map[string]bool{}, definitions(t, "export.schema.json")}
}

func definitions(t *testing.T, name string) map[string]map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "reference", name))
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Defs map[string]map[string]any `json:"$defs"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	return document.Defs
}

// check holds one document to the definition of a command.
func (o *outputs) check(command, text string) {
	o.t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		o.t.Errorf("%s: %v in %s", command, err, text)
		return
	}
	if o.defs[command] == nil {
		o.t.Errorf("%s is not in the schema", command)
		return
	}
	for _, problem := range o.value(command, o.defs[command], value) {
		o.t.Errorf("%s in %s", problem, text)
	}
}

// run runs a command in JSON and checks what it prints.
func (o *outputs) run(h *home, args ...string) {
	o.t.Helper()
	command := args[0]
	if len(args) > 1 && (args[1] == "--status" || args[1] == "--resume") {
		command = "reset_status"
	}
	if len(args) > 1 && (args[1] == "--next" || args[1] == "--verify") {
		command += "_" + strings.TrimPrefix(args[1], "--")
	}
	out, _, _ := h.run(append(append([]string{"telemetry"}, args...), "--output", "json")...)
	o.check(command, out)
}

// keywords are those of JSON Schema that value knows. There may be no others in the file.
var keywords = []string{"type", "description", "properties", "required", "additionalProperties", "items", "enum", "const", "format", "minimum", "$ref"}

// value returns what is wrong with a value. at is where it is: the name of a definition, or of
// a field in one.
func (o *outputs) value(at string, schema map[string]any, value any) (problems []string) {
	wrong := func(format string, args ...any) {
		problems = append(problems, at+": "+fmt.Sprintf(format, args...))
	}
	for keyword := range schema {
		if !slices.Contains(keywords, keyword) {
			wrong("the keyword %s is not one of %v", keyword, keywords)
		}
	}
	if ref, is := schema["$ref"].(string); is {
		if name, elsewhere := strings.CutPrefix(ref, "export.schema.json#/$defs/"); elsewhere {
			return o.exported(at, o.export[name], value)
		}
		name := strings.TrimPrefix(ref, "#/$defs/")
		return append(problems, o.value(name, o.defs[name], value)...)
	}
	if allowed, is := schema["enum"].([]any); is && !slices.Contains(allowed, value) {
		wrong("%v is none of %v", value, allowed)
	}
	if only, is := schema["const"]; is && only != value {
		wrong("%v is not %v", value, only)
	}
	switch v := value.(type) {
	case map[string]any:
		if inner, is := schema["additionalProperties"].(map[string]any); is {
			for name, v := range v {
				problems = append(problems, o.value(at+"."+name, inner, v)...)
			}
			return problems
		}
		if schema["type"] != "object" || schema["additionalProperties"] != false {
			wrong("is an object that the schema does not close")
		}
		properties, _ := schema["properties"].(map[string]any)
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, there := v[name.(string)]; !there {
				wrong("%v is not there", name)
			}
		}
		for name, inner := range v {
			declared, is := properties[name].(map[string]any)
			if !is {
				wrong("%s is not in the schema", name)
				continue
			}
			o.seen[at+"."+name] = true
			problems = append(problems, o.value(at+"."+name, declared, inner)...)
		}
	case []any:
		items, is := schema["items"].(map[string]any)
		if schema["type"] != "array" || !is {
			wrong("is a list")
		}
		for _, inner := range v {
			problems = append(problems, o.value(at, items, inner)...)
		}
	case string:
		if schema["type"] != "string" {
			wrong("%q is a text", v)
		}
		if _, err := time.Parse(time.RFC3339, v); schema["format"] == "date-time" && (err != nil || !strings.HasSuffix(v, "Z")) {
			wrong("%q is no time in UTC", v)
		}
	case float64:
		least, _ := schema["minimum"].(float64)
		if schema["type"] != "integer" || v != float64(int64(v)) || v < least {
			wrong("%v is a number", v)
		}
	case bool:
		if schema["type"] != "boolean" {
			wrong("%v is true or false", v)
		}
	default:
		wrong("%v is of no known kind", v)
	}
	return problems
}

// exported returns what is wrong with an object that an export has, too: what it has must be
// described there, and what is always there must be in it.
func (o *outputs) exported(at string, schema map[string]any, value any) (problems []string) {
	object, _ := value.(map[string]any)
	properties, _ := schema["properties"].(map[string]any)
	for name, v := range object {
		if _, is := properties[name]; !is && name != "n" {
			problems = append(problems, at+"."+name+" is not in the schema of an export")
		}
		if list, is := v.([]any); v == nil || is && list == nil {
			problems = append(problems, at+"."+name+" is null")
		}
		if text, is := v.(string); is && (name == "at" || name == "until") && !strings.HasSuffix(text, "Z") {
			problems = append(problems, at+"."+name+" is no time in UTC")
		}
	}
	for _, name := range schema["required"].([]any) {
		if _, there := object[name.(string)]; !there {
			problems = append(problems, fmt.Sprintf("%s: %v is not there", at, name))
		}
	}
	return problems
}

// fields returns all fields of the schema, as value calls them.
func (o *outputs) fields() (list []string) {
	var walk func(at string, schema map[string]any)
	walk = func(at string, schema map[string]any) {
		properties, _ := schema["properties"].(map[string]any)
		for name, inner := range properties {
			list = append(list, at+"."+name)
			walk(at+"."+name, inner.(map[string]any))
		}
		if description, _ := schema["description"].(string); len(properties) == 0 && description == "" && schema["$ref"] == nil {
			o.t.Errorf("%s has no meaning", at)
		}
	}
	for name, schema := range o.defs {
		walk(name, schema)
	}
	slices.Sort(list)
	return list
}

// TestWhatCommandsPrintInJSONIsWhatTheSchemaSays leads an installation through many states.
func TestWhatCommandsPrintInJSONIsWhatTheSchemaSays(t *testing.T) {
	t.Parallel()
	o := newOutputs(t)
	o.ordinary()
	o.declared()
	o.vendors()
	o.losses()
	o.failures()
	o.held()
	o.deletions()
	o.underway()
	o.looks()
	unstored := o.unstored()
	impossible := []string{"status.unstored", "status.not_all_stored", "disable.not_erased", "reset.not_erased"}
	if runtime.GOOS == "windows" { // no mode opens a folder to others there, which makes these
		impossible = append(impossible, "status.queue_unknown", "status.requests_unknown", "status.delivered_at_least",
			"flush.queue_unknown", "reset_status.requests_unknown", "receipts.cannot_store")
	}
	for _, field := range o.fields() {
		if !o.seen[field] && (unstored || !slices.Contains(impossible, field) && !strings.HasSuffix(field, ".unlogged")) {
			t.Errorf("%s is in the schema, and nothing printed it", field)
		}
	}
}

func (o *outputs) ordinary() {
	h := newHome(o.t)
	o.run(h, "status")
	if err := h.manager().NoteUnanswered(); err != nil {
		o.t.Fatal(err)
	}
	o.run(h, "status")
	o.run(h, "enable")
	o.run(h, "share")
	h.record(2)
	o.run(h, "flush")
	o.run(h, "status", "--explain")
	o.check("check", h.check("-o", "json"))
	h.now = h.now.Add(-time.Hour)
	o.run(h, "status")
	h.now = h.now.Add(time.Hour)
	if err := os.Chtimes(filepath.Join(h.dir, "sent.gaps"), time.Unix(2, 0), time.Unix(2, 0)); err != nil { // two requests
		o.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "delivery"), []byte("noise"), 0o600); err != nil {
		o.t.Fatal(err)
	}
	o.run(h, "status")
	if err := os.Chmod(h.dir, 0o777); err != nil {
		o.t.Fatal(err)
	}
	o.run(h, "status") // the queue is not known
	o.run(h, "flush")
	o.run(h, "reset", "--status")
	if err := os.Chmod(h.dir, 0o700); err != nil {
		o.t.Fatal(err)
	}
	h.sendOne()
	if err := os.Remove(filepath.Join(h.dir, "delivery")); err != nil {
		o.t.Fatal(err)
	}
	o.run(h, "status") // of notes that somebody removed
	h.sendOne()
	h.setTime("delivery", time.Unix(-2, 0))
	o.run(h, "status") // of deliveries that could not be noted
	o.run(h, "enable", "--local")
	h.record(1)
	o.run(h, "flush")
	h.env["TELEMETRY_LOCAL"] = "1"
	o.run(h, "status", "--explain")
	o.run(h, "disable")
	o.run(newWrong(o.t), "status")
	h = newHome(o.t)
	policy := filepath.Join(filepath.Dir(h.dir), "policy")
	if err := os.WriteFile(policy, []byte("on\nreceiver http https://collector.corp.example/v1/events\n"), 0o644); err != nil {
		o.t.Fatal(err)
	}
	o.run(h, "status")
}

// newWrong has an author's mistake after a yes.
func newWrong(t *testing.T) *home {
	h := newHome(t)
	h.tool.Telemetry.Backend, h.env["MYTOOL_TELEMETRY"] = "nosuch", "on"
	return h
}

// looks leads through what waits, what was sent and what was decided.
func (o *outputs) looks() {
	all := [][]string{{"inspect"}, {"log"}, {"log", "--verify"}, {"receipts"}}
	look := func(h *home, more ...[]string) {
		o.t.Helper()
		for _, args := range append(all, more...) {
			o.run(h, args...)
		}
	}
	h := newHome(o.t)
	look(h)
	h.env["MYTOOL_TELEMETRY"] = "on"
	c, err := core.Open(h.tool, h.core()...)
	if err != nil {
		o.t.Fatal(err)
	}
	c.TrackCommand("build", 1, 0, nil)
	if err := c.Close(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
	look(h, []string{"inspect", "--next"}) // under an ID that there is not yet

	h = newHome(o.t)
	h.tool.Telemetry.Settings = nil
	h.must("telemetry", "enable")
	h.record(9)
	h.now = h.now.Add(time.Hour)
	h.record(1)
	h.now = h.now.Add(-time.Minute)
	look(h, []string{"inspect", "--next"}) // compressed, and by a clock that was ahead

	h = newHome(o.t)
	h.tool.Telemetry.Headers = map[string]string{"X-Key": "aWordLikeAKey"}
	h.tool.Telemetry.Metadata = map[string]string{"where": "aWordLikeAKey"}
	h.must("telemetry", "enable")
	h.record(1)
	look(h, []string{"inspect", "--next"}) // a secret is in the body
	for range 30 {                         // the log is cut
		h.record(100)
		h.run("telemetry", "flush")
	}
	h.setTime("sent.gaps", time.Unix(3, 0))
	look(h, []string{"receipts", "1"})
	h.tear()
	look(h)
	for _, name := range []string{"sent.log", "decisions"} {
		if err := os.WriteFile(filepath.Join(h.dir, name), []byte("noise\n"), 0o600); err != nil {
			o.t.Fatal(err)
		}
	}
	look(h)

	h = newHome(o.t)
	h.sendOne()
	h.must("telemetry", "disable", "--erase-log")
	look(h) // of an event that was delivered and is in no log

	h = newHome(o.t)
	h.tool.Telemetry.Backend, h.tool.Telemetry.Endpoint, h.tool.Telemetry.Settings = "file", "", nil
	h.must("telemetry", "enable")
	h.record(1)
	o.run(h, "inspect", "--next")

	for _, network := range []string{"tcp", "tls"} {
		h = newHome(o.t)
		h.tool.Telemetry.Backend, h.tool.Telemetry.Endpoint, h.tool.Telemetry.Settings = "lines", "", nil
		h.tool.Telemetry.Drivers = []driver.Driver{lines(network == "tls")}
		h.must("telemetry", "enable")
		h.record(1)
		o.run(h, "inspect", "--next")
	}
	o.decided()
}

// lines writes events to a connection of its own.
func lines(encrypted bool) driver.Driver {
	return driver.Driver{Name: "lines", Hosts: func(map[string]string) []string { return []string{"127.0.0.1:9"} }, Momentary: []string{"sent_at"},
		Open: func(c driver.Config) (driver.Backend, error) { return &lineBackend{c, encrypted}, nil }}
}

type lineBackend struct {
	driver.Config
	encrypted bool
}

func (b *lineBackend) Send(ctx context.Context, events []driver.Event) error {
	conn, err := b.Dial(ctx, "tcp", "127.0.0.1:9")
	if err != nil {
		return err
	}
	defer conn.Close()
	if b.encrypted {
		conn = tls.Client(conn, &tls.Config{ServerName: "127.0.0.1"})
	}
	_, err = conn.Write(driver.AppendJSONArray(nil, events))
	return err
}

func (*lineBackend) Close() error { return nil }

// decided leads to a history that is cut, and to one that knows of an answer and no more.
func (o *outputs) decided() {
	h := newHome(o.t)
	h.tool.Telemetry.Notice = strings.Repeat("This is a long notice. ", 400)
	for range 60 {
		h.now = h.now.Add(time.Minute)
		h.must("telemetry", "enable")
		h.must("telemetry", "disable")
	}
	o.run(h, "receipts")
	decisions := filepath.Join(h.dir, "decisions")
	kept, err := os.ReadFile(decisions)
	if err != nil {
		o.t.Fatal(err)
	}
	for range 2 {
		h.must("telemetry", "enable")
		h.must("telemetry", "disable")
	}
	if err := os.WriteFile(decisions, kept, 0o600); err != nil {
		o.t.Fatal(err)
	}
	_ = os.Remove(decisions + ".head")
	o.run(h, "receipts")
	h = newHome(o.t)
	closed := o.t.TempDir()
	h.dir = filepath.Join(closed, "state")
	if os.Geteuid() == 0 { // whom no mode keeps out
		err = os.Chown(closed, 1, 1)
	} else {
		err = os.Chmod(closed, 0o500)
	}
	if err != nil {
		o.t.Fatal(err)
	}
	o.run(h, "receipts")
}

func (o *outputs) declared() {
	h := newHome(o.t)
	h.tool.Telemetry.Controller, h.tool.Telemetry.Contact = "Example Ltd", "privacy@example.com"
	h.tool.Telemetry.Retention, h.tool.Telemetry.Purpose = "90 days", "to find out which commands matter"
	h.tool.Telemetry.NoticeVersion, h.tool.Telemetry.SampleRate, h.tool.Telemetry.Fold = 2, 2, true
	h.tool.Telemetry.Fields = []props.Field{{Name: "edition", Type: props.OneOf("free", "pro"), Purpose: "who pays", Since: 1, Until: "2027-01-01"}}
	h.tool.Telemetry.Events = []props.EventSpec{{
		Type: "exported", Purpose: "which formats matter", Names: []string{"by hand"}, Since: 1, Until: "2027-01-01",
		Fields: []props.Field{{Name: "note", Type: props.Text()}},
	}}
	o.run(h, "schema")
	o.run(h, "enable")
	h.setTime("next-folds", h.now.Add(time.Hour))
	o.run(h, "status")
	o.run(newHome(o.t), "schema") // nothing is declared
}

func (o *outputs) vendors() {
	h := newVendorHome(o.t)
	h.record(8)
	o.run(h, "flush")
	o.run(h, "status")
	o.check("check", h.check("-o", "json"))
	o.run(h, "reset", "--yes")
	o.run(h, "status")
	o.run(h, "reset", "--status")
	h, s := newStubbornHome(o.t)
	h.record(2)
	o.run(h, "flush")
	o.run(h, "status")
	o.run(h, "flush") // the report of these losses is refused
	s.err = driver.Throttled(errors.New("busy"), time.Minute)
	for _, line := range []string{h.check("-o", "json")} {
		object, _, _ := strings.Cut(line, "\n}")
		o.check("check", object+"}")
	}
}

func (o *outputs) losses() {
	h := newHome(o.t)
	h.must("telemetry", "enable")
	properties := o.defs["status"]["properties"].(map[string]any)
	reasons := properties["lost_by"].(map[string]any)["properties"].(map[string]any)
	for reason := range reasons {
		h.setTime("losses-"+reason, time.Unix(3, 0)) // as commands count them
	}
	o.run(h, "status")
	for range 2 { // the second one brings the reports of the first
		h.record(1)
		h.must("telemetry", "flush")
	}
	o.run(h, "status")
}

func (o *outputs) failures() {
	h := newHome(o.t)
	h.must("telemetry", "enable")
	h.record(1)
	h.answers(http.StatusTooManyRequests, "Retry-After", "60")
	o.run(h, "flush")
	h.setTime("background-started", h.now.Add(-time.Hour))
	h.env["CI"] = "1"
	o.run(h, "status")
}

func (o *outputs) held() {
	h := newHome(o.t)
	h.must("telemetry", "enable")
	c, err := core.Open(h.tool, h.core()...)
	if err != nil {
		o.t.Fatal(err)
	}
	c.TrackCommand("build", 1, 0, nil)
	o.run(h, "status")
	_ = c.Flush(cancelled())
	h.tool.Telemetry.Endpoint = "http://127.0.0.1:9/elsewhere"
	h.env["MYTOOL_TELEMETRY"] = "on"
	o.run(h, "status")
	o.run(h, "flush")
	o.run(h, "status")
	h.tool.Telemetry.NoticeVersion, h.env = 2, map[string]string{}
	o.run(h, "status") // what the yes was to has changed
}

func (o *outputs) deletions() {
	all := deletion.Receipt{
		ID: "42", Detail: "By hand.", URL: "https://example.com/42", CancelUntil: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	for _, state := range []deletion.State{deletion.Delivered, deletion.Acknowledged, deletion.Verified, deletion.Refused, deletion.Manual} {
		h := newHome(o.t)
		receipt := all
		receipt.State = state
		receipt.Parts = []deletion.Receipt{receipt, {State: deletion.Delivered}}
		h.tool.Telemetry.DeletionRequestor = follower{&receipt}
		h.sendOne()
		o.run(h, "reset", "--yes")
		o.run(h, "reset", "--status")
	}
	h := newHome(o.t)
	h.sendOne()
	h.answers(http.StatusServiceUnavailable)
	o.run(h, "reset", "--yes")
	o.run(h, "reset", "--resume")
	o.run(h, "status")
	h = newHome(o.t)
	h.sendOne()
	replace(h, "identity", "noise")
	o.run(h, "reset", "--yes")
	h = newHome(o.t)
	h.sendOne()
	if err := os.Remove(filepath.Join(h.dir, "identity")); err != nil {
		o.t.Fatal(err)
	}
	o.run(h, "reset", "--yes")
	h = newHome(o.t)
	h.sentToTwo()
	o.run(h, "reset", "--yes")
	o.run(h, "reset", "--status")
	o.run(h, "status")
}

// underway looks while a batch is on its way.
func (o *outputs) underway() {
	h := newHome(o.t)
	h.must("telemetry", "enable")
	h.record(1)
	disabled := make(chan string, 1)
	during := func(http.ResponseWriter, *http.Request) {
		o.run(h, "status")
		for _, command := range []string{"disable", "reset"} {
			var out bytes.Buffer
			_ = console.Run(cancelled(), h.manager(), []string{command, "-o", "json"}, console.WithStreams(console.Streams{Out: &out}))
			o.check(command, out.String())
		}
	}
	h.mu.Lock()
	h.answer = during
	h.mu.Unlock()
	h.run("telemetry", "flush")

	h = newHome(o.t)
	h.must("telemetry", "enable")
	h.record(1)
	m := h.manager()
	h.mu.Lock()
	h.answer = func(http.ResponseWriter, *http.Request) {
		go func() {
			var out bytes.Buffer
			_ = console.Run(context.Background(), m, []string{"disable", "-o", "json"}, console.WithStreams(console.Streams{Out: &out}))
			disabled <- out.String()
		}()
		for deadline := time.Now().Add(10 * time.Second); m.Status().Queue.Events > 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
	}
	h.mu.Unlock()
	h.run("telemetry", "flush")
	o.check("disable", <-disabled)
}

// unstored looks at a directory that cannot be written to, and reports whether there is one.
func (o *outputs) unstored() bool {
	h := newHome(o.t)
	h.must("telemetry", "enable")
	if !h.readOnly() {
		return false
	}
	h.env["CI"] = "1"
	o.run(h, "status")
	o.run(h, "log")
	o.run(h, "log", "--verify")

	h = newHome(o.t)
	h.must("telemetry", "enable")
	h.record(1)
	if !h.readOnlyButQueue() {
		return false
	}
	o.run(h, "status")
	h.writable()
	for _, command := range [][]string{{"disable"}, {"reset", "--yes"}} {
		h = newHome(o.t)
		h.must("telemetry", "enable")
		h.record(1)
		whole := h.dir
		h.dir = filepath.Join(whole, "queue")
		if !h.readOnly() {
			return false
		}
		if os.Geteuid() != 0 {
			if err := os.Chmod(filepath.Join(h.dir, "0000.events2"), 0o400); err != nil {
				o.t.Fatal(err)
			}
		}
		h.dir = whole
		o.run(h, command...)
	}
	return true
}

func TestTheSchemaOfOutputsIsHeldToMistakes(t *testing.T) {
	t.Parallel()
	o := newOutputs(t)
	good := map[string]any{"schema_version": 1.0, "variable": "X", "value": "y"}
	for name, change := range map[string]func(map[string]any){
		"":          func(map[string]any) {},
		"more":      func(m map[string]any) { m["more"] = "x" },
		"less":      func(m map[string]any) { delete(m, "value") },
		"a number":  func(m map[string]any) { m["value"] = 1.0 },
		"a version": func(m map[string]any) { m["schema_version"] = 2.0 },
		"null":      func(m map[string]any) { m["value"] = nil },
	} {
		m := maps.Clone(good)
		change(m)
		if problems := o.value("share", o.defs["share"], m); (len(problems) == 0) != (name == "") {
			t.Errorf("%s: %v", name, problems)
		}
	}
}
