package conformance

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

// statusChecks hold the backend to the subject's table, one check a status.
func statusChecks() []Check {
	var list []Check
	for _, status := range SuiteStatuses() {
		id, sentence := fmt.Sprintf("delivery/%d-as-documented", status),
			fmt.Sprintf("An answer with status %d means what the vendor's documentation says.", status)
		if slices.Contains(alwaysKept, status) {
			id, sentence = fmt.Sprintf("delivery/%d-keeps-batch", status),
				fmt.Sprintf("After a status %d the batch is kept: the vendor has not looked at it.", status)
		}
		list = append(list, Check{ID: id, Sentence: sentence, Level: Must, needs: []need{network}, do: func(p *probe) {
			b, ok := p.open()
			if !ok {
				return
			}
			defer b.Close()
			p.server.reactWith(answer(p.answerWith(status)))
			for _, n := range []int{3, 1} {
				want := meant(p.subject.Statuses[status], status, n)
				if v := p.send(b, p.batch(n)); !v.late && v.class != want {
					p.failf("status %d to a batch of %d: Send returned %v, want %v", status, n, v, want)
				}
			}
		}})
	}
	return list
}

// meant returns the class that a row of the table has for a batch of n events.
func meant(row driver.Class, status, n int) driver.Class {
	if n == 1 && row == driver.ClassTooLarge && status != http.StatusRequestEntityTooLarge {
		return driver.ClassPermanent
	}
	return row
}

// alwaysKept are statuses that no vendor means as a word on the batch.
var alwaysKept = []int{429, 502, 503, 504}

// answerWith is what the vendor sends with a status.
func (p *probe) answerWith(status int) Answer {
	if row, known := p.subject.Statuses[status]; known && row == driver.ClassAccepted || status == p.subject.Accepted.status() {
		a := p.subject.Accepted
		a.Status = status
		return a
	}
	a := p.subject.Refusal
	if a.Body == "" {
		a.Body = `{"errors":["refused by the suite"]}`
	}
	a.Status = status
	return a
}

