package core

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

const (
	// maxEvents and maxValues are far more than anybody reads who is asked for a yes.
	maxEvents = 100
	maxValues = 100
	// maxBounds: more buckets than that tell single counts apart.
	maxBounds = 32
	// maxPurpose is a line or two on a terminal.
	maxPurpose = 160
)

// checkDeclared returns the first mistake in what the author declares of events, as a
// *driver.ConfigError.
func checkDeclared(config *props.TelemetryConfig) error {
	wrong := func(field, format string, args ...any) error {
		return &driver.ConfigError{Field: "Telemetry." + field, Problem: fmt.Sprintf(format, args...)}
	}
	if !declares(config) {
		return nil
	}
	if config.MetadataKeys != nil {
		return wrong("MetadataKeys", "lists keys, and so do Events and Fields; declare each key in one of these and leave MetadataKeys out")
	}
	if len(config.Events) > maxEvents {
		return wrong("Events", "has %d events; at most %d can be declared", len(config.Events), maxEvents)
	}
	if err := checkFields("Telemetry.Fields", config, nil, config.Fields); err != nil {
		return err
	}
	for i, e := range config.Events {
		at := fmt.Sprintf("Events[%d]", i)
		if err := checkName("Telemetry."+at+".Type", string(e.Type)); err != nil {
			return err
		}
		if isOurs(e.Type) {
			return wrong(at+".Type", "%q is the collector's own; choose another name", e.Type)
		}
		if slices.ContainsFunc(config.Events[:i], func(other props.EventSpec) bool { return other.Type == e.Type }) {
			return wrong(at+".Type", "%q is declared twice; put what belongs to it into one", e.Type)
		}
		if err := checkWords("Telemetry."+at+".Names", "name", e.Names, maxName); err != nil {
			return err
		}
		if e.Names != nil && len(e.Names) == 0 {
			return wrong(at+".Names", "is an empty set; leave it out")
		}
		if err := checkPeriod("Telemetry."+at, config, e.Purpose, e.Since, e.Until); err != nil {
			return err
		}
		if err := checkFields("Telemetry."+at+".Fields", config, config.Fields, e.Fields); err != nil {
			return err
		}
	}
	for key := range config.Metadata { // their values may be of the machine, so they are no mistake
		if !hasField(config.Fields, key) {
			return wrong("Metadata", "%q is not declared; add it to Fields", key)
		}
	}
	return nil
}

func hasField(fields []props.Field, name string) bool {
	return slices.ContainsFunc(fields, func(f props.Field) bool { return f.Name == name })
}

// checkFields checks fields that go with those of every event.
func checkFields(at string, config *props.TelemetryConfig, every, fields []props.Field) error {
	if n := len(every) + len(fields); n > maxMetadata {
		return &driver.ConfigError{Field: at, Problem: fmt.Sprintf("makes %d fields with those of every event; %d fit in one", n, maxMetadata)}
	}
	for i, f := range fields {
		at := fmt.Sprintf("%s[%d]", at, i)
		if err := checkName(at+".Name", f.Name); err != nil {
			return err
		}
		var problem string
		switch {
		case isBuiltInField(f.Name):
			problem = fmt.Sprintf("%q is a field that the collector fills in; choose another name", f.Name)
		case hasField(fields[:i], f.Name), hasField(every, f.Name):
			problem = fmt.Sprintf("%q is declared twice for the same event; leave one out", f.Name)
		}
		if problem != "" {
			return &driver.ConfigError{Field: at + ".Name", Problem: problem}
		}
		if err := checkType(at+".Type", f.Type); err != nil {
			return err
		}
		if err := checkPeriod(at, config, f.Purpose, f.Since, f.Until); err != nil {
			return err
		}
	}
	return nil
}

func checkType(at string, t props.FieldType) error {
	wrong := func(format string, args ...any) error {
		return &driver.ConfigError{Field: at, Problem: fmt.Sprintf(format, args...)}
	}
	if t.Kind != props.KindOneOf && len(t.Values) > 0 || t.Kind != props.KindBuckets && len(t.Bounds) > 0 {
		return wrong("has values or bounds, which do not go with %q", t.Kind)
	}
	switch t.Kind {
	case props.KindNumber, props.KindBool, props.KindVersion, props.KindText:
		return nil
	case props.KindOneOf:
		if len(t.Values) == 0 {
			return wrong("is an empty set, so nothing could be recorded; list the values")
		}
		return checkWords(at, "value", t.Values, maxShort)
	case props.KindBuckets:
		if len(t.Bounds) == 0 || len(t.Bounds) > maxBounds {
			return wrong("has %d bounds; buckets have 1 to %d, such as 10, 100, 1000", len(t.Bounds), maxBounds)
		}
		for i, bound := range t.Bounds {
			if bound < 1 || i > 0 && bound <= t.Bounds[i-1] {
				return wrong("bound %d is %d; they are above 0, and each above the one before", i+1, bound)
			}
		}
		return nil
	case "":
		return wrong("is not set; use props.OneOf, Number, Bool, Version, Buckets or Text")
	}
	return wrong("%q is no kind of value; use props.OneOf, Number, Bool, Version, Buckets or Text", t.Kind)
}

// checkWords checks a closed set of the author's words.
func checkWords(at, what string, words []string, longest int) error {
	if len(words) > maxValues {
		return &driver.ConfigError{Field: at, Problem: fmt.Sprintf("has %d %ss; at most %d can be listed", len(words), what, maxValues)}
	}
	for i, word := range words {
		if word == "" || len(word) > longest || !oneLine(word) || strings.TrimSpace(word) != word {
			return &driver.ConfigError{Field: at, Problem: fmt.Sprintf("%s %d is not 1 to %d bytes of text in one line", what, i+1, longest)}
		}
		if slices.Contains(words[:i], word) {
			return &driver.ConfigError{Field: at, Problem: fmt.Sprintf("%q is listed twice; leave one out", word)}
		}
	}
	return nil
}

func checkPeriod(at string, config *props.TelemetryConfig, purpose string, since int, until string) error {
	if len(purpose) > maxPurpose || !oneLine(purpose) {
		return &driver.ConfigError{Field: at + ".Purpose", Problem: fmt.Sprintf("is not at most %d bytes of text in one line", maxPurpose)}
	}
	if since < 0 || since > config.NoticeVersion {
		return &driver.ConfigError{Field: at + ".Since", Problem: fmt.Sprintf("is notice version %d, but NoticeVersion is %d; raise that, and people are asked again", since, config.NoticeVersion)}
	}
	if until == "" {
		return nil
	}
	if _, err := time.Parse(time.DateOnly, until); err != nil {
		return &driver.ConfigError{Field: at + ".Until", Problem: "is not a date like 2027-06-30"}
	}
	return nil
}

func oneLine(text string) bool { return plaintext.Clean(text) == text }
