package page

import (
	"strconv"
	"time"
)

// activity shows events a day and by command. What the bars say is in text and tables too.
func (v *view) activity() {
	a := v.Activity
	if a.Note != "" {
		v.add(`<p class="lead">{}</p>`, a.Note)
	}
	if len(a.Days) == 0 && len(a.Commands) == 0 {
		v.empty(v.say("There is nothing to count yet."))
		return
	}
	v.add(`<div class="charts">`)
	if len(a.Days) > 0 {
		v.days(a.Days)
	}
	if len(a.Commands) > 0 {
		v.byCommand(a.Commands)
	}
	v.add(`</div>`)
}

// days draws a bar a day. The drawing is stretched to the width that there is, so its labels
// are text beside it.
func (v *view) days(all []Day) {
	days := all[max(0, len(all)-maxDays):]
	most, total := Day{}, 0
	for _, d := range days {
		if d.Events > most.Events {
			most = d
		}
		total += d.Events
	}
	first, last := date(days[0].Date), date(days[len(days)-1].Date)
	v.add(`<figure><figcaption><h3>{}</h3><p>{}</p></figcaption>`, v.say("Events a day"),
		v.say("%s from %s to %s; the most on one day: %s.", number(total), first, last, number(most.Events)))
	v.add(`<svg class="bars" role="img" aria-label="{}" viewBox="0 0 {} 100" preserveAspectRatio="none">`,
		v.say("Events a day from %s to %s; the table below has the numbers", first, last), strconv.Itoa(len(days)*10))
	v.add(`<path class="grid" d="M0 0H{}M0 50H{}" />`, strconv.Itoa(len(days)*10), strconv.Itoa(len(days)*10))
	for i, d := range days {
		height := share(d.Events, most.Events)
		v.add(`<rect x="{}" y="{}" width="8" height="{}"><title>{}</title></rect>`,
			strconv.Itoa(i*10+1), decimal(100-height), decimal(height), date(d.Date)+": "+number(d.Events))
	}
	v.add(`</svg><p class="axis"><span>{}</span> <span>{}</span></p>`, first, last)
	v.add(`<details><summary>{}</summary>`, v.say("As a table"))
	v.table("counts", v.say("Events a day"), column{title: v.say("Day")}, column{v.say("Events"), true})
	for _, d := range days {
		v.add(`<tr><th scope="row">{}</th><td class="number">{}</td></tr>`, date(d.Date), number(d.Events))
	}
	v.endTable()
	v.add(`</details>`)
	v.restNote(len(days), len(all))
	v.add(`</figure>`)
}

// byCommand is a table whose last column draws what the one before says.
func (v *view) byCommand(all []CommandCount) {
	v.add(`<div><h3>{}</h3>`, v.say("Events by command"))
	v.table("uses", v.say("The most used first"), column{title: v.say("Command")}, column{v.say("Events"), true}, column{title: v.say("Share")})
	most := 0
	for _, c := range all {
		most = max(most, c.Events)
	}
	shown := all[:min(len(all), maxCommands)]
	for _, c := range shown {
		v.add(`<tr><th scope="row"><code>{}</code></th><td class="number">{}</td><td class="bar"><svg aria-hidden="true" viewBox="0 0 100 10" preserveAspectRatio="none"><rect width="{}" height="10" /></svg></td></tr>`,
			c.Name, number(c.Events), decimal(share(c.Events, most)))
	}
	v.endTable()
	v.restNote(len(shown), len(all))
	v.add(`</div>`)
}

// share is n as a part of a hundred of most: at least so much of something that it is seen.
func share(n, most int) float64 {
	if n <= 0 || most <= 0 {
		return 0
	}
	return max(1.5, 100*float64(n)/float64(most))
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }

func date(at time.Time) string { return at.Format(time.DateOnly) }
