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
	"github.com/gotoolbase/telemetry/internal/screen"
)

// blockedRows say why nothing is recorded or stored, and what to do about it.
func (v view) blockedRows(hint func(string) string) (rows []screen.Row) {
	warn := func(label, value string) {
		rows = append(rows, screen.Row{Label: label, Value: value, Colour: screen.Red})
	}
	switch {
	case v.Blocked != "":
		warn(v.text("Not recorded"), v.text("%[1]s; %[2]s itself works all the same", screen.Clean(v.Blocked), v.tool))
	case v.Unstored:
		warn(v.text("Not stored"), v.text("each command sends what it records by itself, in one attempt, and loses it if that fails; %s itself works all the same", v.tool))
	}
	for _, line := range v.gapRemarks(v.Log.Gaps, v.Log.Unlogged) {
		warn(v.text("The log"), line)
	}
	if v.NotAllStored != "" {
		warn(v.text("In the way"), v.text("%[1]s; what cannot be stored is lost, and %[2]s itself works all the same", screen.Clean(v.NotAllStored), v.tool))
	}
	switch {
	case v.Nowhere:
		warn(v.text("To mend it"), v.text("name a home directory that is there and yours: by HOME or, where that is set, by XDG_STATE_HOME; on Windows by LocalAppData"))
	case v.Unseen && v.StateDir != "": // no answer helps
		warn(v.text("To mend it"), v.text("run %s as the user whose the directory below is, and make that a plain one of this user alone (0700)", v.tool))
	case v.stored.Err != nil && !v.Unseen:
		warn(v.text("To mend it"), v.text("answer again: %[1]s or %[2]s", hint("enable"), hint("disable")))
	case v.Uncounted:
		warn(v.text("To mend it"), v.text("make room on the disk, and the directory below one that you may write to"))
	}
	if !v.ClockBehind.IsZero() {
		warn(v.text("The clock"), v.text("shows a time before %s, which was noted here: it is behind now, or was ahead then, so times may be wrong",
			screen.When(v.ClockBehind)))
	}
	if v.sampleRate > 1 && v.Recording {
		rows = append(rows, screen.Row{Label: v.text("Recorded"), Value: v.text("one run in %d, chosen at random", v.sampleRate)})
	}
	return rows
}

// waitingRows say what waits, and why some of it does for longer than its turn.
func (v view) waitingRows() (rows []screen.Row) {
	label := v.text("Waiting")
	add := func(label, value string) { rows = append(rows, screen.Row{Label: label, Value: value}) }
	switch {
	case v.QueueUnknown:
		add(label, v.text("not known"))
		return rows
	case v.Queue.Bytes > 0:
		add(label, v.text("%[1]s, %[2]s on disk", v.events(v.Queue.Events), v.size(v.Queue.Bytes)))
	default:
		add(label, v.events(v.Queue.Events))
	}
	if n := v.Queue.Local; n > 0 {
		add(label, v.count(n, "%d of them stays on this machine", "%d of them stay on this machine"))
	}
	switch n := v.RunningEvents; {
	case n > 0 && v.Uploading:
		add(label, v.count(n, "%d of them is held by the upload that is under way, or by a command that still runs",
			"%d of them are held by the upload that is under way, or by commands that still run"))
	case n > 0:
		add(label, v.count(n, "%d of them is held by a command that still runs, and goes when it has ended",
			"%d of them are held by commands that still run, and go when these have ended"))
	}
	known := false
	for _, held := range v.Held {
		known = known || held.Why != core.HeldOff && held.Why != core.HeldWithdrawn && held.Why != core.HeldDamaged && held.Why != core.HeldExpired
		row := screen.Row{Label: v.text("Not sent"), Value: v.heldWords(held)}
		if held.Why != core.HeldOff {
			row.Colour = screen.Red
		}
		rows = append(rows, row)
	}
	if v.Left != "" && !known && v.Queue.Events > 0 && v.Recording {
		rows = append(rows, screen.Row{Label: v.text("Not sent"), Colour: screen.Red,
			Value: v.text("by the process that looked last, to which some of this was %s", screen.Clean(v.Left))})
	}
	return rows
}

// held is how many events must not be sent as things are now.
func (v view) held() (n int) {
	for _, h := range v.Held {
		n += h.Events
	}
	return n
}

