//go:build !notelemetry

package report_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/relay/report"
	"github.com/gotoolbase/telemetry/relay/report/internal/samples"
	"github.com/gotoolbase/telemetry/relay/store"
)

// pass has events pass as they would in time: each on its day, written once a day.
func pass(t *testing.T, c *clock, replicas []*report.Rollups, list []driver.Event) {
	t.Helper()
	today := ""
	for i, e := range list {
		if day := e.Time.Format(time.DateOnly); day != today {
			today = day
			for _, r := range replicas {
				flush(t, r)
			}
			c.set(e.Time.Truncate(24 * time.Hour))
			for _, r := range replicas {
				flush(t, r)
			}
		}
		if e.Time.After(c.now()) {
			c.set(e.Time)
		}
		replicas[i%len(replicas)].Add(e.Tool, []driver.Event{e}, c.now())
	}
	for _, r := range replicas {
		flush(t, r)
	}
	c.set(samples.Now)
	for _, r := range replicas {
		flush(t, r)
	}
}

// inOrder sorts events by time, as they would come in.
func inOrder(list []driver.Event) []driver.Event {
	slices.SortStableFunc(list, func(a, b driver.Event) int { return a.Time.Compare(b.Time) })
	return list
}

func TestThreeReplicasOfADatabaseCountWhatOneFileHolds(t *testing.T) {
	t.Parallel()
	list := inOrder(events(4, 14, 60))
	engines(t, func(t *testing.T, url string) {
		c := &clock{t: list[0].Time}
		var replicas []*report.Rollups
		for range 3 {
			replicas = append(replicas, rollups(t, open(t, url), c.now))
		}
		pass(t, c, replicas, list)
		for _, k := range []int{1, 5} {
			want := counted(t, report.Query{Now: samples.Now}, list).Page(report.PageOptions{K: k})
			got := read(t, open(t, url), report.Query{Now: samples.Now}).Page(report.PageOptions{K: k})
			same(t, tables(t, want), tables(t, got))
		}
	})
}

func TestReplicasThatWriteAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, url string) {
		c := &clock{t: samples.Now}
		const replicas, rounds, each = 4, 5, 20
		var running sync.WaitGroup
		for n := range replicas {
			r := rollups(t, open(t, url), c.now)
			running.Go(func() {
				for round := range rounds {
					var list []driver.Event
					for i := range each {
						machine := strconv.Itoa((n*7 + round*3 + i) % 50) // others have it too
						list = append(list, driver.Event{ID: strconv.Itoa(n) + "." + strconv.Itoa(round) + "." + strconv.Itoa(i), Type: "command.invocation",
							Name: "c" + strconv.Itoa(i%5), Time: samples.Now, Tool: "x", MachineID: machine})
					}
					r.Add("x", list, samples.Now)
					if err := r.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		running.Wait()
		all := tables(t, read(t, open(t, url), report.Query{Now: samples.Now}).Page(report.PageOptions{K: 1}))
		_, commands := rows(t, all["commands"])
		if len(commands) != 5 || commands["c0"]["events"] != strconv.Itoa(replicas*rounds*each/5) {
			t.Errorf("%v", commands)
		}
		seen := map[int]bool{}
		for n := range replicas {
			for round := range rounds {
				for i := range each {
					seen[(n*7+round*3+i)%50] = true
				}
			}
		}
		if _, days := rows(t, all["active-by-day"]); days["2026-11-25"]["installations"] != strconv.Itoa(len(seen)) {
			t.Errorf("%v, want %d", days, len(seen))
		}
	})
}

// files are the bytes of a database and its journal.
func files(t *testing.T, dir string) []byte {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	var all []byte
	for _, path := range list {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

func TestTheDatabaseHoldsNoMachineIDAndAfterAWindowNoHashOrKey(t *testing.T) {
	t.Parallel()
	dir := private(t)
	db := open(t, "sqlite:"+filepath.Join(dir, "relay.db"))
	monday := time.Date(2026, 9, 7, 0, 0, 0, 0, time.UTC)
	c := &clock{t: monday.Add(30 * time.Hour)}
	r := rollups(t, db, c.now)
	canaries := []string{"c0ffee00c0ffee00c0ffee00c0ffee01", "c0ffee00c0ffee00c0ffee00c0ffee02"}
	for i, machine := range canaries {
		r.Add("mytool", []driver.Event{{ID: "id-of-an-event-" + strconv.Itoa(i), Type: "command.invocation", Name: "build", Time: c.now(), MachineID: machine,
			RunID: "run-of-an-event", ConsentID: "consent-of-an-event", Args: []string{"argument-of-an-event"}, Error: "error-of-an-event", Metadata: map[string]string{"k": "metadata-of-an-event"}}}, c.now())
	}
	flush(t, r)

	// What there is while windows are open, read from the tables.
	var secrets [][]byte
	collect := func(query string) {
		t.Helper()
		err := db.Read(t.Context(), func(tx *store.Tx) error {
			return tx.Query(t.Context(), func(scan func(...any) error) error {
				var b []byte
				err := scan(&b)
				secrets = append(secrets, b)
				return err
			}, query)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	collect(`SELECT seal FROM report_windows WHERE closed = 0`)
	keys := len(secrets)
	collect(`SELECT hashes FROM report_sketches`)
	if keys < 12 || len(secrets)-keys < 8 {
		t.Fatalf("%d keys and %d sets", keys, len(secrets)-keys)
	}
	for i, b := range secrets[keys:] { // the first 8 bytes are no hash
		if len(b) != 8+8*len(canaries) {
			t.Fatalf("a set has %d bytes", len(b))
		}
		secrets[keys+i] = b[8:16]
	}
	there := files(t, dir)
	for _, s := range secrets {
		if !bytes.Contains(there, s) {
			t.Fatal("a key or a hash is not found where it must be: the test looks in the wrong place")
		}
	}
	look := func(when string) {
		t.Helper()
		there := files(t, dir)
		for _, machine := range canaries {
			raw, err := hex.DecodeString(machine)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(there, []byte(machine)) || bytes.Contains(there, raw) {
				t.Errorf("%s: a machine ID is in the database", when)
			}
		}
		if bytes.Contains(there, []byte("-of-an-event")) {
			t.Errorf("%s: the database holds what no chart needs", when)
		}
	}
	look("while the windows are open")

	c.set(monday.Add(8*week + week + report.Grace)) // the cohort of that week, the last of them, is over
	flush(t, r)
	look("later")
	there = files(t, dir)
	left := 0
	for _, s := range secrets {
		if bytes.Contains(there, s) {
			left++
		}
	}
	if left > 0 {
		t.Errorf("%d of %d keys and hashes are still in the files", left, len(secrets))
	}
	page := read(t, db, report.Query{Now: c.now()}).Page(report.PageOptions{K: 1})
	if _, by := rows(t, tables(t, page)["active-by-week"]); by["2026-09-07"]["installations"] != "2" {
		t.Errorf("and the numbers went with them: %v", by)
	}
}

func TestAWindowThatIsClosedStaysAsItWas(t *testing.T) {
	t.Parallel()
	db := open(t, "sqlite:"+filepath.Join(private(t), "relay.db"))
	monday := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	event := func(id, machine string, at time.Time) driver.Event {
		return driver.Event{ID: id, Type: "command.invocation", Name: "build", Time: at, MachineID: machine, OS: "linux"}
	}
	c := &clock{t: monday.Add(time.Hour)}
	r := rollups(t, db, c.now)
	for i := range 6 {
		r.Add("x", []driver.Event{event(strconv.Itoa(i), strconv.Itoa(i), c.now())}, c.now())
	}
	flush(t, r)
	public := func() map[string]string {
		d, err := report.Read(t.Context(), db, report.Query{Now: c.now()})
		if err != nil {
			t.Fatal(err)
		}
		return tables(t, d.Page(report.PageOptions{}))
	}
	if all := public(); len(all) != 0 {
		t.Errorf("a day that is not over is shown: %v", all)
	}
	// In time, though two days late.
	c.set(monday.Add(week + 2*24*time.Hour))
	r.Add("x", []driver.Event{event("in time", "7", monday.Add(5*24*time.Hour))}, c.now())
	flush(t, r)
	c.set(monday.Add(week + report.Grace))
	if all := public(); all["active-by-week"] != "" {
		t.Errorf("a week is shown that nobody has closed: what a replica has in memory may still be added: %v", all)
	}
	flush(t, r)
	before := public()
	if _, by := rows(t, before["active-by-week"]); by["2026-11-02"]["installations"] != "5" {
		t.Errorf("%v", by)
	}
	r.Add("x", []driver.Event{event("late", "8", monday.Add(5*24*time.Hour))}, c.now())
	flush(t, r)
	same(t, before, public())
	notes := strings.Join(read(t, db, report.Query{Now: c.now()}).Page(report.PageOptions{K: 1}).Notes, "\n")
	if !strings.Contains(notes, "1 event that came more than three days after") {
		t.Errorf("and nobody is told: %q", notes)
	}
}

// A replica that could not write until another had closed the window adds nothing to it.
func TestABatchThatWaitedUntilItsWindowWasClosedIsCountedAsLate(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, url string) {
		monday := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
		c := &clock{t: monday.Add(time.Hour)}
		db := open(t, url)
		slow, fast := rollups(t, db, c.now), rollups(t, open(t, url), c.now)
		for i, r := range []*report.Rollups{slow, fast} {
			r.Add("x", []driver.Event{{ID: strconv.Itoa(i), Type: "feature.used", Time: c.now(), MachineID: strconv.Itoa(i)}}, c.now())
		}
		flush(t, fast)
		c.set(monday.Add(week + report.Grace))
		flush(t, fast)
		before := hashesIn(t, db)
		flush(t, slow)
		if after := hashesIn(t, db); after != before {
			t.Errorf("%d hashes were added to windows that are closed, or to who came back in one", after-before)
		}
		page := read(t, db, report.Query{Now: c.now()}).Page(report.PageOptions{K: 1})
		all := tables(t, page)
		if _, by := rows(t, all["active-by-week"]); by["2026-11-02"]["installations"] != "1" {
			t.Errorf("%v", by)
		}
		if _, by := rows(t, all["other-events"]); by["feature.used"]["events"] != "1" {
			t.Errorf("%v", by)
		}
		if notes := strings.Join(page.Notes, "\n"); !strings.Contains(notes, "1 event that came more than three days after") {
			t.Errorf("notes %q", notes)
		}
	})
}

func TestAnEventThatComesTwiceIsCountedOnce(t *testing.T) {
	t.Parallel()
	db := open(t, "sqlite:"+filepath.Join(private(t), "relay.db"))
	r := rollups(t, db, func() time.Time { return samples.Now })
	e := driver.Event{ID: "1", Type: "feature.used", Time: samples.Now, MachineID: "m"}
	r.Add("x", []driver.Event{e, e}, samples.Now)
	flush(t, r)
	r.Add("x", []driver.Event{e}, samples.Now)
	flush(t, r)
	page := read(t, db, report.Query{Now: samples.Now}).Page(report.PageOptions{K: 1})
	if _, by := rows(t, tables(t, page)["other-events"]); by["feature.used"]["events"] != "1" {
		t.Errorf("%v", by)
	}
	if notes := strings.Join(page.Notes, "\n"); !strings.Contains(notes, "2 events that came twice") {
		t.Errorf("notes %q", notes)
	}
}

func TestWhatCouldNotBeWrittenWaits(t *testing.T) {
	t.Parallel()
	db := open(t, "sqlite:"+filepath.Join(private(t), "relay.db"))
	r := rollups(t, db, func() time.Time { return samples.Now })
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 3 {
		r.Add("x", []driver.Event{{ID: strconv.Itoa(i), Type: "feature.used", Time: samples.Now, MachineID: "m"}}, samples.Now)
		if err := r.Flush(gone); err == nil {
			t.Fatal("it was written")
		}
	}
	flush(t, r)
	if _, by := rows(t, tables(t, read(t, db, report.Query{Now: samples.Now}).Page(report.PageOptions{K: 1}))["other-events"]); by["feature.used"]["events"] != "3" {
		t.Errorf("%v", by)
	}
}

func TestRunWritesWhatIsLeftWhenItEnds(t *testing.T) {
	t.Parallel()
	db := open(t, "sqlite:"+filepath.Join(private(t), "relay.db"))
	r := rollups(t, db, func() time.Time { return samples.Now })
	ctx, cancel := context.WithCancel(t.Context())
	r.Add("x", []driver.Event{{ID: "1", Type: "feature.used", Time: samples.Now, MachineID: "m"}}, samples.Now)
	cancel()
	r.Run(ctx)
	if _, by := rows(t, tables(t, read(t, db, report.Query{Now: samples.Now}).Page(report.PageOptions{K: 1}))["other-events"]); by["feature.used"]["events"] != "1" {
		t.Errorf("%v", by)
	}
}

// hashesIn is how many hashes there are in all sets.
func hashesIn(t *testing.T, db *store.DB) (n int) {
	t.Helper()
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		n = 0
		return tx.Query(t.Context(), func(scan func(...any) error) error {
			var b []byte
			err := scan(&b)
			n += (len(b) - 8) / 8
			return err
		}, `SELECT hashes FROM report_sketches`)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAMachineThatIsForgottenIsInNoSetAnyMore(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, url string) {
		list := inOrder(events(6, 3, 20))
		c := &clock{t: list[0].Time}
		db := open(t, url)
		r := rollups(t, db, c.now)
		pass(t, c, []*report.Rollups{r}, list)
		gone := ""
		for _, e := range list { // one who was active yesterday, and is no job
			if !e.CI && e.Time.Format(time.DateOnly) == "2026-11-24" {
				gone = e.MachineID
			}
		}
		r.Add(samples.Tool, []driver.Event{{ID: "waits in memory", Type: "feature.used", Time: samples.Now, MachineID: gone}}, samples.Now)
		asked := r.Requestor(samples.Tool)
		if n, err := asked.(deletion.Counter).Count(t.Context(), gone); err != nil || n < 8 {
			t.Fatalf("it is counted in %d sets, %v", n, err)
		}
		receipt, err := asked.RequestDeletion(t.Context(), deletion.Request{Tool: samples.Tool, MachineID: gone, RequestedAt: samples.Now})
		if err != nil || receipt.State != deletion.Verified {
			t.Fatalf("%+v, %v", receipt, err)
		}
		if file, is := store.File(url); is { // where old copies of its hashes would be
			if journal, err := os.Stat(file + "-wal"); err != nil || journal.Size() > 0 {
				t.Errorf("it is said to be verified, and the journal has %v, %v", journal, err)
			}
		}
		flush(t, r)
		if receipt, err := asked.(deletion.Follower).Status(t.Context(), receipt); err != nil || receipt.State != deletion.Verified {
			t.Errorf("what waited in memory came back: %+v, %v", receipt, err)
		}
		before := hashesIn(t, db)
		if err := report.Forget(t.Context(), db, samples.Tool, gone); err != nil || hashesIn(t, db) != before {
			t.Errorf("it was in %d sets still, %v", before-hashesIn(t, db), err)
		}
		// As if it had never been in a day that is open.
		var others []driver.Event
		for _, e := range list {
			if e.MachineID != gone {
				others = append(others, e)
			}
		}
		_, want := rows(t, tables(t, counted(t, report.Query{Now: samples.Now}, others).Page(report.PageOptions{K: 1}))["active-by-day"])
		_, got := rows(t, tables(t, read(t, db, report.Query{Now: samples.Now}).Page(report.PageOptions{K: 1}))["active-by-day"])
		if got["2026-11-24"]["installations"] != want["2026-11-24"]["installations"] {
			t.Errorf("%v, want %v", got["2026-11-24"], want["2026-11-24"])
		}
	})
}

func TestADamagedSetIsNoticedAndNotCountedOn(t *testing.T) {
	t.Parallel()
	db := open(t, "sqlite:"+filepath.Join(private(t), "relay.db"))
	r := rollups(t, db, func() time.Time { return samples.Now })
	r.Add("x", []driver.Event{{ID: "1", Type: "feature.used", Time: samples.Now, MachineID: "m"}}, samples.Now)
	flush(t, r)
	broken := binary.BigEndian.AppendUint64(nil, 5)
	broken = binary.BigEndian.AppendUint64(broken, 6) // above its limit
	if err := db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE report_sketches SET hashes = ?`, broken)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := report.Read(t.Context(), db, report.Query{Now: samples.Now}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("%v", err)
	}
}
