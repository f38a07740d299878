package core_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/core/props"
)

// someTool sends to a loopback port that nothing listens on.
func someTool() props.Tool {
	return props.Tool{
		Name: "sometool", Version: "1.2.3",
		Features:  props.SetFeatures(props.Enable(props.TelemetryCmd)),
		Telemetry: props.TelemetryConfig{Endpoint: "http://127.0.0.1:1/events"},
	}
}

func environment(pairs map[string]string) core.Option {
	return core.WithEnv(func(name string) (string, bool) {
		value, set := pairs[name]
		return value, set
	})
}

// enabled returns the options of an installation whose user said yes.
func enabled(tb testing.TB, tool props.Tool, env map[string]string) []core.Option {
	tb.Helper()
	options := []core.Option{core.WithStateDir(filepath.Join(tb.TempDir(), "telemetry")), environment(env)}
	m := core.NewManager(tool, options...)
	if err := m.Answer(consent.AnswerYes, m.Stored(), ""); err != nil {
		tb.Fatal(err)
	}
	return options
}

var extra = map[string]string{"format": "json", "count": "3", "mode": "fast"}

// Track on disk beside its floor, an append of the same bytes: in turns of a hundred, so
// that both meet the same machine. The medians and the median of the ratios are what to
// quote.
func BenchmarkTrack(b *testing.B) { benchmarkTrack(b, someTool()) }

// The same where calls are folded.
func BenchmarkTrackFolded(b *testing.B) {
	tool := someTool()
	tool.Telemetry.Fold = true
	benchmarkTrack(b, tool)
}

func benchmarkTrack(b *testing.B, tool props.Tool) {
	tool.Telemetry.MaxQueueBytes = 1 << 40 // no slot is ever full
	options := enabled(b, tool, nil)
	c, err := core.Open(tool, options...)
	if err != nil || !c.Enabled() {
		b.Fatal(err, c.Enabled())
	}
	track := func() { c.TrackCommand("count", 142, 0, extra) }
	track()
	slot := filepath.Join(stateDir(options), "queue", "0000.events2")
	content, err := os.ReadFile(slot)
	if err != nil {
		b.Fatal(err)
	}
	_, line, _ := bytes.Cut(content, []byte{'\n'}) // what follows the head
	f, err := os.OpenFile(filepath.Join(b.TempDir(), "floor"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	write := func() {
		if _, err := f.Write(line); err != nil {
			b.Fatal(err)
		}
	}
	const turn = 100
	timed := func(what func()) float64 {
		start := time.Now()
		for range turn {
			what()
		}
		return float64(time.Since(start).Nanoseconds()) / turn
	}
	var appends, tracks, ratios []float64
	for b.Loop() {
		floor, ours := timed(write), timed(track)
		appends, tracks, ratios = append(appends, floor), append(tracks, ours), append(ratios, ours/floor)
	}
	b.ReportMetric(0, "ns/op") // of a turn, which means nothing
	b.ReportMetric(median(appends), "append-ns")
	b.ReportMetric(median(tracks), "track-ns")
	b.ReportMetric(median(ratios), "track/append")
	b.ReportMetric(testing.AllocsPerRun(1000, track), "allocs/track")
}

// A command that is recorded with its start noted, beside its floor: what makes, fills,
// empties and gives back a file under a lock, and appends the same event.
func BenchmarkCommand(b *testing.B) {
	tool := someTool()
	tool.Telemetry.MaxQueueBytes = 1 << 40
	c, err := core.Open(tool, enabled(b, tool, nil)...)
	if err != nil || !c.Enabled() {
		b.Fatal(err, c.Enabled())
	}
	track := func() { c.TrackCommand("count", 142, 0, nil) }
	command := func() { c.Command("count").End(nil) }
	command() // takes the slot
	const turn = 20
	timed := func(what func()) float64 {
		start := time.Now()
		for range turn {
			what()
		}
		return float64(time.Since(start).Nanoseconds()) / turn
	}
	line := make([]byte, 450)
	path := filepath.Join(b.TempDir(), "floor")
	floor := func() {
		f, err := state.OpenExclusive(path)
		if err == nil {
			_, err = f.Write(line)
		}
		if err == nil {
			err = errors.Join(f.Truncate(0), state.CloseExclusive(f))
		}
		if err != nil {
			b.Fatal(err)
		}
		track()
	}
	var floors, commands, ratios []float64
	for b.Loop() {
		one, ours := timed(floor), timed(command)
		floors, commands, ratios = append(floors, one), append(commands, ours), append(ratios, ours/one)
	}
	b.ReportMetric(0, "ns/op") // of a turn, which means nothing
	b.ReportMetric(median(floors), "floor-ns")
	b.ReportMetric(median(commands), "command-ns")
	b.ReportMetric(median(ratios), "command/floor")
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

func stateDir(options []core.Option) string {
	return core.NewManager(someTool(), options...).Status().StateDir
}

// Track where telemetry is off: through the interface, as a tool calls it.
func BenchmarkTrackOff(b *testing.B) {
	tool := someTool()
	c, err := core.Open(tool, core.WithStateDir(filepath.Join(b.TempDir(), "telemetry")), environment(nil))
	if err != nil {
		b.Fatal(err)
	}
	p := props.New(tool)
	p.Collector = c
	b.ReportAllocs()
	for b.Loop() {
		p.Collector.TrackCommand("count", 142, 0, nil)
	}
}

// The first event of a process, as a short command makes it: the upload is not due.
func BenchmarkOpenTrackClose(b *testing.B) {
	benchmarkRun(b, func(c *core.Collector) { c.TrackCommand("count", 142, 0, extra) })
}

// The same with the command's start noted.
func BenchmarkOpenCommandClose(b *testing.B) {
	benchmarkRun(b, func(c *core.Collector) {
		command := c.Command("count")
		for key, value := range extra {
			command.Annotate(key, value)
		}
		command.End(nil)
	})
}

func benchmarkRun(b *testing.B, record func(*core.Collector)) {
	tool := someTool()
	options := append(enabled(b, tool, nil), core.WithUploadCommand("not started"))
	notDue(b, stateDir(options))
	b.ReportAllocs()
	for b.Loop() {
		c, err := core.Open(tool, options...)
		if err != nil {
			b.Fatal(err)
		}
		record(c)
		if err := c.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// notDue keeps uploads from starting for an hour.
func notDue(tb testing.TB, dir string) {
	tb.Helper()
	next, later := filepath.Join(dir, "next-upload"), time.Now().Add(time.Hour)
	if err := errors.Join(os.WriteFile(next, nil, 0o600), os.Chtimes(next, later, later)); err != nil {
		tb.Fatal(err)
	}
}

// Open alone where nobody has said anything: what every run of an undecided user costs.
func BenchmarkOpenUndecided(b *testing.B) {
	tool := someTool()
	options := []core.Option{core.WithStateDir(filepath.Join(b.TempDir(), "telemetry")), environment(nil)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := core.Open(tool, options...); err != nil {
			b.Fatal(err)
		}
	}
}
