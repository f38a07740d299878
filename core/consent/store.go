package consent

import (
	"context"
	"errors"
	"fmt"
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
	// Notice is the version of the notice that was shown, At when. At is zero for a no that
	// was stored on a full disk.
	Notice int
	At     time.Time
	// By says how the answer was given, Terms to what, and Receipt is the ID of its receipt:
	// all empty for a no, and for an answer from before there were receipts.
	By      Source
	Terms   Terms
	Receipt string
	// Err says why what is stored cannot be read. It counts as a no. Unseen says that it is
	// about the state directory, so that it is not known whether anything is stored.
	Err    error
	Unseen bool
	// revision is different after each change, and lastNo that of the last no before this yes, 0
	// where there was none or a version stored the yes that did not note it.
	revision, lastNo int
}

func (s Stored) saidYes() bool { return s.Answer == AnswerYes || s.Answer == AnswerLocal }

// ended reports whether a no came after a receipt. The no has removed its file; whatever puts that
// back, such as a process that was about to write it, brings nothing back into force.
func (s Stored) ended(r Receipt) bool { return r.revision <= s.lastNo && s.lastNo > 0 }

// receipt is what the answer says as a receipt.
func (s Stored) receipt() Receipt {
	return Receipt{ID: s.Receipt, At: s.At, By: s.By, Local: s.Answer == AnswerLocal, Terms: s.Terms, revision: s.revision}
}

// ErrChanged is returned by Store.Yes where the stored answer changed after the person had
// been shown it: the other answer stands.
var ErrChanged = errors.New("the answer was changed by another process meanwhile")

const (
	fileName = "consent"
	lockName = "consent.lock"
	// lockWait is how long a change waits for another one, which takes milliseconds.
	lockWait = 2 * time.Second
)

// Store keeps the answer and the receipts in the state directory.
type Store struct{ dir state.Dir }

// NewStore returns the store in dir. It reads and writes nothing yet.
func NewStore(dir string) Store { return Store{state.At(dir)} }

// Stamp changes whenever the stored answer does.
func (s Store) Stamp() state.Stamp { return s.dir.Stamp(fileName) }

// Load returns the stored answer, AnswerNone where there is none.
func (s Store) Load() Stored {
	if err := s.dir.Check(); errors.Is(err, fs.ErrNotExist) {
		return Stored{}
	} else if err != nil {
		return Stored{Err: err, Unseen: true}
	}
	data, err := s.dir.ReadFile(fileName)
	if errors.Is(err, fs.ErrNotExist) {
		return Stored{}
	}
	if err != nil {
		return Stored{Err: err}
	}
	if len(data) == 0 {
		return Stored{Answer: AnswerNo} // see No
	}
	record, err := state.ParseRecord(data)
	if err != nil {
		return Stored{Err: err}
	}
	stored, err := storedIn(record)
	if err != nil {
		return Stored{Err: err}
	}
	return stored
}

// storedIn reads an answer, also one without a receipt.
func storedIn(record state.Record) (Stored, error) {
	var stored Stored
	var errs [3]error
	stored.Answer = Answer(record["answer"])
	stored.Notice, errs[0] = strconv.Atoi(record["notice"])
	stored.At, errs[1] = time.Parse(time.RFC3339, record["at"])
	stored.revision, errs[2] = strconv.Atoi(record["revision"])
	if errors.Join(errs[:]...) != nil {
		return Stored{}, state.ErrCorrupt
	}
	switch stored.Answer {
	case AnswerNo:
		return stored, nil
	case AnswerYes, AnswerLocal:
	default:
		return Stored{}, state.ErrCorrupt
	}
	if no := record["last_no"]; no != "" {
		var err error
		if stored.lastNo, err = strconv.Atoi(no); err != nil {
			return Stored{}, state.ErrCorrupt
		}
	}
	if record["receipt"] == "" {
		return stored, nil
	}
	receipt, err := receiptIn(record)
	if err != nil {
		return Stored{}, err
	}
	stored.Receipt, stored.By, stored.Terms = receipt.ID, receipt.By, receipt.Terms
	return stored, nil
}

