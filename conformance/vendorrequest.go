package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// requestForm says how a vendor reads a request.
type requestForm struct {
	method, path string // empty: any
	headers      map[string]string
	// rows says that the body is a row of JSON values, one an event, and no list.
	rows   bool
	events jsonPath // of the list within the body, empty where it is the body itself
	fixed  []constant
	fields map[string]field
	noIP   *constant // that switches off the storage of the sender's address
}

// jsonPath is the way to a value: names of members, or numbers of items from 0.
type jsonPath []string

func (p jsonPath) String() string { return strings.Join(p, ".") }

// in returns the value at a place, nil if there is none.
func (p jsonPath) in(v any) any {
	for _, step := range p {
		switch at := v.(type) {
		case map[string]any:
			v = at[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	return v
}

// field is where the vendor has one of our fields.
type field struct {
	at   jsonPath
	form string // of numbers and times, empty for the usual one
}

// constant is something that has the same value in every request.
type constant struct {
	// where is one of its three places.
	where inRequest
	at    jsonPath
	is    any // a text, a json.Number or a bool
}

type inRequest int

const (
	inBody inRequest = iota
	inEvent
	inHeader
)

// missing says which of the constant is not in a request.
func (c constant) missing(r Request, body any, events []any) error {
	switch c.where {
	case inHeader:
		if r.Header.Get(c.at.String()) != c.is {
			return fmt.Errorf("the header %s is not what it has to be", c.at)
		}
	case inEvent:
		for i, e := range events {
			if c.at.in(e) != c.is {
				return fmt.Errorf("event %d has another %s than %v", i+1, c.at, c.is)
			}
		}
	default:
		if c.at.in(body) != c.is {
			return fmt.Errorf("the body has another %s than %v", c.at, c.is)
		}
	}
	return nil
}

// decode reads a request.
func (f requestForm) decode(r Request) ([]Received, error) {
	if f.method != "" && r.Method != f.method {
		return nil, fmt.Errorf("the method is %s, not %s", r.Method, f.method)
	}
	if u, err := url.Parse(r.URL); f.path != "" && (err != nil || u.Path != f.path) {
		return nil, fmt.Errorf("the path is not %s", f.path)
	}
	for _, name := range slices.Sorted(maps.Keys(f.headers)) {
		if r.Header.Get(name) != f.headers[name] {
			return nil, fmt.Errorf("the header %s is not what it has to be", http.CanonicalHeaderKey(name))
		}
	}
	body, events, err := f.split(r)
	if err != nil {
		return nil, err
	}
	for _, c := range f.fixed {
		if err := c.missing(r, body, events); err != nil {
			return nil, err
		}
	}
	var list []Received
	for i, e := range events {
		received, err := f.event(e)
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", i+1, err)
		}
		list = append(list, received)
	}
	return list, nil
}

// switchedOff says why a request does not switch off the storage of the sender's address.
func (f requestForm) switchedOff(r Request) error {
	body, events, err := f.split(r)
	if err != nil {
		return err
	}
	return f.noIP.missing(r, body, events)
}

// split returns the body and the events in it. A body that is a row of values is nil.
func (f requestForm) split(r Request) (body any, events []any, err error) {
	values, err := jsonValues(r.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("the body is not JSON: %w", err)
	}
	if f.rows {
		return nil, values, nil
	}
	if len(values) != 1 {
		return nil, nil, fmt.Errorf("the body is %d JSON values, not one", len(values))
	}
	at := f.events.in(values[0])
	if events, ok := at.([]any); ok {
		return values[0], events, nil
	}
	if _, ok := at.(map[string]any); ok {
		return values[0], []any{at}, nil // one event, as vendors have it that take no batches
	}
	return nil, nil, fmt.Errorf("there is no list of events at %q", f.events)
}

// event reads one event.
func (f requestForm) event(v any) (r Received, err error) {
	if _, ok := v.(map[string]any); !ok {
		return r, errors.New("not an object")
	}
	for _, known := range eventFields() {
		at, used := f.fields[known.name]
		if !used {
			continue
		}
		value := at.at.in(v)
		if value == nil {
			continue // absent, or null
		}
		if err := known.read(&r, value, at.form); err != nil {
			return r, fmt.Errorf("%s: %w", at.at, err)
		}
	}
	return r, nil
}

// eventField is one of our fields.
type eventField struct {
	// name is its name in the canonical encoding, in that of Received.
	name, in string
	// forms are those in which a vendor may have it. The first is the usual one.
	forms []string
	read  func(r *Received, v any, form string) error
}

// eventFields are all of them, in the order of the canonical encoding.
func eventFields() []eventField {
	text := func(of func(*Received) *string) func(*Received, any, string) error {
		return func(r *Received, v any, _ string) (err error) {
			*of(r), err = asText(v)
			return err
		}
	}
	numbers, truths := []string{"number", "text"}, []string{"bool", "text"}
	count := func(of func(*Received) *int) func(*Received, any, string) error {
		return func(r *Received, v any, form string) error {
			n, err := asNumber(v, form)
			*of(r) = int(n)
			return err
		}
	}
	truth := func(of func(*Received) *bool) func(*Received, any, string) error {
		return func(r *Received, v any, form string) (err error) {
			*of(r), err = asTruth(v, form)
			return err
		}
	}
	return []eventField{
		{name: "id", in: "ID", read: text(func(r *Received) *string { return &r.ID })},
		{name: "type", in: "Type", read: text(func(r *Received) *string { return &r.Type })},
		{name: "name", in: "Name", read: text(func(r *Received) *string { return &r.Name })},
		{name: "timestamp", in: "Time", forms: []string{"rfc3339", "unix", "unix_ms", "unix_us", "unix_ns"}, read: readTime},
		{name: "duration_ms", in: "DurationMS", forms: numbers, read: func(r *Received, v any, form string) error {
			n, err := asNumber(v, form)
			r.DurationMS = &n
			return err
		}},
		{name: "exit_code", in: "ExitCode", forms: numbers, read: func(r *Received, v any, form string) error {
			n, err := asNumber(v, form)
			code := int(n)
			r.ExitCode = &code
			return err
		}},
		{name: "args", in: "Args", read: readTexts(func(r *Received) *[]string { return &r.Args })},
		{name: "flags", in: "Flags", read: readTexts(func(r *Received) *[]string { return &r.Flags })},
		{name: "error", in: "Error", read: text(func(r *Received) *string { return &r.Error })},
		{name: "error_class", in: "ErrorClass", read: text(func(r *Received) *string { return &r.ErrorClass })},
		{name: "tool_name", in: "Tool", read: text(func(r *Received) *string { return &r.Tool })},
		{name: "tool_version", in: "Version", read: text(func(r *Received) *string { return &r.Version })},
		{name: "os", in: "OS", read: text(func(r *Received) *string { return &r.OS })},
		{name: "arch", in: "Arch", read: text(func(r *Received) *string { return &r.Arch })},
		{name: "os_version", in: "OSVersion", read: text(func(r *Received) *string { return &r.OSVersion })},
		{name: "go_version", in: "GoVersion", read: text(func(r *Received) *string { return &r.GoVersion })},
		{name: "ci", in: "CI", forms: truths, read: truth(func(r *Received) *bool { return &r.CI })},
		{name: "ci_provider", in: "CIProvider", read: text(func(r *Received) *string { return &r.CIProvider })},
		{name: "interactive", in: "Interactive", forms: truths, read: truth(func(r *Received) *bool { return &r.Interactive })},
		{name: "agent", in: "Agent", read: text(func(r *Received) *string { return &r.Agent })},
		{name: "container", in: "Container", forms: truths, read: truth(func(r *Received) *bool { return &r.Container })},
		{name: "run_id", in: "RunID", read: text(func(r *Received) *string { return &r.RunID })},
		{name: "machine_id", in: "MachineID", read: text(func(r *Received) *string { return &r.MachineID })},
		{name: "consent_id", in: "ConsentID", read: text(func(r *Received) *string { return &r.ConsentID })},
		{name: "metadata", in: "Metadata", read: readMetadata},
		{name: "count", in: "Count", forms: numbers, read: count(func(r *Received) *int { return &r.Count })},
		{name: "failures", in: "Failures", forms: numbers, read: count(func(r *Received) *int { return &r.Failures })},
		{name: "durations", in: "Durations", forms: numbers, read: readCounts},
		{name: "sample_rate", in: "SampleRate", forms: numbers, read: count(func(r *Received) *int { return &r.SampleRate })},
		{name: "truncated", in: "Truncated", forms: numbers, read: count(func(r *Received) *int { return &r.Truncated })},
		{name: "redacted", in: "Redacted", forms: numbers, read: count(func(r *Received) *int { return &r.Redacted })},
		{name: "time_adjusted", in: "TimeAdjusted", forms: truths, read: truth(func(r *Received) *bool { return &r.TimeAdjusted })},
	}
}

func asText(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", errors.New("not a text")
	}
	return s, nil
}

// asNumber returns a whole number, which stands there as one or as a text.
func asNumber(v any, form string) (int64, error) {
	digits, ok := v.(json.Number)
	if form == "text" {
		var s string
		s, ok = v.(string)
		digits = json.Number(s)
	}
	if !ok {
		return 0, fmt.Errorf("not a number, as a %s", form)
	}
	n, err := digits.Int64()
	if err != nil {
		return 0, errors.New("not a whole number")
	}
	return n, nil
}

// asTruth returns a truth value, which stands there as one or as a text.
func asTruth(v any, form string) (bool, error) {
	truth, ok := v.(bool)
	if s, is := v.(string); is && form == "text" {
		truth, ok = s == "true", s == "true" || s == "false"
	}
	if !ok || form == "text" && v == any(truth) {
		return false, fmt.Errorf("neither true nor false, as a %s", form)
	}
	return truth, nil
}

func readCounts(r *Received, v any, form string) error {
	list, ok := v.([]any)
	if !ok {
		return errors.New("not a list")
	}
	for _, element := range list {
		n, err := asNumber(element, form)
		if err != nil {
			return err
		}
		r.Durations = append(r.Durations, int(n))
	}
	return nil
}

func readTime(r *Received, v any, form string) error {
	if form == "rfc3339" {
		s, err := asText(v)
		if err != nil {
			return err
		}
		if r.Time, err = time.Parse(time.RFC3339, s); err != nil {
			return errors.New("not a time as RFC 3339 has it")
		}
		return nil
	}
	digits, ok := v.(json.Number)
	if !ok {
		return errors.New("not a number")
	}
	if n, err := digits.Int64(); err == nil {
		switch form {
		case "unix_ms":
			r.Time = time.UnixMilli(n)
		case "unix_us":
			r.Time = time.UnixMicro(n)
		case "unix_ns":
			r.Time = time.Unix(0, n)
		default:
			r.Time = time.Unix(n, 0)
		}
		return nil
	}
	seconds, err := strconv.ParseFloat(string(digits), 64)
	if err != nil || form != "unix" {
		return errors.New("not a whole number")
	}
	r.Time = time.UnixMilli(int64(math.Round(seconds * 1000))) // what a float holds of today's times, and all that we have
	return nil
}

func readTexts(of func(*Received) *[]string) func(*Received, any, string) error {
	return func(r *Received, v any, _ string) error {
		list, ok := v.([]any)
		if !ok {
			return errors.New("not a list")
		}
		for _, item := range list {
			s, err := asText(item)
			if err != nil {
				return err
			}
			*of(r) = append(*of(r), s)
		}
		return nil
	}
}

func readMetadata(r *Received, v any, _ string) error {
	pairs, ok := v.(map[string]any)
	if !ok {
		return errors.New("not an object")
	}
	r.Metadata = map[string]string{}
	for key, value := range pairs {
		s, err := asText(value)
		if err != nil {
			return fmt.Errorf("a value is %w", err)
		}
		r.Metadata[key] = s
	}
	return nil
}
