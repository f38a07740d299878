package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
	"time"

	"github.com/gotoolbase/telemetry/deletion"
)

// operation is something that a requestor can be asked. Every check that goes through all
// statuses, faults and steps goes through all operations: what vendors offer beyond the
// two that package deletion knows, such as looking up, counting and taking back, becomes
// another row here once it is an interface of that package, and is then held to the same.
type operation struct {
	name string
	// follows says that it is about a request that was accepted before, whose receipt it gets.
	follows bool
	do      func(context.Context, deletion.Requestor, deletion.Receipt) (deletion.Receipt, error)
}

func operations() []operation {
	return []operation{
		{name: "RequestDeletion", do: func(ctx context.Context, r deletion.Requestor, _ deletion.Receipt) (deletion.Receipt, error) {
			return r.RequestDeletion(ctx, plannedRequest())
		}},
		{name: "Status", follows: true, do: func(ctx context.Context, r deletion.Requestor, receipt deletion.Receipt) (deletion.Receipt, error) {
			return r.(deletion.Follower).Status(ctx, receipt)
		}},
	}
}

// outcome is what the other side, or the way to it, does with a request.
type outcome struct {
	name string
	make func(s *DeletionSubject, r Request) reply
	// status is that of the answer, 0 if there is none.
	status int
	// refuses says that nobody can take it for an acceptance, page that it comes from
	// something in between.
	refuses, page bool
	// brief says that only the deadline ends it.
	brief bool
}

// acceptance is the name of the first outcome.
const acceptance = "an acceptance"

// outcomes are all of them. The refusedWith repeat everything of the request, in the places
// where servers put what they have to say.
func outcomes() []outcome {
	fixed := func(name string, a reply) outcome {
		return outcome{name: name, status: a.Status, refuses: a.Status >= 300, make: func(*DeletionSubject, Request) reply { return a }}
	}
	list := []outcome{{name: acceptance, make: func(s *DeletionSubject, r Request) reply { return reply{Answer: s.acceptance(r)} }}}
	for _, status := range refusedWith {
		list = append(list, outcome{name: fmt.Sprint("status ", status), status: status, refuses: true, make: func(_ *DeletionSubject, r Request) reply {
			return reply{Answer: Answer{Status: status, Body: repeated(r), Header: http.Header{"Location": {elsewhere + "/here"}}}}
		}})
	}
	for _, status := range []int{200, 201, 202, 203, 206, 400, 403, 404, 413, 422, 511} {
		for _, kind := range []string{"text/html; charset=utf-8", "text/plain", "application/json"} {
			o := fixed(fmt.Sprintf("a web page with status %d, of type %s", status, kind),
				reply{Answer: Answer{Status: status, Type: kind, Body: "\ufeff" + portal}})
			o.page, o.refuses = true, true
			list = append(list, o)
		}
	}
	for _, o := range []outcome{fixed("a connection that is reset", reply{err: errReset}), fixed("no answer until the deadline", reply{hangs: true})} {
		o.refuses, o.brief = true, o.name != "a connection that is reset"
		list = append(list, o)
	}
	for _, status := range []int{200, 503} {
		rest := func(read func(pause func(time.Duration) bool) io.Reader) reply {
			return reply{Answer: Answer{Status: status, Type: "application/json"}, stream: read}
		}
		name := func(what string) string { return fmt.Sprintf("status %d and %s", status, what) }
		list = append(list,
			fixed(name("a body that breaks off"), rest(func(func(time.Duration) bool) io.Reader {
				return io.MultiReader(strings.NewReader(`{"id":"`), readerFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }))
			})),
			fixed(name("a body that does not end"), rest(func(func(time.Duration) bool) io.Reader { return spaces(endless) })))
		for _, o := range []outcome{
			fixed(name("a body of which the rest does not come"), rest(func(pause func(time.Duration) bool) io.Reader {
				return readerFunc(func([]byte) (int, error) { pause(forever); return 0, errReset })
			})),
			fixed(name("a body that drips in"), rest(func(pause func(time.Duration) bool) io.Reader {
				return readerFunc(func(b []byte) (int, error) {
					if len(b) == 0 || !pause(shortTime()/10) {
						return 0, errReset
					}
					b[0] = ' '
					return 1, nil
				})
			})),
		} {
			o.brief = true
			list = append(list, o)
		}
	}
	return list
}

