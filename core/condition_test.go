package core_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/internal/spool"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/core/props"
)

// answers makes an intake answer with a status, 0 for its own.
func answers(in *intake, status int, retryAfter string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.answer = func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", retryAfter)
		w.WriteHeader(status)
	}
	if status == 0 {
		in.answer = nil
	}
}

// What is sent from memory where nothing can be stored is sent: telemetry is not off then.
func TestStatusSaysThatEventsAreSentUnstored(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("needs a file system of its own")
	}
	disk := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", disk).CombinedOutput(); err != nil {
		t.Skipf("no tmpfs here: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", disk).Run() })
	for _, local := range []string{"", "1"} {
		env := environment(map[string]string{"CI": "1", "SOMETOOL_TELEMETRY": "on", "TELEMETRY_LOCAL": local})
		options := []core.Option{core.WithStateDir(filepath.Join(disk, "telemetry")), env}
		before := len(in.received())
		c := open(t, tool, options)
		c.Track("feature.used", "x", nil)
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		sent := len(in.received()) - before
		s := core.NewManager(tool, options...).Status()
		if s.Recording != (sent == 1) || s.Unstored != s.Recording || (s.Blocked == "") != s.Recording || len(s.Faults) != 1 || s.QueueUnknown {
			t.Errorf("local %q: %d were sent, status says %+v", local, sent, s)
		}
	}
}

func TestStatusSaysWhyNothingIsRecorded(t *testing.T) {
	t.Parallel()
	on := environment(map[string]string{"SOMETOOL_TELEMETRY": "on"})
	wrong := someTool()
	wrong.Telemetry.Backend = "nosuch"
	nobody := someTool()
	nobody.Telemetry.Backend = "noop"
	for name, c := range map[string]struct {
		tool    props.Tool
		options []core.Option
		blocked string
	}{
		"a mistake":     {wrong, []core.Option{core.WithStateDir(t.TempDir()), on}, "nosuch"},
		"a test binary": {someTool(), []core.Option{on}, "this is a test binary"},
		"no receiver":   {nobody, []core.Option{core.WithStateDir(t.TempDir()), on}, ""},
	} {
		s := core.NewManager(c.tool, c.options...).Status()
		if s.Recording || !strings.Contains(s.Blocked, c.blocked) || (s.Blocked == "") != (c.blocked == "") {
			t.Errorf("%s: recording %v, %q", name, s.Recording, s.Blocked)
		}
		if collector, _ := core.Open(c.tool, c.options...); collector.Enabled() {
			t.Errorf("%s: it records", name)
		}
	}
}

// TestAttemptsThatOnlyFailAreCounted also holds that the time of a failure is its own.
func TestAttemptsThatOnlyFailAreCounted(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	answers(in, http.StatusServiceUnavailable, "")
	tool := toolFor(in.URL)
	now := &clock{now: time.Now()}
	options := append(enabled(t, tool, nil), core.WithClock(now.Now))
	m := core.NewManager(tool, options...)
	c := open(t, tool, options)
	c.Track("feature.used", "x", nil)
	for i := range 3 {
		_ = c.Flush(t.Context())
		if s := m.Status(); s.Failures != i+1 || s.Delivered != 0 || s.Problem == "" || s.LastAttempt.Unix() != now.Now().Unix() {
			t.Errorf("after %d attempts: %d failures, %q at %v", i+1, s.Failures, s.Problem, s.LastAttempt)
		}
		now.add(25 * time.Hour)
	}
	answers(in, 0, "")
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := m.Status(); s.Failures != 0 || s.Problem != "" || s.Delivered != 1 {
		t.Errorf("%+v", s)
	}
}