func deliveryChecks() []Check {
	return []Check{
		{ID: "delivery/retry-after-seconds", Level: Must, needs: []need{network},
			Sentence: "A Retry-After in seconds becomes the wait, and Send does not sit it out.", do: retryAfterSeconds},
		{ID: "delivery/retry-after-date", Level: Must, needs: []need{network},
			Sentence: "A Retry-After that is a date becomes the wait until then.", do: retryAfterDate},
		{ID: "delivery/retry-after-absurd", Level: Must, needs: []need{network},
			Sentence: "A Retry-After that makes no sense keeps the batch and does not become a wait of less than nothing.", do: retryAfterAbsurd},
		{ID: "delivery/retry-after-with-failures", Level: Must, needs: []need{network},
			Sentence: "A Retry-After with 408, 500, 502 or 504, where that keeps the batch, becomes the wait; and with 401, 403 or 404 it makes nothing worse.", do: retryAfterWithFailures},
		{ID: "delivery/retry-after-with-any-status", Level: Should, needs: []need{network},
			Sentence: "A Retry-After becomes the wait with every status that keeps the batch.", do: retryAfterAnywhere},
		{ID: "delivery/one-attempt", Level: Must, needs: []need{network},
			Sentence: "Send makes at most one request, whatever becomes of it.", do: oneAttempt},
		{ID: "delivery/redirect-not-followed", Level: Must, needs: []need{network},
			Sentence: "A redirect is not followed, to no host and with no method, and the batch is kept.", do: redirects},
		{ID: "delivery/html-not-accepted", Level: Must, needs: []need{network},
			Sentence: "A web page with status 200, as a captive portal sends it, is no acceptance.", do: htmlPage},
		{ID: "delivery/page-with-any-2xx-not-accepted", Level: Must, needs: []need{network},
			Sentence: "A web page is no acceptance with any other 2xx either; where the body decides, whatever type it is said to have.", do: pageWithAny2xx},
		{ID: "delivery/page-of-any-type", Level: Should, needs: []need{network},
			Sentence: "A page is known by its body too, behind a byte-order mark, white space, a comment or an XML declaration, and by its type: no acceptance and no refusal.",
			do:       pageOfAnyType},
		{ID: "delivery/challenge-not-accepted", Level: Should, needs: []need{network},
			Sentence: "The 202 with which AWS's firewall challenges a client, known by its header X-Amzn-Waf-Action, is no acceptance.", do: challenged},
		{ID: "delivery/cut-answer-not-accepted", Level: Must, needs: []need{network, bodyDecides},
			Sentence: "Where the body decides, an answer that is cut in its middle is no acceptance.", do: cutAnswer},
		{ID: "delivery/garbage-answer-not-accepted", Level: Must, needs: []need{network, bodyDecides},
			Sentence: "Where the body decides, one that cannot be read is no acceptance.", do: garbageAnswer},
		{ID: "delivery/lookalike-not-accepted", Level: Must, needs: []need{network, lookalikes},
			Sentence: "What the vendor sends with a friendly status while it drops the batch is no acceptance.", do: lookalikeAnswer},
		{ID: "delivery/web-page-not-refused", Level: Must, needs: []need{network},
			Sentence: "A web page is no refusal of the vendor's, whatever its status: what is in between has not looked at the batch, so no event of it is lost.", do: pageWithAnyStatus},
		{ID: "delivery/lookalike-not-refused", Level: Must, needs: []need{network, falseRefusals},
			Sentence: "What has the status of a refusal and not its form is none, and the batch is kept.", do: lookalikeRefusal},
		{ID: "delivery/partial-names-events", Level: Must, needs: []need{network, partialVerdicts},
			Sentence: "A mixed verdict names the events that were accepted and those that never will be.", do: partialAnswer},
		{ID: "delivery/warnings-counted", Level: Must, needs: []need{network, remarks, partialVerdicts},
			Sentence: "What the vendor remarks on events that it accepts is counted under a name of Driver.Warnings, and makes their acceptance none the less.", do: warningsCounted},
		{ID: "delivery/every-event-once", Level: Must, needs: []need{keepsSomething},
			Sentence: "Every event of an accepted batch has arrived exactly once, and none that was not sent.", do: everyEventOnce},
		{ID: "delivery/order-kept", Level: Must, needs: []need{ordered},
			Sentence: "Events arrive in the order of the batch.", do: orderKept},
		{ID: "delivery/empty-batch", Level: Must,
			Sentence: "An empty batch is accepted without an attempt.", do: emptyBatch},
		{ID: "delivery/same-ids-again", Level: Must, needs: []need{connected},
			Sentence: "A batch that is sent again has the same event IDs and timestamps.", do: sameIDsAgain},
		{ID: "delivery/largest-batch", Level: Must, needs: []need{keepsSomething},
			Sentence: "The largest batch that the driver's Limits allow arrives whole, in one request within the vendor's own limits.", do: largestBatch},
		{ID: "delivery/headers-added", Level: Must, needs: []need{network, headers},
			Sentence: "Config.Headers go with every request.", do: headersAdded},
		{ID: "delivery/concurrent-sends", Level: Must,
			Sentence: "Send may be called by several goroutines at once, and no batch mixes with another.", do: concurrentSends},
		{ID: "delivery/batch-untouched", Level: Must,
			Sentence: "Send changes neither the slice nor anything in it.", do: batchUntouched},
		{ID: "delivery/keeps-nothing", Level: Must,
			Sentence: "After Send has returned, no event of its batch is used again.", do: keepsNothing},
		{ID: "delivery/cancelled-before", Level: Must,
			Sentence: "With a context that has ended, Send fails and delivers nothing.", do: cancelledBefore},
		{ID: "delivery/cancelled-during", Level: Must, needs: []need{connected},
			Sentence: "When its context is cancelled, Send returns soon, and not with nil.", do: cancelledDuring},
		{ID: "delivery/local-failure", Level: Must, needs: []need{local, keepsSomething},
			Sentence: "What cannot be written is not accepted.", do: localFailure},
	}
}