// refusedWith are the statuses that the suite answers with. None of them can be an acceptance.
var refusedWith = []int{300, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 415, 418, 422, 425, 426, 428, 429,
	431, 451, 500, 501, 502, 503, 504, 505, 507, 508, 511, 520, 521, 522, 523, 524, 525, 526, 527, 529, 530}

// repeated is a refusal in JSON that holds everything of the request.
func repeated(r Request) string {
	text := strings.ToValidUTF8(string(r.Raw), "?")
	said, _ := json.Marshal(map[string]any{ // of strings, which can be written
		"error": text, "message": text, "detail": text, "title": text, "status": "refused", "errors": []any{map[string]any{"detail": text, "message": text}},
	})
	return string(said)
}

// spaces is a body of n spaces.
func spaces(n int64) io.Reader {
	return io.LimitReader(readerFunc(func(b []byte) (int, error) {
		for i := range b {
			b[i] = ' '
		}
		return len(b), nil
	}), n)
}

// trial is one operation that met one outcome, and what came of it.
type trial struct {
	operation
	outcome
	answered
	step int  // from which call on the outcome was met
	late bool // it did not return
	// calls are those that it made, after as many others.
	calls  []*call
	before int
	// deleted says that a call which asks for the deletion was answered as on the way to an
	// acceptance.
	deleted bool
	// leftOpen counts bodies, consumed the bytes of them that were read, more the calls that
	// were made after the return.
	leftOpen int
	consumed int64
	more     int

	script *script
}

func (t *trial) String() string {
	if t.step == 0 {
		return t.operation.name + ", " + t.outcome.name
	}
	return fmt.Sprintf("%s, %s at call %d", t.operation.name, t.outcome.name, t.step+1)
}

// finding is one about a trial.
func (t *trial) finding(format string, args ...any) Finding {
	f := Finding{Message: t.String() + ": " + fmt.Sprintf(format, args...)}
	if len(t.calls) > 0 {
		f.Exchange = t.calls[len(t.calls)-1].dump()
	}
	return f
}

// trials are made once, for all checks that look at them.
type trials struct {
	subject *DeletionSubject
	once    sync.Once
	list    []*trial
	// goroutines are the stacks of those that were left.
	goroutines string
	problem    string
}

// all makes the trials.
func (ts *trials) all(p *probe) []*trial {
	ts.once.Do(func() { ts.run(backgroundTime()) })
	if ts.problem != "" {
		p.failOnly("%s", ts.problem)
	}
	return ts.list
}

// backgroundTime is how long the suite looks for what is still sent after a return.
// Retries that authors write begin within a second or two.
func backgroundTime() time.Duration { return patient(2500 * time.Millisecond) }

func (ts *trials) run(wait time.Duration) {
	label := fmt.Sprintf("trials %016x", rand.Uint64())
	pprof.Do(context.Background(), pprof.Labels(labelKey, label+" open"), func(context.Context) {
		w := newScript(func(int, Request) reply { return reply{err: errReset} })
		defer w.close()
		if _, err := ts.subject.Open(endpoint, w); err != nil {
			ts.problem = "the requestor cannot be opened: " + err.Error()
		}
	})
	defer func() {
		for _, t := range ts.list {
			t.script.close()
		}
	}()
	var mu sync.Mutex
	var all sync.WaitGroup
	start := func(op operation, o outcome, step int) {
		all.Go(func() {
			pprof.Do(context.Background(), pprof.Labels(labelKey, label), func(context.Context) {
				if t := ts.subject.try(op, o, step); t != nil {
					mu.Lock()
					ts.list = append(ts.list, t)
					mu.Unlock()
				}
			})
		})
	}
	for _, op := range operations() {
		first := ts.subject.try(op, outcomes()[0], 0)
		if first == nil {
			continue
		}
		mu.Lock()
		ts.list = append(ts.list, first)
		mu.Unlock()
		const maxSteps = 4 // nobody needs more calls than look-up, request, status and count
		for step := range min(max(len(first.calls), 1), maxSteps) {
			for _, o := range outcomes()[1:] {
				start(op, o, step)
			}
		}
	}
	all.Wait()
	// What Open starts is not a call's to end.
	if labelled(label+" open") == "" {
		settles(func() bool { ts.goroutines = labelled(label); return ts.goroutines == "" })
	}
	time.Sleep(wait) // for what is done behind the caller's back
	for _, t := range ts.list {
		t.more = len(t.script.seen()) - t.before - len(t.calls)
	}
}

