//go:build linux

package torture

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A yes that stands still while it holds the lock, for longer than a no waits for that, does not
// replace the no when it goes on.
func TestAYesThatStandsStillWithTheLockDoesNotReplaceANo(t *testing.T) {
	t.Parallel()
	const calls, step = 160, 6 // of a yes that are stopped before; a no that gives up takes seconds
	held := make(chan int, calls)
	t.Run("calls", func(t *testing.T) {
		for n := 1; n <= calls; n += step {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				s, _ := calm(t)
				s.mustEnable(t, false)
				s.run(answering("first", toNo))
				yes := answering("v", toYes)
				yes.under, yes.patient = stallBefore(n), true
				locked := false
				yes.meanwhile = func() {
					locked = isLocked(t, filepath.Join(s.dir, "consent.lock"))
					s.run(answering("no", toNo))
				}
				s.run(yes)
				if !locked {
					return // it comes to its turn after the no, or is over
				}
				held <- n
				stored, err := os.ReadFile(filepath.Join(s.dir, "consent"))
				if err != nil || !bytes.Contains(stored, []byte("answer=no\n")) {
					t.Errorf("before call %d: stored is %q (%v), want the no", n, stored, err)
				}
			})
		}
	})
	if len(held) < 3 {
		t.Errorf("the yes held the lock at %d of its calls: they are others now", len(held))
	}
}

func isLocked(t *testing.T, path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil && err != syscall.EWOULDBLOCK {
		t.Error(err)
	}
	return err == syscall.EWOULDBLOCK
}
