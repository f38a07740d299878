package spool

import (
	"bytes"
	"io"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/record"
)

const (
	headStart = "#receipt="
	// headBytes is the length of a head: an ID of 32 digits and a newline.
	headBytes = len(headStart) + 32 + 1
	markByte  = '='
	// latestMark follows markByte in a mark that sets the latest time.
	latestMark = '@'
	// foldByte begins and ends a line that puts events in the place of others, foldSep ends
	// each of its parts: JSON has no such byte, so a line that was cut does not end in both.
	foldByte = '~'
	foldSep  = '\t'
	// absorbByte begins a part of it that lists IDs of events in other slots.
	absorbByte = '+'
)

func appendHead(b []byte, receipt string) []byte {
	b = append(b, headStart...)
	b = append(b, receipt...)
	return append(b, '\n')
}

// headReceipt returns the receipt that a slot's first bytes name.
func headReceipt(head []byte) (receipt string, ok bool) {
	id, found := bytes.CutPrefix(head, []byte(headStart))
	if !found || len(head) < headBytes || head[headBytes-1] != '\n' {
		return "", false
	}
	id = id[:headBytes-1-len(headStart)]
	if len(bytes.Trim(id, "0123456789abcdef")) > 0 {
		return "", false
	}
	return string(id), true
}

// tornHead reports whether that is all of a head that its writer wrote before it was killed.
func tornHead(content []byte) bool {
	id, found := bytes.CutPrefix(content, []byte(headStart))
	if !found {
		return bytes.HasPrefix([]byte(headStart), content)
	}
	return len(content) < headBytes && len(bytes.Trim(id, "0123456789abcdef")) == 0
}

// Entry is one event that waits.
type Entry struct {
	start, end int64
	latest     time.Time // that it may have, zero if no mark says so
	// Fixed says that it is what a sender made of others, and may have been sent: it stays as
	// it is.
	Fixed bool
	// Line is its encoding, without the newline. It is only valid as long as its Claim.
	Line []byte
}

// maxLegacy bounds what is read of a slot that an older version wrote, which had its share
// of any cap. Our own are maxSlot at most.
const maxLegacy = 256 << 20

func readSlot(f *os.File) ([]byte, error) {
	return io.ReadAll(io.NewSectionReader(f, 0, maxLegacy))
}

// parseSlot returns the lines of a slot that no mark settles.
func parseSlot(content []byte) *Claim {
	c := &Claim{torn: len(content) > 0 && content[len(content)-1] != '\n'}
	start := 0
	if tornHead(content) {
		return c
	}
	if receipt, ok := headReceipt(content); ok {
		c.Receipt = receipt
		start = headBytes
	}
	var settled []span
	var all []Entry
	bounded := 0 // so many have a latest time
	for start < len(content) {
		end := len(content)
		if i := bytes.IndexByte(content[start:], '\n'); i >= 0 {
			end = start + i + 1
		}
		line := bytes.TrimSuffix(content[start:end], []byte{'\n'})
		if latest, ok := parseLatest(line); ok {
			for ; bounded < len(all); bounded++ {
				all[bounded].latest = latest
			}
		} else if spans, ok := parseMark(line, int64(start)); ok {
			settled = append(settled, spans...)
		} else if len(line) > 0 && line[0] == foldByte { // one that was cut says nothing
			replaced, events, absorbed := parseFold(line, int64(start))
			settled, all = append(settled, replaced...), append(all, events...)
			c.Absorbed = append(c.Absorbed, absorbed...)
		} else if len(line) > 0 {
			all = append(all, Entry{start: int64(start), end: int64(end), Line: line})
		}
		start = end
	}
	c.Entries = outside(settled, all)
	return c
}

// outside returns the entries, which are in order, that lie in none of the spans.
func outside(spans []span, entries []Entry) []Entry {
	sort.Sort(byStart(spans))
	var end int64 // of the spans that begin at or before an entry
	return slices.DeleteFunc(entries, func(e Entry) bool {
		for len(spans) > 0 && spans[0].start <= e.start {
			end = max(end, spans[0].end)
			spans = spans[1:]
		}
		return e.end <= end
	})
}

func parseLatest(line []byte) (time.Time, bool) {
	if len(line) < 2 || line[0] != markByte || line[1] != latestMark {
		return time.Time{}, false
	}
	ms, err := strconv.ParseInt(string(line[2:]), 10, 64)
	return time.UnixMilli(ms).UTC(), err == nil
}

