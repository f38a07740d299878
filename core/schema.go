package core

import (
	"maps"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion"
)

// Schema is everything that the events of a tool may hold.
type Schema struct {
	// At is when it was asked for, by which what is declared until a day has ended or not.
	At            time.Time `json:"-"`
	Tool          string    `json:"tool"`
	NoticeVersion int       `json:"notice_version"`
	// Controller is who asks for the data, and for what.
	Controller Controller `json:"controller,omitzero"`
	// Declared says that the author declares events and metadata. If not, there may be events
	// of any other type as well, and AnyKey says that there may be metadata under any key.
	Declared bool `json:"declared"`
	AnyKey   bool `json:"any_key,omitempty"`
	// SampleRate is n where one run of n is recorded, 0 where every one is.
	SampleRate int `json:"sample_rate,omitempty"`
	// Fields are those that the collector fills in, in the order of the canonical encoding.
	Fields []SchemaField `json:"fields"`
	// Metadata are the keys that any event may have.
	Metadata []SchemaField `json:"metadata,omitempty"`
	// Events are the types of events that there are, with the metadata that is only theirs.
	Events []SchemaEvent `json:"events"`
}

// SchemaEvent is a type of event.
type SchemaEvent struct {
	Type    string `json:"type"`
	Purpose string `json:"purpose,omitempty"`
	// Own says that the type is the author's own, not one that every tool shares.
	Own bool `json:"own,omitempty"`
	// Names is the closed set of its names, AnyName says that there is none.
	Names   []string      `json:"names,omitempty"`
	AnyName bool          `json:"any_name,omitempty"`
	Fields  []SchemaField `json:"fields,omitempty"`
	// Folded says that calls of a day which are equal but for their time and duration are sent
	// as one record, without a run, arguments or an error text.
	Folded bool `json:"folded,omitempty"`
	// Bare says that it holds none of the Metadata of other events.
	Bare bool `json:"bare,omitempty"`
	// Since and Until are as in props.EventSpec.
	Since int    `json:"since,omitempty"`
	Until string `json:"until,omitempty"`
}

// SchemaField is a field of an event, or a key of its metadata.
type SchemaField struct {
	Name string `json:"name"`
	// Type is a props.FieldKind or one of the types below.
	Type string `json:"type,omitempty"`
	// Values is the closed set of values, where there is one: also of buckets.
	Values []string `json:"values,omitempty"`
	// MaxBytes is how long a text may be, 0 where nothing cuts it.
	MaxBytes int `json:"max_bytes,omitempty"`
	// Purpose says what it is for, Present when an event has it.
	Purpose string `json:"purpose,omitempty"`
	Present string `json:"present,omitempty"`
	// Since and Until are as in props.Field.
	Since int    `json:"since,omitempty"`
	Until string `json:"until,omitempty"`
}

// Types of fields that the collector fills in, beside the kinds of package props.
const (
	TypeUUID     = "uuid"     // version 7
	TypeTime     = "time"     // RFC 3339, UTC, whole milliseconds
	TypeInteger  = "integer"  // a JSON number
	TypeFlag     = "flag"     // a JSON boolean
	TypeID       = "id"       // 32 hexadecimal characters
	TypeTexts    = "texts"    // a list of texts
	TypeIntegers = "integers" // a list of whole numbers
	TypeMetadata = "metadata" // an object of texts: see Metadata and Events
)

// Holds reports whether a value may stand in the field in the form in which the collector
// keeps it, for who receives events and looks at each once more. Of the types below that are
// no kind of package props it looks at the length alone.
func (f SchemaField) Holds(value string) bool {
	kept, ok := value, f.MaxBytes == 0 || len(value) <= f.MaxBytes
	switch props.FieldKind(f.Type) {
	case props.KindOneOf, props.KindBuckets:
		ok = slices.Contains(f.Values, value)
	case props.KindNumber:
		kept, ok = number(value)
	case props.KindVersion:
		kept, ok = version(value)
	case props.KindBool:
		kept, ok = boolean(value)
	}
	return ok && kept == value
}

// Ended reports whether something that is declared until a day is no longer recorded.
func (s Schema) Ended(until string) bool { return expired(until, s.At.UTC().Format(time.DateOnly)) }

// Always is SchemaField.Present of what every event has.
const Always = "always"

