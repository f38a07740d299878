package conformance

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// batchChecks try what a batch can be made of: as many events, as large, as alike and as
// different as the collector hands over.
func batchChecks() []Check {
	kept := []need{keepsSomething}
	return []Check{
		{ID: "delivery/equal-events", Level: Must, needs: kept,
			Sentence: "Events that are equal in everything but their ID all arrive, each once.", do: equalEvents},
		{ID: "delivery/batch-sizes", Level: Must, needs: kept,
			Sentence: "A batch of any size that the driver's limits allow arrives in one request, every event once and in the order of the batch.", do: batchSizes},
		{ID: "delivery/escaped-batch", Level: Must, needs: kept,
			Sentence: "A batch of the largest size whose texts grow when they are escaped stays within the vendor's limits, or is asked for in smaller batches before anything is sent.", do: escapedBatch},
		{ID: "delivery/any-name-and-version", Level: Must, needs: kept,
			Sentence: "Any name and version that a tool may have lets its events through.", do: oddVersions},
		{ID: "delivery/control-character-in-version", Level: Should, needs: kept,
			Sentence: "A version with a line break, as a file that is read whole has one, does not keep events from leaving.", do: brokenVersions},
		{ID: "fidelity/mixed-batch", Level: Must, needs: kept,
			Sentence: "In a batch of several machines, decisions, tools, versions and systems each event arrives with its own, or with none where it has none.", do: mixedBatch},
		{ID: "fidelity/nothing-made-up", Level: Must, needs: kept,
			Sentence: "Where an event has no machine ID or no name, it is refused, or it arrives with nothing in that place but what the event itself or a declared constant says.", do: nothingMadeUp},
		{ID: "fidelity/old-and-ahead", Level: Must, needs: kept,
			Sentence: "Events from 30 days ago to an hour ahead arrive, with their own times.", do: oldAndAhead},
		{ID: "fidelity/every-type", Level: Must, needs: kept,
			Sentence: "Events of every type arrive: those that the collector makes, and an author's own.", do: everyType},
		{ID: "fidelity/longest", Level: Must, needs: kept,
			Sentence: "Every text, key and argument arrives at the greatest length that the collector lets through, alone and all together.", do: longest},
		{ID: "privacy/no-time-zone", Level: Must, needs: kept,
			Sentence: "No time that is sent tells the zone of the machine.", do: noTimeZone},
		{ID: "lifecycle/many-sends", Level: Must, needs: kept,
			Sentence: "The 150th request of a backend has the form and the size of its first, and no Send leaves a connection or a goroutine behind.", do: manySends},
	}
}

// accepted sends a batch that the vendor accepts, and reports whether Send said so.
func (p *probe) accepted(b driver.Backend, what string, batch []driver.Event) bool {
	before := len(p.server.seen())
	v := p.send(b, batch)
	if !v.accepted() {
		p.failf("%s: Send returned %v", what, v)
		return false
	}
	if n := len(p.server.seen()) - before; n > 1 && datagrams(p.subject) != "" { // of which each is an event
		p.failf("%s: sent in %d requests", what, n)
	}
	return true
}

// acceptedWithin sends events in as many batches as the driver's limits make of them. An
// event that is too large on its own is left out, as the collector does.
func (p *probe) acceptedWithin(b driver.Backend, what string, events []driver.Event) (sent []driver.Event, ok bool) {
	limits := effective(p.subject.Driver.Limits)
	var batch []driver.Event
	size := 0
	flush := func() bool {
		if len(batch) > 0 && !p.accepted(b, what, batch) {
			return false
		}
		sent = append(sent, batch...)
		batch, size = nil, 0
		return true
	}
	for _, e := range events {
		n := len(e.AppendJSON(nil))
		if n > limits.EventBytes {
			continue
		}
		if (len(batch) == limits.Events || size+n > limits.Bytes) && !flush() {
			return sent, false
		}
		batch, size = append(batch, e), size+n
	}
	return sent, flush()
}

