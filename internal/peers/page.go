//go:build linux

package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// machine is where and when the figures were made.
type machine struct {
	started       time.Time
	took          time.Duration
	before, after string // load average
}

// report writes what was measured.
type report struct {
	lab *lab
	figures
	machine  machine
	eventkit string // what is said of the peer that could not be had
}

// marker is the line by which a test knows the page.
const marker = "`make peers` writes this page and [its chart](peers.svg): nothing in them is typed."

// page is docs/measurements/peers.md.
func (r report) page() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("# Beside the other ways\n")
	say("%s Every way in which an author", marker)
	say("would otherwise have events reported is a small program that does as the documentation says, with the same event: a name, a")
	say("duration, an exit code and three pairs. The servers are on this machine and speak plain HTTP, so a real network's round trips and")
	say("TLS come on top wherever a command waits for an answer.\n")
	say("| | |\n|---|---|")
	say("| Date | %s, in %s, seed %d, PEERS=%s |", r.machine.started.UTC().Format(time.DateOnly), r.machine.took.Round(time.Second), r.lab.seed, r.lab.scale.name)
	say("| Machine | %s, %d processors, Linux %s, %s |", line("/proc/cpuinfo", "model name"), runtime.NumCPU(), kernel(), runtime.GOARCH)
	say("| Load average before and after | %s and %s%s%s |", r.machine.before, r.machine.after, crowded(r.machine.before), preferred())
	say("| Go | %s, every program with `CGO_ENABLED=0 -trimpath -ldflags=\"-s -w\"` |\n", runtime.Version())

	r.who(say)
	r.end(say)
	r.track(say)
	r.size(say)
	r.durability(say)
	r.better(say)
	return b.String()
}

func (r report) who(say func(string, ...any)) {
	say("## Who\n")
	say("| | version | used | a setting would change |")
	say("|---|---|---|---|")
	for _, p := range peers {
		var versions []string
		for _, module := range p.modules {
			versions = append(versions, "`"+module+"` "+r.lab.programs.versions[module])
		}
		say("| %s | %s | %s | %s |", p.name, strings.Join(versions, ", "), p.use, p.better)
	}
	say("\n%s", r.eventkit)
	say("What a peer's functions return is ignored in every program, as tools do: what is printed is what the peer itself prints.\n")
}

func (r report) end(say func(string, ...any)) {
	say("## What the end of a command costs, and what becomes of its event\n")
	say("Milliseconds that a whole process with one event takes more than one that only says hello (%s): the median of %d paired runs,", ms(r.hello), r.lab.scale.rounds)
	say("each with one of hello beside it, in rounds through all cells, or of %d where a run waits for a deadline. The letter is what became", r.lab.scale.waits)
	say("of the event: **D** delivered, **K** kept and delivered by a later run, **F** on file, and nothing measured here sends it, **L** lost,")
	say("**–** there was none; ✉ says that something was printed to the person's stderr. Later runs are in fair weather, once a second for at")
	say("most %s; ours has for them an upload interval of a second in place of ten minutes, which changes when and not whether.\n", laterRuns)
	for _, ci := range []bool{false, true} {
		if ci {
			say("With `CI=true`, where nothing may be left in the background:\n")
		}
		head, rule := "|", "|---|"
		for _, w := range weathers {
			head += " | " + w.name
			rule += "--:|"
		}
		say("%s |\n%s", head, rule)
		for i, p := range peers {
			row := "| " + p.name
			for w := range weathers {
				k := key{i, w, ci}
				f, found := r.fates[k]
				if !found {
					row += " | not measured"
					continue
				}
				row += " | " + cost(r.added[k]) + " " + f.letter()
			}
			say("%s |", row)
		}
		say("")
	}
	if r.lab.names.missing != "" {
		say("A silent name server needs the rights of an administrator: %s.\n", r.lab.names.missing)
	}
	say("The append takes next to nothing, so its largest figure, %s ms, is how far a figure of this run may be off. ![What the end of a command costs, by weather](peers.svg)\n", cost(r.noise()))
}

