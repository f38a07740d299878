// Package spool is the durable queue between the commands that record events and the
// process that sends them. Any number of processes use it at once.
//
//	queue/0000.events2  a slot: an append-only file, held by one process at a time
//	queue/0001.events2
//	…
//	queue/00.running    a command that runs: see Queue.Start
//	…
//
//	#receipt=6f1c…        the head: under which receipt everything here was recorded
//	{"id":"0193…",…}      an event, one line, written with one write
//	{"id":"0193…",…}
//	=85-897,1705-2119     a mark: the events in these byte ranges are settled
//	=@1764061200000       a mark: where an event before it is later than this, in Unix
//	                      milliseconds, the clock was wrong when it was recorded
//	~85-897<tab>{…}<tab>~ a fold: the events between the tabs are in the place of those in
//	                      these byte ranges, and of those in other slots whose IDs a last
//	                      part lists after a +
//
// A writer takes the first slot that is free, not full and either empty or of the same
// receipt, and keeps it until it closes or dies: the lock is the open file. The sender
// takes a slot in the same way, so it never reads one that is being written. A settled
// slot is emptied, not deleted, and used again: however many commands run, there are no
// more files than the cap allows, and a command finds its slot without listing the
// directory. Only Erase deletes slots. A process that still holds one then writes
// into a file that no process can open any more, which it notices.
//
// No slot grows above its share of MaxBytes, and there are only so many: that is the cap,
// the commands that run included. Only the slot that is being sent may be above its share, by
// what the sender adds.
//
// Nothing is synced: what was written survives the death of every process, and a power
// cut may cost the last seconds. A torn last line costs that line.
//
// What an older version could not read whole, it would drop as damaged. So the names say
// what the lines may hold, and an author who adds a field to them takes the next name: versions
// before the present fields used queue/0000.events, and those without receipts queue/0000.
// What waits in such slots is read and never added to.
package spool

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/record"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

const (
	dirName    = "queue"
	slotSuffix = ".events2"
	// olderSuffix is that of slots which differ from ours only in what a line may hold.
	olderSuffix = ".events"
	// slotsAtCap is into how many slots MaxBytes is divided: as many processes can record at
	// once, and a drop at the cap costs that share of the queue.
	slotsAtCap = 128
	// minSlot is larger than any event of ours, minSlots let a few processes record at once
	// where MaxBytes is so small that slots must be smaller than that.
	minSlot, minSlots = 64 << 10, 4
	// maxSlot bounds what the sender holds in memory of a slot, and maxSlots the search for
	// room. Where both apply, the cap is what maxSlots hold.
	maxSlot, maxSlots = 4 << 20, 9999
	// crowdedFrom is the part of the slots that may be full before a person should look at it.
	crowdedFrom = 4
	// clockDoubt is the age beyond MaxAge at which we doubt the clock rather than the
	// event: a board without a battery starts in 1970. Such events are kept; the cap by
	// bytes still holds.
	clockDoubt = 365 * 24 * time.Hour
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
	LossUnwritten  = "unwritten"   // the disk did not take it
	LossInvalid    = "invalid"     // no event: the caller gave it no type
	LossUndeclared = "undeclared"  // of a type that the author did not declare, or not for so long
	LossWithdrawn  = "withdrawn"   // recorded under a consent that no longer holds
)

// LossReasons returns all of them.
func LossReasons() []string {
	return []string{
		LossCap, LossExpired, LossUnreadable, LossRefused, LossUnsent, LossUnwritten, LossInvalid, LossUndeclared, LossWithdrawn,
	}
}

// Queue is the spool in a state directory. The zero limits are not useful; see
// props.TelemetryConfig for the defaults. A Queue holds nothing open.
type Queue struct {
	Dir      state.Dir
	MaxBytes int64
	MaxAge   time.Duration
	Now      func() time.Time
	// Watch, where not nil, sees when a lock takes long.
	Watch *state.Watch
	// LossLine encodes the event that reports a loss, with a newline at the end.
	LossLine func(Loss) []byte
}

func (q *Queue) path() string { return q.Dir.Join(dirName) }

func (q *Queue) slotPath(slot string) string { return filepath.Join(q.path(), slot) }

