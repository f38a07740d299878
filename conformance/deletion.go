package conformance

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/deletion"
)

// DeletionSubject is a requestor under test, with what the documentation of the other
// side says.
type DeletionSubject struct {
	// Vendor is what an operator's program lists, and Settings returns those with which it asks
	// at an endpoint, a URL without a path. Name, Open, Secrets and Hosts are then made of them,
	// and are not to be set; where the vendor asks at hosts of its own, Settings leaves the
	// endpoint out.
	Vendor   deletion.Vendor
	Settings func(endpoint string) map[string]string
	// Name is for the report, "deletion-" and the vendor's name where there is one.
	Name string
	// Open makes the requestor, for those of tools, which are in no list. It sends to endpoint, a URL without a path, or to hosts of
	// its own, in either case through transport. The endpoint is an https one, but for the
	// check that an http one is refused.
	Open func(endpoint string, transport http.RoundTripper) (deletion.Requestor, error)
	// Accept is what the other side answers to each request on the way to an accepted
	// deletion. nil means 200 with an empty body.
	Accept func(Request) Answer
	// NotAccepted lists answers that look like acceptance and are none: a 202 that tells
	// of errors, a result that found nobody.
	NotAccepted []Answer
	// State is how far an accepted request has come.
	State deletion.State
	// Decode returns the machine ID that a request asks to delete, "" where it asks for
	// something else first. Only a requestor that leaves everything to the person, with State
	// Manual, sends nothing and has no Decode.
	Decode func(Request) (string, error)
	// DecodeAll is Decode for a request that asks for several, of requestors that are a
	// deletion.Bulk. It returns none where the request asks for something else.
	DecodeAll func(Request) ([]string, error)
	// Secrets are keys that no error may hold. The deletion key is one without being named.
	Secrets []string

	// Statuses is what refusals with these statuses are, where that is documented, and
	// Refusal the form in which the other side refuses, to which the status is added. The zero
	// value is a JSON object with a list "errors".
	Statuses map[int]driver.Class
	Refusal  Answer
	// Progress is what the other side can say of a request that it accepted, and what Status
	// has to make of it. The first one is that it is under way.
	Progress []Progress
	// Left answers as where the work is done and so many of the person's records are left, for
	// requestors that count them before they say Verified. nil is an answer that does not say
	// how many.
	Left func(records *int) func(Request) Answer
	// RequestedAt returns when the person asked, as a request has it, zero where it does not
	// say. nil means that the other side does not take it.
	RequestedAt func(Request) (time.Time, error)
	// TakesKey reports whether a request is one for which the other side asks for the deletion
	// key. nil means that nothing is known of it.
	TakesKey func(Request) bool
	// Hosts returns the hosts, with their ports, that a requestor contacts when it was opened
	// with an endpoint. nil means that they are not known.
	Hosts func(endpoint string) []string
	// Polls reports whether a request is one that is made again and again within one call, to
	// wait for the other side. nil means that there is none.
	Polls func(Request) bool
	// KnownFailures is as in [Subject].
	KnownFailures map[string]string
}

// Progress is something that the other side says of a request.
type Progress struct {
	// Name is for the report.
	Name string
	// Answer answers each call that Status makes.
	Answer func(Request) Answer
	// Want is the state that it stands for, "" where it is an error.
	Want deletion.State
	// Err is what the error has to wrap, such as deletion.ErrUnknownReceipt, nil for any.
	Err error
}

// ofVendor fills in what a vendor and its settings say.
func (s *DeletionSubject) ofVendor() {
	if s.Vendor.Open == nil || s.Settings == nil || s.Open != nil {
		return
	}
	s.Name = cmp.Or(s.Name, "deletion-"+s.Vendor.Name)
	s.Open = func(endpoint string, transport http.RoundTripper) (deletion.Requestor, error) {
		return s.Vendor.Requestor(deletion.VendorConfig{Settings: s.Settings(endpoint), Tool: toolName, Transport: transport})
	}
	for _, set := range s.Vendor.Settings {
		if value := s.Settings(endpoint)[set.Name]; set.Secret && value != "" {
			s.Secrets = append(s.Secrets, value)
		}
	}
	s.Hosts = func(endpoint string) []string {
		resolved, err := s.Vendor.Resolve(s.Settings(endpoint))
		if err != nil {
			return nil
		}
		return s.Vendor.Hosts(resolved)
	}
}