// arrivedWhole compares everything that arrived with what was sent: each event once, and
// as it was. tolerate, where not nil, may take over what arrived before the comparison.
func (p *probe) arrivedWhole(want []driver.Event, tolerate func(got Received, want *driver.Event)) {
	got, ok := p.expect(want)
	if !ok {
		return
	}
	byID := map[string]Received{}
	for _, r := range got {
		byID[r.ID] = r
	}
	for _, e := range want {
		r, there := byID[e.ID]
		if !there {
			continue
		}
		if tolerate != nil {
			tolerate(r, &e)
		}
		for _, d := range p.subject.differences(r, e) {
			p.failOnly("event %s (%s): %s", e.ID, short(e.Type), d)
		}
	}
}

// passes sends events and compares what arrives.
func (p *probe) passes(what string, events []driver.Event) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	if sent, ok := p.acceptedWithin(b, what, events); ok {
		p.arrivedWhole(sent, nil)
	}
}

func equalEvents(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	var sent []driver.Event
	for _, n := range []int{5, 2, 1} {
		batch := make([]driver.Event, n)
		for i := range batch {
			batch[i] = sampleEvent(p.base, 1)
			batch[i].ID = sampleID(p.base, len(sent)+i)
		}
		if _, ok := p.acceptedWithin(b, "equal events", batch); !ok {
			return
		}
		sent = append(sent, batch...)
	}
	p.expect(sent)
}

// sizesOfBatches are those at which encoders and queues are known to break: small ones, and
// the powers and round numbers with what is one above them.
var sizesOfBatches = []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
	32, 33, 50, 51, 64, 65, 100, 101, 128, 129, 200, 201, 256, 257, 500, 501, 512, 513, 1000, 1001}

func batchSizes(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	limits := effective(p.subject.Driver.Limits)
	most := min(limits.Events, limits.Bytes/len(driver.AppendJSONArray(nil, []driver.Event{smallEvent(p.base, 99_999)})))
	sizes := slices.DeleteFunc(slices.Clone(sizesOfBatches), func(n int) bool { return n > most })
	for _, n := range []int{most - 1, most} {
		if n > 0 && !slices.Contains(sizes, n) {
			sizes = append(sizes, n)
		}
	}
	var sent []driver.Event
	for _, n := range sizes {
		batch := make([]driver.Event, n)
		for i := range batch {
			batch[i] = smallEvent(p.base, len(sent)+i)
		}
		slices.Reverse(batch[n/3 : n-n/3]) // so that sorting shows
		if !p.accepted(b, fmt.Sprintf("a batch of %d", n), batch) {
			return
		}
		sent = append(sent, batch...)
	}
	got, ok := p.expect(sent)
	if ids := receivedIDs(got); ok && !p.subject.Unordered && sameSet(ids, eventIDs(sent)) && !slices.Equal(ids, eventIDs(sent)) {
		p.failOnly("the events of a batch arrived in another order")
	}
}

