package conformance

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// flags exist in test binaries only, where they must be known before Run is called.
var flags = func() (f struct {
	report   *string
	seed     *uint64
	patience *float64
}) {
	set := flag.NewFlagSet("", flag.ContinueOnError)
	if testing.Testing() {
		set = flag.CommandLine
	}
	f.report = set.String("report", "", "conformance: write a report as JSON into `dir`")
	f.seed = set.Uint64("conformance.seed", 0, "replay the random failures of the run that printed `seed`")
	f.patience = set.Float64("conformance.patience", 1, "multiply every deadline of the conformance suite by `factor`")
	return f
}()

// Run verifies the subject as subtests of t, one a check, and fails those that failed.
func Run(t *testing.T, s Subject) {
	t.Helper()
	if playing() {
		playChild(t.Name(), &s) // does not return if it is this subject's turn
		t.SkipNow()
	}
	report := verify(&s, options{reach: reachTest(t.Name()), name: t.Name(), short: testing.Short()})
	if dir := *flags.report; dir != "" {
		if err := report.write(dir); err != nil {
			t.Errorf("writing the report: %v", err)
		}
	}
	present(t, report)
}

// present shows a report as subtests.
func present(t *testing.T, report Report) {
	t.Helper()
	for _, problem := range report.Problems {
		t.Error(problem)
	}
	for _, note := range report.Notes {
		t.Log(note)
	}
	t.Logf("seed %d, replay with -conformance.seed=%d", report.Seed, report.Seed)
	for _, r := range report.Results {
		t.Run(r.ID, func(t *testing.T) {
			switch {
			case r.Outcome == Skipped:
				t.Skip(r.Reason)
			case r.Outcome == Failed && r.Level == Must:
				t.Error("\n" + r.String())
			case r.Outcome != Passed:
				t.Log("\n" + r.String())
			}
		})
	}
}

// Verify verifies the subject outside of a test. The checks that need processes run
// this executable again with the same arguments, so the program has to come back to the
// same call before it does anything else; that call does not return then.
func Verify(s Subject) Report {
	if playing() {
		playChild("", &s)
		return Report{}
	}
	return verify(&s, options{reach: reachAgain()})
}

// options are what Run knows beyond the subject.
type options struct {
	// ctx ends the run, nil never.
	ctx context.Context
	// reach are the arguments that bring a child process back to the same call, which is
	// named so that it knows its turn.
	reach []string
	name  string
	// mayBeLost says that a child may not come back, which is then no finding.
	mayBeLost bool
	// serial runs one check at a time.
	serial bool
	// unshipped leaves out the processes in which the checks are made as production would,
	// shippedOnly makes none in this one.
	unshipped, shippedOnly bool
	// sample, where not nil, are the checks that are made there beside every sixth.
	sample []string
	// seed is that of the random failures, chosen anew if zero.
	seed uint64
	// fewProcesses makes do with two where eight are meant: the tests of the suite itself
	// run seventy backends.
	fewProcesses bool
	// short leaves the slow checks out.
	short bool
	// only selects checks, nil all.
	only *regexp.Regexp
}

// reachTest selects one test, or subtest.
func reachTest(name string) []string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = "^" + regexp.QuoteMeta(parts[i]) + "$"
	}
	return []string{"-test.run=" + strings.Join(parts, "/"), "-test.count=1"}
}

// reachAgain repeats the arguments of this process, but for what makes a child that
// ends well look like a test that ended too early.
func reachAgain() []string {
	return slices.DeleteFunc(slices.Clone(os.Args[1:]), func(arg string) bool {
		return strings.HasPrefix(arg, "-test.paniconexit0")
	})
}

func (o options) context() context.Context {
	if o.ctx == nil {
		return context.Background()
	}
	return o.ctx
}

func (o options) selected(checks []Check) []Check {
	return slices.DeleteFunc(checks, func(c Check) bool { return o.only != nil && !o.only.MatchString(c.ID) })
}

// atOnce is how many checks run at the same time: most of them wait for a deadline.
const atOnce = 8

func verify(s *Subject, o options) Report {
	started := time.Now()
	report := newReport(KindBackend, s.name(), s.opener(), o.seed)
	report.Declared, report.Short = s.declared(), o.short
	if report.Problems = s.check(); len(report.Problems) > 0 {
		return report
	}
	shared := &session{subject: s, options: o, seed: report.Seed, base: baseOf(time.Now())}
	defer shared.cleanup()
	checks := o.selected(append(Checks(), s.program.checks()...))
	report.Results = make([]Result, len(checks))
	turn := make(chan struct{}, atOnce)
	if o.serial {
		turn = make(chan struct{}, 1)
	}
	asShipped := shared.runShipped(checks)
	var all sync.WaitGroup
	inTurn := func(work func()) {
		turn <- struct{}{}
		all.Go(func() {
			defer func() { <-turn }()
			work()
		})
	}
	if o.only == nil && !o.shippedOnly {
		inTurn(shared.fail) // which the last checks wait for
	}
	for _, last := range []bool{false, true} {
		for i, c := range checks {
			if c.last == last {
				inTurn(func() { report.Results[i] = shared.make(c) })
			}
		}
		all.Wait()
		asShipped.wait() // whose errors are heard too
		s.program.wait()
	}
	asShipped.addTo(report.Results)
	for i := range report.Results {
		s.conclude(&report.Results[i])
	}
	report.Notes = shared.notes()
	if shared.planted != nil && shared.planted.err == nil {
		report.Planted, report.NotPlanted = shared.planted.names()
	}
	report.Took = time.Since(started)
	return report
}

