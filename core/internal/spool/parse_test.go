package spool

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

// Whatever is in a slot, each entry is what the file holds in its place, in order; a fold is
// in the place of what it names; and one that was cut changes nothing.
func FuzzParseSlot(f *testing.F) {
	e := driver.Event{ID: "01890000-0000-7000-8000-000000000000", Type: "command.invocation", Name: "a~\t", Time: time.Unix(1764061200, 0).UTC(), Count: 3}
	event := e.AppendJSON(nil)
	head := appendHead(nil, "0123456789abcdef0123456789abcdef")
	lines := append(bytes.Clone(head), bytes.Repeat(append(bytes.Clone(event), '\n'), 3)...)
	f.Add([]byte{}, uint(0), uint(0))
	f.Add(lines, uint(2), uint(40))
	f.Add(append(bytes.Clone(lines), "=42-100,200-300\n=@1764061200000\n~42-80\t{}\t~\n"...), uint(1), uint(3))
	f.Add(append(foldLine([]Entry{{start: 42, end: 190}}, [][]byte{event, event}, []string{"a", "b"}), '\n'), uint(9), uint(9))
	f.Add(lines[:len(lines)-5], uint(3), uint(1))
	f.Fuzz(func(t *testing.T, content []byte, replace, cut uint) {
		before := parseSlot(content)
		var last int64
		for _, e := range before.Entries {
			if e.start < last || e.end > int64(len(content)) || len(e.Line) == 0 ||
				!bytes.HasPrefix(content[e.start:e.end], e.Line) || int64(len(e.Line)) < e.end-e.start-1 {
				t.Fatalf("%d-%d after %d, %q", e.start, e.end, last, e.Line)
			}
			last = e.end
		}
		if len(before.Entries) == 0 {
			return
		}
		if before.torn {
			content = append(content, '\n')
			if before = parseSlot(content); len(before.Entries) == 0 {
				return
			}
		}
		n := 1 + int(replace%uint(len(before.Entries)))
		fold := foldLine(before.Entries[:n], [][]byte{event, event}, []string{e.ID})
		after := parseSlot(append(bytes.Clone(content), append(bytes.Clone(fold), '\n')...))
		if !slices.Equal(after.Absorbed, append(before.Absorbed, e.ID)) {
			t.Fatalf("absorbed %q, and before %q", after.Absorbed, before.Absorbed)
		}
		if len(after.Entries) != len(before.Entries)-n+2 {
			t.Fatalf("%d of %d were replaced, %d wait", n, len(before.Entries), len(after.Entries))
		}
		for i, e := range after.Entries {
			if rest := len(before.Entries) - n; i < rest && !bytes.Equal(e.Line, before.Entries[n+i].Line) || i >= rest && (!bytes.Equal(e.Line, event) || !e.Fixed) {
				t.Fatalf("entry %d of %d is %q", i, len(after.Entries), e.Line)
			}
		}
		fold = fold[:cut%uint(len(fold))]
		if torn := parseSlot(append(bytes.Clone(content), fold...)); len(torn.Entries) != len(before.Entries) || len(torn.Absorbed) != len(before.Absorbed) {
			t.Fatalf("after %q of a fold, %d wait, not %d", fold, len(torn.Entries), len(before.Entries))
		}
	})
}

// Whatever a mark says, its spans are of bytes before it, in the order of the file; and what a
// slot is read into grows with the slot.
func FuzzMarks(f *testing.F) {
	for _, line := range []string{"=42-100,200-300", "=@1764061200000", "=@-1", "~42-80\t{}\t~", "=9223372036854775807-9223372036854775807", "=0-18446744073709551616", "=-", "=,,,", "~"} {
		f.Add([]byte(line), int64(400))
	}
	f.Fuzz(func(t *testing.T, line []byte, start int64) {
		start = max(start, 0)
		spans, ok := parseMark(line, start)
		if !ok && len(spans) > 0 {
			t.Errorf("half a mark: %+v", spans)
		}
		for _, s := range spans {
			if s.start < 0 || s.end <= s.start || s.end > start {
				t.Errorf("the span %+v before %d", s, start)
			}
		}
		// An entry or a span takes some 64 bytes, and the shortest line or span two or three; slices
		// double.
		content := bytes.Repeat(append(bytes.Clone(line), '\n'), 3)
		fuzzing.Allocs(t, len(content), 4<<10, 256, func() { parseSlot(content) })
	})
}
