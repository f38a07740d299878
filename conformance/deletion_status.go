package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
)

// follows is a need of the checks below.
func (s *DeletionSubject) follows(*Subject) string {
	if s.Open == nil {
		return ""
	}
	w := newScript(func(_ int, r Request) reply { return reply{Answer: s.acceptance(r)} })
	defer w.close()
	ctx, cancel := context.WithTimeout(context.Background(), longTime())
	defer cancel()
	requestor, err := s.Open(endpoint, w)
	if err != nil {
		return ""
	}
	follower, can := requestor.(deletion.Follower)
	if !can {
		return "the requestor is no deletion.Follower"
	}
	a := survived(func() (deletion.Receipt, error) { return requestor.RequestDeletion(ctx, plannedRequest()) })
	if a.err != nil || a.receipt.State == deletion.Verified {
		return ""
	}
	before := len(w.seen())
	now := survived(func() (deletion.Receipt, error) { return follower.Status(ctx, a.receipt) })
	if len(w.seen()) == before && now.err == nil && now.receipt.State == a.receipt.State {
		return "the subject declares no answer that can be followed: Status leaves the receipt where it is, and asks nobody"
	}
	return ""
}

func followChecks(s *DeletionSubject, ts *trials) []Check {
	needs := []need{s.follows}
	on := func(do func(*DeletionSubject, *trials, *probe)) func(*probe) { return func(p *probe) { do(s, ts, p) } }
	return []Check{
		{ID: "deletion/status-needs-an-answer", Level: Must, needs: needs, do: on(statusUnanswered),
			Sentence: "What is no answer about the receipt is an error of Status, and moves it nowhere: a refusal, a web page, a connection that breaks."},
		{ID: "deletion/status-deadline", Level: Must, needs: needs, do: on(statusDeadline),
			Sentence: "The context's deadline holds for Status too, and with one that has ended nothing is sent."},
		{ID: "deletion/status-no-secret-in-errors", Level: Must, needs: needs, do: on(statusSecrets),
			Sentence: "No error of Status holds a key, also if the server repeats it."},
		{ID: "deletion/status-as-documented", Level: Must, needs: append(needs, func(*Subject) string {
			if len(s.Progress) == 0 {
				return "the subject declares no Progress"
			}
			return ""
		}), do: on(statusAsDocumented),
			Sentence: "What the other side says of a request is the state that it stands for, or an error where it says nothing of it."},
		{ID: "deletion/status-never-better-than-the-answer", Level: Must, needs: needs, do: on(statusNeverBetter),
			Sentence: "An answer that says less, another thing or nonsense never makes a request that is under way look further than it is: that it is done has to be said in so many words."},
		{ID: "deletion/verified-needs-zero", Level: Must, needs: append(needs, func(*Subject) string {
			if s.Left == nil {
				return "the subject declares no Left"
			}
			return ""
		}), do: on(verifiedNeedsZero),
			Sentence: "Where what is left is counted, a request is Verified only if the count is zero; a count that is missing or makes no sense is none."},
		{ID: "deletion/status-of-its-own-receipt", Level: Must, needs: needs, do: on(statusOfItsOwn),
			Sentence: "Status asks for the receipt that it is given and for no other's, also by many goroutines, and leaves that receipt as it is."},
	}
}

// accepted makes a request that is accepted and returns what follows it up, with the
// receipt.
func (s *DeletionSubject) accepted(p *probe) (deletion.Follower, deletion.Receipt, bool) {
	s.accept(p)
	requestor, ok := s.open(p, p.wire)
	if !ok {
		return nil, deletion.Receipt{}, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), longTime())
	defer cancel()
	receipt, err := requestor.RequestDeletion(ctx, plannedRequest())
	if err != nil {
		p.failOnly("the request was accepted, and the error is: %v", err)
		return nil, receipt, false
	}
	follower, can := requestor.(deletion.Follower)
	return follower, receipt, can && receipt.State != deletion.Verified
}