// RunDeletion verifies the requestor as subtests of t, one a check.
func RunDeletion(t *testing.T, s DeletionSubject) {
	t.Helper()
	s.ofVendor()
	name := "deletion " + t.Name() + " " + s.Name
	if playing() {
		play(name, func(o *orders) account { return childDeletes(o, &s) }) // does not return if it is this subject's turn
		return
	}
	report := verifyDeletion(&s, options{reach: reachTest(t.Name()), name: name, short: testing.Short()})
	if dir := *flags.report; dir != "" {
		if err := report.write(dir); err != nil {
			t.Errorf("writing the report: %v", err)
		}
	}
	present(t, report)
}

// VerifyDeletion verifies the requestor outside of a test. As with [Verify], this executable
// is run again with the same arguments, for the checks in planted surroundings. Where it
// does not come back to the same call they are left out, which the report notes.
func VerifyDeletion(s DeletionSubject) Report {
	s.ofVendor()
	name := fmt.Sprintf("deletion %s #%d", s.Name, turnOf(s.Name))
	if playing() {
		play(name, func(o *orders) account { return childDeletes(o, &s) })
		return Report{Subject: s.Name}
	}
	return verifyDeletion(&s, options{reach: reachAgain(), name: name, mayBeLost: true})
}

// turnOf counts the calls for subjects of a name, so that a child knows which one is meant.
func turnOf(name string) int64 {
	counter, _ := turns.LoadOrStore(name, new(atomic.Int64))
	return counter.(*atomic.Int64).Add(1)
}

var turns sync.Map

func verifyDeletion(s *DeletionSubject, o options) Report {
	started := time.Now()
	report := newReport(KindRequestor, s.Name, s.Open, 0)
	report.Problems, report.Short = s.check(), o.short
	if len(report.Problems) > 0 {
		return report
	}
	shared := &session{subject: &Subject{KnownFailures: s.KnownFailures}, options: o, seed: report.Seed, base: time.Now().UTC()}
	defer shared.cleanup()
	checks := dated(deletionChecks(s))
	report.Results = make([]Result, len(checks))
	// Half of them wait for the same trials.
	turn := make(chan struct{}, 2*atOnce)
	var all sync.WaitGroup
	for i, c := range checks {
		turn <- struct{}{}
		all.Go(func() {
			defer func() { <-turn }()
			report.Results[i] = shared.make(c)
			shared.subject.conclude(&report.Results[i])
		})
	}
	all.Wait()
	report.Notes = shared.notes()
	report.Took = time.Since(started)
	return report
}

func (s *DeletionSubject) check() []string {
	var wrong []string
	if s.Name == "" || s.Open == nil || s.Decode == nil && s.State != deletion.Manual {
		wrong = append(wrong, "DeletionSubject needs Vendor and Settings, or Name and Open; and Decode")
	}
	switch s.State {
	case deletion.Delivered, deletion.Acknowledged, deletion.Verified, deletion.Manual:
	default:
		wrong = append(wrong, "DeletionSubject.State says how far an accepted request has come: delivered, acknowledged or verified, or manual where it is left to the person")
	}
	for status, class := range s.Statuses {
		if class == driver.ClassAccepted && status/100 != 2 {
			wrong = append(wrong, fmt.Sprintf("DeletionSubject.Statuses accepts a %d: only 2xx can be an acceptance", status))
		}
		if slices.Contains(passing, status) && class != driver.ClassUnknown && class != driver.ClassThrottled {
			wrong = append(wrong, fmt.Sprintf("DeletionSubject.Statuses gives a %d the class %s: it passes, so the request is made again", status, class))
		}
	}
	for _, progress := range s.Progress {
		if progress.Name == "" || progress.Answer == nil {
			wrong = append(wrong, "DeletionSubject.Progress has an entry without Name or Answer")
		}
	}
	for id, reason := range s.KnownFailures {
		if !slices.ContainsFunc(DeletionChecks(), func(c Check) bool { return c.ID == id }) || reason == "" {
			wrong = append(wrong, "DeletionSubject.KnownFailures: "+id+" is no check, or has no reason")
		}
	}
	return wrong
}

