package spool

import (
	"os"
	"strconv"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
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
	settled map[int64]bool // by start
	latest  time.Time      // of the entries for which no mark says it
	torn    bool
}

// Gone reports whether the slot was erased since it was claimed: what was read from it
// must not be sent.
func (c *Claim) Gone() bool { return state.Unlinked(c.f) }

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
	for _, e := range entries {
		c.settled[e.start] = true
	}
	return c.mark(mark)
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
