package conformance

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
)

func answerChecks() []Check {
	return []Check{
		{ID: "delivery/other-2xx", Level: Must, needs: []need{network},
			Sentence: "A 2xx that the vendor does not document as an acceptance is none.",
			do:       otherStatuses(append(span(200, 208), 226)...)},
		{ID: "delivery/other-3xx", Level: Must, needs: []need{network},
			Sentence: "Every 3xx keeps the batch, also one that names no other place.",
			do:       otherStatuses(span(300, 308)...)},
		{ID: "delivery/other-4xx", Level: Must, needs: []need{network},
			Sentence: "A 4xx that the vendor does not document is no acceptance, and loses nothing that a 400 would not; 407, 421 and 425 keep the batch.",
			do:       otherStatuses(append(span(400, 431), 444, 451, 460, 499)...)},
		{ID: "delivery/4xx-about-the-way", Level: Should, needs: []need{network},
			Sentence: "A 4xx that by its definition is about the address, the method or the way there, and not about the events, keeps the batch.",
			do:       aboutTheWay},
		{ID: "delivery/other-5xx", Level: Must, needs: []need{network},
			Sentence: "A 5xx that the vendor does not document is no acceptance, and loses nothing that a 500 would not; 511 keeps the batch.",
			do:       otherStatuses(append(span(500, 511), edgeStatuses()...)...)},
		{ID: "delivery/edge-5xx", Level: Must, needs: []need{network},
			Sentence: "520 to 530, 598 and 599, in the form in which content delivery networks answer when they reach no server, keep the batch.",
			do:       edgeStatus},
		{ID: "delivery/interim-answers", Level: Must, needs: []need{network},
			Sentence: "What a server sends ahead of its answer (100, 102, 103) is not the answer.", do: interimAnswers},
		{ID: "delivery/switched-protocols", Level: Must, needs: []need{network},
			Sentence: "A 101, with which a server goes on in another protocol, is no answer of the vendor's, and keeps the batch.", do: switchedProtocols},
		{ID: "delivery/answers-as-documented", Level: Must, needs: []need{network, meanings},
			Sentence: "An answer whose body decides means what the vendor's documentation says.", do: documentedAnswers},
		{ID: "delivery/changed-acceptance", Level: Must, needs: []need{network, bodyDecides},
			Sentence: "Where the body decides, an acceptance that is cut, buried, or changed in its one value is none.",
			do: func(p *probe) {
				certain, _ := lacking(p.filled(p.subject.Accepted, two).Body)
				p.notAccepted(certain)
			}},
		{ID: "delivery/emptied-acceptance", Level: Should, needs: []need{network, bodyDecides},
			Sentence: "Where the body decides, an acceptance that has lost what it says, or says it with a number out of all proportion, is none.",
			do: func(p *probe) {
				_, doubtful := lacking(p.filled(p.subject.Accepted, two).Body)
				p.notAccepted(doubtful)
			}},
		{ID: "delivery/mutated-answers", Level: Must, needs: []need{network},
			Sentence: "Whatever an answer holds, Send neither panics nor hangs, accepts nothing that is not a 2xx, and does not call an event both accepted and rejected.",
			do:       mutatedAnswers},
		{ID: "delivery/partial-names-the-batch", Level: Should, needs: []need{network, partialVerdicts},
			Sentence: "A mixed verdict names events of the batch only, each once, and counts no more of them than there are.", do: mutatedVerdicts},
	}
}

// everyStatus lists the statuses that a vendor, or what is in between, has been seen to
// answer with: those that are registered, and those of web servers and of cloud edges.
func everyStatus() []int {
	return slices.Concat(span(200, 208), []int{226}, span(300, 308), span(400, 431), []int{444, 451, 460, 499}, span(500, 511),
		edgeStatuses())
}

// edgeStatuses are what content delivery networks answer with when they get no answer
// themselves.
func edgeStatuses() []int { return append(span(520, 530), 598, 599) }

// span lists the numbers from first to last.
func span(first, last int) []int {
	list := make([]int, 0, last-first+1)
	for n := first; n <= last; n++ {
		list = append(list, n)
	}
	return slices.Clip(list)
}

// otherStatuses answers with statuses in the vendor's own form and without a body, and looks
// at those that have no check of their own.
func otherStatuses(statuses ...int) func(*probe) {
	return func(p *probe) {
		p.tryStatuses(statuses, func(status int) []Answer {
			if slices.Contains(SuiteStatuses(), status) {
				return []Answer{{}}
			}
			return []Answer{p.answerWith(status), {}}
		}, p.subject.classes)
	}
}

