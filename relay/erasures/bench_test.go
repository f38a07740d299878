package erasures_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/gotoolbase/telemetry/relay/erasures"
)

func benchmarkRelay(b *testing.B, limit erasures.Limit) (*erasures.Relay, string) {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "ledger")
	ledger, err := erasures.OpenLedger(dir)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ledger.Close() })
	r, err := erasures.New(erasures.Config{Ledger: ledger, Limit: limit, Tools: map[string][]erasures.Vendor{"mytool": {someVendor}}})
	if err != nil {
		b.Fatal(err)
	}
	return r, dir
}

// BenchmarkFlood is what a request costs that is one too many.
func BenchmarkFlood(b *testing.B) {
	r, _ := benchmarkRelay(b, erasures.Limit{Global: erasures.Rate{PerSecond: 1, Burst: 1}})
	var n atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req := post(body("mytool", somebody(0)))
			req.RemoteAddr = fmt.Sprintf("[2001:db8:%x::1]:4711", n.Add(1)%65536)
			r.ServeHTTP(httptest.NewRecorder(), req)
		}
	})
}

// BenchmarkAccept is what a new request costs, on the disk when it is answered. Those that
// come at the same time share a sync.
func BenchmarkAccept(b *testing.B) {
	r, dir := benchmarkRelay(b, plenty)
	var n atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			w := httptest.NewRecorder()
			r.ServeHTTP(w, post(body("mytool", somebody(int(n.Add(1))))))
			if w.Code != http.StatusAccepted {
				b.Error(w.Code)
			}
		}
	})
	if info, err := os.Stat(path(dir)); err == nil {
		b.ReportMetric(float64(info.Size())/float64(b.N), "ledger-B/op")
	}
}

// BenchmarkOpen is what a start costs for each erasure that there ever was, and the memory
// that it keeps.
func BenchmarkOpen(b *testing.B) {
	const many = 20_000
	r, dir := benchmarkRelay(b, plenty)
	requests := make(chan int)
	done := make(chan struct{})
	for range 256 {
		go func() {
			for n := range requests {
				r.ServeHTTP(httptest.NewRecorder(), post(body("mytool", somebody(n))))
			}
			done <- struct{}{}
		}()
	}
	for n := range many {
		requests <- n
	}
	close(requests)
	for range 256 {
		<-done
	}
	content, err := os.ReadFile(path(dir))
	if err != nil {
		b.Fatal(err)
	}
	copied := filepath.Join(b.TempDir(), "copy")
	if err := os.Mkdir(copied, 0o700); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path(copied), content, 0o600); err != nil {
		b.Fatal(err)
	}
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		l, err := erasures.OpenLedger(copied)
		if err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/many, "heap-B/erasure")
		l.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/many, "ns/erasure")
}