// DeletionChecks returns every check of deletion requestors.
func DeletionChecks() []Check { return dated(deletionChecks(&DeletionSubject{})) }

func deletionChecks(s *DeletionSubject) []Check {
	on := func(do func(*DeletionSubject, *probe)) func(*probe) { return func(p *probe) { do(s, p) } }
	ts := &trials{subject: s}
	sends := []need{s.sends}
	return slices.Concat([]Check{
		{ID: "deletion/accepted-is-told", Level: Must, do: on(deletionAccepted),
			Sentence: "A request that was accepted returns no error, and the state that the other side's answer stands for, not a better one."},
		{ID: "deletion/never-without-acknowledgement", Level: Must, needs: sends, do: func(p *probe) { deletionUnacknowledged(s, ts, p) },
			Sentence: "Whatever is not an acceptance is an error: a refusal, a redirect, a web page, a connection that breaks, no answer."},
		{ID: "deletion/lookalike-not-accepted", Level: Must, needs: []need{func(*Subject) string {
			if len(s.NotAccepted) == 0 {
				return "the subject declares no NotAccepted"
			}
			return ""
		}}, do: on(deletionLookalike),
			Sentence: "What the other side sends with a friendly status while it deletes nothing is an error."},
		{ID: "deletion/names-the-id", Level: Must, needs: sends, do: on(deletionNamesID),
			Sentence: "What is asked to be deleted is the machine ID of the request, and nothing else."},
		{ID: "deletion/id-validated", Level: Must, do: on(deletionValidates),
			Sentence: "A machine ID that is not 32 hexadecimal characters is an error before anything is sent: in a query it might mean everybody."},
		{ID: "deletion/may-be-repeated", Level: Must, do: on(deletionRepeated),
			Sentence: "The same request may be made again, by the same requestor and by a new one, with the same result."},
		{ID: "deletion/deadline", Level: Must, needs: sends, do: func(p *probe) { deletionDeadline(s, ts, p) },
			Sentence: "The context's deadline holds while connecting, while there is no answer and while one drips in."},
		{ID: "deletion/cancelled-before", Level: Must, do: on(deletionCancelled),
			Sentence: "With a context that has ended, nothing is sent and an error returned."},
		{ID: "deletion/cancelled-during", Level: Must, needs: sends, do: on(deletionCancelledDuring),
			Sentence: "When its context is cancelled while there is no answer, a request returns soon, and with an error."},
		{ID: "deletion/each-its-own-deadline", Level: Must, needs: sends, do: on(deletionOwnDeadline),
			Sentence: "The deadline of a request holds while another one of the same requestor waits."},
		{ID: "deletion/no-secret-in-errors", Level: Must, needs: sends, do: func(p *probe) { deletionSecrets(s, ts, p) },
			Sentence: "No error holds a key or the deletion key, also if the server repeats them."},
		{ID: "deletion/keys-stay-on-redirect", Level: Must, needs: sends, do: on(deletionRedirect),
			Sentence: "A redirect is not followed: neither keys nor IDs reach its target."},
	}, deletionAnswerChecks(s, ts), requestChecks(s, ts), leftoverChecks(s, ts), plantedChecks(s), followChecks(s, ts), vendorChecks(s))
}

// deletion is the request that the checks make.
func plannedRequest() deletion.Request {
	return deletion.Request{
		Tool: toolName, MachineID: strings.Repeat("0dd5a1ad", 4), DeletionKey: strings.Repeat("e2a5ecafe0123456", 4),
		RequestedAt: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
	}
}

