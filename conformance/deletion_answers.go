package conformance

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
)

// deletionAnswerChecks are about what a requestor makes of answers.
func deletionAnswerChecks(s *DeletionSubject, ts *trials) []Check {
	on := func(do func(*DeletionSubject, *trials, *probe)) func(*probe) { return func(p *probe) { do(s, ts, p) } }
	sends := []need{s.sends}
	return []Check{
		{ID: "deletion/no-panic", Level: Must, needs: sends, do: on(noPanic),
			Sentence: "Nothing that is answered, cut or mangled as it may be, makes the requestor panic."},
		{ID: "deletion/never-better-than-the-answer", Level: Must, needs: sends, do: on(neverBetter),
			Sentence: "An answer that says less than an acceptance, or nonsense, never leads to a better state than the acceptance."},
		{ID: "deletion/failure-is-no-refusal", Level: Must, needs: sends, do: on(failureIsNoRefusal),
			Sentence: "A failure, a throttle, a timeout, a connection that breaks or a web page in between is never an error marked Permanent: the person would be told that they are refused."},
		{ID: "deletion/classes", Level: Must, needs: []need{s.declaresStatuses}, do: on(classes),
			Sentence: "Each status that the other side documents is an error of the class that it stands for."},
		{ID: "deletion/retry-after", Level: Must, needs: sends, do: on(waitsAsTold),
			Sentence: "Where the other side says when to come back, the error is Throttled and the wait is at least that; what makes no sense is no wait of less than nothing."},
		{ID: "deletion/endless-answer", Level: Must, needs: sends, do: on(endlessAnswers),
			Sentence: "Of an answer that does not end, no more is read than anybody has to say."},
		{ID: "deletion/receipt-free-of-keys", Level: Must, do: on(receiptFreeOfKeys),
			Sentence: "No receipt holds a key, also if the server repeats it; the deletion key may stand in the URL with which the person finishes a request."},
		{ID: "deletion/receipt-free-of-raw-answers", Level: Must, needs: sends, do: on(receiptFreeOfAnswers),
			Sentence: "A receipt holds what the requestor understood, not what the server happened to say."},
		{ID: "deletion/receipt-is-clean", Level: Must, do: on(receiptIsClean),
			Sentence: "No receipt holds control characters, which could command the person's terminal."},
		{ID: "deletion/receipt-is-bounded", Level: Must, needs: sends, do: on(receiptIsBounded),
			Sentence: "A receipt takes less than 64 KiB, whatever the server sends: a ledger could not hold it."},
	}
}

// sends is a need: without Decode nothing is sent.
func (s *DeletionSubject) sends(*Subject) string {
	if s.Decode == nil {
		return "the subject declares Manual without a Decode: nothing is sent"
	}
	return ""
}

func (s *DeletionSubject) declaresStatuses(*Subject) string {
	if len(s.Statuses) == 0 {
		return "the subject declares no Statuses"
	}
	return ""
}

// mangled makes a request to which the acceptance is answered with one call's body changed,
// for each change of each call.
func (s *DeletionSubject) mangled(change func(body string) []mutation, each func(how string, a answered, w *script)) {
	count := len(s.once(func(_ int, r Request) reply { return reply{Answer: s.acceptance(r)} }).script.seen())
	for at := range count {
		var bodies []string
		learn := func(n int, r Request) reply {
			a := s.acceptance(r)
			if n == at {
				bodies = append(bodies, a.Body)
			}
			return reply{Answer: a}
		}
		s.once(learn)
		if len(bodies) == 0 {
			continue
		}
		for _, m := range change(bodies[0]) {
			t := s.once(func(n int, r Request) reply {
				a := s.acceptance(r)
				if n == at {
					a.Body = m.body
				}
				return reply{Answer: a}
			})
			each(fmt.Sprintf("call %d, %s", at+1, m.how), t.answered, t.script)
		}
	}
}

// once makes one request to a script.
func (s *DeletionSubject) once(react func(int, Request) reply) *trial {
	w := newScript(react)
	defer w.close()
	t := &trial{script: w}
	requestor, err := s.Open(endpoint, w)
	if err != nil {
		t.err = err
		return t
	}
	ctx, cancel := context.WithTimeout(context.Background(), longTime())
	defer cancel()
	t.answered = survived(func() (deletion.Receipt, error) { return requestor.RequestDeletion(ctx, plannedRequest()) })
	return t
}