// Yes stores a yes as it was said, with the receipt of it, creating the state directory if need
// be: of said it takes At, Decided, By and Terms, and for the history Shown and RestrictedBy.
// seen is what Load returned before the person answered: if anything changed since, the error
// is ErrChanged and nothing is stored, so that of two processes the one that says no wins.
// Other errors say why the directory cannot be used.
func (s Store) Yes(said Past, seen Stored) error {
	if err := s.dir.Create(); err != nil {
		return err
	}
	lock, err := s.lock()
	if err != nil {
		return err
	}
	defer lock.Unlock()
	was := s.Load()
	if was.revision != seen.revision || was.Answer != seen.Answer || (was.Err == nil) != (seen.Err == nil) {
		return ErrChanged
	}
	if state.Unusable(was.Err) {
		if _, err := s.dir.SetAside(fileName); err != nil {
			return err
		}
	} else if was.Err != nil { // it is not known what would be replaced, and what waits under it would be erased
		return fmt.Errorf("the answer that is stored: %w", was.Err)
	}
	if !was.saidYes() && was.Answer != AnswerNone || was.Err != nil {
		// A no that could not end every receipt, or one of an older version, which knows none.
		if err := s.retireAll(); err != nil {
			return err
		}
	}
	if err := s.endDoubted(was); err != nil {
		return err
	}
	if was.Receipt != "" {
		s.mend(was.Receipt, was) // what waits under it has nothing but the copy from now on
	}
	now := Stored{Answer: said.Decided, Notice: said.Terms.NoticeVersion, At: said.At, revision: max(was.revision, seen.revision) + 1, lastNo: was.lastNo}
	if was.Answer == AnswerNo {
		now.lastNo = was.revision
	}
	if was.Answer == AnswerNone && was.Err == nil {
		s.countOn(&now)
	}
	revision := now.revision
	receipt, err := s.obtain(Receipt{At: said.At, By: said.By, Local: said.Decided == AnswerLocal, Terms: said.Terms, revision: revision}, now)
	if err == nil {
		err = s.write(lock, now, receipt)
	}
	if errors.Is(err, ErrRetired) { // by a no that could not wait for the lock
		return ErrChanged
	}
	if err != nil {
		return err
	}
	said.Receipt, said.ShownKnown, said.revision = receipt.ID, true, revision
	s.noteAnswer(said, was)
	return nil
}

// countOn numbers an answer where the file of the one before was removed: the history knows that one,
// and the last no.
func (s Store) countOn(now *Stored) {
	h, _, _ := s.readHistory()
	for _, was := range h.Decisions {
		if !was.Answered {
			continue
		}
		now.revision = max(now.revision, was.revision+1)
		if was.Decided == AnswerNo {
			now.lastNo = max(now.lastNo, was.revision)
		}
	}
}

// write stores a yes together with its receipt, which it confirms. A no that could wait for the lock
// no longer has removed its file, and stands: the error is ErrChanged then.
func (s Store) write(lock *state.Lock, yes Stored, receipt Receipt) error {
	if lock.Gone() {
		return ErrChanged
	}
	if receipt.revision != yes.revision {
		receipt.revision = yes.revision
		if err := s.writeReceipt(receipt); err != nil {
			return err
		}
	}
	receipt.At = yes.At
	r := state.Record{}
	receipt.put(r)
	r["answer"] = string(yes.Answer)
	if yes.lastNo > 0 {
		r["last_no"] = strconv.Itoa(yes.lastNo)
	}
	if err := s.dir.WriteRecord(fileName, r); err != nil || !lock.Gone() {
		return err
	}
	// It came between the look and the writing, and was replaced.
	return errors.Join(ErrChanged, s.writeNo(yes.Notice, yes.At, yes.revision+1), s.retireAll())
}

