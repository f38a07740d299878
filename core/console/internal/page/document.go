package page

import (
	_ "embed"
	"strings"
	"time"
)

//go:embed style.css
var style string

// How much of the long lists is shown at once, and of those that are short in earnest at
// all. Together with the bounds of single texts this keeps the document at a few MiB,
// whatever is in the state directory.
const (
	sentEach     = 10
	waitingEach  = 20
	maxRows      = 200 // of fields, of which there are some dozens
	maxEntries   = 30
	maxDays      = 31
	maxCommands  = 12
	maxBody      = 8 << 10 // of a request
	maxJSON      = 4 << 10 // of an event: more than one has but for long metadata
	maxNoticeLen = 8 << 10
)

// view is one look at the page.
type view struct {
	Data
	query
	*markup
	lang string
	// ends is when the page ends at the latest.
	ends time.Time
}

// section is a part of the page that the list of contents names.
type section struct {
	id    string
	title string
	write func()
}

func (v *view) sections() []section {
	list := []section{
		{"state", v.say("Who decided"), v.layers},
		{"receiver", v.say("Who receives it"), v.receiver},
		{"activity", v.say("Activity"), v.activity},
		{"waiting", v.say("What waits"), v.waitingList},
		{"sent", v.say("What was sent"), v.sentLog},
		{"fields", v.say("What an event may hold"), v.fields},
		{"decisions", v.say("Decisions"), v.decisions},
		{"deletions", v.say("Deletion requests"), v.deletions},
		{"controls", v.say("To change anything"), v.controls},
	}
	if len(v.Problems) > 0 {
		list = append([]section{{"problems", v.say("Losses and warnings"), v.problems}}, list...)
	}
	return list
}

// document returns the whole page.
func (v *view) document() string {
	sections := v.sections()
	v.add(`<!doctype html>
<html lang="{}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{}</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%23147a72'/%3E%3Cpath d='M4 11V8m4 3V4m4 7V6' stroke='white' stroke-width='2' stroke-linecap='round'/%3E%3C/svg%3E">
<style>`, v.lang, v.say("Telemetry of %s", v.Tool))
	v.b.WriteString(style)
	v.add(`</style></head><body>
<a class="skip" href="#main">{}</a>
`, v.say("Skip to the content"))
	v.head()
	v.add(`<div class="frame"><nav class="contents" aria-label="{}"><ul>`, v.say("Contents"))
	for _, s := range sections {
		v.add(`<li><a href="#{}">{}</a></li>`, s.id, s.title)
	}
	v.add(`</ul></nav>
<main id="main" tabindex="-1">
`)
	for _, s := range sections {
		v.add(`<section id="{}" aria-labelledby="{}-title"><h2 id="{}-title">{}</h2>
`, s.id, s.id, s.id, s.title)
		s.write()
		v.add("</section>\n")
	}
	v.add(`</main></div>
`)
	v.foot()
	v.add("</body></html>\n")
	return v.b.String()
}

// head says what matters most: whether telemetry is on, and three numbers.
func (v *view) head() {
	v.add(`<header class="top"><div class="inner"><div class="title"><h1>{}</h1>`, v.say("Telemetry of %s", v.Tool))
	if v.Version != "" {
		v.add(` <span class="version">{}</span>`, v.Version)
	}
	v.add(`</div><div class="state {}"><p class="words">{}</p>`, v.State.Tone.class(), v.State.Words)
	v.add(`<p>{}</p>`, v.say("Decided by: %s", v.State.Decider))
	if !v.State.Since.IsZero() {
		v.add(`<p>{} `, v.say("Since:"))
		v.time(v.State.Since)
		v.add(`</p>`)
	}
	v.add(`</div><dl class="tiles">`)
	tile := func(id, term, value string, tone Tone) {
		v.add(`<div class="{}"><dt>{}</dt><dd><a href="#{}">{}</a></dd></div>`, tone.class(), term, id, value)
	}
	counted := func(n int, unknown bool) string {
		if unknown {
			return v.say("not known")
		}
		return number(n)
	}
	tile("waiting", v.say("Events waiting"), counted(v.Waiting.Total, v.WaitingUnknown), Neutral)
	tile("sent", v.say("Events delivered"), counted(v.Delivered, v.DeliveriesUnknown), Neutral)
	if v.Lost > 0 {
		tile("problems", v.say("Events lost"), counted(v.Lost, v.DeliveriesUnknown), Caution)
	} else {
		v.add(`<div class="neutral"><dt>{}</dt><dd>{}</dd></div>`, v.say("Events lost"), counted(0, v.DeliveriesUnknown))
	}
	v.add("</dl></div></header>\n")
}