// throttling are the answers on which the checks of Retry-After try it.
var throttling = []int{429, 503}

func (p *probe) throttled(b driver.Backend, status int, value string) verdict {
	a := p.answerWith(status)
	a.Header = http.Header{"Retry-After": {value}}
	p.server.reactWith(answer(a))
	ctx, cancel := context.WithTimeout(context.Background(), patient(10*time.Second))
	defer cancel()
	v := p.sendUnder(ctx, b, p.batch(2), patient(10*time.Second)+slack())
	if !v.late && ctx.Err() != nil {
		p.failf("status %d, Retry-After: %s: Send returned only when its deadline was over", status, value)
	}
	return v
}

func retryAfterSeconds(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	for _, status := range throttling {
		v := p.throttled(b, status, "37")
		if wait := driver.Wait(v.err); !v.late && (v.class != driver.ClassThrottled || wait < 30*time.Second || wait > 45*time.Second) {
			p.failf("status %d, Retry-After: 37: Send returned %v, wait %v, want throttled with a wait of 37s", status, v, wait)
		}
		if len(p.found()) > 0 {
			return // a backend that sits it out takes its time over each
		}
	}
	const short = 2
	if thrice(short*time.Second, func() bool { p.throttled(b, 503, fmt.Sprint(short)); return true }) {
		p.failf("Retry-After: %d: Send took as long before it returned, three times", short)
	}
}

func retryAfterDate(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	for _, status := range throttling {
		v := p.throttled(b, status, time.Now().Add(10*time.Minute).UTC().Format(http.TimeFormat))
		if wait := driver.Wait(v.err); !v.late && (v.class != driver.ClassThrottled || wait < 8*time.Minute || wait > 11*time.Minute) {
			p.failf("status %d, Retry-After in 10 minutes: Send returned %v, wait %v, want throttled with about 10m", status, v, wait)
		}
		if len(p.found()) > 0 {
			return // a backend that sits it out takes its time over each
		}
	}
}

// retryAfterAnywhere tries the statuses with which the header is rarer.
func retryAfterAnywhere(p *probe) { p.retryAfterWith(425, 507, 520, 529) }

func retryAfterWithFailures(p *probe) {
	p.retryAfterWith(408, 500, 502, 504)
	for _, status := range []int{401, 403, 404} {
		if row := p.subject.Statuses[status]; !slices.Contains(kept, row) || len(p.found()) > 0 {
			continue
		}
		if b, ok := p.open(); ok {
			if v := p.throttled(b, status, "37"); !v.late && !v.kept() {
				p.failf("status %d, Retry-After: 37: Send returned %v, want the batch kept", status, v)
			}
			b.Close()
		}
	}
}

// retryAfterWith tries the header with statuses that keep the batch.
func (p *probe) retryAfterWith(statuses ...int) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	for _, status := range statuses {
		if row, known := p.subject.Statuses[status]; known && !slices.Contains(kept, row) {
			continue
		}
		for value, least := range map[string]time.Duration{
			"37": 30 * time.Second, time.Now().Add(10 * time.Minute).UTC().Format(http.TimeFormat): 8 * time.Minute,
		} {
			v := p.throttled(b, status, value)
			if wait := driver.Wait(v.err); !v.late && slices.Contains(kept, v.class) && wait < least {
				p.failf("status %d, Retry-After: %s: Send returned %v, wait %v", status, value, v, wait)
			}
			if len(p.found()) > 0 {
				return
			}
		}
	}
}

