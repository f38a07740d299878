//go:build linux

package torture

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A sender that stands still while a reset is made, for longer than that waits for it, leaves
// nothing behind of what was before when it goes on.
func TestASenderThatStandsStillBringsNothingBackThatAResetErased(t *testing.T) {
	t.Parallel()
	const calls, step = 240, 8 // of a sender that are stopped before; a reset that gives up waiting takes seconds
	const secret = "canary"
	written := make(chan int, calls)
	t.Run("calls", func(t *testing.T) {
		for n := 1; n <= calls; n += step {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				s, _ := calm(t)
				s.mustEnable(t, false)
				s.run(abandoning(secret, 3))
				sender := sending("v")
				sender.under, sender.patient = stallBefore(n), true
				sender.meanwhile = func() {
					written <- n
					s.run(answering("reset", toReset))
				}
				s.run(sender)
				s.awaitEnd()
				for _, name := range []string{"sent.log", "sent.log.head", "delivery"} {
					content, err := os.ReadFile(filepath.Join(s.dir, name))
					if err != nil && !errors.Is(err, fs.ErrNotExist) {
						t.Error(err)
					}
					if bytes.Contains(content, []byte(secret)) {
						t.Errorf("before call %d: %s holds an event of before the reset", n, name)
					}
				}
				if log, err := s.manager("v").Sent(time.Time{}); err != nil || log.Mismatch != nil {
					t.Errorf("before call %d: the log does not fit: %+v (%v)", n, log.Mismatch, err)
				}
			})
		}
	})
	if len(written) < 10 {
		t.Errorf("the sender stood still at %d of its calls: they are others now", len(written))
	}
}
