//go:build linux

package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// world is where a scenario happens: a stage whose processes are those of a real tool, which a
// person installed into a folder of their own.
type world struct {
	*stage
	t    *testing.T
	in   *intake
	root string // of all that belongs to it: the tool, its home, its state
	// uncounted says that what is lost need not be counted here, and untold that what the tool
	// says of the past need not be so: the disk has taken it back.
	uncounted, untold bool
	// fromMemory says that commands may send what they cannot store, which is in no log.
	fromMemory bool
}

// built is the program of the tool, built once.
func built(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "sometool")
	build := exec.Command("go", "build", "-o", path, "./tool")
	build.Env = static()
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// static is the environment for building tools whose system calls are all their own, and none a
// loader's.
func static() []string { return append(os.Environ(), "CGO_ENABLED=0") }

func newWorld(t *testing.T, tool string, random *rand.Rand) *world {
	t.Helper()
	in := newIntake(t, rand.New(rand.NewPCG(random.Uint64(), 0)))
	w := &world{stage: newStage(t, in, random), t: t, in: in, root: t.TempDir()}
	w.tool = w.install(tool, "sometool")
	w.move(filepath.Join(w.root, "state"))
	return w
}

// install puts a program into the world, under a name that begins with "sometool".
func (w *world) install(program, name string) (path string) {
	w.t.Helper()
	path = filepath.Join(w.root, name)
	if err := os.Link(program, path); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// move lets the state be in another folder from now on.
func (w *world) move(state string) {
	w.dir = filepath.Join(state, "sometool", "telemetry")
	w.env = []string{"HOME=" + w.root, "XDG_STATE_HOME=" + state, "ENDPOINT=" + w.endpoint, "PATH=" + os.Getenv("PATH")}
}

// work is a command of the tool that tracks so many events.
func (w *world) work(id string, events int, end string, env ...string) plan {
	return plan{role: "record", id: id, env: env, args: []string{"work", id, "--events", strconv.Itoa(events), "--end", end}}
}

// flush is the tool's own flush, or what it starts in the background.
func (w *world) flush(id string) plan {
	return plan{role: "send", id: id, args: []string{"telemetry", "flush"}}
}

// ends are the ways in which a command ends by itself.
var ends = []string{"close", "close", "close", "fail", "exit", "panic", "goroutine", "exec", "wait"}

// crowd is so many commands that end in all ways, also by signals at any moment.
func (w *world) crowd(name string, n int, env ...[]string) (list []plan) {
	for i := range n {
		end := ends[w.random.IntN(len(ends))]
		p := w.work(name+strconv.Itoa(i)+"-", w.random.IntN(12)+1, end, slices.Clone(env[w.random.IntN(len(env))])...)
		if w.random.IntN(3) == 0 {
			p.env = append(p.env, "CATCH=1")
		}
		if w.random.IntN(3) == 0 {
			p.args = append(p.args, "--pause", upTo(w.random, 3*time.Millisecond).String())
		}
		if end == "wait" || w.random.IntN(3) == 0 {
			p.kill = 1 + upTo(w.random, 25*time.Millisecond)
			p.signal = []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGHUP}[w.random.IntN(3)]
		}
		list = append(list, p)
	}
	return list
}

// atOnce runs the processes at the same time, so many at once, and waits for their ends.
func (w *world) atOnce(most int, plans ...plan) {
	turns := make(chan struct{}, most)
	for _, p := range plans {
		turns <- struct{}{}
		go func() {
			defer func() { <-turns }()
			if p.role == "switch" {
				w.answerUnder(p.under, p.id, p.args[1:]...)
			} else {
				w.run(p)
			}
		}()
	}
	for range most {
		turns <- struct{}{}
	}
}

// switching is a process that changes the answer, for atOnce.
func (w *world) switching(id string, args ...string) plan {
	return plan{role: "switch", id: id, args: append([]string{"telemetry"}, args...)}
}

// enabled stores the yes that most scenarios begin with.
func (w *world) enabled() {
	w.t.Helper()
	if c := w.answer("first", "enable"); !c.sure {
		w.t.Fatal("the first yes is not stored")
	}
}

// answer changes the stored answer with a command of the tool, and notes that for the model.
func (w *world) answer(id string, args ...string) change { return w.answerUnder(nil, id, args...) }

