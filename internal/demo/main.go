// Demo shows what telemetry does, with a real tool, a real terminal and a server on
// this machine. Run it with `make demo` from the root of the module. With the argument
// "deletion", `make demo-deletion`, it shows the way of a reset to a vendor and back, and with
// "gateway", `make demo-gateway`, the way of an event through an operator's gateway.
//
// Every line with a tick is a claim that was tested just before it was printed. The
// first one that does not hold ends the demonstration with exit code 1.
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// deadline is for anything that is waited for. It is only reached when something is
	// wrong.
	deadline = 30 * time.Second
	// user and secretName must not leave the machine.
	user       = "jo-demo-user"
	secretName = "private-letter.txt"
	counted    = " 3  7 35 " + secretName + "\n"
	// promptEnd is what the question ends in.
	promptEnd = "[y/N]"
)

func main() {
	keep := flag.Bool("keep", false, "keep the files, for a look at them")
	flag.Parse()
	tell := run
	switch flag.Arg(0) {
	case "deletion":
		tell = runDeletion
	case "gateway":
		tell = runGateway
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := telling(ctx, *keep, tell); err != nil {
		fmt.Fprintf(os.Stderr, "\ndemo: %v\n", err)
		os.Exit(1)
	}
}

// demo is the story's cast.
type demo struct {
	*story
	ctx    context.Context
	tool   *tool
	intake *intake
	file   string // of the intake
	state  string // the tool's state directory
	// delivered has every event that was answered for, cutOff those that were taken in
	// without an answer, by ID.
	delivered, cutOff map[string]event
}

// telling tells a story, which has a directory of its own.
func telling(ctx context.Context, keep bool, tell func(ctx context.Context, dir string)) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case broken:
			err = r.error
		default:
			panic(r)
		}
	}()
	dir := got(os.MkdirTemp("", "telemetry-demo-"))
	if keep {
		defer fmt.Printf("\nThe files are in %s\n", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	tell(ctx, dir)
	return nil
}

func run(ctx context.Context, dir string) {
	d := &demo{story: newStory(), ctx: ctx, file: filepath.Join(dir, "intake.ndjson"), delivered: map[string]event{}, cutOff: map[string]event{}}
	file := got(os.Create(d.file))
	defer file.Close()
	d.intake = newIntake(file)
	must(d.intake.up())
	defer d.intake.down() //nolint:errcheck // the end
	d.tool = got(build(ctx, dir, "examples/mytool", "-ldflags", "-X main.version=1.0.0 -X main.endpoint=http://"+d.intake.address+"/events"))
	must(os.WriteFile(filepath.Join(d.tool.dir, secretName), []byte("Dear Ada,\nthree lines,\nand a word.\n"), 0o600))

	d.silence()
	d.question()
	d.circumstances()
	d.accidents()
	d.away()
	d.withdrawal()
	d.again()
	d.here(dir)
	d.more(dir)
	d.unable(dir)
	d.deletion()
	d.sum()
}

// do runs a command, prints it, and returns what it did.
func (d *demo) do(args ...string) result {
	r := got(d.tool.run(d.ctx, args...))
	d.command("mytool "+strings.Join(args, " "), r.output())
	return r
}

// enable says yes. The notice that it prints has been seen before.
func (d *demo) enable() {
	r := got(d.tool.run(d.ctx, "telemetry", "enable"))
	first, _, _ := strings.Cut(r.output(), "\n")
	d.command("mytool telemetry enable", first+"\n…")
	d.claim(r.code == 0, "enable ends with exit code 0", r.output())
}

// arrived takes the requests that have reached the intake since the last look, and
// notes their events.
func (d *demo) arrived() []event {
	var events []event
	for _, a := range d.intake.rest() {
		d.note(a)
		events = append(events, a.events...)
	}
	return events
}

func (d *demo) note(a arrival) {
	for _, e := range a.events {
		if a.answered {
			d.delivered[e.ID] = e
		} else {
			d.cutOff[e.ID] = e
		}
	}
}

// flush sends what waits and returns what arrived.
func (d *demo) flush() []event {
	r := d.do("telemetry", "flush")
	d.claim(r.code == 0, "flush ends with exit code 0", r.code)
	return d.arrived()
}

func (d *demo) queued() []event { return got(queued(d.state)) }

func (d *demo) silence() {
	d.title("Nothing happens before a yes")
	d.say("A server on this machine waits at http://%s/events and writes what it receives to a file. "+
		"mytool was built to report there. Here it runs as in a script, without a terminal:", d.intake.address)
	r := d.do("count", secretName)
	d.claim(r.code == 0 && r.stdout == counted, "it counts 3 lines, 7 words and 35 bytes", r)
	d.claim(r.stderr == "", "it asks nothing and says nothing on stderr", r.stderr)
	left := got(files(d.tool.home))
	d.claim(len(left) == 0, "it leaves no file in the home directory, not even an empty one", left)
	d.claim(len(d.intake.rest()) == 0, "nothing was sent")
}

func (d *demo) question() {
	d.title("The question")
	d.say("The same on a terminal. The answer y is typed by this demonstration.")
	screen := got(d.tool.runOnTerminal(d.ctx, promptEnd, "y", "count", secretName))
	d.command("mytool count "+secretName, screen)
	d.claim(strings.HasSuffix(screen, counted), "after the answer it does what it was started for", screen)
	a := got(d.intake.next(d.ctx))
	d.note(a)
	d.claim(len(a.events) == 1 && a.events[0].Type == "command.invocation" && a.events[0].Name == "count",
		"a background process has brought one event, while nobody waited for it", len(a.events))
	var s status
	must(poll("the background process had noted that it is done", func() (bool, error) {
		var err error
		s, err = d.tool.status(d.ctx)
		return s.Delivered == 1 && s.Queue.Events == 0, err
	}))
	d.state = s.StateDir
	d.claim(s.State == "on" && s.MachineID == a.events[0].MachineID, "status says that telemetry is on, under the ID that was sent", s)

	d.claim(a.events[0].Interactive && a.events[0].Agent == "", "the event says that a person at a terminal ran it", a.events[0])
	d.say("This is the whole request. Its body is %d bytes in one line, indented here:", len(a.body))
	request := a.method + " " + a.path + "\n"
	for _, name := range slices.Sorted(maps.Keys(a.header)) {
		request += name + ": " + strings.Join(a.header[name], ", ") + "\n"
	}
	d.show(request)
	d.json(a.body)
	extra := undocumented(got(fieldsOf(a.events[0].raw)))
	d.claim(len(extra) == 0, "it has no field that docs/reference/events.md does not list", extra)
	whole := request + string(a.body)
	for _, secret := range d.secrets() {
		d.claim(!strings.Contains(strings.ToLower(whole), strings.ToLower(secret.text)), "it does not hold "+secret.name+" ("+secret.text+")", whole)
	}
}

type secret struct{ name, text string }

// secrets are strings that are true of this machine. Those that are too short to be
// told from chance are left out.
func (d *demo) secrets() []secret {
	host, _ := os.Hostname()
	list := []secret{
		{"the argument", secretName},
		{"the user's name", user},
		{"the home directory", d.tool.home},
		{"the working directory", d.tool.dir},
		{"the host's name", host},
	}
	const tellable = 5
	return slices.DeleteFunc(list, func(s secret) bool { return len(s.text) < tellable })
}

// typed is what nobody may find in an event: as a flag's value, and in place of words that the
// tool has.
const typed = "typed-by-a-person"

// circumstances runs commands as a coding agent does, one of them right and two of them
// wrongly called.
func (d *demo) circumstances() {
	d.title("Who ran it, with which flags, and what went wrong")
	d.say("A coding agent says so by a variable. What is typed here is nowhere to be found in the events:")
	d.tool.env = append(d.tool.env, "CLAUDECODE=1", "MYTOOL_NOTE="+typed)
	for _, args := range [][]string{{"sleep", "1ms"}, {"fail", "--code=5"}, {"fail", "--" + typed + "=1"}, {typed}} {
		d.do(args...)
	}
	d.tool.env = d.tool.env[:len(d.tool.env)-2]
	arrived := d.flush()
	d.claim(len(arrived) == 4, "four events arrived, also of what the tool refused to run", len(arrived))
	want := map[string]string{ // by name and exit code
		"sleep 0": "", "fail 5": "other", "fail 2": "usage", "mytool 1": "usage",
	}
	runs := map[string]bool{}
	for _, e := range arrived {
		d.json(e.raw)
		class, known := want[fmt.Sprintf("%s %d", e.Name, *e.ExitCode)]
		d.claim(known && e.ErrorClass == class && e.Agent == "claude-code" && !e.Interactive,
			fmt.Sprintf("%s ended with %d, class %q, run by claude-code and not at a terminal", e.Name, *e.ExitCode, class), string(e.raw))
		d.claim(!strings.Contains(string(e.raw), typed), "nothing in it was typed by a person", string(e.raw))
		if *e.ExitCode == 5 {
			d.claim(slices.Equal(e.Flags, []string{"code"}), "the flag is named, without its value", e.Flags)
		}
		runs[e.RunID] = true
	}
	d.claim(len(runs) == 4 && !runs[""], "each run has an ID of its own")
}

func (d *demo) accidents() {
	d.title("A command that fails, and one that is killed")
	r := d.do("fail", "--code", "3")
	d.claim(r.code == 3, "the exit code is the command's own", r.code)
	d.claim(strings.Count(r.stderr, "\n") == 1, "stderr has the command's error and no line of ours", r.stderr)

	d.say("burst tracks events and prints a line after each. It is killed with SIGKILL in the middle.")
	b := got(d.tool.startBurst(d.ctx, "1000000", "--pause", "1ms"))
	must(b.await(25))
	must(b.kill())
	tracked := got(b.tracked())
	d.command("mytool burst 1000000 --pause 1ms", fmt.Sprintf("tracked 1\n…\ntracked %d\nKilled", tracked))

	s := got(d.tool.status(d.ctx))
	waiting := d.queued()
	d.claim(len(waiting)+1 == s.Queue.Events, "status counts what is in the files of the queue, and that burst came to no end", len(waiting), s.Queue.Events)
	// Track may have returned when the kill came before the line was printed.
	d.claim(len(waiting) == 1+tracked || len(waiting) == 2+tracked,
		fmt.Sprintf("%d events are in them: the failure, and each that burst has said is safe", len(waiting)), len(waiting), tracked)
	failed := slices.IndexFunc(waiting, func(e event) bool { return e.Name == "fail" })
	d.claim(failed >= 0 && waiting[failed].ExitCode != nil && *waiting[failed].ExitCode == 3, "the failure among them, with exit code 3")
	d.json(waiting[failed].raw)
	d.do("telemetry", "status")
	d.say("The next upload is not due yet, so the person sends them now:")
	arrived := d.flush()
	ended := slices.IndexFunc(arrived, func(e event) bool { return e.ErrorClass == "ended_unrecorded" })
	d.claim(ended >= 0 && arrived[ended].Name == "burst" && arrived[ended].ExitCode == nil,
		"one tells that burst began and came to no end that it could have told", arrived)
	d.json(arrived[ended].raw)
	arrived = slices.Delete(arrived, ended, ended+1)
	d.sameOnce(waiting, arrived, "beside it the same events arrived, each once")
	seen := map[string]bool{}
	for _, e := range arrived {
		if e.Name == "burst" {
			seen[e.Metadata["i"]] = true
		}
	}
	missing := 0
	for i := 1; i <= tracked; i++ {
		if !seen[fmt.Sprint(i)] {
			missing++
		}
	}
	d.claim(missing == 0, fmt.Sprintf("of the %d events of the killed command none is missing", tracked), missing)
	added := got(additions(waiting, arrived))
	d.claim(slices.Equal(added, []string{"consent_id", "machine_id", "os_version"}),
		"what arrived is what was queued, word for word, with consent_id, machine_id and os_version added", added)
}

// sameOnce claims that two lists have the same events, each of them once.
func (d *demo) sameOnce(want, have []event, statement string) {
	d.claim(slices.Equal(ids(want), ids(have)), statement, ids(want), ids(have))
}

func ids(events []event) []string {
	list := make([]string, len(events))
	for i, e := range events {
		list[i] = e.ID
	}
	slices.Sort(list)
	return list
}

func (d *demo) away() {
	d.title("The intake is away")
	must(d.intake.down())
	for _, args := range [][]string{{"count", secretName}, {"fail", "--code", "1"}, {"sleep", "1ms"}} {
		d.do(args...)
	}
	waiting := d.queued()
	d.claim(len(waiting) == 3, "the commands work as ever, and three events wait", len(waiting))
	r := d.do("telemetry", "flush")
	d.claim(r.code != 0, "flush says that it could not send them", r.code)
	d.sameOnce(waiting, d.queued(), "they still wait")

	d.say("It comes back, but is cut off when it has taken the events in and before it has answered:")
	must(d.intake.up())
	d.intake.setCutOff(true)
	r = d.do("telemetry", "flush")
	d.claim(r.code != 0, "flush does not say that they were delivered: it cannot know", r.code)
	d.sameOnce(waiting, d.arrived(), "the intake has them")
	d.sameOnce(waiting, d.queued(), "they wait nevertheless")

	d.say("Now it answers:")
	d.intake.setCutOff(false)
	arrived := d.flush()
	d.sameOnce(waiting, arrived, "they have arrived, with the IDs that they were recorded with:")
	for _, e := range arrived {
		d.show(fmt.Sprintf("%s  %s %s", e.ID, e.Type, e.Name))
	}
	d.claim(len(d.queued()) == 0, "nothing waits any more")
}

func (d *demo) withdrawal() {
	d.title("A change of mind")
	d.say("A burst is running when telemetry is turned off elsewhere:")
	b := got(d.tool.startBurst(d.ctx, "1000000", "--pause", "1ms"))
	defer b.kill() //nolint:errcheck // where a claim before the end did not hold
	must(b.await(10))
	before := d.queued()
	d.claim(len(before) >= 10, "its events wait in the queue", len(before))
	r := d.do("telemetry", "disable")
	d.claim(r.code == 0, "disable ends with exit code 0", r.code)
	at := got(b.tracked())
	must(b.await(at + 50))
	d.claim(len(d.queued()) == 0, fmt.Sprintf("what waited is erased, and nothing was added while burst went on from %d to %d",
		at, got(b.tracked())), len(d.queued()))
	must(b.kill())
	d.claim(len(d.queued()) == 0, "nor when it had ended", len(d.queued()))
	d.do("count", secretName)
	d.do("telemetry", "flush")
	d.claim(len(d.queued()) == 0 && len(d.arrived()) == 0, "later commands record nothing, and nothing was sent")
}

func (d *demo) again() {
	d.title("Yes again")
	d.enable()
	d.do("count", secretName)
	waiting := d.queued()
	arrived := d.flush()
	d.sameOnce(waiting, arrived, "what is recorded from now on arrives")
	d.claim(len(arrived) == 1 && arrived[0].Name == "count", "and nothing from before: the burst stays erased", len(arrived))
}

func (d *demo) here(dir string) {
	d.title("For this machine only")
	d.say("One command runs with TELEMETRY_LOCAL=1 and is killed before it can do anything with its events:")
	local := *d.tool
	local.env = append(slices.Clone(local.env), "TELEMETRY_LOCAL=1")
	b := got(local.startBurst(d.ctx, "1000000", "--pause", "1ms"))
	must(b.await(5))
	must(b.kill())
	waiting := d.queued()
	d.claim(len(waiting) >= 5, fmt.Sprintf("%d events wait", len(waiting)), len(waiting))
	arrived := d.flush() // of a process without the variable
	d.claim(len(arrived) == 0, "nothing of them was sent, though telemetry is on for everything else", len(arrived))
	log := got(os.ReadFile(filepath.Join(d.state, "local", "events.ndjson")))
	d.claim(strings.Count(string(log), "\n") == len(waiting)+1, "they are in the log on this machine, and that burst was killed", string(log))
}

func (d *demo) more(dir string) {
	d.title("A tool that asks for more")
	d.say("A new version of mytool reports to another receiver. The yes was not to that:")
	other := newIntake(got(os.Create(filepath.Join(dir, "other.ndjson"))))
	must(other.up())
	defer other.down() //nolint:errcheck // the end
	sub := filepath.Join(dir, "next")
	must(os.Mkdir(sub, 0o700))
	next := got(build(d.ctx, sub, "examples/mytool", "-ldflags", "-X main.version=2.0.0 -X main.endpoint=http://"+other.address+"/events"))
	next.env, next.dir = d.tool.env, d.tool.dir
	r := got(next.run(d.ctx, "count", secretName))
	s := got(next.status(d.ctx))
	d.claim(r.code == 0 && s.State == "undecided" && len(d.queued()) == 0, "it records nothing before it has asked", s)
	screen := got(next.runOnTerminal(d.ctx, promptEnd, "n", "count", secretName))
	asked, _, _ := strings.Cut(screen, "Each report holds")
	d.command("mytool count "+secretName, strings.TrimSpace(asked)+"\n…")
	d.claim(strings.Contains(screen, "New since then") && strings.Contains(screen, other.address), "it says what is new", screen)
	d.claim(len(other.rest()) == 0 && len(d.arrived()) == 0, "after a no nothing went anywhere")
	d.enable() // the old version again
}

func (d *demo) unable(dir string) {
	d.title("When nothing can be sent in the background")
	d.say("The program file is gone before the command ends, so no background process can be started:")
	gone := *d.tool
	gone.exe = filepath.Join(dir, "gone.exe")
	must(os.WriteFile(gone.exe, got(os.ReadFile(d.tool.exe)), 0o700))
	must(os.RemoveAll(filepath.Join(d.state, "next-upload"))) // an upload is due
	b := got(gone.startBurst(d.ctx, "200", "--pause", "1ms"))
	must(b.await(1))
	must(os.Remove(gone.exe))
	must(b.cmd.Wait())
	r := d.do("telemetry", "status")
	d.claim(strings.Contains(r.stdout, "could not be started"), "status says so", r.output())
	d.claim(len(d.queued()) == 201, "and everything waits: the events of burst and that it ran", len(d.queued()))
	d.claim(len(d.flush()) == 201, "until it can be sent")
}

func (d *demo) deletion() {
	d.title("To be forgotten")
	before := got(d.tool.status(d.ctx))
	d.do("count", secretName)
	r := d.do("telemetry", "reset")
	d.claim(r.code == 0, "reset ends with exit code 0", r.code)
	requests := d.arrived()
	d.claim(len(requests) == 1 && requests[0].Type == "data.deletion_request" && requests[0].MachineID == before.MachineID,
		"the intake has been asked to delete what it has of "+before.MachineID, len(requests))
	d.json(requests[0].raw)
	d.claim(len(d.queued()) == 0, "the event that waited was erased unsent")
	after := got(d.tool.status(d.ctx))
	d.claim(after.State == "off" && after.MachineID == "", "telemetry is off, and the ID is gone", after)
	d.enable()
	renewed := got(d.tool.status(d.ctx))
	d.claim(renewed.MachineID != "" && renewed.MachineID != before.MachineID,
		"a later yes gets an ID that has nothing to do with the old one: "+renewed.MachineID, before.MachineID)
}

func (d *demo) sum() {
	d.title("The sum")
	times := got(d.intake.stored())
	wrong := 0
	for id, n := range times {
		want := 1
		if _, again := d.cutOff[id]; again {
			want = 2
		}
		if _, known := d.delivered[id]; !known || n != want {
			wrong++
		}
	}
	d.claim(wrong == 0 && len(times) == len(d.delivered), fmt.Sprintf("the intake's file holds %d events, each once but for the %d that came again "+
		"under the same ID when their answer was lost", len(times), len(d.cutOff)), wrong, len(times), len(d.delivered))
	fmt.Fprintf(d.out, "\n%s\n", d.paint(bold, fmt.Sprintf("All %d claims hold.", d.claims)))
}
