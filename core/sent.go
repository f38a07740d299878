package core

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/delivery"
	"github.com/gotoolbase/telemetry/core/internal/journal"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// SentLog is what was sent from here to other machines, as far as it is kept: the oldest
// entries are cut where the log grows above 1 MiB. What stayed on this machine is not in it,
// nor is a deletion request that the author's requestor makes.
type SentLog struct {
	// Deliveries are those asked for, oldest first.
	Deliveries []Delivery
	// Cut is how many older entries were cut, from CutFrom to CutTo. A request is one, and its
	// answer another.
	Cut            int
	CutFrom, CutTo time.Time
	// Gaps is how many requests could not be written into the log since it began. What was counted
	// before an entry that is cut is counted before a later one.
	Gaps int
	// Before is how many events were delivered before the log began, so that nothing of them is in it:
	// it was erased, or removed by somebody, or they went to no other machine.
	Before int
	// Unlogged says that what is sent now can neither be written into the log nor be counted in
	// Gaps, as where the state directory is read-only: it is sent all the same.
	Unlogged bool
	// Torn says that a process was killed while it wrote the last entry, whose request was
	// then not sent.
	Torn bool
	// Bytes is the size of the file.
	Bytes int64
	// Mismatch is not nil where entries are not as they were written, and names the first. There is
	// no key in the log: it shows damage and careless changes, not an attacker who works out the
	// hashes too.
	Mismatch *SentMismatch
}

// Delivery is one request and what became of it.
type Delivery struct {
	// N is the number of its entry, At when it was written, right before it went out, and AnswerN
	// the number of the entry with its answer, 0 where there is none.
	N, AnswerN int
	At         time.Time
	// Backend is the driver's name, Host whom it went to.
	Backend, Host string
	// Counts says how many of the events were of which kind: a command's by its name, others
	// with their type before it. Of more than a hundred kinds the rest has no name. It is nil
	// where that is not known.
	Counts []EventCount
	// Receipts are the decisions under which its events were recorded, by their IDs.
	Receipts []string
	// MachineIDs are those that its events went out under; one that it asks to be deleted is none.
	MachineIDs []string
	Request
	// Answered says that what became of it is known: a process that was killed, or a full disk,
	// leaves it open.
	Answered bool
	// Unsent says that it did not go out after all: a no came right before.
	Unsent bool
	// Status is that of an HTTP answer, 0 where none came, and Class what it means to the
	// collector, as driver.Class prints it. Reason is why it is no acceptance, in the backend's
	// words, Answer the beginning of what the receiver said, made fit for a terminal. Of a request
	// that shows a deletion key nothing is kept that was said.
	Status                int
	Class, Reason, Answer string
	// Took is how long it lasted.
	Took time.Duration
	// GapBefore is how many requests before it could not be written into the log, as far as no
	// entry before it says so.
	GapBefore int
}

// EventCount is how many events there were of a kind. An event that stands for several counts
// as these.
type EventCount struct {
	Name   string
	Events int
}

// SentMismatch says that the log of what was sent is not as it was written.
type SentMismatch struct {
	// Entry is the number of the first entry that does not fit to what is before it, or that is
	// missing. Problem says what is wrong with it.
	Entry   int
	Problem string
}

func (e *SentMismatch) Error() string {
	return fmt.Sprintf("the log of what was sent does not fit: entry %d %s", e.Entry, e.Problem)
}

// SentStatus is what Status tells of the log of what was sent.
type SentStatus struct {
	// Requests is how many are in it, Unsent how many of these did not go out after all, and Gaps
	// how many could not be written into it.
	Requests, Unsent, Gaps int
	// Unlogged says that what is sent now can neither be written into it nor be counted.
	Unlogged bool
	// Bytes is its size on disk.
	Bytes int64
}

