package telemetrycmd

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// world is what is true of an installation, kept by hand beside it: no sentence that a
// command prints may say otherwise.
type world struct {
	*home
	script []string

	said      string // "", "yes", "local", "no"
	beyond    bool   // the tool declares more than the yes was to
	wide      bool   // extended collection, now
	yesWide   bool   // and when the yes was said
	server    string // how the server answers
	remote    int    // events that wait to be sent
	local     int    // events that wait for the log on this machine
	delivered int    // since the last reset
	stayed    int    // since the last reset
	logged    bool   // the log on this machine exists
	sentUnder bool   // something was sent under the present identity
	requests  int    // deletion requests that were made
	forgotten int    // requests that reached the server before the last reset
	decided   int    // answers since the last reset

	askedUntil time.Time      // the server asked not to be called before
	failures   int            // attempts in a row
	refusal    bool           // events were refused, and none were delivered since
	lost       map[string]int // since the last reset, by reason
	fresh      map[string]int // those of lost that no delivery has looked at
	reported   map[string]int // those of lost that the server was told of
	stuck      bool           // a background process was started and never began
	unnoted    int            // of delivered, what no process could note
	gaps       int            // requests that could not be written into the log

	seen tally // guarded by mu
}

func (w *world) say(step string) { w.script = append(w.script, step) }

// fail reports a sentence that is not true, with the way to it.
func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Errorf("%s\nafter %s\nwhile %+v", fmt.Sprintf(format, args...), strings.Join(w.script, ", "),
		struct {
			said, server                     string
			beyond                           bool
			remote, local, delivered, stayed int
			logged, sentUnder                bool
			lost, fresh, reported            map[string]int
			failures                         int
			now, askedUntil                  time.Time
		}{w.said, w.server, w.beyond, w.remote, w.local, w.delivered, w.stayed, w.logged, w.sentUnder,
			w.lost, w.fresh, w.reported, w.failures, w.now, w.askedUntil})
}

// says checks that a text is printed if and only if it is true.
func (w *world) says(output, text string, is bool) {
	w.t.Helper()
	if strings.Contains(output, text) != is {
		w.fail("%q is said: %v, is so: %v, in\n%s", text, !is, is, output)
	}
}

var numbers = regexp.MustCompile(`\d+`)

// number returns the first number after a label, -1 if the label is not there.
func number(output, label string) int {
	_, rest, found := strings.Cut(output, label)
	if !found {
		return -1
	}
	n, _ := strconv.Atoi(numbers.FindString(rest))
	return n
}

func (w *world) on() bool { return (w.said == "yes" || w.said == "local") && !w.beyond }

// waiting is all that the queue holds.
func (w *world) waiting() int { return w.remote + w.local }

func (w *world) record() {
	n := 1 + len(w.script)%3
	w.say(fmt.Sprintf("record %d", n))
	c, err := core.Open(w.tool, w.core()...)
	if err != nil {
		w.t.Fatal(err)
	}
	if c.Enabled() != w.on() {
		w.fail("the collector records: %v", c.Enabled())
	}
	for range n {
		c.TrackCommand("build", 1, 0, nil)
	}
	_ = c.Flush(cancelled()) // gives the slot back, sends nothing
	switch {
	case !w.on():
		return
	case w.said == "local":
		w.local += n
	default:
		w.remote += n
	}
	if w.now.Before(w.askedUntil) {
		return
	}
	w.unnoted = 0
	if w.said == "yes" { // the flush sends nothing, and takes note of losses all the same
		w.remote += len(w.fresh)
	}
	w.fresh = map[string]int{}
}

func (w *world) enable(local bool) {
	args := []string{"telemetry", "enable"}
	if local {
		args = append(args, "--local")
	}
	w.say(strings.Join(args[1:], " "))
	out := w.must(args...)
	w.said, w.beyond, w.yesWide = "yes", false, w.wide
	w.decided++
	if local {
		w.said = "local"
	}
	w.says(out, "is on. Thank you", w.said == "yes")
	w.says(out, "and stays on this machine", w.said == "local")
	w.says(out, "events.ndjson", w.said == "local")
	w.says(out, "It is sent to", w.said == "yes")
}

