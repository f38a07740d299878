package core

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/internal/identity"
	"github.com/gotoolbase/telemetry/core/internal/record"
	"github.com/gotoolbase/telemetry/internal/plaintext"
)

// debugVariable, set to "log", has a command print to stderr what it would record, whether
// telemetry is on or not, and record, store and send nothing. Any other value means nothing.
const debugVariable = "TELEMETRY_DEBUG"

// errDebug says that there is no slot, because events are shown in place of being recorded.
var errDebug = errors.New("what would be recorded is shown")

func (in *installation) debugs() bool {
	value, _ := in.lookup(debugVariable)
	return value == "log"
}

// Debugging reports whether the person looks at what would be recorded, with
// TELEMETRY_DEBUG=log. Then no receiver is asked and nothing is noted of them.
func (m *Manager) Debugging() bool { return m.in.debugs() }

// debugLog takes the place of the queue for such a command. It only reads the state
// directory. A nil debugLog is that of any other command, and its methods do nothing.
type debugLog struct {
	in       *installation
	out      io.Writer
	decision consent.Decision

	shown  int
	undone map[string]int // events that would be left out, by reason
	why    string         // nothing would be recorded, "" if the command has no event
	silent bool           // that nothing would be recorded was said, or is not true
	// These are the same for each event, and "" before they are needed: the machine ID is
	// made of what the network interfaces say.
	machineID, consentID, osVersion string
}

func newDebugLog(in *installation) *debugLog {
	return &debugLog{in: in, out: os.Stderr, decision: in.decide(), undone: map[string]int{}}
}

// nothing says why nothing would be recorded.
func (d *debugLog) nothing(why string) {
	if d != nil {
		d.why = why
	}
}

// show prints an event as it would be sent.
func (d *debugLog) show(line []byte) {
	event, err := record.Parse(bytes.TrimSuffix(line, []byte{'\n'}))
	if err != nil {
		return // no line of ours is
	}
	if d.machineID == "" {
		d.machineID, d.consentID, d.osVersion = d.identify(), d.consent(), identity.OSVersion()
	}
	event.MachineID, event.ConsentID, event.OSVersion = d.machineID, d.consentID, d.osVersion
	d.shown++
	fmt.Fprintln(d.out, plaintext.Clean(string(event.AppendJSON(nil))))
}

// identify returns the machine ID in use, or says when one is made: a random one that is
// forgotten again would look like the person's.
func (d *debugLog) identify() string {
	key, _, err := identifier{d.in}.current()
	if err != nil || d.in.dir.Check() != nil {
		return "(made before the first event is sent)"
	}
	return key.MachineID()
}

// consent returns the ID of the receipt that it would be recorded under, or says when that is
// made.
func (d *debugLog) consent() string {
	if !d.decision.Enabled {
		return "(made with a yes)"
	}
	if receipt, known := d.in.store().Known(d.decision, d.in.terms()); known {
		return receipt.ID
	}
	return "(made with the first event)"
}

// leave counts an event that would be left out.
func (d *debugLog) leave(reason string) { d.undone[reason]++ }

// sampled counts an event of a run that sampling leaves out.
func (d *debugLog) sampled(rate int) {
	if d != nil {
		d.why = fmt.Sprintf("sampling leaves this run out, and records one in %d", rate)
	}
}

// close says what was not shown, and what that means which was.
func (d *debugLog) close() {
	say := func(format string, args ...any) {
		fmt.Fprintf(d.out, "%s telemetry: %s\n", plaintext.Clean(d.in.tool.Name), plaintext.Clean(fmt.Sprintf(format, args...)))
	}
	for _, reason := range slices.Sorted(maps.Keys(d.undone)) {
		say("%d of the events would be left out: %s", d.undone[reason], reason)
	}
	switch {
	case d.shown > 0 && !d.decision.Enabled:
		say("it is off now; this is what would be recorded if it were on")
	case d.shown > 0 || d.silent:
	case d.why != "":
		say("nothing would be recorded: %s", d.why)
	default:
		say("nothing would be recorded")
	}
	d.shown, d.undone, d.silent = 0, map[string]int{}, true
}
