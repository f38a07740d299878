package consent

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// Source says how a decision was made.
type Source string

// The sources. SourceUpgrade is a yes that was stored by a version of this module without
// receipts.
const (
	SourceQuestion Source = "question"
	SourceCommand  Source = "command"
	SourceVariable Source = "variable"
	SourcePolicy   Source = "policy"
	SourceUpgrade  Source = "upgrade"
)

// answered reports whether the decision is the person's stored answer.
func (s Source) answered() bool {
	return s == SourceQuestion || s == SourceCommand || s == SourceUpgrade
}

// Receipt is a decision as it was made. Every event that waits belongs to one, and goes
// where its receipt says or nowhere.
type Receipt struct {
	// ID is 32 hexadecimal characters, random. It goes out with every event.
	ID string
	At time.Time
	By Source
	// Local says that what is recorded under it stays on this machine.
	Local bool
	Terms Terms
	// revision is that of the stored answer when the receipt was last confirmed.
	revision int
	// layers names the one that decided, and the one that keeps it on this machine. It is "" in an
	// answer's own receipt, and in those of versions that took one variable's for another's.
	layers string
	// told says that the person was told how a variable decided: then it goes before one that is
	// the same but for that.
	told bool
}

// NewReceiptID returns a random ID.
func NewReceiptID() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	return hex.EncodeToString(b[:]), nil
}

// ErrRetired says that a receipt is not in force: a no came after it.
var ErrRetired = errors.New("the consent that this was recorded under was withdrawn")

const (
	receiptsDir = "receipts"
	// asideSuffix marks a receipt that Prune has put out of the way and may put back.
	asideSuffix = ".unused"
)

func (s Store) receipts() state.Dir { return state.At(s.dir.Join(receiptsDir)) }

// InForce returns a receipt that still holds: that of the stored answer also where its copy is
// damaged. It returns ErrRetired for one that does not hold, state.ErrCorrupt for one that is
// damaged or was and is set aside, and other errors where the disk does not answer.
func (s Store) InForce(id string) (Receipt, error) {
	stored := s.Load()
	if stored.Err != nil && !state.Unusable(stored.Err) {
		return Receipt{}, stored.Err // that is no no: what waits would be erased for it
	}
	receipt, err := s.readReceipt(id)
	switch {
	case err == nil:
	case stored.Receipt == id && stored.saidYes():
		return stored.receipt(), nil // the copy is missing or damaged, the answer itself is not
	case errors.Is(err, fs.ErrNotExist) && s.receipts().WasSetAside(id):
		return Receipt{}, state.ErrCorrupt // no person has taken it back
	case errors.Is(err, fs.ErrNotExist):
		return Receipt{}, ErrRetired
	default:
		return Receipt{}, err
	}
	if stored.Answer == AnswerNo || receipt.By.answered() && !stored.saidYes() {
		return Receipt{}, ErrRetired
	}
	doubted, err := s.doubts(stored)
	if err != nil {
		return Receipt{}, err
	}
	if stored.ended(receipt) || doubted(receipt) {
		return Receipt{}, ErrRetired
	}
	return receipt, nil
}

// Receipts returns the receipts that are in force, oldest first. The error says that others
// could not be read.
func (s Store) Receipts() ([]Receipt, error) {
	ids, err := s.names()
	if stored := s.Load(); stored.Receipt != "" {
		ids = append(ids, stored.Receipt)
	}
	for i := range ids {
		ids[i], _ = strings.CutSuffix(ids[i], asideSuffix)
	}
	slices.Sort(ids)
	var list []Receipt
	for _, id := range slices.Compact(ids) {
		switch r, readErr := s.InForce(id); {
		case readErr == nil:
			list = append(list, r)
		case !errors.Is(readErr, ErrRetired) && validID(id):
			err = errors.Join(err, readErr)
		}
	}
	slices.SortStableFunc(list, func(a, b Receipt) int { return a.At.Compare(b.At) })
	return list, err
}

