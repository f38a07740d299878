package telemetrycmd

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
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

	answer    string // "", "yes", "local", "no"
	beyond    bool   // the tool declares more than the yes was to
	wide      bool   // extended collection, now
	yesWide   bool   // and when the yes was said
	up        bool   // the server takes events
	remote    int    // events that wait to be sent
	local     int    // events that wait for the log on this machine
	delivered int    // since the last reset
	stayed    int    // since the last reset
	logged    bool   // the log on this machine exists
	sentUnder bool   // something was sent under the present identity
	requests  int    // deletion requests that were made
}

func (w *world) say(step string) { w.script = append(w.script, step) }

// fail reports a sentence that is not true, with the way to it.
func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Errorf("%s\nafter %s\nwhile %+v", fmt.Sprintf(format, args...), strings.Join(w.script, ", "),
		struct {
			answer                           string
			beyond, up                       bool
			remote, local, delivered, stayed int
			logged, sentUnder                bool
		}{w.answer, w.beyond, w.up, w.remote, w.local, w.delivered, w.stayed, w.logged, w.sentUnder})
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

func (w *world) on() bool { return (w.answer == "yes" || w.answer == "local") && !w.beyond }

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
	case w.answer == "local":
		w.local += n
	default:
		w.remote += n
	}
}

func (w *world) enable(local bool) {
	args := []string{"telemetry", "enable"}
	if local {
		args = append(args, "--local")
	}
	w.say(strings.Join(args[1:], " "))
	out := w.must(args...)
	w.answer, w.beyond, w.yesWide = "yes", false, w.wide
	if local {
		w.answer = "local"
	}
	w.says(out, "is on. Thank you", w.answer == "yes")
	w.says(out, "and stays on this machine", w.answer == "local")
	w.says(out, "events.ndjson", w.answer == "local")
	w.says(out, "It is sent to", w.answer == "yes")
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
	w.answer, w.beyond, w.remote, w.local = "no", false, 0, 0
}

func (w *world) flush() {
	w.say("flush")
	out, errs, code := w.run("telemetry", "flush")
	maySend := w.on() || w.beyond && w.answer != "no"
	sends := maySend && w.answer == "yes" && w.up
	sent := 0
	if sends {
		sent = w.remote
	}
	stay := 0
	if maySend {
		stay = w.local
	}
	if got := max(number(out, "Sent "), 0); got != sent {
		w.fail("%d events were sent, of %d, in\n%s%s", got, sent, out, errs)
	}
	if got := max(number(out, "Put "), 0); got != stay {
		w.fail("%d events were put into the log, of %d, in\n%s%s", got, stay, out, errs)
	}
	w.says(errs, "telemetry is off", !maySend)
	fails := !maySend || w.answer == "yes" && !w.up && w.remote > 0 || w.answer == "local" && w.remote > 0
	if (code != 0) != fails {
		w.fail("flush ends with %d, fails: %v, in\n%s%s", code, fails, out, errs)
	}
	w.says(out, "Nothing was waiting", maySend && w.waiting() == 0)
	w.remote, w.local = w.remote-sent, w.local-stay
	w.delivered, w.stayed = w.delivered+sent, w.stayed+stay
	w.sentUnder = w.sentUnder || sent > 0 || fails && maySend && w.answer == "yes"
	w.logged = w.logged || stay > 0
}

func (w *world) reset() {
	w.say("reset")
	asks := w.sentUnder
	out, errs, _ := w.run("telemetry", "reset", "--yes")
	w.says(out, "Nothing to reset", w.answer == "")
	if w.answer == "" {
		return
	}
	w.says(out, "is off", true)
	w.says(out, "Nothing was waiting", w.waiting() == 0)
	handed := strings.Contains(out, "was handed over to")
	if asks && !handed && !strings.Contains(out, "NOT handed over") {
		w.fail("nobody was asked to erase what was sent, in\n%s%s", out, errs)
	}
	if !asks {
		w.says(out, "Nothing is stored here under which anything was sent", w.requests == 0)
		w.says(out, "nothing was ever sent", false)
	}
	if asks {
		w.requests++
	}
	w.answer, w.beyond, w.remote, w.local, w.delivered, w.stayed, w.logged, w.sentUnder = "no", false, 0, 0, 0, 0, false, false
}

func (w *world) status() {
	out := w.must("telemetry", "status")
	for label, want := range map[string]int{"Waiting: ": w.waiting(), "Delivered: ": w.delivered} {
		if got := number(out, label); got != want {
			w.fail("status says %s%d, it is %d, in\n%s", label, got, want, out)
		}
	}
	w.says(out, "Kept here: "+screen.Count(w.stayed, "event", "events")+", in", w.logged || w.answer == "local")
	w.says(out, "Telemetry of mytool: on\n", w.on() && w.answer == "yes")
	w.says(out, "on, this machine only", w.on() && w.answer == "local")
	w.says(out, "what is collected has changed", w.beyond)
	w.says(out, "not asked yet", w.answer == "")
	w.says(out, "Lost", false)
}

// widen lets the next version of the tool collect more, or less again.
func (w *world) widen() {
	w.wide = !w.wide
	w.say(fmt.Sprintf("extended collection: %v", w.wide))
	w.tool.Telemetry.ExtendedCollection = w.wide
	w.beyond = (w.answer == "yes" || w.answer == "local") && w.wide && !w.yesWide
}

func TestNoSentenceIsFalseWhateverHappened(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 25 {
		w := &world{home: newHome(t), up: true}
		w.tool.Telemetry.MetadataKeys = []string{}
		w.tool.Telemetry.UploadInterval = time.Nanosecond
		steps := []func(){
			w.record, w.record, w.record, w.flush, w.flush, w.disable, w.reset, w.widen,
			func() { w.enable(false) }, func() { w.enable(false) }, func() { w.enable(true) },
			func() {
				w.up = !w.up
				w.say(fmt.Sprintf("server up: %v", w.up))
				if w.up {
					w.answers(http.StatusOK)
				} else {
					w.answers(http.StatusInternalServerError)
				}
			},
		}
		for range 30 {
			w.now = w.now.Add(time.Minute)
			steps[random.IntN(len(steps))]()
			w.status()
			if t.Failed() {
				return
			}
		}
	}
}