// accept makes the other side accept.
func (s *DeletionSubject) accept(p *probe) {
	p.server.reactWith(func(x *exchange) bool { return answer(s.acceptance(x.Request))(x) })
}

// open opens the requestor, or records why it cannot.
func (s *DeletionSubject) open(p *probe, transport http.RoundTripper) (deletion.Requestor, bool) {
	requestor, err := s.Open(endpoint, transport)
	if err != nil {
		p.failOnly("the requestor cannot be opened: %v", err)
	}
	return requestor, err == nil
}

// asked is what became of a request.
type asked struct {
	receipt deletion.Receipt
	err     error
	late    bool
}

func (s *DeletionSubject) request(p *probe, limit time.Duration, req deletion.Request) asked {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return s.requestUnder(ctx, p, limit, req)
}

func (s *DeletionSubject) requestUnder(ctx context.Context, p *probe, limit time.Duration, req deletion.Request) asked {
	p.attempting(ctx)
	done := make(chan asked, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				p.failf("the requestor panicked: %v\n%s", v, debug.Stack())
				done <- asked{err: fmt.Errorf("panic: %v", v)}
			}
		}()
		requestor, err := s.Open(endpoint, p.transport())
		if err != nil {
			done <- asked{err: fmt.Errorf("the requestor cannot be opened: %w", err)}
			return
		}
		receipt, err := requestor.RequestDeletion(ctx, req)
		done <- asked{receipt: receipt, err: err}
	}()
	a, ok := within(done, limit+slack())
	if !ok {
		p.failf("the requestor had not returned %v after its context had ended", slack())
		return asked{late: true}
	}
	return a
}

