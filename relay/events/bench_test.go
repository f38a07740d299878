//go:build unix && !notelemetry

package events_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/events"
	"github.com/gotoolbase/telemetry/relay/internal/rates"
)

// drop reads bodies and drops them, which is the least that anything can do with them.
func drop(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.WriteHeader(http.StatusNoContent)
}

// BenchmarkGateway measures the gateway beside a handler that drops the same bodies, in turns
// and in the same process as their clients and the vendor. It reports the medians of the turns,
// by the clock and by the time that processors worked: the latter says the same also where
// other programs are at work.
func BenchmarkGateway(b *testing.B) {
	for _, size := range []int{1, 5, 50} {
		for _, clients := range []int{64, 512} {
			b.Run(fmt.Sprintf("events=%d/clients=%d", size, clients), func(b *testing.B) {
				vendor := httptest.NewServer(http.HandlerFunc(drop))
				b.Cleanup(vendor.Close)
				floor := httptest.NewServer(http.HandlerFunc(drop))
				b.Cleanup(floor.Close)
				v := &vendorAt{vendor.URL}
				g := serve(b, events.Config{Limits: events.Limits{PerAddress: rates.Rate{PerSecond: 1e9, Burst: 1e9}}}, v.destination(b))
				transport := &http.Transport{MaxIdleConnsPerHost: clients}
				b.Cleanup(transport.CloseIdleConnections)
				const turns = 7
				requests := max(8192/size, 2*clients)
				var floors, gateways, latencies, floorWork, work []float64
				for b.Loop() {
					for range turns {
						list := prepared(b, requests, size)
						before := worked(b)
						rate, _ := load(b, transport, floor.URL, clients, list)
						floors, floorWork = append(floors, rate), append(floorWork, (worked(b)-before).Seconds()*1e6/float64(len(list)))
						before = worked(b)
						rate, p50 := load(b, transport, g.url, clients, list)
						gateways, work = append(gateways, rate), append(work, (worked(b)-before).Seconds()*1e6/float64(len(list)))
						latencies = append(latencies, p50.Seconds()*1000)
					}
				}
				f, m := median(floors), median(gateways)
				b.ReportMetric(f*float64(size), "floor-events/s")
				b.ReportMetric(m*float64(size), "events/s")
				b.ReportMetric(m/f, "ratio")
				b.ReportMetric(median(work), "cpu-µs/post")
				b.ReportMetric(median(floorWork)/median(work), "cpu-ratio")
				b.ReportMetric(median(latencies), "p50-ms")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// vendorAt is a destination by its address.
type vendorAt struct{ url string }

func (v *vendorAt) destination(b *testing.B) events.Destination {
	return (&vendor{Server: &httptest.Server{URL: v.url}}).destination(b, "vendor")
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// worked is how long processors worked for this process.
func worked(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// body is what a tool posts.
type body struct {
	content []byte
	coding  []string
}

// prepared makes bodies, each of events of its own, as the http backend does.
func prepared(b *testing.B, requests, size int) []body {
	list := make([]body, requests)
	for i := range list {
		list[i].content = driver.AppendJSONArray(nil, batch(size))
		if len(list[i].content) > 1024 {
			list[i] = body{packed(b, list[i].content), []string{"gzip"}}
		}
	}
	return list
}

// load posts them all, and returns the requests per second and their median time.
func load(b *testing.B, transport http.RoundTripper, url string, clients int, list []body) (rate float64, p50 time.Duration) {
	times := make([]time.Duration, len(list))
	var next atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range clients {
		wg.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(list) {
					return
				}
				began := time.Now()
				req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(list[n].content))
				if err != nil {
					b.Error(err)
					return
				}
				req.Header = http.Header{"Content-Type": {"application/json"}, "Content-Encoding": list[n].coding}
				resp, err := transport.RoundTrip(req)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusNoContent {
					b.Errorf("got %d", resp.StatusCode)
					return
				}
				times[n] = time.Since(began)
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	slices.Sort(times)
	return float64(len(list)) / elapsed.Seconds(), times[len(times)/2]
}