// heldWords says why events must not be sent as things are now.
func (v view) heldWords(h core.Held) string {
	switch h.Why {
	case core.HeldOff:
		return v.count(h.Events, "%d event, because telemetry is off; it is kept until it is too old", "%d events, because telemetry is off; they are kept until they are too old")
	case core.HeldLocalOnly:
		return v.count(h.Events, "%d event that was recorded to be sent, because now everything stays on this machine",
			"%d events that were recorded to be sent, because now everything stays on this machine")
	case core.HeldElsewhere:
		switch byPolicy := v.Pinned || consent.SetByPolicy(h.Receiver); {
		case byPolicy && !v.Decision.Enabled:
			return v.count(h.Events, "%[1]d event that was recorded for %[2]s, because telemetry is off and would send to %[3]s; it waits until the administrator's policy changes",
				"%[1]d events that were recorded for %[2]s, because telemetry is off and would send to %[3]s; they wait until the administrator's policy changes",
				screen.Clean(h.Receiver), v.receiver())
		case byPolicy:
			return v.count(h.Events, "%[1]d event that was recorded for %[2]s, because now everything goes to %[3]s; it waits until the administrator's policy changes",
				"%[1]d events that were recorded for %[2]s, because now everything goes to %[3]s; they wait until the administrator's policy changes",
				screen.Clean(h.Receiver), v.receiver())
		case !v.Decision.Enabled:
			return v.count(h.Events, "%[1]d event that was recorded for %[2]s, because telemetry is off and this run of %[3]s would send to %[4]s: an earlier version or other settings of it would deliver it",
				"%[1]d events that were recorded for %[2]s, because telemetry is off and this run of %[3]s would send to %[4]s: an earlier version or other settings of it would deliver them",
				screen.Clean(h.Receiver), v.tool, screen.Clean(h.Instead))
		}
		return v.count(h.Events, "%[1]d event that was recorded for %[2]s, because this run of %[3]s sends to %[4]s: an earlier version or other settings of it would deliver it",
			"%[1]d events that were recorded for %[2]s, because this run of %[3]s sends to %[4]s: an earlier version or other settings of it would deliver them",
			screen.Clean(h.Receiver), v.tool, screen.Clean(h.Instead))
	case core.HeldExpired:
		return v.count(h.Events, "%d event that is too old; the next upload drops it", "%d events that are too old; the next upload drops them")
	case core.HeldOlder:
		return v.count(h.Events, "%d event of an older version, because nobody was asked since", "%d events of an older version, because nobody was asked since")
	case core.HeldDamaged:
		return v.count(h.Events, "%d event whose receipt is damaged; it is given up", "%d events whose receipt is damaged; they are given up")
	case core.HeldDistrusted:
		return v.count(h.Events, "%d event in a file of the queue that others may write to, or that is another user's; a no erases it",
			"%d events in files of the queue that others may write to, or that are another user's; a no erases them")
	}
	return v.count(h.Events, "%d event that was recorded under a yes that no longer holds; it is given up", "%d events that were recorded under a yes that no longer holds; they are given up")
}

// deliveredRows say what was delivered, and what that means and does not.
func (v view) deliveredRows() (rows []screen.Row) {
	delivered := v.events(v.Delivered)
	if v.Uncounted || v.DeliveriesGone {
		delivered = v.text("at least %s", delivered)
	}
	switch {
	case v.DeliveriesUnknown:
		return []screen.Row{{Label: v.text("Delivered"), Value: v.text("not known")}}
	case v.Unnoted > 0:
		delivered = v.count(v.Unnoted, "%[2]s; when %[1]d of them was is not noted", "%[2]s; when %[1]d of them were is not noted", delivered)
	case !v.LastDelivered.IsZero() && !v.Uncounted:
		delivered = v.text("%[1]s, last on %[2]s", delivered, screen.When(v.LastDelivered))
	}
	rows = append(rows, screen.Row{Label: v.text("Delivered"), Value: delivered})
	switch to := screen.Clean(strings.Join(v.SentTo, v.text(", "))); {
	case v.Delivered == 0, !v.SentElsewhere:
	case len(v.SentTo) == 1:
		rows = append(rows, screen.Row{Label: v.text("Delivered"), Value: v.text("to %s", to)})
	default:
		rows = append(rows, screen.Row{Label: v.text("Delivered"), Value: v.text("to one or more of: %s", to)})
	}
	switch means := screen.Clean(v.Declared.Accepted); {
	case v.Delivered == 0, means == "", v.SentElsewhere && !v.SentHere: // the others' yes may mean something else
	case v.SentElsewhere:
		rows = append(rows, screen.Row{Label: v.text("Which means"), Value: v.text("of what went to %[1]s: %[2]s", v.backendWords(v.Declared), means)})
	default:
		rows = append(rows, screen.Row{Label: v.text("Which means"), Value: means})
	}
	for _, line := range v.warnings(v.Warned) {
		rows = append(rows, screen.Row{Label: v.text("With a warning"), Value: line, Colour: screen.Red})
	}
	return rows
}

