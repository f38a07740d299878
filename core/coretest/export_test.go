package coretest

import (
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// GoldenContent is what Golden writes.
func GoldenContent(t testing.TB, events []driver.Event) []byte {
	t.Helper()
	content, err := golden(events)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// CheckUnreached is Check that does not wait long for a request which cannot come.
func (e Exit) CheckUnreached(t testing.TB) {
	t.Helper()
	e.check(t, time.Millisecond)
}
