package erasures

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
)

// event is what a line of the ledger tells.
type event string

const (
	// created: the first line, with the format.
	created event = "created"
	// started: a relay took up the ledger.
	started event = "started"
	// stopped: it gave it back, as at that time by its clock. A relay that is killed does not.
	stopped event = "stopped"
	// received: a request came in and its proof held. Wait is the quiet period.
	received event = "received"
	// asking: the vendor is about to be asked.
	asking event = "asking"
	// answered: it took the request. Wait is the time to the first follow-up, if any.
	answered event = "answered"
	// checked: it said something new when it was asked how far it is.
	checked event = "checked"
	// failed: asking or following up came to nothing. Wait is the time to the next try.
	failed event = "failed"
	// refused: it will not do it, or the relay gave it up. A person has to act.
	refused event = "refused"
	// lost: it does not know its receipt any more, and is asked again.
	lost event = "lost"
	// retried: the operator had a refused one taken up again.
	retried event = "retried"
	// writable: lines can be written again after they could not be.
	writable event = "writable"
	// repaired: AcceptDamage removed lines.
	repaired event = "repaired"
)

const (
	format = 1
	// maxLine is far above what is ever written (a receipt is the longest part), and
	// bounds what reading a file that is no ledger takes.
	maxLine = 1 << 20
	// maxReceipt bounds what a vendor can put into a line. Receipts with several parts
	// are some hundred bytes a part.
	maxReceipt = 64 << 10
)

// entry is one line of the ledger.
type entry struct {
	Seq int64 `json:"seq"`
	// At is when it was written, and never before the At of the line above: vendors get
	// it as a bound, where a late one spares nothing.
	At time.Time `json:"at"`
	// Wall is what the machine's clock said, where that was before At.
	Wall time.Time `json:"wall,omitzero"`
	// Clock is the ledger's own; see clock.
	Clock millis `json:"clock_ms"`
	Event event  `json:"event"`

	ID          receiptID `json:"id,omitzero"`
	Vendor      string    `json:"vendor,omitempty"`
	Tool        string    `json:"tool,omitempty"`
	MachineID   string    `json:"machine_id,omitempty"`
	RequestedAt time.Time `json:"requested_at,omitzero"`
	// Proof says that the erasure key was the machine ID's, at that time. The key itself
	// is nowhere.
	Proof   string         `json:"proof,omitempty"`
	Vendors []string       `json:"vendors,omitempty"`
	Wait    millis         `json:"wait_ms,omitempty"`
	Receipt *storedReceipt `json:"receipt,omitempty"`
	Problem string         `json:"problem,omitempty"`

	Format   int    `json:"format,omitempty"`
	Torn     int64  `json:"torn_bytes,omitempty"`
	SetAside int    `json:"lines_set_aside,omitempty"`
	Original string `json:"original_sha256,omitempty"`

	Prev string `json:"prev"`
}

// wall is what the machine's clock said.
func (e entry) wall() time.Time {
	if e.Wall.IsZero() {
		return e.At
	}
	return e.Wall
}

// millis is a duration in whole milliseconds, rounded up: no wait gets shorter.
type millis int64

func inMillis(d time.Duration) millis {
	return millis((d + time.Millisecond - 1) / time.Millisecond)
}
func (m millis) duration() time.Duration { return time.Duration(m) * time.Millisecond }

// receiptID names an erasure. 128 random bits: who has not been told one finds none.
type receiptID [16]byte

