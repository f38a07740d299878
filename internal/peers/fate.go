//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// fate is what became of events.
type fate struct {
	events    int // whose Track had returned
	delivered int // before a later run
	later     int // by a later run
	onFile    int // nothing that was measured sends them, but they are there
	lost      int
	copies    int // arrived once more than once
	runs      int // later runs until nothing more came
	prints    bool
	kept      int64 // bytes in the home before a later run
	took      time.Duration
}

func (f *fate) add(g fate) {
	f.events += g.events
	f.delivered += g.delivered
	f.later += g.later
	f.onFile += g.onFile
	f.lost += g.lost
	f.copies += g.copies
	f.runs = max(f.runs, g.runs)
	f.prints = f.prints || g.prints
	f.kept = max(f.kept, g.kept)
}

// letter is the verdict of a cell with one event.
func (f fate) letter() string {
	letter := "L"
	switch {
	case f.events == 0:
		letter = "–"
	case f.delivered == f.events:
		letter = "D"
	case f.lost > 0:
	case f.onFile > 0:
		letter = "F"
	default:
		letter = "K"
	}
	if f.prints {
		letter += "✉"
	}
	return letter
}

// lab is where everything is measured.
type lab struct {
	dir      string
	programs *programs
	numbers  *numbers
	names    *names
	seed     uint64
	scale    scale
	trials   uint64 // of kills, for the seed
	mu       sync.Mutex
	made     int // homes
}

// stage is a peer in a home of its own, with an intake of its own.
type stage struct {
	*lab
	peer     peer
	home     *home
	intake   *intake
	endpoint string
	program  string
}