// writeNo stores a no.
func (s Store) writeNo(notice int, at time.Time, revision int) error {
	return s.dir.WriteRecord(fileName, state.Record{
		"answer":   string(AnswerNo),
		"notice":   strconv.Itoa(notice),
		"at":       at.UTC().Format(time.RFC3339),
		"revision": strconv.Itoa(revision),
	})
}

// No stores a no and ends every receipt. A no is stored whatever changed meanwhile, and
// where no lock can be had. Where there is no room for it, the answer's file is emptied,
// which needs none and reads as a no. The error says that what stands may still be a yes,
// or that some receipts could not be ended. by, shown and terms, which are those that the
// person did not agree to, are for the history.
func (s Store) No(by Source, shown string, terms Terms, now time.Time) error {
	if err := s.dir.Create(); err != nil {
		return err
	}
	switch lock, err := s.lock(); {
	case err == nil:
		defer lock.Unlock()
	case errors.Is(err, state.ErrBusy):
		// A process that stands still holds it, and may be about to store a yes: without its lock it
		// does not, or takes that back. See write.
		_ = s.dir.Remove(lockName)
	}
	was := s.Load()
	if state.Unusable(was.Err) {
		_, _ = s.dir.SetAside(fileName) // it is of no use but to look at
	}
	err := s.writeNo(terms.NoticeVersion, now, was.revision+1)
	emptied := err != nil && s.dir.Empty(fileName) == nil
	if emptied {
		err = nil
	}
	retired := s.retireAll()
	if err == nil {
		no := Past{At: now, Decided: AnswerNo, By: by, Terms: terms, Shown: shown, ShownKnown: true, revision: was.revision + 1}
		if emptied {
			no.revision = 0 // as it is read
		}
		s.noteAnswer(no, was)
	}
	return errors.Join(err, retired)
}

// adopt gives a yes from before there were receipts one of its own, to terms.
func (s Store) adopt(seen Stored, terms Terms) (Stored, error) {
	lock, err := s.lock()
	if err != nil {
		return Stored{}, err
	}
	defer lock.Unlock()
	was := s.Load()
	if !was.saidYes() {
		return Stored{}, ErrRetired
	}
	if was.Receipt != "" {
		return was, nil
	}
	if err := s.endDoubted(was); err != nil {
		return Stored{}, err
	}
	terms.NoticeVersion = was.Notice
	was.revision++
	receipt, err := s.obtain(Receipt{
		At: was.At, By: SourceUpgrade, Local: was.Answer == AnswerLocal, Terms: terms, revision: was.revision,
	}, was)
	if err != nil {
		return Stored{}, err
	}
	if err := s.write(lock, was, receipt); errors.Is(err, ErrChanged) {
		return Stored{}, ErrRetired
	} else if err != nil {
		return Stored{}, err
	}
	adopted := s.Load()
	_ = s.note(false, func(h History) []Past {
		if h.lacks(adopted) {
			return []Past{pastAnswer(adopted)}
		}
		return nil
	})
	return adopted, nil
}

// WhileNo calls erase if the stored answer is a no, and lets no process change it meanwhile: what
// a no erases must not be what was recorded under the yes after it. brief is for a command,
// which waits for no lock. The result says whether the lock for that could be had.
func (s Store) WhileNo(brief bool, erase func() error) (locked bool, err error) {
	take := s.lock
	if brief {
		take = func() (*state.Lock, error) { return s.dir.TryLockBriefly(lockName) }
	}
	lock, err := take()
	if err != nil {
		return false, err
	}
	defer lock.UnlockBriefly()
	if was := s.Load(); was.Answer != AnswerNo && was.Err == nil {
		return true, nil
	}
	return true, erase()
}

func (s Store) lock() (*state.Lock, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lockWait)
	defer cancel()
	return s.dir.WaitLock(ctx, lockName)
}
