package erasures

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
)

// Why a ledger cannot be used. What cannot be read is a [*DamageError].
var (
	// ErrBusy: another process has it open.
	ErrBusy = errors.New("another process has the ledger open")
	// ErrUnsafe: others than its owner may enter the directory, or it is none.
	ErrUnsafe = errors.New("the ledger holds who asked to be forgotten, and has to be in a directory of its owner's alone (0700)")
	// ErrUnavailable: nothing can be written to it. What was to be written is not in it.
	ErrUnavailable = errors.New("the ledger cannot be written")
	// ErrNewer: it holds what this program does not know, and is left alone.
	ErrNewer = errors.New("a later version of this program wrote to the ledger: use that")
)

const (
	dirMode  = 0o700
	fileMode = 0o600

	ledgerName = "ledger.jsonl"
	lockName   = "lock"
	// tornName is where the ends of half-written lines go.
	tornName = "torn"
	// maxTorn is how much of such an end is kept: a batch is shorter, and what is longer
	// was not written by a relay.
	maxTorn = 1 << 20
	// maxQueue is how many lines may wait for the disk. They are one write, of half a
	// megabyte, and thousands of waiting requests would help nobody.
	maxQueue = 1024
	// jump is from which difference on it is told that the machine's clock was set. A
	// machine that slept looks the same.
	jump = time.Hour
)

