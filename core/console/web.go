//go:build !notelemetry && !notelemetrypage

package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/console/internal/page"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
	"github.com/gotoolbase/telemetry/internal/schemafile"
	"github.com/gotoolbase/telemetry/internal/screen"
)

// web serves the page to this machine until the person closes it.
func (c *call) web() error {
	ctx, stop := context.WithCancel(c.ctx)
	defer stop()
	ready := func(address string) {
		c.say("The page is at %s", address)
		c.say("The address works once, and on this machine only. The page ends when you close it, after ten minutes, and with Ctrl-C.")
		if c.unheard() {
			stop() // no browser has the address
			return
		}
		if c.out.Terminal {
			_ = c.openURL(c.m.Lookup, address) // it is printed all the same
		}
	}
	ending, err := page.Serve(ctx, c.pageData, page.Options{Ready: ready, Translate: func(text string) string { return c.text(text) }, Language: c.language()})
	if err != nil {
		return c.errorf("the page could not be shown: %[1]w; the same is in %[2]s, %[3]s and %[4]s",
			flat{err}, c.hint("status"), c.hint("inspect"), c.hint("log"))
	}
	switch ending {
	case page.TimeUp:
		c.say("Ten minutes are over, so the page is no longer served.")
	case page.Closed:
		c.say("No browser has asked for the page for half a minute, so it is no longer served.")
	case page.Cancelled:
		if c.ctx.Err() == nil {
			return nil // the command's own error says what was not heard
		}
		return &InterruptedError{c.ctx, "the page was open"}
	}
	return nil
}

// language is the tag of the language that the page is in: a table translates it as a text.
func (s *settings) language() string { return s.text("en") }

// pageData gathers what the page shows. What cannot be read is a problem on the page.
func (c *call) pageData(ctx context.Context) (page.Data, error) {
	v := c.look()
	if v.QueueUnknown && v.DeliveriesUnknown && len(v.Faults) > 0 {
		return page.Data{}, errors.New(v.Faults[0]) // rather than a page of zeros
	}
	tool := c.m.Tool()
	d := page.Data{
		Tool: tool.Name, Version: tool.Version, At: v.At, State: v.pageState(), MachineID: v.MachineID, StateDir: v.StateDir,
		Receiver: page.Receiver{
			Name: v.receiver(), Hosts: v.Backend.Hosts, Local: v.Backend.Local, Accepted: v.Backend.Accepted,
			Controller: v.Controller.Name, Contact: v.Controller.Contact, Purpose: v.Controller.Purpose, Retention: v.Controller.Retention,
			PrivacyURL: tool.Telemetry.PrivacyURL,
		},
		Delivered: v.Delivered, Lost: v.TotalLost(), DeliveriesUnknown: v.DeliveriesUnknown, WaitingUnknown: v.QueueUnknown, Controls: c.pageControls(),
	}
	for _, fault := range v.Faults {
		d.Problems = append(d.Problems, page.Problem{Tone: page.Bad, Title: c.text("What is wrong"), Text: fault})
	}
	for _, row := range slices.Concat(v.blockedRows(c.hint), v.uploadRows(c.hint)) {
		if row.Colour == screen.Red {
			d.Problems = append(d.Problems, page.Problem{Tone: page.Caution, Title: row.Label, Text: row.Value})
		}
	}
	waiting, err := c.m.Waiting(ctx)
	unreadable(&d, c.text("What waits"), err)
	log, err := c.m.Sent(time.Time{})
	unreadable(&d, c.text("The log of what was sent"), err)
	decisions, err := c.m.Decisions()
	unreadable(&d, c.text("The history of decisions"), err)
	c.pageWaiting(&d, v, waiting)
	c.pageSent(&d, v, log)
	c.pageDecisions(&d, decisions)
	c.pageFields(&d, examplesIn(v, waiting, log))
	c.pageDeletions(&d, v.Deletions)
	d.Activity = c.pageActivity(waiting, log, v.At)
	return d, ctx.Err()
}

// unreadable notes what could not be read.
func unreadable(d *page.Data, what string, err error) {
	if err != nil {
		d.Problems = append(d.Problems, page.Problem{Tone: page.Caution, Title: what, Text: flat{err}.Error()})
	}
}

// tone is how a colour of the screen is meant.
func tone(c screen.Colour) page.Tone {
	switch c {
	case screen.Green:
		return page.Good
	case screen.Red:
		return page.Bad
	}
	return page.Neutral
}

func (v view) pageState() page.State {
	words, colour := v.stateWords()
	s := page.State{Words: words, Tone: tone(colour), Decider: v.decider(), Since: v.Decision.Since}
	for _, layer := range v.Decision.Layers {
		l := page.Layer{Name: v.text(layer.Name), Verdict: v.text("silent"), Detail: v.detailWords(layer.Detail), Decided: layer.Name == v.Decision.Decider}
		switch layer.Verdict {
		case consent.Yes:
			l.Verdict, l.Tone = v.text("yes"), page.Good
		case consent.No:
			l.Verdict, l.Tone = v.text("no"), page.Bad
		}
		s.Layers = append(s.Layers, l)
	}
	return s
}

