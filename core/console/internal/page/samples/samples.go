// Package samples has what the page is shown with in tests: nothing, a usual installation,
// and one whose every text was written by an attacker.
package samples

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/console/internal/page"
)

// at is when all of it was so.
var at = time.Date(2026, 11, 26, 9, 30, 0, 0, time.UTC)

// Empty is an installation whose person has not been asked yet.
func Empty() page.Data {
	return page.Data{
		Tool: "mytool", Version: "1.4.2", At: at,
		State:    page.State{Words: "off (not asked yet)", Decider: "nobody, and silence is no"},
		Receiver: page.Receiver{Name: "http", Hosts: []string{"analytics.example.com"}},
		Controls: controls(),
	}
}

func controls() []page.Control {
	return []page.Control{
		{Line: "mytool telemetry enable", Effect: "stores a yes, after it has shown what is collected and where it goes"},
		{Line: "mytool telemetry enable --local", Effect: "stores a yes that keeps everything on this machine"},
		{Line: "mytool telemetry disable", Effect: "stores a no and erases what waits"},
		{Line: "mytool telemetry flush", Effect: "sends now what waits"},
		{Line: "mytool telemetry reset", Effect: "stores a no, erases what is here and asks for the deletion of what was sent"},
		{Line: "mytool telemetry export", Effect: "writes everything about this installation as one JSON document"},
	}
}

const (
	machine = "7c1e5f0a93d44b6f8a20e1d5b7c39f64"
	yes     = "b3f09c6de2a84f1791c5d07a64e8fb21"
	notice  = `mytool would like to know how it is used.

It records which commands run, how long they take and how they end. It does not record
arguments, file names or anything that you type.

Receiver: Example GmbH, posthog (eu.i.posthog.com)
Kept for: 12 months
Everything: mytool telemetry schema`
)

var commands = []string{"build", "test", "deploy", "deploy status", "config set", "login", "plugin install", "completion"}

// event is one as it goes out.
func event(i int) string {
	command := commands[i*i%len(commands)]
	return fmt.Sprintf(`{"id":"0193a1c2-7d3e-7f10-9a4b-%012x","timestamp":%q,"type":"command.invocation","name":%q,"duration_ms":%d,"exit_code":%d,`+
		`"flags":["output","verbose"],"tool_name":"mytool","tool_version":"1.4.2","os":"linux","os_version":"debian 12","arch":"amd64",`+
		`"go_version":"go1.26.8","ci":false,"interactive":true,"container":false,"machine_id":%q,"consent_id":%q,"metadata":{"auth_method":"oauth","targets":"10-99"}}`,
		i*7919, at.Add(-time.Duration(i)*17*time.Minute).Format(time.RFC3339), command, 40+i*37%900, i%9/8, machine, yes)
}