// statusOf calls Status within limit.
func statusOf(ctx context.Context, p *probe, f deletion.Follower, receipt deletion.Receipt, limit time.Duration) asked {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	p.attempting(ctx)
	done := make(chan asked, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				p.failf("Status panicked: %v\n%s", v, debug.Stack())
				done <- asked{err: fmt.Errorf("panic: %v", v)}
			}
		}()
		now, err := f.Status(ctx, receipt)
		done <- asked{receipt: now, err: err}
	}()
	a, ok := within(done, limit+slack())
	if !ok {
		p.failf("Status had not returned %v after its context had ended", slack())
		return asked{late: true}
	}
	return a
}

func statusUnanswered(s *DeletionSubject, ts *trials, p *probe) {
	for _, t := range ts.all(p) {
		// A later call may be one that Status can do without.
		if t.follows && t.step == 0 && t.met() && t.refuses && t.err == nil && !s.statusDecides(t) {
			p.report(t.finding("no error, and the state %q", t.receipt.State))
		}
	}
	var all sync.WaitGroup
	try := func(what string, limit time.Duration, arrange func(*probe)) {
		all.Go(func() {
			q, err := newProbe(p.session)
			if err != nil {
				p.failOnly("the suite could not prepare a server: %v", err)
				return
			}
			defer q.close()
			if follower, receipt, ok := s.accepted(q); ok {
				q.wire.CloseIdleConnections() // or what strikes while connecting would not
				arrange(q)
				if a := statusOf(context.Background(), q, follower, receipt, limit); !a.late && a.err == nil {
					q.failf("%s: no error, and the state %q", what, a.receipt.State)
				}
			}
			for _, f := range q.found() {
				p.report(f)
			}
		})
	}
	for _, code := range []int{301, 302, 307, 400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 504} {
		try(fmt.Sprint("status ", code), longTime(), func(q *probe) {
			q.server.reactWith(answer(Answer{Status: code, Header: http.Header{"Location": {"/elsewhere"}}, Body: `{"errors":["refused by the suite"]}`}))
		})
	}
	try("a web page with status 200", longTime(), func(q *probe) { q.server.reactWith(answer(Answer{Type: "text/html", Body: portal})) })
	for _, f := range faults() {
		if !f.answered {
			try(f.sentence, f.limit(), f.arrange)
		}
	}
	all.Wait()
}

func statusDeadline(s *DeletionSubject, ts *trials, p *probe) {
	for _, t := range ts.all(p) {
		if t.follows && t.late {
			p.report(t.finding("it had not returned %v after its context had ended", slack()))
		}
	}
	follower, receipt, ok := s.accepted(p)
	if !ok {
		return
	}
	before := len(p.server.seen())
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if a := statusOf(ended, p, follower, receipt, slack()); !a.late && a.err == nil {
		p.failf("under a context that had ended: no error, and the state %q", a.receipt.State)
	}
	if n := len(p.server.seen()) - before; n > 0 {
		p.failf("under a context that had ended %d requests arrived", n)
	}
	p.server.reactWith(hang)
	if a := statusOf(context.Background(), p, follower, receipt, shortTime()); !a.late && a.err == nil {
		p.failf("without an answer: no error, and the state %q", a.receipt.State)
	}
}

func statusSecrets(s *DeletionSubject, ts *trials, p *probe) {
	s.secretsInErrors(ts, p, true)
	follower, receipt, ok := s.accepted(p)
	if !ok {
		return
	}
	canaries := canariesOf("a secret", append([]string{plannedRequest().DeletionKey}, s.Secrets...))
	for _, code := range []int{200, 302, 400, 401, 403, 404, 409, 429, 500, 503} {
		p.server.reactWith(func(x *exchange) bool { return answer(p.echo(x, code))(x) })
		if a := statusOf(context.Background(), p, follower, receipt, longTime()); a.err != nil {
			plain, digests := search([]byte(a.err.Error()), canaries)
			for _, found := range append(plain, digests...) {
				p.failf("the error after a status %d holds %s", code, found)
			}
		}
	}
}