// pageControls are what a person may want to type next.
func (c *call) pageControls() (list []page.Control) {
	for _, control := range []struct{ command, effect string }{
		{"enable", c.text("Say yes to sending usage data")},
		{"disable", c.text("Say no, and erase what has not been sent")},
		{"reset", c.text("Turn telemetry off, erase it here and ask for the deletion of what was sent")},
		{"export my-data.json", c.text("Write everything that is kept about you here as one document")},
	} {
		list = append(list, page.Control{Line: c.hint(control.command), Effect: control.effect})
	}
	return list
}

func (c *call) pageWaiting(d *page.Data, v view, waiting []core.WaitingEvent) {
	d.Waiting = page.Waiting{Total: v.Queue.Events, Bytes: v.Queue.Bytes}
	if v.state() == stateOn && len(waiting) > 0 {
		d.Waiting.Why = c.text("Next upload: %s", v.nextUpload())
	}
	for _, held := range v.Held {
		d.Problems = append(d.Problems, page.Problem{Tone: page.Caution, Title: c.text("Not sent"), Text: v.heldWords(held)})
	}
	for _, w := range waiting {
		e := page.Event{At: w.Event.Time, Name: strings.TrimSpace(w.Event.Type + " " + w.Event.Name), JSON: string(w.Event.AppendJSON(nil)), To: w.Receiver}
		if w.Keep != "" || w.Held || w.Gone || !w.Until.IsZero() {
			e.Why = c.whereTo(w)
		}
		d.Waiting.Events = append(d.Waiting.Events, e)
	}
}

func (c *call) pageSent(d *page.Data, v view, log core.SentLog) {
	d.Sent.Total = len(log.Deliveries)
	for _, one := range slices.Backward(log.Deliveries) {
		answer, colour := c.answerOf(one)
		body, err := one.Readable()
		switch {
		case one.NotKept != "" && body == "":
			body = c.text("The bytes are not shown: %s.", one.NotKept)
		case err != nil:
			body = err.Error()
		}
		d.Sent.Deliveries = append(d.Sent.Deliveries, page.Delivery{
			At: one.At, To: one.Backend + " (" + one.Host + ")", Events: one.Events, Status: answer, Tone: tone(colour), Body: body,
			Receipt: strings.Join(one.Receipts, ", "),
		})
	}
	if v.Stayed > 0 && v.LocalLog != "" {
		d.Sent.Notes = append(d.Sent.Notes, page.Note{Text: c.count(v.Stayed, "%[1]d event stayed on this machine, in %[2]s", "%[1]d events stayed on this machine, in %[2]s", v.LocalLog)})
	}
	for _, line := range c.logRemarks(log) {
		d.Sent.Notes = append(d.Sent.Notes, page.Note{Tone: page.Caution, Text: line})
	}
	if log.Mismatch == nil && len(log.Deliveries) > 0 {
		d.Sent.Notes = append(d.Sent.Notes, page.Note{Tone: page.Good,
			Text: c.count(len(log.Deliveries), "The log is as it was written: %d request.", "The log is as it was written: %d requests.")})
	}
}

func (c *call) pageDecisions(d *page.Data, all core.Decisions) {
	for i, one := range slices.Backward(all.List) {
		answer, colour := c.decidedWords(one.Past)
		p := page.Decision{ID: one.Receipt, At: one.At, By: c.decidedBy(one.Past), Answer: answer, Tone: tone(colour), Scope: scopeOf(one.Past),
			InForce: one.Answered && i == len(all.List)-1, Shown: one.Shown}
		for _, more := range one.More {
			p.Differs = append(p.Differs, c.text("New since then: %s", more))
		}
		for _, less := range one.Less {
			p.Differs = append(p.Differs, c.text("Gone since then: %s", less))
		}
		d.Decisions = append(d.Decisions, p)
	}
}

// pageFields lists what may be sent, with an example of each field.
func (c *call) pageFields(d *page.Data, examples map[string]string) {
	schema, err := c.m.Schema()
	if err != nil {
		unreadable(d, c.text("What may be sent"), err)
		return
	}
	d.NoExample = c.text("in no event here, by this name")
	if len(examples) == 0 {
		d.NoExample = c.text("no event here")
	}
	add := func(group, prefix string, fields []core.SchemaField) {
		for _, f := range fields {
			d.Fields = append(d.Fields, page.Field{Name: prefix + f.Name, Group: group, Type: schemafile.Words(f), Meaning: f.Purpose, Example: examples[prefix+f.Name]})
		}
	}
	add(c.text("Every event"), "", schema.Fields)
	add(c.text("Metadata of any event"), "metadata.", schema.Metadata)
	for _, e := range schema.Events {
		add(e.Type, "metadata.", e.Fields)
	}
	switch {
	case schema.AnyKey:
		d.FieldsNote = c.text("The tool does not declare more: there may be other events, and details under any key.")
	case !schema.Declared:
		d.FieldsNote = c.text("The tool does not declare its events: there may be others.")
	}
}