// noise is how far from nothing the floor that waits for nobody came.
func (r report) noise() (most time.Duration) {
	for k, d := range r.added {
		if peers[k.peer].program == peers[0].program {
			most = max(most, d.Abs())
		}
	}
	return most
}

func (r report) track(say func(string, ...any)) {
	say("## What an event costs\n")
	say("%d events in a process that has recorded one, the median of %d processes of each in turn; × is to the append of the same turn. What a", r.lab.scale.events-1, r.lab.scale.tracks)
	say("peer does in the background meanwhile is in it. The append writes these few fields and no more; ours adds the system, the run and the")
	say("rest of what README lists. Of all events of all turns, the last columns say what became of them after an ordinary end.\n")
	say("| | µs | × | allocations | bytes | where it is when the call returns | delivered | on file | lost |")
	say("|---|--:|--:|--:|--:|---|--:|--:|--:|")
	for i, p := range peers {
		if p.state == used {
			continue
		}
		t := r.tracks[i]
		became := "– | – | –"
		if t.fate.events > 0 {
			became = fmt.Sprintf("%d | %d | %d", t.fate.delivered+t.fate.later, t.fate.onFile, t.fate.lost)
		}
		say("| %s | %s | %.2f | %d | %d | %s | %s |", name(p), micros(t.ns), t.ratio, t.allocs, t.bytes, p.where, became)
	}
	say("")
}

func (r report) size(say func(string, ...any)) {
	say("## What it weighs\n")
	say("Size and time over the program that says hello. Start is a whole process that ends as its main begins; idle one that sets the peer up,")
	say("records nothing and closes it, in a home with a yes for ours. Medians of %d paired runs.\n", r.lab.scale.starts)
	say("| | KiB | more KiB | modules | packages | start, ms more | idle, ms more |")
	say("|---|--:|--:|--:|--:|--:|--:|")
	base := r.lab.programs.built[slices.IndexFunc(r.lab.programs.built, func(b built) bool { return b.name == hello })]
	say("| *floor: hello* | %d | | %d | %d | | |", base.kib, base.modules, base.pkgs)
	for _, row := range r.weights() {
		idle := cost(r.idle[row.name])
		if row.name == core {
			idle = "–"
		}
		say("| %s | %d | %+d | %d | %d | %s | %s |", row.label, row.kib, row.kib-base.kib, row.modules, row.pkgs, cost(r.start[row.name]), idle)
	}
	say("\nNo other peer has a question, commands or a page: the row with the collector alone is the one to compare.\n")
}

type weight struct {
	built
	label string
	ours  bool
}

// weights are the programs in the order of the other tables.
func (r report) weights() (rows []weight) {
	find := func(name string) built {
		return r.lab.programs.built[slices.IndexFunc(r.lab.programs.built, func(b built) bool { return b.name == name })]
	}
	for _, i := range recorded() {
		p := peers[i]
		if p.ours {
			rows = append(rows, weight{find(core), "**this module**, collector and http backend", true},
				weight{find(p.program), "**this module**, with core/console: question, commands, page", true})
			continue
		}
		rows = append(rows, weight{find(p.program), p.name, false})
	}
	return rows
}