// opener is the function that is judged, nil where that is no code of Go's.
func (s *Subject) opener() any {
	if s.program != nil {
		return nil
	}
	return s.Driver.Open
}

// session is what the checks of one run share.
type session struct {
	subject *Subject
	options options
	seed    uint64
	base    time.Time // of the sample events
	// watcher looks at this process where it makes the checks as production would, and is
	// nil elsewhere.
	watcher *watcher

	mu      sync.Mutex
	noted   []string
	planted *planting // made once, by the first check that asks
	once    sync.Once
	failed  sync.Once
	said    map[string]bool // the errors of all calls of the backend so far
	dirs    []string
}

// hear notes an error of the backend's, for the checks that look at what errors say.
func (s *session) hear(err error) {
	if err == nil {
		return
	}
	// An error is a line. One that repeats a whole answer shows that in its first part.
	const enough = 16 << 10
	text := err.Error()
	text = text[:min(len(text), enough)]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.said == nil {
		s.said = map[string]bool{}
	}
	s.said[text] = true
}

// heard returns what the errors have said so far.
func (s *session) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.said))
}

func (s *session) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text := fmt.Sprintf(format, args...); !slices.Contains(s.noted, text) {
		s.noted = append(s.noted, text)
	}
}

func (s *session) notes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.noted)
}

func (s *session) tempDir() (string, error) {
	dir, err := os.MkdirTemp(s.watcher.ownFiles(), "conformance")
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	s.dirs = append(s.dirs, dir)
	s.mu.Unlock()
	return dir, nil
}

func (s *session) cleanup() {
	for _, dir := range s.dirs {
		_ = os.RemoveAll(dir)
	}
}

// make makes one check, and does not wait for it longer than its watchdog.
func (s *session) make(c Check) Result {
	r := Result{ID: c.ID, Sentence: c.Sentence, Level: c.Level, Since: c.Since}
	for _, need := range c.needs {
		if why := need(s.subject); why != "" {
			r.Outcome, r.Reason = Skipped, why
			return r
		}
	}
	if s.options.context().Err() != nil {
		r.Outcome, r.Reason = Skipped, "interrupted"
		return r
	}
	if why := s.subject.program.excuse(c); why != "" {
		r.Outcome, r.Reason = Skipped, why
		return r
	}
	if c.slow && s.options.short {
		r.Outcome, r.Reason = Skipped, "-short leaves out what takes long"
		return r
	}
	if c.do == nil || s.watcher == nil && s.subject.program == nil && (c.where == shipped || s.options.shippedOnly) {
		return r
	}
	started := time.Now()
	p, err := newProbe(s)
	if err != nil {
		r.Findings = []Finding{{Message: "the suite could not prepare the check: " + err.Error()}}
		return r
	}
	done := make(chan struct{})
	go pprof.Do(context.Background(), pprof.Labels(labelKey, p.label), func(context.Context) {
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				p.failf("the check panicked: %v\n%s", v, debug.Stack())
			}
		}()
		c.do(p)
	})
	watchdog := c.watchdog
	if watchdog == 0 {
		watchdog = 2 * time.Minute
	}
	if _, ended := within(done, patient(watchdog)); ended {
		s.watcher.looks(c, p)
	} else {
		p.failf("the check did not end within %v; the goroutines that it started:\n%s", patient(watchdog), labelled(p.label))
	}
	p.close()
	r.Findings, r.Took = p.found(), time.Since(started)
	return r
}

// conclude says how a check ended, once all its findings are there.
func (s *Subject) conclude(r *Result) {
	switch reason, known := s.KnownFailures[r.ID]; {
	case r.Outcome == Skipped:
	case len(r.Findings) > 0 && known:
		r.Outcome, r.Reason = Known, reason
	case len(r.Findings) > 0:
		r.Outcome = Failed
	case known:
		r.Outcome = Failed
		r.Findings = []Finding{{Message: "listed as a known failure (" + reason + ") and passes: take it off the list"}}
	default:
		r.Outcome = Passed
	}
}

// patient is a time limit of the suite's on this machine.
func patient(d time.Duration) time.Duration { return time.Duration(float64(d) * *flags.patience) }

// labelKey marks the goroutines of a check, and all that they start.
const labelKey = "conformance"

// labelled returns the stacks of the goroutines with a label.
func labelled(label string) string {
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		return err.Error()
	}
	var mine []string
	for stack := range strings.SplitSeq(all.String(), "\n\n") {
		if strings.Contains(stack, fmt.Sprintf("%q:%q", labelKey, label)) {
			mine = append(mine, stack)
		}
	}
	return strings.Join(mine, "\n\n")
}

// declared is what the report has to say of the subject's excuses.
func (s *Subject) declared() map[string]string {
	declared := map[string]string{}
	for name, reason := range s.Omits {
		declared["omits "+name] = reason
	}
	for name, reason := range s.Varies {
		declared["varies "+name] = reason
	}
	for _, name := range s.FreeForm {
		declared["free form "+name] = "any text is right"
	}
	if s.Window != nil {
		declared["window"] = s.Window.Reason
	}
	if s.Discards {
		declared["discards"] = "nothing is kept"
	}
	if s.Socket != nil {
		declared["unacknowledged"] = s.Socket.Unacknowledged
	}
	if s.Unordered {
		declared["unordered"] = "the order within a batch is not kept"
	}
	return declared
}