// mixedBatch sends events that have each of their fields in common with some others: which,
// is drawn at random, and the same in each run.
func mixedBatch(p *probe) {
	random := rand.New(rand.NewPCG(1, 2))
	one := func(list ...string) string { return list[random.IntN(len(list))] }
	systems := [][3]string{{"linux", "arm64", "debian 12"}, {"linux", "amd64", ""}, {"darwin", "arm64", "macos 15"}, {"windows", "amd64", "windows 11"},
		{"linux", "arm64", "alpine 3.22"}, {"windows", "arm64", ""}, {"darwin", "amd64", "macos 14"}}
	events := p.batch(40)
	for i := range events {
		e := &events[i]
		e.MachineID = one(strings.Repeat("5ca1ab1e", 4), strings.Repeat("0ddba11a", 4), strings.Repeat("ba5eba11", 4))
		e.ConsentID = one(sampleConsent(1), sampleConsent(40), "")
		e.Tool = one(toolName, "other-tool")
		e.Version = one(toolVersion, "v0.9.0", "", "(devel)", "1.0 beta", `v1;rc=2, "final"`, "vé 版本", "v1.2.3-0.20261126010203-abcdef012345+dirty")
		system := systems[random.IntN(len(systems))]
		e.OS, e.Arch, e.OSVersion = system[0], system[1], system[2]
		e.GoVersion = one("go1.26", "go1.25.4", "")
		e.Type = one("command.invocation", "feature.used", "command.error", "sampletool.deploy")
		e.Truncated *= random.IntN(2)
		e.Redacted *= random.IntN(2)
		e.CI, e.Interactive, e.Container, e.TimeAdjusted = random.IntN(2) == 0, random.IntN(2) == 0, random.IntN(2) == 0, random.IntN(2) == 0
		if !e.CI {
			e.CIProvider = ""
		}
		e.Agent, e.ErrorClass, e.RunID = one("codex", "other", ""), one("usage", "quota_exceeded", ""), one(e.RunID, "")
		if random.IntN(2) == 0 { // a single event
			e.Count, e.Failures, e.Durations, e.SampleRate = 0, 0, nil, 0
		}
		switch random.IntN(8) {
		case 0: // neither timed nor ended
			e.DurationMS, e.ExitCode = nil, nil
		case 1:
			e.Metadata, e.Args, e.Flags, e.Error = nil, nil, nil, ""
		}
	}
	p.passes("a mixed batch", events)
}

// nothingMadeUp sends events without what a vendor may insist on. Refusing them loses them
// openly; the name of the machine in the empty place, or one that is made up, tells what the
// event does not.
func nothingMadeUp(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	events := p.batch(5 + min(5, effective(p.subject.Driver.Limits).Events))
	for i := range events {
		e := &events[i]
		if i%2 == 1 {
			e.MachineID = ""
		}
		if i%3 == 1 {
			e.Name = ""
		}
		if i > 6 && e.MachineID != "" {
			e.MachineID = strings.Repeat("0ddba11a", 4)
		}
	}
	// What is strange about a whole event is for another check to find.
	if !p.accepted(b, "a whole event", events[:1]) {
		return
	}
	known := newExplainer(p.subject, events[:1])
	for _, x := range p.server.seen() {
		p.explain(known, x)
	}
	sent := events[:1:1]
	for _, batch := range [][]driver.Event{events[1:2], events[3:4], events[4:5], events[5:]} {
		taken, ok := p.acceptedOrRefused(b, batch)
		if !ok {
			return
		}
		sent = append(sent, taken...)
	}
	p.arrivedWhole(sent, func(got Received, want *driver.Event) {
		if want.Name == "" && (got.Name == want.Type || slices.Contains(p.subject.Constants, got.Name)) {
			want.Name = got.Name
		}
		if want.MachineID == "" && (got.MachineID == want.ID || got.MachineID == want.RunID || slices.Contains(p.subject.Constants, got.MachineID)) {
			want.MachineID = got.MachineID
		}
	})
	x := newExplainer(p.subject, sent)
	for _, e := range p.server.seen() {
		p.explain(x, e)
	}
	for _, strange := range x.strange {
		if !slices.Contains(known.strange, strange) {
			p.failOnly("%s", strange)
		}
	}
}

// acceptedOrRefused sends events some of which lack something, and returns those that were
// accepted.
func (p *probe) acceptedOrRefused(b driver.Backend, batch []driver.Event) (taken []driver.Event, ok bool) {
	requests := len(p.server.seen())
	v := p.send(b, batch)
	partial, isPartial := asPartial(v.err)
	refused := v.class == driver.ClassTooLarge && len(batch) > 1 || v.class == driver.ClassPermanent && len(batch) == 1
	switch {
	case v.late:
		return nil, false
	case v.accepted():
		return batch, true
	case isPartial:
		return slices.DeleteFunc(slices.Clone(batch), func(e driver.Event) bool { return !slices.Contains(partial.Accepted, e.ID) }), true
	case refused && len(p.server.seen()) == requests:
		return nil, true
	}
	p.failf("%d events, some without a name or a machine ID: Send returned %v, want them accepted or refused", len(batch), v)
	return nil, false
}

