package state

import (
	"sync/atomic"
	"time"
)

// LockPatience is what a command waits for a lock on its own path. Locks are never contended
// for there, so only a file system whose locks are slow, across a network, makes it wait:
// and a command must not be slower for telemetry.
const LockPatience = 20 * time.Millisecond

// Watch tells from another goroutine whether a call is stuck in the lock of a file. What
// else takes long, such as a busy machine, does not count: giving up then would lose events
// for nothing. The zero Watch is ready, a nil one sees nothing.
type Watch struct{ since atomic.Int64 }

func (w *Watch) begin() {
	if w != nil {
		w.since.Store(time.Now().UnixNano())
	}
}

func (w *Watch) end() {
	if w != nil {
		w.since.Store(0)
	}
}

// Stuck reports whether a lock has been waited for longer than LockPatience.
func (w *Watch) Stuck() bool {
	since := w.since.Load()
	return since != 0 && time.Now().UnixNano()-since > int64(LockPatience)
}

// Wait returns true when done is closed, and false as soon as the call that is to close it is
// stuck.
func (w *Watch) Wait(done <-chan struct{}) bool {
	timer := time.NewTimer(LockPatience)
	defer timer.Stop()
	for {
		select {
		case <-done:
			return true
		case <-timer.C:
			if w.Stuck() {
				return false
			}
			timer.Reset(LockPatience / 4)
		}
	}
}
