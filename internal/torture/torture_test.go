//go:build linux

// Package torture holds no code but that of the tool that is tortured. Its tests let real
// processes record, send and change their mind in one state directory, kill them, take the disk
// or the time away from them, and compare what arrived at a real server with what the processes
// said before they died. Nothing stands between the promises and the proof but what an author
// declares: no transport, clock or file of the test's own.
//
// There are two kinds. The scenarios of TestTorture have a file each and let processes of
// internal/torture/tool meet one fault; see scenarios for the list. In the other tests the test
// binary is all processes, so that they can be told to do what no tool does.
//
// All of them print seeds. A seed fixes which processes there are and what happens to them, not
// when the kernel lets them.
package torture

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
)

func TestMain(m *testing.M) {
	if len(os.Args) == actorArgs+1 && os.Args[1] == "actor" {
		act(os.Args[1:])
	}
	if len(os.Args) > 3 {
		switch os.Args[1] {
		case "killed", "stalled", "shifted":
			runTraced(os.Args[1], os.Args[2], os.Args[3:])
		case "ruled":
			ruled(os.Args[2], os.Args[3:])
		}
	}
	// Under nohup a hangup is ignored, also by what we start: a tool that waits for its signal would
	// wait for ever. What is caught here is as it is by default there.
	if signal.Ignored(syscall.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	// What is mounted is nobody else's, and does not outlive a test that is killed. Who may not do
	// that may not mount either, and is told by the test that needs it.
	const alone = "TORTURE_ALONE"
	if os.Getenv(alone) == "" && ownMounts() == nil {
		_ = syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), alone+"=1"))
	}
	os.Exit(m.Run())
}

const (
	variableYes   = "SOMETOOL_TELEMETRY=on"
	variableLocal = "TELEMETRY_LOCAL=1"
	doNotTrack    = "DO_NOT_TRACK=1"
	inCI          = "CI=true"
)

// plan is one process to be.
type plan struct {
	role, id string
	// under is the command that runs it, such as strace, empty for none.
	under []string
	env   []string
	seed  uint64
	// args are those of the tool, nil where the test binary itself is the process.
	args []string
	// kill is how long it lives after it began, 0 for as long as it likes, and signal what ends
	// it then, SIGKILL unless it is set.
	kill   time.Duration
	signal syscall.Signal
	// stop is when it stands still, 0 for never, and stand for how long: between any two
	// instructions of it others may do all their work.
	stop, stand time.Duration
	// meanwhile, where not nil, runs while the process stands still; see stallBefore. With cut it
	// never goes on: it is killed then.
	meanwhile func()
	cut       bool
	// patient has it stand still until that has returned, also where that waits for its locks.
	patient bool
	// faulty says that its calls fail, so that nobody knows what it could note.
	faulty bool
	// blinded says that it may see no answer, which counts as a no: then it records nothing.
	blinded bool
	// shifted is how far its clock is off.
	shifted time.Duration
}

// unrecorded reports whether the process ends itself without a chance to say so.
func (p plan) unrecorded() bool {
	return slices.ContainsFunc([]string{"exit", "goroutine", "exec"}, func(end string) bool { return slices.Contains(p.args, end) })
}

// weather is which answers are given in a round.
type weather struct {
	name     string
	switches string
	env      [][]string
}

var weathers = []weather{
	{"yes and local", "yes,yes,local", [][]string{nil, nil, nil, {variableLocal}, {variableYes}, {inCI}, {variableYes, variableLocal}, {doNotTrack}}},
	{"yes and no", "yes,yes,yes,yes,no", [][]string{nil, nil, nil, nil, {inCI}, {variableLocal}}},
	{"everything", "yes,yes,yes,yes,local,no,reset", [][]string{nil, nil, nil, {variableYes}, {inCI}, {variableLocal}, {doNotTrack}}},
	{"variables", "yes,yes,local,no", [][]string{{variableYes}, {variableYes}, {variableYes, variableLocal}, {variableYes, inCI}, nil}},
}