// oldAndAhead spans what the collector may hand over: it keeps events for 30 days, and a
// clock may be an hour ahead of the one that was right when they were recorded.
func oldAndAhead(p *probe) {
	const day = 24 * time.Hour
	var events []driver.Event
	for i, age := range []time.Duration{30*day - time.Minute, 14*day + time.Hour, 8 * day, 3 * day, 25 * time.Hour, 19 * time.Hour, 7 * time.Hour,
		61 * time.Minute, time.Minute, 0, -time.Minute, -16 * time.Minute, -time.Hour} {
		e := sampleEvent(p.base, i)
		e.Time = p.base.Add(-age)
		e.ID, e.RunID = sampleID(e.Time, i), sampleRun(e.Time, i)
		events = append(events, e)
	}
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	sent, ok := p.acceptedWithin(b, "old events", events)
	if !ok {
		return
	}
	window := p.subject.Window
	const margin = time.Minute // the window has moved since the backend looked
	p.arrivedWhole(sent, func(got Received, want *driver.Event) {
		if window != nil && !window.holds(want.Time, -margin) && window.holds(got.Time, margin) {
			want.Time = got.Time
		}
	})
}

// everyType sends what the collector itself makes, as it makes it, and types of an author's
// own, which may be any text.
func everyType(p *probe) {
	bare := func(kind, name string, metadata map[string]string) driver.Event {
		e := smallEvent(p.base, 0)
		e.Type, e.Name, e.Metadata = kind, name, metadata
		return e
	}
	request := bare("data.deletion_request", "deletion_request", map[string]string{"deletion_key": strings.Repeat("e5a5e0ff", 8)})
	request.ConsentID, request.OSVersion = "", ""
	events := []driver.Event{request}
	for i, reason := range []string{"queue_full", "expired", "unreadable", "refused", "unconfirmed", "unwritten", "invalid", "withdrawn"} {
		events = append(events, bare("telemetry.loss", reason, map[string]string{"count": fmt.Sprint(1 + 977*i)}))
	}
	for _, kind := range []string{"command.error", "feature.used", "update.check", "update.applied",
		"x", "sampletool.deploy", "sampletool_deploy-2", "Deploy Finished", "déploiement", "部署/完了", "a:b=c;d,e", `the "first"`, "<b>&amp;", "%2e%2f", "#1", "null", "0", "\U0001f680"} {
		full := sampleEvent(p.base, 1)
		full.Type = kind
		events = append(events, full, bare(kind, "plain", nil))
	}
	for i := range events {
		events[i].ID = sampleID(p.base, i)
	}
	p.passes("events of every type", events)
}

// What the collector cuts texts to; a test holds most of them to it.
const (
	longestName  = 256 // of types too
	longestKey   = 64
	longestValue = 1024
	longestError = 512
	longestArg   = 256
	mostArgs     = 33 // the last one says that there were more
	mostPairs    = 32
	mostFlags    = 32
	longestFlag  = 64
	longestTool  = 64
	// longestWord is that of a class of errors, and more than any name of a system or agent.
	longestWord = 64
	// longestSystem is that of OSVersion.
	longestSystem = 32
)

// longText is n bytes of words.
func longText(n int) string {
	return strings.Repeat("lengthens ", n/10) + strings.Repeat("z", n%10)
}