func retryAfterAbsurd(p *probe) {
	for _, value := range []string{"-5", "soon", "", "3.5", "99999999999999999999999", "9223372036854775807", "Thu, 01 Jan 1970 00:00:00 GMT",
		"Fri, 31 Dec 9999 23:59:59 GMT", "\t", "1e400", "18446744073709551617"} {
		b, ok := p.open() // a new one: one may rest after several failures
		if !ok {
			return
		}
		v := p.throttled(b, 429, value)
		b.Close()
		if !v.late && !v.kept() {
			p.failf("Retry-After %q: Send returned %v, want the batch kept", value, v)
		}
		if wait := driver.Wait(v.err); wait < 0 {
			p.failf("Retry-After %q: a wait of %v", value, wait)
		}
		// More digits than a number has, or a date in 8000 years, must not come out as "now".
		if huge := strings.HasPrefix(value, "9") || strings.HasPrefix(value, "Fri"); huge && !v.late && driver.Wait(v.err) < time.Hour {
			p.failf("Retry-After %q: a wait of %v, which is hardly what the vendor meant", value, driver.Wait(v.err))
		}
		if len(p.found()) > 0 {
			return // a backend that sits them out takes its time over each
		}
	}
}

func oneAttempt(p *probe) {
	attempt := func(b driver.Backend, what string, limit time.Duration) {
		attempts, requests := p.attempts(), len(p.server.seen())
		p.sendWithin(b, p.batch(2), limit)
		if n := p.attempts() - attempts; n > 1 {
			p.failf("%s: %d requests were made", what, n)
		} else if n := len(p.server.seen()) - requests; n > 1 {
			p.failf("%s: %d requests arrived", what, n)
		}
	}
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	for _, status := range everyStatus() {
		p.server.reactWith(answer(p.answerWith(status)))
		attempt(b, fmt.Sprint("status ", status), longTime())
		if len(p.found()) > 0 {
			return // a backend that tries again takes its time over each
		}
	}
	count := func(what string, limit time.Duration) {
		if b, ok := p.open(); ok { // with a connection that nothing was answered on yet
			defer b.Close()
			attempt(b, what, limit)
		}
	}
	a := p.answerWith(503)
	a.Header = http.Header{"Retry-After": {"0"}}
	p.server.reactWith(answer(a))
	count("status 503, Retry-After: 0", longTime())
	p.server.reactWith(drop)
	count("a reset instead of an answer", longTime())
	p.server.reactWith(hang)
	count("no answer", shortTime())

	// A kept connection that dies while it is used makes net/http send again, if it can.
	p.accept()
	p.send(b, p.batch(2))
	p.server.reactWith(drop)
	before := len(p.server.seen())
	p.send(b, p.batch(2))
	if n := len(p.server.seen()) - before; n > 1 {
		p.failf("a kept connection that is reset: %d requests arrived", n)
	}
}

// elsewhere is a host that belongs to nobody's settings.
const elsewhere = "https://elsewhere.vendor.test"

func redirects(p *probe) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, target := range []string{"/elsewhere", elsewhere + "/here", "http://intake.vendor.test/plain"} {
			b, ok := p.open()
			if !ok {
				return
			}
			p.server.reactWith(func(x *exchange) bool {
				if strings.Contains(x.URL, "elsewhere") || strings.HasSuffix(x.URL, "/plain") {
					return answer(p.subject.Accepted)(x)
				}
				return answer(Answer{Status: status, Header: http.Header{"Location": {target}}})(x)
			})
			before := p.attempts()
			v := p.send(b, p.batch(2))
			if n := p.attempts() - before; n > 1 {
				p.failf("status %d to %s: the redirect was followed", status, target)
			}
			if !v.late && !v.kept() {
				p.failf("status %d to %s: Send returned %v, want the batch kept", status, target, v)
			}
			b.Close()
		}
	}
}

func lookalikeRefusal(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	for _, a := range p.subject.NotRefused {
		p.server.reactWith(answer(a))
		for _, n := range []int{1, 3} {
			if v := p.send(b, p.batch(n)); !v.late && !v.kept() {
				p.failf("status %d with the body %q to a batch of %d: Send returned %v, want the batch kept", a.Status, a.Body, n, v)
			}
		}
	}
}

