//go:build !notelemetry

// Package samples makes events of a tool that does not exist, for the tests of the report.
package samples

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// Now is when reports of these events are made: a Wednesday.
var Now = time.Date(2026, 11, 25, 15, 4, 5, 0, time.UTC)

// Tool is whose events they are.
const Tool = "mytool"

type command struct {
	name     string
	often    int // of a hundred
	median   float64
	failures float64
}

var commands = []command{
	{"build", 42, 1800, 0.031}, {"test", 25, 4200, 0.082}, {"fmt", 14, 60, 0.004}, {"remote add", 7, 220, 0.012},
	{"deploy", 6, 21000, 0.055}, {"version", 4, 8, 0}, {"migrate", 2, 90000, 0.12},
}

var versions = []string{"1.3.2", "1.4.0", "1.4.1", "1.5.0-rc1"}

var systems = []struct{ os, arch, version string }{
	{"linux", "amd64", "ubuntu 24"}, {"linux", "amd64", "debian 12"}, {"darwin", "arm64", "macos 15"}, {"linux", "arm64", "fedora 43"},
	{"windows", "amd64", "windows 11"}, {"freebsd", "amd64", ""},
}

// machine is an installation.
type machine struct {
	id       string
	born     int // in which week
	stays    float64
	system   int
	updates  int
	agent    bool
	scripted bool
}

// Events calls yield for each event of some weeks up to Now, in order of time. The same seed
// makes the same events.
func Events(seed uint64, weeks, installations int, yield func(driver.Event)) {
	r := rand.New(rand.NewPCG(seed, 7))
	uuid := func() string {
		return fmt.Sprintf("0193%04x-%04x-7%03x-8%03x-%012x", r.Uint32N(1<<16), r.Uint32N(1<<16), r.Uint32N(1<<12), r.Uint32N(1<<12), r.Uint64N(1<<48))
	}
	id := func() string { return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64()) }
	all := make([]machine, installations)
	for i := range all {
		all[i] = machine{id(), r.IntN(weeks) * r.IntN(3) / 2, 0.55 + 0.4*r.Float64(), min(r.IntN(6), r.IntN(6)), r.IntN(4), r.IntN(8) == 0, r.IntN(6) == 0}
	}
	start := Now.Truncate(7*24*time.Hour).AddDate(0, 0, -7*(weeks-1))
	for day := start; day.Before(Now); day = day.AddDate(0, 0, 1) {
		week := int(day.Sub(start).Hours() / 24 / 7)
		quiet := day.Weekday() == time.Saturday || day.Weekday() == time.Sunday
		for _, m := range all {
			rare := 0.55
			if quiet {
				rare = 0.12
			}
			// A machine is in use in a week or not, and on some days of it.
			active := rand.New(rand.NewPCG(uint64(week), uint64(len(m.id))+uint64(m.born)<<8+uint64(m.id[0])<<16+uint64(m.id[1])<<24+uint64(m.id[2])<<32))
			if week < m.born || active.Float64() > m.stays || r.Float64() > rare {
				continue
			}
			for range 1 + r.IntN(4) {
				if e := event(r, m, day, week, weeks); e.Time.Before(Now) {
					e.ID = uuid()
					yield(e)
				}
			}
		}
		for range installations / 6 {
			m := machine{id: id(), system: r.IntN(2), updates: r.IntN(4)}
			e := event(r, m, day, week, weeks)
			e.CI, e.CIProvider, e.Interactive, e.Agent = true, []string{"github-actions", "github-actions", "gitlab-ci", ""}[r.IntN(4)], false, ""
			if e.Time.Before(Now) {
				e.ID = uuid()
				yield(e)
			}
		}
	}
}

func event(r *rand.Rand, m machine, day time.Time, week, weeks int) driver.Event {
	n := r.IntN(100)
	c := commands[0]
	for _, c = range commands {
		if n -= c.often; n < 0 {
			break
		}
	}
	version := versions[min(max(0, (week*4/weeks)-m.updates/2), 3)]
	if version == "1.5.0-rc1" && m.updates > 0 {
		version = "1.4.1"
	}
	s := systems[m.system]
	ms, code := int64(c.median*(0.3+2*r.ExpFloat64())), 0
	e := driver.Event{Type: "command.invocation", Name: c.name, Time: day.Add(time.Duration(7*3600+r.IntN(12*3600)) * time.Second),
		DurationMS: &ms, ExitCode: &code, Tool: Tool, Version: version, OS: s.os, Arch: s.arch, OSVersion: s.version,
		GoVersion: "go1.26", Interactive: !m.scripted, MachineID: m.id, RunID: "r", ConsentID: "c"}
	if r.Float64() < c.failures*(1+float64(len(version)-5)/3) {
		code, e.ErrorClass = 1, "other"
	} else if r.IntN(40) == 0 {
		code, e.ErrorClass = 2, "usage"
	}
	if m.agent && r.IntN(2) == 0 {
		e.Agent, e.Interactive = []string{"claude-code", "codex", "other"}[r.IntN(3)], false
	}
	switch r.IntN(30) {
	case 0:
		e.Type, e.Name, e.DurationMS, e.ExitCode, e.ErrorClass = "feature.used", "watch", nil, nil, ""
	case 1:
		e.Count, e.SampleRate, e.DurationMS = 3, 2, nil
		e.Durations = []int{0, 0, 0, 1, 2}
		if code != 0 {
			e.Failures = 3
		}
	}
	return e
}