func longest(p *probe) {
	limit := effective(p.subject.Driver.Limits).EventBytes
	parts := []func(*driver.Event){
		func(e *driver.Event) { e.Type = strings.Repeat("kind.", longestName/5) + "x" },
		func(e *driver.Event) { e.Name = longText(longestName-1) + "x" },
		func(e *driver.Event) { e.Name = strings.Repeat("名", longestName/3) + "x" },
		func(e *driver.Event) { e.Error = longText(longestError-1) + "x" },
		func(e *driver.Event) {
			e.Flags = nil
			for i := range mostFlags {
				e.Flags = append(e.Flags, fmt.Sprintf("%02d-%sx", i, strings.Repeat("f", longestFlag-4)))
			}
		},
		func(e *driver.Event) {
			e.ErrorClass, e.CIProvider, e.Agent = strings.Repeat("class_", longestWord/6)+"xxxx", strings.Repeat("c", longestWord), strings.Repeat("a", longestWord)
		},
		func(e *driver.Event) { e.Tool = strings.Repeat("t", longestTool) },
		func(e *driver.Event) {
			e.Version = "v1.2.3-0.20261126010203-" + strings.Repeat("abcdef0", 20) + "+dirty"
		},
		func(e *driver.Event) {
			e.GoVersion = "devel go1.27-0123456789 Thu Nov 26 02:32:12 2026 +0000 X:" + strings.Repeat("experiment,", 8)
		},
		func(e *driver.Event) { e.OSVersion = longText(longestSystem) },
		func(e *driver.Event) {
			e.Args = nil
			for range mostArgs - 1 {
				e.Args = append(e.Args, "--"+strings.Repeat("flag", (longestArg-2)/4)+"xy")
			}
			e.Args = append(e.Args, "<more>")
		},
		func(e *driver.Event) {
			e.Metadata = map[string]string{}
			for i := range mostPairs {
				value := fmt.Sprintf("%02d %sx", i, longText(longestValue-4))
				key := fmt.Sprintf("%02d-%sx", i, strings.Repeat("k", longestKey-4))
				// A driver may have a smaller limit than the collector.
				if e.Metadata[key] = value; len(e.AppendJSON(nil)) > limit {
					delete(e.Metadata, key)
					break
				}
			}
		},
	}
	var events []driver.Event
	all := sampleEvent(p.base, len(parts))
	for i, part := range parts {
		e := sampleEvent(p.base, i)
		part(&e)
		events = append(events, e)
		if part(&all); len(all.AppendJSON(nil)) > limit {
			break
		}
	}
	p.passes("the longest events", append(events, all))
}

// offset is a time of day with an offset from UTC, or with the name of a zone.
var offset = regexp.MustCompile(`\d\d:\d\d(?::\d\d(?:[.,]\d+)?)? ?(?:[+-](\d\d):?(\d\d)\b|([A-Z]{3,5})\b)`)

// zones returns the parts of a text that tell a zone other than UTC.
func zones(text string) []string {
	var list []string
	for _, m := range offset.FindAllStringSubmatch(text, -1) {
		if m[1]+m[2] != "0000" && !slices.Contains([]string{"UTC", "GMT"}, m[3]) {
			list = append(list, m[0])
		}
	}
	return list
}

// noTimeZone looks at what varies by declaration too: a time of sending is where a zone
// goes unnoticed.
func noTimeZone(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	p.send(b, p.batch(3))
	look := func(where, text string) {
		for _, found := range zones(text) {
			p.failf("%s: %q tells a zone", where, found)
		}
	}
	for _, x := range p.server.seen() {
		look("the URL", x.URL)
		for name, values := range x.Header {
			look("header "+name, strings.Join(values, "\n"))
		}
		look("the body", string(x.Body))
	}
	look("what was printed", string(p.stdout.bytes()))
}

// manyTimes is beyond the hundred after which libraries are known to report on themselves
// or to open something new.
const manyTimes = 150

func manySends(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	var sent []driver.Event
	var conns, before int
	for i := range manyTimes {
		e := sampleEvent(p.base, 1)
		e.ID = sampleID(p.base, i)
		if !p.accepted(b, fmt.Sprintf("Send number %d", i+1), []driver.Event{e}) {
			return
		}
		if sent = append(sent, e); i == 0 {
			conns, before = p.wire.open(), running(p.label)
		}
	}
	// How many it uses is the backend's own business, as long as it is not one for each Send.
	const some = manyTimes / 3
	var open, run int
	settles(func() bool {
		open, run = p.wire.open(), running(p.label)
		return open <= conns+some && run <= before+some
	})
	if open > conns+some {
		p.failOnly("%d connections were open after the first Send, and %d after %d", conns, open, manyTimes)
	}
	if run > before+some {
		p.failOnly("%d goroutines ran after the first Send, and %d after %d:\n%s", before, run, manyTimes, labelled(p.label))
	}
	p.expect(sent)
	p.alike(p.server.seen())
}