func deletionAccepted(s *DeletionSubject, p *probe) {
	s.accept(p)
	switch a := s.request(p, longTime(), plannedRequest()); {
	case a.late:
	case a.err != nil:
		p.failf("the request was accepted, and the error is: %v", a.err)
	case a.receipt.State != s.State:
		p.failf("the state is %q, and what was answered stands for %q", a.receipt.State, s.State)
	}
	switch n := len(p.server.seen()); {
	case n == 0 && s.Decode != nil:
		p.failOnly("no request was made")
	case n > 0 && s.Decode == nil:
		p.failf("a request was made, and the subject has no Decode")
	case n == 0:
		return
	}
	// What comes before an answer is none (RFC 9110, section 15.2).
	p.server.reactWith(func(x *exchange) bool {
		x.write("HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
		return answer(s.acceptance(x.Request))(x)
	})
	if a := s.request(p, longTime(), plannedRequest()); !a.late && (a.err != nil || a.receipt.State != s.State) {
		p.failf("after early hints the state is %q with the error %v, want %q", a.receipt.State, a.err, s.State)
	}
}

func deletionUnacknowledged(s *DeletionSubject, ts *trials, p *probe) {
	for _, t := range ts.all(p) {
		if !t.follows && t.met() && t.refuses && !t.deleted && t.err == nil && !s.statusDecides(t) {
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
			s.accept(q)
			arrange(q)
			if a := s.request(q, limit, plannedRequest()); !a.late && a.err == nil {
				q.failf("%s: no error, and the state %q", what, a.receipt.State)
			}
			for _, f := range q.found() {
				p.report(f)
			}
		})
	}
	for _, status := range []int{301, 302, 307, 400, 401, 403, 404, 408, 409, 413, 429, 500, 502, 503, 504} {
		try(fmt.Sprint("status ", status), longTime(), func(q *probe) {
			q.server.reactWith(answer(Answer{Status: status, Header: http.Header{"Location": {"/elsewhere"}}, Body: `{"errors":["refused by the suite"]}`}))
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

// statusDecides reports whether a web page came with the very status that is an acceptance
// whatever the body says. Login pages come with 200.
func (s *DeletionSubject) statusDecides(t *trial) bool {
	if !t.page || t.status == http.StatusOK {
		return false
	}
	accepted := s.acceptance(t.calls[len(t.calls)-1].Request)
	return accepted.Body == "" && accepted.status() == t.status
}

func deletionLookalike(s *DeletionSubject, p *probe) {
	for _, no := range s.NotAccepted {
		p.server.reactWith(answer(no))
		if a := s.request(p, longTime(), plannedRequest()); !a.late && a.err == nil {
			p.failf("no error, and the state %q", a.receipt.State)
		}
	}
}

func deletionNamesID(s *DeletionSubject, p *probe) {
	s.accept(p)
	s.request(p, longTime(), plannedRequest())
	named := 0
	for _, x := range p.server.seen() {
		id, err := s.Decode(x.Request)
		switch {
		case err != nil:
			p.failf("the request cannot be read: %v", err)
		case id == plannedRequest().MachineID:
			named++
		case id != "":
			p.failf("the request asks to delete %q, want %q", id, plannedRequest().MachineID)
		}
	}
	if named == 0 {
		p.failf("no request asks to delete %q", plannedRequest().MachineID)
	}
}

func deletionValidates(s *DeletionSubject, p *probe) {
	s.accept(p)
	good := plannedRequest().MachineID
	for _, id := range []string{"", "*", "x OR *", good + " OR *", good[:31], good + "0", good[:31] + "g", good[:31] + "\n", good + "\x00",
		`"},"all":true,"x":{"y":"`, "../../" + good[:26], "%2a", " " + good[:31], strings.Repeat("*", 32)} {
		req := plannedRequest()
		req.MachineID = id
		if a := s.request(p, longTime(), req); !a.late && a.err == nil {
			p.failf("the machine ID %q: no error", id)
		}
	}
	if n := len(p.server.seen()); n > 0 {
		p.failf("%d requests were made for machine IDs that are none", n)
	}
}

func deletionRepeated(s *DeletionSubject, p *probe) {
	s.accept(p)
	requestor, ok := s.open(p, p.wire)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), longTime())
	defer cancel()
	for range 2 {
		if receipt, err := requestor.RequestDeletion(ctx, plannedRequest()); err != nil || receipt.State != s.State {
			p.failf("the state is %q with the error %v, want %q", receipt.State, err, s.State)
		}
	}
	if a := s.request(p, longTime(), plannedRequest()); a.err != nil || a.receipt.State != s.State {
		p.failf("by a new requestor: the state is %q with the error %v, want %q", a.receipt.State, a.err, s.State)
	}
}

func deletionDeadline(s *DeletionSubject, ts *trials, p *probe) {
	for _, t := range ts.all(p) {
		if !t.follows && t.late {
			p.report(t.finding("it had not returned %v after its context had ended", slack()))
		}
	}
	for _, f := range faults() {
		if f.limit() != shortTime() {
			continue
		}
		q, err := newProbe(p.session)
		if err != nil {
			p.failOnly("the suite could not prepare a server: %v", err)
			return
		}
		s.accept(q)
		f.arrange(q)
		s.request(q, shortTime(), plannedRequest())
		for _, found := range q.found() {
			p.report(found)
		}
		q.close()
		if len(p.found()) > 0 {
			return // the others would take as long
		}
	}
}

func deletionCancelled(s *DeletionSubject, p *probe) {
	s.accept(p)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if a := s.requestUnder(ctx, p, slack(), plannedRequest()); !a.late && a.err == nil {
		p.failf("under a context that had ended: no error, and the state %q", a.receipt.State)
	}
	if n := len(p.server.seen()); n > 0 {
		p.failf("%d requests arrived", n)
	}
}

func deletionCancelledDuring(s *DeletionSubject, p *probe) {
	reached := p.hangs()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan asked, 1)
	go func() { done <- s.requestUnder(ctx, p, longTime(), plannedRequest()) }()
	select {
	case <-reached:
	case a := <-done:
		p.failf("returned before there was an answer: %v", a.err)
		return
	}
	cancel()
	if a, ok := within(done, slack()); !ok {
		p.failf("the requestor had not returned %v after its context was cancelled", slack())
	} else if !a.late && a.err == nil {
		p.failf("cancelled without an answer: no error, and the state %q", a.receipt.State)
	}
}

// asksSafely makes a panic of the requestor an error.
func asksSafely(ctx context.Context, r deletion.Requestor, req deletion.Request) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	_, err = r.RequestDeletion(ctx, req)
	return err
}

