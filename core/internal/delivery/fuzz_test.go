package delivery_test

import (
	"os"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

// Whatever the notes say, nothing is counted below zero, and no pause is longer than any that is
// set.
func FuzzReadNotes(f *testing.F) {
	f.Add([]byte("format=1\ndelivered=5\nlost=7\nlost_withdrawn=3\nreported_withdrawn=1\nlast_attempt=2026-11-22T12:00:00Z\nwait_until=2026-11-22T13:00:00Z\nproblem=x\n.\n"), int64(0))
	f.Add([]byte("format=1\ndelivered=9223372036854775807\nlost_a=9223372036854775807\nlost_b=9223372036854775807\nlost=1\n.\n"), int64(0))
	f.Add([]byte("format=1\ndelivered=9223372036854775807\n.\n"), int64(-5))
	f.Add([]byte("format=1\nwait_until=9999-12-31T23:59:59Z\npaced_until=9999-12-31T23:59:59Z\nfailures=-1\n.\n"), int64(0))
	f.Add([]byte{}, int64(-5))
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, content []byte, modified int64) {
		dir := state.At(t.TempDir())
		if err := os.WriteFile(dir.Join("delivery"), content, 0o600); err != nil { // and wait for no disk
			t.Fatal(err)
		}
		if at := time.Unix(modified%1e9, 0); modified != 0 {
			if err := os.Chtimes(dir.Join("delivery"), at, at); err != nil {
				t.Skip("this file system has no such time")
			}
		}
		var n delivery.Notes
		// The file is read whole, cut into lines and made a map, and its counts others.
		fuzzing.Allocs(t, len(content), 64<<10, 160, func() { n = delivery.ReadNotes(dir) })
		for _, count := range []int{n.Delivered, n.Stayed, n.Failures, n.Batch, n.Unnoted, n.Paced} {
			if count < 0 {
				t.Errorf("%+v", n)
			}
		}
		for _, counts := range []map[string]int{n.Lost, n.Reported, n.Warned} {
			for _, count := range counts {
				if count < 0 {
					t.Errorf("%+v", n)
				}
			}
		}
		if n.Waits(now) && n.WaitUntil.Sub(now) > 48*time.Hour {
			t.Errorf("it waits until %v", n.WaitUntil)
		}
		if n.Paces(now) && n.PacedUntil.Sub(now) > time.Hour {
			t.Errorf("it paces until %v", n.PacedUntil)
		}
	})
}
