package console

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// The states that people and programs are told.
const (
	stateOn        = "on"
	stateLocal     = "on_local"
	stateOff       = "off"
	stateUndecided = "undecided"
)

// view is what the commands say about an installation.
type view struct {
	core.Status
	tool   string
	stored consent.Stored
	// unanswered says that nobody has decided although the person was asked; askedAt is
	// when, zero where that cannot be read.
	unanswered bool
	askedAt    time.Time
}

func (c *call) look() view {
	v := view{Status: c.m.Status(), tool: c.m.Tool().Name, stored: c.m.Stored()}
	if v.state() == stateUndecided {
		v.askedAt, v.unanswered = c.m.Unanswered()
	}
	return v
}

// state is what really happens to events, which is not always what was decided.
func (v view) state() string {
	switch {
	case v.Recording && v.Decision.LocalOnly:
		return stateLocal
	case v.Recording:
		return stateOn
	case v.Decision.Undecided:
		return stateUndecided
	}
	return stateOff
}

func (v view) stateWords() (string, screen.Colour) {
	switch state := v.state(); {
	case state == stateOn:
		return "on", screen.Green
	case state == stateLocal:
		return "on, this machine only", screen.Green
	case state == stateUndecided && v.stored.Answer != consent.AnswerNone:
		return "off (what is collected has changed since your yes)", screen.Bold
	case v.unanswered:
		return "off (not answered yet)", screen.Bold
	case state == stateUndecided:
		return "off (not asked yet)", screen.Bold
	case v.Decision.Enabled && len(v.Faults) == 0:
		return "off (allowed, but the tool names no receiver)", screen.Bold
	case v.Decision.Enabled:
		return "off (allowed, but something is wrong)", screen.Red
	}
	return "off", screen.Bold
}

// decider names the layer that decided with what was found there.
func (v view) decider() string {
	for _, layer := range v.Decision.Layers {
		if layer.Name == v.Decision.Decider {
			return layerWords(layer)
		}
	}
	return v.Decision.Decider + ", and silence is no"
}

func layerWords(layer consent.Layer) string {
	return layer.Name + " (" + screen.Clean(layer.Detail) + ")"
}

// onHint says what turns telemetry on: a yes or, where that would not be followed, who keeps it
// off. To send something, a restriction to this machine is in the way as well.
func (v view) onHint(hint func(string) string, toSend bool) string {
	switch by, ok := v.Decision.Overrules(); {
	case ok && by.Verdict == consent.No:
		return "decided by " + layerWords(by) + ", whatever you answer"
	case ok && toSend:
		return "a yes would not be enough: " + layerWords(by)
	}
	return "to turn it on: " + hint("enable")
}

// cutOffHint says what helps where commands have too little time to send.
func (v view) cutOffHint(hint func(string) string) string {
	if v.CutOff {
		return "; to send without that limit: " + hint("flush")
	}
	return ""
}

func (s *commands) status() *Command {
	var explain, check *bool
	var format *outputFormat
	c := s.command("status", "Show whether telemetry is on, who decided, and what waits",
		"Show whether telemetry is on, who decided, and what waits to be sent.\n\n"+
			"It changes nothing, writes nothing and contacts nobody. The exit code is 0 also\n"+
			"when telemetry is off.",
		func(c *call) error {
			switch {
			case *check && !mayCheck:
				return &UsageError{errNoCheck}
			case *check:
				return c.check(*format)
			}
			return c.status(*format, *explain)
		},
		"status", "status --explain", "status --output json")
	format = c.addOutput()
	explain = c.addBool("explain", "", "show everything that has a say, and which of it decided")
	check = c.addCheckFlag()
	c.Help += checkHelp()
	return c
}

func (c *call) status(format outputFormat, explain bool) error {
	v := c.look()
	if format == formatJSON {
		return screen.WriteJSON(c.out, v.json(explain))
	}
	c.out.Table(v.rows(c.hint, c.whoAsks(v.Controller)))
	if explain {
		fmt.Fprintln(c.out, "\n"+c.out.Paint(screen.Bold, "Who has a say")+" (any no decides, then any yes; silence is no)")
		c.out.Table(v.layers())
	}
	return nil
}