// tryStatuses compares what becomes of batches with the classes that are right.
func (p *probe) tryStatuses(statuses []int, forms func(status int) []Answer, right func(a Answer, n int) []driver.Class) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	for _, status := range statuses {
		for _, a := range forms(status) {
			a.Status = status
			for _, n := range []int{3, 1} {
				a := p.filled(a, n)
				p.server.reactWith(answer(a))
				want := right(a, n)
				if v := p.send(b, p.batch(n)); !v.late && !slices.Contains(want, v.class) {
					p.failf("status %d with the body %q to a batch of %d: Send returned %v, want one of %v", status, a.Body, n, v, want)
				}
			}
		}
		if len(p.found()) >= enoughFindings {
			return
		}
	}
}

// kept are the classes of a batch that comes again as it is.
var kept = []driver.Class{driver.ClassUnknown, driver.ClassThrottled}

// classes returns what an answer may mean to a batch of n events: what its row says, or
// without one, what HTTP makes of it. Without a body it may always be kept, since that may
// not be the form in which the vendor judges.
func (s *Subject) classes(a Answer, n int) []driver.Class {
	status := a.Status
	row, known := s.Statuses[status]
	if status == s.Accepted.status() {
		row, known = driver.ClassAccepted, true
	}
	switch {
	case known && a.Body != "":
		return []driver.Class{meant(row, status, n)}
	case known && row == driver.ClassAccepted && s.BodyDecides:
		return kept
	case known:
		return with(meant(row, status, n))
	case status/100 == 2:
		return s.classesOf2xx(a)
	case status/100 == 3, slices.Contains([]int{407, 421, 425, 511}, status):
		return kept
	case status == http.StatusRequestURITooLong, status == http.StatusRequestHeaderFieldsTooLarge:
		// Events may be in the address, or something made of them in a header.
		return with(driver.ClassTooLarge, meant(s.Statuses[400], 400, n))
	case status == http.StatusUnprocessableEntity:
		// By its definition the one status that is about what the batch holds.
		return with(driver.ClassTooLarge, driver.ClassPermanent)
	case status/100 == 4:
		return with(meant(s.Statuses[400], 400, n))
	}
	return with(meant(s.Statuses[500], 500, n))
}

// classesOf2xx are those of a 2xx without a row. A client takes one that it does not know
// for a 200, so a table that makes all of 200, 202 and 204 acceptances goes on like that. A
// 201 says of a POST what a 200 does.
func (s *Subject) classesOf2xx(a Answer) []driver.Class {
	accepts := func(status int) bool { return s.Statuses[status] == driver.ClassAccepted }
	free := accepts(200) && accepts(202) && accepts(204) || a.Status == http.StatusCreated && (accepts(200) || accepts(202))
	right := kept
	if free && !s.BodyDecides {
		right = with(driver.ClassAccepted)
	}
	if a.Body != "" {
		// Some vendors refuse with a friendly status, in the same form.
		return slices.Concat(right, []driver.Class{driver.ClassPermanent, driver.ClassTooLarge, driver.ClassPartial})
	}
	return right
}

// with adds classes to kept.
func with(more ...driver.Class) []driver.Class { return slices.Concat(kept, more) }

func edgeStatus(p *probe) {
	forms := []Answer{{Type: "text/plain; charset=UTF-8", Body: "error code: 521"}, {}}
	p.tryStatuses(edgeStatuses(), func(int) []Answer { return forms }, func(a Answer, n int) []driver.Class {
		if row, known := p.subject.Statuses[a.Status]; known {
			return with(meant(row, a.Status, n))
		}
		return kept
	})
}

// way are the statuses whose definitions (RFC 9110, section 15.5, RFC 6585, RFC 7725) name
// the payment, the method, the address, the connection or the law, and nothing of the content.
var way = []int{402, 405, 406, 407, 410, 411, 412, 417, 421, 425, 426, 428, 451}

func aboutTheWay(p *probe) {
	p.tryStatuses(way, func(status int) []Answer { return []Answer{p.answerWith(status), {}} }, func(a Answer, n int) []driver.Class {
		if row, known := p.subject.Statuses[a.Status]; known {
			return with(meant(row, a.Status, n))
		}
		return kept
	})
}

func interimAnswers(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	const ahead = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" +
		"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
	for _, a := range []Answer{p.subject.Accepted, p.answerWith(400), p.answerWith(503)} {
		want := p.subject.Statuses[a.status()]
		if a.status() == p.subject.Accepted.status() {
			want = driver.ClassAccepted
		}
		p.server.reactWith(func(x *exchange) bool { return x.write(ahead) && answer(a)(x) })
		if v := p.send(b, p.batch(3)); !v.late && v.class != want {
			p.failf("status %d after 100, 102 and 103: Send returned %v, want %v", a.status(), v, want)
		}
	}
}