func (r report) durability(say func(string, ...any)) {
	say("## SIGKILL\n")
	say("At an even random moment of a process that records %d events %s apart and ends, %d times, the intake answering; then a run that nobody", killedEvents, killedPause, r.lab.scale.kills)
	say("kills. Counted are events whose call had returned. Of a power cut this says nothing.\n")
	say("| | recorded when killed while it records | of them lost | recorded when killed while it closes, or ended by itself | of them lost | extra copies |")
	say("|---|--:|--:|--:|--:|--:|")
	for _, i := range recorded() {
		first, last := r.recording[i], r.closing[i]
		say("| %s | %d | %s | %d | %s | %d |", name(peers[i]), first.events, part(first), last.events, part(last), first.copies+last.copies)
	}
	say("\n## Eight processes at once in one home\n")
	say("%d events each, %d times, and later runs. A home is new where the eight are the first in it, and used where one run was there before.\n", eightEvents, r.lab.scale.eights)
	say("| | answering, new home: lost | extra copies | answering, used home: lost | extra copies | refused, then answering, used home: lost | extra copies |")
	say("|---|--:|--:|--:|--:|--:|--:|")
	for _, i := range recorded() {
		first, later, down := r.eightNew[i], r.eightUsed[i], r.eightDown[i]
		say("| %s | %s | %d | %s | %d | %s | %d |", name(peers[i]), share(first), first.copies, share(later), later.copies, share(down), down.copies)
	}
	say("\n## Offline for long\n")
	say("%d runs of one event each while the intake refuses, then runs while it answers, until nothing more comes.\n", r.lab.scale.offline)
	say("| | delivered | on file | lost | KiB in the home meanwhile | later runs needed |")
	say("|---|--:|--:|--:|--:|--:|")
	for _, i := range recorded() {
		f := r.backlog[i]
		runs := "–"
		if f.runs > 0 {
			runs = strconv.Itoa(f.runs)
		}
		say("| %s | %d | %d | %s | %.1f | %s |", name(peers[i]), f.delivered+f.later, f.onFile, share(f), float64(f.kept)/1024, runs)
	}
	say("\nOurs waits longer after each failure, so that the first of its later runs need not be one that sends.\n")

	say("## A home that cannot be written to\n")
	say("One event.\n")
	say("| | 200 at once | refused | 200 at once, CI | refused, CI |")
	say("|---|--:|--:|--:|--:|")
	for _, i := range recorded() {
		row := "| " + name(peers[i])
		for _, ci := range []bool{false, true} {
			for w := range weathers {
				if f, found := r.readOnly[key{i, w, ci}]; found {
					row += " | " + f.letter()
				}
			}
		}
		say("%s |", row)
	}
	say("")
}

// better says where others do better, so that nobody has to look for it.
func (r report) better(say func(string, ...any)) {
	say("## Where this module is not the best\n")
	say("Floors aside, and differences that may be noise: %s ms in a time of an end, half a millisecond in a start, a tenth in what an event costs.\n", cost(r.noise()))
	none := true
	row := func(what string, who []string) {
		if len(who) > 0 {
			none = false
			say("- %s: %s", what, strings.Join(who, ", "))
		}
	}
	mine := slices.IndexFunc(peers, func(p peer) bool { return p.ours })
	for _, ci := range []bool{false, true} {
		for w, weather := range weathers {
			ours, found := r.added[key{mine, w, ci}]
			if !found {
				continue
			}
			var who []string
			for i, p := range peers {
				if d := r.added[key{i, w, ci}]; !p.floor && !p.ours && d+r.noise() < ours {
					who = append(who, fmt.Sprintf("%s %s %s", p.name, cost(d), r.fates[key{i, w, ci}].letter()))
				}
			}
			what := "An end, " + weather.name
			if ci {
				what += ", in CI"
			}
			row(what+", "+cost(ours)+" ms "+r.fates[key{mine, w, ci}].letter()+" for ours with an upload due", who)
		}
	}
	var faster []string
	for i, p := range peers {
		if !p.floor && !p.ours && float64(r.tracks[i].ns)*1.1 < float64(r.tracks[mine].ns) {
			faster = append(faster, fmt.Sprintf("%s %s (%s)", p.name, micros(r.tracks[i].ns), p.where))
		}
	}
	row("An event, "+micros(r.tracks[mine].ns)+" µs for ours", faster)
	weights := r.weights()
	ours := weights[slices.IndexFunc(weights, func(w weight) bool { return w.ours })]
	var smaller, quicker []string
	for _, w := range weights {
		if i := slices.IndexFunc(peers, func(p peer) bool { return p.name == w.label && !p.floor }); i < 0 {
			continue
		}
		if w.kib < ours.kib {
			smaller = append(smaller, fmt.Sprintf("%s %d", w.label, w.kib))
		}
		if r.start[w.name]+500*time.Microsecond < r.start[ours.name] {
			quicker = append(quicker, fmt.Sprintf("%s %s", w.label, cost(r.start[w.name])))
		}
	}
	row(fmt.Sprintf("Size, %d KiB for ours without the commands", ours.kib), smaller)
	row("Start, "+cost(r.start[ours.name])+" ms for ours without the commands", quicker)
	for _, c := range []struct {
		what string
		all  []fate
	}{{"SIGKILL while it records", r.recording}, {"SIGKILL while it closes", r.closing}, {"Eight processes in a new home", r.eightNew}, {"Eight processes", r.eightUsed}, {"Eight processes, refused", r.eightDown}, {"Offline", r.backlog}} {
		var who []string
		for i, p := range peers {
			if f := c.all[i]; !p.floor && !p.ours && f.events > 0 && f.lost*c.all[mine].events < c.all[mine].lost*f.events {
				who = append(who, p.name+" "+share(f))
			}
		}
		row(c.what+", lost "+share(c.all[mine])+" of ours", who)
		who = nil
		for i, p := range peers {
			if f := c.all[i]; !p.floor && !p.ours && f.copies < c.all[mine].copies {
				who = append(who, fmt.Sprintf("%s %d", p.name, f.copies))
			}
		}
		row(fmt.Sprintf("%s, extra copies %d of ours", c.what, c.all[mine].copies), who)
	}
	for _, ci := range []bool{false, true} {
		for w, weather := range weathers {
			k := key{mine, w, ci}
			f, found := r.readOnly[k]
			if !found || f.lost == 0 {
				continue
			}
			var who []string
			for i, p := range peers {
				if g, found := r.readOnly[key{i, w, ci}]; found && !p.floor && !p.ours && g.lost < f.lost {
					who = append(who, p.name+" "+g.letter())
				}
			}
			what := "A home that cannot be written to, " + weather.name
			if ci {
				what += ", in CI"
			}
			row(what+", "+f.letter()+" for ours", who)
		}
	}
	if none {
		say("Nowhere in this run.")
	}
}

