package core

import (
	"slices"

	"github.com/gotoolbase/telemetry/core/consent"
)

// maxUnstored is how many events are kept in memory: as many as one request holds.
const maxUnstored = 100

// unstored are events that the disk did not take, kept until a slot comes or the command
// ends. They have no receipt yet, so they are of use only while the answer is the one that
// they were recorded under.
type unstored struct {
	lines  [][]byte
	answer consent.Stored
	terms  consent.Terms
}

func (u *unstored) full() bool { return len(u.lines) >= maxUnstored }

func (u *unstored) add(in *installation, line []byte) {
	if len(u.lines) == 0 {
		u.answer, u.terms = in.store().Load(), in.terms()
	}
	u.lines = append(u.lines, slices.Clone(line))
}

// take returns the events and forgets them, and whether the answer and the receiver still
// hold.
func (u *unstored) take(in *installation) (lines [][]byte, holds bool) {
	lines, u.lines = u.lines, nil
	if len(lines) == 0 {
		return nil, true
	}
	in.readPolicy()
	return lines, sameAnswer(in.store().Load(), u.answer) && in.terms().SameReceiver(u.terms)
}

// sameAnswer reports whether two answers are one, which may have been confirmed since.
func sameAnswer(a, b consent.Stored) bool {
	if a.Receipt == "" && !a.At.Equal(b.At) { // of an older version
		return false
	}
	return a.Answer == b.Answer && a.Receipt == b.Receipt
}
