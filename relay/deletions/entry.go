//go:build !notelemetry

package deletions

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
)

// event is what a step tells.
type event string

const (
	// received: a request came in and its proof held, or somebody vouched for it. Wait is the
	// quiet period.
	received event = "received"
	// joined: somebody else asked for the same while it was under way. It is written down once
	// for each who asks and why, and once for all that proofs came with.
	joined event = "joined"
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
	// lost: it does not know its receipt any more, or has something left, and is asked again.
	lost event = "lost"
	// confirmed: it was counted once more a while after it had deleted, and nothing was left.
	confirmed event = "confirmed"
	// reopened: then something was left, so it is asked again.
	reopened event = "reopened"
	// retried: the operator had a refused one taken up again.
	retried event = "retried"
	// done: the operator has deleted by hand what a vendor did not.
	done event = "done"
	// cancelled: the request was taken back before a vendor was asked.
	cancelled event = "cancelled"
)

// maxReceipt bounds what a vendor can put into a step. Receipts with several parts are some
// hundred bytes a part.
const maxReceipt = 64 << 10

// entry is a step as it is written down: a line of JSON that holds the hash of the one before
// it. Lines of other kinds come from ledgers that were files, and say nothing of a deletion.
type entry struct {
	Seq int64 `json:"seq"`
	// At is when it was written, and never before the At of the step before: vendors get it as
	// a bound, where a late one spares nothing.
	At time.Time `json:"at"`
	// Wall is what the machine's clock said, where that was before At.
	Wall time.Time `json:"wall,omitzero"`
	// Clock is the ledger's own; see clock.
	Clock millis `json:"clock_ms"`
	Event event  `json:"event"`

	ID          string    `json:"id,omitempty"`
	Vendor      string    `json:"vendor,omitempty"`
	Tool        string    `json:"tool,omitempty"`
	MachineID   string    `json:"machine_id,omitempty"`
	RequestedAt time.Time `json:"requested_at,omitzero"`
	DueAt       time.Time `json:"due_at,omitzero"`
	// Proof says that the deletion key was the machine ID's, at that time. The key itself is
	// nowhere. Without it, By vouches for the request.
	Proof   string         `json:"proof,omitempty"`
	By      string         `json:"by,omitempty"`
	Why     string         `json:"why,omitempty"`
	Vendors []string       `json:"vendors,omitempty"`
	Wait    millis         `json:"wait_ms,omitempty"`
	Receipt *storedReceipt `json:"receipt,omitempty"`
	Problem string         `json:"problem,omitempty"`

	Prev string `json:"prev"`
}

// wall is what the machine's clock said.
func (e entry) wall() time.Time {
	if e.Wall.IsZero() {
		return e.At
	}
	return e.Wall
}

// millis is a time by the ledger's clock or a duration, in whole milliseconds.
type millis int64

// inMillis rounds up: no wait gets shorter.
func inMillis(d time.Duration) millis {
	return millis((d + time.Millisecond - 1) / time.Millisecond)
}

// asker is who asked for a deletion in a step that says so. A proof is the person's own: that
// one is nobody who could be named by another.
func (e entry) asker() (by string, asks bool) {
	switch {
	case e.Event != received && e.Event != joined:
		return "", false
	case e.Proof != "":
		return "", true
	}
	return e.By, true
}

func (m millis) duration() time.Duration { return time.Duration(m) * time.Millisecond }

// isID reports whether a text has the one form that IDs have, of receipts as of machines.
func isID(s string) bool { return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == "" }

// firstPrev is what the first step has in place of a hash.
const firstPrev = "0000000000000000000000000000000000000000000000000000000000000000"

func hashOf(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
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

// text is a receipt as a column holds it, empty for none.
func (s *storedReceipt) text() (string, error) {
	if s == nil {
		return "", nil
	}
	b, err := json.Marshal(s)
	return string(b), err
}

func readReceipt(text string) (*storedReceipt, error) {
	if text == "" {
		return nil, nil
	}
	s := &storedReceipt{}
	return s, json.Unmarshal([]byte(text), s)
}
