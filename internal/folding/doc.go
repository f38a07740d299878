// Package folding holds no code: its tests let eight processes make ten thousand calls of a
// tool, with and without Telemetry.Fold, and hold what arrives to what was called. `make fold`
// prints what that cost each time: events and bytes on the wire, background processes, and
// what a command waited for.
package folding
