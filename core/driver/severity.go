package driver

// Severity is how much attention an event deserves, for vendors that have a place for it.
type Severity int

// The severities. Vendors spell them in ways of their own.
const (
	SeverityInfo Severity = iota
	// SeverityWarn is that of what has no known outcome, and of lost events.
	SeverityWarn
	// SeverityError is that of a failure.
	SeverityError
)

// Severity reads an event's outcome. A command that a person interrupted has not failed,
// whatever its exit code; one that ended unrecorded may have done its work.
func (e *Event) Severity() Severity {
	switch {
	case e.ErrorClass == "interrupted":
		return SeverityInfo
	case e.ErrorClass == "ended_unrecorded", e.Type == "telemetry.loss":
		return SeverityWarn
	case e.ErrorClass != "", e.Error != "", e.ExitCode != nil && *e.ExitCode != 0, e.Failures > 0, e.Type == "command.error":
		return SeverityError
	}
	return SeverityInfo
}
