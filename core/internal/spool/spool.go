// Package spool is the durable queue between the commands that record events and the
// process that sends them. Any number of processes use it at once.
//
//	queue/0000   a slot: an append-only file, held by one process at a time
//	queue/0001
//	…
//
//	{"id":"0193…",…}      an event, one line, written with one write
//	{"id":"0193…",…}
//	=0-812,1620-2034      a mark: the events in these byte ranges are settled
//
// A writer takes the first slot that is free and not full, and keeps it until it
// closes or dies: the lock is the open file. The sender takes a slot in the same way,
// so it never reads one that is being written. A settled slot is emptied, not deleted,
// and used again: however many commands run, there are as many files as MaxBytes needs
// and as there were processes at once, and a command finds its slot without listing
// the directory. Only Erase deletes slots. A process that still holds one then writes
// into a file that nobody can open any more: that is how a withdrawal of consent
// reaches a command that is running.
//
// Nothing is synced: what was written survives the death of every process, and a power
// cut may cost the last seconds. A torn last line costs that line.
package spool

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/record"
	"github.com/gotoolbase/telemetry/core/internal/state"
)

const (
	dirName = "queue"
	// slotsAtCap is into how many slots MaxBytes is divided: a drop at the cap costs that
	// share of the queue, and a writer probes that many files at most to find room.
	slotsAtCap = 32
	// minSlot keeps slots worth a file of their own.
	minSlot = 16 << 10
	// maxSlots bounds the search where slots are held by other processes: more than a
	// thousand commands of one tool at once is a runaway, whose excess is dropped.
	maxSlots = 1024
	// clockDoubt is the age beyond MaxAge at which we doubt the clock rather than the
	// event: a board without a battery starts in 1970. Such events are kept; the cap by
	// bytes still holds.
	clockDoubt = 365 * 24 * time.Hour
	markByte   = '='
)

// ErrFull says that no slot was free to write to.
var ErrFull = errors.New("the queue has no room")

// Loss says why and how many events were given up.
type Loss struct {
	Reason string
	Count  int
}

// Why events are lost.
const (
	LossCap        = "queue_full"  // the oldest, at the cap by bytes
	LossExpired    = "expired"     // older than MaxAge
	LossUnreadable = "unreadable"  // damaged on disk
	LossRefused    = "refused"     // the vendor will never take it
	LossUnsent     = "unconfirmed" // given up after one attempt, in at-most-once mode
	LossUnwritten  = "unwritten"   // the disk was full
)

// Queue is the spool in a state directory. The zero limits are not useful; see
// props.TelemetryConfig for the defaults. A Queue holds nothing open.
type Queue struct {
	Dir      state.Dir
	MaxBytes int64
	MaxAge   time.Duration
	Now      func() time.Time
	// LossLine encodes the event that reports a loss, with a newline at the end.
	LossLine func(Loss) []byte
}

func (q *Queue) path() string { return q.Dir.Join(dirName) }

func (q *Queue) slotPath(i int) string {
	name := [4]byte{'0' + byte(i/1000%10), '0' + byte(i/100%10), '0' + byte(i/10%10), '0' + byte(i%10)}
	return filepath.Join(q.path(), string(name[:]))
}

func (q *Queue) slotBytes() int64 { return max(q.MaxBytes/slotsAtCap, minSlot) }

// expired reports whether an event of time t is too old to be sent.
func (q *Queue) expired(t time.Time) bool {
	age := q.Now().Sub(t)
	return age > q.MaxAge && age < q.MaxAge+clockDoubt
}

// Writer appends events to a slot of its own. It is not safe for concurrent use.
type Writer struct {
	f     *os.File
	size  int64
	limit int64
	torn  bool // the file does not end in a newline
}

// Writer takes a slot, making room at the cap by dropping the oldest one. The caller
// closes it. Errors wrap those of package state, an errno, or ErrFull.
func (q *Queue) Writer() (*Writer, error) {
	if err := os.Mkdir(q.path(), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, state.Bare(err)
	}
	if err := state.At(q.path()).Check(); err != nil {
		return nil, err
	}
	var (
		full     int64
		oldest   = -1
		oldestAt time.Time
	)
	for i := range maxSlots {
		f, err := state.OpenExclusive(q.slotPath(i))
		if errors.Is(err, state.ErrBusy) || errors.Is(err, state.ErrUnsafe) || errors.Is(err, state.ErrForeign) {
			continue // in use, or not ours: leave it alone
		}
		if err != nil {
			return nil, err
		}
		info, err := f.Stat()
		if err != nil {
			_ = state.CloseExclusive(f)
			return nil, state.Bare(err)
		}
		size, modified := info.Size(), info.ModTime()
		switch {
		case size > 0 && q.expired(modified):
			return q.recycle(f, LossExpired)
		case size < q.slotBytes():
			return q.newWriter(f, size)
		}
		_ = state.CloseExclusive(f)
		full += size
		if oldest < 0 || modified.Before(oldestAt) {
			oldest, oldestAt = i, modified
		}
		if full+q.slotBytes() > q.MaxBytes {
			f, err := state.OpenExclusive(q.slotPath(oldest))
			if errors.Is(err, state.ErrBusy) {
				oldest = -1 // just taken, by the sender or by a writer at the cap: go on
				continue
			}
			if err != nil {
				return nil, err
			}
			return q.recycle(f, LossCap)
		}
	}
	return nil, ErrFull
}

