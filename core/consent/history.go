package consent

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/journal"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

const (
	historyName = "decisions"
	// historyCap holds about a hundred answers with a notice of a page.
	historyCap = 256 << 10
	// maxShown is a notice of ten pages. It leaves room for how the journal quotes it.
	maxShown = 32 << 10
	// historyWait is how long an answer waits for a process that writes into the history or
	// looks at it, which takes milliseconds.
	historyWait = 200 * time.Millisecond
	historyPoll = 5 * time.Millisecond
)

// Past is a decision as it was made: an answer, or a variable or policy under which
// something was recorded first.
type Past struct {
	// At is what the machine's clock said then.
	At time.Time
	// Decided is what was decided, AnswerLocal where everything was to stay on this machine.
	Decided Answer
	// By says how, and Decider names the layer that decided, "" where that is not known.
	// RestrictedBy names the layer that kept a yes of another one on this machine.
	By           Source
	Decider      string
	RestrictedBy string
	// Answered says that a person answered. If not, it is what something was recorded under.
	Answered bool
	// Receipt is the ID of the receipt, "" for a no. A variable or a policy keeps its own until
	// somebody answers.
	Receipt string
	// Terms are what was declared then. Tool is empty in terms that are not known.
	Terms Terms
	// Shown is the text that the person was shown, as they were shown it, "" if they were shown
	// nothing. Where ShownKnown is false, it is not known what that was.
	Shown      string
	ShownKnown bool
	// Unrecorded says that it was not put into the history when it was made, because that could
	// not be written, or because a version without a history made it. What is told of it is
	// what the stored answer or the receipt says.
	Unrecorded bool
	// revision is that of the stored answer, 0 for what is none.
	revision int
	// missing is how many answers before this one are not in the history: a cut, or the loss of the
	// whole file, must not make them forgotten.
	missing int
	// first says that the history begins with it on purpose.
	first bool
}

// History is what was decided, until the last reset.
type History struct {
	// Decisions are in the order in which they were made, whatever the clock said.
	Decisions []Past
	// Cut is how many older ones were cut for the size of the file, of the times from CutFrom
	// to CutTo.
	Cut            int
	CutFrom, CutTo time.Time
	// Missing is how many answers were stored in between or before of which nothing is known, as
	// far as their numbers tell.
	Missing int
	// Behind says that there is a history and the present answer is not in it: it could not be
	// written, or is unknown to the version that stored the answer.
	Behind bool
	// Problem says where the history is not as it was written, "" if it is.
	Problem string
}

func (s Store) journal() journal.Journal {
	return journal.Journal{Dir: s.dir, Name: historyName, Cap: historyCap}
}

// History returns what was decided. The error says that the file cannot be read; what the
// stored answer and the receipts tell is returned all the same.
func (s Store) History() (History, error) {
	h, now, err := s.readHistory()
	// An answer is noted after it is stored, so a process may be between the two.
	for tries := historyWait / historyPoll; h.lacks(now) && tries > 0 && time.Since(s.dir.Time(fileName)).Abs() < time.Second; tries-- {
		time.Sleep(historyPoll)
		h, now, err = s.readHistory()
	}
	nothing := h.Cut == 0 && len(h.Decisions) == 0
	h.Behind = h.lacks(now) && !nothing
	if list, listErr := s.list(); listErr == nil {
		for _, r := range list {
			if r.ID != now.Receipt && !h.has(r.ID) {
				h.Decisions = append(h.Decisions, pastReceipt(r))
			}
		}
	}
	if h.lacks(now) {
		h.Decisions = append(h.Decisions, pastAnswer(now))
	}
	h.Missing = missingAnswers(h.Decisions)
	if nothing && now.Answer != AnswerNone {
		h.Missing = pastAnswer(now).missingBefore()
	}
	return h, err
}

func (s Store) readHistory() (h History, now Stored, err error) {
	log, err := s.journal().Read()
	return historyIn(log), s.Load(), err
}

func historyIn(log journal.Log) History {
	h := History{Cut: log.Cut, CutFrom: log.CutFrom, CutTo: log.CutTo}
	if log.Mismatch != nil {
		h.Problem = log.Mismatch.Error()
	}
	for _, entry := range log.Entries {
		p, err := pastIn(entry)
		if err == nil {
			h.Decisions = append(h.Decisions, p)
		} else if h.Problem == "" {
			h.Problem = fmt.Sprintf("entry %d cannot be understood", entry.N)
		}
	}
	return h
}

// has reports whether a receipt is in the history.
func (h History) has(id string) bool {
	return slices.ContainsFunc(h.Decisions, func(was Past) bool { return was.Receipt == id })
}

// standing returns the decision that p, which is no answer, makes once more. It stands as long as
// nobody answered: after an answer that the history lacks it is not known whether somebody did.
func (h History) standing(p Past, now Stored) (was Past, stands bool) {
	if h.lacks(now) {
		return Past{}, false
	}
	for _, was := range slices.Backward(h.Decisions) {
		switch {
		case was.Answered:
			return Past{}, false
		case p.again(was):
			return was, true
		}
	}
	return Past{}, false
}