func weakenedOf(body string) []mutation { return weakened(body, false) }

func noPanic(s *DeletionSubject, ts *trials, p *probe) {
	for _, t := range ts.all(p) {
		if t.panicked != "" {
			p.report(t.finding("it panicked: %s", t.panicked))
		}
	}
	s.mangled(weakenedOf, func(how string, a answered, w *script) {
		if a.panicked != "" {
			p.report(scriptFinding(w, "%s: it panicked: %s", how, a.panicked))
		}
	})
	if s.follows(nil) != "" {
		return
	}
	for _, progress := range s.progress() {
		s.mangledProgress(progress, func(how string, got *trial) {
			if got.panicked != "" {
				p.report(scriptFinding(got.script, "Status, %s: it panicked: %s", how, got.panicked))
			}
		})
	}
}

// scriptFinding is a finding with the last call of a script.
func scriptFinding(w *script, format string, args ...any) Finding {
	f := Finding{Message: fmt.Sprintf(format, args...)}
	if calls := w.seen(); len(calls) > 0 {
		f.Exchange = calls[len(calls)-1].dump()
	}
	return f
}

func neverBetter(s *DeletionSubject, ts *trials, p *probe) {
	for _, t := range ts.all(p) {
		if !t.follows && t.err == nil && better(t.receipt.State, s.State) {
			p.report(t.finding("the state is %q", t.receipt.State))
		}
	}
	s.mangled(weakenedOf, func(how string, a answered, w *script) {
		if a.err == nil && better(a.receipt.State, s.State) {
			p.report(scriptFinding(w, "%s: the state is %q, and the acceptance as it is stands for %q", how, a.receipt.State, s.State))
		}
	})
}

// passing are the statuses of failures that pass.
var passing = []int{408, 429, 500, 502, 503, 504}

// refusedForGood reports whether a tool gives up, and tells the person.
func refusedForGood(err error) bool { return driver.Classify(err) == driver.ClassPermanent }

func failureIsNoRefusal(_ *DeletionSubject, ts *trials, p *probe) {
	for _, t := range ts.all(p) {
		none := t.status == 0 || t.page || t.status == 200 || slices.Contains(passing, t.status)
		if t.met() && none && refusedForGood(t.err) {
			p.report(t.finding("the error is marked as a refusal for good: %v", t.err))
		}
	}
}

func classes(s *DeletionSubject, _ *trials, p *probe) {
	for _, status := range slices.Sorted(maps.Keys(s.Statuses)) {
		a := s.Refusal
		if a.Body == "" && a.Type == "" {
			a.Body = `{"errors":["refused by the suite"]}`
		}
		a.Status = status
		t := s.once(func(int, Request) reply { return reply{Answer: a} })
		if got, want := driver.Classify(t.err), s.Statuses[status]; got != want {
			p.report(scriptFinding(t.script, "status %d: the error %v has the class %s, want %s", status, t.err, got, want))
		}
	}
}

// knowsClasses reports whether a requestor marks errors at all. One that was made of a
// function which returns plain errors cannot say that there is a wait.
func (s *DeletionSubject) knowsClasses(list []*trial) bool {
	return len(s.Statuses) > 0 || slices.ContainsFunc(list, func(t *trial) bool {
		class := driver.Classify(t.err)
		return class != driver.ClassAccepted && class != driver.ClassUnknown
	})
}

func waitsAsTold(s *DeletionSubject, ts *trials, p *probe) {
	knows := s.knowsClasses(ts.all(p))
	try := func(status int, value string) *trial {
		a := s.Refusal
		if a.Body == "" && a.Type == "" {
			a.Body = `{"errors":["refused by the suite"]}`
		}
		a.Status, a.Header = status, a.Header.Clone()
		if a.Header == nil {
			a.Header = http.Header{}
		}
		a.Header.Set("Retry-After", value)
		return s.once(func(int, Request) reply { return reply{Answer: a} })
	}
	for _, status := range throttling {
		for value, least := range map[string]time.Duration{
			"37": 37 * time.Second,
			time.Now().Add(10 * time.Minute).UTC().Format(http.TimeFormat): 8 * time.Minute,
		} {
			t := try(status, value)
			if wait := driver.Wait(t.err); knows && (driver.Classify(t.err) != driver.ClassThrottled || wait < least || wait > 24*time.Hour) {
				p.report(scriptFinding(t.script, "status %d, Retry-After %q: the error %v asks for %v", status, value, t.err, wait))
			}
		}
		for _, value := range []string{"-5", "soon", "3.5", "99999999999999999999999", "9223372036854775807", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"} {
			t := try(status, value)
			if t.err == nil || refusedForGood(t.err) || driver.Wait(t.err) < 0 {
				p.report(scriptFinding(t.script, "status %d, Retry-After %q: the error %v asks for %v", status, value, t.err, driver.Wait(t.err)))
			}
		}
	}
}