// goroutines is how many have one stack, as their profile prints it.
var goroutines = regexp.MustCompile(`(?m)^(\d+) @ `)

// running counts the goroutines with a label.
func running(label string) int {
	n := 0
	for _, m := range goroutines.FindAllStringSubmatch(labelled(label), -1) {
		same, _ := strconv.Atoi(m[1])
		n += same
	}
	return n
}

// alike compares the form of requests with that of the first.
func (p *probe) alike(list []*exchange) {
	if len(list) == 0 {
		return
	}
	first := p.form(list[0])
	for i, x := range list {
		problem := ""
		form := p.form(x)
		for line := range form {
			if !first[line] {
				problem = "has " + line + ", which the first has not"
			}
		}
		for line := range first {
			if !form[line] {
				problem = "lacks " + line + ", which the first has"
			}
		}
		// It is the same event again: only its ID and the time of sending differ.
		if len(x.Body) > 2*len(list[0].Body) || len(x.Raw) > 2*len(list[0].Raw) {
			problem = fmt.Sprintf("has %d bytes, the first %d", len(x.Raw), len(list[0].Raw))
		}
		if problem != "" {
			p.report(Finding{Message: fmt.Sprintf("request %d %s", i+1, problem), Exchange: x.dump()})
			return
		}
	}
}

// form is what a request has, without the values: how many headers of which name, and the
// names in the address and in a body of JSON.
func (p *probe) form(x *exchange) map[string]bool {
	all := map[string]bool{"the method " + x.Method: true}
	add := func(what, name string) {
		if _, varies := p.subject.Varies[name]; !varies {
			all[what+name] = true
		}
	}
	if u, err := url.Parse(x.URL); err == nil {
		add("the address ", u.Host+u.Path)
		for name := range u.Query() {
			add("the parameter ", name)
		}
	}
	for name, values := range x.Header {
		if name != "Connection" && name != "Content-Length" { // of the hop, not of the batch
			add(fmt.Sprintf("%d times the header ", len(values)), name)
		}
	}
	values, _ := jsonValues(x.Body) // what is no JSON has no names
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, item := range v {
				add("in the body "+path, key)
				walk(path+key+".", item)
			}
		case []any:
			for _, item := range v {
				walk(path, item)
			}
		}
	}
	for _, v := range values {
		walk("", v)
	}
	return all
}

// escapes are characters that make more of themselves in one encoding or another: in
// JSON that is safe in HTML and in URLs, in JSON that is ASCII, and in JSON within JSON.
var escapes = []struct{ what, unit string }{{"<", "<"}, {"é", "é"}, {"quotation marks", `"`}}