// follow makes a request that is accepted, and then asks what became of it.
func (s *DeletionSubject) follow(react func(int, Request) reply) *trial {
	w := newScript(func(_ int, r Request) reply { return reply{Answer: s.acceptance(r)} })
	defer w.close()
	t := &trial{script: w}
	ctx, cancel := context.WithTimeout(context.Background(), longTime())
	defer cancel()
	requestor, receipt, ok := s.prepared(ctx, operation{follows: true}, w)
	if !ok {
		return nil
	}
	before := len(w.seen())
	w.set(func(n int, r Request) reply { return react(n-before, r) })
	t.answered = survived(func() (deletion.Receipt, error) { return requestor.(deletion.Follower).Status(ctx, receipt) })
	t.calls = w.seen()[before:]
	return t
}

// said answers every call with what a Progress has for it.
func said(answer func(Request) Answer) func(int, Request) reply {
	return func(_ int, r Request) reply { return reply{Answer: answer(r)} }
}

func statusAsDocumented(s *DeletionSubject, _ *trials, p *probe) {
	for _, progress := range s.Progress {
		t := s.follow(said(progress.Answer))
		switch {
		case t == nil:
			p.failOnly("the request was not accepted, or is Verified at once")
			return
		case progress.Want == "" && t.err == nil:
			p.report(scriptFinding(t.script, "%s: no error, and the state %q", progress.Name, t.receipt.State))
		case progress.Want == "" && progress.Err != nil && !errors.Is(t.err, progress.Err):
			p.report(scriptFinding(t.script, "%s: the error is %v, which does not wrap %q", progress.Name, t.err, progress.Err))
		case progress.Want != "" && (t.err != nil || t.receipt.State != progress.Want):
			p.report(scriptFinding(t.script, "%s: the state is %q with the error %v, want %q", progress.Name, t.receipt.State, t.err, progress.Want))
		}
	}
}

// undecided are answers that nobody can read as done, whatever the other side's words for
// that are.
func undecided(id string) []mutation {
	const open = `"done":false,"completed":false,"complete":false,"finished":false,"deleted":false,"verified":false,"remaining":3,"pending":3,"left":3,"count":3,"events":3,"results":[[3]]`
	var list []mutation
	for _, word := range []string{"pending", "queued", "in_progress", "acknowledged", "failed", "refused", "cancelled", "error", unknownWord, "", "not_verified"} {
		list = append(list, mutation{fmt.Sprintf("the state %q", word),
			fmt.Sprintf(`{"id":%q,"status":%[2]q,"state":%[2]q,"phase":%[2]q,"result":%[2]q,%s}`, id, word, open)})
	}
	for _, body := range []string{"", "null", "{}", `"` + unknownWord + `"`, "7", "false", unknownWord, "\ufeff", "{\"id\":"} {
		list = append(list, mutation{fmt.Sprintf("the answer %q", body), body})
	}
	return list
}

func statusNeverBetter(s *DeletionSubject, ts *trials, p *probe) {
	for _, t := range ts.all(p) {
		if t.follows && t.refuses && t.met() && t.err == nil && t.receipt.State == deletion.Verified {
			p.report(t.finding("the state is Verified"))
		}
	}
	for _, m := range undecided(s.once(func(_ int, r Request) reply { return reply{Answer: s.acceptance(r)} }).receipt.ID) {
		t := s.follow(said(func(Request) Answer { return Answer{Body: m.body} }))
		if t != nil && t.err == nil && t.receipt.State == deletion.Verified {
			p.report(scriptFinding(t.script, "%s: the state is Verified", m.how))
		}
	}
	for _, progress := range s.progress() {
		// Where something is wrong, an answer without that may say that it is done.
		if progress.Want != deletion.Delivered && progress.Want != deletion.Acknowledged {
			continue
		}
		s.mangledProgress(progress, func(how string, got *trial) {
			if got.err == nil && better(got.receipt.State, progress.Want) {
				p.report(scriptFinding(got.script, "%s: the state is %q, want none better than %q", how, got.receipt.State, progress.Want))
			}
		})
	}
}