// uploadRows say when something goes out next, by whom, and how it went the last time.
func (v view) uploadRows(hint func(string) string) (rows []screen.Row) {
	add := func(label, value string) { rows = append(rows, screen.Row{Label: label, Value: value}) }
	warn := func(label, value string) {
		rows = append(rows, screen.Row{Label: label, Value: value, Colour: screen.Red})
	}
	if v.state() == stateOn {
		add(v.text("Next upload"), v.nextUpload())
		if v.NextFolded.After(v.At) {
			add(v.text("Calls of today"), v.text("are added up, and sent with the first command after %s", screen.When(v.NextFolded)))
		}
		if words := v.insideWords(); words != "" {
			add(v.text("Sent by"), words)
		}
	}
	if v.undecidedBecause() == becauseChanged && v.Queue.Events > v.held() {
		add(v.text("Next upload"), v.text("none by itself; what was recorded under your yes of then goes with: %s", hint("flush")))
	}
	if v.PacedUntil.After(v.At) && v.Queue.Events > 0 {
		add(v.text("Not all at once"), v.paceWords(v.Paced, v.PacedUntil))
	}
	if v.WaitUntil.After(v.At) && !v.Unstored { // where nothing is stored commands try all the same
		add(v.text("Paused"), v.text("what waits is not sent before %s, because of the last answer", screen.When(v.WaitUntil)))
	}
	failures := v.Failures
	switch {
	case v.Underway:
		add(v.text("Upload"), v.text("under way since %s", screen.When(v.LastAttempt)))
		failures-- // it is noted as failed until it is known to have succeeded
	case v.CutOff:
		warn(v.text("Last attempt"), v.text("%[1]s, failed: %[2]s; to send without that limit: %[3]s", screen.When(v.LastAttempt), screen.Clean(v.Problem), hint("flush")))
	case v.Problem != "" && v.LastAttempt.IsZero():
		warn(v.text("Last attempt"), v.text("failed: %s", screen.Clean(v.Problem)))
	case v.Problem != "":
		warn(v.text("Last attempt"), v.text("%[1]s, failed: %[2]s", screen.When(v.LastAttempt), screen.Clean(v.Problem)))
	}
	switch {
	case failures > 0 && v.Delivered == 0 && !v.DeliveriesGone && !v.DeliveriesUnknown:
		warn(v.text("Attempts"), v.count(failures, "%d has failed, and nothing was delivered yet", "%d in a row have failed, and nothing was delivered yet"))
	case failures > 1:
		warn(v.text("Attempts"), v.text("%d in a row have failed", failures))
	}
	if v.Background != "" {
		warn(v.text("Background"), screen.Clean(v.Background))
	}
	return rows
}

func (v view) nextUpload() string {
	switch {
	case v.Unstored, v.Backend.Local:
		return v.text("with each command")
	case v.NextUpload.After(v.At):
		return v.text("with the first command after %s", screen.When(v.NextUpload))
	case v.NextFolded.After(v.At):
		return v.text("with the next command that reports more than a call")
	}
	return v.text("with the next command")
}

// insideWords says why commands send by themselves, "" where they do not. Where background
// processes fail, the row about these says it.
func (v view) insideWords() string {
	if v.Backend.Local || v.Unstored {
		return ""
	}
	switch v.Inside {
	case core.InsideCI:
		return v.text("the commands themselves, in at most a second, because this is a CI job")
	case core.InsideTest:
		return v.text("the commands themselves, in at most a second, because this is a test binary")
	case core.InsideShortLived:
		return v.text("the commands themselves, in at most a second, because what they start would end with them, as in a container")
	case core.InsideDeclaration:
		return v.text("the commands themselves, in at most a second, because what a background process has to know of the receiver is too long to be handed over")
	}
	return ""
}

// warnings says with what warnings the receiver accepted events, a line for each.
func (v view) warnings(warned map[string]int) []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(warned)) {
		what := driver.Warning{Doc: v.text("the receiver warned of what this version of %s does not know", v.tool)}
		if i := slices.IndexFunc(v.Declared.Warnings, func(w driver.Warning) bool { return w.Name == name }); i >= 0 {
			what = v.Declared.Warnings[i]
		}
		line := v.text("%[1]s: %[2]s", v.events(warned[name]), screen.Clean(what.Doc))
		if what.NotDeletable {
			line = v.text("%s; a reset asks for their deletion like that of the others, and may not reach them", line)
		}
		lines = append(lines, line)
	}
	return lines
}

// paceWords says why not everything is sent at once, and until when.
func (s *settings) paceWords(perMinute int, until time.Time) string {
	return s.text("at most %[1]d events a minute go to this receiver from one installation; the rest goes after %[2]s", perMinute, screen.When(until))
}