func switchedProtocols(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	p.server.reactWith(func(x *exchange) bool {
		// And then ends: where it does not, nothing but Close ends the reading of net/http.
		x.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + p.filled(p.subject.Accepted, 3).Body)
		x.conn.Close()
		return false
	})
	if v := p.send(b, p.batch(3)); !v.late && !v.kept() {
		p.failf("status 101: Send returned %v, want the batch kept", v)
	}
}

func documentedAnswers(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	for _, m := range p.subject.Answers {
		p.server.reactWith(answer(m.Answer))
		for _, n := range []int{3, 1} {
			want := meant(m.Class, m.Answer.status(), n)
			if v := p.send(b, p.batch(n)); !v.late && v.class != want {
				p.failf("%s, to a batch of %d: Send returned %v, want %v", m.Name, n, v, want)
			}
		}
	}
}

// two is the batch of checks that change an acceptance.
const two = 2

// notAccepted answers with the acceptance in which the body is changed.
func (p *probe) notAccepted(list []mutation) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	for _, m := range list {
		a := p.subject.Accepted
		a.Body, a.Of = m.body, nil
		p.server.reactWith(answer(a))
		if v := p.send(b, p.batch(two)); v.late || v.class == driver.ClassAccepted {
			p.failf("an acceptance, %s: Send returned %v", m.how, v)
			return // the others are of the same kind
		}
	}
}

// enoughMutations of one answer: all those of one with two values, and a tenth of a second
// for the ten answers of a subject.
const enoughMutations = 40

func mutatedAnswers(p *probe) {
	answers := slices.Concat([]Answer{p.subject.Accepted, p.answerWith(400)}, p.subject.NotAccepted, p.subject.NotRefused)
	for _, m := range p.subject.Answers {
		answers = append(answers, m.Answer)
	}
	p.mutate(answers, p.subject.Partial, func(how string, status int, _ []driver.Event, v verdict) {
		partial, _ := asPartial(v.err)
		switch {
		case v.class == driver.ClassAccepted && status/100 != 2:
			p.failf("status %d, %s: Send returned nil", status, how)
		case partial != nil && slices.ContainsFunc(partial.Accepted, func(id string) bool { return slices.Contains(partial.Rejected, id) }):
			p.failf("%s: got accepted %q, rejected %q, which have an event in common", how, partial.Accepted, partial.Rejected)
		}
	})
}

func mutatedVerdicts(p *probe) {
	p.mutate(nil, p.subject.Partial, func(how string, _ int, batch []driver.Event, v verdict) {
		sent := eventIDs(batch)
		partial, _ := asPartial(v.err)
		if partial == nil {
			return
		}
		named := slices.Concat(partial.Accepted, partial.Rejected)
		slices.Sort(named)
		strange := slices.ContainsFunc(named, func(id string) bool { return !slices.Contains(sent, id) })
		for warning, n := range partial.Warnings {
			if n < 1 || n > len(partial.Accepted) {
				p.failf("%s: %d times the warning %q on %d accepted events", how, n, warning, len(partial.Accepted))
			}
		}
		if strange || len(slices.Compact(named)) < len(partial.Accepted)+len(partial.Rejected) || partial.Unnamed < 0 || partial.Unnamed > len(sent) {
			p.failf("%s: got accepted %q, rejected %q, %d unnamed of %d events with the IDs %q", how, partial.Accepted, partial.Rejected, partial.Unnamed, len(sent), sent)
		}
	})
}

// mutate sends batches, answers with one answer after the other in all its mutations, and
// shows what became of each.
func (p *probe) mutate(answers []Answer, verdicts []Verdicts, look func(how string, status int, sent []driver.Event, v verdict)) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	rng := rand.New(rand.NewPCG(p.seed, 0))
	try := func(name string, a Answer, size int) bool {
		a, a.Of = p.filled(a, size), nil
		for _, m := range mutations(a.Body, enoughMutations, rng) {
			a.Body = m.body
			p.server.reactWith(answer(a))
			batch := p.batch(size)
			v := p.sendWithin(b, batch, patient(5*time.Second))
			if v.late || len(p.found()) >= enoughFindings {
				return false
			}
			look(name+", "+m.how, a.status(), batch, v)
		}
		return true
	}
	for i, a := range answers {
		if !try(fmt.Sprintf("answer %d, a %d", i, a.status()), a, three) {
			return
		}
	}
	for _, mixed := range verdicts {
		size := three
		if len(mixed.Sizes) > 0 && !slices.Contains(mixed.Sizes, three) {
			size = mixed.Sizes[0]
		}
		var batch []Received
		for _, e := range p.batch(size) {
			batch = append(batch, received(e))
		}
		if a, _, ok := mixed.of(batch); ok && !try(mixed.Name, a, size) {
			return
		}
	}
}