// set sets a stage. Where what becomes of events is looked at, ours may send each second.
func (l *lab) set(p peer, w weather, ci, quick bool) (*stage, error) {
	in, err := newIntake(w)
	if err != nil {
		return nil, err
	}
	s := &stage{lab: l, peer: p, intake: in, home: l.newHome(ci), program: l.programs.file(p.program)}
	s.endpoint = "http://127.0.0.1:" + strconv.Itoa(in.port)
	if w.silent {
		s.endpoint, s.home.thread = "http://"+intakeName+":"+strconv.Itoa(in.port), l.names.silent
	}
	if p.ours && quick {
		s.program += eager
	}
	if err := s.prepare(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (l *lab) newHome(ci bool) *home {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made++
	return &home{dir: filepath.Join(l.dir, "homes", strconv.Itoa(l.made)), ci: ci}
}

// prepare brings the home into the state that the peer is measured in.
func (s *stage) prepare() error {
	if err := os.MkdirAll(s.home.dir, 0o700); err != nil {
		return err
	}
	if !s.peer.ours || s.peer.state == unasked {
		return nil
	}
	if o := s.home.run(s.program, "telemetry", s.endpoint, "enable"); o.err != nil {
		return fmt.Errorf("saying yes: %w: %s", o.err, o.said)
	}
	if s.peer.state == used {
		if _, err := s.record(1); err != nil {
			return err
		}
		s.home.settle(patience)
	}
	return nil
}

func (s *stage) close() {
	s.home.end()
	s.intake.close()
	if s.home.nobody { // what was made read-only would stay
		_ = filepath.WalkDir(s.home.dir, func(path string, _ os.DirEntry, _ error) error { return os.Chmod(path, 0o700) }) //nolint:gosec // it has programs' files
	}
	_ = os.RemoveAll(s.home.dir)
}

// record runs the program with so many events.
func (s *stage) record(events int) (outcome, error) {
	first, _ := s.numbers.take(events)
	o := s.home.run(s.program, "record", s.endpoint, first, strconv.Itoa(events))
	if o.err != nil {
		return o, fmt.Errorf("%s: %w: %s", s.peer.program, o.err, o.said)
	}
	return o, nil
}

// patience is longer than a background process of ours may live.
const patience = 65 * time.Second

// laterRuns is for how long later runs are made: in CI ours sends once a minute at most.
const laterRuns = 100 * time.Second

// settled finds out what became of the events, with later runs in fair weather.
func (s *stage) settled(ids []string) (fate, error) {
	f := fate{events: len(ids)}
	s.home.settle(patience)
	missing := s.missing(ids)
	f.delivered = len(ids) - len(missing)
	f.kept = s.home.size()
	if err := s.intake.clear(); err != nil {
		return f, err
	}
	if s.home.thread != nil {
		s.home.thread = s.names.known
	}
	for end := time.Now().Add(laterRuns); len(missing) > 0 && s.peer.sendsLater && len(s.home.holds(missing)) > 0 && time.Now().Before(end); {
		if s.scale.noWaiting {
			// What waits is asked for, where nobody has the time to wait until it is due.
			if o := s.home.run(s.program, "telemetry", s.endpoint, "flush"); o.err != nil {
				return f, fmt.Errorf("flush: %w: %s", o.err, o.said)
			}
		} else if _, err := s.record(1); err != nil {
			return f, err
		}
		f.runs++
		s.home.settle(patience)
		if missing = s.missing(ids); len(missing) > 0 {
			time.Sleep(time.Second)
		}
	}
	f.later = len(ids) - f.delivered - len(missing)
	if !s.peer.sendsLater {
		// One more all the same: what they forget they cannot send, and this shows it.
		if _, err := s.record(1); err != nil {
			return f, err
		}
		s.home.settle(patience)
		missing = s.missing(missing)
		f.later = len(ids) - f.delivered - len(missing)
	}
	f.onFile = len(s.home.holds(missing))
	f.lost = len(missing) - f.onFile
	for _, id := range ids {
		f.copies += max(0, s.intake.arrived(id)-1)
	}
	return f, nil
}

func (s *stage) missing(ids []string) (missing []string) {
	for _, id := range ids {
		if s.intake.arrived(id) == 0 {
			missing = append(missing, id)
		}
	}
	return missing
}

// one is what becomes of one event in a weather.
func (l *lab) one(p peer, w weather, ci bool) (fate, error) {
	s, err := l.set(p, w, ci, true)
	if err != nil {
		return fate{}, err
	}
	defer s.close()
	first, ids := s.numbers.take(1)
	o := s.home.run(s.program, "record", s.endpoint, first, "1")
	if o.err != nil {
		return fate{}, fmt.Errorf("%s where the intake %s: %w: %s", p.program, w.name, o.err, o.said)
	}
	if p.state == unasked {
		if s.home.settle(patience); s.home.size() > 0 || len(s.missing(ids)) == 0 {
			return fate{}, errors.New("something was kept or sent though nobody was asked")
		}
		return fate{prints: o.prints, took: o.took}, nil
	}
	f, err := s.settled(ids)
	f.prints, f.took = o.prints, o.took
	return f, err
}

// killed is what becomes of the events of a program that is killed at a random moment.
func (l *lab) killed(p peer, random *rand.Rand, life time.Duration) (fate, error) {
	s, err := l.set(p, fair, false, true)
	if err != nil {
		return fate{}, err
	}
	defer s.close()
	moment := time.Duration(random.Int64N(int64(life)))
	first, ids := s.numbers.take(killedEvents)
	read, write, err := os.Pipe()
	if err != nil {
		return fate{}, err
	}
	defer read.Close()
	cmd := s.home.command(s.program, "slowly", s.endpoint, first, strconv.Itoa(killedEvents), killedPause.String())
	cmd.ExtraFiles = []*os.File{write}
	err = cmd.Start()
	write.Close()
	if err != nil {
		return fate{}, err
	}
	time.AfterFunc(moment, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
	returned, err := io.ReadAll(read)
	_ = cmd.Wait() // killed, or ended before it
	if err != nil {
		return fate{}, err
	}
	return s.settled(ids[:len(returned)])
}

const (
	killedEvents = 20
	killedPause  = 2 * time.Millisecond
)

// life is how long a program lives that nobody kills.
func (l *lab) life(p peer) (time.Duration, error) {
	s, err := l.set(p, fair, false, true)
	if err != nil {
		return 0, err
	}
	defer s.close()
	read, write, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer read.Close()
	first, _ := s.numbers.take(killedEvents)
	cmd := s.home.command(s.program, "slowly", s.endpoint, first, strconv.Itoa(killedEvents), killedPause.String())
	cmd.ExtraFiles = []*os.File{write}
	start := time.Now()
	err = cmd.Start()
	write.Close()
	if err == nil {
		err = cmd.Wait()
	}
	return time.Since(start), err
}

// eight is what becomes of the events of eight processes at once in one home.
func (l *lab) eight(p peer, w weather, before bool) (fate, error) {
	s, err := l.set(p, w, false, true)
	if err != nil {
		return fate{}, err
	}
	defer s.close()
	if before {
		if _, err := s.record(1); err != nil {
			return fate{}, err
		}
		s.home.settle(patience)
	}
	var all []string
	var wg sync.WaitGroup
	outcomes := make([]outcome, 8)
	for i := range outcomes {
		first, ids := s.numbers.take(eightEvents)
		all = append(all, ids...)
		wg.Go(func() { outcomes[i] = s.home.run(s.program, "record", s.endpoint, first, strconv.Itoa(eightEvents)) })
	}
	wg.Wait()
	for _, o := range outcomes {
		if o.err != nil {
			return fate{}, fmt.Errorf("%s: %w: %s", p.program, o.err, o.said)
		}
	}
	return s.settled(all)
}

const eightEvents = 25

// backlog is what becomes of the events of many runs while the intake refuses.
func (l *lab) backlog(p peer) (fate, error) {
	refused := weather{name: "refused"}
	s, err := l.set(p, refused, false, true)
	if err != nil {
		return fate{}, err
	}
	defer s.close()
	var all []string
	for range l.scale.offline {
		first, ids := s.numbers.take(1)
		all = append(all, ids...)
		if o := s.home.run(s.program, "record", s.endpoint, first, "1"); o.err != nil {
			return fate{}, fmt.Errorf("%s: %w: %s", p.program, o.err, o.said)
		}
	}
	return s.settled(all)
}

// readOnly is what becomes of one event in a home that cannot be written to.
func (l *lab) readOnly(p peer, w weather, ci bool) (fate, error) {
	s, err := l.set(p, w, ci, true)
	if err != nil {
		return fate{}, err
	}
	defer s.close()
	if err := s.home.freeze(); err != nil {
		return fate{}, err
	}
	first, ids := s.numbers.take(1)
	o := s.home.run(s.program, "record", s.endpoint, first, "1")
	if o.err != nil {
		return fate{}, fmt.Errorf("%s: %w: %s", p.program, o.err, o.said)
	}
	f, err := s.settled(ids)
	f.prints = o.prints
	return f, err
}

// freeze gives the home to somebody who may write nothing in it, and is that from now on.
func (h *home) freeze() error {
	h.nobody = true
	return filepath.WalkDir(h.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := os.FileMode(0o400)
		if e.IsDir() {
			mode = 0o500
		}
		if os.Geteuid() == 0 {
			err = os.Chown(path, nobody, nobody)
		}
		return errors.Join(err, os.Chmod(path, mode)) //nolint:gosec // less than before
	})
}