// try makes one trial, nil if the requestor does not offer the operation.
func (s *DeletionSubject) try(op operation, o outcome, step int) *trial {
	t := &trial{operation: op, outcome: o, step: step, script: newScript(func(_ int, r Request) reply { return reply{Answer: s.acceptance(r)} })}
	limit := longTime()
	if o.brief {
		limit = shortTime()
	}
	// Not cancelled before it has been looked at what was left: that would hide it.
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	requestor, receipt, ok := s.prepared(ctx, op, t.script)
	if !ok {
		t.script.close()
		return nil
	}
	before := len(t.script.seen())
	t.script.set(func(number int, r Request) reply {
		if number-before < step {
			return reply{Answer: s.along(op, r)}
		}
		return o.make(s, r)
	})
	returned := make(chan answered, 1)
	go func() {
		returned <- survived(func() (deletion.Receipt, error) { return op.do(ctx, requestor, receipt) })
	}()
	got, ended := within(returned, limit+slack())
	if t.answered = got; !ended {
		t.late, t.err = true, errors.New("not returned")
	}
	t.leftOpen, t.consumed, t.calls = t.script.leftOpen(), t.script.consumed.Load(), t.script.seen()[before:]
	t.before = before
	t.deleted = s.answeredDeletion(t.calls, step)
	return t
}

// answered is what an operation returned.
type answered struct {
	receipt  deletion.Receipt
	err      error
	panicked string
}

// survived calls something that may panic.
func survived(do func() (deletion.Receipt, error)) (a answered) {
	defer func() {
		if v := recover(); v != nil {
			a = answered{err: errors.New("panicked"), panicked: fmt.Sprintf("%v\n%s", v, debug.Stack())}
		}
	}()
	a.receipt, a.err = do()
	return a
}

// prepared opens a requestor, and makes the request that an operation is about.
func (s *DeletionSubject) prepared(ctx context.Context, op operation, w *script) (deletion.Requestor, deletion.Receipt, bool) {
	requestor, err := s.Open(endpoint, w)
	if err != nil || !op.follows {
		return requestor, deletion.Receipt{}, err == nil
	}
	if _, can := requestor.(deletion.Follower); !can {
		return nil, deletion.Receipt{}, false
	}
	receipt, err := requestor.RequestDeletion(ctx, plannedRequest())
	return requestor, receipt, err == nil && receipt.State != deletion.Verified
}

// along is what the other side answers on the way to where an operation succeeds.
func (s *DeletionSubject) along(op operation, r Request) Answer {
	if op.follows && len(s.Progress) > 0 && s.Progress[0].Answer != nil {
		return s.Progress[0].Answer(r)
	}
	return s.acceptance(r)
}

// acceptance is what the other side answers on the way to an accepted request.
func (s *DeletionSubject) acceptance(r Request) Answer {
	if s.Accept == nil {
		return Answer{}
	}
	return s.Accept(r)
}

// answeredDeletion reports whether a call that asks for the deletion is among those before
// step.
func (s *DeletionSubject) answeredDeletion(calls []*call, step int) bool {
	for i, c := range calls {
		if id, err := s.decode(c.Request); i < step && (err != nil || id != "") {
			return true
		}
	}
	return false
}

// decode is Decode, for those that send nothing too.
func (s *DeletionSubject) decode(r Request) (string, error) {
	if s.Decode == nil {
		return "", nil
	}
	return s.Decode(r)
}

// met reports whether there was a call that met the outcome.
func (t *trial) met() bool { return len(t.calls) > t.step }
