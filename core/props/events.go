package props

// EventSpec declares an event that a tool records:
//
//	Events: []props.EventSpec{{
//		Type: "export.finished", Purpose: "which formats matter", Since: 2,
//		Fields: []props.Field{
//			{Name: "format", Type: props.OneOf("json", "csv"), Purpose: "what was asked for", Until: "2027-06-30"},
//			{Name: "rows", Type: props.Buckets(10, 100, 1000)},
//		},
//	}}
//
// records what
//
//	Track("export.finished", "", map[string]string{"format": "csv", "rows": "42"})
//
// says: the format as it is, and "10-99" for the rows.
type EventSpec struct {
	// Type is a word of the author's own: at most 64 letters, digits, '-', '_' and '.'. Or it
	// is one of the types that every tool shares, such as EventCommandInvocation, to declare
	// what goes with that: by extra, or by Annotate of an Invocation. Types that begin with
	// "telemetry." are the collector's.
	Type EventType
	// Purpose says in one line what the event is recorded for.
	Purpose string
	// Names is the closed set of names that the event may have. Without it, an event of the
	// author's own has none, and one that every tool shares has any, scrubbed.
	Names []string
	// Fields are what the event may hold as metadata, beside TelemetryConfig.Fields.
	Fields []Field
	// Since is the notice version that first spoke of it, 0 for the first of all.
	Since int
	// Until is the last day on which it is recorded, in UTC, as "2027-06-30". Later the
	// event counts as one that is not declared. Empty means that there is no such day.
	Until string
	// Fold keeps one record for each name, metadata and day in place of an event for each
	// Track, as TelemetryConfig.Fold does with commands.
	Fold bool
}

// Field declares a key of metadata and what its value may be. A value that is something
// else is left out, and counted in the event.
type Field struct {
	// Name is the key: at most 64 letters, digits, '-', '_' and '.', and not the name of a
	// field that the collector fills in.
	Name string
	// Type says what the value may be.
	Type FieldType
	// Purpose says in one line what the value is recorded for.
	Purpose string
	// Since and Until are as in EventSpec.
	Since int
	Until string
}

// FieldType is what the value of a Field may be. The functions below make one.
type FieldType struct {
	Kind FieldKind
	// Values are those of KindOneOf.
	Values []string
	// Bounds are those of KindBuckets.
	Bounds []int64
}

// FieldKind is one of a few kinds of values.
type FieldKind string

// The kinds, with the functions that make a FieldType of them.
const (
	KindOneOf   FieldKind = "one_of"  // OneOf
	KindNumber  FieldKind = "number"  // Number
	KindBool    FieldKind = "bool"    // Bool
	KindVersion FieldKind = "version" // Version
	KindBuckets FieldKind = "buckets" // Buckets
	KindText    FieldKind = "text"    // Text
)

// OneOf is a closed set of values. They are the author's words, so they are kept as they
// are, whatever they look like.
func OneOf(values ...string) FieldType { return FieldType{Kind: KindOneOf, Values: values} }

// Number is a decimal number of at most 15 digits, without an exponent, as strconv.Itoa
// and strconv.FormatFloat(x, 'f', 2, 64) write it. "+1.50" is kept as "1.5".
func Number() FieldType { return FieldType{Kind: KindNumber} }

// Bool is what strconv.ParseBool reads, kept as "true" or "false".
func Bool() FieldType { return FieldType{Kind: KindBool} }

// Version is up to four numbers with dots between them, and perhaps what sets a
// preliminary one apart: "v1.20.0-rc.1+build5" is kept as "1.20.0-rc.1". Other words than
// alpha, beta, rc and the like, and what looks like an address, are no version.
func Version() FieldType { return FieldType{Kind: KindVersion} }

// Buckets is a count, of which only the bucket is kept. The bounds are where buckets begin:
// with 10 and 100 a count is kept as "0-9", "10-99" or "100+".
func Buckets(bounds ...int64) FieldType { return FieldType{Kind: KindBuckets, Bounds: bounds} }

// Text is any text of at most 64 bytes; a longer one is cut. What looks like a credential,
// a path, an address or the name of the person is taken out of it, so it is what to choose
// last: of what a person typed, the other kinds can hold a number and no word.
func Text() FieldType { return FieldType{Kind: KindText} }