func (w *world) disable() {
	w.say("disable")
	out := w.must("telemetry", "disable")
	w.says(out, "is off", true)
	w.says(out, "Nothing was waiting", w.waiting() == 0)
	w.says(out, "The event that was waiting to be sent is erased", w.waiting() == 1)
	if w.waiting() > 1 && number(out, "The ") != w.waiting() {
		w.fail("%d events were erased, of %d, in\n%s", number(out, "The "), w.waiting(), out)
	}
	w.says(out, "What was sent before stays with the receiver", w.delivered > 0)
	w.says(out, "What an upload that failed brought", w.delivered == 0 && w.sentUnder)
	w.says(out, "What stayed on this machine", w.logged)
	w.said, w.beyond, w.remote, w.local = "no", false, 0, 0
	w.decided++
}

// works reports whether the server takes events.
func (w *world) works() bool { return w.server == takes || w.server == takesMost }

func (w *world) flush() {
	w.say("flush")
	may := w.on() || w.beyond && w.said != "no"
	runs := may && !w.now.Before(w.askedUntil)
	tries := runs && w.said == "yes" && w.remote > 0
	fails := !runs || tries && !w.works() || w.said == "local" && w.remote > 0
	stay := 0
	if runs {
		stay = w.local
	}
	out, errs, code := w.run("telemetry", "flush")
	seen := w.watched()
	if total := seen.accepted + seen.rejected + seen.reportsRejected; tries && w.works() && total != w.remote {
		w.fail("the server saw %d events, of %d, in\n%s%s", total, w.remote, out, errs)
	}
	lost := seen.rejected
	if runs {
		lost += sum(w.fresh)
	}
	for label, want := range map[string]int{"Sent ": seen.accepted, "Put ": stay, "Lost ": lost} {
		if got := max(number(out, label), 0); got != want {
			w.fail("flush says %s%d, it is %d, in\n%s%s", label, got, want, out, errs)
		}
	}
	idle := runs && !w.on() && w.waiting() == 0 && lost == 0 && seen.accepted+seen.reportsRejected == 0 // nothing of an earlier yes either
	fails = fails || idle
	w.says(errs, "telemetry is off", !may || idle)
	w.says(errs, "after the last answer, the receiver is not called yet", may && !runs)
	if (code != 0) != fails {
		w.fail("flush ends with %d, fails: %v, in\n%s%s", code, fails, out, errs)
	}
	w.says(out, "Nothing was waiting", runs && !idle && w.waiting() == 0 && lost == 0)
	if runs {
		w.flushed(seen, tries, stay)
	}
}

// flushed is what a delivery leaves.
func (w *world) flushed(seen tally, tries bool, stay int) {
	reports := len(seen.rejectedUnder)
	if w.said == "yes" && (w.on() || tries) {
		reports += len(w.fresh) // of those that nobody can be told of, nothing is queued
	}
	w.fresh, w.unnoted = map[string]int{}, 0
	w.lost["refused"] += seen.rejected
	for reason, n := range seen.reported {
		w.reported[reason] += n
	}
	if tries {
		w.sentUnder, w.askedUntil = true, time.Time{}
		w.failures++
		if w.server == throttles {
			w.askedUntil = w.now.Add(askedSeconds * time.Second)
		}
		if w.works() {
			w.failures, w.remote = 0, 0
		}
	}
	switch {
	case seen.rejected+seen.reportsRejected > 0:
		w.refusal = true
	case seen.events > 0:
		w.refusal = false
	}
	w.remote, w.local = w.remote+reports, w.local-stay
	w.delivered, w.stayed = w.delivered+seen.accepted, w.stayed+stay
	w.logged = w.logged || stay > 0
}

func sum(counts map[string]int) (n int) {
	for _, count := range counts {
		n += count
	}
	return n
}

// lose counts losses as commands do that have a reason for them.
func (w *world) lose() {
	reasons := []string{"queue_full", "expired", "unreadable", "unconfirmed", "unwritten", "invalid", "undeclared", "withdrawn"}
	reason := reasons[len(w.script)%len(reasons)]
	if w.said == "" {
		return // there is no directory yet
	}
	w.say("lose 2: " + reason)
	w.fresh[reason] += 2
	w.lost[reason] += 2
	w.setTime("losses-"+reason, time.Unix(int64(w.fresh[reason]), 0))
}

// unnote delivers events whose delivery cannot be noted or logged, as on a full disk.
func (w *world) unnote() {
	if w.delivered == 0 || w.unnoted > 0 {
		return
	}
	w.say("deliver 2 that cannot be noted")
	w.setTime("delivery", time.Unix(-2, 0))
	w.delivered, w.unnoted = w.delivered+2, 2
	if w.gaps == 0 {
		w.gaps = 1
		w.setTime("sent.gaps", time.Unix(1, 0))
	}
}

