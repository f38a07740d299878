//go:build !notelemetry

package report_test

import (
	"encoding/hex"
	"io"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/relay/report"
	"github.com/gotoolbase/telemetry/relay/report/internal/samples"
)

// many makes events of 200 000 machines over twelve weeks, as fast as that can be done, in
// order of time.
type many struct {
	r         *rand.Rand
	made, all int
	list      []driver.Event
}

func newMany(all int) *many {
	m := &many{r: rand.New(rand.NewPCG(1, 1)), all: all}
	m.list = events(1, 1, 400)[:1000] // their shape: commands, versions, systems
	return m
}

func (m *many) next() *driver.Event {
	e := &m.list[m.r.IntN(len(m.list))]
	var id [16]byte
	for i := range 2 {
		n := m.r.Uint64()
		for j := range 8 {
			id[8*i+j] = byte(n >> (8 * j))
		}
	}
	e.ID = hex.EncodeToString(id[:])
	machine := [16]byte{1: byte(m.r.IntN(200)), 2: byte(m.r.IntN(200)), 3: byte(m.r.IntN(5))}
	e.MachineID = hex.EncodeToString(machine[:])
	e.Time = samples.Now.Add(-12*week + time.Duration(float64(12*week)*float64(m.made)/float64(m.all))).Truncate(time.Millisecond)
	m.made++
	return e
}

// BenchmarkAFile counts events of a file, with the memory that the process had of the system:
//
//	go test -run NONE -bench AFile -benchtime 10000000x ./relay/report
func BenchmarkAFile(b *testing.B) {
	m := newMany(b.N)
	in, out := io.Pipe()
	go func() {
		var buffer []byte
		for range m.all {
			if buffer = append(m.next().AppendJSON(buffer), '\n'); len(buffer) > 1<<16 {
				_, _ = out.Write(buffer)
				buffer = buffer[:0]
			}
		}
		_, _ = out.Write(buffer)
		_ = out.Close()
	}()
	c := report.NewCounter(report.Query{Now: samples.Now})
	b.ResetTimer()
	if err := c.Read("events", in); err != nil {
		b.Fatal(err)
	}
	d, err := c.Data()
	if err != nil || c.Events != int64(b.N) {
		b.Fatal(c.Events, err)
	}
	_ = pageOf(b, d.Page(report.PageOptions{}))
	memory(b)
}

// BenchmarkPassing counts events as they pass, in requests of 50, and writes them to SQLite
// after each 100 000 and as each day begins.
func BenchmarkPassing(b *testing.B) {
	m := newMany(b.N)
	c := &clock{t: samples.Now.Add(-12 * week)}
	r := rollups(b, open(b, "sqlite:"+filepath.Join(private(b), "relay.db")), c.now)
	var request []driver.Event
	b.ResetTimer()
	today := c.now().YearDay()
	for i := range b.N {
		e := *m.next()
		if e.Time.YearDay() != today {
			today = e.Time.YearDay()
			c.set(e.Time)
			flush(b, r)
		}
		if request = append(request, e); len(request) == 50 {
			c.set(e.Time)
			r.Add("x", request, e.Time)
			request = request[:0]
		}
		if i%100_000 == 99_999 {
			flush(b, r)
		}
	}
	flush(b, r)
	memory(b)
}

func memory(b *testing.B) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys)/(1<<20), "MiB")
}