// slotName is the name of slot i.
func slotName(i int) string {
	return string([]byte{'0' + byte(i/1000%10), '0' + byte(i/100%10), '0' + byte(i/10%10), '0' + byte(i%10)}) + slotSuffix
}

// kind is what a file of the queue is.
type kind int

const (
	foreign kind = iota // not one of ours
	running
	legacySlot // of a version without receipts
	olderSlot
	currentSlot
)

// kindOf tells by its name what a file of the queue is.
func kindOf(name string) kind {
	digits, _, _ := strings.Cut(name, ".")
	suffix := name[len(digits):]
	switch {
	case strings.Trim(digits, "0123456789") != "":
		return foreign
	case len(digits) == 2 && suffix == runningSuffix:
		return running
	case len(digits) != 4:
		return foreign
	case suffix == slotSuffix:
		return currentSlot
	case suffix == olderSuffix:
		return olderSlot
	case suffix == "":
		return legacySlot
	}
	return foreign
}

// shares is how many slots there are at the cap, and how large each is.
func (q *Queue) shares() (slots int, size int64) {
	room := q.MaxBytes - int64(q.runningFiles())*maxRunning
	size = min(max(q.MaxBytes/slotsAtCap, minSlot), maxSlot)
	if room/size < minSlots {
		return minSlots, room / minSlots
	}
	return int(min(room/size, maxSlots)), size
}

// SlotBytes is how large a slot may grow.
func (q *Queue) SlotBytes() int64 {
	_, size := q.shares()
	return size
}

// SlotCount is how many slots there are at the cap.
func (q *Queue) SlotCount() int {
	slots, _ := q.shares()
	return slots
}

// expired reports whether an event of time t is too old to be sent.
func (q *Queue) expired(t time.Time) bool {
	age := q.Now().Sub(t)
	return age > q.MaxAge && age < q.MaxAge+clockDoubt
}

// Expired reports whether an event of time t is too old to be sent.
func (q *Queue) Expired(t time.Time) bool { return q.expired(t) }

// make makes the directory of the queue, if there is none.
func (q *Queue) make() error {
	if err := os.Mkdir(q.path(), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return plaintext.Bare(err)
	}
	return state.At(q.path()).CheckFolder()
}

// Writer takes a slot for events under a receipt that has room for that many bytes,
// making room at the cap by dropping the oldest slot. The caller closes it. Errors wrap
// those of package state, an errno, or ErrFull.
func (q *Queue) Writer(receipt string, room int) (*Writer, error) {
	if err := q.make(); err != nil {
		return nil, err
	}
	slots, size := q.shares()
	if int64(room+headBytes) > size {
		return nil, ErrFull
	}
	type candidate struct {
		path string
		at   time.Time
	}
	var full []*candidate
	crowded := 0
	for i := range slots {
		path := q.slotPath(slotName(i))
		if info, err := os.Lstat(path); err == nil && info.Size()+int64(room) > size && !q.expired(info.ModTime()) {
			full = append(full, &candidate{path, info.ModTime()})
			crowded++
			continue
		}
		w, err := q.take(path, receipt, size)
		switch {
		case errors.Is(err, state.ErrBusy), errors.Is(err, state.ErrUnsafe), errors.Is(err, state.ErrForeign):
			// In use, or not ours: leave it alone.
		case errors.Is(err, errOther):
			full = append(full, &candidate{path, q.Now()})
		case err != nil:
			return nil, err
		case w.size+int64(room) > size: // filled since it was looked at
			_ = w.Close()
		default:
			w.Crowded = crowdedFrom*crowded >= slots
			return w, nil
		}
	}
	slices.SortFunc(full, func(a, b *candidate) int {
		return cmp.Or(a.at.Compare(b.at), strings.Compare(a.path, b.path)) // names are in the order of slots
	})
	for _, c := range full {
		f, err := state.OpenExclusiveWatched(c.path, q.Watch)
		if errors.Is(err, state.ErrBusy) {
			continue // just taken, by the sender or by a writer at the cap
		}
		if err != nil {
			return nil, err
		}
		w, err := q.recycle(f, receipt, size, LossCap)
		if err == nil {
			w.Crowded = true
		}
		return w, err
	}
	return nil, ErrFull
}

// errOther says that a slot holds what was recorded under another receipt.
var errOther = errors.New("the slot belongs to another receipt")