func cutAnswer(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	a := p.filled(p.subject.Accepted, 2)
	p.server.reactWith(func(x *exchange) bool {
		x.write(a.head(len(a.Body)) + a.Body[:len(a.Body)/2])
		return false
	})
	if v := p.send(b, p.batch(2)); !v.late && !v.kept() {
		p.failf("an answer cut in its middle: Send returned %v, want the batch kept", v)
	}
}

func garbageAnswer(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	for _, body := range []string{`{"`, `[]`, `"ok"`, `null`, "\x00\xff\xfe", `OK`, ``} {
		a := p.subject.Accepted
		a.Body, a.Of = body, nil
		if body == p.filled(p.subject.Accepted, 2).Body {
			continue
		}
		p.server.reactWith(answer(a))
		if v := p.send(b, p.batch(2)); !v.late && !v.kept() {
			p.failf("an answer with the body %q: Send returned %v, want the batch kept", body, v)
		}
	}
}

func lookalikeAnswer(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	for _, a := range p.subject.NotAccepted {
		p.server.reactWith(answer(a))
		if v := p.send(b, p.batch(2)); !v.late && !v.kept() {
			p.failf("Send returned %v, want the batch kept", v)
		}
	}
}

func everyEventOnce(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	// Sizes at which an encoder that drops or repeats an item shows: the ends, and an odd
	// number in between.
	var sent []driver.Event
	for _, n := range []int{1, 2, 17} {
		batch := sampleEvents(p.base, len(sent), n)
		if v := p.send(b, batch); !v.accepted() {
			p.failf("a batch of %d that the vendor accepted: Send returned %v", n, v)
			return
		}
		sent = append(sent, batch...)
	}
	p.expect(sent)
}

func orderKept(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	batch := p.batch(20)
	// Neither the IDs nor the times go up, so that a backend which sorts shows; and what one
	// may group by changes from one event to the next.
	slices.Reverse(batch[5:15])
	for i := range batch {
		e := &batch[i]
		e.Type = []string{"command.invocation", "feature.used"}[i%2]
		e.Version, e.MachineID = fmt.Sprint("v1.", i%3), strings.Repeat(fmt.Sprint(i%4, "ca1ab1e"), 4)
		e.OS, e.OSVersion, e.GoVersion = []string{"linux", "darwin"}[i/2%2], fmt.Sprint(i%5), fmt.Sprint("go1.", i%6)
		*e.ExitCode = i % 2
	}
	p.send(b, batch)
	got, ok := p.arrived()
	if ids := receivedIDs(got); ok && sameSet(ids, eventIDs(batch)) && !slices.Equal(ids, eventIDs(batch)) {
		p.failf("arrived in the order\n%q\nwant\n%q", ids, eventIDs(batch))
	}
}

func emptyBatch(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	for _, batch := range [][]driver.Event{nil, {}} {
		if v := p.send(b, batch); !v.accepted() {
			p.failOnly("Send of no events returned %v", v)
		}
	}
	if n := p.attempts(); n > 0 {
		p.failf("%d requests were made for no events", n)
	}
	if n := len(p.stdout.bytes()); n > 0 {
		p.failOnly("%d bytes were printed for no events", n)
	}
}

func sameIDsAgain(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	batch := p.batch(3)
	for _, a := range []Answer{p.answerWith(503), p.answerWith(429), p.subject.Accepted} {
		p.server.reactWith(answer(a))
		p.send(b, batch)
	}
	b.Close()
	// A new process has a new backend.
	if b, ok = p.open(); !ok {
		return
	}
	defer b.Close()
	p.send(b, batch)
	for i, x := range p.server.seen() {
		got, ok := p.decode(x)
		if !ok {
			return
		}
		if !sameSet(receivedIDs(got), eventIDs(batch)) {
			p.failf("attempt %d has the IDs %q, want %q", i+1, receivedIDs(got), eventIDs(batch))
			continue
		}
		for _, r := range got {
			at := slices.IndexFunc(batch, func(e driver.Event) bool { return e.ID == r.ID })
			if !r.Time.Equal(batch[at].Time) {
				p.failf("attempt %d has the time %v for event %s, want %v", i+1, r.Time, r.ID, batch[at].Time)
			}
		}
	}
}

