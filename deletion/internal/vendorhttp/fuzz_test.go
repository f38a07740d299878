//go:build !notelemetry

package vendorhttp

import (
	"testing"
	"time"
)

// Whatever a receipt's ID is: what is read as a look is what Looked would write.
func FuzzLookedAt(f *testing.F) {
	for _, id := range []string{Looked(time.Unix(1770120000, 0)), "nothing-", "nothing-20260203T040506", "R-1", "nothing-99991231T235959Z", "nothing-00000101T000000Z"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		at, ok := LookedAt(id)
		if !ok && !at.IsZero() {
			t.Errorf("%q was looked at %v and is no look", id, at)
		}
		if !at.IsZero() && Looked(at) != id {
			t.Errorf("%q is %v, which is %q", id, at, Looked(at))
		}
	})
}