// distrust looks at a directory that others may write to, and at such files of the queue.
func (w *world) distrust() {
	if w.said == "" || runtime.GOOS == "windows" {
		return
	}
	w.say("others may write to the directory")
	w.chmod(0o777, w.dir)
	out := w.must("telemetry", "status")
	for _, label := range []string{"Waiting", "Delivered", "Machine ID", "Deletion request"} {
		w.says(out, label+": not known", true)
	}
	w.says(out, "Decided by: your answer (not known, which counts as no: ", true)
	w.says(out, "To mend it: ", true)
	out, errs, _ := w.run("telemetry", "flush")
	w.says(out+errs, "what waits is not known", true)
	w.says(out+errs, "othing wait", false)
	out, errs, _ = w.run("telemetry", "reset", "--status")
	w.says(out+errs, "not every deletion request can be looked at", true)
	w.says(out+errs, "There is no deletion request", false)
	w.chmod(0o700, w.dir)

	files, _ := filepath.Glob(filepath.Join(w.dir, "queue", "*.events2"))
	w.say("others may write to the queue's files")
	w.chmod(0o666, files...)
	out = w.must("telemetry", "status")
	if got := number(out, "Waiting: "); got != w.waiting() {
		w.fail("status says that %d wait, of %d, in\n%s", got, w.waiting(), out)
	}
	w.says(out, "of the queue that others may write to", w.waiting() > 0)
	w.chmod(0o600, files...)
}

func (w *world) chmod(mode os.FileMode, paths ...string) {
	for _, path := range paths {
		if err := os.Chmod(path, mode); err != nil {
			w.t.Fatal(err)
		}
	}
}

// partly looks at status where the queue takes events and nothing else can be stored, and holds
// it to what a command then does.
func (w *world) partly() {
	if w.said == "" || w.waiting() == 0 || !w.readOnlyButQueue() {
		return
	}
	w.say("a directory of which only the queue can be written to")
	out := w.must("telemetry", "status")
	w.says(out, "but not everything may be stored", w.on())
	w.says(out, "something is wrong", false)
	w.says(out, "Delivered: at least ", w.on())
	w.writable()
}

// start starts a background process that never begins.
func (w *world) start() {
	if w.said == "" {
		return
	}
	w.say("start a background process that never begins")
	w.stuck = true
	w.setTime("background-started", w.now.Add(-2*time.Minute))
}

// surroundings looks at status where something else than the person has a say, for a moment.
func (w *world) surroundings() {
	policy := filepath.Join(filepath.Dir(w.dir), "policy")
	look := func(what, decider string, state string, held string) {
		w.say(what)
		out := w.must("telemetry", "status")
		w.says(out, "Decided by: "+decider, decider != "")
		if state != "" {
			w.says(out, "Telemetry of mytool: "+state+"\n", true)
		}
		n := w.waiting()
		if held == "because now everything stays on this machine" {
			n = w.remote
		}
		w.says(out, held, held != "" && n > 0)
		if held != "" {
			w.looksHeld()
		}
		if n > 0 && held != "" && number(out, "Not sent: ") != n {
			w.fail("%d events are held, of %d, in\n%s", number(out, "Not sent: "), n, out)
		}
	}
	const off, here = "because telemetry is off", "because now everything stays on this machine"
	switch len(w.script) % 5 {
	case 0:
		w.env["DO_NOT_TRACK"] = "1"
		look("with DO_NOT_TRACK", "DO_NOT_TRACK (set)", "off", off)
	case 1:
		w.env["MYTOOL_TELEMETRY"] = "off"
		look("with MYTOOL_TELEMETRY=off", "MYTOOL_TELEMETRY (set to no)", "off", off)
	case 2:
		if err := os.WriteFile(policy, []byte("off\n"), 0o644); err != nil {
			w.t.Fatal(err)
		}
		look("with a policy", "the administrator's policy", "off", off)
	case 3:
		if !w.on() {
			return
		}
		w.env["TELEMETRY_LOCAL"] = "1"
		look("with TELEMETRY_LOCAL", "your answer", "on, this machine only", here)
	case 4:
		if w.said == "no" {
			return
		}
		w.env["MYTOOL_TELEMETRY"] = "on"
		w.say("with MYTOOL_TELEMETRY=on")
		out := w.must("telemetry", "status")
		w.says(out, "Telemetry of mytool: on", true)
		w.says(out, "Decided by: MYTOOL_TELEMETRY (set to yes)", true)
	}
	delete(w.env, "DO_NOT_TRACK")
	delete(w.env, "MYTOOL_TELEMETRY")
	delete(w.env, "TELEMETRY_LOCAL")
	_ = os.Remove(policy)
}