// doubts tells the receipts that a no may have ended of which no process knows: versions
// without receipts store answers and leave the receipts alone. They count each answer, so
// where more than one was stored since a receipt, not all of them need have been a yes.
func (s Store) doubts(stored Stored) (doubted func(Receipt) bool, err error) {
	if !stored.saidYes() || stored.Receipt != "" {
		return func(Receipt) bool { return false }, nil
	}
	list, err := s.list()
	if err != nil {
		return nil, err
	}
	known := 0 // the revision of the last answer that a version with receipts stored
	for _, r := range list {
		if r.By.answered() {
			known = max(known, r.revision)
		}
	}
	return func(r Receipt) bool {
		answers := stored.revision - max(known, r.revision)
		return answers > 1 || answers < -1 // -1: a receipt was made, and the answer to it not stored
	}, nil
}

// endDoubted ends those receipts, before an answer is stored that would settle the doubt.
func (s Store) endDoubted(stored Stored) error {
	doubted, err := s.doubts(stored)
	if err != nil {
		return err
	}
	names, err := s.names()
	if err != nil {
		return err
	}
	var failed error
	for _, name := range names {
		id, _ := strings.CutSuffix(name, asideSuffix)
		if r, err := s.readReceipt(id); err == nil && doubted(r) {
			failed = errors.Join(failed, s.receipts().Remove(name))
		}
	}
	return failed
}

// Record returns the receipt for what is recorded now under d and terms, and stores one
// if there is none yet. Of a variable or a policy it has the ID of the one before, which Prune
// removed, as long as nobody answered since and the terms are the same.
func (s Store) Record(d Decision, terms Terms, now time.Time) (Receipt, error) {
	stored := d.Stored
	if d.Source.answered() {
		if stored.Receipt == "" {
			var err error
			if stored, err = s.adopt(stored, terms); err != nil {
				return Receipt{}, err
			}
		}
		if own := stored.receipt(); own.serves(d, terms) {
			return own, s.restore(own)
		}
	}
	want := Receipt{At: now, By: d.Source, Local: d.LocalOnly, Terms: terms, revision: stored.revision, layers: d.layers()}
	if have, found, err := s.alike(want, stored); found || err != nil {
		return have, err
	}
	// It is in a command's way, which waits for no person: without the lock it is another receipt,
	// and Prune puts it into the history. Mostly another command has it, which makes the same one.
	const turns = 10
	lock, err := s.dir.TryLockBriefly(lockName)
	for turn := 0; errors.Is(err, state.ErrBusy) && turn < turns; turn++ {
		time.Sleep(state.LockPatience / turns)
		if have, found, err := s.alike(want, stored); found || err != nil {
			return have, err
		}
		lock, err = s.dir.TryLockBriefly(lockName)
	}
	if err != nil {
		return s.obtain(want, stored)
	}
	defer lock.UnlockBriefly()
	return s.resume(d, want)
}

// serves reports whether the receipt of the stored answer is the one to record under.
func (r Receipt) serves(d Decision, terms Terms) bool {
	return r.Local == d.LocalOnly && (d.LocalOnly || terms.SameReceiver(r.Terms))
}

// Known returns the receipt that Record would return, if its ID is known already. It changes
// nothing.
func (s Store) Known(d Decision, terms Terms) (Receipt, bool) {
	if own := d.Stored.receipt(); d.Source.answered() && own.ID != "" && own.serves(d, terms) {
		return own, true
	}
	want := Receipt{By: d.Source, Local: d.LocalOnly, Terms: terms, layers: d.layers()}
	if r, found, err := s.alike(want, d.Stored); found || err != nil {
		return r, found
	}
	h, now, _ := s.readHistory()
	was, _ := h.standing(d.past(want), now)
	return want.as(was), s.gone(was.Receipt)
}

// restore writes the copy of a receipt that is part of the stored answer, if it is gone. Where the
// answer is another one by now it returns ErrRetired: a no may have ended the receipt.
func (s Store) restore(r Receipt) error {
	if s.Holds(r.ID) {
		return nil
	}
	if now := s.Load(); now.Err == nil && now.Receipt != r.ID {
		return ErrRetired
	}
	return s.writeReceipt(r)
}

// Holds reports whether a receipt is stored, whatever the answer is by now.
func (s Store) Holds(id string) bool {
	_, err := os.Lstat(s.receipts().Join(id))
	return err == nil
}