// builtInFields are the fields of driver.Event, in its order: a test holds the two together.
// What is not here is in no person's terms, and not sent.
var builtInFields = []SchemaField{
	{Name: "id", Type: TypeUUID, Present: Always, Purpose: "tells events apart; random"},
	{Name: "type", Type: string(props.KindText), MaxBytes: maxName, Present: Always, Purpose: "what kind of thing happened"},
	{Name: "name", Type: string(props.KindText), MaxBytes: maxName, Present: Always, Purpose: "which one, such as the command's path"},
	{Name: "timestamp", Type: TypeTime, Present: Always, Purpose: "when it happened"},
	{Name: "duration_ms", Type: TypeInteger, Present: "commands", Purpose: "how long it took, in milliseconds"},
	{Name: "exit_code", Type: TypeInteger, Present: "commands", Purpose: "how it ended"},
	{Name: "args", Type: TypeTexts, Present: "commands", Purpose: "the arguments, scrubbed"},
	{Name: "flags", Type: TypeTexts, Present: "commands", Purpose: "names of flags that were set, no values"},
	{Name: "error", Type: string(props.KindText), MaxBytes: maxError, Present: "failures", Purpose: "the error text, scrubbed"},
	{Name: "error_class", Type: string(props.KindOneOf), Present: "failures", Purpose: "what went wrong, in one word"},
	{Name: "tool_name", Type: string(props.KindText), Present: Always, Purpose: "the tool"},
	{Name: "tool_version", Type: string(props.KindText), Present: "if declared", Purpose: "its version"},
	{Name: "os", Type: string(props.KindText), Present: Always, Purpose: "the kind of operating system"},
	{Name: "arch", Type: string(props.KindText), Present: Always, Purpose: "the kind of processor"},
	{Name: "os_version", Type: string(props.KindText), Present: "if known", Purpose: "the system's family, such as debian 12"},
	{Name: "go_version", Type: string(props.KindText), Present: Always, Purpose: "the Go release that built the tool"},
	{Name: "ci", Type: TypeFlag, Present: Always, Purpose: "whether it ran in continuous integration"},
	{Name: "ci_provider", Type: string(props.KindOneOf), Present: "in CI", Purpose: "in which system for that"},
	{Name: "interactive", Type: TypeFlag, Present: Always, Purpose: "whether it ran in a terminal"},
	{Name: "agent", Type: string(props.KindOneOf), Present: "if one ran it", Purpose: "which coding agent ran it"},
	{Name: "container", Type: TypeFlag, Present: Always, Purpose: "whether it ran in a container"},
	{Name: "run_id", Type: TypeUUID, Present: "of one run", Purpose: "what the same run recorded; random"},
	{Name: "machine_id", Type: TypeID, Present: "when sent", Purpose: "the installation's pseudonym"},
	{Name: "consent_id", Type: TypeID, Present: "when sent", Purpose: "the decision that allows it; random"},
	{Name: "metadata", Type: TypeMetadata, Present: "if not empty", Purpose: "details that the tool adds"},
	{Name: "count", Type: TypeInteger, Present: "if folded", Purpose: "how many events this one stands for"},
	{Name: "failures", Type: TypeInteger, Present: "if folded", Purpose: "how many of them failed"},
	{Name: "durations", Type: TypeIntegers, Present: "if folded", Purpose: "how many took how long"},
	{Name: "sample_rate", Type: TypeInteger, Present: "if sampled", Purpose: "one run of so many is recorded"},
	{Name: "truncated", Type: TypeInteger, Present: "if any", Purpose: "how many values were cut or left out"},
	{Name: "redacted", Type: TypeInteger, Present: "if any", Purpose: "how many values the scrubber changed"},
	{Name: "time_adjusted", Type: TypeFlag, Present: "if so", Purpose: "the clock was ahead"},
}

// extendedFields are those of them that the author has to allow, by ExtendedCollection.
var extendedFields = []string{"args", "error"}

func isBuiltInField(name string) bool {
	return slices.ContainsFunc(builtInFields, func(f SchemaField) bool { return f.Name == name })
}

