//go:build linux

// Peers measures the ways in which an author would otherwise have events reported, beside this
// module, and writes docs/measurements/peers.md and docs/measurements/peers.svg. Run it with `make peers` from the root.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func main() {
	page := flag.String("page", "", "the Markdown file to write")
	chart := flag.String("chart", "", "the SVG file to write")
	size := flag.String("scale", "1", "1, full or smoke")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the moments at which programs are killed") //nolint:gosec // no number is negative until 2262
	flag.Parse()
	if err := run(*page, *chart, *size, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(page, chart, size string, seed uint64) error {
	s, ok := scales[size]
	if !ok {
		return fmt.Errorf("PEERS=%s: it is 1, full or smoke", size)
	}
	m := machine{started: time.Now(), before: load()} // before there is any of our own
	dir, err := os.MkdirTemp("", "peers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// Somebody who may write nothing here runs programs from it.
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // the same
		return err
	}
	if err := os.Mkdir(filepath.Join(dir, "homes"), 0o755); err != nil { //nolint:gosec // the same
		return err
	}
	say := func(what string) { fmt.Println(time.Now().Format(time.TimeOnly), what) }
	say("building")
	p, err := build(dir)
	if err != nil {
		return err
	}
	l := &lab{dir: dir, programs: p, numbers: newNumbers(), seed: seed, scale: s}
	if l.names, err = newNames(dir); err != nil {
		l.names = &names{missing: err.Error()}
	}
	if size == "smoke" {
		return l.smoke(say)
	}
	var f figures
	keys := l.keys()
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"what becomes of an event", func() (err error) { f.fates, err = l.fates(keys); return }},
		{"what an end costs", func() error { return l.exits(&f, keys) }},
		{"starts", func() error { return l.starts(&f) }},
		{"Track", func() (err error) { f.tracks, err = l.measureTracks(); return }},
		{"SIGKILL", func() (err error) { f.recording, f.closing, err = l.kills(); return }},
		{"eight at once", func() (err error) { f.eightNew, err = l.crowds(fair, false); return }},
		{"eight at once, later", func() (err error) { f.eightUsed, err = l.crowds(fair, true); return }},
		{"eight at once, refused", func() (err error) { f.eightDown, err = l.crowds(weather{name: "refused"}, true); return }},
		{"offline", func() (err error) { f.backlog, err = l.backlogs(); return }},
		{"a home to read only", func() (err error) { f.readOnly, err = l.frozen(); return }},
	} {
		say(step.name)
		if err := step.do(); err != nil {
			return fmt.Errorf("%s (seed %d): %w", step.name, seed, err)
		}
	}
	m.took, m.after = time.Since(m.started), load()
	r := report{lab: l, figures: f, machine: m, eventkit: eventkit()}
	if err := os.WriteFile(page, []byte(r.page()), 0o644); err != nil { //nolint:gosec // it is published
		return err
	}
	return os.WriteFile(chart, []byte(r.chart()), 0o644) //nolint:gosec // it is published
}

// smoke looks whether every program still works and none of ours loses an event. It times nothing.
func (l *lab) smoke(say func(string)) error {
	var keys []key
	for p := range peers {
		for w, weather := range weathers {
			// Others wait for half a minute where it is not fair.
			if weather.name == fair.name || peers[p].ours && !weather.silent && weather.name != "429, Retry-After 30" {
				keys = append(keys, key{p, w, false}, key{p, w, true})
			}
		}
	}
	say("what becomes of an event")
	fates, err := l.fates(keys)
	if err != nil {
		return err
	}
	for k, f := range fates {
		p := peers[k.peer]
		switch letter := f.letter(); {
		case p.state == unasked && letter == "–", p.noOwn && letter == "F", letter == "D", p.ours && letter == "K":
		default:
			return fmt.Errorf("%s where the intake says %s, CI %v: %s", p.name, weathers[k.weather].name, k.ci, letter)
		}
	}
	for _, step := range []struct {
		name string
		do   func() ([]fate, error)
	}{
		{"SIGKILL", func() ([]fate, error) {
			all, closing, err := l.kills()
			for i := range closing {
				all[i].add(closing[i])
			}
			return all, err
		}},
		{"eight at once", func() ([]fate, error) { return l.crowds(fair, false) }},
		{"offline", l.backlogs},
	} {
		say(step.name)
		all, err := step.do()
		if err != nil {
			return fmt.Errorf("%s (seed %d): %w", step.name, l.seed, err)
		}
		for i, f := range all {
			if peers[i].ours && f.delivered+f.later != f.events {
				return fmt.Errorf("%s (seed %d): of %d events of ours %d were delivered, %d are on file and %d lost", step.name, l.seed, f.events, f.delivered+f.later, f.onFile, f.lost)
			}
		}
	}
	say("ours lost nothing, and every other program works")
	return nil
}
