package gzip_test

import (
	"bytes"
	stdlib "compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/internal/gzip"
)

func unpacked(t testing.TB, packed []byte) []byte {
	t.Helper()
	r, err := stdlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	r.Multistream(false)
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// batch is what a tool sends: commands of one machine, as AppendJSON encodes them, over a week.
func batch(events int) []byte {
	random := rand.New(rand.NewPCG(14, uint64(events)))
	hex := func(n int) string {
		return fmt.Sprintf("%0*x", n, random.Uint64())[:n]
	}
	names := []string{"build", "test", "deploy", "login", "status", "config set", "run"}
	machine, consent := hex(16)+hex(16), hex(16)+hex(16)
	at := time.Date(2026, 3, 9, 8, 0, 0, 0, time.UTC)
	var list []driver.Event
	for range events {
		at = at.Add(time.Duration(random.IntN(3_600_000)) * time.Millisecond)
		id := fmt.Sprintf("%012x", at.UnixMilli())
		took, exit := random.Int64N(5000), random.IntN(10)/9
		e := driver.Event{
			ID: id[:8] + "-" + id[8:] + "-7" + hex(3) + "-a" + hex(3) + "-" + hex(12), Type: "command.invocation",
			Name: names[random.IntN(len(names))], Time: at, DurationMS: &took, ExitCode: &exit,
			Tool: "mytool", Version: "1.4.2", OS: "linux", Arch: "amd64", OSVersion: "Debian GNU/Linux 12", GoVersion: "go1.26.0",
			Interactive: true, RunID: hex(16) + hex(16), MachineID: machine, ConsentID: consent,
		}
		if exit != 0 {
			e.ErrorClass = "network"
		}
		list = append(list, e)
	}
	return driver.AppendJSONArray(nil, list)
}

func TestWhatIsPackedIsUnpackedTheSame(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 100_000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	for name, b := range map[string][]byte{
		"nothing":                   nil,
		"one byte":                  {0},
		"three bytes":               []byte("abc"),
		"one byte again and again":  bytes.Repeat([]byte{'a'}, 70_000),
		"all bytes":                 noise[:256],
		"noise":                     noise,
		"noise twice, within reach": append(noise[:32_767:32_767], noise[:32_767]...),
		"noise twice, out of reach": append(noise[:32_768:32_768], noise[:32_768]...),
		"what is rare, and rarer":   rare(),
		"an event":                  batch(1),
		"a batch of a megabyte":     batch(2500),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := unpacked(t, gzip.Pack(b)); !bytes.Equal(got, b) {
				t.Errorf("%d bytes come back as %d others", len(b), len(got))
			}
		})
	}
}

// rare holds bytes of which each is as frequent as all before it together, so that the best
// code would give the rarest more bits than the format has.
func rare() (b []byte) {
	for i, n := 0, 1; i < 20; i, n = i+1, (n*8+4)/5 {
		for range n {
			b = append(b, byte(i), byte(128+len(b)*7919%128))
		}
	}
	return b
}

// How well events are packed is what a person pays for on a slow line.
func TestEventsTakeLittleMoreThanWithCompressGzip(t *testing.T) {
	t.Parallel()
	for _, events := range []int{1, 5, 50, 500} {
		b := batch(events)
		ours, theirs := len(gzip.Pack(b)), len(byStdlib(b))
		if ours*100 > theirs*115 {
			t.Errorf("%d events, %d bytes: packed they are %d, and %d with compress/gzip", events, len(b), ours, theirs)
		}
	}
}

func byStdlib(b []byte) []byte {
	var out bytes.Buffer
	w := stdlib.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func FuzzWhatIsPackedIsUnpackedTheSame(f *testing.F) {
	f.Add([]byte(nil), uint8(0))
	f.Add([]byte("aaaaab"), uint8(3))
	f.Add(batch(3), uint8(40))
	f.Add([]byte(strings.Repeat("abcd", 9)), uint8(250))
	f.Fuzz(func(t *testing.T, b []byte, times uint8) {
		b = bytes.Repeat(b, int(times))
		if got := unpacked(t, gzip.Pack(b)); !bytes.Equal(got, b) {
			t.Errorf("%d bytes come back as %d others", len(b), len(got))
		}
	})
}

// The bytes that a batch packs into, and what that costs, beside compress/gzip with a writer
// that is made for it.
func BenchmarkPack(b *testing.B) {
	for _, events := range []int{1, 5, 50, 500} {
		content := batch(events)
		for name, pack := range map[string]func([]byte) []byte{"ours": gzip.Pack, "stdlib": byStdlib} {
			b.Run(fmt.Sprintf("%d/%s", events, name), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(content)))
				packed := 0
				for b.Loop() {
					packed = len(pack(content))
				}
				b.ReportMetric(float64(packed), "packed-bytes")
				b.ReportMetric(float64(len(content))/float64(packed), "times-smaller")
			})
		}
	}
}