// recordedFields are the names of the fields that the tool itself fills in, without those
// that the author has to allow.
func recordedFields() []string {
	names := make([]string, 0, len(builtInFields))
	for _, f := range builtInFields {
		if !slices.Contains(extendedFields, f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

// sharedPurpose says what one of the types that every tool shares is for.
func sharedPurpose(t props.EventType) string {
	switch t {
	case props.EventCommandInvocation:
		return "a command ran"
	case props.EventCommandError:
		return "a command failed"
	case props.EventFeatureUsed:
		return "a feature was used"
	case props.EventUpdateCheck:
		return "the tool looked for a new version of itself"
	case props.EventUpdateApplied:
		return "the tool was updated"
	}
	return ""
}

// Schema returns everything that may be sent, whether or not telemetry is on. The error is
// that of NewSchema.
func (m *Manager) Schema() (Schema, error) { return newSchema(m.in.tool, m.in.now()) }

// NewSchema returns everything that a tool may send. It looks at nothing but the declaration.
// The error, a *driver.ConfigError, is the first mistake in what that says of events.
func NewSchema(tool props.Tool) (Schema, error) { return newSchema(tool, time.Now()) }

func newSchema(tool props.Tool, now time.Time) (Schema, error) {
	config := &tool.Telemetry
	if err := checkDeclared(config); err != nil {
		return Schema{}, err
	}
	if err := checkController(config); err != nil {
		return Schema{}, err
	}
	s := Schema{
		At: now, Tool: tool.Name, NoticeVersion: config.NoticeVersion, Declared: declares(config),
		Controller: controller(config),
		AnyKey:     !declares(config) && config.MetadataKeys == nil,
	}
	if config.SampleRate > 1 {
		s.SampleRate = config.SampleRate
	}
	s.Metadata = schemaFields(config.Fields)
	for _, key := range undeclaredKeys(config) {
		// Of a key that the author named in MetadataKeys, the name is scrubbed too.
		key = newMetadataKey(key).name
		s.Metadata = append(s.Metadata, SchemaField{Name: key, Type: string(props.KindText), MaxBytes: maxValue, Present: "if set"})
	}
	s.Events = schemaEvents(config)
	for _, f := range builtInFields {
		switch f.Name {
		case "args", "error":
			if !config.ExtendedCollection {
				continue
			}
		case "type":
			if s.Declared {
				f.Type, f.MaxBytes = string(props.KindOneOf), 0
				for _, e := range s.Events {
					f.Values = append(f.Values, e.Type)
				}
			}
		case "error_class":
			for _, class := range append(props.ErrorClasses(), config.ErrorClasses...) {
				f.Values = append(f.Values, string(class))
			}
		case "ci_provider":
			f.Values = consent.CIProviders()
		case "agent":
			f.Values = consent.Agents()
		}
		s.Fields = append(s.Fields, f)
	}
	return s, nil
}

// undeclaredKeys are the keys that are known where nothing is declared.
func undeclaredKeys(config *props.TelemetryConfig) []string {
	if declares(config) {
		return nil
	}
	keys := slices.AppendSeq(slices.Clone(config.MetadataKeys), maps.Keys(config.Metadata))
	slices.Sort(keys)
	return slices.Compact(keys)
}

// schemaEvents lists the types that every tool shares, the author's own, and ours.
func schemaEvents(config *props.TelemetryConfig) []SchemaEvent {
	declared := func(t props.EventType) (e SchemaEvent) {
		s := newSpec(config, t)
		return SchemaEvent{
			Type: string(t), Purpose: s.Purpose, Own: !isShared(t), Names: s.Names, AnyName: s.anyName, Folded: folds(config, t),
			Fields: schemaFields(s.Fields), Since: s.Since, Until: s.Until,
		}
	}
	var events []SchemaEvent
	for _, t := range sharedTypes {
		e := declared(t)
		if e.Purpose == "" {
			e.Purpose = sharedPurpose(t)
		}
		events = append(events, e)
	}
	for _, e := range config.Events {
		if !isShared(e.Type) {
			events = append(events, declared(e.Type))
		}
	}
	return append(events,
		SchemaEvent{
			Type: string(props.EventDeletionRequest), Names: []string{"deletion_request"}, Bare: true,
			Purpose: "the person asked for their data to be deleted",
			Fields: []SchemaField{{Name: deletion.KeyField, Type: string(props.KindText), Present: Always,
				Purpose: "proves who asks"}},
		},
		SchemaEvent{
			Type: string(props.EventLoss), Names: spool.LossReasons(), Bare: true,
			Purpose: "events were lost, for the reason that is its name",
			Fields:  []SchemaField{{Name: "count", Type: string(props.KindNumber), Present: Always, Purpose: "how many"}},
		},
		SchemaEvent{
			Type: string(props.EventCheck), Names: []string{"check"}, Bare: true,
			Purpose: "the tool's author looked what the receiver answers",
		})
}

func schemaFields(fields []props.Field) []SchemaField {
	var list []SchemaField
	for _, f := range fields {
		s := SchemaField{
			Name: f.Name, Type: string(f.Type.Kind), Values: f.Type.Values, Purpose: f.Purpose, Present: "if set",
			Since: f.Since, Until: f.Until,
		}
		switch f.Type.Kind {
		case props.KindBuckets:
			s.Values = bucketLabels(f.Type.Bounds)
		case props.KindText:
			s.MaxBytes = maxShort
		}
		list = append(list, s)
	}
	return list
}