// progress is what the subject declares, and otherwise what is certain: whatever Status
// makes of the answer that accepts a request, less than that answer is not more.
func (s *DeletionSubject) progress() []Progress {
	if len(s.Progress) > 0 {
		return s.Progress
	}
	if t := s.follow(said(s.acceptance)); t != nil {
		return []Progress{{Name: "what accepts a request", Answer: s.acceptance, Want: t.receipt.State}}
	}
	return nil
}

// mangledProgress changes one answer after another in every way.
func (s *DeletionSubject) mangledProgress(progress Progress, each func(how string, got *trial)) {
	t := s.follow(said(progress.Answer))
	if t == nil {
		return
	}
	for at := range t.calls {
		for _, m := range weakened(t.calls[at].reply.Body, len(s.Progress) > 0) {
			got := s.follow(func(n int, r Request) reply {
				a := progress.Answer(r)
				if n == at {
					a.Body = m.body
				}
				return reply{Answer: a}
			})
			if got != nil {
				each(fmt.Sprintf("%s, call %d, %s", progress.Name, at+1, m.how), got)
			}
		}
	}
}

func verifiedNeedsZero(s *DeletionSubject, _ *trials, p *probe) {
	zero := 0
	if t := s.follow(said(s.Left(&zero))); t == nil || t.err != nil || t.receipt.State != deletion.Verified {
		p.failOnly("nothing is left, and the request is not Verified")
		return
	}
	some := []*int{nil}
	for _, n := range []int{1, 2, 1_000_000, 1 << 53, -1} {
		some = append(some, &n)
	}
	for _, n := range some {
		count := "no count"
		if n != nil {
			count = fmt.Sprint("a count of ", *n)
		}
		if t := s.follow(said(s.Left(n))); t.err == nil && t.receipt.State == deletion.Verified {
			p.report(scriptFinding(t.script, "%s: the state is Verified", count))
		}
	}
	one := 1
	s.mangledProgress(Progress{Name: "one record is left", Answer: s.Left(&one)}, func(how string, got *trial) {
		if got.err == nil && got.receipt.State == deletion.Verified {
			p.report(scriptFinding(got.script, "%s: the state is Verified", how))
		}
	})
}

func statusOfItsOwn(s *DeletionSubject, _ *trials, p *probe) {
	list := ids(p.seed, 8)
	along := func(_ int, r Request) reply { return reply{Answer: s.along(operation{follows: true}, r)} }
	w := newScript(func(_ int, r Request) reply { return reply{Answer: s.acceptance(r)} })
	defer w.close()
	ctx, cancel := context.WithTimeout(context.Background(), longTime())
	defer cancel()
	requestor, ok := s.open(p, w)
	if !ok {
		return
	}
	receipts := make([]deletion.Receipt, len(list))
	for i, id := range list {
		a := survived(func() (deletion.Receipt, error) { return requestor.RequestDeletion(ctx, requestOf(id, i)) })
		if a.err != nil || a.receipt.State == deletion.Verified {
			p.note("the subject's Accept knows one machine ID, so the receipts of many were not followed")
			return
		}
		receipts[i] = a.receipt
	}
	w.set(along)
	follow := func(i int) {
		given := receipts[i]
		given.Parts = slices.Clone(given.Parts)
		a := survived(func() (deletion.Receipt, error) { return requestor.(deletion.Follower).Status(ctx, receipts[i]) })
		if a.err == nil && a.receipt.MachineID != "" && a.receipt.MachineID != list[i] {
			p.failOnly("the receipt for %s is followed, and the answer is about %s", list[i], a.receipt.MachineID)
		}
		if !reflect.DeepEqual(given, receipts[i]) {
			p.failOnly("Status changed the receipt that it was given")
		}
	}
	for i := range receipts {
		before := len(w.seen())
		follow(i)
		for _, c := range w.seen()[before:] {
			for j, other := range list {
				if j != i && strings.Contains(string(c.Raw), other) {
					p.report(Finding{Message: fmt.Sprintf("for the receipt of %s it was asked about %s", list[i], other), Exchange: c.dump()})
				}
			}
		}
	}
	var all sync.WaitGroup
	for i := range receipts {
		all.Go(func() { follow(i) })
	}
	all.Wait()
	s.mixed(p, list, w.seen())
}
