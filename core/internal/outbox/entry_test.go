package outbox

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/fuzzing"
)

var (
	key = strings.Repeat("5c", deletion.KeyBytes)
	at  = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
)

// full has every field set.
func full() Entry {
	var k [deletion.KeyBytes]byte
	for i := range k {
		k[i] = 0x5c
	}
	receipt := deletion.Receipt{
		State: deletion.Manual, ID: "R-1", Detail: "a = b", URL: "mailto:a@b.c?x=y", MachineID: "m", At: at, CancelUntil: at.Add(time.Hour),
	}
	part := receipt
	part.State = deletion.Acknowledged
	receipt.Parts = []deletion.Receipt{part, {State: deletion.Delivered}}
	return Entry{
		MachineID: deletion.MachineID(k), Key: key, State: deletion.Manual, Receipt: receipt,
		Reached:      map[deletion.State]time.Time{deletion.Requested: at, deletion.Manual: at.Add(time.Minute)},
		NotDeletable: 5, Attempts: 3, Problem: "503", Next: at.Add(time.Hour),
	}
}

func TestAnEntryIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	r, err := state.ParseRecord(full().record().Encode())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parse(r); err != nil || !reflect.DeepEqual(got, full()) {
		t.Errorf("got  %#v, %v\nwant %#v", got.Receipt, err, full().Receipt)
	}
}

// A request outlives the program that made it.
func TestAnEntryOfAVersionBefore010IsRead(t *testing.T) {
	t.Parallel()
	r := full().record()
	r["erasure_key"], r["not_erasable"] = r["deletion_key"], r["not_deletable"]
	delete(r, "deletion_key")
	delete(r, "not_deletable")
	if got, err := parse(r); err != nil || !reflect.DeepEqual(got, full()) {
		t.Errorf("got  %#v, %v\nwant %#v", got, err, full())
	}
}

func TestAStrangersReceiptCannotBreakTheFile(t *testing.T) {
	t.Parallel()
	e := full()
	e.Receipt.Detail = "a\ndeletion_key=" + strings.Repeat("0", 64) + "\r\x00" + strings.Repeat("ö", 5000) + "\xff"
	e.Receipt.ID = strings.Repeat("x", 1<<20)
	e.Receipt.URL = "https://example.com/" + strings.Repeat("x", maxURL)
	for range 100 {
		e.Receipt.Parts = append(e.Receipt.Parts, e.Receipt)
	}
	for i := range e.Receipt.Parts { // as long as a link may be
		e.Receipt.Parts[i].URL = "https://example.com/" + strings.Repeat("x", maxURL-20)
	}
	content := e.record().Encode()
	r, err := state.ParseRecord(content)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse(r)
	if err != nil || got.Key != key || len(got.Receipt.Detail) > maxText || got.Receipt.URL != "" || len(content) > 64<<10 {
		t.Errorf("%v: %v, %d bytes", got, err, len(content))
	}
}

func TestAnEntryPrintsNoKey(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, full()); strings.Contains(text, key) {
			t.Errorf("%s shows the key", format)
		}
	}
}

// Whatever is in a file: what is read from it is what would be written.
func FuzzEntry(f *testing.F) {
	f.Add(full().record().Encode())
	f.Add([]byte("format=1\nattempts=0\nmachine_id=0\n.\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		r, err := state.ParseRecord(content)
		if err != nil {
			return
		}
		// What is in the record is referred to, but for lists and the maps of times.
		fuzzing.Allocs(t, len(content), 32<<10, 16, func() { _, _ = parse(r) })
		e, err := parse(r)
		if err != nil {
			return
		}
		again, err := parse(e.record())
		if err != nil {
			t.Fatalf("%v is read and not written: %v", e, err)
		}
		if third, err := parse(again.record()); err != nil || !reflect.DeepEqual(third, again) {
			t.Errorf("%+v, then %+v (%v)", again.Receipt, third.Receipt, err)
		}
	})
}

// A relay says until when a request can be taken back, in whatever zone. In the entry it is in UTC,
// where the last hours of the year 9999 are those of one that no time.Parse reads.
func TestAStrangersTimeCannotBreakTheFile(t *testing.T) {
	t.Parallel()
	for _, until := range []string{"9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+01:00"} {
		e := full()
		var err error
		if e.Receipt.CancelUntil, err = time.Parse(time.RFC3339, until); err != nil {
			t.Fatal(err)
		}
		got, err := parse(e.record())
		if err != nil || got.Key != key || !got.Receipt.CancelUntil.IsZero() {
			t.Errorf("%s: %v, %v", until, got, err)
		}
	}
}