// epoch is before anything was written with this program: a clock that shows less has not
// been set.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// file is what a ledger needs of an *os.File.
type file interface {
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

// Ledger is the durable record of all erasures. One process has it open at a time.
type Ledger struct {
	dir  string
	lock *os.File

	// commit is held while lines are written, and guards what is up to the next blank line.
	commit sync.Mutex
	file   file
	end    end
	// tail is where the file may hold more than end says, after a write that failed.
	tail bool
	// before are lines to be written ahead of the next one.
	before []entry
	closed bool
	clock  clock
	log    *slog.Logger

	// mu guards what is below it. It is never held during a write.
	mu      sync.RWMutex
	waiting []*pending
	book    *book
	failing error // of the last write
	bytes   int64 // as end.size

	// tornLines is 1 if the file ended in half a line.
	tornLines int
}

// pending is a line that waits to be written.
type pending struct {
	entry entry
	done  bool
	err   error
	// erasure is the one that there already was, for a line that says it was received.
	erasure *erasure
}

// OpenLedger opens the ledger in a directory, and makes both if need be. The error wraps
// ErrBusy, ErrUnsafe, ErrNewer, or is a *DamageError. A last line that was only half written, as by
// a process that was killed, is moved to the file "torn".
func OpenLedger(dir string) (*Ledger, error) {
	return openLedger(dir, func(f *os.File) file { return f })
}

func openLedger(dir string, through func(*os.File) file) (*Ledger, error) {
	l, err := takeLedger(dir)
	if err != nil {
		return nil, err
	}
	if err := l.load(through); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// takeLedger makes the directory and takes the lock.
func takeLedger(dir string) (*Ledger, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("making the ledger's directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("looking at the ledger's directory: %w", err)
	}
	if !info.IsDir() || openToOthers(info) {
		return nil, fmt.Errorf("%s: %w", dir, ErrUnsafe)
	}
	lock, err := lockFile(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("taking the ledger's lock: %w", err)
	}
	return &Ledger{dir: dir, lock: lock, book: newBook(), end: end{head: firstPrev, at: epoch}, log: slog.New(slog.DiscardHandler)}, nil
}

func (l *Ledger) load(through func(*os.File) file) error {
	f, err := os.OpenFile(filepath.Join(l.dir, ledgerName), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return fmt.Errorf("opening the ledger: %w", err)
	}
	l.file = through(f)
	end, err := scan(f, l.book.apply)
	if err != nil {
		if _, damaged := errors.AsType[*DamageError](err); damaged {
			return err
		}
		return fmt.Errorf("reading the ledger: %w", err)
	}
	if end.torn > 0 {
		l.tornLines = 1
		if err := l.setAside(io.NewSectionReader(f, end.size, min(end.torn, maxTorn))); err != nil {
			return fmt.Errorf("setting aside the half-written end of the ledger: %w", err)
		}
		if err := l.file.Truncate(end.size); err != nil {
			return fmt.Errorf("cutting the half-written end off the ledger: %w", err)
		}
	}
	if end.seq == 0 {
		end.at = epoch
		l.before = []entry{{Event: created, Format: format}}
	}
	l.end, l.bytes = end, end.size
	if err := syncDir(l.dir); err != nil {
		return fmt.Errorf("making the ledger durable: %w", err)
	}
	return nil
}

func (l *Ledger) setAside(torn io.Reader) error {
	f, err := os.OpenFile(filepath.Join(l.dir, tornName), os.O_WRONLY|os.O_CREATE|os.O_APPEND, fileMode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, torn)
	if err == nil {
		_, err = f.Write([]byte("\n"))
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Close gives the ledger up. What is being written is written first.
func (l *Ledger) Close() error {
	l.commit.Lock()
	defer l.commit.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	var err error
	if l.file != nil {
		err = l.file.Close()
	}
	return errors.Join(err, unlockFile(l.lock))
}

// clock is the ledger's own. It goes by the time that passes in this process, starting
// from where the last one left it.
type clock struct {
	base  time.Duration
	start time.Time // with the monotonic reading
	now   func() time.Time
}

func (c *clock) elapsed() time.Duration { return c.base + time.Since(c.start) }

// begin starts the clock and notes that a relay is at work. maxGap is how much of the time
// since the last line may count as passed; see "Time" in the package comment.
func (l *Ledger) begin(now func() time.Time, maxGap time.Duration, log *slog.Logger) error {
	l.commit.Lock()
	if l.clock.now != nil {
		l.commit.Unlock()
		return errors.New("the ledger already has a relay")
	}
	gap := time.Duration(0)
	if l.end.seq > 0 {
		gap = min(max(now().Sub(l.end.wall), 0), maxGap)
	}
	l.clock = clock{base: l.end.clock + gap, start: time.Now(), now: now}
	l.log = log
	torn := l.end.torn
	l.before = append(l.before, entry{Event: started, Torn: torn})
	lines := l.end.seq
	l.commit.Unlock()
	if torn > 0 {
		log.Warn("the last line of the ledger was only half written, and is set aside", "bytes", torn, "file", tornName)
	}
	// An error is logged. Receipts can still be looked up, and the disk may be emptied.
	_ = l.flush()
	l.mu.RLock()
	defer l.mu.RUnlock()
	log.Info("the ledger is open", "lines", lines, "erasures", len(l.book.byID), "open", len(l.book.open))
	return nil
}

// elapsed reads the ledger's clock, after begin.
func (l *Ledger) elapsed() time.Duration { return l.clock.elapsed() }

// append writes a line and returns when it is on the disk. Lines that come at the same
// time go there together. The error wraps ErrUnavailable, and then nothing was written.
// For a line of the kind received, it returns the erasure, and whether it was new.
func (l *Ledger) append(e entry) (r *erasure, fresh bool, err error) {
	p := &pending{entry: e}
	l.mu.Lock()
	if len(l.waiting) >= maxQueue {
		l.mu.Unlock()
		return nil, false, fmt.Errorf("%w: too much waits for the disk", ErrUnavailable)
	}
	l.waiting = append(l.waiting, p)
	l.mu.Unlock()

	// Whoever gets the lock first writes what waits by then, also what others wait for.
	l.commit.Lock()
	defer l.commit.Unlock()
	if !p.done {
		l.write()
	}
	if p.err != nil || p.erasure != nil {
		return p.erasure, false, p.err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.book.byID[e.ID], true, nil
}

// flush writes what is to be written ahead of the next line.
func (l *Ledger) flush() error {
	l.commit.Lock()
	defer l.commit.Unlock()
	l.write()
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.failing
}

// write settles all that waits. It is called with commit held.
func (l *Ledger) write() {
	l.mu.Lock()
	batch, failing := l.waiting, l.failing
	l.waiting = nil
	l.mu.Unlock()

	// One erasure for each tool and machine, also where two requests meet here.
	var fresh []*pending
	first := map[erasureKey]*pending{}
	same := map[*pending]*pending{}
	for _, p := range batch {
		p.done = true
		if p.entry.Event == received {
			machine, _ := parseID(p.entry.MachineID)
			key := erasureKey{p.entry.Tool, machine}
			if p.erasure = l.book.byKey[key]; p.erasure != nil {
				continue
			}
			if first[key] != nil {
				same[p] = first[key]
				continue
			}
			first[key] = p
		}
		fresh = append(fresh, p)
	}
	if len(batch) > 0 && len(fresh) == 0 {
		return // all are known
	}
	before := l.before
	if failing != nil && len(before) == 0 {
		before = []entry{{Event: writable}}
	}
	at := l.end
	var lines []byte
	var entries []entry
	put := func(e entry) error {
		l.stamp(&e, at)
		line, err := encode(e)
		if err != nil {
			return err
		}
		lines = append(append(lines, line...), '\n')
		at = end{at.size + int64(len(line)) + 1, e.Seq, hashOf(line), e.At, e.wall(), e.Clock.duration(), 0}
		entries = append(entries, e)
		return nil
	}
	var failed error
	for _, e := range before {
		failed = errors.Join(failed, put(e))
	}
	for _, p := range fresh {
		p.err = put(p.entry)
	}
	if len(lines) > 0 && failed == nil {
		failed = l.store(lines)
	}
	if failed != nil {
		failed = fmt.Errorf("%w: %w", ErrUnavailable, failed)
		for _, p := range batch {
			if p.erasure == nil {
				p.err = failed
			}
		}
	} else {
		l.end, l.before = at, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(lines) > 0 {
		switch {
		case failed != nil && l.failing == nil:
			l.log.Error("no request is taken and no vendor asked until the ledger can be written", "error", failed)
		case failed == nil && l.failing != nil:
			l.log.Info("the ledger can be written again")
		}
		l.failing, l.bytes = failed, l.end.size
	}
	if failed != nil {
		return
	}
	for _, e := range entries {
		if err := l.book.apply(e); err != nil {
			l.log.Error("the ledger holds a line that it will not be read with", "line", e.Seq, "error", err)
		}
	}
	for p, first := range same {
		if p.err = first.err; p.err == nil {
			p.erasure = l.book.byID[first.entry.ID]
		}
	}
}

// stamp gives a line its number, times and link.
func (l *Ledger) stamp(e *entry, at end) {
	now, elapsed := at.wall, at.clock
	if l.clock.now != nil {
		now, elapsed = l.clock.now(), l.clock.elapsed()
	}
	now = now.UTC().Truncate(time.Millisecond)
	if e.Event != started && e.Event != created && !at.wall.IsZero() {
		if off := now.Sub(at.wall) - (elapsed - at.clock); off.Abs() > jump {
			l.log.Warn("the machine's clock was set, or the machine slept: no wait gets shorter by it", "by", off.Round(time.Second))
		}
	}
	e.Seq, e.Prev = at.seq+1, at.head
	e.At = now
	if now.Before(at.at) {
		e.At, e.Wall = at.at, now
	}
	e.Clock = max(inMillis(elapsed), inMillis(at.clock))
}

// store appends lines to the file, for good or not at all.
func (l *Ledger) store(lines []byte) error {
	if l.closed {
		return fs.ErrClosed
	}
	if l.tail {
		if err := l.file.Truncate(l.end.size); err != nil {
			return err
		}
		l.tail = false
	}
	_, err := l.file.WriteAt(lines, l.end.size)
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		// After a failed sync nobody knows which part is on the disk, and a second sync
		// would not write it again: it is cut off here, and written anew next time.
		l.tail = l.file.Truncate(l.end.size) != nil
	}
	return err
}

// persist writes a line that must not be lost: it tries until ctx ends.
func (l *Ledger) persist(ctx context.Context, e entry, pause time.Duration) error {
	for {
		_, _, err := l.append(e)
		if err == nil || errors.Is(err, fs.ErrClosed) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// problem returns what the last write failed with, after one more try.
func (l *Ledger) problem() error {
	l.mu.RLock()
	failing := l.failing
	l.mu.RUnlock()
	if failing == nil {
		return nil
	}
	return l.flush()
}

// receipt is what is told about an erasure.
type receipt struct {
	id                receiptID
	tool              string
	state             deletion.State
	claimed, verified time.Time
	quiet             time.Duration
	handedOver        bool // to all vendors
}

func (l *Ledger) receipt(r *erasure) receipt {
	l.mu.RLock()
	defer l.mu.RUnlock()
	told := receipt{id: r.id, tool: r.key.tool, state: r.state(), claimed: r.claimed, verified: r.verifiedAt(), quiet: r.quiet, handedOver: true}
	for i := range r.vendors {
		if r.vendors[i].state == deletion.Requested {
			told.handedOver = false
		}
	}
	return told
}

func (l *Ledger) find(id receiptID) *erasure {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.book.byID[id]
}