// take opens a slot that may be free, and starts it anew if what is in it is too old.
func (q *Queue) take(path, receipt string, limit int64) (*Writer, error) {
	f, err := state.OpenExclusiveWatched(path, q.Watch)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = state.CloseExclusive(f)
		return nil, plaintext.Bare(err)
	}
	if info.Size() > int64(headBytes) && q.expired(info.ModTime()) {
		return q.recycle(f, receipt, limit, LossExpired)
	}
	return openWriter(f, receipt, info.Size(), limit)
}

// recycle counts and drops what a slot holds, and starts it anew.
func (q *Queue) recycle(f *os.File, receipt string, limit int64, reason string) (*Writer, error) {
	lost, again := 0, map[string]int{}
	if content, err := readSlot(f); err == nil {
		for _, entry := range parseSlot(content).Entries {
			if report, is := ReportOf(entry.Line); is {
				again[report.Reason] += report.Count
			} else {
				lost += Events(entry.Line)
			}
		}
	}
	if lost > 0 { // counted before they are gone: a process may be killed in between
		_ = AddLosses(q.Dir, reason, lost)
	}
	for reason, n := range again {
		_ = AddLosses(q.Dir, againPrefix+reason, n)
	}
	if err := f.Truncate(0); err != nil {
		_ = state.CloseExclusive(f)
		return nil, plaintext.Bare(err)
	}
	return openWriter(f, receipt, 0, limit)
}

// Slots returns the names of the slots that hold something, to be claimed one by one: the
// ones of older versions first.
func (q *Queue) Slots() ([]string, error) { return q.list(legacySlot, olderSlot, currentSlot) }

// list returns the names of the files of some kinds that hold something, in that order.
func (q *Queue) list(kinds ...kind) ([]string, error) {
	entries, err := os.ReadDir(q.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, plaintext.Bare(err)
	}
	var names []string
	for _, kind := range kinds {
		for _, entry := range entries {
			if kindOf(entry.Name()) != kind {
				continue
			}
			if info, err := entry.Info(); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
				names = append(names, entry.Name())
			}
		}
	}
	return names, nil
}

// Holds reports whether something in the queue was recorded under a receipt, or is to be
// once a command ends.
func (q *Queue) Holds(receipt string) bool {
	names, err := q.list(running, legacySlot, olderSlot, currentSlot)
	if err != nil {
		return true // not known: nothing may be done that needs a no
	}
	head := make([]byte, headBytes)
	for _, name := range names {
		f, err := state.Open(q.slotPath(name))
		if err != nil {
			continue // erased meanwhile, or not ours
		}
		_, err = f.ReadAt(head, 0)
		f.Close()
		if id, ok := headReceipt(head); err == nil && ok && id == receipt {
			return true
		}
	}
	return false
}

// Claim takes a slot and reads what waits in it. The error is state.ErrBusy where a
// process holds it: a command that runs, whose events come later.
func (q *Queue) Claim(slot string) (*Claim, error) {
	f, err := state.OpenExclusive(q.slotPath(slot))
	if err != nil {
		return nil, err
	}
	content, err := readSlot(f)
	if err != nil {
		_ = state.CloseExclusive(f)
		return nil, plaintext.Bare(err)
	}
	c := parseSlot(content)
	c.f = f
	c.Legacy = kindOf(slot) == legacySlot
	c.settled = map[int64]bool{}
	return c, nil
}

// Absorbed returns the slots by the IDs of the events that they have taken over from others:
// of most queues none, because the process that takes over empties the other slots at once.
func (q *Queue) Absorbed(slots []string) map[string]string {
	by := map[string]string{}
	for _, slot := range slots {
		f, err := state.Open(q.slotPath(slot))
		if err != nil {
			continue // erased meanwhile, or not ours
		}
		content, _ := readSlot(f)
		f.Close()
		if bytes.Contains(content, []byte{foldSep, absorbByte}) {
			for _, id := range parseSlot(content).Absorbed {
				by[id] = slot
			}
		}
	}
	return by
}

