package spool

import (
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// Claim is a slot taken for sending. It is not safe for concurrent use.
type Claim struct {
	f *os.File
	// Receipt is the ID of the receipt under which all of it was recorded. It is empty where
	// the slot does not say: Legacy tells the slots of older versions from damaged ones.
	Receipt string
	Legacy  bool
	// Entries are the lines that wait in it, in the order of recording: events, and
	// whatever else a damaged disk or a stray hand put there.
	Entries []Entry
	// Absorbed are the IDs of events of other slots for which entries here stand too.
	Absorbed []string
	settled  map[int64]bool // by start
	latest   time.Time      // of the entries for which no mark says it
	torn     bool
}

// Gone reports whether the slot was erased since it was claimed: what was read from it
// must not be sent.
func (c *Claim) Gone() bool { return state.Unlinked(c.f) }

// Settle marks entries of the claim as done with, so that no later claim returns them.
// Settling one twice is as good as once. After an error, which a full disk causes, they
// are still done with if the whole slot is by the time of Close.
func (c *Claim) Settle(entries ...Entry) error {
	fresh := slices.DeleteFunc(slices.Clone(entries), c.Settled)
	if len(fresh) == 0 {
		return nil
	}
	for _, e := range fresh {
		c.settled[e.start] = true
	}
	return c.mark(appendSpans([]byte{markByte}, fresh))
}

// Fold puts events in the place of entries that wait, with one write, and returns the
// entries that wait instead. They are the same for every later claim. They stand for events
// of other slots too, whose IDs are absorbed: Absorbed tells who comes next, until those are
// settled there. After an error the old entries wait on.
func (c *Claim) Fold(replaced []Entry, events [][]byte, absorbed []string) ([]Entry, error) {
	end, err := c.f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, plaintext.Bare(err)
	}
	if c.torn {
		end++ // the newline that mark puts before it
	}
	line := foldLine(replaced, events, absorbed)
	_, folded, _ := parseFold(line, end)
	if len(folded) != len(events) {
		return nil, errNotEvents
	}
	if err := c.mark(line); err != nil {
		return nil, err
	}
	for _, e := range replaced {
		c.settled[e.start] = true
	}
	c.Entries = append(c.Entries, folded...)
	return folded, nil
}

// errNotEvents says that a slot could not be read back.
var errNotEvents = errors.New("what is to be put in the place of events is none")

// Sync returns when what was marked is on the disk, also after a power cut.
func (c *Claim) Sync() error {
	if err := c.f.Sync(); err != nil {
		return plaintext.Bare(err)
	}
	return nil
}

// Compact makes a slot hold nothing but events, in the place of all entries that wait. It
// does nothing where others wait too, or where the events would take more room. A process
// that is killed in it leaves the old content or the new one, and so does a power cut. It is
// the last that is done with a claim before Close.
func (c *Claim) Compact(replaced []Entry, events [][]byte) error {
	if len(c.settled)+len(replaced) != len(c.Entries) {
		return nil
	}
	image := appendLines(nil, events)
	size, err := c.f.Seek(0, io.SeekEnd)
	if err != nil {
		return plaintext.Bare(err)
	}
	if size < int64(headBytes+len(image)) {
		return nil
	}
	// First the fold: with it, whatever is before it counts no more, also if it is half
	// overwritten.
	all := []Entry{{start: int64(headBytes), end: size}}
	if _, err := c.Fold(all, events, nil); err != nil {
		return err
	}
	if err := c.Sync(); err != nil {
		return err
	}
	return rewrite(c.f, image, int64(headBytes))
}

func appendLines(b []byte, lines [][]byte) []byte {
	for _, line := range lines {
		b = append(append(b, line...), '\n')
	}
	return b
}

// Keep takes a Settle back that returned an error: the entries wait on.
func (c *Claim) Keep(entries ...Entry) {
	for _, e := range entries {
		delete(c.settled, e.start)
	}
}

// Settled reports whether an entry is marked as done with.
func (c *Claim) Settled(e Entry) bool { return c.settled[e.start] }

// Latest returns the latest time that an event may have, zero if there is none.
func (c *Claim) Latest(e Entry) time.Time {
	if !e.latest.IsZero() {
		return e.latest
	}
	return c.latest
}

// SetLatest writes down the latest time that the events of this claim may have for which
// that was not done before: at every attempt an event has the same time. What is recorded
// later is not meant.
func (c *Claim) SetLatest(t time.Time) error {
	if !c.latest.IsZero() {
		return nil
	}
	c.latest = t.UTC().Truncate(time.Millisecond)
	return c.mark(strconv.AppendInt([]byte{markByte, latestMark}, c.latest.UnixMilli(), 10))
}

func (c *Claim) mark(line []byte) error {
	if c.torn {
		line = append([]byte{'\n'}, line...)
	}
	_, err := c.f.Write(append(line, '\n'))
	c.torn = err != nil
	if err != nil {
		return plaintext.Bare(err)
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
		return plaintext.Bare(err)
	}
	return nil
}
