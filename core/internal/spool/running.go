package spool

import (
	"bytes"
	"errors"
	"os"

	"github.com/gotoolbase/telemetry/core/internal/record"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

const (
	runningSuffix = ".running"
	// maxRunningFiles is how many commands can run at once of which a later one will know that
	// they ended unrecorded. What is beyond that is lost to sight and nothing else.
	maxRunningFiles = 64
	// maxRunning holds some fifteen commands that ended unrecorded since a sender looked, and
	// any event but those with the largest metadata.
	maxRunning = 8 << 10
	// One part in runningShare of MaxBytes is for them. Where that is not even a slot, the
	// queue is too small to give any away.
	runningShare = 16
)

// runningFiles is how many such files there may be.
func (q *Queue) runningFiles() int {
	if q.MaxBytes < runningShare*minSlot {
		return 0
	}
	return int(min(q.MaxBytes/runningShare/maxRunning, maxRunningFiles))
}

func runningName(i int) string {
	return string([]byte{'0' + byte(i/10), '0' + byte(i%10)}) + runningSuffix
}

// Start takes a file for a command that begins now. What is appended to it is the event
// that Recover queues, should the process end before TakeBack. The file is held as long as
// the command runs, so it is none of the slots, which would be kept from the sender; and it
// is empty, if there is an empty one, so that few have to wait for a command to end before
// they are recovered. The error is ErrFull where no file is free.
func (q *Queue) Start(receipt string, room int) (*Writer, error) {
	if err := q.make(); err != nil {
		return nil, err
	}
	room += headBytes
	var inUse []string
	for i := range q.runningFiles() {
		path := q.slotPath(runningName(i))
		if info, err := os.Lstat(path); err == nil && info.Size() > 0 {
			if info.Size()+int64(room) <= maxRunning {
				inUse = append(inUse, path)
			}
			continue
		}
		if w, err := q.start(path, receipt, room); w != nil || err != nil {
			return w, err
		}
	}
	for _, path := range inUse {
		if w, err := q.start(path, receipt, room); w != nil || err != nil {
			return w, err
		}
	}
	return nil, ErrFull
}

// start takes one file. It returns nothing at all where that one is not to be had.
func (q *Queue) start(path, receipt string, room int) (*Writer, error) {
	f, err := state.OpenExclusiveWatched(path, q.Watch)
	if errors.Is(err, state.ErrBusy) || errors.Is(err, state.ErrUnsafe) || errors.Is(err, state.ErrForeign) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = state.CloseExclusive(f)
		return nil, plaintext.Bare(err)
	}
	if info.Size()+int64(room) > maxRunning { // filled since it was looked at, or it never fits
		_ = state.CloseExclusive(f)
		return nil, nil
	}
	w, err := openWriter(f, receipt, info.Size(), maxRunning)
	if errors.Is(err, errOther) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	w.started = info.Size()
	return w, nil
}

// orphans are the events of commands that ended without being recorded, in one file.
type orphans struct {
	f       *os.File
	receipt string
	lines   [][]byte
	ids     []string
}

// Recover queues the events of commands that ended without being recorded. Whether a
// command has ended is what the lock of its file tells, so one that runs is never meant,
// however long it does. Only one process may recover at a time.
//
// A process that is killed here may have queued an event and not emptied its file, and a
// command may have been recorded and not taken its start back. Both have the event in the
// queue under the same ID, and then it is not queued again.
//
// A line that is no event was torn when the power failed: it is not known what became of its
// command, so it is not counted as lost.
func (q *Queue) Recover() {
	names, err := q.list(running)
	if err != nil {
		return
	}
	var found []orphans
	wanted := map[string]bool{}
	for _, name := range names {
		f, err := state.OpenExclusive(q.slotPath(name))
		if err != nil {
			continue // the command runs
		}
		content, err := readSlot(f)
		if err != nil {
			_ = state.CloseExclusive(f)
			continue
		}
		claim := parseSlot(content)
		o := orphans{f: f, receipt: claim.Receipt}
		for _, entry := range claim.Entries {
			if e, err := record.Parse(entry.Line); err == nil {
				o.lines, o.ids = append(o.lines, entry.Line), append(o.ids, e.ID)
				wanted[e.ID] = true
			}
		}
		found = append(found, o)
	}
	queued := q.among(wanted)
	for _, o := range found {
		if q.requeue(o, queued) {
			_ = o.f.Truncate(0)
		}
		_ = state.CloseExclusive(o.f)
	}
}

// requeue queues events and reports whether nothing is left to do with them.
func (q *Queue) requeue(o orphans, queued map[string]bool) (done bool) {
	var lines []byte
	for i, line := range o.lines {
		if !queued[o.ids[i]] {
			lines = append(append(lines, line...), '\n')
		}
	}
	switch {
	case len(lines) == 0:
		return true
	case o.receipt == "": // nothing says under which promise they were recorded
		return AddLosses(q.Dir, LossUnreadable, bytes.Count(lines, []byte{'\n'})) == nil
	}
	w, err := q.Writer(o.receipt, len(lines))
	if err != nil {
		return false
	}
	defer w.Close()
	// Erase deletes the commands' files before it looks for slots. So either it is seen here,
	// or the slot that we hold is deleted after this.
	if state.Unlinked(o.f) {
		return false
	}
	return w.Append(lines) == nil
}

// among returns those of the wanted IDs that the events in the queue have, those events
// included that are settled and not yet gone.
func (q *Queue) among(wanted map[string]bool) map[string]bool {
	const start, length = `{"id":"`, 36
	queued := map[string]bool{}
	if len(wanted) == 0 {
		return queued
	}
	slots, _ := q.Slots()
	for _, slot := range slots {
		f, err := state.Open(q.slotPath(slot))
		if err != nil {
			continue // erased meanwhile
		}
		content, _ := readSlot(f)
		f.Close()
		for line := range bytes.Lines(content) {
			id, found := bytes.CutPrefix(line, []byte(start))
			if found && len(id) > length && wanted[string(id[:length])] {
				queued[string(id[:length])] = true
			}
		}
	}
	return queued
}
