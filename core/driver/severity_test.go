package driver_test

import (
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

func TestTheSeverityFollowsTheOutcome(t *testing.T) {
	t.Parallel()
	code := func(n int) *int { return &n }
	const info, warn, failure = driver.SeverityInfo, driver.SeverityWarn, driver.SeverityError
	for name, tt := range map[string]struct {
		event driver.Event
		want  driver.Severity
	}{
		"nothing":                  {driver.Event{}, info},
		"a success":                {driver.Event{Type: string(props.EventCommandInvocation), ExitCode: code(0)}, info},
		"a feature":                {driver.Event{Type: string(props.EventFeatureUsed)}, info},
		"a deletion request":       {driver.Event{Type: string(props.EventDeletionRequest)}, info},
		"an exit code":             {driver.Event{ExitCode: code(3)}, failure},
		"a negative exit code":     {driver.Event{ExitCode: code(-1)}, failure},
		"a text":                   {driver.Event{Error: "no such remote"}, failure},
		"a class without a code":   {driver.Event{ErrorClass: "quota_exceeded"}, failure},
		"an error event":           {driver.Event{Type: string(props.EventCommandError)}, failure},
		"failures that are folded": {driver.Event{Count: 5, Failures: 1}, failure},
		"successes":                {driver.Event{Count: 5}, info},
		"an interruption":          {driver.Event{ErrorClass: string(props.ErrorInterrupted), ExitCode: code(130), Error: "context canceled"}, info},
		"many interruptions":       {driver.Event{ErrorClass: string(props.ErrorInterrupted), Count: 5, Failures: 5}, info},
		"an end that nobody saw":   {driver.Event{ErrorClass: string(props.ErrorUnrecorded)}, warn},
		"a loss":                   {driver.Event{Type: string(props.EventLoss)}, warn},
	} {
		if got := tt.event.Severity(); got != tt.want {
			t.Errorf("%s: severity %d, want %d", name, got, tt.want)
		}
	}
}

func TestEverySharedClassIsAFailureButTwo(t *testing.T) {
	t.Parallel()
	others := map[props.ErrorClass]driver.Severity{props.ErrorInterrupted: driver.SeverityInfo, props.ErrorUnrecorded: driver.SeverityWarn}
	for _, class := range props.ErrorClasses() {
		want, special := others[class]
		if !special {
			want = driver.SeverityError
		}
		if got := (&driver.Event{ErrorClass: string(class)}).Severity(); got != want {
			t.Errorf("%s: severity %d, want %d", class, got, want)
		}
	}
}
