//go:build linux || darwin

package telemetrycmd

import (
	"encoding/json"

	"github.com/gotoolbase/telemetry/internal/screen"
)

// looks holds what inspect, log and receipts say to what is so.
func (w *world) looks() {
	w.env["NO_COLOR"] = "1"
	defer delete(w.env, "NO_COLOR")
	w.looksAtWaiting()
	w.looksAtNext()
	w.looksAtLog()
	w.looksAtDecisions()
}

// mayGo reports whether what was recorded to be sent goes out, but for a wait.
func (w *world) mayGo() bool { return w.said == "yes" }

func (w *world) looksAtWaiting() {
	out := w.onTerminal(80, "inspect")
	n := w.waiting()
	w.says(out, "Nothing waits.", n == 0)
	w.says(out, "Telemetry of mytool is off.", n == 0 && !w.on())
	asked := w.now.Before(w.askedUntil)
	w.says(out, "with the next upload:", w.remote > 0 && w.mayGo() && !asked)
	w.says(out, "not before ", w.remote > 0 && w.mayGo() && asked)
	w.says(out, "recorded to be sent, and now everything stays on this machine", w.remote > 0 && w.said == "local")
	w.says(out, "Stays on this machine:", w.local > 0)
	w.says(out, "Held by", false)
	w.says(out, "Never sent", false)
	w.says(out, "\nMachine ID: ", n > 0)
	w.says(out, "\nContext: ", n > 0)
	w.says(out, "\n"+screen.Count(n, "event", "events")+". With every field", n > 0)
}

func (w *world) looksAtNext() {
	out := w.onTerminal(80, "inspect", "--next")
	asked := w.now.Before(w.askedUntil)
	goes := w.mayGo() && w.remote > 0 && !asked
	w.says(out, "POST http://", goes)
	w.says(out, "nobody has said yes", w.said == "")
	w.says(out, "telemetry is off", w.said == "no")
	tries := w.mayGo() || w.said == "local" && w.beyond // what is asked for again keeps nothing from going
	w.says(out, "nothing waits", tries && !asked && w.waiting() == 0)
	w.says(out, "after the last answer, the receiver is not called yet", tries && asked)
}

func (w *world) looksAtLog() {
	var log struct{ Deliveries []struct{ N int } }
	if err := json.Unmarshal([]byte(w.must("telemetry", "log", "--output", "json")), &log); err != nil {
		w.fail("%v", err)
	}
	want := len(w.sent()) - w.forgotten
	if len(log.Deliveries) != want {
		w.fail("the log has %d requests, of %d", len(log.Deliveries), want)
	}
	out := w.onTerminal(80, "log")
	w.says(out, "Nothing is in the log.", want == 0)
	w.says(out, "What stayed on this machine is in", want == 0 && w.stayed > 0)
	w.says(out, "One of them whole", want > 0)
	w.says(out, "not known", false)
	w.says(out, "not as it was written", false)
	w.says(out, "could not be written", w.gaps > 0)
	w.says(w.must("telemetry", "log", "--verify"), "as it was written", want > 0)
}

func (w *world) looksAtDecisions() {
	var all struct {
		Decisions []struct {
			Decided string
			More    []string `json:"more_now"`
		}
	}
	if err := json.Unmarshal([]byte(w.must("telemetry", "receipts", "--output", "json")), &all); err != nil {
		w.fail("%v", err)
	}
	if len(all.Decisions) != w.decided {
		w.fail("%d decisions are told, of %d", len(all.Decisions), w.decided)
	}
	out := w.onTerminal(80, "receipts")
	w.says(out, "Nothing was decided yet.", w.decided == 0)
	w.says(out, "nothing more is known", false)
	w.says(out, "not as it was written", false)
	if w.decided == 0 {
		return
	}
	last := all.Decisions[w.decided-1]
	if last.Decided != w.said {
		w.fail("the last decision is %q, told as %q", w.said, last.Decided)
	}
	if wider := w.said != "no" && w.wide && !w.yesWide; wider != (len(last.More) > 0) && w.said != "no" {
		w.fail("more is sent than was said: %v, told %q", wider, last.More)
	}
}

// looksHeld holds inspect to what is so while nothing is sent.
func (w *world) looksHeld() {
	out := w.onTerminal(80, "inspect")
	w.says(out, "with the next upload:", false)
	w.says(out, "Not sent now (", w.remote > 0)
}
