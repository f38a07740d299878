package schemafile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/props"
)

// change is a difference between two schemas.
type change struct {
	text  string
	wider bool // more may be sent than before
	since int  // of what is new: the notice version that speaks of it, 0 if nobody says
}

// compare lists what of a locked schema is not as it was.
func compare(before, now core.Schema) []change {
	var list []change
	switch {
	case before.Declared && !now.Declared:
		list = append(list, change{text: "events and metadata are no longer declared: there may be any", wider: true})
	case !before.Declared && now.Declared:
		list = append(list, change{text: "events and metadata are declared now"})
	}
	if now.AnyKey && !before.AnyKey && !before.Declared {
		list = append(list, change{text: "there may be metadata under any key", wider: true})
	}
	list = append(list, compareControllers(before.Controller, now.Controller)...)
	if before.SampleRate != now.SampleRate {
		list = append(list, change{text: sampling(now.SampleRate) + ", not " + sampling(before.SampleRate), wider: max(now.SampleRate, 1) < max(before.SampleRate, 1)})
	}
	list = append(list, compareFields("the field ", "", before.Fields, now.Fields, false)...)
	list = append(list, compareFields("the metadata ", "", before.Metadata, now.Metadata, before.AnyKey)...)
	for _, e := range now.Events {
		i := slices.IndexFunc(before.Events, func(old core.SchemaEvent) bool { return old.Type == e.Type })
		if i < 0 {
			list = append(list, change{"the event " + e.Type + " is new", before.Declared && e.Own, e.Since})
			if !before.Declared {
				list = append(list, compareFields("the metadata ", " of "+e.Type, before.Metadata, e.Fields, before.AnyKey)...)
			}
			continue
		}
		list = append(list, compareEvents(before, before.Events[i], e)...)
	}
	for _, e := range before.Events {
		if !slices.ContainsFunc(now.Events, func(now core.SchemaEvent) bool { return now.Type == e.Type }) {
			list = append(list, change{text: "the event " + e.Type + " is gone"})
		}
	}
	return list
}

// compareControllers goes by the rule for a yes: what is new to a person is wider here.
func compareControllers(before, now core.Controller) []change {
	terms := func(c core.Controller) consent.Terms {
		return consent.Terms{Controller: c.Name, Purpose: c.Purpose, Retention: c.Retention}
	}
	var list []change
	for _, text := range terms(now).Beyond(terms(before), false) {
		list = append(list, change{text: text, wider: true})
	}
	if len(list) == 0 && now != before {
		list = append(list, change{text: "who asks and for what is said in other words"})
	}
	return list
}

func sampling(rate int) string {
	if rate > 1 {
		return fmt.Sprintf("one run of %d is recorded", rate)
	}
	return "every run is recorded"
}

func folding(folded bool) string {
	if folded {
		return "folded: equal calls of a day are one record"
	}
	return "no longer folded: each call is an event of its own"
}

func compareEvents(schema core.Schema, before, now core.SchemaEvent) []change {
	var list []change
	add := func(wider bool, format string, args ...any) {
		list = append(list, change{text: "the event " + now.Type + fmt.Sprintf(format, args...), wider: wider})
	}
	switch more := missing(now.Names, before.Names); {
	case now.AnyName && !before.AnyName:
		add(true, " may have any name")
	case len(more) > 0 && !before.AnyName:
		add(true, " may also have the name %s", strings.Join(more, ", "))
	case !slices.Equal(before.Names, now.Names):
		add(false, " has fewer names")
	}
	if before.Folded != now.Folded {
		add(before.Folded, " is %s", folding(now.Folded))
	}
	if before.Until != now.Until {
		add(longer(before.Until, now.Until), " is recorded until %s, not %s", day(now.Until), day(before.Until))
	}
	fields := before.Fields
	if !before.Bare {
		fields = slices.Concat(fields, schema.Metadata) // what any event had this one had as well
	}
	kept := slices.DeleteFunc(slices.Clone(fields), func(f core.SchemaField) bool {
		return !has(before.Fields, f.Name) && !has(now.Fields, f.Name)
	})
	return append(list, compareFields("the metadata ", " of "+now.Type, kept, now.Fields, schema.AnyKey && !before.Bare)...)
}

// compareFields compares lists of fields; where any is true, there could be others before.
func compareFields(what, of string, before, now []core.SchemaField, any bool) []change {
	var list []change
	for _, f := range now {
		i := slices.IndexFunc(before, func(old core.SchemaField) bool { return old.Name == f.Name })
		if i < 0 {
			list = append(list, change{what + f.Name + of + " is new", !any, f.Since})
			continue
		}
		old := before[i]
		if text, wider := compareValues(old, f); text != "" {
			list = append(list, change{text: what + f.Name + of + " " + text, wider: wider})
		}
		if old.Until != f.Until {
			text := fmt.Sprintf(" is recorded until %s, not %s", day(f.Until), day(old.Until))
			list = append(list, change{text: what + f.Name + of + text, wider: longer(old.Until, f.Until)})
		}
	}
	for _, f := range before {
		if !has(now, f.Name) {
			list = append(list, change{text: what + f.Name + of + " is gone"})
		}
	}
	return list
}

// compareValues says how the values of a field are not as they were, "" if they are, and
// whether there may be more of them.
func compareValues(before, now core.SchemaField) (text string, wider bool) {
	const anyText, number, buckets = string(props.KindText), string(props.KindNumber), string(props.KindBuckets)
	old, set := closed(before), closed(now)
	switch {
	case now.Type == buckets && before.Type == buckets:
		if slices.Equal(before.Values, now.Values) {
			return "", false
		}
		return fmt.Sprintf("has the buckets %s, not %s", strings.Join(now.Values, ", "), strings.Join(before.Values, ", ")),
			len(missing(bounds(now), bounds(before))) > 0
	case old != nil && set != nil:
		if more := missing(set, old); len(more) > 0 {
			return "may also be " + strings.Join(more, ", "), true
		}
		if len(missing(old, set)) > 0 {
			return "has fewer values", false
		}
		return "", false
	case before.Type != now.Type:
		// Any value of a declared kind is one of those that a text may be, and a bucket says
		// less than its number.
		narrower := before.Type == anyText || before.Type == number && now.Type == buckets
		return fmt.Sprintf("is %s, not %s", Words(now), Words(before)), !narrower
	case before.MaxBytes != now.MaxBytes:
		return fmt.Sprintf("is %s, not %s", Words(now), Words(before)), now.MaxBytes == 0 || before.MaxBytes > 0 && now.MaxBytes > before.MaxBytes
	}
	return "", false
}

// closed returns the closed set of a field's values, nil if there is none or it is one of
// buckets, which are compared by where they begin.
func closed(f core.SchemaField) []string {
	switch f.Type {
	case string(props.KindOneOf):
		return f.Values
	case string(props.KindBool):
		return []string{"true", "false"}
	}
	return nil
}

// bounds returns where the buckets of a field begin.
func bounds(f core.SchemaField) []string {
	var list []string
	for _, label := range f.Values {
		first, _, _ := strings.Cut(strings.TrimSuffix(label, "+"), "-")
		list = append(list, first)
	}
	return list
}

// longer reports whether a last day is later than another one. None is the latest.
func longer(before, now string) bool { return now == "" || before != "" && now > before }

func day(until string) string {
	if until == "" {
		return "further notice"
	}
	return until
}

func has(fields []core.SchemaField, name string) bool {
	return slices.ContainsFunc(fields, func(f core.SchemaField) bool { return f.Name == name })
}

// missing returns what of list is not in other.
func missing(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}