// Stats is what waits: the events, also those that were folded, by their receipt, which is
// empty for those of older versions; the lines that are none; and the bytes on disk.
type Stats struct {
	Events map[string]int
	// Expired are those of Events that are too old to be sent.
	Expired map[string]int
	Damaged int
	Bytes   int64
	// Distrusted are the names of files that are not private and plain, so that no process adds to
	// them or sends what is in them: so many events as DistrustedEvents, in those that are files.
	Distrusted       []string
	DistrustedEvents int
}

// Total is the number of events that wait.
func (s Stats) Total() int {
	n := s.DistrustedEvents
	for _, events := range s.Events {
		n += events
	}
	return n
}

// Stats looks at every slot without taking or changing any.
func (q *Queue) Stats() (Stats, error) {
	s := Stats{Events: map[string]int{}, Expired: map[string]int{}, Distrusted: q.distrusted()}
	slots, err := q.Slots()
	for _, slot := range slots {
		err = errors.Join(err, q.look(slot, &s))
	}
	if names, listErr := q.list(running); listErr == nil {
		for _, name := range names {
			if q.ended(name) {
				err = errors.Join(err, q.look(name, &s))
			}
		}
	}
	return s, err
}

// ended reports whether the command of a file has ended, so that its event waits like others.
func (q *Queue) ended(name string) bool {
	f, err := state.OpenExclusive(q.slotPath(name))
	if err != nil {
		return false
	}
	_ = state.CloseExclusive(f)
	return true
}

// distrusted returns the names of the files of the queue that are not private and plain.
func (q *Queue) distrusted() (names []string) {
	entries, _ := os.ReadDir(q.path())
	for _, entry := range entries {
		if kindOf(entry.Name()) == foreign {
			continue
		}
		if info, err := entry.Info(); err == nil && state.Trust(info) != nil {
			names = append(names, entry.Name())
		}
	}
	return names
}

// look adds what one slot holds. One that was erased meanwhile holds nothing, and what is no
// plain file is among Distrusted.
func (q *Queue) look(slot string, s *Stats) error {
	path := q.slotPath(slot)
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	f, err := state.OpenAny(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var content []byte
	if err == nil {
		content, err = readSlot(f)
		f.Close()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", slot, plaintext.Bare(err))
	}
	c := parseSlot(content)
	trusted := state.Trust(info) == nil
	for _, entry := range c.Entries {
		// As a sender reads it: what that drops, such as a field of another version, waits for nothing.
		e, err := record.Parse(entry.Line)
		n := max(e.Count, 1)
		switch {
		case err != nil && trusted:
			s.Damaged++
		case err != nil:
		case !trusted:
			s.DistrustedEvents += n
		default:
			s.Events[c.Receipt] += n
			if q.expired(e.Time) {
				s.Expired[c.Receipt] += n
			}
		}
	}
	s.Bytes += int64(len(content))
	return nil
}

// Erase deletes everything that waits, and what is known of commands that run. It returns
// how many events waited. The error says that something could not be deleted; the rest is.
func (q *Queue) Erase() (int, error) {
	// Looked at again after the commands' files are gone: see requeue.
	ended, failed := q.erase(running)
	erased, err := q.erase(legacySlot, olderSlot, currentSlot)
	if err == nil {
		err = failed
	}
	return ended + erased, err
}

// erase deletes the files of some kinds, and returns how many events waited in them.
func (q *Queue) erase(kinds ...kind) (int, error) {
	entries, err := os.ReadDir(q.path())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, plaintext.Bare(err)
	}
	var failed error
	erased := 0
	for _, entry := range entries {
		if !slices.Contains(kinds, kindOf(entry.Name())) {
			continue
		}
		events := Stats{Events: map[string]int{}, Expired: map[string]int{}}
		if kindOf(entry.Name()) != running || q.ended(entry.Name()) {
			q.look(entry.Name(), &events)
		}
		switch err := state.Delete(q.slotPath(entry.Name())); {
		case err == nil, q.emptied(entry):
			erased += events.Total()
		case !errors.Is(err, fs.ErrNotExist):
			failed = err
		}
	}
	return erased, failed
}

// emptied empties a file that cannot be deleted, as in a folder that cannot be written to. A
// command that holds it sees that there is a no by the stored answer.
func (q *Queue) emptied(entry fs.DirEntry) bool {
	info, err := entry.Info()
	return err == nil && state.Trust(info) == nil && state.At(q.path()).Empty(entry.Name()) == nil
}
