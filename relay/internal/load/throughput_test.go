//go:build linux && !notelemetry

package load

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/internal/pgtest"
)

// throughput is what one process takes in, beside a handler that drops the same bodies.
type throughput struct {
	what              string
	size              int // events a request
	floor, gateway    float64
	p50, p99          time.Duration
	floor50, floor99  time.Duration
	perCPU            float64 // events for each second that a processor worked for the gateway
	memory, memoryMax int64
}

func (t throughput) ratio() float64 { return t.gateway / t.floor }

const (
	// connections are those of the clients, and turns how often the two are measured in turn.
	connections = 64
	turns       = 5
)

// measureThroughput posts to the floor and to a gateway, in turns of some seconds.
func measureThroughput(t *testing.T, w *world, each time.Duration) (all []throughput) {
	sink := floor(t)
	base := floor(t)
	const unlimited = "limits: {events: {per_address: {per_second: 1000000000, burst: 1000000000}}}\n"
	for _, kind := range []struct {
		what, database, destination string
		sizes                       []int
		most                        int // events of a turn
	}{
		{"handed on to one vendor", "sqlite:data/relay.db", "{backend: http, endpoint_file: vendor.url}", []int{1, 5, 50}, 60_000},
		{"kept in SQLite", "sqlite:data/relay.db", "{backend: store}", []int{5}, 20_000},
		{"kept in PostgreSQL", pgtest.Start(t, "fsync=on").Database(), "{backend: store}", []int{5}, 20_000},
	} {
		r := start(t, fmt.Sprintf("database: %q\n%stools: {mytool: {destinations: [%s]}}\n", kind.database, unlimited, kind.destination),
			map[string]string{"vendor.url": sink + "/in"})
		for _, size := range kind.sizes {
			m := throughput{what: kind.what, size: size}
			var floors, gateways, p50s, p99s, f50s, f99s []float64
			events, worked := 0, r.worked()
			same := prepare(t, w, size, kind.most) // the floor does not mind
			for range turns {
				rate, _, p50, p99 := post(t, base+"/v1/events", same, each, true)
				floors, f50s, f99s = append(floors, rate), append(f50s, p50.Seconds()), append(f99s, p99.Seconds())
				rate, n, p50, p99 := post(t, r.url+"/v1/events", prepare(t, w, size, kind.most), each, false)
				gateways, p50s, p99s = append(gateways, rate), append(p50s, p50.Seconds()), append(p99s, p99.Seconds())
				events += n
			}
			m.floor, m.gateway = median(floors), median(gateways)
			m.p50, m.p99, m.floor50, m.floor99 = seconds(median(p50s)), seconds(median(p99s)), seconds(median(f50s)), seconds(median(f99s))
			m.perCPU = float64(events) / (r.worked() - worked).Seconds()
			m.memory, m.memoryMax = r.memory()
			all = append(all, m)
			t.Logf("%+v", m)
		}
		r.end(interrupt)
	}
	return all
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// body is what a tool posts.
type body struct {
	content []byte
	packed  bool
	events  int
}

// prepare makes enough bodies for a turn, each of events of its own, as the http backend does.
func prepare(t *testing.T, w *world, size, most int) []body {
	list := make([]body, min(most/size, 20_000))
	var wg sync.WaitGroup
	for part := range slices.Chunk(list, len(list)/4+1) {
		wg.Go(func() {
			z, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // as quick as it can be
			if err != nil {
				t.Error(err)
				return
			}
			for i := range part {
				part[i] = body{content: driver.AppendJSONArray(nil, w.batch(size)), events: size}
				if len(part[i].content) > 1024 {
					var b bytes.Buffer
					z.Reset(&b)
					if _, err := z.Write(part[i].content); err != nil {
						t.Error(err)
					}
					if err := z.Close(); err != nil {
						t.Error(err)
					}
					part[i].content, part[i].packed = b.Bytes(), true
				}
			}
		})
	}
	wg.Wait()
	return list
}

// post posts bodies for some time, over and over or until there are no more, and returns how many events went
// a second, how many in all, and how long requests took. Everything has to be accepted.
func post(t *testing.T, url string, list []body, each time.Duration, over bool) (rate float64, events int, p50, p99 time.Duration) {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: connections}
	defer transport.CloseIdleConnections()
	var times []time.Duration
	var mu sync.Mutex
	var next, taken atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range connections {
		wg.Go(func() {
			var mine []time.Duration
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				times = append(times, mine...)
			}()
			for time.Since(began) < each {
				n := int(next.Add(1)) - 1
				if over {
					n %= len(list)
				}
				if n >= len(list) {
					return
				}
				at := time.Now()
				if status, err := send(transport, url, list[n]); err != nil || status != http.StatusNoContent {
					t.Errorf("got %d, %v", status, err)
					return
				}
				mine = append(mine, time.Since(at))
				taken.Add(int64(list[n].events))
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	if len(times) == 0 {
		t.Fatal("nothing was taken")
	}
	slices.Sort(times)
	return float64(taken.Load()) / took.Seconds(), int(taken.Load()), times[len(times)/2], times[len(times)*99/100]
}

func send(transport http.RoundTripper, url string, b body) (status int, err error) {
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(b.content))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	if b.packed {
		req.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0, fmt.Errorf("posting: %w", err)
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}