// examplesIn returns a value of each field: the newest's of the events that wait and, of fields
// that none of them has, of those that the log of what was sent has.
func examplesIn(v view, waiting []core.WaitingEvent, log core.SentLog) map[string]string {
	examples := map[string]string{}
	if v.Sent { // a vendor may call it something else
		examples["machine_id"] = v.MachineID
	}
	note := func(event map[string]json.RawMessage) {
		for name, value := range event {
			examples[name] = strings.Trim(string(value), `"`)
		}
		var metadata map[string]string
		_ = json.Unmarshal(event["metadata"], &metadata)
		for key, value := range metadata {
			examples["metadata."+key] = value
		}
	}
	for _, d := range log.Deliveries {
		if body, err := d.Readable(); err == nil && !d.Unsent {
			for decoder := json.NewDecoder(strings.NewReader(body)); ; {
				var value json.RawMessage
				if decoder.Decode(&value) != nil {
					break
				}
				eventsIn(value, note)
			}
		}
	}
	for _, w := range waiting {
		var event map[string]json.RawMessage
		_ = json.Unmarshal(w.Event.AppendJSON(nil), &event)
		note(event)
	}
	return examples
}

// eventsIn finds the events in a body, whatever its backend puts around them: most backends have our
// names in an object that holds what their vendor has no name for, and all have consent_id there.
func eventsIn(value json.RawMessage, note func(map[string]json.RawMessage)) {
	var list []json.RawMessage
	var object map[string]json.RawMessage
	switch {
	case json.Unmarshal(value, &list) == nil:
		for _, one := range list {
			eventsIn(one, note)
		}
	case json.Unmarshal(value, &object) != nil:
	case object["consent_id"] != nil:
		note(object)
	default:
		for _, one := range object {
			eventsIn(one, note)
		}
	}
}

func (c *call) pageDeletions(d *page.Data, all []core.Deletion) {
	for _, e := range slices.Backward(all) {
		p := page.Deletion{MachineID: e.MachineID, State: c.text(string(e.State)), Detail: strings.Join(c.deletionWords(e), " ")}
		switch e.State {
		case deletion.Verified:
			p.Tone = page.Good
		case deletion.Refused:
			p.Tone = page.Bad
		case deletion.Requested, deletion.Manual:
			p.Tone = page.Caution
		}
		for _, state := range steps {
			if at := e.Reached[state]; !at.IsZero() {
				p.Steps = append(p.Steps, page.Step{Name: c.text(string(state)), At: at})
			}
		}
		d.Deletions = append(d.Deletions, p)
	}
}

const (
	// chartDays is what fits beside each other on a telephone, chartCommands what a person takes in.
	chartDays     = 30
	chartCommands = 12
)

// pageActivity counts what is in the log and what waits.
func (c *call) pageActivity(waiting []core.WaitingEvent, log core.SentLog, now time.Time) page.Activity {
	days, commands := map[string]int{}, map[string]int{}
	note := func(at time.Time, name string, events int) {
		days[at.Local().Format(time.DateOnly)] += events
		commands[cmp.Or(name, c.text("others"))] += events
	}
	seen := map[string]bool{} // IDs: what was sent again counts once, with its last attempt
	for _, w := range waiting {
		seen[w.Event.ID] = true
		note(w.Event.Time, commandOf(w.Event), max(w.Event.Count, 1))
	}
	for _, d := range slices.Backward(log.Deliveries) {
		again := slices.ContainsFunc(d.IDs, func(id string) bool { return seen[id] })
		for _, id := range d.IDs {
			seen[id] = true
		}
		for _, kind := range d.Counts {
			if !again && !d.Unsent {
				note(d.At, kind.Name, kind.Events)
			}
		}
	}
	a := page.Activity{Note: c.text("Counted is what is in the log, on the day on which it was sent, and what waits.")}
	if len(days) == 0 {
		return a
	}
	for i := chartDays - 1; i >= 0; i-- {
		day := now.Local().AddDate(0, 0, -i)
		a.Days = append(a.Days, page.Day{Date: day, Events: days[day.Format(time.DateOnly)]})
	}
	for name, events := range commands {
		a.Commands = append(a.Commands, page.CommandCount{Name: name, Events: events})
	}
	slices.SortFunc(a.Commands, func(a, b page.CommandCount) int {
		return cmp.Or(b.Events-a.Events, strings.Compare(a.Name, b.Name))
	})
	a.Commands = a.Commands[:min(len(a.Commands), chartCommands)]
	return a
}

// commandOf names an event as the log counts it.
func commandOf(e driver.Event) string {
	if e.Type == "command.invocation" {
		return e.Name
	}
	return strings.TrimSpace(e.Type + " " + e.Name)
}
