package core_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion"
)

// office is a requestor whose answer the test sets.
type office struct {
	mu     sync.Mutex
	answer deletion.Receipt
	err    error
	status func(deletion.Receipt) (deletion.Receipt, error)
	asked  []deletion.Request
	polled int
}

func (o *office) RequestDeletion(_ context.Context, r deletion.Request) (deletion.Receipt, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, r)
	return o.answer, o.err
}

func (o *office) Status(_ context.Context, r deletion.Receipt) (deletion.Receipt, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.polled++
	if o.status == nil {
		return r, nil
	}
	return o.status(r)
}

// say sets the next answers.
func (o *office) say(state deletion.State, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answer, o.err = deletion.Receipt{State: state, ID: "R-1"}, err
}

func (o *office) requests() []deletion.Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]deletion.Request(nil), o.asked...)
}

// clock is a time that only the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// sentFrom is an installation that has sent one event.
func sentFrom(t *testing.T, tool props.Tool, more ...core.Option) (*core.Manager, []core.Option) {
	t.Helper()
	options := append(enabled(t, tool, nil), more...)
	c := open(t, tool, options)
	c.Track("feature.used", "x", nil)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return core.NewManager(tool, options...), options
}

// erasing is such an installation whose author has an office, and a clock.
func erasing(t *testing.T) (*core.Manager, *office, *clock, func()) {
	t.Helper()
	o := &office{}
	tool := toolFor(newIntake(t).URL)
	tool.Telemetry.DeletionRequestor = o
	at := &clock{now: time.Now().Truncate(time.Second)}
	m, options := sentFrom(t, tool, core.WithClock(at.Now))
	runCommand := func() {
		t.Helper()
		c, err := core.Open(tool, options...)
		if err != nil {
			t.Fatal(err)
		}
		c.Track("feature.used", "later", nil)
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return m, o, at, runCommand
}

// only returns the one deletion request that there is.
func only(t *testing.T, m *core.Manager) core.Deletion {
	t.Helper()
	all, err := m.Deletions()
	if err != nil || len(all) != 1 {
		t.Fatalf("%d deletion requests are stored (%v), want 1", len(all), err)
	}
	return all[0]
}

func TestResetAsksForWhatWasSentAndALaterYesGetsANewIdentity(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	m, options := sentFrom(t, tool)
	first := m.Status().MachineID
	c := open(t, tool, options)
	c.Track("feature.used", "unsent", nil)
	report, err := m.Reset(t.Context(), nil)
	if err != nil || report.Erased != 1 || !report.Off || len(report.Requests) != 1 ||
		report.Requests[0].MachineID != first || report.Requests[0].State != deletion.Delivered {
		t.Fatalf("%+v, %v", report, err)
	}
	events := in.received()
	last := events[len(events)-1]
	if len(events) != 2 || last.Type != "data.deletion_request" || last.MachineID != first || !deletion.Proves(last.Metadata["deletion_key"], first) {
		t.Errorf("%+v", events)
	}
	c.Track("feature.used", "after the reset", nil)
	if s := m.Status(); s.Decision.Enabled || s.MachineID != "" || s.Queue.Events != 0 {
		t.Errorf("%+v", s)
	}
	if err := m.Enable(false, ""); err != nil {
		t.Fatal(err)
	}
	if second := m.Status().MachineID; second == first || second == "" {
		t.Errorf("first %s, then %s", first, second)
	}
}

func TestWhereNothingWasSentNobodyIsAsked(t *testing.T) {
	t.Parallel()
	o := &office{}
	tool := toolFor(newIntake(t).URL)
	tool.Telemetry.DeletionRequestor = o
	for name, answer := range map[string]func(*core.Manager) error{
		"a yes and no more":         func(m *core.Manager) error { return m.Enable(false, "") },
		"a yes to this machine":     func(m *core.Manager) error { return m.Enable(true, "") },
		"a yes and an empty upload": func(m *core.Manager) error { _, err := m.Flush(t.Context(), nil); return err },
	} {
		options := enabled(t, tool, nil)
		m := core.NewManager(tool, options...)
		if err := answer(m); err != nil {
			t.Fatal(err)
		}
		c := open(t, tool, options)
		if m.Decision().LocalOnly {
			c.Track("feature.used", "stays here", nil)
			if err := c.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		report, err := m.Reset(t.Context(), nil)
		if err != nil || !report.Off || len(report.Requests) != 0 || len(o.requests()) != 0 {
			t.Errorf("%s: %+v, %v, %d requests: the machine ID went to somebody who had never heard of it", name, report, err, len(o.requests()))
		}
	}
}

func TestARequestIsKeptUntilItIsTakenAndTimesAreTold(t *testing.T) {
	t.Parallel()
	m, o, at, _ := erasing(t)
	start := at.Now()
	o.say("", errors.New("connection refused"))
	report, err := m.Reset(t.Context(), nil)
	if err != nil || len(report.Requests) != 1 || report.Requests[0].State != deletion.Requested || report.Requests[0].Problem != "connection refused" {
		t.Fatalf("%+v, %v", report, err)
	}
	at.add(time.Hour)
	o.say(deletion.Acknowledged, nil)
	if report, err = m.Reset(t.Context(), nil); err != nil || len(report.Requests) != 1 || report.Requests[0].Receipt.ID != "R-1" {
		t.Fatalf("%+v, %v", report, err)
	}
	at.add(time.Hour)
	o.status = func(r deletion.Receipt) (deletion.Receipt, error) { r.State = deletion.Verified; return r, nil }
	all, err := m.Resume(t.Context(), nil)
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	for state, want := range map[deletion.State]time.Time{
		deletion.Requested: start, deletion.Delivered: start.Add(time.Hour), deletion.Acknowledged: start.Add(time.Hour), deletion.Verified: start.Add(2 * time.Hour),
	} {
		if got := all[0].Reached[state]; !got.Equal(want) {
			t.Errorf("%s at %v, want %v", state, got, want)
		}
	}
	asked := o.requests()
	if len(asked) != 2 || asked[0] != asked[1] || !asked[0].RequestedAt.Equal(start) || !deletion.Proves(asked[0].DeletionKey, asked[0].MachineID) {
		t.Errorf("the requests differ or prove nothing: %d, %v", len(asked), asked[0].RequestedAt)
	}
	if _, err := m.Resume(t.Context(), nil); err != nil || len(o.requests()) != 2 || o.polled != 1 {
		t.Errorf("what is verified was asked for again: %d requests, %d follow-ups, %v", len(o.requests()), o.polled, err)
	}
	for _, file := range files(m.Status().StateDir) {
		if info, err := os.Stat(file); err != nil || info.IsDir() {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil || bytes.Contains(content, []byte(asked[0].DeletionKey)) {
			t.Errorf("the deletion key is still in %s (%v)", filepath.Base(file), err)
		}
	}
}

func TestWhileTelemetryIsOffLaterCommandsMakeTheRequestAndNothingElse(t *testing.T) {
	t.Parallel()
	m, o, at, runCommand := erasing(t)
	o.say("", errors.New("the relay is down"))
	if _, err := m.Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	runCommand()
	if n := len(o.requests()); n != 1 {
		t.Errorf("%d requests, want 1: it is not time yet", n)
	}
	// A week in which the relay stays down, with a command every ten minutes.
	for range 7 * 24 * 6 {
		at.add(10 * time.Minute)
		runCommand()
	}
	tries := len(o.requests())
	if tries < 8 || tries > 40 {
		t.Errorf("%d requests in a week, want more than one a day and no storm", tries)
	}
	if e := only(t, m); e.State != deletion.Requested || e.Attempts != tries {
		t.Errorf("%+v after %d tries", e, tries)
	}
	o.say(deletion.Acknowledged, nil)
	at.add(25 * time.Hour)
	runCommand()
	if e := only(t, m); e.State != deletion.Acknowledged || e.Problem != "" {
		t.Errorf("%+v", e)
	}
	o.status = func(r deletion.Receipt) (deletion.Receipt, error) { r.State = deletion.Verified; return r, nil }
	at.add(25 * time.Hour)
	runCommand()
	if e := only(t, m); e.State != deletion.Verified {
		t.Errorf("%+v", e)
	}
	s := m.Status()
	if s.Decision.Enabled || s.Queue.Events != 0 || s.MachineID != "" {
		t.Errorf("more than the request happened: %+v", s)
	}
	at.add(91 * 24 * time.Hour)
	before := len(o.requests())
	runCommand()
	if _, err := m.Resume(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if all, err := m.Deletions(); err != nil || len(all) != 0 || len(o.requests()) != before {
		t.Errorf("three months after it was verified there is still %+v (%v)", all, err)
	}
}

func TestAWaitThatTheOtherSideAsksForIsKept(t *testing.T) {
	t.Parallel()
	m, o, at, runCommand := erasing(t)
	o.say("", driver.Throttled(errors.New("429"), time.Hour))
	if _, err := m.Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	at.add(59 * time.Minute)
	runCommand()
	if n := len(o.requests()); n != 1 {
		t.Errorf("%d requests before the hour was over, want 1", n)
	}
	at.add(2 * time.Minute)
	runCommand()
	if n := len(o.requests()); n != 2 {
		t.Errorf("%d requests after the hour, want 2", n)
	}
}

func TestAfterThreeMonthsWithoutNewsOnlyAPersonAsks(t *testing.T) {
	t.Parallel()
	m, o, at, runCommand := erasing(t)
	o.say(deletion.Acknowledged, nil)
	if _, err := m.Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		at.add(25 * time.Hour)
		runCommand()
	}
	polled := o.polled
	if polled < 80 || !only(t, m).Next.IsZero() {
		t.Errorf("%d follow-ups in a hundred days, the next at %v; want one a day for three months", polled, only(t, m).Next)
	}
	at.add(25 * time.Hour)
	runCommand()
	if o.polled != polled {
		t.Error("the background went on")
	}
	if _, err := m.Resume(t.Context(), nil); err != nil || o.polled != polled+1 {
		t.Errorf("a person insisted, and %d follow-ups were made (%v)", o.polled-polled, err)
	}
}

func TestAClockThatIsTurnedBackKeepsNoRequestWaiting(t *testing.T) {
	t.Parallel()
	m, o, at, runCommand := erasing(t)
	o.say("", errors.New("down"))
	at.add(365 * 24 * time.Hour) // ahead, and set right later
	if _, err := m.Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	at.add(-365 * 24 * time.Hour)
	o.say(deletion.Acknowledged, nil)
	runCommand()
	if e := only(t, m); e.State != deletion.Acknowledged {
		t.Errorf("%+v", e)
	}
}

func TestARequestWaitsForADirectoryThatCanBeTrusted(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no mode")
	}
	m, o, at, runCommand := erasing(t)
	o.say("", errors.New("the relay is down"))
	if _, err := m.Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	o.say(deletion.Acknowledged, nil)
	at.add(25 * time.Hour)
	dir := m.Status().StateDir
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	runCommand()
	if _, err := m.Resume(t.Context(), nil); err == nil || len(o.requests()) != 1 {
		t.Errorf("%v; %d requests, want the first alone", err, len(o.requests()))
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	runCommand()
	if e := only(t, m); e.State != deletion.Acknowledged {
		t.Errorf("%+v", e)
	}
}

func TestARefusalStopsTheBackgroundAndNotThePerson(t *testing.T) {
	t.Parallel()
	m, o, at, runCommand := erasing(t)
	o.say("", driver.Permanent(errors.New("not in our books")))
	report, err := m.Reset(t.Context(), nil)
	if err != nil || report.Requests[0].State != deletion.Refused || report.Requests[0].Problem != "not in our books" {
		t.Fatalf("%+v, %v", report, err)
	}
	at.add(30 * 24 * time.Hour)
	runCommand()
	if n := len(o.requests()); n != 1 {
		t.Errorf("%d requests, want 1: it was refused", n)
	}
	o.say(deletion.Delivered, nil)
	if all, err := m.Resume(t.Context(), nil); err != nil || all[0].State != deletion.Delivered || all[0].Reached[deletion.Refused].IsZero() {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestWhatTheOtherSideLostIsAskedForAgain(t *testing.T) {
	t.Parallel()
	m, o, at, runCommand := erasing(t)
	o.say(deletion.Acknowledged, nil)
	if _, err := m.Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	o.status = func(r deletion.Receipt) (deletion.Receipt, error) {
		return r, fmt.Errorf("404: %w", deletion.ErrUnknownReceipt)
	}
	at.add(25 * time.Hour)
	runCommand()
	if n := len(o.requests()); n != 2 || only(t, m).State != deletion.Acknowledged {
		t.Errorf("%d requests, %+v", n, only(t, m))
	}
	o.status = func(r deletion.Receipt) (deletion.Receipt, error) { return r, errors.New("503") }
	at.add(25 * time.Hour)
	runCommand()
	if e := only(t, m); e.State != deletion.Acknowledged || e.Problem != "503" || len(o.requests()) != 2 {
		t.Errorf("a follow-up that failed changed the state: %+v", e)
	}
}

func TestAnIdentityThatDriftedIsErasedAsWell(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	m, options := sentFrom(t, tool)
	// As if the machine had had another name when that event was sent.
	path := filepath.Join(stateDir(options), "identity")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	drifted := regexp.MustCompile(`key0=[0-9a-f]{64}`).ReplaceAll(content, []byte("key0="+strings.Repeat("ab", 32)))
	if bytes.Equal(drifted, content) {
		t.Fatal("there is no key in the identity")
	}
	drifted = regexp.MustCompile("(?m)^(checksum|checksummed|current|bound)=.*\n").ReplaceAll(drifted, nil) // as an older version leaves it
	if err := os.WriteFile(path, drifted, 0o600); err != nil {
		t.Fatal(err)
	}
	c := open(t, tool, options)
	c.Track("feature.used", "x", nil)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	current := m.Status().MachineID
	var done []string
	report, err := m.Reset(t.Context(), func(n, total int) { done = append(done, fmt.Sprint(n, "/", total)) })
	if err != nil || len(report.Requests) != 2 || (report.Requests[0].MachineID == current) == (report.Requests[1].MachineID == current) {
		t.Errorf("%+v, %v; want the old identity and %s", report, err, current)
	}
	if got := strings.Join(done, " "); got != "0/2 1/2" {
		t.Errorf("the progress was %q", got)
	}
}

func TestALocalLogIsErasedAndATouchlessVersionSaysWhatThePersonCanDo(t *testing.T) {
	t.Parallel()
	_, options := sentFrom(t, toolFor(newIntake(t).URL))
	// A later version of the tool that keeps everything here.
	tool := someTool()
	tool.Telemetry = props.TelemetryConfig{Backend: "file"}
	c := open(t, tool, options)
	c.Track("feature.used", "x", nil)
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	report, err := core.NewManager(tool, options...).Reset(t.Context(), nil)
	if err != nil || len(report.Requests) != 1 || report.Requests[0].State != deletion.Manual || report.Requests[0].Receipt.Detail == "" {
		t.Errorf("%+v, %v", report, err)
	}
	if list := files(filepath.Join(stateDir(options), "local")); len(list) != 0 {
		t.Errorf("%v is still there", list)
	}
}

func TestARequestorThatPanicsOrHangsCostsItsAttempt(t *testing.T) {
	t.Parallel()
	tool := toolFor(newIntake(t).URL)
	tool.Telemetry.DeletionRequestor = deletion.Func(func(context.Context, deletion.Request) (deletion.Receipt, error) { panic("the author's") })
	m, _ := sentFrom(t, tool)
	report, err := m.Reset(t.Context(), nil)
	if err != nil || report.Requests[0].State != deletion.Requested || report.Requests[0].Problem == "" {
		t.Errorf("%+v, %v", report, err)
	}

	tool.Telemetry.DeletionRequestor = deletion.Func(func(ctx context.Context, _ deletion.Request) (deletion.Receipt, error) {
		<-ctx.Done()
		return deletion.Receipt{}, ctx.Err()
	})
	m, _ = sentFrom(t, tool)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if report, err = m.Reset(ctx, nil); err != nil || len(report.Requests) != 1 || report.Requests[0].State != deletion.Requested {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestAMistakeInTheRequestorIsTheAuthorsToHear(t *testing.T) {
	t.Parallel()
	tool := toolFor(newIntake(t).URL)
	tool.Telemetry.DeletionRequestor = deletion.Several{deletion.Email{To: "nobody"}}
	var mistake *driver.ConfigError
	if _, err := core.Open(tool, enabled(t, tool, nil)...); !errors.As(err, &mistake) || mistake.Field != "Telemetry.DeletionRequestor" {
		t.Errorf("the error is %v", err)
	}
}

// As after a reset that was killed when it had stored its requests and not yet forgotten
// the identity.
func TestAYesAfterAResetThatWasKilledGetsANewIdentity(t *testing.T) {
	t.Parallel()
	m, o, _, runCommand := erasing(t)
	dir := m.Status().StateDir
	before, err := os.ReadFile(filepath.Join(dir, "identity"))
	if err != nil {
		t.Fatal(err)
	}
	o.say(deletion.Acknowledged, nil)
	if _, err := m.Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	first := only(t, m).MachineID
	if err := os.WriteFile(filepath.Join(dir, "identity"), before, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.Enable(false, ""); err != nil {
		t.Fatal(err)
	}
	runCommand()
	if second := m.Status().MachineID; second == first || second == "" {
		t.Errorf("the identity after the reset is %s, before it was %s", second, first)
	}
	if e := only(t, m); e.MachineID != first || e.State != deletion.Acknowledged {
		t.Errorf("the request became %+v", e)
	}
}

// A vendor erases what it had when it was asked: an event that arrives later would stay.
func TestWhatIsUnderWayArrivesBeforeTheRequestIsMade(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	asked := make(chan struct{}, 1)
	tool.Telemetry.DeletionRequestor = deletion.Func(func(context.Context, deletion.Request) (deletion.Receipt, error) {
		asked <- struct{}{}
		return deletion.Receipt{State: deletion.Acknowledged}, nil
	})
	m, options := sentFrom(t, tool)
	in.wait(t) // for the first event
	arrived, answer := make(chan struct{}), make(chan struct{})
	in.mu.Lock()
	in.answer = func(w http.ResponseWriter) { close(arrived); <-answer; w.WriteHeader(http.StatusAccepted) }
	in.mu.Unlock()
	c := open(t, tool, options)
	c.Track("feature.used", "under way", nil)
	flushed, reset := make(chan error, 1), make(chan error, 1)
	go func() { flushed <- c.Flush(t.Context()) }()
	<-arrived
	go func() { _, err := m.Reset(t.Context(), nil); reset <- err }()
	select {
	case <-asked:
		t.Error("the deletion was asked for while an event was under way")
	case <-time.After(300 * time.Millisecond): // in which a hasty one would have asked
	}
	close(answer)
	if err := errors.Join(<-reset, <-flushed); err != nil {
		t.Error(err)
	}
	if e := only(t, m); e.State != deletion.Acknowledged {
		t.Errorf("%+v", e)
	}
}

func TestADamagedRequestIsToldSetAsideAndStopsNoReset(t *testing.T) {
	t.Parallel()
	m, o, _, _ := erasing(t)
	o.say("", errors.New("down"))
	if _, err := m.Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(m.Status().StateDir, "deletion-"+only(t, m).MachineID)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range content {
		if err := os.WriteFile(path, content[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := m.Deletions()
		if err == nil || len(all) != 0 {
			t.Fatalf("cut after %d bytes it reads as %+v", cut, all)
		}
	}
	if s := m.Status(); len(s.Faults) != 1 || !strings.Contains(s.Faults[0], "deletion request") {
		t.Errorf("status tells of %q", s.Faults)
	}
	if _, err := m.Resume(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "set aside") || strings.Contains(err.Error(), filepath.Base(path)) {
		t.Errorf("resume says of it: %v", err)
	}
	if _, err := os.Stat(path + ".damaged"); err != nil {
		t.Errorf("the damaged request is gone: %v", err)
	}
	if s := m.Status(); len(s.Faults) != 1 || !strings.HasSuffix(s.Faults[0], filepath.Base(path)+".damaged") || s.RequestsUnknown {
		t.Errorf("status tells of %q", s.Faults)
	}
	for range 2 {
		if report, err := m.Reset(t.Context(), nil); err != nil || !report.Off {
			t.Errorf("a reset after it: %+v, %v", report, err)
		}
	}
}

func TestEveryFileOfADeletionIsPrivate(t *testing.T) {
	t.Parallel()
	m, o, _, _ := erasing(t)
	o.say("", errors.New("down"))
	if _, err := m.Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for _, file := range files(m.Status().StateDir) {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); !info.IsDir() && mode&0o077 != 0 && os.PathSeparator == '/' {
			t.Errorf("%s is %v", filepath.Base(file), mode)
		}
	}
}

func TestTheDefaultRequestThatIsRefusedOnceIsMadeAgain(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	m, _ := sentFrom(t, toolFor(in.URL))
	in.mu.Lock()
	in.answer = func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }
	in.mu.Unlock()
	report, err := m.Reset(t.Context(), nil)
	if err != nil || report.Requests[0].State != deletion.Requested {
		t.Fatalf("%+v, %v", report, err)
	}
	in.mu.Lock()
	in.answer = nil
	in.mu.Unlock()
	if all, err := m.Resume(t.Context(), nil); err != nil || all[0].State != deletion.Delivered {
		t.Errorf("%+v, %v", all, err)
	}
	if all, err := m.Resume(t.Context(), nil); err != nil || all[0].State != deletion.Delivered || len(in.received()) != 2 {
		t.Errorf("what was handed over was handed over again: %d events, %v", len(in.received()), err)
	}
}

func TestWhatIsNoRefusalAfterOneIsNotToldAsOne(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]error{
		"a throttle":   driver.Throttled(errors.New("later"), time.Hour),
		"a portal":     errors.New("a page instead of a receipt"),
		"a connection": errors.New("refused by nobody"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, o, at, runCommand := erasing(t)
			o.say("", driver.Permanent(errors.New("not in our books")))
			if _, err := m.Reset(t.Context(), nil); err != nil || only(t, m).State != deletion.Refused {
				t.Fatalf("%+v, %v", only(t, m), err)
			}
			o.say("", answer)
			if _, err := m.Resume(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if e := only(t, m); e.State != deletion.Requested || e.Problem != answer.Error() || e.Next.IsZero() || e.Reached[deletion.Refused].IsZero() {
				t.Errorf("%+v", e)
			}
			o.say(deletion.Acknowledged, nil)
			at.add(48 * time.Hour)
			runCommand() // the person has asked for it again, so later commands do
			if e := only(t, m); e.State != deletion.Acknowledged || len(o.requests()) != 3 {
				t.Errorf("%+v after %d requests", e, len(o.requests()))
			}
		})
	}
}