// name is what a peer is called where its states make no difference.
func name(p peer) string {
	if p.ours && p.state == agreed {
		return "**this module**"
	}
	return p.name
}

// cost is a difference in milliseconds, to two digits: more would say more than was measured.
func cost(d time.Duration) string {
	m := float64(d) / float64(time.Millisecond)
	switch {
	case m >= 1000:
		return grouped(int64(m + 0.5))
	case m >= 10:
		return fmt.Sprintf("%.0f", m)
	}
	text := fmt.Sprintf("%.1f", math.Abs(m))
	if m < 0 && text != "0.0" {
		return "−" + text
	}
	return text
}

func ms(d time.Duration) string { return cost(d) + " ms" }

func micros(ns int64) string { return fmt.Sprintf("%.2f", float64(ns)/1000) }

// share is how many were lost, and of how many.
func share(f fate) string {
	if f.lost == 0 {
		return fmt.Sprintf("0 of %d", f.events)
	}
	return fmt.Sprintf("%d of %d (%.1f %%)", f.lost, f.events, 100*float64(f.lost)/float64(f.events))
}

// part is how many were lost, where it stands beside how many there were.
func part(f fate) string {
	if f.lost == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%.0f %%)", f.lost, 100*float64(f.lost)/float64(f.events))
}

func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + " " + digits[i:]
	}
	return digits
}

// line is what a file of the system says of something.
func line(file, of string) string {
	content, _ := os.ReadFile(file) //nolint:gosec // one of two
	for line := range strings.Lines(string(content)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == of {
			return strings.TrimSpace(value)
		}
	}
	return "not known"
}

// kernel is the release without what a builder added, which is no figure of anything.
func kernel() string {
	content, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	release, _, _ := strings.Cut(strings.TrimSpace(string(content)), "-")
	return release
}

// load is how many processes wanted a processor in the last minute.
func load() string {
	content, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(content), " ")
	return first
}

// preferred says that the programs were given more of the machine than others, or less.
func preferred() string {
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if nice := 20 - raw; err == nil && nice != 0 { // the system call returns 20 less the nice value
		return fmt.Sprintf("; all programs ran at nice %d", nice)
	}
	return ""
}

// crowded says that the figures are not of this alone.
func crowded(before string) string {
	if busy, err := strconv.ParseFloat(before, 64); err == nil && busy < float64(runtime.NumCPU()) {
		return ""
	}
	return ": others were at work as well, so times are longer than they would be; ratios hold better"
}