// obtain returns the stored receipt that says the same as want, or stores want under a new
// ID. stored is the answer that it is for.
func (s Store) obtain(want Receipt, stored Stored) (Receipt, error) {
	have, found, err := s.alike(want, stored)
	if found || err != nil {
		return have, err
	}
	if want.ID, err = NewReceiptID(); err != nil {
		return Receipt{}, err
	}
	return want, s.writeReceipt(want)
}

// resume is obtain with the answer locked, which takes the ID from the history where the decision
// stands, and else puts the new one there.
func (s Store) resume(d Decision, want Receipt) (Receipt, error) {
	if have, found, err := s.alike(want, d.Stored); found || err != nil { // of a process that had the lock just now
		return have, err
	}
	h, now, _ := s.readHistory()
	was, stands := h.standing(d.past(want), now)
	if s.gone(was.Receipt) {
		want = want.as(was)
		return want, s.writeReceipt(want)
	}
	r, err := s.obtain(want, d.Stored)
	if err != nil {
		return Receipt{}, err
	}
	p := d.past(r)
	if stands { // noted by a version that kept no receipt of what the person was told
		p.Shown, p.ShownKnown = was.Shown, was.ShownKnown
	}
	s.noteUnder(p, now)
	return r, nil
}

// gone reports whether an ID is one whose receipt nothing is left of. One that is damaged is not
// made again: what waits under it is lost, and that is told.
func (s Store) gone(id string) bool {
	return validID(id) && !s.Holds(id) && !s.receipts().WasSetAside(id)
}

// as returns r with the ID of the receipt of a decision that stands.
func (r Receipt) as(was Past) Receipt {
	r.ID, r.At, r.told = was.Receipt, was.At, was.Shown != ""
	return r
}

// alike looks for the stored receipt that says the same as want and that no no has ended.
func (s Store) alike(want Receipt, stored Stored) (r Receipt, found bool, err error) {
	list, err := s.list()
	if err != nil {
		return Receipt{}, false, err
	}
	digest := want.Terms.Digest()
	for _, have := range list {
		same := have.By == want.By && have.Local == want.Local && (have.layers == want.layers || have.layers == "")
		if same && !stored.ended(have) && have.Terms.Digest() == digest && (!found || have.told) {
			r, found = have, true
		}
	}
	return r, found, nil
}

// names lists the files of the receipts.
func (s Store) names() ([]string, error) {
	entries, err := os.ReadDir(s.receipts().Path())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, plaintext.Bare(err)
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names, nil
}

// list returns the receipts that can be read.
func (s Store) list() ([]Receipt, error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	var list []Receipt
	for _, name := range names {
		if validID(name) {
			if r, err := s.readReceipt(name); err == nil {
				list = append(list, r)
			}
		}
	}
	return list, nil
}

// retireAll ends every receipt. What was recorded under them is never sent.
func (s Store) retireAll() error {
	names, err := s.names()
	if err != nil {
		return err
	}
	var failed error
	for _, name := range names {
		if err := s.receipts().Remove(name); err != nil {
			failed = err
		}
	}
	return failed
}

// Mend puts a damaged receipt where a person can look at it, and writes it anew if it is that
// of the stored answer. What was recorded under any other cannot be sent. It does nothing
// while a person answers.
func (s Store) Mend(id string) {
	if _, err := s.readReceipt(id); err == nil || errors.Is(err, fs.ErrNotExist) || !validID(id) {
		return
	}
	if lock, err := s.dir.TryLock(lockName); err == nil {
		s.mend(id, s.Load())
		lock.Unlock()
	}
}

// mend is Mend with the answer locked.
func (s Store) mend(id string, stored Stored) {
	own := stored.Receipt == id && stored.saidYes()
	_, err := s.readReceipt(id)
	aside := validID(id) && err != nil && !errors.Is(err, fs.ErrNotExist)
	if aside && !own && !errors.Is(err, state.ErrCorrupt) {
		return // a person can mend who may read and write it
	}
	if aside {
		_, _ = s.receipts().SetAside(id)
	}
	if own {
		_ = s.restore(stored.receipt())
	}
}