func (w weather) plans(random *rand.Rand, processes int) []plan {
	list := make([]plan, processes)
	for i := range list {
		p := plan{seed: random.Uint64(), env: w.env[random.IntN(len(w.env))]}
		p.role = "record"
		mortal := 80
		switch n := random.IntN(10); {
		case n < 2:
			p.role, p.env = "send", nil
		case n < 5:
			mortal = 30
			p.role, p.env = "switch", []string{"SWITCHES=" + w.switches}
		}
		p.id = p.role[:1] + strconv.Itoa(i)
		if random.IntN(100) < mortal {
			p.kill = upTo(random, 12*time.Millisecond)
		}
		list[i] = p
	}
	return list
}

// counts are what all rounds together came to.
type counts struct {
	mu                                                sync.Mutex
	processes, kills, backgroundKills, switches       int
	tracked, mustArrive, arrived, requests, inTheLogs int
}

func TestNoPromiseBreaksWhateverIsKilledAndWhoeverChangesTheirMind(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	rounds := 36
	if testing.Short() {
		rounds = 4
	}
	var total counts
	began := time.Now()
	const atOnce = 2
	turns := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i := range rounds {
		seed := random.Uint64()
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			w := weathers[i%len(weathers)]
			name := fmt.Sprintf("round %d (%s)", i, w.name)
			broken := round(t, w, rand.New(rand.NewPCG(seed, 0)), &total)
			for _, sentence := range broken[:min(len(broken), mostTold)] {
				t.Errorf("%s: %s", name, sentence)
			}
			if more := len(broken) - mostTold; more > 0 {
				t.Errorf("%s: and %d more", name, more)
			}
		})
	}
	all.Wait()
	t.Logf("%d processes, %d of them killed and %d in the background; %d switches of consent; %d events tracked, %d that must arrive; %d requests with %d events, %d lines in logs; %v; %d reads without a stamp",
		total.processes, total.kills, total.backgroundKills, total.switches, total.tracked, total.mustArrive, total.requests, total.arrived, total.inTheLogs, time.Since(began).Round(time.Millisecond), unstamped.Load())
}

// seeded returns what a test chooses by, from a seed that it prints.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed, err := strconv.ParseUint(os.Getenv("TORTURE_SEED"), 10, 64)
	if err != nil {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("TORTURE_SEED=%d chooses the same again", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// mostTold is how many sentences of a round are printed.
const mostTold = 3

// round lets the processes of one plan run in one directory and returns what broke.
func round(t *testing.T, w weather, random *rand.Rand, total *counts) []string {
	in := newIntake(t, rand.New(rand.NewPCG(random.Uint64(), 0)))
	s := newStage(t, in, random)
	if random.IntN(4) > 0 { // else nobody has been asked when the first command begins
		if err := s.enable("first", random.IntN(4) == 0); err != nil {
			return []string{err.Error()}
		}
	}
	s.play(w.plans(random, 100))
	s.awaitEnd()
	o, err := s.settle(t, in)
	if err != nil {
		return []string{err.Error()}
	}
	total.add(s, o)
	return append(s.problems, s.h.check(o)...)
}

// stage is where one round happens.
type stage struct {
	dir, endpoint string
	random        *rand.Rand
	// tool is the program whose processes these are, and env what all of them have; both are
	// empty where the test binary is that.
	tool string
	env  []string

	mu       sync.Mutex
	h        history
	problems []string
	took     map[string]time.Duration // from Open to the return of Close, by process
	relieve  func()                   // makes room on the disk, nil where there is enough
	counts
}

func newStage(t *testing.T, in *intake, random *rand.Rand) *stage {
	return &stage{dir: filepath.Join(t.TempDir(), "telemetry"), endpoint: in.URL, random: random, took: map[string]time.Duration{}, h: history{
		local: map[string]bool{}, events: map[string]recorded{}, unsure: map[string]bool{},
	}}
}

// play runs the processes, some at once, with a killer behind those in the background.
func (s *stage) play(plans []plan) {
	const atOnce = 5
	stop := make(chan struct{})
	var killer sync.WaitGroup
	killer.Go(func() { s.killBackground(stop) })
	turns := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for _, p := range plans {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			s.run(p)
		})
	}
	all.Wait()
	close(stop)
	killer.Wait()
}