// Sent returns what was sent since a time, zero for everything that is kept. It changes
// nothing. The error is of this machine; that entries do not fit is in SentLog.Mismatch.
func (m *Manager) Sent(since time.Time) (SentLog, error) {
	if err := m.mayLook(); err != nil {
		return SentLog{Unlogged: m.in.unlogged()}, ignoreMissing(err)
	}
	log := SentLog{Unlogged: m.in.unlogged(), Gaps: m.in.dir.Count(gapsName)}
	delivered := delivery.ReadNotes(m.in.dir).Delivered
	read, err := m.in.sentJournal().Read()
	if err != nil {
		return log, fmt.Errorf("reading the log of what was sent: %w", err)
	}
	log.Cut, log.CutFrom, log.CutTo, log.Torn, log.Bytes = read.Cut, read.CutFrom, read.CutTo, read.Torn, read.Bytes
	log.Before = m.in.before(read, delivered)
	if read.Mismatch != nil {
		log.Mismatch = &SentMismatch{read.Mismatch.N, read.Mismatch.Problem}
	}
	drivers, _ := linkedDrivers(m.in.tool.Telemetry) // else bodies are shown as they are
	byNumber := map[int]int{}
	for _, e := range read.Entries {
		switch e.Fields[kindField] {
		case kindRequest:
			d := deliveryOf(e)
			log.Gaps += d.GapBefore
			if e.At.Before(since) {
				continue
			}
			d.readable = drivers[d.Backend].Readable
			byNumber[e.N] = len(log.Deliveries)
			log.Deliveries = append(log.Deliveries, d)
		case kindAnswer:
			if i, there := byNumber[numberIn(e, ofField)]; there {
				log.Deliveries[i].answer(e)
			}
		}
	}
	return log, nil
}

func numberIn(e journal.Entry, field string) int {
	n, _ := strconv.Atoi(e.Fields[field])
	return min(max(n, 0), delivery.MostCounted)
}

// deliveryOf reads the entry of a request.
func deliveryOf(e journal.Entry) Delivery {
	f := linesOf(e)
	d := Delivery{N: e.N, At: e.At, Backend: f[backendField], Receipts: strings.Fields(f[receiptsField]), MachineIDs: strings.Fields(f[machinesField]), Counts: decodeCounts(e.Fields[countsField]), GapBefore: numberIn(e, gapsField),
		Request: Request{
			Method: f[methodField], URL: f[urlField], Header: decodeHeader(e.Fields[headerField]), Network: f[networkField], Address: f[addressField],
			Body: []byte(e.Fields[bodyField]), BodyMasked: f[maskedField] != "", NotKept: f[notKeptField], Size: numberIn(e, sizeField), Digest: f[digestField],
			Events: numberIn(e, eventsField), IDs: strings.Fields(f[idsField]),
		}}
	if packed, err := base64.StdEncoding.DecodeString(f[packedField]); err == nil && len(packed) > 0 {
		d.Body = packed
	}
	d.Host = d.Address
	if d.Method != "" {
		d.Host = d.Header.Get("Host")
	}
	return d
}

// linesOf returns the fields of an entry as text in one line each: the file may have been changed.
func linesOf(e journal.Entry) state.Record {
	f := state.Record{}
	for key, text := range e.Fields {
		f[key] = plaintext.Clean(text)
	}
	return f
}

// answer adds what became of the request.
func (d *Delivery) answer(e journal.Entry) {
	f := linesOf(e)
	d.Answered, d.AnswerN, d.Unsent = true, e.N, f[unsentField] != ""
	d.Status, d.Class, d.Reason, d.Answer = numberIn(e, statusField), f[classField], f[reasonField], f[saidField]
	d.Took = time.Duration(numberIn(e, tookField)) * time.Millisecond
}

// decodeHeader reads what encodeHeader wrote.
func decodeHeader(text string) textproto.MIMEHeader {
	header := textproto.MIMEHeader{}
	for line := range strings.SplitSeq(text, "\r\n") {
		if name, value, found := strings.Cut(line, ": "); found {
			name = plaintext.Clean(name)
			header[name] = append(header[name], plaintext.Clean(value))
		}
	}
	return header
}

// EraseSent erases the log of what was sent. It waits for a process that is delivering; the
// error wraps ErrBusy where one goes on.
func (m *Manager) EraseSent(ctx context.Context) error {
	if err := m.mayLook(); err != nil {
		return ignoreMissing(err)
	}
	release, err := delivery.Pause(ctx, m.in.dir, previewPatience)
	if err != nil {
		return err
	}
	defer release()
	return m.in.forgetSent()
}

// lookAtSent counts what is in the log of what was sent, and tells what is wrong with it or named there
// and gone.
func (m *Manager) lookAtSent(s *Status, fault func(error)) {
	log, err := m.Sent(time.Time{})
	s.Log = SentStatus{Requests: len(log.Deliveries), Gaps: log.Gaps, Unlogged: log.Unlogged, Bytes: log.Bytes}
	for _, d := range log.Deliveries {
		if d.Unsent {
			s.Log.Unsent++
		}
	}
	fault(err)
	if err == nil && log.Mismatch != nil {
		fault(log.Mismatch)
	}
	i := identifier{m.in}
	if _, lost := i.lost(log.Deliveries); lost && len(i.stored().Lost()) == 0 { // else that tells of it
		fault(errLost)
	}
}
