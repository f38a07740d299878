package consent

import (
	"errors"
	"io/fs"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
)

// unansweredName is the file that says when the question was put and not answered.
const unansweredName = "unanswered"

// NoteUnanswered notes that the question was put with those terms and not answered, so
// that it is not put again before there is something new to say.
func (s Store) NoteUnanswered(terms Terms, at time.Time) error {
	return s.writeNote(unansweredName, terms, at)
}

// Unanswered returns when the question was put with these terms, or wider ones, and not
// answered. A note that cannot be read counts, without a time: not to be asked costs a
// person nothing, to be asked at every command does.
func (s Store) Unanswered(terms Terms) (at time.Time, ok bool) {
	shown, at, err := s.readNote(unansweredName)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, false
	}
	if err != nil {
		return time.Time{}, true
	}
	return at, len(terms.Beyond(shown, false)) == 0
}

// writeNote and readNote keep when something was shown to the person, and with which terms.
func (s Store) writeNote(name string, terms Terms, at time.Time) error {
	if err := s.dir.Create(); err != nil {
		return err
	}
	r := state.Record{"at": at.UTC().Format(time.RFC3339)}
	terms.put(r)
	return s.dir.WriteRecord(name, r)
}

func (s Store) readNote(name string) (terms Terms, at time.Time, err error) {
	record, err := s.dir.ReadRecord(name)
	if err != nil {
		return Terms{}, time.Time{}, err
	}
	if at, err = time.Parse(time.RFC3339, record["at"]); err != nil {
		return Terms{}, time.Time{}, state.ErrCorrupt
	}
	terms, err = termsIn(record)
	return terms, at, err
}
