package consent

import (
	"errors"
	"io/fs"
	"strconv"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
)

// unansweredName is the file that says when the question was put and not answered.
const unansweredName = "unanswered"

// NoteUnanswered notes that the question was put with that version of the notice and
// not answered, so that it is not put again before there is something new to say.
func (s Store) NoteUnanswered(notice int, at time.Time) error {
	return s.writeNote(unansweredName, notice, at)
}

// Unanswered returns when the question was put with this version of the notice, or a
// later one, and not answered. A note that cannot be read counts, without a time: not
// to be asked costs a person nothing, to be asked at every command does.
func (s Store) Unanswered(notice int) (at time.Time, ok bool) {
	shown, at, err := s.readNote(unansweredName)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, false
	}
	if err != nil {
		return time.Time{}, true
	}
	return at, shown >= notice
}

// writeNote and readNote keep when something was shown to the person, and with which
// version of the notice.
func (s Store) writeNote(name string, notice int, at time.Time) error {
	if err := s.dir.Create(); err != nil {
		return err
	}
	return s.dir.WriteRecord(name, state.Record{
		"notice": strconv.Itoa(notice),
		"at":     at.UTC().Format(time.RFC3339),
	})
}

func (s Store) readNote(name string) (notice int, at time.Time, err error) {
	record, err := s.dir.ReadRecord(name)
	if err != nil {
		return 0, time.Time{}, err
	}
	notice, err = strconv.Atoi(record["notice"])
	if err != nil {
		return 0, time.Time{}, state.ErrCorrupt
	}
	at, err = time.Parse(time.RFC3339, record["at"])
	if err != nil {
		return 0, time.Time{}, state.ErrCorrupt
	}
	return notice, at, nil
}