// run runs one process to its end and notes what it said.
func (s *stage) run(p plan) {
	args := append(slices.Clone(p.under), os.Args[0], "actor", p.role, p.id, s.dir, s.endpoint, strconv.FormatUint(p.seed, 10))
	if p.args != nil {
		args = append(slices.Clone(p.under), s.tool)
		args = append(args, p.args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = slices.Concat(s.env, p.env)
	if p.args != nil {
		cmd.Env = append(cmd.Env, "ACTOR="+p.id)
	}
	if cmd.Env == nil {
		cmd.Env = []string{}
	}
	out, err := cmd.StdoutPipe()
	goOn := func() {}
	if p.meanwhile != nil && err == nil {
		var in io.WriteCloser
		in, err = cmd.StdinPipe()
		goOn = func() { _ = in.Close() }
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.problem("%s: %v", p.id, err)
		return
	}
	lines := bufio.NewScanner(out)
	var said [][]string
	var others sync.WaitGroup
	for lines.Scan() {
		if lines.Text() == "stalled" {
			others.Go(p.meanwhile)
			if p.cut {
				others.Wait()
				_ = cmd.Process.Kill()
				continue
			}
			if p.patient {
				others.Wait()
			} else {
				standStill(&others)
			}
			goOn()
			continue
		}
		said = append(said, strings.Fields(lines.Text()))
		if len(said) == 1 {
			defer torment(cmd.Process, p)()
		}
	}
	goOn()
	err = cmd.Wait()
	others.Wait()
	s.note(p, said, err, wall())
}

// standStill waits for what others do meanwhile, but not for ever: they may be waiting for a
// lock of the process that stands still.
func standStill(others *sync.WaitGroup) {
	done := make(chan struct{})
	go func() { others.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(200 * time.Millisecond):
	}
}

// torment stops and kills a process when its plan says so, and returns what ends that.
func torment(process *os.Process, p plan) (end func()) {
	var timers []*time.Timer
	at := func(d time.Duration, signal os.Signal) {
		timers = append(timers, time.AfterFunc(d, func() { _ = process.Signal(signal) }))
	}
	if p.kill > 0 {
		at(p.kill, cmp.Or(p.signal, syscall.SIGKILL))
	}
	if p.stop > 0 {
		at(p.stop, syscall.SIGSTOP)
		at(p.stop+p.stand, syscall.SIGCONT)
	}
	return func() {
		for _, timer := range timers {
			timer.Stop()
		}
	}
}

func (s *stage) problem(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}

// note writes the history of one process from what it said and how it ended.
func (s *stage) note(p plan, said [][]string, err error, reaped int64) {
	killed := false
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status := exit.Sys().(syscall.WaitStatus)
		killed = status.Signaled() && (status.Signal() == syscall.SIGKILL || status.Signal() == p.signal)
		if !killed && !slices.Contains(exitCodes, status.ExitStatus()) {
			s.problem("%s ended with %v after it said %q", p.id, err, said)
		}
	} else if err != nil {
		s.problem("%s: %v", p.id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.processes++
	if killed {
		s.kills++
	}
	if killed || p.faulty {
		s.h.unsure[p.id] = true
	}
	n := &noting{s: s, p: p}
	for _, words := range said {
		n.line(words)
	}
	n.end(reaped, err != nil)
}

// noting reads the lines of one process.
type noting struct {
	s       *stage
	p       plan
	open    int64
	last    int64 // when its last Track returned, or it began
	tracked int
	late    bool
	begun   *change
}

func (n *noting) line(words []string) {
	h := &n.s.h
	switch words[0] {
	case "open":
		n.open = n.at(words[1])
		n.last = n.open
	case "track":
		key := eventKey(n.p.id, int(number(words[1])))
		n.last = n.at(words[3])
		e := recorded{key: key, env: n.p.env, open: n.open, before: n.at(words[2]), after: n.last, returned: true,
			process: n.p.id, tool: n.p.args != nil, unrecorded: n.p.unrecorded(), end: strings.Join(n.p.args, " "), blinded: n.p.blinded}
		n.late = n.late || e.after-e.before >= patience
		e.late = n.late
		h.events[key] = e
		n.tracked++
		n.s.tracked++
	case "closed":
		n.s.took[n.p.id] = time.Duration(n.at(words[1]) - n.open)
		for i := range n.tracked {
			e := h.events[eventKey(n.p.id, i)]
			e.closed = true
			h.events[e.key] = e
		}
		if n.p.args != nil && n.s.took[n.p.id] > almostASecond {
			h.unsure[n.p.id] = true // its second may have been over in the middle of an attempt
		}
	case "unsure":
		h.unsure[n.p.id] = true
	case "begin":
		n.begun = &change{kind: words[1], begin: number(words[2])}
		h.resets = h.resets || words[1] == toReset
	case "end":
		c := *n.begun
		n.begun = nil
		c.end, c.sure, c.sending = number(words[1]), words[2] == "done", words[3] == "true"
		if words[2] != "changed" || c.isNo() { // a reset that a yes came after is one all the same
			h.changes = append(h.changes, c)
		}
		if c.sure {
			n.s.switches++
		} else if words[2] != "changed" && !(h.capped && strings.Contains(words[2], "no_space")) {
			n.s.problems = append(n.s.problems, fmt.Sprintf("%s: %s %s", n.p.id, c.kind, words[2]))
		}
		if receipt := words[4]; receipt != "-" {
			h.alive = append(h.alive, sighting{receipt, number(words[6])})
			if words[5] == "true" {
				h.local[receipt] = true
			}
		}
	case "ready", "waiting":
	default:
		if n.p.args != nil && n.p.role == "send" {
			return // for people
		}
		n.s.problems = append(n.s.problems, fmt.Sprintf("%s said %q", n.p.id, words))
	}
}

// at reads a time off the clock of the process.
func (n *noting) at(word string) int64 { return number(word) - int64(n.p.shifted) }

// end notes what a process may have done between its last line and its end.
func (n *noting) end(reaped int64, cut bool) {
	if n.begun != nil {
		n.begun.end = reaped
		n.s.h.changes = append(n.s.h.changes, *n.begun)
	}
	if n.p.role == "record" && (cut || n.p.faulty) {
		key := eventKey(n.p.id, n.tracked)
		n.s.h.events[key] = recorded{key: key, env: n.p.env, open: n.open, before: n.last, after: reaped, process: n.p.id}
	}
}

func number(word string) int64 {
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// killBackground kills some of the processes in the background, which are no children of
// this one, until the others are done.
func (s *stage) killBackground(stop chan struct{}) {
	seen := 0
	var kills sync.WaitGroup
	defer kills.Wait()
	random := rand.New(rand.NewPCG(s.random.Uint64(), 0))
	for {
		content, _ := os.ReadFile(s.dir + backgroundLog)
		for content = content[min(seen, len(content)):]; ; {
			line, rest, whole := bytes.Cut(content, []byte{'\n'})
			if !whole {
				break
			}
			content = rest
			seen += len(line) + 1
			id, pid, _ := strings.Cut(string(line), " ")
			if random.IntN(2) == 0 {
				after := upTo(random, 8*time.Millisecond)
				kills.Go(func() { s.kill(id, int(number(pid)), after) })
			}
		}
		select {
		case <-stop:
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// kill kills a process in the background, if it still is the one.
func (s *stage) kill(id string, pid int, after time.Duration) {
	process, err := os.FindProcess(pid) // a handle: a later process of that number is not meant
	if err != nil {
		return
	}
	if !s.isOurs(strconv.Itoa(pid)) {
		return
	}
	time.Sleep(after)
	s.mu.Lock()
	defer s.mu.Unlock()
	if process.Kill() == nil {
		s.backgroundKills++
		s.h.unsure[id] = true
	}
}

func (s *stage) isOurs(pid string) bool {
	arguments, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
	return err == nil && bytes.Contains(arguments, []byte(cmp.Or(s.tool, s.dir)))
}

// awaitEnd waits until no process is at work in the directory.
func (s *stage) awaitEnd() {
	deadline := time.Now().Add(30 * time.Second)
	for {
		entries, err := os.ReadDir("/proc")
		busy := false
		for _, entry := range entries {
			busy = busy || s.isOurs(entry.Name())
		}
		if err == nil && !busy {
			return
		}
		if time.Now().After(deadline) {
			s.problem("a process in the background does not end")
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// manager is the test's own, outside of all weathers.
func (s *stage) manager(id string) *core.Manager {
	return core.NewManager(declared(s.endpoint, id), core.WithStateDir(s.dir),
		core.WithEnv(func(string) (string, bool) { return "", false }))
}

// enable stores a yes while nobody else is at work.
func (s *stage) enable(id string, local bool) error {
	c := change{kind: toYes, begin: wall(), sure: true}
	if local {
		c.kind = toLocal
	}
	if err := s.manager(id).Enable(local, ""); err != nil {
		return fmt.Errorf("the %s yes: %w", id, err)
	}
	c.end = wall()
	s.h.changes = append(s.h.changes, c)
	return nil
}

// settle has everything sent that still waits and returns what is known then.
func (s *stage) settle(t *testing.T, in *intake) (outcome, error) {
	in.behave()
	if s.relieve != nil {
		s.relieve()
	}
	if h := &s.h; h.endsWithANo() {
		if waiting := s.manager("last").Status().Queue; waiting.Events+waiting.Damaged > 0 {
			s.problem("erased: after a no that is the last word, %+v waits", waiting)
		}
	}
	o := outcome{logged: map[string]int{}, loggedID: map[string]string{}}
	if err := s.enable("last", false); err != nil {
		return o, err
	}
	m := s.manager("last")
	for tries := 0; ; tries++ {
		r, err := m.Flush(t.Context(), nil)
		if err == nil && r.Kept == 0 && r.Running == 0 {
			break
		}
		if tries > 10 {
			return o, fmt.Errorf("the last flush: %+v, %w", r, err)
		}
	}
	o.status = m.Status()
	o.requests = in.all()
	content, err := os.ReadFile(filepath.Join(s.dir, "local", "events.ndjson"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return o, err
	}
	for line := range bytes.Lines(content) {
		var event struct {
			ID       string
			Metadata map[string]string
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if err := json.Unmarshal(line, &event); err != nil {
			continue // torn: its writer was killed, and writes the batch again
		}
		key := event.Metadata[callKey]
		o.logged[key]++
		if key != "" {
			o.loggedID[key] = event.ID
		}
	}
	return o, nil
}

func (c *counts) add(s *stage, o outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.processes += s.processes
	c.kills += s.kills
	c.backgroundKills += s.backgroundKills
	c.switches += s.switches
	c.tracked += s.tracked
	c.requests += len(o.requests)
	for _, r := range o.requests {
		c.arrived += len(r.events)
	}
	for _, n := range o.logged {
		c.inTheLogs += n
	}
	for _, e := range s.h.events {
		if s.h.mustArrive(e) {
			c.mustArrive++
		}
	}
}
