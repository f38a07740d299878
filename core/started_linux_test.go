package core_test

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// Locks that are slow, as across a network, or missing.
func TestWithoutGoodLocksACommandIsNotNotedAndWaitsForNothing(t *testing.T) {
	t.Parallel()
	traced := []string{"strace", "-f", "-o", os.DevNull, "-e", "trace=flock"}
	if err := exec.Command(traced[0], append(slices.Clone(traced[1:]), "-e", "inject=flock:error=ENOLCK", "true")...).Run(); err != nil {
		t.Skip("needs strace, and to be allowed to use it: ", err)
	}
	in := newIntake(t)
	run := func(t *testing.T, traced []string) (took time.Duration, noted int) {
		t.Helper()
		dir := said(t, in.URL)
		notDue(t, dir)
		start := time.Now()
		r := startsUnder(t, traced, dir, in.URL, endsWell)
		noted = holding(t, dir, "ended_unrecorded")
		r.goes()
		r.says("ended")
		return time.Since(start), noted
	}
	whole, noted := run(t, traced)
	if noted != 1 {
		t.Fatalf("with good locks %d files hold a start", noted)
	}
	for _, what := range []string{"delay_enter=2000000", "error=ENOLCK"} {
		took, noted := run(t, append(slices.Clone(traced), "-e", "inject=flock:"+what))
		if more := took - whole; more > 500*time.Millisecond || noted != 0 {
			t.Errorf("%s: %v more, %d files hold a start", what, more, noted)
		}
	}
}
