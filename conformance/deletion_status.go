package conformance

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
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
	// Whoever opens a requestor contacts nothing.
	if r, err := s.Open(endpoint, http.DefaultTransport); err == nil {
		if _, can := r.(deletion.Follower); !can {
			return "the requestor is no deletion.Follower"
		}
	}
	return ""
}

func followChecks(s *DeletionSubject) []Check {
	needs := []need{s.follows}
	on := func(do func(*DeletionSubject, *probe)) func(*probe) { return func(p *probe) { do(s, p) } }
	return []Check{
		{ID: "deletion/status-needs-an-answer", Level: Must, needs: needs, do: on(statusUnanswered),
			Sentence: "What is no answer about the receipt is an error of Status, and moves it nowhere: a refusal, a web page, a connection that breaks."},
		{ID: "deletion/status-deadline", Level: Must, needs: needs, do: on(statusDeadline),
			Sentence: "The context's deadline holds for Status too, and with one that has ended nothing is sent."},
		{ID: "deletion/status-no-secret-in-errors", Level: Must, needs: needs, do: on(statusSecrets),
			Sentence: "No error of Status holds a key, also if the server repeats it."},
	}
}

// accepted makes a request that is accepted and returns what follows it up, with the
// receipt.
func (s *DeletionSubject) accepted(p *probe) (deletion.Follower, deletion.Receipt, bool) {
	s.accept(p)
	requestor, err := s.Open(endpoint, p.wire)
	if err != nil {
		p.failOnly("the requestor cannot be opened: %v", err)
		return nil, deletion.Receipt{}, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), longTime())
	defer cancel()
	receipt, err := requestor.RequestDeletion(ctx, erasure())
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

func statusUnanswered(s *DeletionSubject, p *probe) {
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
		// One connection is open already: what strikes while connecting strikes no more.
		if !f.answered && !strings.Contains(f.sentence, "certificate") {
			try(f.sentence, f.limit(), f.arrange)
		}
	}
	all.Wait()
}

func statusDeadline(s *DeletionSubject, p *probe) {
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

func statusSecrets(s *DeletionSubject, p *probe) {
	follower, receipt, ok := s.accepted(p)
	if !ok {
		return
	}
	canaries := canariesOf("a secret", append([]string{erasure().ErasureKey}, s.Secrets...))
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
