// Package schemafile makes files of what a tool may send: the page TELEMETRY.md, the JSON
// Schema of an event, and the lock file that tells when any of it becomes wider.
package schemafile

import (
	"fmt"
	"strings"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/props"
)

// Words says what a field may hold, for people.
func Words(f core.SchemaField) string {
	switch f.Type {
	case string(props.KindOneOf):
		if len(f.Values) == 1 {
			return f.Values[0]
		}
		return "one of " + strings.Join(f.Values, ", ")
	case string(props.KindBuckets):
		return "a count, as " + strings.Join(f.Values, ", ")
	case string(props.KindNumber):
		return "a number"
	case string(props.KindBool):
		return "true or false"
	case string(props.KindVersion):
		return "a version"
	case string(props.KindText):
		if f.MaxBytes > 0 {
			return fmt.Sprintf("text, up to %d bytes", f.MaxBytes)
		}
		return "text"
	case core.TypeUUID:
		return "a UUID"
	case core.TypeTime:
		return "a time, in UTC"
	case core.TypeInteger:
		return "a whole number"
	case core.TypeFlag:
		return "yes or no"
	case core.TypeID:
		return "32 hex digits"
	case core.TypeTexts:
		return "a list of texts"
	case core.TypeIntegers:
		return "a list of whole numbers"
	case core.TypeMetadata:
		return "keys and values"
	}
	return f.Type
}

// Names says which names an event may have, for people.
func Names(e core.SchemaEvent) string {
	switch {
	case e.AnyName:
		return "any"
	case len(e.Names) == 0:
		return "none"
	}
	return strings.Join(e.Names, ", ")
}

// Period says since which notice version and until when something is recorded, "" if that
// is always.
func Period(since int, until string) string {
	var words []string
	if since > 0 {
		words = append(words, fmt.Sprintf("since notice %d", since))
	}
	if until != "" {
		words = append(words, "until "+until)
	}
	return strings.Join(words, ", ")
}

const addedUp = "equal calls of a day are added up"

// When says since when and until when an event is recorded, and how.
func When(e core.SchemaEvent) string {
	period := Period(e.Since, e.Until)
	switch {
	case !e.Folded:
		return period
	case period == "":
		return addedUp
	}
	return period + "; " + addedUp
}