// Broken lists the receipts that are there and cannot be read, by the names of their files in
// the state directory, with the reason; and those that were set aside, with none.
func (s Store) Broken() map[string]error {
	list := map[string]error{}
	for _, name := range s.receipts().Damaged() {
		list[receiptsDir+"/"+name] = nil
	}
	names, _ := s.names()
	for _, name := range names {
		if id, _ := strings.CutSuffix(name, asideSuffix); validID(id) {
			if _, err := s.readReceipt(id); err != nil && !errors.Is(err, fs.ErrNotExist) {
				list[receiptsDir+"/"+name] = err
			}
		}
	}
	return list
}

// Prune removes the receipts that nothing waits under: used reports whether something
// does. The history keeps what they say, for who looks up an ID that went out: one that it
// cannot take stays. A command that takes a slot writes the receipt's ID into it and looks at the
// receipt afterwards. So a receipt is first renamed, which such a command sees, and is put
// back if by now a slot names it. Under either name it is in force, and no process answers
// meanwhile: a no must not miss it between the two.
func (s Store) Prune(used func(id string) bool) {
	lock, err := s.dir.TryLock(lockName)
	if err != nil {
		return
	}
	defer lock.Unlock()
	entries, _ := os.ReadDir(s.receipts().Path())
	current := s.Load().Receipt
	dir := s.receipts()
	for _, entry := range entries {
		id, aside := strings.CutSuffix(entry.Name(), asideSuffix)
		if !validID(id) || id == current && !aside {
			continue
		}
		if !aside && (used(id) || !s.remember(id) || dir.Rename(id, id+asideSuffix) != nil) {
			continue
		}
		if used(id) || id == current {
			_ = dir.Rename(id+asideSuffix, id)
		} else {
			_ = dir.Remove(id + asideSuffix)
		}
	}
	dir.RemoveTemp()
}

func validID(id string) bool {
	return len(id) == 32 && strings.Trim(id, "0123456789abcdef") == ""
}

func (s Store) readReceipt(id string) (Receipt, error) {
	if !validID(id) {
		return Receipt{}, state.ErrCorrupt
	}
	r, err := s.receipts().ReadRecord(id)
	for _, name := range []string{id + asideSuffix, id} { // which Prune changes at any moment
		if errors.Is(err, fs.ErrNotExist) {
			r, err = s.receipts().ReadRecord(name)
		}
	}
	if err != nil {
		return Receipt{}, err
	}
	receipt, err := receiptIn(r)
	if err == nil && receipt.ID != id {
		err = state.ErrCorrupt
	}
	return receipt, err
}

func (s Store) writeReceipt(receipt Receipt) error {
	dir := s.receipts()
	if err := dir.Create(); err != nil {
		return err
	}
	r := state.Record{}
	receipt.put(r)
	err := dir.WriteRecord(receipt.ID, r)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrRetired // a no came in the middle of it and ended what it found
	}
	return err
}

// put writes the receipt into a record: a file of its own, or that of the stored answer.
func (r Receipt) put(to state.Record) {
	r.Terms.put(to)
	to["receipt"] = r.ID
	to["by"] = string(r.By)
	to["at"] = r.At.UTC().Format(time.RFC3339)
	to["local"] = strconv.FormatBool(r.Local)
	to["revision"] = strconv.Itoa(r.revision)
	if r.layers != "" {
		to["layers"] = r.layers
	}
	if r.told {
		to["told"] = "yes"
	}
}

// receiptIn reads what put wrote.
func receiptIn(from state.Record) (Receipt, error) {
	terms, err := termsIn(from)
	if err != nil {
		return Receipt{}, err
	}
	at, err1 := time.Parse(time.RFC3339, from["at"])
	local, err2 := strconv.ParseBool(from["local"])
	revision, err3 := strconv.Atoi(from["revision"])
	if !validID(from["receipt"]) || errors.Join(err1, err2, err3) != nil {
		return Receipt{}, state.ErrCorrupt
	}
	return Receipt{ID: from["receipt"], At: at, By: Source(from["by"]), Local: local, Terms: terms, revision: revision, layers: from["layers"], told: from["told"] == "yes"}, nil
}
