// Package journal keeps a list of what happened in one file of the state directory, such
// that it shows when it was changed afterwards. Each entry is a line:
//
//	HASH N TIME<tab>key="value"<tab>key="value"
//
// HASH is the SHA-256 of the line before, without its newline, and zeros in the first one. N
// counts the entries from 1, and never begins anew as long as the journal is not erased. Where
// the oldest were cut for the size of the file, the first line says so instead:
//
//	#cut N FROM TO HASH
//
// N entries were cut, which are of the times FROM to TO, and HASH is that of the last of them.
//
// A second file, NAME.head, has the number and the hash of the last entry that was sealed, so
// that an end that was cut off shows too. It is there before the first entry, so that its own
// loss shows, which the next entry notes. Of a cut it has the same as the line, and before that:
// what was cut otherwise is missing. There is no key in any of this: who works out the
// hashes, or removes both files where nothing else knows of them, leaves a journal that fits. It
// shows mistakes, damage and careless changes, and no more.
//
// An entry is written with one write, so it is there as a whole or torn at the end of the file
// when a process is killed. What is torn is told, and cut off by the next entry.
package journal

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
)

const (
	headSuffix = ".head"
	cutMark    = "#cut"
	// tornField is in an entry before which a torn line was cut off: so many bytes.
	tornField = "torn_before"
	// headlessField is in an entry that was written where there was no head any more.
	headlessField = "head_lost"
	// kept is the part of Cap, in quarters, that a cut leaves: so that not each entry cuts.
	kept = 3
	// maxRead bounds what is taken for a journal: far above any Cap of ours.
	maxRead = 64 << 20
)

// ErrTooLarge says that an entry is larger than half of the journal may be.
var ErrTooLarge = errors.New("the entry is too large for the journal")

// zeros stands for the hash of the line before the first, and is as long as one.
const zeros = "0000000000000000000000000000000000000000000000000000000000000000"

// Journal is a journal in a state directory. It holds nothing open, and any number of
// processes may read it at any time.
type Journal struct {
	Dir  state.Dir
	Name string
	// Cap is how large the file may be, in bytes. The oldest entries go first.
	Cap int64
	// Written, where not nil, returns the number of an entry that is known from elsewhere to have
	// been written since the journal was erased, 0 where none is: then the loss of both files shows.
	Written func() int
	// Cutting, where not nil, is told of the entries that are about to be cut. A process that is
	// killed right after it is followed by one that tells of them once more.
	Cutting func([]Entry)
}

func (j Journal) written() int {
	if j.Written == nil {
		return 0
	}
	return j.Written()
}

// Entry is one entry.
type Entry struct {
	// N is its number: the first one ever has 1.
	N  int
	At time.Time
	// Fields are what its writer put in. Keys have no '=' and no control character.
	Fields state.Record
	// TornBefore is how many bytes of a torn entry were cut off before this one was written.
	TornBefore int
	headless   bool
}

// Log is what a journal holds.
type Log struct {
	// Entries are those that can be read, oldest first.
	Entries []Entry
	// Cut is how many older ones were cut for the size of the file, of the times from CutFrom
	// to CutTo.
	Cut            int
	CutFrom, CutTo time.Time
	// Torn says that the file ends in the middle of an entry.
	Torn bool
	// Bytes is its size.
	Bytes int64
	// Mismatch is the first place that does not fit, nil where all of it does.
	Mismatch *Mismatch
}

// Mismatch is a place where a journal is not as it was written.
type Mismatch struct {
	// N is the number of the first entry that does not fit to what is before it, or that is
	// missing.
	N int
	// Problem says what is wrong with it.
	Problem string
}

func (m *Mismatch) Error() string { return fmt.Sprintf("entry %d %s", m.N, m.Problem) }