// again reports whether p, which is no answer, is the same as was.
func (p Past) again(was Past) bool {
	sameLayer := was.Decider == p.Decider && was.RestrictedBy == p.RestrictedBy
	return sameLayer && was.By == p.By && was.Decided == p.Decided && was.Terms.Digest() == p.Terms.Digest()
}

// lacks reports whether a stored answer is not the last one in the history.
func (h History) lacks(stored Stored) bool {
	if stored.Answer == AnswerNone || stored.Err != nil {
		return false
	}
	for _, was := range slices.Backward(h.Decisions) {
		if was.Answered {
			return was.Decided != stored.Answer || was.revision != stored.revision || was.Receipt != stored.Receipt
		}
	}
	return true
}

// missingUntil is how many answers are missing before p, which comes after what is in the history.
func (h History) missingUntil(p Past) int {
	switch {
	case h.Cut > 0 || slices.ContainsFunc(h.Decisions, func(was Past) bool { return was.Answered }):
		return missingAnswers(append(slices.Clip(h.Decisions), p))
	case p.first:
		return 0
	}
	return p.missingBefore()
}

// missingBefore is how many answers are missing where this is the first that is known: they were
// an older version's, or the file was removed.
func (p Past) missingBefore() int {
	before := p.revision - 1
	if p.By == SourceUpgrade && p.Receipt != "" {
		before-- // the same answer before it had a receipt
	}
	return max(0, before)
}

// missingAnswers counts the numbers that are left out. A number that falls is no sign: a file
// that was damaged, or emptied on a full disk, begins anew.
func missingAnswers(list []Past) int {
	missing, last := 0, 0
	for _, p := range list {
		if p.Answered {
			if last > 0 {
				missing += max(0, p.revision-last-1)
			}
			missing, last = max(missing, p.missing), p.revision
		}
	}
	return missing
}

// noteAnswer puts an answer into the history, after it is stored: was is the one before it,
// which is put there too if it is not. Where the history cannot be written the answer stands
// all the same, and History tells it from the stored one. It is called with the answer locked.
func (s Store) noteAnswer(p Past, was Stored) {
	p.Answered, p.Decider = true, layerAnswer
	_ = s.note(true, func(h History) []Past {
		if h.lacks(was) {
			return []Past{pastAnswer(was), p}
		}
		return []Past{p}
	})
}

// noteUnder puts into the history what something is recorded under that is no answer, and before
// it the stored answer, if that is not there. It is called with the answer locked, and is in a
// command's way: what it cannot write, Prune does.
func (s Store) noteUnder(p Past, now Stored) {
	_ = s.note(false, func(h History) []Past {
		if h.lacks(now) {
			return []Past{pastAnswer(now), p}
		}
		return []Past{p}
	})
}

// noteShown puts into the history that the person was shown how a variable decided. What is
// recorded from then on has a receipt of its own: under the one before, nothing was shown.
func (s Store) noteShown(d Decision, terms Terms, shown string, at time.Time) {
	lock, err := s.lock()
	if err != nil {
		return
	}
	defer lock.Unlock()
	r := Receipt{At: at, By: d.Source, Local: d.LocalOnly, Terms: terms, revision: d.Stored.revision, layers: d.layers(), told: true}
	if r.ID, err = NewReceiptID(); err != nil {
		return
	}
	_ = s.writeReceipt(r) // else Record does, with the ID that is in the history
	p := d.past(r)
	p.Shown = shown
	_ = s.note(true, func(History) []Past { return []Past{p} })
}

// remember reports whether the history has a receipt, and puts it there if not. It is called with
// the answer locked. There is nothing to keep of one that cannot be read.
func (s Store) remember(id string) bool {
	r, err := s.readReceipt(id)
	if err != nil {
		return true
	}
	err = s.note(false, func(h History) []Past {
		if h.has(id) {
			return nil
		}
		return []Past{pastReceipt(r)}
	})
	return err == nil
}

// past is what the history keeps of a decision that is no answer.
func (d Decision) past(r Receipt) Past {
	p := pastReceipt(r)
	p.Decider, p.RestrictedBy, p.ShownKnown, p.Unrecorded = d.Decider, d.restriction(), true, false
	return p
}

// layers is what a receipt keeps of those that decided.
func (d Decision) layers() string {
	if by := d.restriction(); by != "" {
		return d.Decider + ", " + by
	}
	return d.Decider
}

// restriction names the layer that keeps a yes of another one on this machine, "" if it is
// the one that decided.
func (d Decision) restriction() string {
	for _, layer := range d.Layers {
		if layer.Local && layer.Name == d.Decider {
			return ""
		}
	}
	for _, layer := range d.Layers {
		if layer.Local {
			return layer.Name
		}
	}
	return ""
}

// note appends what is new to the history. With lasting it returns when that is on the disk.
func (s Store) note(lasting bool, news func(History) []Past) error {
	w, err := s.openJournal(lasting)
	if err != nil {
		return err
	}
	defer w.Close()
	log, err := s.journal().Read()
	if err != nil {
		return err
	}
	h := historyIn(log)
	list := news(h)
	for _, p := range list {
		if p.Answered {
			p.missing = h.missingUntil(p)
		}
		if _, err := w.Append(p.At, p.record()); err != nil {
			return err
		}
		h.Decisions = append(h.Decisions, p)
	}
	if !lasting || len(list) == 0 {
		return nil
	}
	return w.Seal()
}

