package console

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/props"
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

// Why nobody has decided, for programs.
const (
	becauseNotAsked   = "not_asked"
	becauseUnanswered = "unanswered"
	becauseChanged    = "changed"
)

// view is what the commands say about an installation.
type view struct {
	core.Status
	*settings
	tool   string
	stored consent.Stored
	// unanswered says that there is no decision although the person was asked; askedAt is
	// when, zero where that cannot be read.
	unanswered bool
	askedAt    time.Time
	// sampleRate is the author's; 0 and 1 record every run.
	sampleRate int
}

func (c *call) look() view {
	v := view{Status: c.m.Status(), settings: c.settings, tool: c.m.Tool().Name, stored: c.m.Stored(), sampleRate: c.m.Tool().Telemetry.SampleRate}
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

// undecidedBecause says why there is no decision, "" where there is one.
func (v view) undecidedBecause() string {
	switch {
	case v.state() != stateUndecided:
		return ""
	case v.stored.Answer != consent.AnswerNone:
		return becauseChanged
	case v.unanswered:
		return becauseUnanswered
	}
	return becauseNotAsked
}

func (v view) stateWords() (string, screen.Colour) {
	switch state, because := v.state(), v.undecidedBecause(); {
	case v.Unstored:
		return v.text("on, but nothing can be stored"), screen.Red
	case v.NotAllStored != "" && state == stateLocal:
		return v.text("on, this machine only, but not everything may be stored"), screen.Red
	case v.NotAllStored != "":
		return v.text("on, but not everything may be stored"), screen.Red
	case state == stateOn:
		return v.text("on"), screen.Green
	case state == stateLocal:
		return v.text("on, this machine only"), screen.Green
	case because == becauseChanged:
		return v.text("off (what you said yes to has changed)"), screen.Bold
	case because == becauseUnanswered:
		return v.text("off (not answered yet)"), screen.Bold
	case because == becauseNotAsked:
		return v.text("off (not asked yet)"), screen.Bold
	case v.Blocked != "":
		return v.text("off (allowed, but something is wrong)"), screen.Red
	case v.Decision.Enabled:
		return v.text("off (allowed, but the tool names no receiver)"), screen.Bold
	}
	return v.text("off"), screen.Bold
}

// decider names the layer that decided with what was found there.
func (v view) decider() string {
	for _, layer := range v.Decision.Layers {
		if layer.Name == v.Decision.Decider {
			return v.layerWords(layer)
		}
	}
	return v.text("%s, and silence is no", v.text(v.Decision.Decider))
}

// onHint says what turns telemetry on: a yes or, where that would not be followed, who keeps it
// off. To send something, a restriction to this machine is in the way as well.
func (v view) onHint(hint func(string) string, toSend bool) string {
	switch by, ok := v.Decision.Overrules(); {
	case ok && by.Verdict == consent.No:
		return v.text("decided by %s, whatever you answer", v.layerWords(by))
	case ok && toSend:
		return v.text("a yes would not be enough: %s", v.layerWords(by))
	}
	return v.text("to turn it on: %s", hint("enable"))
}

func (s *commands) status() *Command {
	var explain, check *bool
	var format *outputFormat
	c := s.command("status", "Show whether telemetry is on, who decided, and what waits",
		"Show whether telemetry is on, who decided, and what waits to be sent.\n\n"+
			"It changes nothing and contacts nobody. The exit code is 0 also when\n"+
			"telemetry is off.",
		func(c *call) error {
			switch {
			case *check && !mayCheck:
				return &UsageError{c.errorf("this build sends no event to check its receiver; authors have one that does: go run -tags telemetrycheck")}
			case *check:
				return c.check(*format)
			}
			return c.status(*format, *explain)
		},
		"status", "status --explain", "status --output json")
	c.SuggestFor = []string{"show"}
	format = c.addOutput()
	explain = c.addBool("explain", "", "show everything that has a say, and which of it decided")
	check = c.addCheckFlag()
	c.Help += s.checkHelp()
	return c
}

func (c *call) status(format outputFormat, explain bool) error {
	v := c.look()
	if format == formatJSON {
		return screen.WriteJSON(c.out, v.json(explain))
	}
	c.out.Table(v.rows(c.hint, c.whoAsks(v.Controller)))
	if explain {
		fmt.Fprintln(c.out)
		c.out.Line(screen.Bold, c.text("Who has a say (any no decides, then any yes; silence is no)"))
		c.out.Table(v.layers())
	}
	return nil
}

func (v view) rows(hint func(string) string, whoAsks []screen.Row) []screen.Row {
	words, colour := v.stateWords()
	rows := []screen.Row{
		{Label: v.text("Telemetry of %s", v.tool), Value: words, Colour: colour},
		{Label: v.text("Decided by"), Value: v.decider()},
		{Label: v.text("Receiver"), Value: v.receiver()},
	}
	rows = append(rows, whoAsks...)
	add := func(label, value string) { rows = append(rows, screen.Row{Label: label, Value: value}) }
	warn := func(label, value string) {
		rows = append(rows, screen.Row{Label: label, Value: value, Colour: screen.Red})
	}
	rows = append(rows, v.blockedRows(hint)...)
	if v.unanswered {
		when := v.text("asked before, not answered; to answer: %s", hint("enable"))
		if !v.askedAt.IsZero() {
			when = v.text("asked on %[1]s, not answered; to answer: %[2]s", screen.When(v.askedAt), hint("enable"))
		}
		add(v.text("The question"), when)
	}
	machineID := v.MachineID
	switch {
	case machineID == "" && v.MachineIDUnknown:
		machineID = v.text("not known")
	case machineID == "":
		machineID = v.text("none")
	}
	add(v.text("Machine ID"), machineID)
	rows = append(rows, v.waitingRows()...)
	rows = append(rows, v.deliveredRows()...)
	if v.LocalLog != "" {
		kept := v.events(v.Stayed)
		switch {
		case v.DeliveriesUnknown:
			kept = v.text("not known")
		case v.DeliveriesGone:
			kept = v.text("at least %s", kept)
		}
		add(v.text("Kept here"), v.text("%[1]s, in %[2]s", kept, v.LocalLog))
	}
	if v.TotalLost() > 0 {
		warn(v.text("Lost"), v.text("%[1]s: %[2]s", v.events(v.TotalLost()), v.lossWords(v.Lost, v.Reported)))
	}
	if v.Refusal != "" {
		warn(v.text("Last refusal"), v.text("%[1]s, because: %[2]s", screen.When(v.RefusedAt), screen.Clean(v.Refusal)))
	}
	rows = append(rows, v.uploadRows(hint)...)
	if v.RequestsUnknown && len(v.Deletions) == 0 {
		add(v.text("Deletion request"), v.text("not known"))
	}
	for _, e := range v.Deletions {
		row := screen.Row{Label: v.text("Deletion request"), Value: v.deletionLine(e, hint)}
		switch e.State {
		case deletion.Requested, deletion.Refused, deletion.Manual:
			row.Colour = screen.Red
		}
		rows = append(rows, row)
	}
	for _, fault := range v.Faults {
		if fault != v.Blocked && fault != v.NotAllStored { // which is said above
			warn(v.text("What is wrong"), screen.Clean(fault))
		}
	}
	if v.StateDir != "" {
		add(v.text("Kept in"), v.StateDir)
	}
	return rows
}

// deletionLine says how far a deletion request came.
func (v view) deletionLine(e core.Deletion, hint func(string) string) string {
	state, when, more := v.text(string(e.State)), screen.When(e.Reached[e.State]), hint("reset --status")
	if e.Partly() {
		state = v.text("%s, handed over in part,", state)
	}
	if e.NotDeletable > 0 {
		return v.text("%[1]s on %[2]s; %[3]s; see %[4]s", state, when, v.mayStay(e), more)
	}
	return v.text("%[1]s on %[2]s; see %[3]s", state, when, more)
}

// receiver is BackendInfo.String in friendlier words where there is none.
func (v view) receiver() string {
	if v.Backend.Name == "noop" {
		return v.text("none")
	}
	if v.Pinned {
		return v.text("%s, set by the administrator's policy", v.backendWords(v.Backend))
	}
	return v.backendWords(v.Backend)
}

// backendWords is BackendInfo.String in the author's language.
func (s *settings) backendWords(b props.BackendInfo) string {
	if b.Local && len(b.Hosts) == 0 {
		return s.text("%s (this machine only)", b.Name)
	}
	return b.String()
}

// summaryJSON is what nearly every command says in JSON. Its names are stable.
type summaryJSON struct {
	versionJSON
	Tool string `json:"tool"`
	// State is "on", "on_local", "off" or "undecided".
	State     string `json:"state"`
	DecidedBy string `json:"decided_by"`
}

type statusJSON struct {
	summaryJSON
	Since         time.Time        `json:"since,omitzero"`
	Unanswered    time.Time        `json:"unanswered,omitzero"`
	Because       string           `json:"undecided_because,omitempty"`
	Beyond        []string         `json:"beyond,omitempty"`
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
	NotDeletable  int              `json:"not_deletable,omitempty"`
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
	Deletions     []deletionJSON   `json:"deletion_requests"`
	Faults        []string         `json:"faults"`
	StateDir      string           `json:"state_dir,omitempty"`
	conditionJSON
	Layers []layerJSON `json:"layers,omitempty"`
}

// warningJSON is a warning with which the receiver accepted events.
type warningJSON struct {
	Name         string `json:"name"`
	Events       int    `json:"events"`
	Meaning      string `json:"meaning,omitempty"`
	NotDeletable bool   `json:"not_deletable,omitempty"`
}

func (v view) warningsJSON(warned map[string]int) []warningJSON {
	var list []warningJSON
	for _, name := range slices.Sorted(maps.Keys(warned)) {
		entry := warningJSON{Name: name, Events: warned[name]}
		for _, w := range v.Declared.Warnings {
			if w.Name == name {
				entry.Meaning, entry.NotDeletable = w.Doc, w.NotDeletable
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
	// Pinned says that the administrator's policy has set it in the place of the author's.
	Pinned bool `json:"set_by_policy,omitempty"`
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
	return summaryJSON{versionJSON: versionJSON{schemaVersion}, Tool: v.tool, State: v.state(), DecidedBy: v.Decision.Decider}
}

func (v view) json(explain bool) statusJSON {
	j := statusJSON{
		summaryJSON:   v.summary(),
		Since:         v.Decision.Since.UTC(),
		Unanswered:    v.askedAt.UTC(),
		Because:       v.undecidedBecause(),
		Beyond:        v.Decision.Beyond,
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
		NotDeletable:  v.NotDeletable(),
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
		Deletions:     deletionsJSON(v.Deletions),
		Faults:        append([]string{}, v.Faults...), // [] rather than null
		StateDir:      v.StateDir,
		conditionJSON: v.conditionJSON(),
	}
	// Times are noted that nobody keeps to while nothing goes, or each command sends by itself.
	if v.state() != stateOn || v.Unstored || v.Backend.Local {
		j.NextUpload, j.NextFolded = time.Time{}, time.Time{}
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
	return backendJSON{v.Backend.Name, append([]string{}, v.Backend.Hosts...), v.Backend.Local, v.Pinned, v.Backend.Accepted}
}

// whoAsks is nil where the author says nothing of it.
func (v view) whoAsks() *core.Controller {
	if v.Controller == (core.Controller{}) {
		return nil
	}
	return &v.Controller
}