// foot holds the frame by which the server knows that the page is still looked at: it loads
// itself again every few seconds, without a script.
func (v *view) foot() {
	v.add(`<footer><p>{}</p><p>`,
		v.say("This page comes from this machine and goes to this browser only. It can change nothing, and loads nothing from elsewhere."))
	v.add(`{} <time datetime="{}">{}</time>. `, v.say("As of"), v.At.UTC().Format(time.RFC3339), v.At.Local().Format("2006-01-02 15:04 UTC-07:00"))
	v.add(`{} `, v.say("Searching and reloading work until the page is closed, at the latest until"))
	v.add(`{}.</p></footer><iframe class="beat" src="{}" title="{}" tabindex="-1" aria-hidden="true" hidden></iframe>`,
		v.ends.Local().Format("15:04"), beatName, v.say("Keeps the page's server running"))
}

// layers lists what has a say.
func (v *view) layers() {
	v.add(`<p class="lead">{}</p>`, v.say("Any no decides; without one any yes does; silence is no."))
	if len(v.State.Layers) == 0 {
		v.empty(v.say("Nothing is known of that."))
		return
	}
	v.table("layers", v.say("Everything that has a say"), texts(v.say("What"), v.say("Says"), v.say("Found there"))...)
	for _, l := range v.State.Layers[:min(len(v.State.Layers), maxEntries)] {
		if l.Decided {
			v.add(`<tr class="decided"><th scope="row">{} <span class="tag">{}</span></th><td>`, l.Name, v.say("decided"))
		} else {
			v.add(`<tr><th scope="row">{}</th><td>`, l.Name)
		}
		v.badge(l.Tone, l.Verdict)
		v.add(`</td><td>{}</td></tr>`, l.Detail)
	}
	v.endTable()
	v.restNote(min(len(v.State.Layers), maxEntries), len(v.State.Layers))
}

// receiver says where events go, and whom to ask.
func (v *view) receiver() {
	r := v.Receiver
	v.add(`<dl class="facts">`)
	v.fact(v.say("Receiver"), r.Name)
	switch {
	case len(r.Hosts) > 0:
		v.fact(v.say("Hosts that may be contacted"), strings.Join(r.Hosts[:min(len(r.Hosts), maxEntries)], ", "))
	case r.Local:
		v.fact(v.say("Hosts that may be contacted"), v.say("none: events stay on this machine"))
	default:
		v.fact(v.say("Hosts that may be contacted"), v.say("none"))
	}
	v.fact(v.say("Who answers for it"), r.Controller)
	v.fact(v.say("Contact"), r.Contact)
	v.fact(v.say("Purpose"), r.Purpose)
	v.fact(v.say("Kept for"), r.Retention)
	v.privacyURL(r.PrivacyURL)
	if r.Accepted != "" {
		v.fact(v.say("What its yes to an event means"), r.Accepted)
	}
	v.codeFact(v.say("Machine ID that it sees"), v.MachineID)
	v.codeFact(v.say("Kept here in"), v.StateDir)
	v.add(`</dl>`)
}

// fact is a term and its value, or that there is none.
func (v *view) fact(term, value string) {
	if value == "" {
		v.add(`<div><dt>{}</dt><dd class="none">{}</dd></div>`, term, v.say("not stated"))
		return
	}
	v.add(`<div><dt>{}</dt><dd>{}</dd></div>`, term, value)
}

