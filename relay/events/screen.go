//go:build !notelemetry

package events

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

const (
	// maxAhead is how far clocks of machines that ask nobody for the time are commonly off. What
	// lies further ahead gets the time at which it came in, as a tool does it that notices.
	maxAhead = 2 * time.Minute
	// maxPast is how far back an event may lie: tools keep them 30 days unless their author
	// says longer. What is older comes from a clock that was reset, and would stand in reports
	// of years that are over.
	maxPast = 100 * 24 * time.Hour
	// maxPlatform bounds names of versions.
	maxPlatform = 128
	// maxDuration is ten years in milliseconds, which no command has run for; sums of it over
	// all events that a database holds do not overflow.
	maxDuration = 10 * 366 * 24 * 60 * 60 * 1000
	// The rest are the collector's own caps.
	maxName     = 256
	maxError    = 512
	maxFlags    = 32
	maxFlag     = 64
	maxMetadata = 32
	maxKey      = 64
	maxValue    = 1024
)

// maxArguments bounds a command line, which no shell lets be larger.
const maxArguments = 32 << 10

// finding is what the firewall finds wrong, as a word of metrics.
type finding string

// With these an event is refused for good.
const (
	refusedForm    finding = "form"       // a field is of another kind than the field is
	refusedSize    finding = "size"       // it is larger than vendors take
	refusedType    finding = "type"       // it is of a type that is not declared
	refusedMachine finding = "machine_id" // its machine ID is none
	refusedPast    finding = "time_past"
	refusedDeleted finding = "deleted" // the machine's data was deleted
)

// These are mended, and counted in the event's Truncated.
const (
	droppedField finding = "field" // no event has it, or the tool does not declare it
	droppedName  finding = "name"
	droppedKey   finding = "metadata_key"
	droppedValue finding = "metadata_value"
	cutText      finding = "text"
	droppedWord  finding = "word"
	movedTime    finding = "time_ahead"
)

// contract is what the events of a tool may hold.
type contract struct {
	declared, anyKey bool
	// args and errorText say that the author collects them.
	args, errorText bool
	classes         []string // nil: any word
	metadata        map[string]core.SchemaField
	events          map[string]*eventContract
	past            time.Duration
}

type eventContract struct {
	core.SchemaEvent
	fields map[string]core.SchemaField
}

// newContract reads a tool's declaration. Without one, all that stands in an event is what the
// closed list of driver.Event has, with any type, name and metadata.
func newContract(name string, declared *props.Tool) (*contract, error) {
	tool := props.Tool{Name: name, Telemetry: props.TelemetryConfig{ExtendedCollection: true}}
	if declared != nil {
		tool = *declared
	}
	schema, err := core.NewSchema(tool)
	if err != nil {
		return nil, err
	}
	c := &contract{
		declared: schema.Declared, anyKey: schema.AnyKey,
		metadata: byName(schema.Metadata), events: map[string]*eventContract{},
		past: max(maxPast, tool.Telemetry.MaxEventAge),
	}
	for _, f := range schema.Fields {
		switch f.Name {
		case "args":
			c.args = true
		case "error":
			c.errorText = true
		case "error_class":
			if declared != nil {
				c.classes = f.Values
			}
		}
	}
	for _, e := range schema.Events {
		c.events[e.Type] = &eventContract{e, byName(e.Fields)}
	}
	return c, nil
}

func byName(fields []core.SchemaField) map[string]core.SchemaField {
	all := map[string]core.SchemaField{}
	for _, f := range fields {
		all[f.Name] = f
	}
	return all
}

// screening looks at the events of one request.
type screening struct {
	*contract
	now   time.Time
	found func(finding)
}

