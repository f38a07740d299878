package core

import (
	"errors"

	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/core/props"
)

// begin notes on disk that a command begins, and returns the ID of its event and the note.
// That is the event which a later run queues if the command's process ends without taking
// it back; see spool.Queue.Start. It is nil where none could be made: that costs no error
// and no wait.
func (c *Collector) begin(name string) (id string, note *slot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slowLocks || c.debug != nil {
		return "", nil
	}
	if c.encoder == nil {
		c.prepare()
	}
	began := c.in.now()
	id, line := c.startLine(name)
	if line == nil {
		return "", nil
	}
	var watch state.Watch
	var s *slot
	var err error
	known, done := c.granted, make(chan struct{})
	go func() {
		s, err = noteStart(c.in, line, known, &watch)
		close(done)
	}()
	if !watch.Wait(done) {
		c.slowLocks = true
		go func() {
			if <-done; s != nil {
				s.takeBack()
			}
		}()
		return "", nil
	}
	if errors.Is(err, errOff) {
		c.on.Store(false)
	}
	if err != nil {
		return "", nil
	}
	if c.beganBeforeANo(began, s.receipt) { // which came while this was written down
		s.takeBack()
		return "", nil
	}
	c.granted, c.running[s] = s.grant, true
	return id, s
}

// noteStart writes the line to a file that is held from then on.
func noteStart(in *installation, line []byte, known grant, watch *state.Watch) (*slot, error) {
	s, err := takeSlot(in, (*spool.Queue).Start, len(line), known, watch)
	if err != nil {
		return nil, err
	}
	if err := s.writer.Append(line); err != nil {
		s.takeBack()
		return nil, err
	}
	return s, nil
}

// startLine encodes the event of a command of which nothing is known but that it began. It is
// nil for one of a run that sampling leaves out.
func (c *Collector) startLine(name string) (id string, line []byte) {
	e := event{kind: props.EventCommandInvocation, name: name, class: props.ErrorUnrecorded}
	if !c.complete(&e) {
		return "", nil
	}
	now := c.in.now()
	e.id = string(appendID(nil, now))
	var count tally
	if c.admit(&e, nil, now, &count) != "" {
		return "", nil
	}
	line = c.encoder.appendEvent(nil, now, &e)
	return e.id, append(c.encoder.appendEnd(line, &e, count), '\n')
}

// ended takes the note of a command back, if there is one: it was recorded, or is not to be.
func (c *Collector) ended(note *slot) {
	if note == nil {
		return
	}
	c.mu.Lock()
	delete(c.running, note)
	c.mu.Unlock()
	note.takeBack()
}
