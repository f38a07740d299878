package journal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// Append opens the journal, waiting for who has it until ctx ends, appends an entry, and gives
// the journal back. seal says that the entry is on the disk when it returns; see Writer.Seal.
func (j Journal) Append(ctx context.Context, at time.Time, fields state.Record, seal bool) (n int, err error) {
	const poll = 2 * time.Millisecond // who has it writes one entry
	w, err := j.Open()
	for errors.Is(err, state.ErrBusy) && ctx.Err() == nil {
		time.Sleep(poll)
		w, err = j.Open()
	}
	if err != nil {
		return 0, err
	}
	n, err = w.Append(at, fields)
	if err == nil && seal {
		err = w.Seal()
	}
	return n, errors.Join(err, w.Close())
}

// Writer appends entries. It holds the file, so there is one at a time, and it is not safe
// for concurrent use.
type Writer struct {
	journal Journal
	f       *os.File
	size    int64
	end     link
	torn    int
	head    head
	headErr error // why it is not known what was written last
	err     error // the file is in a state that nothing can be joined on to
}

// Open takes the journal to append to it, making an empty one if there is none. The error is
// state.ErrBusy where another process has it. The caller closes it.
func (j Journal) Open() (*Writer, error) {
	w := &Writer{journal: j}
	if err := w.open(); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *Writer) open() error {
	f, err := state.OpenExclusive(w.journal.Dir.Join(w.journal.Name))
	if err != nil {
		return err
	}
	content, err := io.ReadAll(io.NewSectionReader(f, 0, maxRead+1))
	if err == nil && len(content) > maxRead {
		err = state.ErrCorrupt
	}
	if err != nil {
		_ = state.CloseExclusive(f)
		return plaintext.Bare(err)
	}
	w.f, w.end = f, endOf(content)
	w.size = int64(bytes.LastIndexByte(content, '\n') + 1)
	w.torn = len(content) - int(w.size)
	// Joined on to what was noted last, so that an end which is missing goes on to show.
	w.head, w.headErr = w.journal.head()
	if w.headErr != nil && !errors.Is(w.headErr, fs.ErrNotExist) && !state.Unusable(w.headErr) {
		_ = state.CloseExclusive(f)
		return w.headErr // it is there, and the entry would say for good that it was not
	}
	if w.headErr != nil { // its loss is told by the next entry, and not by what was cut before
		first := content[:bytes.IndexByte(content, '\n')+1]
		log, _ := parse(first)
		w.head.cut, w.head.period = log.Cut, period(log.CutFrom, log.CutTo)
	}
	if w.headErr == nil && w.head.n >= w.end.n && w.head.n > 0 {
		w.end = w.head.link
	}
	if known := w.journal.written(); known > w.end.n { // both were lost, or are of an earlier time
		w.end = link{known, zeros}
	}
	return nil
}

// endOf is the end that parse finds: mostly the last line tells it.
func endOf(content []byte) link {
	whole := bytes.LastIndexByte(content, '\n')
	if whole >= 0 {
		last := content[bytes.LastIndexByte(content[:whole], '\n')+1 : whole+1]
		if log, end := parse(last); len(log.Entries) > 0 {
			return end
		}
	}
	_, end := parse(content)
	return end
}

// Append writes an entry, and returns its number. When it returns, the entry survives the
// death of every process; see Seal for a power cut. After an error nothing of it is there,
// but for what is torn at the end. The error is ErrTooLarge for an entry that must be smaller.
func (w *Writer) Append(at time.Time, fields state.Record) (n int, err error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.headErr != nil && w.end.n == 0 {
		// Its content is that of a new journal, so nothing is lost with it in a power cut.
		if err := w.journal.Dir.ReplaceSoon(w.journal.Name+headSuffix, head{link: w.end}.record().Encode()); err != nil {
			return 0, err
		}
		w.headErr = nil
	}
	entry := Entry{N: w.end.n + 1, At: at, Fields: fields, TornBefore: w.torn, headless: w.headErr != nil}
	line := entry.encode(w.end.hash)
	if int64(len(line))+1 > w.journal.Cap/2 {
		return 0, ErrTooLarge
	}
	if w.torn > 0 {
		if err := w.cutOff(); err != nil {
			return 0, plaintext.Bare(err)
		}
	}
	if w.size+int64(len(line))+1 > w.journal.Cap {
		if err := w.cut(w.journal.Cap*kept/4 - int64(len(line)) - 1); err != nil {
			return 0, err
		}
	}
	if _, err := w.f.Write(append(line, '\n')); err != nil {
		if cutErr := w.cutOff(); cutErr != nil {
			w.err = plaintext.Bare(err) // what is torn is cut off by the next writer
		}
		return 0, plaintext.Bare(err)
	}
	w.size += int64(len(line)) + 1
	w.end, w.torn, w.headErr = link{entry.N, hashOf(line)}, 0, nil
	return entry.N, nil
}

// cutOff removes what is torn at the end.
func (w *Writer) cutOff() error {
	if err := w.f.Truncate(w.size); err != nil {
		return err
	}
	_, err := w.f.Seek(w.size, io.SeekStart) // Windows has no append mode
	return err
}

// cut replaces the file by one of so many bytes, without the oldest entries.
func (w *Writer) cut(most int64) error {
	content, err := io.ReadAll(io.NewSectionReader(w.f, 0, w.size))
	if err != nil {
		return plaintext.Bare(err)
	}
	log, _ := parse(content)
	from, to, n, hash := log.CutFrom, log.CutTo, log.Cut, ""
	rest := content
	if log.Cut > 0 {
		rest = rest[bytes.IndexByte(rest, '\n')+1:]
	}
	for hash == "" || int64(len(rest)) > most-int64(len(cutLine(n, from, to, zeros))) {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			break
		}
		line := rest[:end]
		rest = rest[end+1:]
		hash = hashOf(line)
		n++
		if entry, _, ok := parseEntry(string(line)); ok {
			n, to = entry.N, entry.At
			if from.IsZero() {
				from = entry.At
			}
		}
	}
	if hash == "" {
		return nil // there is nothing to cut
	}
	if w.journal.Cutting != nil {
		w.journal.Cutting(slices.DeleteFunc(log.Entries, func(e Entry) bool { return e.N > n }))
	}
	w.head.cut, w.head.period = n, period(from, to)
	if w.headErr == nil { // else there is a mismatch anyhow
		if err := w.journal.Dir.WriteRecord(w.journal.Name+headSuffix, w.head.record()); err != nil {
			return err
		}
	}
	_ = state.CloseExclusive(w.f) // or it could not be replaced on every system
	replaceErr := w.journal.Dir.Replace(w.journal.Name, append([]byte(cutLine(n, from, to, hash)), rest...))
	if err := w.open(); err != nil {
		w.f, w.err = nil, err
	}
	return errors.Join(replaceErr, w.err)
}

// Seal notes which entry is the last, so that a missing end shows, and returns when all of
// it is on the disk.
func (w *Writer) Seal() error {
	if w.err != nil {
		return w.err
	}
	if err := w.f.Sync(); err != nil {
		return plaintext.Bare(err)
	}
	if state.Unlinked(w.f) {
		return nil // erased meanwhile: a head alone would say that something is missing
	}
	w.head.link = w.end
	return w.journal.Dir.WriteRecord(w.journal.Name+headSuffix, w.head.record())
}

// Close gives the journal back.
func (w *Writer) Close() error {
	if w.f == nil {
		return nil
	}
	f := w.f
	w.f, w.err = nil, os.ErrClosed
	return state.CloseExclusive(f)
}
