package outbox

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// Entry is one deletion request and how far it came.
type Entry struct {
	MachineID string
	// Key is the deletion key in hexadecimal, empty once it is not needed: when the data is
	// known to be gone. It is a secret; see String.
	Key   string
	State deletion.State
	// Receivers are who has to be asked yet, where that is who events were sent to, and Taken
	// who has taken the request.
	Receivers []string
	Taken     string
	// NotDeletable is how many of the events the receiver had taken with a warning that it may
	// not find them again, whichever ID of the installation they went out under. It is 0 once
	// the data is known to be gone.
	NotDeletable int
	// Reached is when each state was reached for the first time.
	Reached map[deletion.State]time.Time
	// Receipt is what the other side answered last.
	Receipt deletion.Receipt
	// Attempts counts the failures in a row, Problem is the last one, empty if there is
	// none.
	Attempts int
	Problem  string
	// Next is when it is looked at again by itself, zero for never.
	Next time.Time
}

// String leaves out the key.
func (e Entry) String() string { return fmt.Sprintf("deletion of %s: %s", e.MachineID, e.State) }

// GoString is String: %#v must not show the key either.
func (e Entry) GoString() string { return e.String() }

// HeldByPolicy is Run.Held where the administrator's policy names the receiver.
const HeldByPolicy = "which the administrator's policy does not let the tool contact now: a command asks it within a day after that has changed"

// IsFor reports whether a request that was not made yet is to be made in a run. Those of older
// versions do not say for whom they are: for whom an author had events sent to.
func (e Entry) IsFor(r Run) bool {
	if len(e.Receivers) == 0 {
		return r.Held == ""
	}
	return slices.ContainsFunc(e.Receivers, r.reaches)
}

// waiting is a request that a run cannot make.
func (e Entry) waiting(r Run, now time.Time) Entry {
	to, why := "others", "which this version of the tool does not send to: another one has to ask"
	if len(e.Receivers) > 0 {
		to = strings.Join(e.Receivers, " and ")
	}
	switch {
	case r.Held != "":
		why = r.Held
	case slices.ContainsFunc(e.Receivers, r.setByPolicy): // or it would be reached
		why = "which the administrator's policy named, and does not name now: a command asks it within a day after that has changed"
	}
	e.Problem = "data went to " + to + ", " + why
	e.Next = now.Add(lastRetry)
	return e
}

// handedTo is a request that was taken in a run, which others may still have to take.
func (e Entry) handedTo(r Run, now time.Time) Entry {
	if len(e.Receivers) == 0 {
		return e
	}
	left := slices.DeleteFunc(slices.Clone(e.Receivers), r.reaches)
	if r.Receiver == "" && len(left) == 0 {
		return e
	}
	e.Taken, e.Receivers = r.receiver(), left
	if len(left) > 0 {
		// What one receiver has reached is not what the request has: that is told when all have it.
		e.State, e.Reached = deletion.Requested, map[deletion.State]time.Time{deletion.Requested: e.Reached[deletion.Requested]}
		return e.waiting(r, now)
	}
	return e
}

// states are those that have a time.
var states = []deletion.State{
	deletion.Requested, deletion.Delivered, deletion.Acknowledged, deletion.Verified, deletion.Refused, deletion.Manual,
}

const (
	// maxWord, maxText and maxURL bound what a stranger's requestor or server can put into
	// the file, which has to stay below what state writes: twice a machine ID, a few lines of
	// a terminal, and the longest link that mail programs and browsers take.
	maxWord, maxText, maxURL = 64, 500, 2000
	// maxParts of a receipt are kept. No author asks more places than that.
	maxParts = 16
)

func (e Entry) record() state.Record {
	r := state.Record{
		"machine_id": e.MachineID, "state": line(string(e.State), maxWord), "attempts": strconv.Itoa(e.Attempts),
	}
	put(r, "deletion_key", e.Key)
	put(r, "taken_by", line(e.Taken, maxText))
	if e.NotDeletable > 0 {
		r["not_deletable"] = strconv.Itoa(e.NotDeletable)
	}
	for i, receiver := range e.Receivers[:min(len(e.Receivers), maxParts)] {
		put(r, "receiver_"+strconv.Itoa(i), line(receiver, maxText))
	}
	put(r, "problem", line(e.Problem, maxText))
	putTime(r, "next", e.Next)
	for _, s := range states {
		putTime(r, string(s)+"_at", e.Reached[s])
	}
	putReceipt(r, "receipt_", e.Receipt)
	return r
}