// lossWords names the reasons of losses, and of how many the receiver was told. nil leaves
// that out.
func (s *settings) lossWords(lost, reported map[string]int) string {
	var list []string
	for _, reason := range slices.Sorted(maps.Keys(lost)) {
		if lost[reason] <= 0 {
			continue
		}
		line := s.text("%d for a reason that is not known", lost[reason])
		if words := reasonWords()[reason]; words != "" {
			line = s.text(words, lost[reason])
		}
		if reported != nil {
			line = s.text("%[1]s (%[2]d reported)", line, reported[reason])
		}
		list = append(list, line)
	}
	return strings.Join(list, s.text(", "))
}

// reasonWords says in words why events are lost. A test holds it to what core counts.
func reasonWords() map[string]string {
	return map[string]string{
		"queue_full":  "%d as the oldest when the queue was full",
		"expired":     "%d too old",
		"unreadable":  "%d damaged on disk",
		"refused":     "%d refused by the receiver for good",
		"unconfirmed": "%d given up after one attempt",
		"unwritten":   "%d not taken by the disk, or not in time",
		"invalid":     "%d without a type",
		"undeclared":  "%d of a type that the tool does not declare",
		"withdrawn":   "%d recorded before a no",
	}
}

func (s *settings) size(bytes int64) string {
	switch {
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	case bytes >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10))
	}
	return s.count(int(bytes), "%d byte", "%d bytes")
}

// schemaVersion is that of docs/reference/output.schema.json. It grows when a field gets another
// meaning or goes; a new one is no reason.
const schemaVersion = 1

// versionJSON begins what every command says in JSON.
type versionJSON struct {
	SchemaVersion int `json:"schema_version"`
}

// conditionJSON is core.Condition. Its names are stable.
type conditionJSON struct {
	Blocked           string     `json:"blocked,omitempty"`
	Unstored          bool       `json:"unstored,omitempty"`
	Unlogged          bool       `json:"unlogged,omitempty"`
	LogGaps           int        `json:"log_gaps,omitempty"`
	NotAllStored      string     `json:"not_all_stored,omitempty"`
	Unnoted           int        `json:"deliveries_not_noted,omitempty"`
	Uncounted         bool       `json:"delivered_at_least,omitempty"`
	RequestsUnknown   bool       `json:"requests_unknown,omitempty"`
	QueueUnknown      bool       `json:"queue_unknown,omitempty"`
	DeliveriesUnknown bool       `json:"deliveries_unknown,omitempty"`
	DeliveriesGone    bool       `json:"deliveries_gone,omitempty"`
	Failures          int        `json:"failures_in_a_row,omitempty"`
	LostReported      losses     `json:"lost_reported,omitempty"`
	SentTo            []string   `json:"sent_to,omitempty"`
	Held              []heldJSON `json:"held,omitempty"`
	RunningEvents     int        `json:"held_by_running_commands,omitempty"`
	UploadingEvents   int        `json:"held_by_upload_or_commands,omitempty"`
	SentInside        string     `json:"sent_by_commands,omitempty"`
	ClockBehind       time.Time  `json:"clock_behind,omitzero"`
	SampleRate        int        `json:"sample_rate,omitempty"`
}

type heldJSON struct {
	Why      string `json:"why"`
	Events   int    `json:"events"`
	Receiver string `json:"receiver,omitempty"`
	Instead  string `json:"instead,omitempty"`
}

func (v view) conditionJSON() conditionJSON {
	j := conditionJSON{
		Blocked: v.Blocked, Unstored: v.Unstored, Unlogged: v.Log.Unlogged, LogGaps: v.Log.Gaps, QueueUnknown: v.QueueUnknown, DeliveriesUnknown: v.DeliveriesUnknown, DeliveriesGone: v.DeliveriesGone,
		Failures: v.Failures, LostReported: v.Reported, RunningEvents: v.RunningEvents, SentInside: string(v.Inside),
		ClockBehind: v.ClockBehind.UTC(), NotAllStored: v.NotAllStored, Unnoted: v.Unnoted, Uncounted: v.Uncounted, SentTo: v.SentTo, RequestsUnknown: v.RequestsUnknown,
	}
	if v.Uploading {
		j.RunningEvents, j.UploadingEvents = 0, v.RunningEvents
	}
	if v.sampleRate > 1 {
		j.SampleRate = v.sampleRate
	}
	for _, held := range v.Held {
		j.Held = append(j.Held, heldJSON{string(held.Why), held.Events, held.Receiver, held.Instead})
	}
	return j
}
