package core

import (
	"slices"
	"strings"

	"github.com/gotoolbase/telemetry/core/props"
)

// declares reports whether the author declares what events may hold.
func declares(config *props.TelemetryConfig) bool {
	return config.Events != nil || config.Fields != nil
}

// sharedTypes are the event types that every tool shares, and that an author may declare
// something of.
var sharedTypes = []props.EventType{
	props.EventCommandInvocation, props.EventCommandError, props.EventFeatureUsed, props.EventUpdateCheck, props.EventUpdateApplied,
}

func isShared(t props.EventType) bool { return slices.Contains(sharedTypes, t) }

// isOurs reports whether a type is the collector's: its content is not the author's to
// declare.
func isOurs(t props.EventType) bool {
	return t == props.EventDeletionRequest || strings.HasPrefix(string(t), "telemetry.")
}

// spec is a declaration of one type of event, made ready for Track.
type spec struct {
	props.EventSpec
	anyName bool
	fields  map[string]*field // by name, those of every event included
}

// field is one of its fields.
type field struct {
	props.Field
	key    *metadataKey
	labels []string // of its buckets
}

// newSpec returns what is declared of a type, nil if it is not.
func newSpec(config *props.TelemetryConfig, t props.EventType) *spec {
	s := &spec{EventSpec: props.EventSpec{Type: t}, fields: map[string]*field{}}
	i := slices.IndexFunc(config.Events, func(e props.EventSpec) bool { return e.Type == t })
	switch {
	case i >= 0:
		s.EventSpec = config.Events[i]
	case !isShared(t):
		return nil
	}
	s.anyName = isShared(t) && s.Names == nil
	for _, list := range [][]props.Field{config.Fields, s.Fields} {
		for _, f := range list {
			s.fields[f.Name] = &field{Field: f, key: declaredKey(f.Name), labels: bucketLabels(f.Type.Bounds)}
		}
	}
	return s
}

// spec returns what is declared of an event's type, nil if it is not or no longer. today
// is a date as in Until.
func (c *Collector) spec(t props.EventType, today string) *spec {
	s, known := c.specs[t]
	if !known {
		if s = newSpec(&c.in.tool.Telemetry, t); s == nil {
			return nil // not kept: a caller may make up any number of types
		}
		c.specs[t] = s
	}
	if expired(s.Until, today) {
		return nil
	}
	return s
}

func expired(until, today string) bool { return until != "" && today > until }

// keepName returns the name that an event may have.
func (s *spec) keepName(name string, count *tally) string {
	switch {
	case s.anyName:
		return count.scrubbed(name, maxName)
	case name != "" && !slices.Contains(s.Names, name):
		count.cut++
		return ""
	}
	return name
}

// putDeclared puts into the encoder what of the pairs is declared.
func (c *Collector) putDeclared(s *spec, today string, pairs map[string]string, count *tally) {
	for name, value := range pairs {
		f := s.fields[name]
		if f == nil || expired(f.Until, today) {
			count.cut++
			continue
		}
		kept, ok := f.kept(value)
		if !ok {
			count.cut++
			continue
		}
		p := pair{key: f.key, value: kept}
		if f.Type.Kind == props.KindText {
			p = c.shortPair(f.key, value)
		}
		c.encoder.put(p) // there is room: no more fields are declared than fit
	}
}

// shortPair returns a pair of a key that the author named: only what its value is decides
// whether that is kept, not what the key may mean.
func (c *Collector) shortPair(key *metadataKey, value string) pair {
	if _, ok := number(value); ok || isUUID(value) {
		return pair{key: key, value: value}
	}
	return c.scrubbedPair(key, value, maxShort)
}
