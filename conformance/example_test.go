package conformance_test

import (
	"fmt"
	"testing"

	"github.com/gotoolbase/telemetry/backends/noop"
	"github.com/gotoolbase/telemetry/conformance"
)

// In a test, t is the test's own.
var t *testing.T

// A backend is held to the contract by one test. A vendor's also says what its documentation does:
// what each status means, and how a request is read.
func ExampleRun() {
	conformance.Run(t, conformance.Subject{Driver: noop.Driver(), Discards: true})
}

// The clauses of the contract are data, for a report or a page.
func ExampleChecks() {
	first := conformance.Checks()[0]
	fmt.Println(first.ID, first.Level)
	// Output: driver/described must
}