func (v view) rows(hint func(string) string, whoAsks []screen.Row) []screen.Row {
	words, colour := v.stateWords()
	rows := []screen.Row{
		{Label: "Telemetry of " + v.tool, Value: words, Colour: colour},
		{Label: "Decided by", Value: v.decider()},
		{Label: "Receiver", Value: v.receiver()},
	}
	rows = append(rows, whoAsks...)
	add := func(label, value string) { rows = append(rows, screen.Row{Label: label, Value: value}) }
	warn := func(label, value string) {
		rows = append(rows, screen.Row{Label: label, Value: value, Colour: screen.Red})
	}
	if v.unanswered {
		when := "before"
		if !v.askedAt.IsZero() {
			when = "on " + screen.When(v.askedAt)
		}
		add("The question", "asked "+when+", not answered; to answer: "+hint("enable"))
	}
	if v.MachineID != "" {
		add("Machine ID", v.MachineID)
	} else {
		add("Machine ID", "none")
	}
	waiting := events(v.Queue.Events)
	if v.Queue.Bytes > 0 {
		waiting += ", " + size(v.Queue.Bytes) + " on disk"
	}
	if v.Queue.Local > 0 {
		waiting += ", " + screen.Count(v.Queue.Local, "of them stays", "of them stay") + " on this machine"
	}
	if v.Queue.Elsewhere > 0 {
		waiting += ", " + screen.Count(v.Queue.Elsewhere, "of them was", "of them were") + " recorded for another receiver"
	}
	add("Waiting", waiting)
	if v.Left != "" {
		warn("Not sent", screen.Clean(v.Left))
	}
	delivered := events(v.Delivered)
	if !v.LastDelivered.IsZero() {
		delivered += ", last on " + screen.When(v.LastDelivered)
	}
	add("Delivered", delivered)
	if v.Delivered > 0 && v.Backend.Accepted != "" {
		add("Which means", "accepted: "+screen.Clean(v.Backend.Accepted))
	}
	for _, line := range v.warnings(v.Warned) {
		warn("With a warning", line)
	}
	if v.LocalLog != "" {
		add("Kept here", events(v.Stayed)+", in "+v.LocalLog)
	}
	if v.TotalLost() > 0 {
		warn("Lost", events(v.TotalLost())+lossWords(v.Lost))
	}
	if v.Refusal != "" {
		warn("Last refusal", screen.When(v.RefusedAt)+", because: "+screen.Clean(v.Refusal))
	}
	if v.state() == stateOn {
		add("Next upload", v.nextUpload())
		if !v.NextFolded.IsZero() {
			add("Calls of today", "are added up, and sent with the first command after "+screen.When(v.NextFolded))
		}
	}
	if v.PacedUntil.After(v.At) && v.Queue.Events > 0 {
		add("Not all at once", paceWords(v.Paced, v.PacedUntil))
	}
	if v.WaitUntil.After(v.At) {
		add("The server asked", "not to be called before "+screen.When(v.WaitUntil))
	}
	if v.Underway {
		add("Upload", "under way since "+screen.When(v.LastAttempt))
	} else if v.Problem != "" {
		when := ""
		if !v.LastAttempt.IsZero() {
			when = screen.When(v.LastAttempt) + ", "
		}
		warn("Last attempt", when+"failed: "+screen.Clean(v.Problem)+v.cutOffHint(hint))
	}
	if v.Background != "" {
		warn("Background", screen.Clean(v.Background))
	}
	for _, e := range v.Erasures {
		line := string(e.State) + " on " + screen.When(e.Reached[e.State])
		if e.NotErasable > 0 {
			line += "; " + mayStay(e)
		}
		line += "; see " + hint("reset --status")
		switch e.State {
		case deletion.Requested, deletion.Refused, deletion.Manual:
			warn("Deletion request", line)
		default:
			add("Deletion request", line)
		}
	}
	for _, fault := range v.Faults {
		warn("What is wrong", screen.Clean(fault))
	}
	if v.StateDir != "" {
		add("Kept in", v.StateDir)
	}
	return rows
}

// warnings says with what warnings the receiver accepted events, a line for each.
func (v view) warnings(warned map[string]int) []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(warned)) {
		what := driver.Warning{Doc: "the receiver warned of what this version of " + v.tool + " does not know"}
		if i := slices.IndexFunc(v.Backend.Warnings, func(w driver.Warning) bool { return w.Name == name }); i >= 0 {
			what = v.Backend.Warnings[i]
		}
		line := events(warned[name]) + ": " + screen.Clean(what.Doc)
		if what.NotErasable {
			line += "; a reset asks for their deletion like that of the others, and may not reach them"
		}
		lines = append(lines, line)
	}
	return lines
}