func (w *world) answerUnder(under []string, id string, args ...string) change {
	c := change{kind: toYes, begin: wall()}
	switch {
	case args[0] == "disable":
		c.kind = toNo
	case args[0] == "reset":
		c.kind = toReset
	case slices.Contains(args, "--local"):
		c.kind = toLocal
	}
	if c.kind == toNo {
		args = append(args, "--output", "json")
	}
	command := append(slices.Clone(under), w.tool, "telemetry")
	command = append(command, args...)
	out, err := w.command(command[0], id, nil, command[1:]...)
	c.end, c.sure = wall(), err == nil
	c.sending = strings.Contains(out, `"still_sending": true`)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.processes++
	w.h.resets = w.h.resets || c.kind == toReset
	w.h.changes = append(w.h.changes, c)
	if c.sure {
		w.switches++
		if stored := w.manager(id).Stored(); stored.Receipt != "" {
			w.h.alive = append(w.h.alive, sighting{stored.Receipt, wall()})
			if stored.Answer == consent.AnswerLocal {
				w.h.local[stored.Receipt] = true
			}
		}
	}
	return c
}

// patienceWithATool is far more than any command of it takes.
const patienceWithATool = 90 * time.Second

// telemetry runs one of the tool's telemetry commands, whatever it says, and returns that. A panic
// or a hang is a problem anywhere.
func (w *world) telemetry(id string, args ...string) (said string, err error) {
	return w.command(w.tool, id, nil, append([]string{"telemetry"}, args...)...)
}

func (w *world) command(program, id string, env []string, args ...string) (said string, err error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), patienceWithATool)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = slices.Concat(w.env, env, []string{"ACTOR=" + id})
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err = cmd.Run()
	said = out.String()
	if text := complaints.String(); strings.Contains(text, "goroutine ") || ctx.Err() != nil {
		w.problem("%q: %v %v\n%s", args, err, ctx.Err(), text)
	} else if err != nil {
		err = fmt.Errorf("%q: %w: %s", args, err, strings.TrimSpace(text))
		said += text
	}
	return said, err
}

// killSenders kills what is at work in the background.
func (w *world) killSenders() {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		process, err := os.FindProcess(pid)
		if err != nil || !w.isOurs(entry.Name()) {
			continue
		}
		w.mu.Lock()
		if process.Kill() == nil {
			w.backgroundKills++
			w.h.killed = append(w.h.killed, wall())
		}
		w.mu.Unlock()
	}
}

// verdict has what waits sent, and returns what broke of the model and of what the tool says.
func (w *world) verdict() (broken []string) {
	w.in.behave()
	w.awaitEnd()
	o, err := w.settle(w.t, w.in)
	if err != nil {
		return append(w.problems, err.Error())
	}
	broken = append(w.h.check(o), w.h.commandsAreTold(o)...)
	if !w.uncounted {
		broken = append(broken, w.h.lossesAreCounted(o, w.fromMemory)...)
	}
	if !w.untold {
		broken = append(broken, w.whatIsSaidIsTrue(o)...)
	}
	return append(w.problems, broken...)
}

