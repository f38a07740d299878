package spool

import (
	"errors"
	"io/fs"
	"os"

	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// Probe returns why a command that records now under a receipt could not store every event,
// nil if it can. may says that it can store some all the same: there is a slot to add to, where
// no other can be made or the disk is full. It tries what Writer does, as far as that leaves
// nothing behind, and takes the lock of each slot for a moment, as Held does.
func (q *Queue) Probe(receipt string) (may bool, err error) {
	folder := state.At(q.path())
	err = folder.CheckFolder()
	if errors.Is(err, fs.ErrNotExist) {
		err = q.Dir.Probe() // it is made with the first event
		return err == nil, err
	}
	if err != nil {
		return false, err
	}
	more := folder.Probe()
	slots, size := q.shares()
	oldest := false // one that is full, or of another receipt, would make room
	for i := range slots {
		path := q.slotPath(slotName(i))
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return more == nil, more
		case err != nil:
			return false, plaintext.Bare(err)
		case info.Size() >= size && !q.expired(info.ModTime()):
			oldest = true
			continue
		}
		same, err := q.sameReceipt(path, receipt)
		switch {
		case errors.Is(err, state.ErrBusy), errors.Is(err, state.ErrUnsafe), errors.Is(err, state.ErrForeign):
		case err != nil:
			return false, err
		case !same:
			oldest = true
		default:
			// A disk that has no block for a file has none for an empty slot; a slot that holds
			// something may have room in its last one.
			full := more != nil && !errors.Is(more, fs.ErrPermission)
			return !full || info.Size() > 0, more
		}
	}
	if !oldest {
		return false, ErrFull
	}
	return true, more
}

// sameReceipt reports whether a slot may be added to under a receipt. The error says that it
// cannot be opened for that.
func (q *Queue) sameReceipt(path, receipt string) (bool, error) {
	f, err := state.OpenExclusive(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = state.CloseExclusive(f) }()
	head := make([]byte, headBytes)
	if n, _ := f.ReadAt(head, 0); n < headBytes {
		return true, nil // empty, or with a head that was cut, which is written again
	}
	id, ok := headReceipt(head)
	return ok && id == receipt, nil
}