// Read returns what the journal holds, nothing where there is none. The error wraps those of
// package state; what does not fit is in Log.Mismatch.
func (j Journal) Read() (Log, error) {
	before := j.written()
	content, err := j.Dir.ReadUpTo(j.Name, maxRead)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Log{}, err
	}
	log, end := parse(content)
	// The head after the file: it is written after it, so it may be ahead of what was read only
	// where something was appended in between.
	head, headErr := j.head()
	if log.Mismatch == nil && (head.n > end.n || headErr != nil) {
		if again, err := j.Dir.ReadUpTo(j.Name, maxRead); err == nil && !bytes.Equal(again, content) {
			log, end = parse(again)
		}
	}
	switch {
	case log.Mismatch != nil:
	case errors.Is(headErr, fs.ErrNotExist) && end.n == 0: // there never was one
	case errors.Is(headErr, fs.ErrNotExist):
		log.Mismatch = &Mismatch{end.n + 1, "may be missing, and others: the file that would tell is gone"}
	case headErr != nil:
		log.Mismatch = &Mismatch{end.n + 1, "may be missing, and others: the file that would tell is damaged"}
	default:
		log.Mismatch = head.check(log, end)
	}
	// What is known may grow after the file was read, and end with the journal.
	if known := min(before, j.written()); log.Mismatch == nil && known > end.n {
		log.Mismatch = missing(end.n+1, known)
	}
	return log, nil
}

func missing(from, to int) *Mismatch {
	return &Mismatch{from, fmt.Sprintf("is missing, and what came after it up to entry %d", to)}
}

// Erase removes the journal. Killed in between, it leaves one that says that its end may be
// missing.
func (j Journal) Erase() error {
	if err := j.Dir.Remove(j.Name + headSuffix); err != nil {
		return err
	}
	return j.Dir.Remove(j.Name)
}

// link is where the next entry is joined on: the number and the hash of the one before.
type link struct {
	n    int
	hash string
}

// head is what is noted beside a journal: its last entry that was sealed, and what was cut.
type head struct {
	link
	cut    int
	period string // the times of what was cut
}

// check returns what is wrong with a log that ends in end, if this is its head.
func (h head) check(log Log, end link) *Mismatch {
	switch {
	case log.Cut > h.cut:
		return missing(h.cut+1, log.Cut)
	case log.Cut > 0 && log.Cut == h.cut && h.period != period(log.CutFrom, log.CutTo):
		return &Mismatch{h.cut, "is not the last one that was cut, or not of that time"}
	case h.n > end.n:
		return missing(end.n+1, h.n)
	case h.n > 0 && h.n == end.n && h.hash != end.hash:
		return &Mismatch{h.n, "is not as it was written"}
	}
	return nil
}

// head reads what is noted of the last entry. The error wraps fs.ErrNotExist where nothing is.
func (j Journal) head() (head, error) {
	r, err := j.Dir.ReadRecord(j.Name + headSuffix)
	if err != nil {
		return head{}, err
	}
	n, err := strconv.Atoi(r["entries"])
	cut, cutErr := strconv.Atoi(cmp.Or(r["cut"], "0"))
	if err != nil || n < 0 || cutErr != nil || cut < 0 || !isHash(r["last"]) {
		return head{}, state.ErrCorrupt
	}
	return head{link{n, r["last"]}, cut, r["cut_period"]}, nil
}

func (h head) record() state.Record {
	r := state.Record{"entries": strconv.Itoa(h.n), "last": h.hash}
	if h.cut > 0 {
		r["cut"], r["cut_period"] = strconv.Itoa(h.cut), h.period
	}
	return r
}