func escapedBatch(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	limits := effective(p.subject.Driver.Limits)
	if p.subject.Limits.Bytes == 0 { // nothing to be larger than, so less will do
		limits.Bytes = min(limits.Bytes, 2*limits.EventBytes)
	}
	n := 0
	// fill makes a batch up to a size, of events that event makes up to theirs.
	fill := func(size int, event func(n, size int) driver.Event) (batch []driver.Event) {
		for size > 0 && len(batch) < limits.Events {
			e := event(n, min(size, limits.EventBytes))
			used := len(e.AppendJSON(nil))
			if used > size {
				break
			}
			batch, size, n = append(batch, e), size-used, n+1
		}
		return batch
	}
	var sent []driver.Event
	try := func(what string, batch []driver.Event) {
		if len(batch) > 0 && p.fitsOrAsks(b, what, batch) {
			sent = append(sent, batch...)
		}
	}
	for _, escape := range escapes {
		pad := func(n, size int) driver.Event { return paddedWith(p.base, n, size, escape.unit) }
		alone := fill(limits.EventBytes, pad)
		try("one event full of "+escape.what, alone[:min(len(alone), 1)])
		try("events full of "+escape.what, fill(limits.Bytes, pad))
	}
	try("events with names of <", fill(limits.Bytes, func(n, _ int) driver.Event {
		e := smallEvent(p.base, n)
		e.Type, e.Name = strings.Repeat("<", longestName), strings.Repeat("&", longestName)
		return e
	}))
	// Names of fields are longer than one letter, and what is said once of a version is said
	// for each event where versions take turns.
	try("events with many short pairs", fill(limits.Bytes, func(n, _ int) driver.Event {
		e := smallEvent(p.base, n)
		e.Version = fmt.Sprint("v", n%2)
		e.Metadata = map[string]string{}
		for i := range rune(mostPairs) {
			e.Metadata[string('A'+i)] = "1"
		}
		return e
	}))
	p.expect(sent)
}

// fitsOrAsks sends a batch that the driver's limits allow. It reports whether the batch was
// accepted; that it is too large is right only where nothing was sent.
func (p *probe) fitsOrAsks(b driver.Backend, what string, batch []driver.Event) bool {
	what = fmt.Sprintf("%s, %d of %d bytes as the driver's Limits count them", what, len(batch), len(driver.AppendJSONArray(nil, batch)))
	before := len(p.server.seen())
	v := p.send(b, batch)
	requests := p.server.seen()[before:]
	smaller := v.class == driver.ClassTooLarge || len(batch) == 1 && v.class == driver.ClassPermanent
	switch {
	case v.late:
		return false
	case smaller && len(requests) == 0:
		return false
	case !v.accepted():
		p.failOnly("%s: Send returned %v", what, v)
		return false
	case len(requests) > 1 && datagrams(p.subject) != "":
		p.failOnly("%s: sent in %d requests", what, len(requests))
	}
	for _, x := range requests {
		if most := p.subject.Limits.Bytes; most > 0 && len(x.Body) > most {
			p.failOnly("%s: %d bytes in a request, the vendor takes %d", what, len(x.Body), most)
		}
	}
	return true
}

// oddVersions opens the backend for tools with names and versions as the collector takes
// them: of a version it takes any text.
func oddVersions(p *probe) {
	p.withPrograms([][2]string{
		{"x", ""}, {"2fast", "(devel)"}, {"My_Tool.exe", "v1.2.3-0.20261126010203-abcdef012345+dirty"}, {strings.Repeat("long-name.", 6) + "tool", "1.0 beta"},
		{"tool", "v1;rc=2, \"final\""}, {"tool", "vé 版本"}, {"tool", "<1.0> (a/b) %0a&c=d#e"}, {"tool", strings.Repeat("1.", 150) + "0"}, {"a..b", "0"},
	})
}

// brokenVersions are those that no header can hold as they are. The collector does not
// refuse them.
func brokenVersions(p *probe) {
	p.withPrograms([][2]string{{"tool", "v1.2.3\n"}, {"tool", "v1\r\nX-Other: yes"}, {"tool", "\x00\x7f"}})
}

func (p *probe) withPrograms(programs [][2]string) {
	var sent []driver.Event
	for i, program := range programs {
		b, err := p.tryOpen(p.subject.settings(endpoint), func(c *driver.Config) { c.Tool, c.Version = program[0], program[1] })
		if err != nil {
			p.failOnly("the tool %q of version %q: the backend cannot be opened: %v", program[0], program[1], err)
			continue
		}
		batch := sampleEvents(p.base, 2*i, 2)
		for j := range batch {
			batch[j].Tool, batch[j].Version = program[0], program[1]
		}
		taken, _ := p.acceptedWithin(b, fmt.Sprintf("the tool %q of version %q", program[0], program[1]), batch)
		sent = append(sent, taken...)
		b.Close()
	}
	p.expect(sent)
}
