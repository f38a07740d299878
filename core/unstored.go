package core

import (
	"slices"

	"github.com/gotoolbase/telemetry/core/internal/state"
)

// maxUnstored is how many events are kept in memory: as many as one request holds.
const maxUnstored = 100

// unstored are events that the disk did not take, kept until a slot comes or the command
// ends. They have no receipt yet, so they are of use only while the answer is the one that
// they were recorded under.
type unstored struct {
	lines [][]byte
	stamp state.Stamp // of that answer
}

func (u *unstored) full() bool { return len(u.lines) >= maxUnstored }

func (u *unstored) add(in *installation, line []byte) {
	if len(u.lines) == 0 {
		u.stamp = in.store().Stamp()
	}
	u.lines = append(u.lines, slices.Clone(line))
}

// take returns the events and forgets them, and whether the answer still holds.
func (u *unstored) take(in *installation) (lines [][]byte, holds bool) {
	lines, u.lines = u.lines, nil
	return lines, len(lines) == 0 || u.stamp == in.store().Stamp()
}
