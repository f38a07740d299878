package core

import (
	"errors"

	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/core/props"
)

// mark says on disk that a command runs. It is the event that a later run queues if the
// command's process ends without taking it back; see spool.Queue.Start.
type mark struct{ slot *slot }

// begin notes that a command begins, and returns the ID of its event, whichever that will
// be. The mark is nil where none could be made: that costs no error and no wait.
func (c *Collector) begin(name string) (id string, made *mark) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unmarked {
		return "", nil
	}
	if c.scrub == nil {
		c.prepare()
	}
	id, line := c.startLine(name)
	var watch state.Watch
	var m *mark
	var err error
	known, done := c.granted, make(chan struct{})
	go func() {
		m, err = newMark(c.in, line, known, &watch)
		close(done)
	}()
	if !watch.Wait(done) {
		c.unmarked = true
		go func() {
			<-done
			c.takeBack(m)
		}()
		return "", nil
	}
	if errors.Is(err, errOff) {
		c.on.Store(false)
	}
	if err != nil {
		return "", nil
	}
	c.granted = m.slot.grant
	c.marks[m] = true
	return id, m
}

// newMark writes the line to a file that is held from then on.
func newMark(in *installation, line []byte, known grant, watch *state.Watch) (*mark, error) {
	s, err := takeSlot(in, (*spool.Queue).Start, len(line), known, watch)
	if err != nil {
		return nil, err
	}
	m := &mark{s}
	if err := s.writer.Append(line); err != nil {
		m.remove()
		return nil, err
	}
	return m, nil
}

// startLine encodes the event of a command of which nothing is known but that it began.
func (c *Collector) startLine(name string) (id string, line []byte) {
	now, cut := c.in.now(), 0
	e := event{
		id:   string(appendID(nil, now)),
		kind: props.EventCommandInvocation, name: scrubbed(name, maxName, &cut), class: props.ErrorUnrecorded,
	}
	metadataCut, redacted := c.mergeMetadata(nil)
	line = c.encoder.appendEvent(nil, now, &e)
	return e.id, append(c.encoder.appendEnd(line, cut+metadataCut, redacted), '\n')
}

// takeBack removes a mark, if there is one: its command was recorded, or is not to be.
func (c *Collector) takeBack(m *mark) {
	if m == nil {
		return
	}
	c.mu.Lock()
	delete(c.marks, m)
	c.mu.Unlock()
	m.remove()
}

func (m *mark) remove() {
	_ = m.slot.writer.TakeBack()
	m.slot.release()
}