// effective returns the driver's limits with the collector's own where it has none.
func effective(l driver.Limits) driver.Limits {
	if l.Events <= 0 {
		l.Events = 500
	}
	if l.Bytes <= 0 {
		l.Bytes = 1 << 20
	}
	if l.EventBytes <= 0 {
		l.EventBytes = 64 << 10
	}
	l.EventBytes = min(l.EventBytes, l.Bytes)
	return l
}

func largestBatch(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	limits := effective(p.subject.Driver.Limits)
	many := p.batch(min(limits.Events, limits.Bytes/len(driver.AppendJSONArray(nil, p.batch(1)))-1))
	var large []driver.Event
	for n, room := len(many), limits.Bytes; room > limits.EventBytes && len(large) < limits.Events; n++ {
		e := paddedWith(p.base, n, limits.EventBytes, "x")
		large = append(large, e)
		room -= len(e.AppendJSON(nil)) + len(",")
	}
	for _, batch := range [][]driver.Event{many, large} {
		before := len(p.server.seen())
		if v := p.send(b, batch); !v.accepted() {
			p.failf("%d events of %d bytes, which the driver's Limits allow: Send returned %v", len(batch), len(driver.AppendJSONArray(nil, batch)), v)
			return
		}
		for _, x := range p.server.seen()[before:] {
			got, ok := p.decode(x)
			if !ok {
				return
			}
			vendor := p.subject.Limits
			if vendor.Events > 0 && len(got) > vendor.Events {
				p.failOnly("%d events in a request, the vendor takes %d", len(got), vendor.Events)
			}
			if vendor.Bytes > 0 && len(x.Body) > vendor.Bytes {
				p.failOnly("%d bytes in a request, the vendor takes %d", len(x.Body), vendor.Bytes)
			}
		}
	}
	p.expect(append(many, large...))
}

func headersAdded(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	p.send(b, p.batch(1))
	p.send(b, p.batch(1))
	for _, x := range p.server.seen() {
		for name, value := range p.subject.Headers {
			if got := x.Header.Get(name); got != value {
				p.failf("header %s is %q, want %q", name, got, value)
			}
		}
	}
}

func concurrentSends(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	const senders, batches, size = 8, 3, 4
	var all sync.WaitGroup
	for s := range senders {
		all.Go(func() {
			for i := range batches {
				batch := sampleEvents(p.base, (s*batches+i)*size, size)
				if v := p.send(b, batch); !v.accepted() {
					p.failf("one of %d Sends at once: %v", senders, v)
				}
			}
		})
	}
	all.Wait()
	p.expect(p.batch(senders * batches * size))
	for _, x := range p.server.seen() {
		got, ok := p.decode(x)
		if !ok {
			return
		}
		for _, r := range got {
			if x.raw != nil && len(got) != size || slot(r) != slot(got[0]) {
				p.failf("a request has events of two batches: %q", receivedIDs(got))
				return
			}
		}
	}
}

// slot tells the batch of a sample event in concurrentSends by its name.
func slot(r Received) int {
	return sampleNumber(r) / 4
}

func batchUntouched(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	batch := p.batch(6)
	slices.Reverse(batch) // so that sorting is a change
	for i := range batch {
		batch[i].Args = []string{"zeta", "--depth", "", "alpha", "alpha"}
	}
	before := copyEvents(batch)
	for _, react := range append(p.failing(), answer(p.subject.Accepted)) {
		p.server.reactWith(react)
		p.send(b, batch)
		for i := range batch {
			if string(batch[i].AppendJSON(nil)) != string(before[i].AppendJSON(nil)) {
				p.failOnly("Send changed event %d of the batch to %s", i, batch[i].AppendJSON(nil))
				return
			}
		}
	}
}

// reused marks what stands in the memory of a batch after Send has returned.
const reused = "memory-used-by-somebody-else"

