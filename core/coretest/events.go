package coretest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
)

// Events is what a tool recorded. Its methods fail a test with all that was recorded, one
// event a line, and with what is different from what was wanted.
//
// A field is written as name=value: a name of the event's JSON, such as exit_code=3, or a key
// of its metadata, such as format=json. Where a key has the name of a field too,
// metadata.exit_code=3 is the key. Flags and arguments are joined by commas, and a field that
// is not there equals nothing: error_class= says that there is none. The time and the IDs
// are fields as well, though few tests know them.
type Events []driver.Event

// Only fails the test unless exactly the events of these names were recorded, each as often
// as it is named, in any order: collectors that run at once have none. It returns the events,
// so that With can follow.
func (e Events) Only(t testing.TB, names ...string) Events {
	t.Helper()
	left := slices.Clone(names)
	var difference []string
	for i := range e {
		if at := slices.Index(left, e[i].Name); at >= 0 {
			left = slices.Delete(left, at, at+1)
		} else {
			difference = append(difference, "recorded and not wanted: "+line(e[i]))
		}
	}
	for _, name := range left {
		difference = append(difference, fmt.Sprintf("wanted and not recorded: %q", name))
	}
	if len(difference) > 0 {
		t.Errorf("want only %s\n%sdifference\n%s", quoted(names), e, indented(difference))
	}
	return e
}

// None fails the test if anything was recorded.
func (e Events) None(t testing.TB) {
	t.Helper()
	if len(e) > 0 {
		t.Errorf("want no event\n%s", e)
	}
}

// With fails the test unless at least one event of this name has all of these fields, and
// returns those that have. The failure says of each event of the name where it differs.
func (e Events) With(t testing.TB, name string, fields ...string) Events {
	t.Helper()
	var found Events
	var difference []string
	for i := range e {
		if e[i].Name != name {
			continue
		}
		wrong, err := differs(e[i], fields)
		if err != nil {
			t.Fatal(err)
		}
		if len(wrong) == 0 {
			found = append(found, e[i])
			continue
		}
		difference = append(difference, fmt.Sprintf("%q: %s", name, strings.Join(wrong, "; ")))
	}
	if len(found) == 0 {
		if len(difference) == 0 {
			difference = []string{fmt.Sprintf("no event is named %q", name)}
		}
		t.Errorf("want %s\n%sdifference\n%s", strings.Join(append([]string{fmt.Sprintf("%q with", name)}, fields...), " "), e, indented(difference))
	}
	return found
}

// String returns the events as failures show them: without the fields that say where and when
// it was, one event a line.
func (e Events) String() string {
	if len(e) == 0 {
		return "recorded nothing\n"
	}
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = line(e[i])
	}
	return fmt.Sprintf("recorded %d\n%s", len(e), indented(lines))
}

// surroundings are the fields that say nothing of what the tool did.
var surroundings = []string{
	"id", "timestamp", "run_id", "machine_id", "consent_id", "tool_name", "tool_version",
	"os", "arch", "os_version", "go_version", "ci", "ci_provider", "interactive", "agent", "container",
}

// line shows an event in a line. Its type and name come first.
func line(e driver.Event) string {
	all := fieldsOf(e)
	parts := []string{fmt.Sprintf("%s %q", e.Type, e.Name)}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if name != "type" && name != "name" && !slices.Contains(surroundings, name) {
			parts = append(parts, name+"="+shown(all[name]))
		}
	}
	return strings.Join(parts, " ")
}

// shown quotes a value that would not read as one otherwise.
func shown(value string) string {
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r == '"' || r == 0x7f }) {
		return fmt.Sprintf("%q", value)
	}
	return value
}

// differs says of which wanted fields an event has another value.
func differs(e driver.Event, wanted []string) ([]string, error) {
	all := fieldsOf(e)
	var wrong []string
	for _, field := range wanted {
		name, want, ok := strings.Cut(field, "=")
		if !ok {
			return nil, fmt.Errorf("coretest: the field %q is not written name=value", field)
		}
		got, there := all[name]
		if !there {
			got, there = all["metadata."+name]
		}
		switch {
		case got == want:
		case !there:
			wrong = append(wrong, fmt.Sprintf("%s is not there, want %s", name, shown(want)))
		default:
			wrong = append(wrong, fmt.Sprintf("%s is %s, want %s", name, shown(got), shown(want)))
		}
	}
	return wrong, nil
}

// fieldsOf returns an event's fields as texts, by the names of its JSON.
func fieldsOf(e driver.Event) map[string]string {
	metadata := e.Metadata
	e.Metadata = nil
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(e.AppendJSON(nil), &raw); err != nil {
		panic(err) // AppendJSON makes JSON of every event
	}
	all := map[string]string{}
	for name, value := range raw {
		var text string
		var list []any
		switch {
		case json.Unmarshal(value, &text) == nil:
			all[name] = text
		case json.Unmarshal(value, &list) == nil:
			all[name] = joined(list)
		default:
			all[name] = string(value)
		}
	}
	for key, value := range metadata {
		all["metadata."+key] = value
	}
	return all
}

func joined(list []any) string {
	parts := make([]string, len(list))
	for i, value := range list {
		parts[i] = fmt.Sprint(value)
	}
	return strings.Join(parts, ",")
}

func quoted(names []string) string {
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(parts, ", ")
}

func indented(lines []string) string { return "  " + strings.Join(lines, "\n  ") + "\n" }