func endlessAnswers(_ *DeletionSubject, ts *trials, p *probe) {
	for _, t := range ts.all(p) {
		if t.consumed > tooMuch {
			p.report(t.finding("%d MiB of the answer were read", t.consumed>>20))
		}
	}
}

// everyText calls each with every text of a receipt and its parts.
func everyText(r deletion.Receipt, each func(name, text string)) {
	each("State", string(r.State))
	each("ID", r.ID)
	each("Detail", r.Detail)
	each("URL", r.URL)
	each("MachineID", r.MachineID)
	for _, part := range r.Parts {
		everyText(part, func(name, text string) { each("a part's "+name, text) })
	}
}

// receipts calls each with all receipts of accepted and of mangled requests.
func (s *DeletionSubject) receipts(ts *trials, p *probe, change func(string) []mutation, each func(string, deletion.Receipt)) {
	for _, t := range ts.all(p) {
		each(t.String(), t.receipt)
	}
	s.mangled(change, func(how string, a answered, _ *script) { each("an acceptance with "+how, a.receipt) })
}

func receiptFreeOfKeys(s *DeletionSubject, ts *trials, p *probe) {
	keys := canariesOf("a key", s.Secrets)
	key := canariesOf("the deletion key", []string{plannedRequest().DeletionKey})
	repeating := func(body string) []mutation {
		more, _ := withField(body, "suite", strings.Join(append(slices.Clone(s.Secrets), plannedRequest().DeletionKey), " "))
		return []mutation{{"every key in a field that nobody reads", more}}
	}
	s.receipts(ts, p, repeating, func(what string, r deletion.Receipt) {
		everyText(r, func(name, text string) {
			canaries := keys
			if !strings.HasSuffix(name, "URL") {
				canaries = slices.Concat(keys, key)
			}
			plain, digests := search([]byte(text), canaries)
			for _, found := range append(plain, digests...) {
				p.failOnly("%s: the receipt's %s holds %s", what, name, found)
			}
		})
	})
}

func receiptFreeOfAnswers(s *DeletionSubject, ts *trials, p *probe) {
	marked := func(body string) []mutation {
		more, ok := withField(body, "suite", marker)
		if !ok {
			return nil
		}
		return []mutation{{"a field that nobody reads", more}}
	}
	s.receipts(ts, p, marked, func(what string, r deletion.Receipt) {
		everyText(r, func(name, text string) {
			if strings.Contains(text, marker) || strings.Contains(text, "<html") {
				p.failOnly("%s: the receipt's %s repeats the answer: %s", what, name, printable([]byte(text), 300))
			}
		})
	})
}

func receiptIsClean(s *DeletionSubject, ts *trials, p *probe) {
	const hostile = "r1\x1b[31m\x00\r\n\u009b2J\x7f"
	s.receipts(ts, p, func(body string) []mutation { return texts(body, hostile) }, func(what string, r deletion.Receipt) {
		everyText(r, func(name, text string) {
			if strings.ContainsFunc(text, unicode.IsControl) {
				p.failOnly("%s: the receipt's %s holds control characters: %q", what, name, short(text))
			}
		})
	})
}

func receiptIsBounded(s *DeletionSubject, ts *trials, p *probe) {
	long := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	s.receipts(ts, p, func(body string) []mutation { return texts(body, long) }, func(what string, r deletion.Receipt) {
		size := 0
		everyText(r, func(_, text string) { size += len(text) })
		if size > 64<<10 {
			p.failOnly("%s: the receipt has %d bytes", what, size)
		}
	})
}
