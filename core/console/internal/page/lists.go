package page

import "strings"

// waitingList shows the events that wait, a page of them at a time.
func (v *view) waitingList() {
	w := v.Waiting
	if v.WaitingUnknown {
		v.empty(v.say("not known"))
		return
	}
	if w.Total == 0 && len(w.Events) == 0 {
		v.empty(v.say("Nothing waits."))
		return
	}
	lead := v.say("%s in all, %s on disk.", number(w.Total), size(w.Bytes))
	v.add(`<p class="lead">{} {}</p>`, lead, w.Why)
	p := paged(len(w.Events), waitingEach, v.query.waiting)
	v.pager(p, v.say("Pages of what waits"), "waiting", func(page int) query {
		return query{v.search, v.query.sent, page}
	})
	v.add(`<ol class="entries">`)
	for _, e := range w.Events[p.from:p.to] {
		v.add(`<li><details><summary><span class="when">`)
		v.time(e.At)
		v.add(`</span> <span class="what">{}</span> <span class="to">{}</span></summary>`, e.Name, v.say("to %s", e.To))
		if e.Why != "" {
			v.add(`<p>{}</p>`, e.Why)
		}
		v.body(v.say("Event %s of %s", e.Name, moment(e.At)), e.JSON, maxJSON, "")
		v.add("</details></li>\n")
	}
	v.add(`</ol>`)
	v.restNote(len(w.Events), w.Total)
}

// body writes text in lines, laid out if it is JSON.
func (v *view) body(label, text string, limit int, search string) {
	v.add(`<pre role="group" tabindex="0" aria-label="{}">`, label)
	shown := cut(text, limit)
	if looksLikeJSON(shown) {
		v.json(shown, search)
	} else {
		for i, line := range strings.Split(shown, "\n") {
			if i > 0 {
				v.b.WriteByte('\n')
			}
			v.marked(line, search)
		}
	}
	v.add(`</pre>`)
	v.cutNote(text, limit)
	if index(shown, search) < 0 && index(text, search) >= 0 {
		v.add(`<p class="cut">{}</p>`, v.say("What was searched for is in the part that is cut."))
	}
}

// sentLog shows the log of deliveries, which can be searched.
func (v *view) sentLog() {
	s := v.Sent
	v.add(`<ul class="notes">`)
	for _, note := range s.Notes[:min(len(s.Notes), maxEntries)] {
		v.add(`<li class="{}">{}</li>`, note.Tone.class(), note.Text)
	}
	v.add(`</ul>`)
	if len(s.Deliveries) == 0 {
		v.empty(v.say("The log holds no delivery."))
		return
	}
	v.add(`<form role="search" method="get" action="#sent"><label for="q">{}</label><span class="box">`, v.say("Search the log"))
	v.add(`<input type="search" id="q" name="q" value="{}" maxlength="200" autocomplete="off" spellcheck="false">`, v.search)
	v.add(`<button>{}</button></span></form>`, v.say("Search"))
	list := found(s.Deliveries, v.search)
	if v.search != "" {
		v.add(`<p class="lead" role="status">{} <a href="?#sent">{}</a></p>`,
			v.say("Found “%s” in %s of %s deliveries.", v.search, number(len(list)), number(len(s.Deliveries))), v.say("Show all"))
	}
	p := paged(len(list), sentEach, v.query.sent)
	v.pager(p, v.say("Pages of the log"), "sent", func(page int) query {
		return query{v.search, page, v.query.waiting}
	})
	v.add(`<ol class="entries">`)
	for _, d := range list[p.from:p.to] {
		v.delivery(d)
	}
	v.add(`</ol>`)
	v.restNote(len(s.Deliveries), s.Total)
}

// delivery is one entry of the log, open where something was searched for.
func (v *view) delivery(d Delivery) {
	open := html("")
	if v.search != "" {
		open = " open"
	}
	v.add(`<li><details` + open + `><summary><span class="when">`)
	v.time(d.At)
	v.add(`</span> <span class="count">{}</span> `, v.say("Events: %s", number(d.Events)))
	v.badge(d.Tone, d.Status)
	v.add(` <span class="to">{}</span></summary>`, v.say("to %s", d.To))
	if d.Receipt != "" {
		v.add(`<p>{} <code>{}</code></p>`, v.say("Sent under the decision"), d.Receipt)
	}
	v.body(v.say("Request of %s", moment(d.At)), d.Body, maxBody, v.search)
	v.add("</details></li>\n")
}

// decisions shows the receipts, each with the text that was shown then.
func (v *view) decisions() {
	if len(v.Decisions) == 0 {
		v.empty(v.say("Nobody has decided anything yet."))
		return
	}
	v.add(`<ol class="entries">`)
	shown := v.Decisions[:min(len(v.Decisions), maxEntries)]
	for _, d := range shown {
		v.add(`<li><details><summary><span class="when">`)
		v.time(d.At)
		v.add(`</span> `)
		v.badge(d.Tone, d.Answer)
		v.add(` <span class="what">{}</span>`, d.By)
		if d.InForce {
			v.add(` <span class="tag">{}</span>`, v.say("in force"))
		}
		v.add(`</summary><dl class="facts">`)
		v.fact(v.say("What it was about"), d.Scope)
		v.codeFact(v.say("ID"), d.ID)
		v.add(`</dl>`)
		v.differences(d.Differs)
		v.shownThen(d.Shown)
		v.add("</details></li>\n")
	}
	v.add(`</ol>`)
	v.restNote(len(shown), len(v.Decisions))
}

func (v *view) differences(list []string) {
	v.add(`<h3>{}</h3>`, v.say("What the present version would send more or less"))
	if len(list) == 0 {
		v.add(`<p>{}</p>`, v.say("Nothing."))
		return
	}
	v.add(`<ul>`)
	shown := list[:min(len(list), maxEntries)]
	for _, text := range shown {
		v.add(`<li>{}</li>`, text)
	}
	v.add(`</ul>`)
	v.restNote(len(shown), len(list))
}

func (v *view) shownThen(text string) {
	v.add(`<h3>{}</h3>`, v.say("What was shown then"))
	if text == "" {
		v.add(`<p>{}</p>`, v.say("No text was kept."))
		return
	}
	v.add(`<pre class="notice" role="group" tabindex="0" aria-label="{}">`, v.say("What was shown then"))
	v.lines(text, maxNoticeLen)
	v.add(`</pre>`)
	v.cutNote(text, maxNoticeLen)
}

// deletions shows how far each deletion request came.
func (v *view) deletions() {
	if len(v.Deletions) == 0 {
		v.empty(v.say("No deletion was asked for."))
		return
	}
	v.table("requests", v.say("Every deletion request"), texts(v.say("Machine ID"), v.say("State"), v.say("Reached"), v.say("To know"))...)
	shown := v.Deletions[:min(len(v.Deletions), maxEntries)]
	for _, e := range shown {
		v.add(`<tr><th scope="row"><code>{}</code></th><td>`, e.MachineID)
		v.badge(e.Tone, e.State)
		v.add(`</td><td><ol class="steps">`)
		for _, step := range e.Steps[:min(len(e.Steps), maxEntries)] {
			v.add(`<li>{} `, step.Name)
			v.time(step.At)
			v.add(`</li>`)
		}
		v.add("</ol></td><td>{}</td></tr>\n", e.Detail)
	}
	v.endTable()
	v.restNote(len(shown), len(v.Deletions))
}
