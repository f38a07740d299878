//go:build !notelemetry

package deletions

import (
	"encoding/json"
	"testing"

	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

// Whatever a column holds, what is read as a receipt is written as the same.
func FuzzReadReceipt(f *testing.F) {
	whole, err := stored(deletion.Receipt{State: deletion.Acknowledged, ID: "r1", Detail: "a\nb", Parts: []deletion.Receipt{{State: deletion.Refused, ID: "r2"}}}).text()
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{whole, "", "{}", "null", "[]", `{"parts":[{"parts":[{}]}]}`, `{"cancel_until":"9999-12-31T23:59:59-01:00"}`, `{"at":"0000-01-01T00:00:00Z"}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s *storedReceipt
		var err error
		// A part of three bytes is a structure of 176, and slices of them double.
		fuzzing.Allocs(t, len(text), 8<<10, 512, func() { s, err = readReceipt(text) })
		if err != nil {
			return
		}
		again, err := s.text()
		if err != nil {
			t.Fatalf("%q is read and not written: %v", text, err)
		}
		second, err := readReceipt(again)
		if err != nil || (s == nil) != (second == nil) || s != nil && !s.equal(*second) {
			t.Errorf("%q, then %q: %v", text, again, err)
		}
		if s != nil {
			s.receipt()
		}
	})
}

// Whatever a line of the ledger holds, what is read as a step is written as the same.
func FuzzEntry(f *testing.F) {
	for _, line := range []string{
		`{"seq":1,"at":"2026-11-22T10:00:00Z","clock_ms":5,"event":"received","id":"0dd5a1ad0dd5a1ad0dd5a1ad0dd5a1ad","tool":"mytool","vendors":["posthog"],"prev":"` + firstPrev + `"}`,
		`{}`, `null`, `{"seq":-1,"clock_ms":9223372036854775807}`, `{"SEQ":1,"seq":2}`, `{"event":"taken","receipt":{"parts":[{}]}}`, `{"at":"0000-01-01T00:00:00+01:00"}`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var e entry
		var err error
		// Parts of a receipt as above, and vendors of two bytes with 16 of their header.
		fuzzing.Allocs(t, len(line), 8<<10, 512, func() { err = json.Unmarshal(line, &e) })
		if err != nil {
			return
		}
		written, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("%q is read and not written: %v", line, err)
		}
		var again entry
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatalf("%q is written and not read: %v", written, err)
		}
		if twice, err := json.Marshal(again); err != nil || string(twice) != string(written) {
			t.Errorf("%q, then %q (%v)", written, twice, err)
		}
		if by, asks := e.asker(); by != "" && !asks {
			t.Errorf("%q asks and does not", by)
		}
	})
}
