package conformance

import (
	"path/filepath"
	"slices"
	"time"
)

// ProgramChecks returns the checks that only backends which are programs have to pass.
// But for two they look at all processes of a run, so they are made last.
func ProgramChecks() []Check {
	lapses := func(kind lapse) func(*probe) {
		return func(p *probe) {
			for _, text := range p.subject.program.noted(kind) {
				p.failOnly("%s", text)
			}
		}
	}
	return dated([]Check{
		{ID: "program/ends-with-its-input", Level: Must,
			Sentence: "A program whose standard input ends, because whoever started it is gone, ends too.", do: endsWithInput},
		{ID: "program/nothing-in-the-background", Level: Must, slow: true,
			Sentence: "A program sends nothing once it has said what became of a batch, also after a failure, a deadline or a cancel.", do: nothingInBackground},
		{ID: "program/speaks-the-protocol", Level: Must,
			Sentence: "All that a program writes to standard output are lines of the protocol, an answer to each question and no other.", last: true, do: lapses(offProtocol)},
		{ID: "program/ends-when-told", Level: Must,
			Sentence: "A program that is told to close says so and ends, with exit code 0; one that said what is wrong with its settings ends by itself.", last: true, do: lapses(notEnded)},
		{ID: "program/does-not-end-before", Level: Must,
			Sentence: "A program does not end before it is told to, whatever the vendor answers and whatever an event holds.", last: true, do: lapses(endedEarly)},
		{ID: "program/quiet-on-stderr", Level: Must,
			Sentence: "Nothing is written to standard error, whatever the vendor answers.", last: true, do: lapses(onStderr)},
		{ID: "program/keeps-no-event", Level: Must,
			Sentence: "No file that a program leaves in its home, temporary or working directory holds an event.", last: true, do: lapses(leftEvent)},
		{ID: "program/leaves-no-file", Level: Should,
			Sentence: "A program leaves no file in its home, temporary or working directory.", last: true, do: lapses(leftFile)},
		{ID: "program/leaves-no-process", Level: Should,
			Sentence: "No process that a program started is there after it has ended.", last: true, do: lapses(leftProcess)},
	})
}

// checks are those that only a program has to pass.
func (p *program) checks() []Check {
	if p == nil {
		return nil
	}
	return ProgramChecks()
}

// wait waits until all processes are gone, and what they have left has been looked at.
func (p *program) wait() {
	if p != nil {
		p.running.Wait()
	}
}

func endsWithInput(p *probe) {
	opened, ok := p.open()
	if !ok {
		return
	}
	b := opened.(*process)
	p.send(b, p.batch(2))
	b.mu.Lock()
	b.told = true
	b.mu.Unlock()
	b.stdin.Close()
	if _, ended := within(b.ended, leaveTime()); !ended {
		p.failOnly("the program still ran %v after the end of its standard input", leaveTime())
		b.kill()
	}
}

func nothingInBackground(p *probe) {
	heard := func() int { return len(p.wire.asked()) + len(p.server.seen()) }
	known := 0
	look := func() {
		if n := heard() - known; n > 0 {
			p.failf("%d requests or connections were made after all batches had been answered for", n)
		}
	}
	for _, f := range backgroundFailures(true) {
		b, ok := p.open()
		if !ok {
			return
		}
		look()
		f(p, b)
		settles(p.quiet) // what was under way when the program gave up has arrived
		known = heard()
	}
	p.wire.dialServer()
	p.accept()
	time.Sleep(lingering())
	look()
}

// Why a check is not made on a program.
const (
	ofThisProcess = "the subject declares a program: what this is about lies in the memory of one process"
	isGone        = "the subject declares a program, which is gone after Close; program/ends-when-told looks at that"
	isKilled      = "the subject declares a program, which is killed if it does not end; program/ends-when-told looks at that"
	oneAtATime    = "the program declares no concurrent: it does not read while it sends, so it is killed when a send is cancelled"
)

// excuse says why a check is not made on the program, "" if it is.
func (p *program) excuse(c Check) string {
	switch {
	case p == nil:
		return ""
	case c.ID == "delivery/cancelled-during" && p.concurrent:
		return ""
	}
	if why, listed := notOfPrograms[c.ID]; listed {
		return why
	}
	if c.where == shipped && !slices.Contains(ofTheWay, c.ID) {
		return ofThisProcess
	}
	return ""
}

// ofTheWay are those of the checks as production runs a backend that ask nothing of the
// process which makes them.
var ofTheWay = []string{"delivery/http2", "privacy/through-the-proxy"}

// notOfPrograms are checks that are not made on a program, with the reasons.
var notOfPrograms = map[string]string{
	"delivery/batch-untouched":    ofThisProcess,
	"delivery/cancelled-during":   oneAtATime,
	"lifecycle/no-goroutine-left": ofThisProcess,
	"lifecycle/no-file-left-open": isGone,
	"lifecycle/config-copied":     ofThisProcess,
	"lifecycle/close-twice":       isGone,
	"lifecycle/send-after-close":  isGone,
	"lifecycle/close-during-send": isKilled,

	"lifecycle/nothing-in-the-background": "the subject declares a program: program/nothing-in-the-background looks at that",
}

// paths are what a program can know of this machine by its own arguments.
func (p *program) paths() []string {
	if p == nil {
		return nil
	}
	var list []string
	for _, argument := range p.command {
		if filepath.IsAbs(argument) {
			list = append(list, argument)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