// older looks at status as a version of the tool does that sends elsewhere.
func (w *world) older() {
	if w.said != "yes" || w.beyond {
		return
	}
	w.say("a version that sends elsewhere")
	own := w.tool.Telemetry.Endpoint
	w.tool.Telemetry.Endpoint = "http://127.0.0.1:9"
	out := w.must("telemetry", "status")
	w.tool.Telemetry.Endpoint = own
	w.says(out, "what you said yes to has changed", true)
	w.says(out, "recorded for http (127.0.0.1:", w.remote > 0)
	if w.remote > 0 && number(out, "Not sent: ") != w.remote {
		w.fail("%d events are held, of %d, in\n%s", number(out, "Not sent: "), w.remote, out)
	}
}

// wrong looks at status of a version that its author has made a mistake in.
func (w *world) wrong() {
	w.say("a version with a mistake")
	w.tool.Telemetry.Backend, w.env["MYTOOL_TELEMETRY"] = "nosuch", "on"
	out, _, _ := w.run("telemetry", "status")
	w.tool.Telemetry.Backend = ""
	delete(w.env, "MYTOOL_TELEMETRY")
	w.says(out, "Not recorded: Telemetry.Backend", w.said != "no")
	w.says(out, "mytool itself works all the same", w.said != "no")
}

// full looks at status where the disk takes nothing, once for commands that leave the sending to
// a background process, and once for those that send by themselves.
func (w *world) full() {
	if w.said == "" || !w.readOnly() {
		return
	}
	w.say("a directory that cannot be written to")
	for _, ci := range []string{"", "1"} {
		w.env["CI"] = ci
		out := w.must("telemetry", "status")
		alone := ci != "" || strings.Contains(out, "Not stored")
		w.says(out, "nothing can be stored in the state directory", w.on())
		w.says(out, "on, but nothing can be stored", w.on() && w.said == "yes" && alone)
		w.says(out, "off (allowed, but something is wrong)", w.on() && (w.said == "local" || !alone))
		w.says(out, "mytool itself works all the same", w.on())
	}
	delete(w.env, "CI")
	w.writable()
}

func (w *world) reset() {
	w.say("reset")
	asks, before := w.sentUnder, len(w.sent())
	out, errs, _ := w.run("telemetry", "reset", "--yes")
	w.says(out, "Nothing to reset", w.said == "")
	if w.said == "" {
		return
	}
	w.says(out, "is off", true)
	w.says(out, "Nothing was waiting", w.waiting() == 0)
	handed := strings.Contains(out, "was handed over to")
	if asks && !handed && !strings.Contains(out, "NOT handed over") && !strings.Contains(out, "REFUSED") {
		w.fail("nobody was asked to delete what was sent, in\n%s%s", out, errs)
	}
	if !asks {
		w.says(out, "Nothing is stored here under which anything was sent", w.requests == 0)
		w.says(out, "nothing was ever sent", false)
	}
	if asks {
		w.requests++
	}
	w.said, w.beyond, w.remote, w.local, w.delivered, w.stayed, w.logged, w.sentUnder = "no", false, 0, 0, 0, 0, false, false
	w.forgotten, w.decided = before, 1
	w.begin()
}

// begin is what no reset leaves anything of.
func (w *world) begin() {
	w.failures, w.askedUntil, w.refusal, w.stuck = 0, time.Time{}, false, false
	w.unnoted, w.gaps = 0, 0
	w.lost, w.fresh, w.reported = map[string]int{}, map[string]int{}, map[string]int{}
	w.watched()
}