func TestStatusSaysHowManyLossesWereReported(t *testing.T) {
	t.Parallel()
	for _, reason := range spool.LossReasons() {
		in := newIntake(t)
		tool := toolFor(in.URL)
		options := enabled(t, tool, nil)
		m := core.NewManager(tool, options...)
		c := open(t, tool, options)
		c.Track("feature.used", "x", nil)
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := spool.AddLosses(state.At(m.Status().StateDir), reason, 3); err != nil {
			t.Fatal(err)
		}
		for i, want := range []int{0, 0, 3} { // counted, queued as a report, told
			if s := m.Status(); s.Lost[reason] != 3 || s.Reported[reason] != want {
				t.Errorf("%s, after %d deliveries: lost %v, reported %v", reason, i, s.Lost, s.Reported)
			}
			c.Track("feature.used", "x", nil)
			if err := c.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestStatusSaysWhatOfTheQueueIsHeldAndWhy(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	options := enabled(t, tool, nil)
	c := open(t, tool, options)
	c.Track("feature.used", "x", nil)
	c.Track("feature.used", "y", nil)
	m := core.NewManager(tool, options...)
	if s := m.Status(); s.Running != 1 || s.RunningEvents != 2 || s.Uploading || s.Queue.Events != 2 || len(s.Held) != 0 {
		t.Errorf("while it runs: %d slots with %d events, held %v", s.Running, s.RunningEvents, s.Held)
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	_ = c.Flush(ended)
	if s := m.Status(); s.Running != 0 || s.RunningEvents != 0 {
		t.Errorf("after it: %d slots with %d events", s.Running, s.RunningEvents)
	}
	dir := m.Status().StateDir
	held := func(env map[string]string, endpoint string) []core.Held {
		tool := tool
		tool.Telemetry.Endpoint = endpoint
		return core.NewManager(tool, core.WithStateDir(dir), environment(env)).Status().Held
	}
	for name, c := range map[string]struct {
		env      map[string]string
		endpoint string
		want     core.Held
	}{
		"off":       {map[string]string{"DO_NOT_TRACK": "1"}, in.URL, core.Held{Why: core.HeldOff, Events: 2}},
		"local":     {map[string]string{"TELEMETRY_LOCAL": "1"}, in.URL, core.Held{Why: core.HeldLocalOnly, Events: 2}},
		"elsewhere": {map[string]string{"SOMETOOL_TELEMETRY": "on"}, "http://127.0.0.1:1", core.Held{Why: core.HeldElsewhere, Events: 2}},
	} {
		got := held(c.env, c.endpoint)
		if len(got) == 1 && c.want.Why == core.HeldElsewhere {
			if !strings.Contains(got[0].Receiver, "http (127.0.0.1:") || got[0].Instead != "http (127.0.0.1:1)" {
				t.Errorf("it was for %q, and now all is for %q", got[0].Receiver, got[0].Instead)
			}
			got[0].Receiver, got[0].Instead = "", ""
		}
		if !slices.Equal(got, []core.Held{c.want}) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A clock that was turned back leaves times that nobody keeps to: none is told as one to come.
func TestNoTimeIsToldThatNobodyKeepsTo(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	answers(in, http.StatusTooManyRequests, "3600")
	tool := toolFor(in.URL)
	now := &clock{now: time.Now()}
	options := append(enabled(t, tool, nil), core.WithClock(now.Now))
	m := core.NewManager(tool, options...)
	c := open(t, tool, options)
	c.Track("feature.used", "x", nil)
	_ = c.Flush(t.Context())
	if s := m.Status(); s.WaitUntil.IsZero() || s.NextUpload.IsZero() || !s.ClockBehind.IsZero() {
		t.Errorf("wait until %v, next %v, behind %v", s.WaitUntil, s.NextUpload, s.ClockBehind)
	}
	now.add(-90 * 24 * time.Hour)
	if s := m.Status(); !s.WaitUntil.IsZero() || !s.NextUpload.IsZero() || s.ClockBehind.IsZero() {
		t.Errorf("after the clock was turned back: wait until %v, next %v, behind %v", s.WaitUntil, s.NextUpload, s.ClockBehind)
	}
	if waiting, err := m.Waiting(t.Context()); err != nil || len(waiting) != 1 || !waiting[0].Until.IsZero() {
		t.Errorf("what waits then: %+v, %v", waiting, err)
	}
	if _, err := m.Next(t.Context()); err != nil {
		t.Errorf("what would be sent then: %v", err)
	}
	answers(in, 0, "")
	if r, err := m.Flush(t.Context(), nil); err != nil || r.Sent != 1 {
		t.Errorf("a flush then says %+v, %v", r, err)
	}
}

// A process that is killed leaves a note that it is at work. Its lock tells that it is not.
func TestAnUploadThatWasKilledIsNotUnderWay(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("a process that was killed may hold its lock for a moment")
	}
	dir := said(t, "kill:")
	if err := command(dir, "kill:", 1).Run(); err != nil {
		t.Fatal(err)
	}
	m := core.NewManager(processTool("kill:"), core.WithStateDir(dir), environment(nil))
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if s := m.Status(); s.CutOff {
			if s.Underway || s.At.Sub(s.LastAttempt) > time.Minute {
				t.Errorf("under way %v, begun %v", s.Underway, s.LastAttempt)
			}
			return
		}
	}
	t.Error("it is not told that the upload was cut off")
}

// A slot that is being sent is held as one that is written to, and no command runs.
func TestWhatAnUploadHoldsIsNotSaidToBeHeldByACommand(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	arrived, answer := make(chan struct{}), make(chan struct{})
	in.answer = func(http.ResponseWriter) {
		close(arrived)
		<-answer
	}
	dir := said(t, in.URL)
	abandoned(t, dir, in.URL, 1)
	m := manager(processTool(in.URL), dir, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = m.Flush(t.Context(), nil)
	}()
	<-arrived
	s := m.Status()
	close(answer)
	<-done
	if !s.Underway || !s.Uploading || s.RunningEvents != 1 {
		t.Errorf("under way %v, uploading %v, %d events held", s.Underway, s.Uploading, s.RunningEvents)
	}
	if s := m.Status(); s.Uploading || s.RunningEvents != 0 {
		t.Errorf("after it: uploading %v, %d events held", s.Uploading, s.RunningEvents)
	}
}
