//go:build !notelemetry

package report

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

const (
	// maxLine bounds a line: an event is some hundred bytes, and a batch of the file backend
	// has at most so many.
	maxLine = 1 << 20
	// fileEvents is how many IDs are remembered at least, to tell what comes twice: some 50 MB.
	fileEvents = 1 << 20
	// maxTools bounds the memory for a file that holds what nobody expects.
	maxTools = 100
)

// Counter counts events of files: those of the file backend, one JSON object a line, plain or
// compressed with gzip. Its memory is bounded, however many events there are.
type Counter struct {
	// SkipDamaged leaves lines out that are no events, which are an error otherwise.
	SkipDamaged bool
	// Events and Damaged are how many lines were events, and how many were left out.
	Events, Damaged int64

	query  Query
	tally  *tally
	latest time.Time
	keys   map[window]*hasher
	tools  map[string]bool
}

// NewCounter returns a counter that has seen nothing.
func NewCounter(q Query) *Counter {
	c := &Counter{query: q, keys: map[window]*hasher{}, tools: map[string]bool{}}
	c.tally = newTally(c.hasher, newRecent(fileEvents))
	return c
}

// hasher returns that of a window which a page could show.
func (c *Counter) hasher(w window) *hasher {
	if w.start < c.query.from(weekOf(c.latest)) {
		return nil
	}
	if c.keys[w] == nil {
		c.keys[w] = newHasher(newKey())
	}
	return c.keys[w]
}

// LineError says what is wrong with a line. It repeats nothing of it.
type LineError struct {
	File    string
	Line    int
	Problem string
}

func (e *LineError) Error() string { return fmt.Sprintf("%s: line %d: %s", e.File, e.Line, e.Problem) }

// Read counts what r holds, which name stands for in errors. A line that is no event ends it
// with a *LineError, and what was before is counted.
func (c *Counter) Read(name string, r io.Reader) error {
	in := bufio.NewReaderSize(r, maxLine)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		in = bufio.NewReaderSize(unzipped, maxLine)
	}
	for number := 1; ; number++ {
		line, end := in.ReadSlice('\n')
		if end != nil && end != io.EOF && !errors.Is(end, bufio.ErrBufferFull) {
			return fmt.Errorf("%s: after line %d: %w", name, number-1, end)
		}
		problem := ""
		if errors.Is(end, bufio.ErrBufferFull) {
			problem = "longer than 1 MiB, so no event"
			for errors.Is(end, bufio.ErrBufferFull) {
				_, end = in.ReadSlice('\n')
			}
		} else {
			problem = c.line(bytes.TrimSpace(line))
			if problem != "" && end == io.EOF {
				problem += "; the file ends in the middle of it"
			}
		}
		if problem != "" {
			if !c.SkipDamaged {
				return &LineError{name, number, problem}
			}
			c.Damaged++
		}
		if end == io.EOF {
			return nil
		}
	}
}

// line counts a line, or says what is wrong with it. An empty one is what the file backend
// may leave between others.
func (c *Counter) line(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	var e driver.Event
	if err := json.Unmarshal(text, &e); err != nil {
		return problemOf(err)
	}
	switch {
	case e.Tool == "":
		return "no event: it has no tool_name"
	case e.Type == "":
		return "no event: it has no type"
	case e.Time.IsZero():
		return "no event: it has no timestamp"
	}
	c.Events++
	chosen := c.query.Tool == "" || e.Tool == c.query.Tool
	if !c.tools[e.Tool] && len(c.tools) >= maxTools && c.query.Tool == "" {
		return "of one tool more than the hundred that are counted at once: choose one"
	}
	if chosen || len(c.tools) < maxTools {
		c.tools[e.Tool] = true
	}
	if !chosen {
		return ""
	}
	c.see(momentOf(&e, c.query.Now))
	c.tally.add(e.Tool, &e, c.query.Now)
	return ""
}

// see moves the time that is of interest, and drops what is before it.
func (c *Counter) see(t time.Time) {
	before := weekOf(c.latest)
	if !t.After(c.latest) {
		return
	}
	c.latest = t
	if weekOf(t) == before {
		return
	}
	from := c.query.from(weekOf(t))
	maps.DeleteFunc(c.keys, func(w window, _ *hasher) bool { return w.start < from })
	for g := range c.tally.cells {
		if g.start < from {
			delete(c.tally.cells, g)
			delete(c.tally.values, g.section)
		}
	}
}

// problemOf says in words of ours why a line is no event. What encoding/json and package time
// say may repeat some of it.
func problemOf(err error) string {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("no JSON object on a line of its own: no JSON at byte %d", syntax.Offset)
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if kind.Field == "" {
			return "no event: it is no JSON object"
		}
		return "no event: " + kind.Field + " is of the wrong kind"
	}
	return "no event: its timestamp is no time"
}

// Data returns what was counted of a tool: see Read.
func (c *Counter) Data() (*Data, error) {
	q := c.query
	d := &Data{Tools: slices.Sorted(maps.Keys(c.tools)), weeks: q.weeks(), now: q.Now, until: c.latest, cells: map[section][]settled{}}
	var err error
	if d.Tool, err = choose(q.Tool, d.Tools); err != nil {
		return d, err
	}
	lists, sets := map[section][]settled{}, map[group]*sketch{}
	for g, cell := range c.tally.cells {
		if g.tool == d.Tool {
			lists[g.section] = append(lists[g.section], settled{group: g, numbers: cell.numbers, installations: -1})
			sets[g] = cell.seen
		}
	}
	for s, list := range lists {
		d.put(s, list, sets, false)
	}
	return d, nil
}