// paceWords says why not everything is sent at once, and until when.
func paceWords(perMinute int, until time.Time) string {
	return fmt.Sprintf("at most %d events a minute go to this receiver from one installation; the rest goes after %s", perMinute, screen.When(until))
}

// lossWords names the reasons of losses.
func lossWords(lost map[string]int) string {
	var list []string
	for _, reason := range slices.Sorted(maps.Keys(lost)) {
		words := reasonWords[reason]
		if words == "" {
			words = "for a reason that is not known"
		}
		if lost[reason] > 0 {
			list = append(list, fmt.Sprintf("%d %s", lost[reason], words))
		}
	}
	return ": " + strings.Join(list, ", ")
}

// reasonWords says in words why events are lost. A test holds it to what core counts.
var reasonWords = map[string]string{
	"queue_full":  "as the oldest when the queue was full",
	"expired":     "too old",
	"unreadable":  "damaged on disk",
	"refused":     "refused by the receiver for good",
	"unconfirmed": "given up after one attempt",
	"unwritten":   "not taken by the disk, or not in time",
	"invalid":     "without a type",
	"undeclared":  "of a type that the tool does not declare",
	"withdrawn":   "recorded before a no",
}

// receiver is BackendInfo.String in friendlier words where there is none.
func (v view) receiver() string {
	if v.Backend.Name == "noop" {
		return "none"
	}
	return v.Backend.String()
}

func (v view) nextUpload() string {
	if !v.NextUpload.After(v.At) {
		return "with the next command"
	}
	return "with the first command after " + screen.When(v.NextUpload)
}

func (v view) layers() []screen.Row {
	rows := make([]screen.Row, len(v.Decision.Layers))
	for i, layer := range v.Decision.Layers {
		r := screen.Row{Label: layer.Name, Value: screen.Clean(layer.Detail)}
		switch layer.Verdict {
		case consent.Yes:
			r.Colour = screen.Green
		case consent.No:
			r.Colour = screen.Red
		}
		if verdict := string(layer.Verdict); !strings.HasPrefix(r.Value, verdict) {
			r.Value = verdict + ": " + r.Value
		}
		if layer.Name == v.Decision.Decider {
			r.Value += "  <- decided"
		}
		rows[i] = r
	}
	return rows
}

// summaryJSON is what every command says in JSON. Its names are stable.
type summaryJSON struct {
	Tool string `json:"tool"`
	// State is "on", "on_local", "off" or "undecided".
	State     string `json:"state"`
	DecidedBy string `json:"decided_by"`
}

type statusJSON struct {
	summaryJSON
	Since         time.Time        `json:"since,omitzero"`
	Unanswered    time.Time        `json:"unanswered,omitzero"`
	Backend       backendJSON      `json:"backend"`
	Controller    *core.Controller `json:"controller,omitempty"`
	MachineID     string           `json:"machine_id,omitempty"`
	Queue         queueJSON        `json:"queue"`
	Delivered     int              `json:"delivered"`
	KeptHere      int              `json:"kept_here"`
	LocalLog      string           `json:"local_log,omitempty"`
	Lost          int              `json:"lost"`
	LostBy        losses           `json:"lost_by,omitempty"`
	Refusal       string           `json:"refusal,omitempty"`
	RefusedAt     time.Time        `json:"refused_at,omitzero"`
	Warned        []warningJSON    `json:"warned,omitempty"`
	NotErasable   int              `json:"not_erasable,omitempty"`
	PerMinute     int              `json:"per_minute,omitempty"`
	PacedUntil    time.Time        `json:"paced_until,omitzero"`
	LastDelivered time.Time        `json:"last_delivered,omitzero"`
	LastAttempt   time.Time        `json:"last_attempt,omitzero"`
	NextUpload    time.Time        `json:"next_upload,omitzero"`
	NextFolded    time.Time        `json:"next_folded_upload,omitzero"`
	WaitUntil     time.Time        `json:"wait_until,omitzero"`
	Underway      bool             `json:"upload_under_way,omitempty"`
	Problem       string           `json:"problem,omitempty"`
	NotSent       string           `json:"not_sent,omitempty"`
	Background    string           `json:"background,omitempty"`
	Erasures      []erasureJSON    `json:"deletion_requests"`
	Faults        []string         `json:"faults"`
	StateDir      string           `json:"state_dir,omitempty"`
	Layers        []layerJSON      `json:"layers,omitempty"`
}

