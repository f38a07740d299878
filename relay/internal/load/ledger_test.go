//go:build linux && !notelemetry

package load

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/events"
	"github.com/gotoolbase/telemetry/relay/report"
	"github.com/gotoolbase/telemetry/relay/store"
)

// looks is what looking costs where there are so many deletions.
type looks struct {
	deletions                           int
	adding                              float64 // a second
	disk                                int64   // bytes a deletion
	start, page, show, pageCmd, showCmd time.Duration
	serveMemory, pageMemory             int64
	export                              time.Duration
	exportMemory, exportBytes           int64
}

// measureLedger fills a ledger in two steps, and looks after each.
func measureLedger(t *testing.T, w *world, most int) (all []looks) {
	r := start(t, "database: sqlite:data/relay.db\ntools: {mytool: {destinations: [{backend: store}], deletions: [{vendor: store}]}}\n", nil)
	r.end(interrupt)
	file := filepath.Join(r.dir, "data", "relay.db")
	for i, n := range []int{most / 10, most} {
		had := i * (most / 10)
		rate := fill(t, w, file, n-had)
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		l := looks{deletions: n, adding: rate, disk: info.Size() / int64(n)}
		var starts, pageCmds, showCmds []float64
		for range turns {
			r.start()
			starts = append(starts, r.starting.Seconds())
			now, _ := r.memory()
			l.serveMemory = max(l.serveMemory, now)
			r.end(interrupt)
		}
		page, show, id := lookInside(t, file)
		for range turns {
			_, took, rss := r.operate("deletions", "list", "--limit", "100", "--config", "relay.yaml")
			pageCmds, l.pageMemory = append(pageCmds, took.Seconds()), max(l.pageMemory, rss)
			_, took, _ = r.operate("deletions", "show", id, "--config", "relay.yaml")
			showCmds = append(showCmds, took.Seconds())
		}
		l.start, l.page, l.show = seconds(median(starts)), page, show
		l.pageCmd, l.showCmd = seconds(median(pageCmds)), seconds(median(showCmds))
		var out []byte
		out, l.export, l.exportMemory = r.operate("deletions", "export", "--config", "relay.yaml")
		l.exportBytes = int64(len(out))
		if lines := bytes.Count(out, []byte("\n")); lines != n {
			t.Errorf("the export has %d deletions, want %d", lines, n)
		}
		t.Logf("%+v", l)
		all = append(all, l)
	}
	return all
}

func open(t *testing.T, file string) (*deletions.Ledger, func()) {
	t.Helper()
	db, err := store.Open(context.Background(), "sqlite:"+file, deletions.Schema(), events.Schema(), report.Schema())
	if err != nil {
		t.Fatal(err)
	}
	return deletions.NewLedger(db), func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// fill adds deletions, as many at once as a busy gateway gets, and returns how many a second.
func fill(t *testing.T, w *world, file string, n int) (rate float64) {
	ledger, end := open(t, file)
	defer end()
	const atOnce = 512
	people := make(chan person)
	var adding sync.WaitGroup
	began := time.Now()
	for range atOnce {
		adding.Go(func() {
			for p := range people {
				_, err := ledger.Add(deletions.Demand{Tool: "mytool", MachineID: p.id, DeletionKey: p.key},
					deletions.Terms{Vendors: []string{"store"}, Quiet: 14 * 24 * time.Hour, Due: 30 * 24 * time.Hour})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range n {
		people <- w.person()
	}
	close(people)
	adding.Wait()
	return float64(n) / time.Since(began).Seconds()
}

// lookInside reads the newest page and one deletion of the middle, without the start of a program.
func lookInside(t *testing.T, file string) (page, show time.Duration, id string) {
	ledger, end := open(t, file)
	defer end()
	var pages, shows []float64
	for range 20 {
		began, n := time.Now(), 0
		if err := ledger.List(t.Context(), deletions.Filter{Limit: 100, Newest: true}, func(e deletions.Deletion) error { id = e.ID; n++; return nil }); err != nil || n != 100 {
			t.Fatal(n, err)
		}
		pages = append(pages, time.Since(began).Seconds())
		began = time.Now()
		if found, err := ledger.Find(t.Context(), id); err != nil || len(found) != 1 {
			t.Fatal(len(found), err)
		}
		shows = append(shows, time.Since(began).Seconds())
	}
	return seconds(median(pages)), seconds(median(shows)), id
}