// whatIsSaidIsTrue holds what the tool prints to what the receiver knows, and lastly to what a no
// and a reset say.
func (w *world) whatIsSaidIsTrue(o outcome) (broken []string) {
	told := func(format string, args ...any) { broken = append(broken, "said: "+fmt.Sprintf(format, args...)) }
	ask := func(into any, args ...string) bool {
		said, err := w.telemetry("asking", args...)
		if err != nil {
			told("%v", err)
			return false
		}
		if into == nil {
			return true
		}
		if err := json.Unmarshal([]byte(said), into); err != nil {
			told("%q: %v", args, err)
		}
		return err == nil
	}

	var status struct {
		State     string
		Delivered int
		Lost      int
		Queue     struct{ Events, Damaged int }
		Faults    []string
	}
	if ask(&status, "status", "--output", "json") {
		if status.State != "on" || status.Delivered != o.status.Delivered || status.Lost != o.status.TotalLost() || status.Queue.Events > 0 {
			told("status says %+v, and %d were delivered, %v were lost and nothing waits", status, o.status.Delivered, o.status.Lost)
		}
	}

	var log struct {
		Deliveries []struct {
			SHA256   string
			Events   int
			Answered bool
		}
		Cut, Gaps int
	}
	if ask(&log, "log", "--output", "json") {
		digests := map[string]bool{}
		for _, d := range log.Deliveries {
			digests[d.SHA256] = true
		}
		missing := 0
		for _, r := range o.requests {
			if !digests[r.digest] && !w.h.resets {
				missing++
			}
		}
		if missing > log.Cut+log.Gaps && !w.fromMemory {
			told("log does not show %d of %d requests that arrived, and tells of %d gaps and %d that it cut", missing, len(o.requests), log.Gaps, log.Cut)
		}
	}
	ask(nil, "log", "--verify")
	ask(&json.RawMessage{}, "export")
	ask(nil, "receipts")

	before := len(w.in.all())
	if c := w.answer("no", "disable"); !c.sure {
		told("disable failed")
	}
	w.run(w.work("after-no-", 2, "close", inCI))
	if ask(&status, "status", "--output", "json") && (status.State != "off" || status.Queue.Events > 0) {
		told("after disable, status says %+v", status)
	}
	if n := len(w.in.all()); n > before {
		told("%d requests arrived after disable", n-before)
	}

	if _, err := w.telemetry("erasing", "reset"); err != nil {
		told("%v", err)
	}
	asked := map[string]bool{}
	for _, r := range w.in.all() {
		for _, event := range r.events {
			if event.Type == string(props.EventDeletionRequest) {
				asked[event.MachineID] = true
			}
		}
	}
	for _, r := range o.requests {
		for _, event := range r.events {
			if event.MachineID != "" && !asked[event.MachineID] {
				told("reset asks for the data of %v and not for that of %s, which was sent", asked, event.MachineID)
				return broken
			}
		}
	}
	return broken
}

// commandsAreTold: a command that began and of which something arrived is told of, once, and as
// what it was.
func (h *history) commandsAreTold(o outcome) (broken []string) {
	if h.capped || h.damaged {
		return nil
	}
	runs := map[string]string{}
	commands := map[string]map[string]driver.Event{} // by run and ID
	for _, r := range o.requests {
		for _, event := range r.events {
			switch event.Type {
			case "feature.used":
				runs[h.events[event.Metadata[callKey]].process] = event.RunID
			case string(props.EventCommandInvocation):
				if commands[event.RunID] == nil {
					commands[event.RunID] = map[string]driver.Event{}
				}
				commands[event.RunID][event.ID] = event
			}
		}
	}
	for _, e := range h.events {
		run := runs[e.process]
		if !e.tool || run == "" || !h.mustArrive(e) {
			continue
		}
		delete(runs, e.process) // once is enough
		found := commands[run]
		if len(found) != 1 {
			broken = append(broken, fmt.Sprintf("commands: %s is told of by %d events\n%s", e.process, len(found), h.around(e, request{})))
		}
		for _, event := range found {
			if unrecorded := event.ErrorClass == "ended_unrecorded"; unrecorded == e.closed && (unrecorded || e.unrecorded) {
				broken = append(broken, fmt.Sprintf("commands: %s ended so that closed is %v, and is told of as %q, exit code %d", e.process, e.closed, event.ErrorClass, event.ExitCode))
			}
		}
	}
	return broken
}

// lossesAreCounted: of what Track returned from and no no erased, whatever did not arrive is
// counted. Of what commands in CI keep in memory docs/explanation/exit.md says that it is not.
func (h *history) lossesAreCounted(o outcome, fromMemory bool) (broken []string) {
	if h.resets { // which begin the counters anew
		return nil
	}
	arrived := map[string]bool{}
	for _, r := range o.requests {
		if r.answer == taken || r.answer == lost {
			for _, event := range r.events {
				arrived[event.Metadata[callKey]] = true
			}
		}
	}
	var missing []string
	for key, e := range h.events {
		if fromMemory && slices.Contains(e.env, inCI) {
			continue
		}
		if h.lasting(e) && !arrived[key] && o.logged[key] == 0 {
			missing = append(missing, fmt.Sprintf("%s %q %q", key, e.env, e.end))
		}
	}
	if lost := o.status.TotalLost(); len(missing) > lost {
		slices.Sort(missing)
		broken = append(broken, fmt.Sprintf("uncounted: %d events did not arrive, and %v are counted as lost:\n\t%s", len(missing), o.status.Lost, strings.Join(missing[:min(len(missing), 12)], "\n\t")))
	}
	return broken
}
