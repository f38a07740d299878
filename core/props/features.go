package props

import "maps"

// Feature names an optional part of a tool.
type Feature string

// TelemetryCmd is telemetry as a whole: the `telemetry` commands, the question and
// the collector. It is off unless the author enables it.
const TelemetryCmd Feature = "telemetry"

// Features is the set of a tool's optional parts. The zero value has none of them.
type Features struct{ on map[Feature]bool }

// FeatureState turns one feature on or off; see Enable and Disable.
type FeatureState func(map[Feature]bool)

// SetFeatures returns the set that the given states make, the last one winning.
func SetFeatures(states ...FeatureState) Features {
	on := map[Feature]bool{}
	for _, set := range states {
		set(on)
	}
	return Features{on}
}

// Enable turns a feature on.
func Enable(f Feature) FeatureState { return func(on map[Feature]bool) { on[f] = true } }

// Disable turns a feature off.
func Disable(f Feature) FeatureState { return func(on map[Feature]bool) { on[f] = false } }

// Enabled reports whether a feature is on.
func (f Features) Enabled(name Feature) bool { return f.on[name] }

// Says reports whether a feature was turned on or off, and not merely left out.
func (f Features) Says(name Feature) bool {
	_, said := f.on[name]
	return said
}

// With returns a copy in which the given states hold as well.
func (f Features) With(states ...FeatureState) Features {
	on := maps.Clone(f.on)
	if on == nil {
		on = map[Feature]bool{}
	}
	for _, set := range states {
		set(on)
	}
	return Features{on}
}