func deletionOwnDeadline(s *DeletionSubject, p *probe) {
	reached := p.hangs()
	requestor, ok := s.open(p, p.wire)
	if !ok {
		return
	}
	long, cancel := context.WithTimeout(context.Background(), longTime())
	defer cancel()
	first := make(chan error, 1)
	go func() {
		first <- asksSafely(long, requestor, plannedRequest())
	}()
	select {
	case <-reached:
	case err := <-first:
		p.failf("returned before there was an answer: %v", err)
		return
	}
	short, stop := context.WithTimeout(context.Background(), shortTime())
	defer stop()
	other := plannedRequest()
	other.MachineID = strings.Repeat("b01dface", 4)
	second := make(chan error, 1)
	go func() {
		second <- asksSafely(short, requestor, other)
	}()
	if err, ok := within(second, shortTime()+slack()); !ok {
		p.failf("a request whose deadline was over waited for another one")
	} else if err == nil {
		p.failf("a request that was not answered returned no error")
	}
	cancel()
	_, _ = within(first, slack())
}

func deletionSecrets(s *DeletionSubject, ts *trials, p *probe) {
	s.secretsInErrors(ts, p, false)
	canaries := canariesOf("a secret", append([]string{plannedRequest().DeletionKey}, s.Secrets...))
	for _, status := range []int{200, 302, 400, 401, 403, 404, 409, 412, 429, 500, 503} {
		p.server.reactWith(func(x *exchange) bool { return answer(p.echo(x, status))(x) })
		if a := s.request(p, longTime(), plannedRequest()); a.err != nil {
			plain, digests := search([]byte(a.err.Error()), canaries)
			for _, found := range append(plain, digests...) {
				p.failf("the error after a status %d holds %s", status, found)
			}
		}
	}
}

// secretsInErrors searches the errors of all trials.
func (s *DeletionSubject) secretsInErrors(ts *trials, p *probe, follows bool) {
	canaries := canariesOf("a secret", append([]string{plannedRequest().DeletionKey}, s.Secrets...))
	said := map[string]bool{}
	for _, t := range ts.all(p) {
		if t.follows != follows || t.err == nil || said[t.err.Error()] {
			continue
		}
		said[t.err.Error()] = true
		plain, digests := search([]byte(t.err.Error()), canaries)
		for _, found := range append(plain, digests...) {
			p.report(t.finding("the error holds %s", found))
		}
	}
}

func deletionRedirect(s *DeletionSubject, p *probe) {
	canaries := canariesOf("a key or an ID", append([]string{plannedRequest().DeletionKey, plannedRequest().MachineID}, s.Secrets...))
	for _, status := range []int{301, 302, 303, 307, 308} {
		p.server.reactWith(answer(Answer{Status: status, Header: http.Header{"Location": {elsewhere + "/here"}}}))
		s.request(p, longTime(), plannedRequest())
	}
	const sameHost = "/elsewhere-on-this-host"
	for _, status := range []int{301, 302, 303, 307, 308} {
		p.server.reactWith(answer(Answer{Status: status, Header: http.Header{"Location": {sameHost}}}))
		s.request(p, longTime(), plannedRequest())
	}
	for _, x := range p.server.seen() {
		if strings.Contains(x.URL, sameHost) {
			p.report(Finding{Message: "a redirect within the host was followed", Exchange: x.dump()})
			break
		}
	}
	for _, x := range p.server.seen() {
		if strings.HasPrefix(x.URL, elsewhere) {
			plain, _ := search(x.searchable(), canaries)
			for _, found := range append(plain, "a request") {
				p.report(Finding{Message: "the target of a redirect got " + found, Exchange: x.dump()})
				break
			}
		}
	}
}