// Typical is an installation in use.
func Typical() page.Data {
	d := page.Data{
		Tool: "mytool", Version: "1.4.2", At: at,
		State:     page.State{Words: "on", Tone: page.Good, Decider: "your answer (yes, on 2026-10-02)", Since: at.AddDate(0, 0, -55), Layers: layers()},
		MachineID: machine, StateDir: "/home/ada/.local/state/mytool/telemetry",
		Receiver: page.Receiver{Name: "posthog", Hosts: []string{"eu.i.posthog.com"}, Controller: "Example GmbH, Musterstraße 1, Berlin",
			Contact: "privacy@example.com", Purpose: "to see which commands are used and where they fail", Retention: "12 months",
			PrivacyURL: "https://example.com/privacy/mytool", Accepted: "taken for processing; whether an event is kept, PostHog says a moment later"},
		Delivered: 1843, Lost: 12,
		Problems: []page.Problem{
			{Tone: page.Caution, Title: "12 events lost", Text: "9 too old, 3 not taken by the disk"},
			{Tone: page.Neutral, Title: "Not all at once", Text: "at most 600 events a minute go to this receiver from one installation"},
		},
		NoExample:  "in no event here, by this name",
		FieldsNote: "There is no other field. Metadata that is not declared is left out before it is written.",
		Fields:     fields(),
		Waiting:    page.Waiting{Total: 23, Bytes: 18432, Why: "They go with the first command after 09:41."},
		Sent: page.Sent{Total: 64, Notes: []page.Note{
			{Tone: page.Good, Text: "The chain of the log is whole: 64 entries, none changed."},
			{Tone: page.Caution, Text: "The log is cut at 1 MiB: what was sent before 2026-10-09 is not in it any more (117 deliveries)."},
		}},
		Activity: activity(31),
		Decisions: []page.Decision{
			{ID: yes, At: at.AddDate(0, 0, -55), By: "your answer to the question", Answer: "yes", Tone: page.Good, InForce: true,
				Scope: "posthog (eu.i.posthog.com), 26 fields, notice 3", Shown: notice, Differs: []string{"more: the metadata key “targets”, a count in buckets"}},
			{ID: "0a77d3f4be9145c0b1e2f39c8d506a17", At: at.AddDate(0, -4, 0), By: "mytool telemetry enable --local", Answer: "this machine only", Tone: page.Neutral,
				Scope: "the local log, 25 fields, notice 2", Shown: notice},
			{ID: "", At: at.AddDate(0, -7, -3), By: "mytool telemetry disable", Answer: "no", Tone: page.Neutral, Scope: "everything"},
		},
		Deletions: []page.Deletion{{MachineID: "e01b6a2c5f7948d3a6c0d9b8427f1e35", State: "verified", Tone: page.Good,
			Steps:  []page.Step{{Name: "requested", At: at.AddDate(0, -7, -3)}, {Name: "delivered", At: at.AddDate(0, -7, -3)}, {Name: "verified", At: at.AddDate(0, -7, 2)}},
			Detail: "nothing of it was found any more"}},
		Controls: controls(),
	}
	for i := range 23 {
		d.Waiting.Events = append(d.Waiting.Events, page.Event{At: at.Add(-time.Duration(i) * 17 * time.Minute),
			Name: commands[i*i%len(commands)], JSON: event(i), To: "eu.i.posthog.com"})
	}
	d.Waiting.Events[21].Why = "It was recorded for another receiver than this version has, and waits until it is too old."
	for i := range 64 {
		delivery := page.Delivery{At: at.Add(-time.Duration(i) * 11 * time.Hour), To: "posthog (eu.i.posthog.com)", Events: 1 + i*i%7,
			Status: "200, accepted", Tone: page.Good, Receipt: yes}
		if i%13 == 4 {
			delivery.Status, delivery.Tone = "503, to be sent again", page.Caution
		}
		var events []string
		for n := range delivery.Events {
			events = append(events, event(i*7+n))
		}
		delivery.Body = `{"api_key":"phc_…","batch":[` + strings.Join(events, ",") + `]}`
		d.Sent.Deliveries = append(d.Sent.Deliveries, delivery)
	}
	return d
}

func layers() []page.Layer {
	return []page.Layer{
		{Name: "the tool", Verdict: "silent", Detail: "its author has enabled the feature"},
		{Name: "the build", Verdict: "silent", Detail: "telemetry is compiled in"},
		{Name: "policy of this machine", Verdict: "silent", Detail: "there is no /etc/mytool/telemetry-policy"},
		{Name: "DO_NOT_TRACK", Verdict: "silent", Detail: "not set"},
		{Name: "TELEMETRY_ENABLED", Verdict: "silent", Detail: "not set"},
		{Name: "MYTOOL_TELEMETRY", Verdict: "silent", Detail: "not set"},
		{Name: "your answer", Verdict: "yes", Tone: page.Good, Detail: "given on 2026-10-02 to the question", Decided: true},
	}
}

func fields() []page.Field {
	const all, own = "In every event", "Metadata that mytool declares"
	return []page.Field{
		{Name: "id", Group: all, Type: "uuid", Meaning: "tells events apart; random", Example: "0193a1c2-7d3e-7f10-9a4b-000000001eef"},
		{Name: "timestamp", Group: all, Type: "time", Meaning: "when it happened", Example: "2026-11-26T09:13:00Z"},
		{Name: "type", Group: all, Type: "one of command.invocation, command.error, feature.used, config.file_rewritten, update.check", Meaning: "what kind of thing happened", Example: "command.invocation"},
		{Name: "name", Group: all, Type: "text, 64 bytes", Meaning: "which one, such as the command's path", Example: "deploy status"},
		{Name: "duration_ms", Group: all, Type: "integer", Meaning: "how long it took, in milliseconds", Example: "412"},
		{Name: "exit_code", Group: all, Type: "integer", Meaning: "how it ended", Example: "0"},
		{Name: "error_class", Group: all, Type: "one of usage, interrupted, timeout, permission, not_found, network, panic, ended_unrecorded, other", Meaning: "what went wrong, in one word"},
		{Name: "os_version", Group: all, Type: "text", Meaning: "the system's family, such as debian 12", Example: "debian 12"},
		{Name: "machine_id", Group: all, Type: "id", Meaning: "the installation's pseudonym", Example: machine},
		{Name: "metadata.auth_method", Group: own, Type: "oauth, token or none", Meaning: "which way of logging in to keep", Example: "oauth"},
		{Name: "metadata.targets", Group: own, Type: "0-9, 10-99, 100+", Meaning: "how large projects are", Example: "10-99"},
	}
}