func (w *world) status() {
	out := w.must("telemetry", "status")
	for label, want := range map[string]int{"Waiting: ": w.waiting(), "Delivered: ": w.delivered} {
		if got := number(out, label); got != want {
			w.fail("status says %s%d, it is %d, in\n%s", label, got, want, out)
		}
	}
	w.says(out, "Kept here: "+screen.Count(w.stayed, "event", "events")+", in", w.logged || w.said == "local")
	w.says(out, "Telemetry of mytool: on\n", w.on() && w.said == "yes")
	w.says(out, "on, this machine only", w.on() && w.said == "local")
	w.says(out, "what you said yes to has changed", w.beyond)
	w.says(out, "not asked yet", w.said == "")
	for reason, words := range lossWords {
		w.says(out, fmt.Sprintf("%d %s (%d reported)", w.lost[reason], words, w.reported[reason]), w.lost[reason] > 0)
		w.says(out, words, w.lost[reason] > 0)
	}
	if got := max(number(out, "Lost: "), 0); got != sum(w.lost) {
		w.fail("status says that %d are lost, of %d, in\n%s", got, sum(w.lost), out)
	}
	w.says(out, "Last refusal: ", w.refusal)
	w.says(out, "Last attempt: ", w.failures > 0)
	w.says(out, "failed: http backend: ", w.failures > 0)
	n := max(number(out, "Attempts: "), 0)
	if want := w.failures; n != want && (want != 1 || w.delivered == 0 || n != 0) {
		w.fail("status says that %d attempts failed, of %d, in\n%s", n, want, out)
	}
	w.says(out, "nothing was delivered yet", w.failures > 0 && w.delivered == 0)
	w.says(out, "Paused: what waits is not sent before", w.now.Before(w.askedUntil))
	w.says(out, "of them were is not noted", w.unnoted > 0)
	w.says(out, "could not be written into the log", w.gaps > 0)
	w.says(out, "at least", false)
	w.says(out, "Background: the background process that was to send events", w.stuck)
	w.says(out, "Which means: ", w.delivered > 0)
	w.says(out, "What is wrong: ", false)
	w.says(out, "The clock", false)
	w.says(out, "Deletion request: ", w.requests > 0)
}

// lossWords are a copy on purpose: made from the table that is printed from it could not tell
// that a sentence is false.
var lossWords = map[string]string{
	"queue_full": "as the oldest when the queue was full", "expired": "too old", "unreadable": "damaged on disk",
	"refused": "refused by the receiver for good", "unconfirmed": "given up after one attempt",
	"unwritten": "not taken by the disk, or not in time", "invalid": "without a type",
	"undeclared": "of a type that the tool does not declare", "withdrawn": "recorded before a no",
}

// widen lets the next version of the tool collect more, or less again.
func (w *world) widen() {
	w.wide = !w.wide
	w.say(fmt.Sprintf("extended collection: %v", w.wide))
	w.tool.Telemetry.ExtendedCollection = w.wide
	w.beyond = (w.said == "yes" || w.said == "local") && w.wide && !w.yesWide
}

// TestNoSentenceIsFalseWhateverHappened walks at random. TELEMETRY_WALK=seed repeats a walk.
func TestNoSentenceIsFalseWhateverHappened(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if again, err := strconv.ParseUint(os.Getenv("TELEMETRY_WALK"), 10, 64); err == nil {
		seed = again
	}
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	o := newOutputs(t)
	modes := []string{takes, takesMost, failing, throttles, redirects, isASite}
	walks := 12 // a few seconds
	if testing.Short() {
		walks = 2 // one of each kind
	}
	for walk := range walks {
		w := &world{home: newHome(t)}
		w.begin()
		w.mode(takes)
		w.tool.Telemetry.MetadataKeys = []string{}
		w.tool.Telemetry.UploadInterval = time.Nanosecond
		serve := func() {
			how := modes[random.IntN(len(modes))]
			w.say("the server " + how)
			w.mode(how)
		}
		yes := func() { w.enable(false) }
		steps := []func(){
			w.record, w.record, w.record, w.record, w.flush, w.flush, w.flush, w.flush, w.flush, serve, serve, serve,
			yes, yes, yes, func() { w.enable(true) }, w.disable, w.reset, w.widen,
			w.lose, w.lose, w.start, w.surroundings, w.older, w.wrong, w.full, w.unnote, w.distrust, w.partly,
		}
		if walk%2 == 0 { // most that can be said is about somebody who said yes, and whose events arrive
			yes()
			w.record()
			w.flush()
		}
		for i := range 50 {
			w.now = w.now.Add(time.Minute)
			steps[random.IntN(len(steps))]()
			w.status()
			if i%2 == 0 {
				w.looks()
			}
			if i%4 == 0 {
				o.run(w.home, "status", "--explain")
			}
			if t.Failed() {
				return
			}
		}
	}
}