// screen mends an event, and says why it is refused: empty if it is not.
func (s screening) screen(r *received) finding {
	e := &r.event
	switch {
	case r.bytes > maxEventBytes:
		return refusedSize
	case r.malformed || e.Type == "" || len(e.Type) > maxName || e.Time.IsZero():
		return refusedForm
	case !countsAdd(e):
		return refusedForm
	case e.MachineID != "" && !isID(e.MachineID):
		return refusedMachine
	case s.now.Sub(e.Time) > s.past:
		return refusedPast
	}
	cut := 0
	mend := func(f finding) {
		s.found(f)
		cut++
	}
	for range r.unknown {
		mend(droppedField)
	}
	day := e.Time.Format(time.DateOnly)
	declared := s.events[e.Type]
	if s.declared && (declared == nil || ended(declared.Until, day)) {
		return refusedType
	}
	if e.Time.Sub(s.now) > maxAhead {
		s.found(movedTime)
		e.Time, e.TimeAdjusted = s.now.UTC().Truncate(time.Millisecond), true
	}
	if declared != nil && !declared.AnyName && e.Name != "" && !slices.Contains(declared.Names, e.Name) {
		mend(droppedName)
		e.Name = ""
	}
	s.extended(e, mend)
	for _, text := range []struct {
		at    *string
		limit int
	}{
		{&e.Type, maxName}, {&e.Name, maxName}, {&e.Version, maxName}, {&e.OSVersion, maxPlatform}, {&e.GoVersion, maxPlatform},
	} {
		if cutTo(text.at, text.limit) {
			mend(cutText)
		}
	}
	for _, word := range []struct {
		at   *string
		list map[string]bool
	}{
		{&e.OS, systems}, {&e.Arch, processors}, {&e.CIProvider, ciProviders}, {&e.Agent, agents},
	} {
		if *word.at != "" && !word.list[*word.at] {
			mend(droppedWord)
			*word.at = otherWord
		}
	}
	for _, form := range []struct {
		at   *string
		keep func(string) string
	}{
		{&e.OSVersion, systemVersion.FindString}, {&e.GoVersion, goVersion.FindString}, {&e.Version, toolVersion.FindString},
	} {
		if kept := form.keep(*form.at); kept != *form.at {
			mend(droppedWord)
			*form.at = kept
		}
	}
	if e.ErrorClass != "" && (s.classes != nil && !slices.Contains(s.classes, e.ErrorClass) || !isWord(e.ErrorClass, maxKey)) {
		mend(droppedWord)
		e.ErrorClass = string(props.ErrorOther)
	}
	if e.RunID != "" && !isUUID(e.RunID) {
		mend(droppedWord)
		e.RunID = ""
	}
	if e.ConsentID != "" && !isID(e.ConsentID) {
		mend(droppedWord)
		e.ConsentID = ""
	}
	if buckets := len(driver.DurationBounds()) + 1; len(e.Durations) > buckets {
		mend(droppedField)
		e.Durations = nil
	}
	s.pairs(e, declared, day, mend)
	e.Truncated += cut
	return ""
}

// extended looks at what the author has to allow, and at flags.
func (s screening) extended(e *driver.Event, mend func(finding)) {
	if len(e.Args) > 0 && !s.args {
		mend(droppedField)
		e.Args = nil
	}
	if e.Error != "" && !s.errorText {
		mend(droppedField)
		e.Error = ""
	}
	if cutTo(&e.Error, maxError) {
		mend(cutText)
	}
	room := maxArguments
	for i := range e.Args {
		if cutTo(&e.Args[i], room) {
			mend(cutText)
		}
		room -= len(e.Args[i])
	}
	if len(e.Flags) > maxFlags {
		mend(droppedField)
		e.Flags = e.Flags[:maxFlags]
	}
	e.Flags = slices.DeleteFunc(e.Flags, func(name string) bool {
		if isFlagName(name) {
			return false
		}
		mend(droppedWord)
		return true
	})
	for i := range e.Flags {
		if cutTo(&e.Flags[i], maxFlag) {
			mend(cutText)
		}
	}
}

// pairs looks at an event's metadata.
func (s screening) pairs(e *driver.Event, declared *eventContract, day string, mend func(finding)) {
	kept := 0
	for key, value := range e.Metadata {
		field, known := s.field(declared, key)
		switch {
		case !known || ended(field.Until, day) || kept == maxMetadata:
			mend(droppedKey)
			delete(e.Metadata, key)
			continue
		case field.Type == string(props.KindText):
			limit := field.MaxBytes
			if limit == 0 {
				limit = maxValue
			}
			if cutTo(&value, limit) {
				mend(cutText)
			}
			e.Metadata[key] = value
		case !field.Holds(value):
			mend(droppedValue)
			delete(e.Metadata, key)
			continue
		}
		kept++
	}
	if kept == 0 {
		e.Metadata = nil
	}
}

// field returns what is declared of a key of metadata.
func (s screening) field(declared *eventContract, key string) (field core.SchemaField, known bool) {
	if declared != nil {
		if field, known = declared.fields[key]; known || declared.Bare {
			return field, known
		}
	}
	if field, known = s.metadata[key]; known {
		return field, true
	}
	return core.SchemaField{Type: string(props.KindText), MaxBytes: maxValue},
		s.anyKey && len(key) <= maxKey && cleaned(key) == key
}

// ended reports whether a day is after the last one on which something is recorded.
func ended(until, day string) bool { return until != "" && day > until }

// cutTo makes a text of one that may be none, and cuts it. It reports whether it was too long.
func cutTo(text *string, limit int) bool {
	*text = cleaned(*text)
	if len(*text) <= limit {
		return false
	}
	limit = max(limit, 0)
	for limit > 0 && !utf8.RuneStart((*text)[limit]) {
		limit--
	}
	*text = (*text)[:limit]
	return true
}

// cleaned replaces what no database keeps in a text.
func cleaned(text string) string {
	if utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 {
		return text
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "\ufffd")
}

// isWord reports whether s is what programs call things.
func isWord(s string, most int) bool {
	if len(s) > most {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return true
}