// warningJSON is a warning with which the receiver accepted events.
type warningJSON struct {
	Name        string `json:"name"`
	Events      int    `json:"events"`
	Meaning     string `json:"meaning,omitempty"`
	NotErasable bool   `json:"not_erasable,omitempty"`
}

func (v view) warningsJSON(warned map[string]int) []warningJSON {
	var list []warningJSON
	for _, name := range slices.Sorted(maps.Keys(warned)) {
		entry := warningJSON{Name: name, Events: warned[name]}
		for _, w := range v.Backend.Warnings {
			if w.Name == name {
				entry.Meaning, entry.NotErasable = w.Doc, w.NotErasable
			}
		}
		list = append(list, entry)
	}
	return list
}

// losses counts events by the reason for which they were lost.
type losses map[string]int

type backendJSON struct {
	Name  string   `json:"name"`
	Hosts []string `json:"hosts"`
	Local bool     `json:"local"`
	// AcceptedMeans is what the receiver's yes to an event means, and does not.
	AcceptedMeans string `json:"accepted_means,omitempty"`
}

type queueJSON struct {
	Events    int   `json:"events"`
	Local     int   `json:"local"`
	Elsewhere int   `json:"elsewhere"`
	Bytes     int64 `json:"bytes"`
	Damaged   int   `json:"damaged"`
}

type layerJSON struct {
	Name string `json:"name"`
	// Verdict is "yes", "no" or "silent".
	Verdict string `json:"verdict"`
	Local   bool   `json:"local,omitempty"`
	Detail  string `json:"detail"`
}

func (v view) summary() summaryJSON {
	return summaryJSON{Tool: v.tool, State: v.state(), DecidedBy: v.Decision.Decider}
}

func (v view) json(explain bool) statusJSON {
	j := statusJSON{
		summaryJSON:   v.summary(),
		Since:         v.Decision.Since.UTC(),
		Unanswered:    v.askedAt.UTC(),
		Backend:       v.backend(),
		Controller:    v.whoAsks(),
		MachineID:     v.MachineID,
		Queue:         queueJSON{v.Queue.Events, v.Queue.Local, v.Queue.Elsewhere, v.Queue.Bytes, v.Queue.Damaged},
		Delivered:     v.Delivered,
		KeptHere:      v.Stayed,
		LocalLog:      v.LocalLog,
		Lost:          v.TotalLost(),
		LostBy:        v.Lost,
		Refusal:       v.Refusal,
		RefusedAt:     v.RefusedAt.UTC(),
		Warned:        v.warningsJSON(v.Warned),
		NotErasable:   v.NotErasable(),
		PerMinute:     v.Paced,
		PacedUntil:    v.PacedUntil.UTC(),
		LastDelivered: v.LastDelivered.UTC(),
		LastAttempt:   v.LastAttempt.UTC(),
		NextUpload:    v.NextUpload.UTC(),
		NextFolded:    v.NextFolded.UTC(),
		WaitUntil:     v.WaitUntil.UTC(),
		Underway:      v.Underway,
		Problem:       v.Problem,
		NotSent:       v.Left,
		Background:    v.Background,
		Erasures:      erasuresJSON(v.Erasures),
		Faults:        append([]string{}, v.Faults...), // [] rather than null
		StateDir:      v.StateDir,
	}
	if explain {
		for _, layer := range v.Decision.Layers {
			verdict := "silent"
			if layer.Verdict != consent.Silent {
				verdict = string(layer.Verdict)
			}
			j.Layers = append(j.Layers, layerJSON{layer.Name, verdict, layer.Local, layer.Detail})
		}
	}
	return j
}

func (v view) backend() backendJSON {
	return backendJSON{v.Backend.Name, append([]string{}, v.Backend.Hosts...), v.Backend.Local, v.Backend.Accepted}
}

func events(n int) string { return screen.Count(n, "event", "events") }

func size(bytes int64) string {
	switch {
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	case bytes >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10))
	}
	return screen.Count(bytes, "byte", "bytes")
}

// whoAsks is nil where the author says nothing of it.
func (v view) whoAsks() *core.Controller {
	if v.Controller == (core.Controller{}) {
		return nil
	}
	return &v.Controller
}