// recycle drops what a slot holds and starts it anew with a report of that.
func (q *Queue) recycle(f *os.File, reason string) (*Writer, error) {
	lost := 0
	if content, err := readSlot(f); err == nil {
		for _, entry := range parseSlot(content).Entries {
			lost += Weight(entry.Line)
		}
	}
	if err := f.Truncate(0); err != nil {
		_ = state.CloseExclusive(f)
		return nil, state.Bare(err)
	}
	w, err := q.newWriter(f, 0)
	if err == nil && lost > 0 {
		err = w.Append(q.LossLine(Loss{reason, lost}))
	}
	return w, err
}

func (q *Queue) newWriter(f *os.File, size int64) (*Writer, error) {
	w := &Writer{f: f, size: size, limit: q.slotBytes()}
	if size > 0 {
		var last [1]byte
		if _, err := f.ReadAt(last[:], size-1); err != nil {
			_ = state.CloseExclusive(f)
			return nil, state.Bare(err)
		}
		w.torn = last[0] != '\n'
	}
	if _, err := f.Seek(0, io.SeekEnd); err != nil { // Windows has no append mode
		_ = state.CloseExclusive(f)
		return nil, state.Bare(err)
	}
	return w, nil
}

// Full reports whether the slot has its share. Close it then, and take another.
func (w *Writer) Full() bool { return w.size >= w.limit }

// Append writes one line, which ends in a newline. On an error the line is lost and the
// writer is as good as before.
func (w *Writer) Append(line []byte) error {
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
		return state.Bare(err)
	}
	return nil
}

// Close gives the slot back. What was written stays.
func (w *Writer) Close() error { return state.CloseExclusive(w.f) }

// Entry is one event that waits.
type Entry struct {
	start, end int64
	// Line is its encoding, without the newline. It is only valid as long as its Claim.
	Line []byte
}

// Claim is a slot taken for sending. It is not safe for concurrent use.
type Claim struct {
	f *os.File
	// Entries are the lines that wait in it, in the order of recording: events, and
	// whatever else a damaged disk or a stray hand put there.
	Entries []Entry
	settled map[int64]bool // by start
	torn    bool
}

// Slots returns the names of the slots that hold something, to be claimed one by one.
func (q *Queue) Slots() ([]int, error) {
	entries, err := os.ReadDir(q.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, state.Bare(err)
	}
	var slots []int
	for _, entry := range entries {
		if i, ok := slotNumber(entry.Name()); ok {
			if info, err := entry.Info(); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
				slots = append(slots, i)
			}
		}
	}
	return slots, nil
}

func slotNumber(name string) (int, bool) {
	i, err := strconv.Atoi(name)
	return i, err == nil && len(name) == 4 && i >= 0 && i < maxSlots
}

// Claim takes a slot and reads what waits in it. The error is state.ErrBusy where a
// process holds it: a command that runs, whose events come later.
func (q *Queue) Claim(slot int) (*Claim, error) {
	f, err := state.OpenExclusive(q.slotPath(slot))
	if err != nil {
		return nil, err
	}
	content, err := readSlot(f)
	if err != nil {
		_ = state.CloseExclusive(f)
		return nil, state.Bare(err)
	}
	c := parseSlot(content)
	c.f = f
	c.settled = map[int64]bool{}
	return c, nil
}

// Expired reports whether an event of time t is too old to be sent.
func (q *Queue) Expired(t time.Time) bool { return q.expired(t) }

// Settle marks entries of the claim as done with, so that no later claim returns them.
// Settling one twice is as good as once. After an error, which a full disk causes, they
// are still done with if the whole slot is by the time of Close.
func (c *Claim) Settle(entries ...Entry) error {
	var mark []byte
	for i := 0; i < len(entries); {
		start, end := entries[i].start, entries[i].end
		i++
		if c.settled[start] {
			continue
		}
		for i < len(entries) && entries[i].start == end {
			end = entries[i].end
			i++
		}
		mark = append(mark, ',')
		mark = strconv.AppendInt(mark, start, 10)
		mark = append(mark, '-')
		mark = strconv.AppendInt(mark, end, 10)
	}
	if len(mark) == 0 {
		return nil
	}
	mark[0] = markByte
	if c.torn {
		mark = append([]byte{'\n'}, mark...)
	}
	for _, e := range entries {
		c.settled[e.start] = true
	}
	_, err := c.f.Write(append(mark, '\n'))
	c.torn = err != nil
	if err != nil {
		return state.Bare(err)
	}
	return nil
}

