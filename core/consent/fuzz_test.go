package consent

import (
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

// FuzzReceipt makes a receipt of anything that an author can declare and reads it back.
func FuzzReceipt(f *testing.F) {
	f.Add("my-tool", "http", "a.example.com", "b.example.com:443", "format", true, false, true, 3, int64(1_764_061_200), 7)
	f.Add("", "", "", "", "", false, false, false, 0, int64(0), 0)
	f.Add("a,b", "*", `"a"`, "\xff\n=", "größe", false, true, false, -1, int64(-1), -1)
	f.Fuzz(func(t *testing.T, tool, backend, host, other, key string, anyKey, extended, local bool, notice int, at int64, revision int) {
		if at < 0 || at > 1<<37 { // RFC 3339 has years of four digits
			at = 0
		}
		in := Receipt{
			ID: "0123456789abcdef0123456789abcdef", At: time.Unix(at, 0).UTC(), By: SourceCommand, Local: local, revision: revision,
			Terms: Terms{
				Tool: tool, Backend: backend, Hosts: []string{host, other}, Fields: []string{other, key, host}, MetadataKeys: []string{key, tool},
				Events: []string{key, other}, AnyEvent: extended, AnyKey: anyKey, Extended: extended, NoticeVersion: notice, NoticeDigest: DigestText(key),
			},
		}
		r := state.Record{}
		in.put(r)
		read, err := state.ParseRecord(r.Encode())
		if err != nil {
			t.Fatalf("%q cannot be read: %v", r.Encode(), err)
		}
		out, err := receiptIn(read)
		if err != nil {
			t.Fatalf("%q is no receipt: %v", r.Encode(), err)
		}
		if out.ID != in.ID || !out.At.Equal(in.At) || out.By != in.By || out.Local != in.Local || out.revision != in.revision {
			t.Errorf("%+v became %+v", in, out)
		}
		if in.Terms.Digest() != out.Terms.Digest() || !in.Terms.SameReceiver(out.Terms) || !out.Terms.SameReceiver(in.Terms) {
			t.Errorf("%+v became %+v", in.Terms, out.Terms)
		}
		if beyond := append(in.Terms.Beyond(out.Terms, false), out.Terms.Beyond(in.Terms, false)...); len(beyond) > 0 {
			t.Errorf("%+v became %+v: %q", in.Terms, out.Terms, beyond)
		}
	})
}

// FuzzStored reads anything as a stored answer. Only what says yes, word for word, is one.
func FuzzStored(f *testing.F) {
	terms := state.Record{}
	Receipt{ID: "0123456789abcdef0123456789abcdef", By: SourceQuestion, Terms: Terms{Tool: "t", Backend: "http"}}.put(terms)
	terms["answer"] = "yes"
	f.Add(terms.Encode())
	f.Add([]byte("format=1\nanswer=yes\nat=2026-11-22T12:00:00Z\nnotice=1\nrevision=1\n.\n"))
	f.Add([]byte("format=1\nanswer=no\nat=2026-11-22T12:00:00Z\nnotice=1\nrevision=1\n.\n"))
	f.Add([]byte("format=1\nanswer=local\nat=\nnotice=1\nrevision=1\n.\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, data []byte) {
		record, err := state.ParseRecord(data)
		if err != nil {
			return
		}
		// The lists of a record are split, and sorted.
		fuzzing.Allocs(t, len(data), 16<<10, 128, func() { _, _ = storedIn(record) })
		stored, err := storedIn(record)
		if err != nil {
			if stored.saidYes() || stored.Receipt != "" {
				t.Errorf("%q cannot be read and says %+v", data, stored)
			}
			return
		}
		if stored.saidYes() != (record["answer"] == "yes" || record["answer"] == "local") || !stored.saidYes() && stored.Answer != AnswerNo {
			t.Errorf("%q says %+v", data, stored)
		}
		if stored.Receipt == "" {
			return
		}
		again := state.Record{}
		stored.receipt().put(again)
		receipt, err := receiptIn(again)
		if err != nil || receipt.ID != stored.Receipt || receipt.Terms.Digest() != stored.Terms.Digest() {
			t.Errorf("%q says %+v, and as a receipt %+v, %v", data, stored, receipt, err)
		}
	})
}

// FuzzReceiptFile reads anything as a receipt. What is one is written as the same: by its ID
// events are sent, and by its terms it is told whether they may be.
func FuzzReceiptFile(f *testing.F) {
	r := state.Record{}
	Receipt{ID: "0123456789abcdef0123456789abcdef", By: SourceQuestion, At: time.Unix(1770120000, 0), Terms: Terms{Tool: "t", Backend: "http", Hosts: []string{"a.example"}}}.put(r)
	f.Add(r.Encode())
	f.Add([]byte("format=1\nreceipt=0123456789abcdef0123456789abcdef\nat=9999-12-31T23:59:59-01:00\n.\n"))
	f.Add([]byte("format=1\n=\n.\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var receipt Receipt
		var err error
		// The file is cut into lines and made a map, twice; its lists are split once more.
		fuzzing.Allocs(t, len(data), 16<<10, 256, func() {
			var record state.Record
			if record, err = state.ParseRecord(data); err == nil {
				receipt, err = receiptIn(record)
			}
		})
		if err != nil {
			return
		}
		again := state.Record{}
		receipt.put(again)
		second, err := receiptIn(again)
		if err != nil || second.ID != receipt.ID || second.Local != receipt.Local || second.Terms.Digest() != receipt.Terms.Digest() {
			t.Errorf("%q is %+v, and written %+v, %v", data, receipt, second, err)
		}
	})
}
