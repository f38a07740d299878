package conformance

import (
	"net/http"
	"slices"
	"time"
)

// leftoverChecks are about what a call leaves behind, and what it does beside its work.
func leftoverChecks(s *DeletionSubject, ts *trials) []Check {
	on := func(do func(*DeletionSubject, *trials, *probe)) func(*probe) { return func(p *probe) { do(s, ts, p) } }
	sends := []need{s.sends}
	return []Check{
		{ID: "deletion/open-contacts-nobody", Level: Must, do: on(openIsSilent),
			Sentence: "A requestor that is made and not asked contacts nobody."},
		{ID: "deletion/one-attempt", Level: Must, needs: sends, do: on(oneAttemptEach),
			Sentence: "Nothing is asked twice in one call: the caller decides when to ask again."},
		{ID: "deletion/nothing-after-return", Level: Must, needs: sends, do: on(nothingAfter),
			Sentence: "When a call has returned, with whatever error, nothing more is sent."},
		{ID: "deletion/no-goroutine-left", Level: Must, do: on(noGoroutine),
			Sentence: "When a call has returned, with whatever error, none of its goroutines is left: a requestor has no Close."},
		{ID: "deletion/no-connection-left", Level: Must, needs: sends, do: on(noConnection),
			Sentence: "When a call has returned, every answer's body was closed or read to its end: an open one holds a connection."},
	}
}

func openIsSilent(s *DeletionSubject, _ *trials, p *probe) {
	w := newScript(func(int, Request) reply { return reply{err: errReset} })
	defer w.close()
	if _, ok := s.open(p, w); !ok {
		return
	}
	time.Sleep(shortTime() / 2) // for what is done behind the caller's back
	if n := len(w.seen()); n > 0 {
		p.report(scriptFinding(w, "%d requests were made", n))
	}
}

// oneAttemptEach finds calls that were made again. A look-up may be made once before and
// once after something that changes what it would find; twice in a row is a retry, or
// waiting for the other side, which is the caller's to do.
//
// A connection that breaks before anything was answered is repeated by net/http itself,
// which is not seen here and is no attempt of the requestor's.
func oneAttemptEach(s *DeletionSubject, ts *trials, p *probe) {
	usual := 0
	for _, t := range ts.all(p) {
		if !t.follows && t.outcome.name == acceptance {
			usual = s.asksFor(t.calls)[plannedRequest().MachineID]
		}
	}
	for _, t := range ts.list {
		if t.status == http.StatusUnauthorized {
			continue // a token may have run out, and be replaced
		}
		// What has a number or a time of its own is not the same call, but asks for the same.
		passes := t.status == 0 || slices.Contains(passing, t.status)
		if n := s.asksFor(t.calls)[plannedRequest().MachineID]; !t.follows && passes && n > max(usual, 1) {
			p.report(t.finding("the deletion was asked for %d times", n))
			continue
		}
		made := map[string]bool{}
		last := ""
		for _, c := range t.calls {
			key := c.same()
			reads := c.Method == http.MethodGet || c.Method == http.MethodHead
			again := made[key] && !reads || key == last
			if again && (s.Polls == nil || !s.Polls(c.Request)) {
				p.report(t.finding("%s %s was asked for again", c.Method, c.URL))
				break
			}
			made[key], last = true, key
		}
	}
}

func nothingAfter(_ *DeletionSubject, ts *trials, p *probe) {
	for _, t := range ts.all(p) {
		if t.more > 0 && !t.late {
			p.report(t.finding("%d requests were made after the return", t.more))
		}
	}
}

func noGoroutine(_ *DeletionSubject, ts *trials, p *probe) {
	ts.all(p)
	if ts.goroutines != "" && !slices.ContainsFunc(ts.list, func(t *trial) bool { return t.late }) {
		p.failOnly("goroutines are left:\n%s", printable([]byte(ts.goroutines), 3000))
	}
}

func noConnection(_ *DeletionSubject, ts *trials, p *probe) {
	for _, t := range ts.all(p) {
		if t.leftOpen > 0 && !t.late {
			p.report(t.finding("%d bodies are open", t.leftOpen))
		}
	}
}