func (s Store) openJournal(wait bool) (*journal.Writer, error) {
	for tries := historyWait / historyPoll; ; tries-- {
		w, err := s.journal().Open()
		if !errors.Is(err, state.ErrBusy) || !wait || tries <= 0 {
			return w, err
		}
		time.Sleep(historyPoll)
	}
}

// BeginHistory erases the history but for the last no and what came after it. It is for a
// reset, whose no that is.
func (s Store) BeginHistory() error {
	lock, err := s.lock()
	if err != nil {
		return err
	}
	defer lock.Unlock()
	log, err := s.journal().Read()
	if err != nil {
		return errors.Join(err, s.journal().Erase())
	}
	var kept History
	list := historyIn(log).Decisions
	for i, p := range slices.Backward(list) {
		if p.Answered && p.Decided == AnswerNo {
			kept.Decisions = list[i:]
			break
		}
	}
	if now := s.Load(); kept.lacks(now) {
		kept.Decisions = append(kept.Decisions, pastAnswer(now))
	}
	if err := s.journal().Erase(); err != nil {
		return err
	}
	for i := range kept.Decisions {
		kept.Decisions[i].missing, kept.Decisions[i].first = 0, i == 0
	}
	_ = s.note(true, func(History) []Past { return kept.Decisions }) // as after any answer
	return nil
}

// pastAnswer is what the stored answer tells of itself.
func pastAnswer(s Stored) Past {
	p := Past{
		At: s.At, Decided: s.Answer, By: s.By, Decider: layerAnswer, Answered: true, Receipt: s.Receipt, Terms: s.Terms,
		Unrecorded: true, revision: s.revision,
	}
	p.Terms.NoticeVersion = s.Notice
	if s.saidYes() && s.Receipt == "" {
		p.By = SourceUpgrade
	}
	return p
}

// pastReceipt is what a receipt tells of itself.
func pastReceipt(r Receipt) Past {
	p := Past{At: r.At, Decided: AnswerYes, By: r.By, Receipt: r.ID, Terms: r.Terms, Unrecorded: true}
	p.Decider, p.RestrictedBy, _ = strings.Cut(r.layers, ", ")
	if r.Local {
		p.Decided = AnswerLocal
	}
	return p
}

// record is what the journal keeps of it.
func (p Past) record() state.Record {
	r := state.Record{}
	if p.Terms.Tool != "" {
		p.Terms.put(r)
	}
	r["notice"] = strconv.Itoa(p.Terms.NoticeVersion)
	r["decided"] = string(p.Decided)
	for key, text := range map[string]string{
		"by": string(p.By), "decider": p.Decider, "restricted_by": p.RestrictedBy, "receipt": p.Receipt,
	} {
		if text != "" {
			r[key] = text
		}
	}
	if p.Answered {
		r["revision"] = strconv.Itoa(p.revision)
	}
	if p.missing > 0 {
		r["missing"] = strconv.Itoa(p.missing)
	}
	if p.ShownKnown {
		r["shown"] = ShownText(p.Shown)
	}
	if p.Unrecorded {
		r["late"] = "yes"
	}
	return r
}

// pastIn reads what record wrote.
func pastIn(entry journal.Entry) (Past, error) {
	r := state.Record{}
	for key, text := range entry.Fields { // the file may have been changed
		r[key] = plaintext.Clean(text)
	}
	p := Past{
		At: entry.At, Decided: Answer(r["decided"]), By: Source(r["by"]), Decider: r["decider"], RestrictedBy: r["restricted_by"],
		Receipt: r["receipt"], Unrecorded: r["late"] == "yes",
	}
	var errs [3]error
	if _, known := r["tool"]; known {
		p.Terms, errs[0] = termsIn(r)
	} else {
		p.Terms.NoticeVersion, errs[0] = strconv.Atoi(r["notice"])
	}
	if text, answered := r["revision"]; answered {
		p.Answered = true
		p.revision, errs[1] = strconv.Atoi(text)
		p.missing, _ = strconv.Atoi(r["missing"]) // none where nothing is missing
		p.missing = min(max(p.missing, 0), p.revision)
	}
	if p.Decided != AnswerYes && p.Decided != AnswerLocal && p.Decided != AnswerNo {
		errs[2] = state.ErrCorrupt
	}
	p.Shown, p.ShownKnown = entry.Fields["shown"]
	p.Shown = ShownText(p.Shown)
	return p, errors.Join(errs[:]...)
}

// ShownText is a text as the history keeps it: lines without what commands a terminal, of
// 32 KiB at most.
func ShownText(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = plaintext.Clean(line)
	}
	text = strings.Join(lines, "\n")
	if len(text) <= maxShown {
		return text
	}
	return strings.ToValidUTF8(text[:maxShown-len("…")], "") + "…"
}