func activity(days int) page.Activity {
	a := page.Activity{Note: "Counted in the log and in what waits."}
	for i := range days {
		n := (i*i*7+i*31)%58 + 4
		if i%7 > 4 {
			n = i % 3
		}
		a.Days = append(a.Days, page.Day{Date: at.AddDate(0, 0, i-days+1), Events: n})
	}
	for i, name := range commands {
		a.Commands = append(a.Commands, page.CommandCount{Name: name, Events: 412 / (i*i + 1)})
	}
	return a
}

// Evil is in every text of Hostile: markup that would run, ends of elements and attributes,
// commands to a terminal, and marks that turn the direction of what follows.
const Evil = `</style></title></pre><script>document.title="pwned"</script><img src=x onerror=alert(1)>" onfocus="alert(1)" autofocus x='` +
	"\x1b[31m\u202e\u2066\u0000\xff{}%s&lt;"

// Hostile is an installation with far too much of everything.
func Hostile() page.Data {
	long := Evil + strings.Repeat("W", 1<<20)
	d := page.Data{Tool: Evil, Version: long, At: at, MachineID: long, StateDir: long, FieldsNote: long, NoExample: long, Delivered: math.MaxInt/8 + 1, Lost: -(math.MaxInt/8 + 1)}
	d.State = page.State{Words: long, Tone: page.Bad, Decider: long, Since: at}
	d.Receiver = page.Receiver{Name: long, Hosts: repeated(long, 1000), Controller: long, Contact: long, Purpose: long, Retention: long,
		PrivacyURL: "javascript:alert(1)//" + Evil, Accepted: long}
	d.Waiting = page.Waiting{Total: math.MaxInt/8 + 1, Bytes: math.MaxInt/8 + 1, Why: long}
	d.Lost = math.MaxInt/8 + 1
	for i := range 100_000 {
		json := `{"evil":` + Evil
		if i < 40 {
			json = `{"evil":"` + long + `"}`
		}
		d.Waiting.Events = append(d.Waiting.Events, page.Event{At: at, Name: Evil, JSON: json, To: Evil, Why: Evil})
		body := strings.Repeat("[", 30) + Evil
		if i < 40 {
			body = strings.Repeat("[", 4000) + strings.Repeat("1,", 1<<19)
		}
		d.Sent.Deliveries = append(d.Sent.Deliveries, page.Delivery{At: at, To: Evil, Events: -i, Status: Evil, Tone: page.Bad, Body: body, Receipt: Evil})
		d.Activity.Days = append(d.Activity.Days, page.Day{Date: at.AddDate(0, 0, -i), Events: math.MaxInt/8 + 1})
	}
	d.Sent.Total = math.MaxInt/8 + 1
	for range 1000 {
		d.State.Layers = append(d.State.Layers, page.Layer{Name: Evil, Verdict: long, Tone: page.Bad, Detail: long, Decided: true})
		d.Problems = append(d.Problems, page.Problem{Tone: page.Bad, Title: Evil, Text: long})
		d.Fields = append(d.Fields, page.Field{Name: long, Group: Evil, Type: Evil, Meaning: long, Example: long})
		d.Sent.Notes = append(d.Sent.Notes, page.Note{Tone: page.Bad, Text: long})
		d.Activity.Commands = append(d.Activity.Commands, page.CommandCount{Name: long, Events: -1})
		d.Decisions = append(d.Decisions, page.Decision{ID: Evil, At: at, By: long, Answer: Evil, Scope: long, InForce: true, Shown: long + "\n" + Evil, Differs: repeated(Evil, 1000)})
		d.Deletions = append(d.Deletions, page.Deletion{MachineID: long, State: Evil, Tone: page.Bad, Steps: []page.Step{{Name: long, At: at}}, Detail: long})
		d.Controls = append(d.Controls, page.Control{Line: long, Effect: Evil})
	}
	d.Activity.Note = long
	return d
}

func repeated(text string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = text
	}
	return list
}