func keepsNothing(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	ruin := func(batch []driver.Event) {
		for i := range batch {
			e := &batch[i]
			e.ID, e.Name, e.Error, e.MachineID, e.ConsentID = reused, reused, reused, reused, reused
			for j := range e.Args {
				e.Args[j] = reused
			}
			for key := range e.Metadata {
				e.Metadata[key] = reused
			}
			*e.ExitCode, *e.DurationMS = -1, -1
		}
	}
	var accepted []driver.Event
	for i, react := range []reaction{answer(p.answerWith(503)), drop, answer(p.subject.Accepted), answer(p.subject.Accepted)} {
		p.server.reactWith(react)
		before := len(p.server.seen())
		batch := sampleEvents(p.base, i*10, 3)
		want := eventIDs(batch)
		if v := p.send(b, batch); v.late {
			return
		} else if v.accepted() {
			accepted = append(accepted, copyEvents(batch)...)
		}
		ruin(batch)
		for _, x := range p.server.seen()[before:] {
			got, ok := p.decode(x)
			if !ok {
				return
			}
			for _, r := range got {
				if !slices.Contains(want, r.ID) {
					p.failf("event %q of an earlier batch was sent again", r.ID)
				}
			}
		}
	}
	sent := len(p.server.seen())
	if network(p.subject) == "" { // what is read after a deadline, the race detector sees
		sent++ // which on a slow machine arrives when Send has given it up
		p.server.reactWith(hang)
		batch := sampleEvents(p.base, 90, 3)
		if v := p.sendWithin(b, batch, shortTime()); v.late {
			return
		}
		ruin(batch)
	}
	p.accept()
	b.Close()
	time.Sleep(shortTime() / 3) // for what is done behind the caller's back
	if n := len(p.server.seen()) - sent; n > 0 {
		p.failf("%d requests were made after Send had returned", n)
	}
	for _, x := range p.server.seen() {
		if strings.Contains(string(x.Body), reused) {
			p.failf("the batch was read after Send had returned")
		}
	}
	if p.subject.Driver.Local {
		if got, ok := p.arrived(); ok && !p.subject.Discards {
			if ids := receivedIDs(got); !slices.Equal(ids, eventIDs(accepted)) {
				p.failOnly("delivered %q, accepted %q", ids, eventIDs(accepted))
			}
		}
	}
}

func cancelledBefore(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	expired, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	for _, ctx := range []context.Context{cancelled, expired} {
		if v := p.sendUnder(ctx, b, p.batch(2), slack()); !v.late && !v.kept() {
			p.failf("Send under a context that has ended (%v) returned %v, want the batch kept", ctx.Err(), v)
		}
	}
	if n := len(p.server.seen()); n > 0 {
		p.failf("%d requests arrived", n)
	}
	if got, ok := p.arrived(); ok && len(got) > 0 {
		p.failf("%d events were delivered", len(got))
	}
}

func cancelledDuring(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	reached := p.hangs()
	sent := make(chan verdict, 1)
	go func() { sent <- p.sendUnder(ctx, b, p.batch(2), longTime()) }()
	select {
	case <-reached:
	case v := <-sent:
		p.failf("Send returned %v before there was an answer", v)
		return
	}
	cancel()
	if v, ok := within(sent, slack()); !ok {
		p.failf("Send had not returned %v after it was cancelled", slack())
	} else if !v.late && !v.kept() {
		p.failf("Send, cancelled while it waited for an answer, returned %v, want the batch kept", v)
	}
}

func localFailure(p *probe) {
	p.stdout.fail = errFull
	b, err := p.tryOpen(p.subject.settings(endpoint), func(c *driver.Config) { c.Dir = blocked(p.dir) })
	if err != nil {
		return // refusing to work is a way of not accepting
	}
	defer b.Close()
	v := p.send(b, p.batch(2))
	if !v.late && !v.kept() {
		p.failOnly("Send returned %v although nothing could be written, want the batch kept", v)
	}
	if v.err != nil && strings.Contains(v.err.Error(), p.dir) {
		p.failOnly("the error holds the path, which holds the user's name: %v", v.err)
	}
}
