//go:build !notelemetry

package deletions_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/relay/deletions"
	"github.com/gotoolbase/telemetry/relay/internal/pgtest"
	"github.com/gotoolbase/telemetry/relay/store"
)

// ledgerSize is how many deletions BenchmarkLedger looks at; 1000000 takes minutes to write.
var ledgerSize = flag.Int("deletions", 20_000, "how many deletions the ledger of the benchmarks has")

// engines runs a benchmark on both databases, both of which sync what they acknowledge.
func engines(b *testing.B, f func(b *testing.B, url string)) {
	b.Run("sqlite", func(b *testing.B) { f(b, "sqlite:"+filepath.Join(b.TempDir(), "data", "relay.db")) })
	b.Run("postgres", func(b *testing.B) { f(b, pgtest.Start(b, "fsync=on").Database()) })
}

func open(b *testing.B, url string, limit deletions.Limit) (*deletions.Relay, *deletions.Ledger, func()) {
	b.Helper()
	db, err := store.Open(context.Background(), url, deletions.Schema())
	if err != nil {
		b.Fatal(err)
	}
	ledger := deletions.NewLedger(db)
	r, err := deletions.New(deletions.Config{Ledger: ledger, Limit: limit, Tools: map[string][]deletions.Vendor{"mytool": {someVendor}}})
	if err != nil {
		b.Fatal(err)
	}
	return r, ledger, func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	}
}

// BenchmarkForged is what a request costs that is forged: no limit is charged for it.
func BenchmarkForged(b *testing.B) {
	r, _, end := open(b, "sqlite:"+filepath.Join(b.TempDir(), "data", "relay.db"), deletions.Limit{})
	defer end()
	forged := body("mytool", person{somebody(1).key, somebody(2).id})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			w := httptest.NewRecorder()
			r.ServeHTTP(w, post(forged))
			if w.Code != http.StatusForbidden {
				b.Error(w.Code)
			}
		}
	})
}

// BenchmarkAccept is what a new request costs, durable when it is answered. Those that come
// at the same time share a transaction.
func BenchmarkAccept(b *testing.B) {
	engines(b, func(b *testing.B, url string) {
		r, _, end := open(b, url, plenty)
		defer end()
		var n atomic.Int64
		b.ReportAllocs()
		b.SetParallelism(64)
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				w := httptest.NewRecorder()
				r.ServeHTTP(w, post(body("mytool", somebody(int(n.Add(1))))))
				if w.Code != http.StatusAccepted {
					b.Error(w.Code)
				}
			}
		})
	})
}

// BenchmarkLedger is what looking costs where there are many deletions. Run it with
// -benchtime 20x, and -deletions for their number.
func BenchmarkLedger(b *testing.B) {
	engines(b, func(b *testing.B, url string) {
		_, ledger, end := open(b, url, plenty)
		const atOnce = 500
		for n := 0; n < *ledgerSize; n += atOnce {
			var machines []string
			for i := range min(atOnce, *ledgerSize-n) {
				machines = append(machines, somebody(n+i).id)
			}
			if err := ledger.Fill(b.Context(), "mytool", "vendor", machines); err != nil {
				b.Fatal(err)
			}
		}
		end()
		if file, is := store.File(url); is {
			if info, err := os.Stat(file); err == nil {
				b.Logf("%d bytes a deletion on the disk", info.Size()/int64(*ledgerSize))
			}
		}
		ids := sample(b, url)
		b.Run("start", func(b *testing.B) {
			for b.Loop() {
				_, _, end := open(b, url, plenty)
				end()
			}
		})
		_, ledger, end = open(b, url, plenty)
		defer end()
		list := func(b *testing.B, o deletions.Filter) {
			n := 0
			if err := ledger.List(b.Context(), o, func(deletions.Deletion) error { n++; return nil }); err != nil || n == 0 {
				b.Fatal(n, err)
			}
		}
		for name, o := range map[string]deletions.Filter{
			"list/first": {Limit: 100}, "list/middle": {Limit: 100, After: ids[len(ids)/2]}, "list/newest": {Limit: 100, Newest: true},
			"list/open": {Limit: 100, State: "acknowledged"}, "list/machine": {MachineID: somebody(*ledgerSize / 2).id},
			"list/due": {Limit: 100, DueBefore: time.Now().AddDate(0, 2, 0)},
		} {
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					list(b, o)
				}
			})
		}
		b.Run("show", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if found, err := ledger.Find(b.Context(), ids[i%len(ids)][:12]); err != nil || len(found) != 1 {
					b.Fatal(found, err)
				}
			}
		})
		b.Run("deleted", func(b *testing.B) {
			var some []string
			for n := range 50 {
				some = append(some, somebody(*ledgerSize-25+n).id)
			}
			for b.Loop() {
				if deleted, err := ledger.Deleted(b.Context(), "mytool", some); err != nil || len(deleted) != 25 {
					b.Fatal(len(deleted), err)
				}
			}
		})
		b.Run("metrics", func(b *testing.B) {
			r, _, end := open(b, url, plenty)
			defer end()
			for b.Loop() {
				w := httptest.NewRecorder()
				r.Admin().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			}
		})
		b.Run("export", func(b *testing.B) {
			b.ReportMetric(0, "ns/op") // one is enough; see below
			runtime.GC()
			var before, now runtime.MemStats
			runtime.ReadMemStats(&before)
			most, began, n := uint64(0), time.Now(), 0
			if err := ledger.List(b.Context(), deletions.Filter{Steps: true}, func(deletions.Deletion) error {
				if n++; n%10_000 == 0 {
					runtime.ReadMemStats(&now)
					most = max(most, now.HeapInuse)
				}
				return nil
			}); err != nil || n != *ledgerSize {
				b.Fatal(n, err)
			}
			b.Logf("%d deletions with their steps in %v, with %d MiB of heap in use at most (%d before)", n, time.Since(began).Round(time.Millisecond), most>>20, before.HeapInuse>>20)
		})
		b.Run("verify", func(b *testing.B) {
			b.ReportMetric(0, "ns/op")
			began := time.Now()
			a, err := ledger.Verify(b.Context())
			if err != nil || a.Damaged > 0 || a.Deletions != int64(*ledgerSize) {
				b.Fatalf("%+v, %v", a, err)
			}
			b.Logf("%d lines in %v", a.Lines, time.Since(began).Round(time.Millisecond))
		})
	})
}

// sample returns the IDs of some deletions, the oldest first.
func sample(b *testing.B, url string) (ids []string) {
	b.Helper()
	_, ledger, end := open(b, url, plenty)
	defer end()
	n := 0
	if err := ledger.List(b.Context(), deletions.Filter{}, func(e deletions.Deletion) error {
		if n++; n%(*ledgerSize/100) == 1 {
			ids = append(ids, e.ID)
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	if len(ids) < 50 {
		b.Fatal(fmt.Sprint("only ", len(ids), " IDs"))
	}
	return ids
}
