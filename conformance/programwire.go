package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// The protocol, which WIRE.md describes: a JSON object a line, each with one member that
// says what it is.

// toProgram is a line on a program's standard input.
type toProgram struct {
	Open   *openLine   `json:"open,omitempty"`
	Send   *sendLine   `json:"send,omitempty"`
	Cancel *cancelLine `json:"cancel,omitempty"`
	Close  bool        `json:"close,omitempty"`
}

type openLine struct {
	Settings map[string]string `json:"settings"`
	Headers  map[string]string `json:"headers"`
	Tool     string            `json:"tool"`
	Version  string            `json:"version"`
}

// opening tells a program its configuration. What is not set is empty and not null, which
// most languages read as something else.
func opening(c driver.Config) toProgram {
	l := openLine{Settings: map[string]string{}, Headers: map[string]string{}, Tool: c.Tool, Version: c.Version}
	maps.Copy(l.Settings, c.Settings)
	maps.Copy(l.Headers, c.Headers)
	return toProgram{Open: &l}
}

type sendLine struct {
	ID         int             `json:"id"`
	DeadlineMS int64           `json:"deadline_ms"`
	Events     json.RawMessage `json:"events"`
}

type cancelLine struct {
	ID int `json:"id"`
}

// fromProgram is a line on its standard output.
type fromProgram struct {
	Opened *openedLine `json:"opened"`
	Error  *errorLine  `json:"error"`
	Sent   *sentLine   `json:"sent"`
	Closed bool        `json:"closed"`
}

type openedLine struct {
	// Concurrent says that the program reads while it sends: more sends, and cancels.
	Concurrent bool       `json:"concurrent"`
	Limits     limitsLine `json:"limits"`
}

type limitsLine struct {
	Events     int `json:"events"`
	Bytes      int `json:"bytes"`
	EventBytes int `json:"event_bytes"`
}

type errorLine struct {
	Field   string `json:"field"`
	Problem string `json:"problem"`
}

type sentLine struct {
	ID       int      `json:"id"`
	Class    string   `json:"class"`
	WaitMS   int64    `json:"wait_ms"`
	Accepted []string `json:"accepted"`
	Rejected []string `json:"rejected"`
	Unnamed  int      `json:"unnamed"`
	Error    string   `json:"error"`
}

// problem says why a line is no answer, "" if it is one.
func (l sentLine) problem() string {
	_, known := classNames[l.Class]
	partial := l.Class == "partial"
	switch {
	case !known && !partial:
		return fmt.Sprintf("%q is no class", l.Class)
	case l.WaitMS != 0 && l.Class != "throttled" && !partial:
		return "wait_ms goes with throttled and partial"
	case !partial && (l.Accepted != nil || l.Rejected != nil || l.Unnamed != 0):
		return "accepted, rejected and unnamed go with partial"
	case l.Unnamed < 0:
		return "unnamed is negative"
	}
	return ""
}

// verdict is the error of a driver's Send on a batch of n events.
func (l sentLine) verdict(n int) error {
	if problem := l.problem(); problem != "" {
		return fmt.Errorf("the program's answer is none: %s", problem)
	}
	err := errors.New(l.Error)
	if l.Error == "" {
		err = fmt.Errorf("the program says %s", l.Class)
	}
	wait := time.Duration(min(l.WaitMS, int64(1<<62)/int64(time.Millisecond))) * time.Millisecond
	switch l.Class {
	case "accepted":
		return nil
	case "throttled":
		return driver.Throttled(err, wait)
	case "too_large":
		return driver.TooLarge(err)
	case "refused":
		return driver.Refused(err, n)
	case "permanent":
		return driver.Permanent(err)
	case "partial":
		return &driver.Partial{Accepted: l.Accepted, Rejected: l.Rejected, Unnamed: l.Unnamed, Wait: wait, Err: err}
	}
	return err
}

// canonical is a JSON array of events.
func canonical(events []driver.Event) json.RawMessage { return driver.AppendJSONArray(nil, events) }

// encode makes a line of l, in which the events stay as they are.
func (l toProgram) encode() []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(l); err != nil {
		panic(err) // texts and numbers
	}
	return b.Bytes()
}

// write writes a line, in the background: a program that does not read must not hold up
// whoever waits for a deadline. Nothing comes after a close.
func (b *process) write(l toProgram) {
	text := l.encode()
	go func() {
		b.writing.Lock()
		defer b.writing.Unlock()
		_, err := b.stdin.Write(text)
		if err != nil || l.Close {
			b.stdin.Close() // whoever waits for an answer sees that the program is gone
		}
	}()
}

// maxLine bounds what is kept of a line. The longest answer names 500 events.
const maxLine = 1 << 20

// stdoutOf takes what a program writes to standard output.
type stdoutOf struct{ *process }

func (b stdoutOf) Write(text []byte) (int, error) {
	written := len(text)
	for {
		end := bytes.IndexByte(text, '\n')
		if end < 0 {
			break
		}
		b.mu.Lock()
		line := append(b.line, text[:end]...)
		b.line = nil
		b.mu.Unlock()
		b.hear(line)
		text = text[end+1:]
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.line = append(b.line, text...)
	if len(b.line) > maxLine {
		b.program.note(offProtocol, "a line on standard output is longer than %d KiB", maxLine>>10)
		b.line = nil
	}
	return written, nil
}

// hear takes a line in.
func (b *process) hear(text []byte) {
	l, err := readLine(text)
	if err != nil {
		b.program.note(offProtocol, "a line on standard output is none of the protocol: %v: %s", err, short(string(text)))
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case l.Sent != nil:
		answer, asked := b.answers[l.Sent.ID]
		delete(b.answers, l.Sent.ID)
		if problem := l.Sent.problem(); problem != "" {
			b.program.note(offProtocol, "%s: %s", problem, short(string(text)))
		}
		if !asked {
			b.program.note(offProtocol, "no answer to send %d was waited for: %s", l.Sent.ID, short(string(text)))
			return
		}
		answer <- *l.Sent
	case l.Closed:
		if !b.told {
			b.program.note(offProtocol, "the program says {\"closed\":true} and had not been told to close")
		}
		b.closed = true
	case b.spoke:
		b.program.note(offProtocol, "the program was opened already: %s", short(string(text)))
	default:
		b.spoke, b.failed = true, l.Error != nil
		b.told = b.told || b.failed // one that cannot work ends
		b.opened <- l
	}
}

// readLine reads a line of the protocol.
func readLine(text []byte) (l fromProgram, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return l, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return l, errors.New("something is behind the object")
	}
	members := 0
	for _, there := range []bool{l.Opened != nil, l.Error != nil, l.Sent != nil, l.Closed} {
		if there {
			members++
		}
	}
	if members != 1 {
		return l, errors.New("it has to have one of opened, error, sent and closed")
	}
	return l, nil
}

// stderrOf takes what a program writes to standard error.
type stderrOf struct{ *process }

func (b stderrOf) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stderr.Len() < maxLine {
		b.stderr.Write(text)
	}
	return len(text), nil
}
