package consent

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
)

// Answer is what the person said.
type Answer string

// The answers. AnswerLocal is a yes to recording on this machine only.
const (
	AnswerNone  Answer = ""
	AnswerNo    Answer = "no"
	AnswerYes   Answer = "yes"
	AnswerLocal Answer = "local"
)

// Stored is the person's answer as it was kept.
type Stored struct {
	Answer Answer
	// Notice is the version of the notice that was shown, At when.
	Notice int
	At     time.Time
	// Err says why what is stored cannot be read. It counts as a no.
	Err error
	// revision is different after each change.
	revision int
}

// ErrChanged is returned by Store.Save for a yes where the stored answer changed after
// the person had been shown it: the other answer stands.
var ErrChanged = errors.New("the answer was changed by another process meanwhile")

const (
	fileName = "consent"
	lockName = "consent.lock"
	// lockWait is how long a change waits for another one, which takes milliseconds.
	lockWait = 5 * time.Second
)

// Store keeps the answer in the state directory.
type Store struct{ dir state.Dir }

// NewStore returns the store in dir. It reads and writes nothing yet.
func NewStore(dir string) Store { return Store{state.At(dir)} }

// Load returns the stored answer, AnswerNone where there is none.
func (s Store) Load() Stored {
	if err := s.dir.Check(); errors.Is(err, fs.ErrNotExist) {
		return Stored{}
	} else if err != nil {
		return Stored{Err: err}
	}
	record, err := s.dir.ReadRecord(fileName)
	if errors.Is(err, fs.ErrNotExist) {
		return Stored{}
	}
	if err != nil {
		return Stored{Err: err}
	}
	var stored Stored
	var errs [3]error
	stored.Answer = Answer(record["answer"])
	stored.Notice, errs[0] = strconv.Atoi(record["notice"])
	stored.At, errs[1] = time.Parse(time.RFC3339, record["at"])
	stored.revision, errs[2] = strconv.Atoi(record["revision"])
	if errors.Join(errs[:]...) != nil {
		return Stored{Err: state.ErrCorrupt}
	}
	switch stored.Answer {
	case AnswerNo, AnswerYes, AnswerLocal:
		return stored
	}
	return Stored{Err: state.ErrCorrupt}
}

// Save stores an answer, creating the state directory if need be. seen is what Load
// returned before the person answered. A no is always stored. A yes is stored only if
// nothing changed since seen, so that of two processes the one that says no wins;
// otherwise the error is ErrChanged. Other errors say why the directory cannot be used.
func (s Store) Save(answer Stored, seen Stored) error {
	if err := s.dir.Create(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lockWait)
	defer cancel()
	lock, err := s.dir.WaitLock(ctx, lockName)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	now := s.Load()
	if answer.Answer != AnswerNo && (now.revision != seen.revision || now.Answer != seen.Answer) {
		return ErrChanged
	}
	return s.dir.WriteRecord(fileName, state.Record{
		"answer":   string(answer.Answer),
		"notice":   strconv.Itoa(answer.Notice),
		"at":       answer.At.UTC().Format(time.RFC3339),
		"revision": strconv.Itoa(max(now.revision, seen.revision) + 1),
	})
}
