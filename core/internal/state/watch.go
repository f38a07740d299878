package state

import (
	"os"
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

// TryLockBriefly is TryLock for a command's own path: a lock that takes long is as good as
// none, so the error is ErrNoLocks then, and the lock is given back when it comes.
func (d Dir) TryLockBriefly(name string) (*Lock, error) {
	var watch Watch
	var lock *Lock
	var err error
	done := make(chan struct{})
	go func() {
		var f *os.File
		if f, err = OpenExclusiveWatched(d.Join(name), &watch); err == nil {
			lock = &Lock{f}
		}
		close(done)
	}()
	if watch.Wait(done) {
		return lock, err
	}
	go func() {
		if <-done; lock != nil {
			lock.Unlock()
		}
	}()
	return nil, ErrNoLocks
}

// UnlockBriefly releases a lock that TryLockBriefly took, and does not wait for that.
func (l *Lock) UnlockBriefly() {
	var watch Watch
	done := make(chan struct{})
	go func() {
		_ = CloseExclusiveWatched(l.f, &watch)
		close(done)
	}()
	watch.Wait(done)
}

// Wait returns true when done is closed, and false as soon as the call that is to close it is
// stuck: for LockPatience in the same lock. That is counted in turns of the caller's own,
// since a machine that is too busy to let the call go on holds up the caller as well.
func (w *Watch) Wait(done <-chan struct{}) bool {
	const turns = 4
	turn := time.NewTicker(LockPatience / turns)
	defer turn.Stop()
	var lock int64
	seen := 0
	for {
		select {
		case <-done:
			return true
		case <-turn.C:
			switch since := w.since.Load(); {
			case since == 0 || since != lock:
				lock, seen = since, 1
			default:
				seen++
			}
			if lock != 0 && seen >= turns {
				return false
			}
		}
	}
}
