package spool

import (
	"io"
	"os"

	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// Writer appends events to a slot of its own. It is not safe for concurrent use.
type Writer struct {
	f     *os.File
	size  int64
	limit int64
	torn  bool // the file does not end in a newline
	// Crowded says that a quarter of the slots was full when this one was taken.
	Crowded bool
	// started is the size of a command's file before the command.
	started int64
}

// openWriter makes a Writer of a slot that is open, and closes it on an error: errOther if
// the slot is in use under another receipt.
func openWriter(f *os.File, receipt string, size, limit int64) (*Writer, error) {
	w := &Writer{f: f, size: size, limit: limit}
	err := w.start(receipt)
	if err != nil {
		_ = state.CloseExclusive(f)
		return nil, err
	}
	return w, nil
}

func (w *Writer) start(receipt string) error {
	var head [headBytes]byte
	switch {
	case w.size == 0:
	case w.size < int64(headBytes):
		// Its writer was killed while it wrote the head: nothing was recorded.
		if err := w.f.Truncate(0); err != nil {
			return plaintext.Bare(err)
		}
		w.size = 0
	default:
		if _, err := w.f.ReadAt(head[:], 0); err != nil {
			return plaintext.Bare(err)
		}
		if id, ok := headReceipt(head[:]); !ok || id != receipt {
			return errOther
		}
		var last [1]byte
		if _, err := w.f.ReadAt(last[:], w.size-1); err != nil {
			return plaintext.Bare(err)
		}
		w.torn = last[0] != '\n'
	}
	if _, err := w.f.Seek(0, io.SeekEnd); err != nil { // Windows has no append mode
		return plaintext.Bare(err)
	}
	if w.size > 0 {
		return nil
	}
	return w.Append(appendHead(head[:0], receipt))
}

// Append writes one line, which ends in a newline. It returns ErrFull where the slot has
// no room for it; after that, and after an error of the disk, the line is not stored and
// the writer is as good as before.
func (w *Writer) Append(line []byte) error {
	if w.size+int64(len(line)) > w.limit {
		return ErrFull
	}
	if w.torn {
		line = append([]byte{'\n'}, line...) // what was cut stays a line of its own
	}
	n, err := write(w.f, line)
	if err == nil && n < len(line) {
		err = io.ErrShortWrite // the disk is full
	}
	if err != nil && n > 0 && w.f.Truncate(w.size) == nil {
		n = 0 // the part that a full disk still took is gone again
		_, _ = w.f.Seek(0, io.SeekEnd)
	}
	w.size += int64(n)
	if n > 0 {
		w.torn = n < len(line)
	}
	if err != nil {
		return plaintext.Bare(err)
	}
	return nil
}

// TakeBack removes what was appended to a file that Start took: the command is recorded by
// now, or is not to be.
func (w *Writer) TakeBack() error {
	if err := w.f.Truncate(w.started); err != nil {
		return plaintext.Bare(err)
	}
	return nil
}

// Size is how much is in the slot: what was recorded between two calls of it lies between
// the sizes.
func (w *Writer) Size() int64 { return w.size }

// Gone reports whether the slot was erased: what was and is written to it is lost.
func (w *Writer) Gone() bool { return state.Unlinked(w.f) }

// CountSince returns how many events were written to the slot after it had that size, also
// if it is gone.
func (w *Writer) CountSince(size int64) int {
	content := make([]byte, w.size-size)
	if _, err := w.f.ReadAt(content, size); err != nil {
		return 0
	}
	n := 0
	for _, entry := range parseSlot(content).Entries {
		if _, is := ReportOf(entry.Line); !is {
			n += Events(entry.Line)
		}
	}
	return n
}

// Close gives the slot back. What was written stays.
func (w *Writer) Close() error { return state.CloseExclusive(w.f) }

// CloseWatched is Close for a caller that watches how long it takes.
func (w *Writer) CloseWatched(watch *state.Watch) error {
	return state.CloseExclusiveWatched(w.f, watch)
}