type span struct{ start, end int64 }

// byStart sorts spans. slices.SortFunc would be made anew for them, which is 6 KB of code, and
// package sort is in every program that has net/http.
type byStart []span

func (s byStart) Len() int           { return len(s) }
func (s byStart) Less(i, j int) bool { return s[i].start < s[j].start }
func (s byStart) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }

// parseMark returns what a mark, which begins at start, settles.
func parseMark(line []byte, start int64) ([]span, bool) {
	if len(line) == 0 || line[0] != markByte {
		return nil, false
	}
	return parseSpans(line[1:], start)
}

// parseSpans returns the byte ranges of a list, which all end at most there.
func parseSpans(list []byte, most int64) (spans []span, ok bool) {
	for part := range bytes.SplitSeq(list, []byte{','}) {
		from, to, found := bytes.Cut(part, []byte{'-'})
		start, err1 := strconv.ParseInt(string(from), 10, 64)
		end, err2 := strconv.ParseInt(string(to), 10, 64)
		if !found || err1 != nil || err2 != nil || start < 0 || end <= start || end > most {
			return nil, false
		}
		spans = append(spans, span{start, end})
	}
	return spans, true
}

// parseFold returns the byte ranges that a fold line, which begins at start, replaces, and the
// events that stand for them, which are entries of their own inside of the line, and the IDs of
// events in other slots for which they stand too.
func parseFold(line []byte, start int64) (replaced []span, events []Entry, absorbed []string) {
	parts := bytes.Split(line, []byte{foldSep})
	last := len(parts) - 1
	if last < 2 || string(parts[last]) != string(foldByte) {
		return nil, nil, nil
	}
	if ids := parts[last-1]; len(ids) > 0 && ids[0] == absorbByte {
		absorbed = strings.Split(string(ids[1:]), ",")
		last--
	}
	replaced, ok := parseSpans(parts[0][1:], start)
	at := start + int64(len(parts[0])) + 1
	for _, part := range parts[1:last] {
		_, err := record.Parse(part)
		ok = ok && err == nil
		end := at + int64(len(part)) + 1
		events = append(events, Entry{start: at, end: end, Line: part, Fixed: true})
		at = end
	}
	if !ok {
		return nil, nil, nil
	}
	return replaced, events, absorbed
}

// foldLine is what parseFold reads.
func foldLine(replaced []Entry, events [][]byte, absorbed []string) []byte {
	line := appendSpans([]byte{foldByte}, replaced)
	for _, event := range events {
		line = append(append(line, foldSep), event...)
	}
	if len(absorbed) > 0 {
		line = append(append(line, foldSep, absorbByte), strings.Join(absorbed, ",")...)
	}
	return append(line, foldSep, foldByte)
}

// appendSpans appends the byte ranges of entries to a line that has its first byte. Ranges
// that touch are one.
func appendSpans(line []byte, entries []Entry) []byte {
	for i := 0; i < len(entries); {
		start, end := entries[i].start, entries[i].end
		for i++; i < len(entries) && entries[i].start == end; i++ {
			end = entries[i].end
		}
		if len(line) > 1 {
			line = append(line, ',')
		}
		line = append(strconv.AppendInt(line, start, 10), '-')
		line = strconv.AppendInt(line, end, 10)
	}
	return line
}

// Events is how many events a line stands for: 1, or as many as were folded into it.
func Events(line []byte) int {
	if bytes.Contains(line, []byte(`,"count":`)) { // which may be a key of the author's too
		if e, err := record.Parse(line); err == nil {
			return max(e.Count, 1)
		}
	}
	return 1
}

// ReportOf returns what a line reports, where it is a report of losses. Such a line is none of
// the events that are counted when they are lost: what it reports was counted before, and is
// reported anew.
func ReportOf(line []byte) (report Loss, is bool) {
	if !bytes.Contains(line, []byte(`"type":"telemetry.loss"`)) {
		return Loss{}, false
	}
	e, err := record.Parse(line)
	if err != nil || e.Type != "telemetry.loss" {
		return Loss{}, false
	}
	n, err := strconv.Atoi(e.Metadata["count"])
	return Loss{Reason: e.Name, Count: n}, err == nil && n >= 0
}