func hashOf(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

func isHash(s string) bool {
	return len(s) == len(zeros) && strings.Trim(s, "0123456789abcdef") == ""
}

// parse reads a journal, and returns what the next entry is joined on to.
func parse(content []byte) (log Log, end link) {
	log.Bytes = int64(len(content))
	end = link{0, zeros}
	whole := bytes.LastIndexByte(content, '\n') + 1
	mismatch := func(n int, problem string) {
		if log.Mismatch == nil {
			log.Mismatch = &Mismatch{n, problem}
		}
	}
	first := true
	for line := range bytes.Lines(content[:whole]) {
		line = bytes.TrimSuffix(line, []byte{'\n'})
		if first && bytes.HasPrefix(line, []byte(cutMark)) {
			first = false
			cut, ok := log.parseCut(string(line))
			if !ok {
				mismatch(1, "is missing, and what was cut is not known")
			}
			end = cut
			continue
		}
		first = false
		entry, before, ok := parseEntry(string(line))
		switch {
		case !ok:
			mismatch(end.n+1, "cannot be read")
			end = link{end.n + 1, hashOf(line)}
			continue
		case entry.N != end.n+1:
			mismatch(end.n+1, fmt.Sprintf("is missing: the next one is %d", entry.N))
		case before != end.hash:
			mismatch(entry.N, "does not follow the one before it: one of them is not as it was written")
		}
		end = link{entry.N, hashOf(line)}
		if entry.headless {
			mismatch(entry.N, "is not the next one for certain: the file that would tell was gone or damaged")
		}
		log.Entries = append(log.Entries, entry)
	}
	log.Torn = whole < len(content)
	begins := fmt.Sprintf("%s %d ", end.hash, end.n+1)
	if rest := string(content[whole:]); rest[:min(len(rest), len(begins))] != begins[:min(len(rest), len(begins))] {
		mismatch(end.n+1, "is none: what follows the last one is no beginning of an entry")
		log.Torn = false
	}
	return log, end
}

// parseCut reads the first line of a file from which entries were cut.
func (l *Log) parseCut(line string) (end link, ok bool) {
	parts := strings.Split(line, " ")
	if len(parts) != 5 || parts[0] != cutMark || !isHash(parts[4]) {
		return link{0, zeros}, false
	}
	n, err := strconv.Atoi(parts[1])
	from, fromErr := time.Parse(time.RFC3339, parts[2])
	to, toErr := time.Parse(time.RFC3339, parts[3])
	if err != nil || n < 1 || fromErr != nil || toErr != nil {
		return link{0, zeros}, false
	}
	l.Cut, l.CutFrom, l.CutTo = n, from, to
	return link{n, parts[4]}, true
}

func cutLine(n int, from, to time.Time, hash string) string {
	return fmt.Sprintf("%s %d %s %s\n", cutMark, n, period(from, to), hash)
}

func period(from, to time.Time) string { return inSeconds(from) + " " + inSeconds(to) }

func inSeconds(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// parseEntry reads a line, and returns the hash of the line before it.
func parseEntry(line string) (e Entry, before string, ok bool) {
	start, fields, _ := strings.Cut(line, "\t")
	parts := strings.Split(start, " ")
	if len(parts) != 3 || !isHash(parts[0]) {
		return Entry{}, "", false
	}
	var err, timeErr error
	e.N, err = strconv.Atoi(parts[1])
	e.At, timeErr = time.Parse(time.RFC3339Nano, parts[2])
	if err != nil || timeErr != nil || e.N < 1 {
		return Entry{}, "", false
	}
	e.Fields = state.Record{}
	for fields != "" {
		var field string
		field, fields, _ = strings.Cut(fields, "\t")
		key, quoted, found := strings.Cut(field, "=")
		value, err := strconv.Unquote(quoted)
		if _, twice := e.Fields[key]; !found || err != nil || key == "" || twice || quoted[0] != '"' {
			return Entry{}, "", false
		}
		e.Fields[key] = value
	}
	if torn, set := e.Fields[tornField]; set {
		e.TornBefore, _ = strconv.Atoi(torn)
		delete(e.Fields, tornField)
	}
	_, e.headless = e.Fields[headlessField]
	delete(e.Fields, headlessField)
	return e, parts[0], true
}

// encode returns the line of an entry, without the newline.
func (e Entry) encode(before string) []byte {
	b := fmt.Appendf(nil, "%s %d %s", before, e.N, e.At.UTC().Format(time.RFC3339Nano))
	fields := e.Fields
	if e.TornBefore > 0 || e.headless {
		fields = maps.Clone(fields)
	}
	if e.TornBefore > 0 {
		fields[tornField] = strconv.Itoa(e.TornBefore)
	}
	if e.headless {
		fields[headlessField] = "yes"
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		b = append(append(append(b, '\t'), key...), '=')
		b = strconv.AppendQuote(b, fields[key])
	}
	return b
}