func (v *view) codeFact(term, value string) {
	if value == "" {
		v.add(`<div><dt>{}</dt><dd class="none">{}</dd></div>`, term, v.say("none yet"))
		return
	}
	v.add(`<div><dt>{}</dt><dd><code>{}</code></dd></div>`, term, value)
}

// privacyURL links only what is an address of the web: a link may hold a script.
func (v *view) privacyURL(address string) {
	if (strings.HasPrefix(address, "https://") || strings.HasPrefix(address, "http://")) && len(address) <= maxValue {
		v.add(`<div><dt>{}</dt><dd><a href="{}" target="_blank" rel="noopener noreferrer">{}</a></dd></div>`,
			v.say("The whole policy"), address, address)
		return
	}
	v.fact(v.say("The whole policy"), address)
}

// table begins a table that scrolls by itself where the screen is narrow, also by keyboard.
// class sets it apart for the style sheet.
func (v *view) table(class, caption string, columns ...column) {
	v.add(`<div class="scroll {}" role="group" tabindex="0" aria-label="{}"><table><caption>{}</caption><thead><tr>`, class, caption, caption)
	for _, c := range columns {
		if c.numbers {
			v.add(`<th scope="col" class="number">{}</th>`, c.title)
		} else {
			v.add(`<th scope="col">{}</th>`, c.title)
		}
	}
	v.add("</tr></thead><tbody>\n")
}

// column is one of a table, of texts or of numbers.
type column struct {
	title   string
	numbers bool
}

// texts are columns of texts.
func texts(titles ...string) []column {
	list := make([]column, len(titles))
	for i, title := range titles {
		list[i].title = title
	}
	return list
}

func (v *view) endTable() { v.add("</tbody></table></div>\n") }

// empty says that a list has nothing in it.
func (v *view) empty(text string) { v.add(`<p class="empty">{}</p>`, text) }

// problems lists what a person should know.
func (v *view) problems() {
	v.add(`<ul class="notes">`)
	shown := v.Problems[:min(len(v.Problems), maxEntries)]
	for _, p := range shown {
		v.add(`<li class="{}"><strong>{}</strong> <span>{}</span></li>`, p.Tone.class(), p.Title, p.Text)
	}
	v.add(`</ul>`)
	v.restNote(len(shown), len(v.Problems))
}

// fields lists what an event may hold.
func (v *view) fields() {
	if v.FieldsNote != "" {
		v.add(`<p class="lead">{}</p>`, v.FieldsNote)
	}
	if len(v.Fields) == 0 {
		v.empty(v.say("No field is declared."))
		return
	}
	v.table("of-fields", v.say("Every field with its meaning, and an example from this machine"),
		texts(v.say("Field"), v.say("Meaning"), v.say("What it may be"), v.say("On this machine"))...)
	shown := v.Fields[:min(len(v.Fields), maxRows)]
	group := ""
	for i, f := range shown {
		if f.Group != group && (f.Group != "" || i > 0) {
			v.add(`<tr class="group"><th scope="rowgroup" colspan="4">{}</th></tr>`, f.Group)
			group = f.Group
		}
		v.add(`<tr><th scope="row"><code>{}</code></th><td>{}</td><td>{}</td><td>`, f.Name, f.Meaning, f.Type)
		if f.Example == "" {
			v.add(`<span class="none">{}</span>`, v.NoExample)
		} else {
			v.add(`<code>{}</code>`, f.Example)
		}
		v.add("</td></tr>\n")
	}
	v.endTable()
	v.restNote(len(shown), len(v.Fields))
}

// controls lists commands to type.
func (v *view) controls() {
	v.add(`<p class="lead">{}</p>`, v.say("This page changes nothing. These commands do:"))
	v.add(`<dl class="commands">`)
	shown := v.Controls[:min(len(v.Controls), maxEntries)]
	for _, c := range shown {
		v.add(`<div><dt><code>{}</code></dt><dd>{}</dd></div>`, c.Line, c.Effect)
	}
	v.add(`</dl>`)
	v.restNote(len(shown), len(v.Controls))
}