// Close gives the slot back, empty if everything in it is settled.
func (c *Claim) Close() error {
	var err error
	if len(c.settled) == len(c.Entries) {
		err = c.f.Truncate(0)
	}
	if closeErr := state.CloseExclusive(c.f); err == nil {
		err = closeErr
	}
	if err != nil {
		return state.Bare(err)
	}
	return nil
}

// maxSlotRead bounds how much of a slot is looked at. Slots end soon after MaxBytes/32;
// anything much larger was not written by us.
const maxSlotRead = 64 << 20

func readSlot(f *os.File) ([]byte, error) {
	return io.ReadAll(io.NewSectionReader(f, 0, maxSlotRead))
}

// parseSlot returns the lines of a slot that no mark settles.
func parseSlot(content []byte) *Claim {
	c := &Claim{torn: len(content) > 0 && content[len(content)-1] != '\n'}
	var settled []span
	var all []Entry
	for start := 0; start < len(content); {
		end := len(content)
		if i := bytes.IndexByte(content[start:], '\n'); i >= 0 {
			end = start + i + 1
		}
		line := bytes.TrimSuffix(content[start:end], []byte{'\n'})
		if spans, ok := parseMark(line); ok {
			settled = append(settled, spans...)
		} else if len(line) > 0 {
			all = append(all, Entry{int64(start), int64(end), line})
		}
		start = end
	}
	for _, entry := range all {
		if !within(settled, entry) {
			c.Entries = append(c.Entries, entry)
		}
	}
	return c
}

type span struct{ start, end int64 }

func within(spans []span, e Entry) bool {
	for _, s := range spans {
		if s.start <= e.start && e.end <= s.end {
			return true
		}
	}
	return false
}

func parseMark(line []byte) ([]span, bool) {
	if len(line) == 0 || line[0] != markByte {
		return nil, false
	}
	var spans []span
	for part := range bytes.SplitSeq(line[1:], []byte{','}) {
		from, to, found := bytes.Cut(part, []byte{'-'})
		start, err1 := strconv.ParseInt(string(from), 10, 64)
		end, err2 := strconv.ParseInt(string(to), 10, 64)
		if !found || err1 != nil || err2 != nil || start < 0 || end <= start {
			return nil, false
		}
		spans = append(spans, span{start, end})
	}
	return spans, true
}

// Weight is how many of the author's events a line stands for: 1, or for a report of
// losses as many as it reports, so that dropping the report loses no count.
func Weight(line []byte) int {
	if !bytes.Contains(line, []byte(`"type":"telemetry.loss"`)) {
		return 1
	}
	e, err := record.Parse(line)
	if err != nil || e.Type != "telemetry.loss" {
		return 1
	}
	n, err := strconv.Atoi(e.Metadata["count"])
	if err != nil || n < 0 {
		return 1
	}
	return n
}

// Stats is what waits: the lines that look like events, those that do not, and the
// bytes on disk.
type Stats struct {
	Events, Damaged int
	Bytes           int64
}

// Stats looks at every slot without taking or changing any.
func (q *Queue) Stats() (Stats, error) {
	var s Stats
	slots, err := q.Slots()
	for _, slot := range slots {
		f, err := os.Open(q.slotPath(slot))
		if err != nil {
			continue // erased meanwhile
		}
		content, err := readSlot(f)
		f.Close()
		if err != nil {
			continue
		}
		c := parseSlot(content)
		for _, entry := range c.Entries {
			if entry.Line[0] == '{' && entry.Line[len(entry.Line)-1] == '}' {
				s.Events++
			} else {
				s.Damaged++
			}
		}
		s.Bytes += int64(len(content))
	}
	return s, err
}

// Erase deletes everything that waits and returns how many events that was. The error
// says that something could not be deleted; the rest is.
func (q *Queue) Erase() (int, error) {
	stats, _ := q.Stats()
	entries, err := os.ReadDir(q.path())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, state.Bare(err)
	}
	var failed error
	for _, entry := range entries {
		if _, ok := slotNumber(entry.Name()); !ok {
			continue
		}
		if err := os.Remove(filepath.Join(q.path(), entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = state.Bare(err)
		}
	}
	return stats.Events, failed
}
