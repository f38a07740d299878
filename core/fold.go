package core

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gotoolbase/telemetry/core/props"
)

// folds reports whether events of a type are recorded as records that the sender adds up.
func (in *installation) folds(kind props.EventType) bool { return folds(&in.tool.Telemetry, kind) }

func folds(config *props.TelemetryConfig, kind props.EventType) bool {
	return config.Fold && kind == props.EventCommandInvocation ||
		slices.ContainsFunc(config.Events, func(e props.EventSpec) bool { return e.Fold && e.Type == kind })
}

// sampleRate returns of how many runs one records events of a type: 1 for what is about
// telemetry itself.
func (in *installation) sampleRate(kind props.EventType) int {
	if kind == props.EventDeletionRequest || strings.HasPrefix(string(kind), "telemetry.") {
		return 1
	}
	return in.tool.Telemetry.SampleRate
}

// isSampled reports whether a run is the one in rate that is recorded. Its ID decides: so the
// run is recorded whole or not at all, and with it the children that were handed the ID.
func isSampled(runID string, rate int) bool {
	random, err := strconv.ParseUint(runID[len(runID)-12:], 16, 64) // of a version 7 UUID these are
	return err != nil || random%uint64(rate) == 0
}
