package coretest

import (
	"testing"
	"time"
)

// CheckUnreached is Check that does not wait long for a request which cannot come.
func (e Exit) CheckUnreached(t testing.TB) {
	t.Helper()
	e.check(t, time.Millisecond)
}
