//go:build !notelemetry

package events_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/events"
	"github.com/gotoolbase/telemetry/relay/store"
)

func kept(t testing.TB, db *store.DB, settings map[string]string) events.Destination {
	d := events.StoreDriver(db)
	return events.Destination{Name: "store", Driver: d, Backend: open(t, d, settings)}
}

func aTeamWithoutAVendorHasItsEventsInTheDatabase(t *testing.T, db *store.DB) {
	g := serve(t, events.Config{DB: db}, kept(t, db, nil))
	sent := batch(250)
	exit := 3
	sent[7].ExitCode, sent[7].ErrorClass, sent[7].CI, sent[7].Agent = &exit, "network", true, "codex"
	sent[8].Count, sent[8].Failures, sent[8].SampleRate = 10, 4, 5
	for range 2 { // it comes again, and is there once
		if err := g.client().Send(t.Context(), sent); err != nil {
			t.Fatal(err)
		}
	}
	// Also where another process answers, which does not remember it.
	other := serve(t, events.Config{DB: db}, kept(t, db, nil))
	if err := other.client().Send(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	if n := number(t, db, `SELECT COUNT(*) FROM events WHERE tool = ?`, "mytool"); n != 250 {
		t.Errorf("%d rows, want 250", n)
	}
	if n := number(t, db, `SELECT SUM(calls) FROM events`); n != 249+50 {
		t.Errorf("they stand for %d calls, want 299", n)
	}
	if n := number(t, db, `SELECT SUM(failed) FROM events`); n != 1+20 {
		t.Errorf("%d failed, want 21", n)
	}
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		var text, class, agent string
		var ci, code, at int64
		_, err := tx.One(t.Context(), []any{&text, &class, &agent, &ci, &code, &at},
			`SELECT event, error_class, agent, ci, exit_code, at FROM events WHERE id = ?`, sent[7].ID)
		if text != string(sent[7].AppendJSON(nil)) || class != "network" || agent != "codex" || ci != 1 || code != 3 || at != sent[7].Time.UnixMilli() {
			t.Errorf("got %s %s %s %d %d %d", text, class, agent, ci, code, at)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func theStoreForgetsWhatIsOlderThanItKeeps(t *testing.T, db *store.DB) {
	c := &clock{}
	g := serve(t, events.Config{DB: db, Now: c.now}, kept(t, db, map[string]string{"retention": "30d"}))
	sent := batch(3)
	sent[1].Time = sent[1].Time.Add(-20 * 24 * time.Hour)
	if err := g.client().Send(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	c.pass(11 * 24 * time.Hour)
	g.run()
	soon(t, "the old one is gone", func() bool { return number(t, db, `SELECT COUNT(*) FROM events`) == 2 })
	if n := number(t, db, `SELECT COUNT(*) FROM events WHERE id = ?`, sent[1].ID); n != 0 {
		t.Error("another one went")
	}
	g.mustHave(`telemetry_relay_store_expired_total{tool="mytool"} 1`)
}

func TestTheStoreIsAskedForADaysRetentionThatIsOne(t *testing.T) {
	t.Parallel()
	db, _ := database(t)
	for value, good := range map[string]bool{"90d": true, "1d": true, "0d": false, "90": false, "d": false, "-1d": false, "9h": false, "1.5d": false, "99999d": false} {
		if _, err := events.StoreDriver(db).Resolve(map[string]string{"retention": value}); (err == nil) != good {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func deletingFromTheStoreIsVerifiedAtOnce(t *testing.T, db *store.DB) {
	gone := newVendor(t)
	gone.set(away)
	g := serve(t, events.Config{DB: db}, kept(t, db, nil), gone.destination(t, "gone"))
	for range 3 {
		sent := batch(4)
		sent[1].MachineID = machine(2)
		if err := g.client().Send(t.Context(), sent); err != nil {
			t.Fatal(err)
		}
	}
	requestor, err := events.StoreVendor(db).Open(deletion.VendorConfig{Tool: "mytool"})
	if err != nil {
		t.Fatal(err)
	}
	counter, finder, follower := requestor.(deletion.Counter), requestor.(deletion.Finder), requestor.(deletion.Follower)
	if n, err := counter.Count(t.Context(), machine(1)); err != nil || n != 18 {
		t.Errorf("%d events, %v; want 9 that are stored and 9 that wait", n, err)
	}
	if found, err := finder.Find(t.Context(), machine(1)); err != nil || found.Nothing || len(found.Facts) != 3 || found.Facts[0].Value != int64(18) {
		t.Errorf("found %+v, %v", found, err)
	}
	req := deletion.Request{Tool: "mytool", MachineID: machine(1), RequestedAt: time.Now()}
	for n, want := range []string{"18 events were deleted", "0 events were deleted"} {
		r, err := requestor.RequestDeletion(t.Context(), req)
		if err != nil || r.State != deletion.Verified || !strings.Contains(r.Detail, want) {
			t.Errorf("request %d: %+v, %v", n, r, err)
		}
		if r, err = follower.Status(t.Context(), r); err != nil || r.State != deletion.Verified {
			t.Errorf("afterwards: %+v, %v", r, err)
		}
	}
	if n, err := counter.Count(t.Context(), machine(1)); err != nil || n != 0 {
		t.Errorf("%d are left, %v", n, err)
	}
	if found, err := finder.Find(t.Context(), machine(1)); err != nil || !found.Nothing {
		t.Errorf("found %+v, %v", found, err)
	}
	if n, err := counter.Count(t.Context(), machine(2)); err != nil || n != 6 {
		t.Errorf("of another machine there are %d, %v", n, err)
	}
	g.mustHave(`telemetry_relay_waiting_events{tool="mytool",destination="gone"} 3`)

	other, err := events.StoreVendor(db).Open(deletion.VendorConfig{Tool: "other"})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := other.(deletion.Counter).Count(t.Context(), machine(2)); err != nil || n != 0 {
		t.Errorf("of another tool there are %d, %v", n, err)
	}
	for _, id := range []string{"", "%", machine(1)[1:], strings.ToUpper(strings.Repeat("a", 32))} {
		if _, err := requestor.RequestDeletion(t.Context(), deletion.Request{MachineID: id}); !errors.Is(err, deletion.ErrInvalidID) {
			t.Errorf("%q: %v", id, err)
		}
		if _, err := counter.Count(t.Context(), id); !errors.Is(err, deletion.ErrInvalidID) {
			t.Errorf("counting %q: %v", id, err)
		}
	}
}

// What a machine sent after its deletion is there again: then the deletion is not over.
func TestADeletionIsNotOverWhereSomethingIsThereAgain(t *testing.T) {
	t.Parallel()
	db, _ := database(t)
	d := kept(t, db, nil)
	requestor, err := events.StoreVendor(db).Open(deletion.VendorConfig{Tool: "mytool"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := requestor.RequestDeletion(t.Context(), deletion.Request{Tool: "mytool", MachineID: machine(1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Backend.Send(t.Context(), batch(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := requestor.(deletion.Follower).Status(t.Context(), r); !errors.Is(err, deletion.ErrUnknownReceipt) {
		t.Errorf("got %v", err)
	}
}

// SQLite moves what it keeps about in its file, and leaves copies where there was room: a deletion
// that is called verified leaves none of them, whoever was deleted before.
func TestNothingOfWhatWasDeletedIsLeftInTheFile(t *testing.T) {
	t.Parallel()
	db, file := database(t)
	d := kept(t, db, nil)
	send := func(machineID, name string, n int) {
		list := batch(n)
		for i := range list {
			list[i].MachineID, list[i].Name = machineID, fmt.Sprintf("%s-%03d", name, i)
		}
		if err := d.Backend.Send(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 40 {
		send(machine(100+n), "other", 5)
		send(machine(1), fmt.Sprintf("c4n4ry-%d", n), 1+n%7)
		send(machine(2), fmt.Sprintf("f1rst-%d", n), 1+n%5)
	}
	requestor, err := events.StoreVendor(db).Open(deletion.VendorConfig{Tool: "mytool"})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{machine(2), machine(1)} {
		r, err := requestor.RequestDeletion(t.Context(), deletion.Request{Tool: "mytool", MachineID: id})
		if err != nil || r.State != deletion.Verified {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	files, err := filepath.Glob(file + "*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files of the database: %v", err)
	}
	others := 0
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"c4n4ry", "f1rst", machine(1), machine(2)} {
			if n := bytes.Count(content, []byte(secret)); n > 0 {
				t.Errorf("%s holds %q %d times", filepath.Base(name), secret, n)
			}
		}
		others += bytes.Count(content, []byte("other-"))
	}
	if others == 0 {
		t.Error("the search finds nothing")
	}
}

// Anybody can make up an ID with its key. Writing a file anew is too much work to be had for that.
func TestADeletionOfNothingWritesNoFileAnew(t *testing.T) {
	t.Parallel()
	db, _ := database(t)
	if db.Engine() != "sqlite" {
		t.Fatalf("this is about SQLite, and not %s", db.Engine())
	}
	free := func() int64 { return number(t, db, `SELECT freelist_count FROM pragma_freelist_count`) }
	if err := db.Write(t.Context(), func(tx *store.Tx) error { // leaves pages that only a new file is without
		for _, statement := range []string{`CREATE TABLE spare (text TEXT)`, `INSERT INTO spare VALUES (HEX(ZEROBLOB(100000)))`, `DROP TABLE spare`} {
			if _, err := tx.Exec(t.Context(), statement); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	requestor, err := events.StoreVendor(db).Open(deletion.VendorConfig{Tool: "mytool"})
	if err != nil {
		t.Fatal(err)
	}
	delete := func() {
		t.Helper()
		if r, err := requestor.RequestDeletion(t.Context(), deletion.Request{Tool: "mytool", MachineID: machine(1)}); err != nil || r.State != deletion.Verified {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	if delete(); free() == 0 {
		t.Error("the file was written anew for a machine that never sent anything")
	}
	if err := kept(t, db, nil).Backend.Send(t.Context(), batch(1)); err != nil {
		t.Fatal(err)
	}
	if delete(); free() > 0 {
		t.Error("the file was not written anew")
	}
}

// Those that are asked for at once share what takes long, which is to write the file anew.
func TestDeletionsFromTheStoreShareOneCall(t *testing.T) {
	t.Parallel()
	db, _ := database(t)
	list := batch(3)
	list[1].MachineID, list[2].MachineID = machine(2), machine(3)
	if err := kept(t, db, nil).Backend.Send(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	requestor, err := events.StoreVendor(db).Open(deletion.VendorConfig{Tool: "mytool"})
	if err != nil {
		t.Fatal(err)
	}
	bulk := requestor.(deletion.Bulk)
	outcomes, err := bulk.RequestDeletions(t.Context(), []deletion.Request{
		{Tool: "mytool", MachineID: machine(1)}, {Tool: "mytool", MachineID: "none"}, {Tool: "mytool", MachineID: machine(2)},
	})
	if err != nil || len(outcomes) != 3 || bulk.MaxBulk() < 2 {
		t.Fatalf("%+v, %v", outcomes, err)
	}
	for i, state := range []deletion.State{deletion.Verified, "", deletion.Verified} {
		if o := outcomes[i]; o.Receipt.State != state || (state == "") != errors.Is(o.Err, deletion.ErrInvalidID) {
			t.Errorf("%d: %+v", i, o)
		}
	}
	if n := number(t, db, `SELECT COUNT(*) FROM events`); n != 1 {
		t.Errorf("%d events are left, want that of the third", n)
	}
}

func TestADatabaseThatIsAwayLosesNothing(t *testing.T) {
	t.Parallel()
	db, _ := database(t)
	b := kept(t, db, nil).Backend
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	err := b.Send(context.Background(), batch(1))
	if driver.Classify(err) != driver.ClassUnknown || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v (%v)", err, driver.Classify(err))
	}
}