func putReceipt(r state.Record, prefix string, receipt deletion.Receipt) {
	put(r, prefix+"state", line(string(receipt.State), maxWord))
	put(r, prefix+"id", line(receipt.ID, maxText))
	put(r, prefix+"detail", line(receipt.Detail, maxText))
	put(r, prefix+"machine_id", line(receipt.MachineID, maxWord))
	if url := line(receipt.URL, maxURL+1); len(url) <= maxURL { // half a link leads elsewhere
		put(r, prefix+"url", url)
	}
	putTime(r, prefix+"at", receipt.At)
	putTime(r, prefix+"cancel_until", receipt.CancelUntil)
	for i, part := range receipt.Parts[:min(len(receipt.Parts), maxParts)] {
		part.Parts = nil // one level is all that there is
		putReceipt(r, prefix+strconv.Itoa(i)+"_", part)
	}
}

func put(r state.Record, key, value string) {
	if value != "" {
		r[key] = value
	}
}

// putTime leaves out what is in no year that RFC 3339 has: a stranger may have said such a time,
// and an entry that cannot be read again would be a request that is lost.
func putTime(r state.Record, key string, t time.Time) {
	if t = t.UTC(); !t.IsZero() && 0 <= t.Year() && t.Year() <= 9999 {
		r[key] = t.Format(time.RFC3339)
	}
}

// parse reads what record wrote.
func parse(r state.Record) (Entry, error) {
	e := Entry{
		MachineID: r["machine_id"], Key: cmp.Or(r["deletion_key"], r["erasure_key"]), // the latter of versions before 0.1.0
		State:   deletion.State(r["state"]),
		Problem: r["problem"], Taken: r["taken_by"], Reached: map[deletion.State]time.Time{},
	}
	for i := 0; i < maxParts && r["receiver_"+strconv.Itoa(i)] != ""; i++ {
		e.Receivers = append(e.Receivers, r["receiver_"+strconv.Itoa(i)])
	}
	var errs []error
	when := func(key string) time.Time {
		if r[key] == "" {
			return time.Time{}
		}
		t, err := time.Parse(time.RFC3339, r[key])
		errs = append(errs, err)
		return t
	}
	var err error
	e.Attempts, err = strconv.Atoi(r["attempts"])
	errs = append(errs, err, (deletion.Request{MachineID: e.MachineID}).Validate())
	if e.Key != "" && !deletion.Proves(e.Key, e.MachineID) {
		errs = append(errs, state.ErrCorrupt)
	}
	if n := cmp.Or(r["not_deletable"], r["not_erasable"]); n != "" { // not written by older versions
		e.NotDeletable, err = strconv.Atoi(n)
		errs = append(errs, err)
	}
	e.Next = when("next")
	for _, s := range states {
		if t := when(string(s) + "_at"); !t.IsZero() {
			e.Reached[s] = t
		}
	}
	receipt := func(prefix string) deletion.Receipt {
		return deletion.Receipt{
			State: deletion.State(r[prefix+"state"]), ID: r[prefix+"id"], Detail: r[prefix+"detail"], URL: r[prefix+"url"],
			MachineID: r[prefix+"machine_id"], At: when(prefix + "at"), CancelUntil: when(prefix + "cancel_until"),
		}
	}
	e.Receipt = receipt("receipt_")
	for i := range maxParts {
		prefix := "receipt_" + strconv.Itoa(i) + "_"
		if r[prefix+"state"] == "" {
			break
		}
		e.Receipt.Parts = append(e.Receipt.Parts, receipt(prefix))
	}
	if errors.Join(errs...) != nil || e.State == "" || e.Reached[deletion.Requested].IsZero() {
		return Entry{}, state.ErrCorrupt
	}
	return e, nil
}

// line makes one short line of a text that may be anybody's.
func line(text string, limit int) string {
	return strings.TrimSpace(plaintext.Cut(text, limit))
}