func (id receiptID) String() string               { return hex.EncodeToString(id[:]) }
func (id receiptID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

func (id *receiptID) UnmarshalText(text []byte) error {
	parsed, ok := parseID(string(text))
	if !ok {
		return errors.New("not an ID of 32 lower-case hexadecimal characters")
	}
	*id = parsed
	return nil
}

// parseID reads the one form that IDs have, of receipts as of machines.
func parseID(s string) (id [16]byte, ok bool) {
	if len(s) != hex.EncodedLen(len(id)) {
		return id, false
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return id, false
	}
	return id, hex.EncodeToString(id[:]) == s // capitals decode too
}

// storedReceipt is a deletion.Receipt as the ledger writes it.
type storedReceipt struct {
	State       deletion.State  `json:"state,omitempty"`
	ID          string          `json:"id,omitempty"`
	Detail      string          `json:"detail,omitempty"`
	URL         string          `json:"url,omitempty"`
	CancelUntil time.Time       `json:"cancel_until,omitzero"`
	MachineID   string          `json:"machine_id,omitempty"`
	At          time.Time       `json:"at,omitzero"`
	Parts       []storedReceipt `json:"parts,omitempty"`
}

func stored(r deletion.Receipt) *storedReceipt {
	s := storedReceipt{State: r.State, ID: r.ID, Detail: oneLine(r.Detail), URL: r.URL,
		CancelUntil: r.CancelUntil, MachineID: r.MachineID, At: r.At}
	for _, part := range r.Parts {
		s.Parts = append(s.Parts, *stored(part))
	}
	return &s
}

func (s storedReceipt) receipt() deletion.Receipt {
	r := deletion.Receipt{State: s.State, ID: s.ID, Detail: s.Detail, URL: s.URL,
		CancelUntil: s.CancelUntil, MachineID: s.MachineID, At: s.At}
	for _, part := range s.Parts {
		r.Parts = append(r.Parts, part.receipt())
	}
	return r
}

func (s storedReceipt) equal(o storedReceipt) bool {
	return s.State == o.State && s.ID == o.ID && s.Detail == o.Detail && s.URL == o.URL &&
		s.MachineID == o.MachineID && s.CancelUntil.Equal(o.CancelUntil) && s.At.Equal(o.At) &&
		slices.EqualFunc(s.Parts, o.Parts, storedReceipt.equal)
}

// firstPrev is what the first line has in place of a hash.
const firstPrev = "0000000000000000000000000000000000000000000000000000000000000000"

func hashOf(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

const (
	crcHead = `,"crc":"`
	crcTail = `"}`
	crcLen  = len(crcHead) + 8 + len(crcTail)
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode returns the line without its newline. The checksum is the last field and covers
// what is before it: the hash in the next line says only that one of two is wrong.
func encode(e entry) ([]byte, error) {
	line, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	line = line[:len(line)-1] // the brace
	return fmt.Appendf(line, "%s%08x%s", crcHead, crc32.Checksum(line, castagnoli), crcTail), nil
}

var (
	errNotALine = errors.New("it is not as it was written")
	errTooLong  = errors.New("it is longer than any line that was written")
)

// decode reads a line that encode wrote.
func decode(line []byte) (entry, error) {
	var e entry
	body := len(line) - crcLen
	if body < 0 {
		return e, errNotALine
	}
	if want := fmt.Sprintf("%s%08x%s", crcHead, crc32.Checksum(line[:body], castagnoli), crcTail); string(line[body:]) != want {
		return e, errNotALine
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return e, errNotALine
	}
	return e, nil
}

// eachLine calls f with every whole line, without its newline, and with nil for one that
// is longer than maxLine. It returns how many bytes at the end belong to no whole line.
// The slice is good until f returns.
func eachLine(r io.Reader, f func(line []byte) error) (torn int64, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	length := int64(0)
	for {
		part, err := in.ReadSlice('\n')
		length += int64(len(part))
		if length <= maxLine {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return length, nil
		case err != nil:
			return length, err
		}
		whole := bytes.TrimSuffix(line, []byte{'\n'})
		if length > maxLine {
			whole = nil
		}
		if err := f(whole); err != nil {
			return 0, err
		}
		line, length = line[:0], 0
	}
}

// end is where a ledger stands after its last whole line.
type end struct {
	size  int64  // of the whole lines
	seq   int64  // of the last line, which is also how many there are
	head  string // its hash
	at    time.Time
	wall  time.Time
	clock time.Duration
	torn  int64 // bytes after it
}

// scan reads a ledger from its start, holds the chain against it, and calls f with each
// line. It stops with a *DamageError at the first one that is wrong, or with ErrNewer.
func scan(r io.Reader, f func(entry) error) (end, error) {
	at := end{head: firstPrev}
	torn, err := eachLine(r, func(line []byte) error {
		e, err := check(line, at)
		if err == nil {
			err = f(e)
		}
		if errors.Is(err, ErrNewer) {
			return fmt.Errorf("line %d: %w", at.seq+1, err)
		}
		if err != nil {
			return &DamageError{Line: at.seq + 1, Offset: at.size, Err: err}
		}
		at = end{at.size + int64(len(line)) + 1, e.Seq, hashOf(line), e.At, e.wall(), e.Clock.duration(), 0}
		return nil
	})
	at.torn = torn
	return at, err
}

// check decodes the line that follows at.
func check(line []byte, at end) (entry, error) {
	if line == nil {
		return entry{}, errTooLong
	}
	e, err := decode(line)
	switch {
	case err != nil:
		return e, err
	case e.Seq > at.seq+1:
		return e, fmt.Errorf("%d lines before it are missing", e.Seq-at.seq-1)
	case e.Seq != at.seq+1:
		return e, fmt.Errorf("it has number %d", e.Seq)
	case e.Prev != at.head:
		return e, errors.New("the line before it is not the one that it was written after")
	case e.Seq == 1 && e.Event != created:
		return e, errors.New("it is not the start of a ledger")
	case e.Event == created && e.Format != format:
		return e, ErrNewer
	}
	return e, nil
}

// DamageError says that a ledger is damaged otherwise than by a writer that was killed:
// somebody changed or removed a line, or the disk did.
type DamageError struct {
	// Line is the first line that is wrong, counted from 1, and Offset where it starts.
	Line, Offset int64
	// Err says what is wrong with it.
	Err error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("line %d of the ledger (at byte %d) is damaged: %v; restore the file from a backup, or have the "+
		"damaged lines set aside by AcceptDamage: tools whose requests are among them ask again", e.Line, e.Offset, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }
