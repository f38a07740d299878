//go:build linux && !notelemetry

package load

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What the page reckons with, for ten million installations.
const (
	installations = 10_000_000
	activeShare   = 0.3 // of a day
	eventsADay    = 20  // of one that is active, folded as the collector folds
	peak          = 4   // times the mean
	retention     = 90  // days
	deletedShare  = 0.01
	// disk is what one server of PostgreSQL is run with that is still backed up in a night.
	disk = 4 << 40
)

// write writes docs/measurements/load.md.
func (f figures) write(t *testing.T, file string) {
	t.Helper()
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("# What the gateway bears\n")
	say("`make load` writes this page: nothing in it is typed. It runs the real `telemetry-relay`, in processes of its own, with its")
	say("clients, its vendors and its databases all on one machine, so each takes from the others. How long something takes decides")
	say("nothing; if an event or a deletion that was acknowledged is lost, or somebody is asked twice without cause, there is no page.\n")
	say("| | |\n|---|---|")
	say("| Date | %s, in %s, seed %d |", time.Now().UTC().Format(time.DateOnly), f.took.Round(time.Second), f.seed)
	say("| Machine | %s, %d processors, %s of memory, %s |", line("/proc/cpuinfo", "model name"), runtime.NumCPU(), line("/proc/meminfo", "MemTotal"), runtime.GOOS+"/"+runtime.GOARCH)
	say("| Load average before and after | %s and %s%s |", f.busy[0], f.busy[1], crowded(f.busy))
	say("| Versions | %s, %s, SQLite of modernc.org/sqlite with WAL and synchronous FULL, PostgreSQL with fsync on |\n", runtime.Version(), postgres())

	say("## Events through one process\n")
	say("%d connections post bodies of events, packed where the http backend packs them. The floor is a bare `net/http` handler in a", connections)
	say("process of its own that reads the same bodies and drops them. Both are measured in turn, and each figure is the median of %d turns.", turns)
	say("The goal for handing on is half of the floor.\n")
	say("| What becomes of them | Events a request | Floor, events/s | Gateway, events/s | Share | Floor p50, p99 | Gateway p50, p99 | Events for each second of a processor | Memory, at most |")
	say("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, m := range f.throughput {
		say("| %s | %d | %s | %s | %.2f | %s, %s | %s, %s | %s | %s |", m.what, m.size, round(m.floor), round(m.gateway), m.ratio(),
			ms(m.floor50), ms(m.floor99), ms(m.p50), ms(m.p99), round(m.perCPU), mib(m.memoryMax))
	}
	var missed []string
	for _, m := range f.throughput {
		if m.what == f.throughput[0].what && m.ratio() < 0.5 {
			missed = append(missed, fmt.Sprint(m.size))
		}
	}
	if len(missed) > 0 {
		say("\nThe goal is missed with %s events a request: the floor does not look at what it drops, while the gateway unpacks, reads,", strings.Join(missed, ", "))
		say("checks, counts, and writes each event again for the vendor, who takes from the same processors. The floor's work is by the request, the")
		say("gateway's by the event, so the share falls with their number.")
	}

	o := f.outcome
	say("\n## Three replicas, while everything fails\n")
	say("%s events and %d deletions came to three replicas on one PostgreSQL, whose destinations are `store` and a vendor. Both vendors", grouped(int64(o.events)), o.people)
	say("answered 429 for %s, one replica was killed with SIGKILL in the middle, PostgreSQL was restarted, and at the end all were stopped", o.full)
	say("and started, as for a new version.\n")
	say("| | |\n|---|--:|")
	say("| Events that were acknowledged | %s |", grouped(int64(o.events)))
	say("| of them lost, in the database or at the vendor | 0 |")
	say("| that came to the vendor again, with cause: sent twice by their client, or under way when something failed | %d |", o.doubled)
	say("| that came to the vendor again without cause | 0 |")
	say("| Requests that clients had to make again | %d |", o.again)
	say("| Until all were taken, the faults included | %s |", o.eventsSent.Round(100*time.Millisecond))
	say("| Deletions that were acknowledged, and are verified | %d |", o.people)
	say("| Times that a vendor was asked again, because its answer was not known | %d |", o.askedAgain)
	say("| because of nothing | 0 |")
	say("| PostgreSQL's disk for an event, with its indexes | %d bytes |", o.bytesAnEvent)
	say("| Memory of a replica, at most | %s |", mib(o.memory))

	say("\n## A ledger with many deletions\n")
	say("On SQLite, received and not due. Start is from the start of the program to a healthy answer. A page is the newest 100, show is one;")
	say("both are read without and with the start of a program. Goals: start within 1 s, a page and one deletion within 50 ms, memory that does")
	say("not grow with the ledger.\n")
	say("| Deletions | Added a second | Disk for one | Start | Page | Show | Command `list --limit 100` | Command `show` | Export | Memory of serve | of `list` | of `export` |")
	say("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, l := range f.ledger {
		say("| %s | %s | %d bytes | %s | %s | %s | %s | %s | %s for %s | %s | %s | %s |", round(float64(l.deletions)), round(l.adding), l.disk, ms(l.start), ms(l.page), ms(l.show),
			ms(l.pageCmd), ms(l.showCmd), l.export.Round(10*time.Millisecond), mib(l.exportBytes), mib(l.serveMemory), mib(l.pageMemory), mib(l.exportMemory))
	}

	say("\n## Honest people, while others do what they can\n")
	say("With the limits that a file without any has, behind a proxy that is believed. Five times a second somebody comes from a network of their")
	say("own, who asks for a deletion and sends events.\n")
	say("| Beside them | Hostile requests/s | of them taken | Honest requests | taken at the first attempt | taken in the end | p50, p99 | Memory |")
	say("|---|--:|--:|--:|--:|--:|--:|--:|")
	for _, s := range f.siege {
		say("| %s | %s | %s | %d | %d | %d | %s, %s | %s |", s.what, round(s.hostile), round(s.taken), 2*s.honest, s.atOnce, s.all, ms(s.p50), ms(s.p99), mib(s.memory))
	}
	say("\nPairs that anybody can make are taken up to the limit, 1000 at once and then ten a second. Who comes from a network that has not come")
	say("lately has a budget of their own; somebody who has as many networks as there are people could use up that one too.")
	f.reckon(say)
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil { //nolint:gosec // it is published
		t.Fatal(err)
	}
}

// reckon says what ten million installations need, from what was measured.
func (f figures) reckon(say func(format string, args ...any)) {
	find := func(what string, size int) throughput {
		for _, m := range f.throughput {
			if m.what == what && m.size == size {
				return m
			}
		}
		return throughput{}
	}
	day := installations * activeShare * eventsADay
	mean := day / 86400
	most := mean * peak
	passed, lite, pg := find("handed on to one vendor", 5), find("kept in SQLite", 5), find("kept in PostgreSQL", 5)
	stored := day * float64(f.outcome.bytesAnEvent)
	say("\n## What ten million installations need\n")
	say("Assumed, and to be replaced by what you know: %.0f %% of them are active on a day, with %d events each, five in a request; the busiest", 100*activeShare, eventsADay)
	say("hour has %d times the mean; events are kept %d days; %.0f %% of the installations are deleted in a year. All else is measured above.\n", peak, retention, 100*deletedShare)
	say("| | |\n|---|--:|")
	say("| Events a day | %s million |", round(day/1e6))
	say("| Events a second, mean and in the busiest hour | %s and %s |", round(mean), round(most))
	say("| Processors of gateways in that hour, handing on to a vendor | %.2f |", most/passed.perCPU)
	say("| the same, keeping them in PostgreSQL (whose own come on top) | %.2f |", most/pg.perCPU)
	say("| One process here takes, handing on; into SQLite; into PostgreSQL | %s; %s; %s events/s |", round(passed.gateway), round(lite.gateway), round(pg.gateway))
	say("| Stored in a day; in %d days | %s; %s |", retention, gib(stored), gib(stored*retention))
	say("| What a vendor that is away for a day misses | %s; the gateway keeps 256 MiB of it unless told otherwise, and tools the rest |", gib(stored))
	say("| Deletions in a year | %s |", round(installations*deletedShare))
	if n := len(f.ledger); n > 0 {
		say("| Ledger after ten years | %s, which starts and lists as above |", mib(int64(10*installations*deletedShare*float64(f.ledger[n-1].disk))))
	}
	say("\nTwo or three small gateways are enough for what comes in, and more than one is for what fails. `store` is what grows:\n")
	byRate := pg.gateway / most * installations
	byDisk := disk / (stored * retention) * installations
	say("| PostgreSQL ends where | Installations |\n|---|--:|")
	say("| the busiest hour brings what one process here can store in it, with all of it on %d processors | %s million |", runtime.NumCPU(), round(byRate/1e6))
	say("| %d days take 4 TiB, which one server is still backed up with | %s million |", retention, round(byDisk/1e6))
	switch end := math.Min(byRate, byDisk); {
	case end >= installations:
		say("\nSo ten million fit into one PostgreSQL with these assumptions.")
	default:
		say("\nSo one PostgreSQL ends at %s million installations with these assumptions.", round(end/1e6))
	}
	say("Before that, keep fewer days (`retention`), partition the table by day, or hand events on to a vendor and keep none here: then the")
	say("database holds the ledger, counts, and what waits, which do not grow with events. Beyond it, a stream in front of the gateway is the next step.")
}

func ms(d time.Duration) string {
	switch m := d.Seconds() * 1000; {
	case m < 10:
		return fmt.Sprintf("%.2g ms", m)
	case m < 10_000:
		return fmt.Sprintf("%.0f ms", m)
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

func mib(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }

func gib(n float64) string {
	if n >= 1<<40 {
		return fmt.Sprintf("%.1f TiB", n/(1<<40))
	}
	return fmt.Sprintf("%.0f GiB", n/(1<<30))
}

// round gives three digits, grouped.
func round(f float64) string {
	if f < 100 {
		return fmt.Sprintf("%.3g", f)
	}
	unit := math.Pow(10, math.Floor(math.Log10(f))-2)
	return grouped(int64(math.Round(f/unit) * unit))
}

func grouped(n int64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + " " + digits[i:]
	}
	return digits
}

// line is what a file of the system says of something.
func line(file, of string) string {
	content, _ := os.ReadFile(file)
	for line := range strings.Lines(string(content)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == of {
			return strings.TrimSpace(value)
		}
	}
	return "not known"
}

// busy is how many processes wanted a processor in the last minute.
func busy() string {
	content, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(content), " ")
	return first
}

// crowded says that the figures are not of this alone.
func crowded(busy [2]string) string {
	if before, err := strconv.ParseFloat(busy[0], 64); err == nil && before < float64(runtime.NumCPU()) {
		return ""
	}
	return ": others were at work as well, so figures are lower and times longer than they would be"
}

func postgres() string {
	all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	for _, path := range append(all, "postgres") {
		if out, err := exec.Command(path, "--version").Output(); err == nil {
			return strings.TrimSpace(string(out))
		}
	}
	return "PostgreSQL"
}
