package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// documented are the fields that an event may have: a literal copy of the list in
// docs/reference/events.md, so that a new one is not let through by the code that adds it.
var documented = []string{
	"id", "type", "name", "timestamp", "duration_ms", "exit_code", "flags", "error_class", "tool_name", "tool_version",
	"os", "arch", "os_version", "go_version", "ci", "ci_provider", "interactive", "agent", "container", "run_id",
	"machine_id", "consent_id", "metadata", "count", "failures", "durations", "sample_rate", "truncated", "redacted", "time_adjusted",
}

func fieldsOf(raw []byte) ([]string, error) {
	var all map[string]json.RawMessage
	err := json.Unmarshal(raw, &all)
	return slices.Sorted(maps.Keys(all)), err
}

func undocumented(fields []string) []string {
	return slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return slices.Contains(documented, f) })
}

// additions returns the fields that the second list's events have and the first's do
// not. That anything else differs between events of the same ID is an error.
func additions(before, after []event) ([]string, error) {
	was := map[string]map[string]json.RawMessage{}
	for _, e := range before {
		var all map[string]json.RawMessage
		if err := json.Unmarshal(e.raw, &all); err != nil {
			return nil, err
		}
		was[e.ID] = all
	}
	added := map[string]bool{}
	for _, e := range after {
		var all map[string]json.RawMessage
		if err := json.Unmarshal(e.raw, &all); err != nil {
			return nil, err
		}
		for name, value := range all {
			old, had := was[e.ID][name]
			if !had {
				added[name] = true
			} else if string(old) != string(value) {
				return nil, fmt.Errorf("%s of event %s was %s and is %s", name, e.ID, old, value)
			}
		}
		for name := range was[e.ID] {
			if _, has := all[name]; !has {
				return nil, fmt.Errorf("%s of event %s is gone", name, e.ID)
			}
		}
	}
	return slices.Sorted(maps.Keys(added)), nil
}
