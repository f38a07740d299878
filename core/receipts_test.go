package core_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion"
)

// abandoned runs a command in a process of its own that records and then ends without
// Close, as one that is killed does.
func abandoned(t *testing.T, dir, endpoint string, count int, env ...string) {
	t.Helper()
	if err := command(dir, endpoint, count, append(env, "ABANDON=1")...).Run(); !exitedWith(err, abandonedCode) {
		t.Fatal(err)
	}
}

func exitedWith(err error, code int) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	return ok && exit.ExitCode() == code
}

// logged returns how many events are in the log on this machine.
func logged(t *testing.T, dir string) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "local", "events.ndjson"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return bytes.Count(content, []byte{'\n'})
}

func manager(tool props.Tool, dir string, env map[string]string) *core.Manager {
	return core.NewManager(tool, core.WithStateDir(dir), environment(env))
}

func mustFlush(t *testing.T, m *core.Manager) core.FlushReport {
	t.Helper()
	r, err := m.Flush(t.Context(), nil)
	if err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	return r
}

func TestWhatWasRecordedForThisMachineNeverLeavesIt(t *testing.T) {
	t.Parallel()
	for name, local := range map[string]func(t *testing.T, dir, endpoint string){
		"under the variable, by a command that was killed": func(t *testing.T, dir, endpoint string) {
			abandoned(t, dir, endpoint, 3, "TELEMETRY_LOCAL=1")
		},
		"under a local answer that became a wider one": func(t *testing.T, dir, endpoint string) {
			m := manager(processTool(endpoint), dir, nil)
			if err := m.Enable(true, ""); err != nil {
				t.Fatal(err)
			}
			abandoned(t, dir, endpoint, 3)
			if err := m.Enable(false, ""); err != nil {
				t.Fatal(err)
			}
		},
		"under a variable and the yes of another": func(t *testing.T, dir, endpoint string) {
			abandoned(t, dir, endpoint, 3, "TELEMETRY_LOCAL=1", "SOMETOOL_TELEMETRY=on")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newIntake(t)
			dir := said(t, in.URL)
			local(t, dir, in.URL)
			m := manager(processTool(in.URL), dir, nil)
			if s := m.Status(); s.Queue.Events != 3 || s.Queue.Local != 3 {
				t.Errorf("%+v wait", s.Queue)
			}
			r := mustFlush(t, m)
			if in.postCount() != 0 || r.Sent != 0 || r.Stayed != 3 || logged(t, dir) != 3 {
				t.Errorf("%d posts, %+v, %d in the log", in.postCount(), r, logged(t, dir))
			}
			if s := m.Status(); s.Delivered != 0 || s.Stayed != 3 || s.Queue.Events != 0 {
				t.Errorf("%d delivered, %d stayed, %+v", s.Delivered, s.Stayed, s.Queue)
			}
			abandoned(t, dir, in.URL, 2) // and what is recorded to be sent is sent
			if r := mustFlush(t, m); r.Sent != 2 || len(in.received()) != 2 {
				t.Errorf("%+v, %d arrived", r, len(in.received()))
			}
		})
	}
}

func TestWhereNothingMayLeaveWhatWasRecordedToBeSentWaits(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	dir := said(t, in.URL)
	abandoned(t, dir, in.URL, 2)
	here := manager(processTool(in.URL), dir, map[string]string{"TELEMETRY_LOCAL": "1"})
	if r := mustFlush(t, here); r.Sent != 0 || r.Stayed != 0 || r.Kept != 2 || r.Left == "" || in.postCount() != 0 || logged(t, dir) != 0 {
		t.Errorf("%+v, %d posts, %d in the log", r, in.postCount(), logged(t, dir))
	}
	if r := mustFlush(t, manager(processTool(in.URL), dir, nil)); r.Sent != 2 {
		t.Errorf("%+v", r)
	}
}

// A no ends what was claimed before it, also if a yes follows at once.
func TestWhatANoErasedIsNotSentAfterTheNextYes(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	options := enabled(t, tool, nil)
	c := open(t, tool, options)
	for range 1200 { // three batches
		c.Track("feature.used", "x", nil)
	}
	m := core.NewManager(tool, options...)
	changed := make(chan error, 1)
	in.answer = func(w http.ResponseWriter) {
		in.mu.Lock()
		in.answer = nil
		in.mu.Unlock()
		_, err := m.Disable(t.Context())
		changed <- errors.Join(err, m.Enable(false, ""))
		w.WriteHeader(http.StatusAccepted)
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Errorf("%v", err)
	}
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	if in.postCount() != 1 || m.Status().Queue.Events != 0 {
		t.Errorf("%d posts, %d events wait; want the one post that was under way", in.postCount(), m.Status().Queue.Events)
	}
}

func TestACommandGoesOnRecordingAfterANoAndAYesElsewhere(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	now := &clock{now: time.Now()}
	options := append(enabled(t, tool, nil), core.WithClock(now.Now))
	c := open(t, tool, options)
	m := core.NewManager(tool, options...)
	c.Track("feature.used", "before", nil)
	if _, err := m.Disable(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Enable(false, ""); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		now.add(400 * time.Millisecond)
		c.Track("feature.used", "after", nil)
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range in.received() {
		if e.Type == "feature.used" {
			names = append(names, e.Name)
		}
	}
	if strings.Join(names, " ") != "after after after" {
		t.Errorf("%v arrived", names)
	}
}

func TestACommandThatRecordsNoticesANo(t *testing.T) {
	t.Parallel()
	tool := someTool()
	now := &clock{now: time.Now()}
	options := append(enabled(t, tool, nil), core.WithClock(now.Now))
	c := open(t, tool, options)
	c.Track("feature.used", "before", nil)
	if _, err := core.NewManager(tool, options...).Disable(t.Context()); err != nil {
		t.Fatal(err)
	}
	now.add(time.Second)
	c.Track("feature.used", "after", nil)
	if c.Enabled() {
		t.Error("the collector still says that it records")
	}
}

func TestANarrowerAnswerReachesACommandThatRuns(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	now := &clock{now: time.Now()}
	options := append(enabled(t, tool, nil), core.WithClock(now.Now))
	c := open(t, tool, options)
	m := core.NewManager(tool, options...)
	c.Track("feature.used", "to be sent", nil)
	if err := m.Enable(true, ""); err != nil {
		t.Fatal(err)
	}
	now.add(time.Second)
	c.Track("feature.used", "to stay", nil)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Enable(false, ""); err != nil { // a wider yes does not reach back
		t.Fatal(err)
	}
	mustFlush(t, m)
	got := in.received()
	if len(got) != 1 || got[0].Name != "to be sent" || logged(t, stateDir(options)) != 1 {
		t.Errorf("%v arrived, %d in the log", got, logged(t, stateDir(options)))
	}
}

func TestAYesIsToWhatWasShown(t *testing.T) {
	t.Parallel()
	base := someTool()
	base.Telemetry.MetadataKeys = []string{"format", "mode"}
	base.Telemetry.NoticeVersion = 1
	other := func(change func(*props.TelemetryConfig)) props.Tool {
		tool := base
		change(&tool.Telemetry)
		return tool
	}
	for name, c := range map[string]struct {
		tool props.Tool
		asks string // what is said to be new, "" for nothing
	}{
		"the same":              {base, ""},
		"another host":          {other(func(c *props.TelemetryConfig) { c.Endpoint = "https://b.example.com/" }), "the receiver"},
		"another backend":       {other(func(c *props.TelemetryConfig) { c.Backend = "stdout" }), "the receiver"},
		"nobody":                {other(func(c *props.TelemetryConfig) { c.Endpoint = "" }), ""},
		"arguments and errors":  {other(func(c *props.TelemetryConfig) { c.ExtendedCollection = true }), "arguments"},
		"another key":           {other(func(c *props.TelemetryConfig) { c.MetadataKeys = []string{"mode", "plan"} }), "plan"},
		"any key":               {other(func(c *props.TelemetryConfig) { c.MetadataKeys = nil }), "any key"},
		"a pair of every event": {other(func(c *props.TelemetryConfig) { c.Metadata = map[string]string{"edition": "x"} }), "edition"},
		"fewer keys":            {other(func(c *props.TelemetryConfig) { c.MetadataKeys = []string{"mode"} }), ""},
		"a new notice":          {other(func(c *props.TelemetryConfig) { c.NoticeVersion = 2 }), "the notice"},
		"another way to say it": {other(func(c *props.TelemetryConfig) { c.Notice = "Hello." }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := enabled(t, base, nil)
			d := core.NewManager(c.tool, options...).Decision()
			if d.Enabled != (c.asks == "") || d.Undecided != (c.asks != "") || !strings.Contains(strings.Join(d.Beyond, "; "), c.asks) {
				t.Errorf("enabled %v, undecided %v, new: %q", d.Enabled, d.Undecided, d.Beyond)
			}
			if c := open(t, c.tool, options); c.Enabled() && !d.Enabled {
				t.Error("it records")
			}
			if !core.NewManager(base, options...).Decision().Enabled {
				t.Error("the version that asked no longer has its yes")
			}
		})
	}
}

func TestAYesToNowhereIsNoYesToSomewhere(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	for name, broken := range map[string]props.TelemetryConfig{
		"no receiver":     {},
		"a missing key":   {Backend: "needy", Drivers: []driver.Driver{needy}},
		"an unknown name": {Backend: "nothing"},
	} {
		tool := toolFor(in.URL)
		whole := tool
		tool.Telemetry = broken
		options := []core.Option{core.WithStateDir(filepath.Join(t.TempDir(), "telemetry")), environment(nil)}
		if err := core.NewManager(tool, options...).Enable(false, ""); err != nil {
			t.Fatal(err)
		}
		if d := core.NewManager(whole, options...).Decision(); d.Enabled || !d.Undecided {
			t.Errorf("%s, mended: %+v", name, d)
		}
	}
}

var needy = driver.Driver{
	Name: "needy", Hosts: somewhere, Settings: []driver.Setting{{Name: "key", Required: true, Secret: true}},
	Open: func(driver.Config) (driver.Backend, error) { return nil, errors.New("not opened here") },
}

func TestWhatWasRecordedUnderTheOldYesGoesToTheOldReceiverOnly(t *testing.T) {
	t.Parallel()
	a, b := newIntake(t), newIntake(t)
	dir := said(t, a.URL)
	abandoned(t, dir, a.URL, 3)
	old, wider := processTool(a.URL), processTool(b.URL)
	if _, err := manager(wider, dir, nil).Flush(t.Context(), nil); err != nil {
		t.Errorf("%v", err)
	}
	if err := manager(wider, dir, nil).Enable(false, ""); err != nil {
		t.Fatal(err)
	}
	abandoned(t, dir, b.URL, 2)
	r := mustFlush(t, manager(wider, dir, nil))
	if r.Sent != 2 || r.Kept != 3 || r.Left == "" || len(b.received()) != 2 || a.postCount() != 0 {
		t.Errorf("%+v; %d at the new receiver, %d posts to the old one", r, len(b.received()), a.postCount())
	}
	if s := manager(wider, dir, nil).Status(); s.Queue.Elsewhere != 3 || s.Left == "" {
		t.Errorf("%+v, %q", s.Queue, s.Left)
	}
	// The old version still delivers, where it is still about; its own yes is no more.
	if err := manager(old, dir, nil).Enable(false, ""); err != nil {
		t.Fatal(err)
	}
	if r := mustFlush(t, manager(old, dir, nil)); r.Sent != 3 || len(a.received()) != 3 {
		t.Errorf("%+v; %d arrived", r, len(a.received()))
	}
}

func TestWhatNobodyDeliversExpiresAndIsCounted(t *testing.T) {
	t.Parallel()
	a, b := newIntake(t), newIntake(t)
	dir := said(t, a.URL)
	abandoned(t, dir, a.URL, 3)
	tool := processTool(b.URL)
	later := func() time.Time { return time.Now().Add(31 * 24 * time.Hour) }
	m := core.NewManager(tool, core.WithStateDir(dir), environment(nil), core.WithClock(later))
	if err := m.Enable(false, ""); err != nil {
		t.Fatal(err)
	}
	mustFlush(t, m)
	if s := m.Status(); s.Lost["expired"] != 3 || s.Queue.Elsewhere > 1 { // the report of the loss is for the old receiver too
		t.Errorf("lost %v, %+v wait", s.Lost, s.Queue)
	}
}

func TestAProcessThatDeclaresNoReceiverSettlesNothingAndSaysSo(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	dir := said(t, in.URL)
	abandoned(t, dir, in.URL, 4)
	nowhere := processTool(in.URL)
	nowhere.Telemetry.Endpoint = ""
	m := manager(nowhere, dir, nil)
	r := mustFlush(t, m)
	if s := m.Status(); r.Sent != 0 || r.Kept != 4 || s.Delivered != 0 || s.Queue.Events != 4 || !strings.Contains(s.Left, "127.0.0.1") {
		t.Errorf("%+v, %d delivered, %d wait, %q", r, s.Delivered, s.Queue.Events, s.Left)
	}
	if r := mustFlush(t, manager(processTool(in.URL), dir, nil)); r.Sent != 4 {
		t.Errorf("%+v", r)
	}
}

func TestTheBackgroundProcessSendsToWhatTheCommandDeclares(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	dir := said(t, in.URL)
	cmd := command(dir, "env:ENDPOINT", 4, "ENDPOINT="+in.URL) // which the background process does not get
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	in.wait(t)
	if got := len(in.received()); got != 4 {
		t.Errorf("%d events arrived, want 4", got)
	}
}

func TestEveryEventSaysUnderWhichDecisionItWasRecorded(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	options := enabled(t, tool, nil)
	m := core.NewManager(tool, options...)
	first := m.Stored().Receipt
	c := open(t, tool, options)
	c.Track("feature.used", "x", nil)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Disable(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Enable(false, ""); err != nil {
		t.Fatal(err)
	}
	second := m.Stored().Receipt
	c = open(t, tool, options)
	c.Track("feature.used", "y", nil)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := in.received()
	if len(got) != 2 || first == second || got[0].ConsentID != first || got[1].ConsentID != second || len(first) != 32 {
		t.Errorf("%+v; the decisions were %s and %s", got, first, second)
	}
}

func TestATimeToComeIsSetToThatOfSendingAndStaysSo(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	options := enabled(t, tool, nil)
	ahead := func() time.Time { return time.Now().AddDate(5, 0, 0) }
	in.answer = func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) }
	c := open(t, tool, append(options, core.WithClock(ahead)))
	c.Track("feature.used", "x", nil)
	if err := c.Close(t.Context()); err == nil {
		t.Fatal("it was accepted")
	}
	m := core.NewManager(tool, options...)
	before := time.Now()
	if _, err := m.Flush(t.Context(), nil); err == nil {
		t.Fatal("it was accepted")
	}
	in.answer = nil
	after := time.Now()
	mustFlush(t, core.NewManager(tool, append(options, core.WithClock(func() time.Time { return time.Now().Add(time.Hour) }))...))
	got := in.received()
	if len(got) != 1 || got[0].Time.Before(before.Add(-time.Second)) || got[0].Time.After(after) {
		t.Errorf("%+v; it was first sent at %v", got, before)
	}
}

func TestWhatAVersionWithoutReceiptsLeftIsDeliveredUnderTheStoredAnswer(t *testing.T) {
	t.Parallel()
	for answer, want := range map[consent.Answer]core.FlushReport{
		consent.AnswerYes:   {Sent: 1},
		consent.AnswerLocal: {Stayed: 1},
	} {
		in := newIntake(t)
		tool := toolFor(in.URL)
		dir := filepath.Join(t.TempDir(), "telemetry")
		write := func(name, content string) {
			path := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		write("consent", "format=1\nanswer="+string(answer)+"\nat=2026-11-20T10:00:00Z\nnotice=0\nrevision=1\n.\n")
		write("queue/0000", `{"id":"01a2150d-a995-7239-8af8-60356f595c14","type":"feature.used","name":"x","timestamp":"`+
			time.Now().UTC().Format(time.RFC3339)+`","tool_name":"sometool","os":"linux","arch":"amd64"}`+"\n")
		m := manager(tool, dir, nil)
		if !m.Decision().Enabled {
			t.Fatalf("%s is no yes", answer)
		}
		r := mustFlush(t, m)
		if r.Sent != want.Sent || r.Stayed != want.Stayed || len(in.received()) != want.Sent || m.Stored().Receipt == "" {
			t.Errorf("%s: %+v, receipt %q", answer, r, m.Stored().Receipt)
		}
	}
}

// A line as it was written before events had a context, flags, classes and runs.
func TestWhatTheVersionBeforeLeftIsDeliveredAsItWasRecorded(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	options := enabled(t, tool, nil)
	m := core.NewManager(tool, options...)
	at := time.Now().UTC().Truncate(time.Millisecond)
	old := "#receipt=" + m.Stored().Receipt + "\n" +
		`{"id":"01a2150d-a995-7239-8af8-60356f595c14","type":"command.invocation","name":"remote add","timestamp":"` +
		at.Format(time.RFC3339Nano) + `","duration_ms":142,"exit_code":3,"args":["--format","<path>"],"error":"it \"failed\"",` +
		`"tool_name":"sometool","tool_version":"1.1.0","os":"linux","arch":"amd64","go_version":"go1.26.0",` +
		`"metadata":{"format":"json"},"truncated":2}` + "\n"
	slot := filepath.Join(stateDir(options), "queue", "0000.events")
	if err := errors.Join(os.MkdirAll(filepath.Dir(slot), 0o700), os.WriteFile(slot, []byte(old), 0o600)); err != nil {
		t.Fatal(err)
	}
	c := open(t, tool, options)
	c.Track("feature.used", "new", nil)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := in.received()
	if len(got) != 2 || got[1].Name != "new" || got[1].RunID == "" {
		t.Fatalf("%+v", got)
	}
	duration, code := int64(142), 3
	want := driver.Event{
		ID: "01a2150d-a995-7239-8af8-60356f595c14", Type: "command.invocation", Name: "remote add", Time: at,
		DurationMS: &duration, ExitCode: &code, Args: []string{"--format", "<path>"}, Error: "it \"failed\"",
		Tool: "sometool", Version: "1.1.0", OS: "linux", Arch: "amd64", GoVersion: "go1.26.0",
		OSVersion: got[0].OSVersion, MachineID: got[1].MachineID, ConsentID: m.Stored().Receipt,
		Metadata: map[string]string{"format": "json"}, Truncated: 2,
	}
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("arrived %+v\nwanted  %+v", got[0], want)
	}
	if left, err := os.ReadFile(slot); err != nil || len(left) != 0 {
		t.Errorf("%q is left, %v", left, err)
	}
}

func TestAnEventWithoutATypeIsRefusedAndCountedAsThat(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	c := open(t, tool, enabled(t, tool, nil))
	c.Track("", "x", nil)
	c.Track("feature.used", "x", nil)
	for range 2 { // the first run counts the loss and queues the report
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := in.received(); len(got) != 2 || got[1].Type != "telemetry.loss" || got[1].Name != "invalid" {
		t.Errorf("%+v", got)
	}
}

func TestTwoToolsThatShareAnInstallationShareTheAnswerAndTheID(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	one, two := toolFor(in.URL), toolFor(in.URL)
	one.Telemetry.Installation, two.Name, two.Telemetry.Installation = "suite", "othertool", "suite"
	home := t.TempDir()
	env := environment(map[string]string{"SUITE_TELEMETRY": "", "HOME": home})
	dir := core.WithStateDir(filepath.Join(home, "suite"))
	if err := core.NewManager(one, dir, env).Enable(false, ""); err != nil {
		t.Fatal(err)
	}
	for _, tool := range []props.Tool{one, two} {
		c := open(t, tool, []core.Option{dir, env})
		c.Track("feature.used", "x", nil)
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got := in.received()
	if len(got) != 2 || got[0].MachineID != got[1].MachineID || got[0].Tool == got[1].Tool || got[0].ConsentID != got[1].ConsentID {
		t.Errorf("%+v", got)
	}
}

func TestAContainerThatIsGivenTheIdentityHasTheIDAndCanHaveItErased(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	m := core.NewManager(tool, enabled(t, tool, nil)...)
	variable, value, err := m.Identity()
	if err != nil || variable != "SOMETOOL_TELEMETRY_IDENTITY" || len(value) != 64 {
		t.Fatalf("%s, %d digits, %v", variable, len(value), err)
	}
	inside := []core.Option{
		core.WithStateDir(filepath.Join(t.TempDir(), "telemetry")), environment(map[string]string{variable: value, "SOMETOOL_TELEMETRY": "on"}),
	}
	c := open(t, tool, inside)
	c.Track("feature.used", "x", nil)
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	id := m.Status().MachineID
	if got := in.received(); len(got) != 1 || got[0].MachineID != id {
		t.Errorf("%+v; the ID is %s", got, id)
	}
	r, err := core.NewManager(tool, inside...).Reset(t.Context(), nil)
	if err != nil || len(r.Requests) != 1 || r.Requests[0].MachineID != id {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestAnIdentityThatIsNoneSendsNothingAndIsNotRepeated(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	options := enabled(t, tool, nil)
	options = append(options, environment(map[string]string{"SOMETOOL_TELEMETRY_IDENTITY": "canary-identity"}))
	c := open(t, tool, options)
	c.Track("feature.used", "x", nil)
	err := c.Flush(t.Context())
	s := core.NewManager(tool, options...).Status()
	if err == nil || in.postCount() != 0 || s.Queue.Events != 1 || len(s.Faults) != 1 {
		t.Errorf("%v, %d posts, %v", err, in.postCount(), s.Faults)
	}
	if text := strings.Join(append(s.Faults, err.Error(), s.Problem), "; "); strings.Contains(text, "canary") || !strings.Contains(text, "SOMETOOL_TELEMETRY_IDENTITY") {
		t.Errorf("%s", text)
	}
}

func TestAResetAfterTheIdentityWasDamagedSaysWhatCannotBeKnown(t *testing.T) {
	t.Parallel()
	m, options := sentFrom(t, toolFor(newIntake(t).URL))
	path := filepath.Join(stateDir(options), "identity")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time as well
		r, err := m.Reset(t.Context(), nil)
		if err != nil || len(r.Requests) != 0 || len(r.Unknown) != 1 {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if kept, err := os.ReadFile(path + ".damaged"); err != nil || !bytes.Equal(kept, content) {
		t.Errorf("the damaged file is kept: %v", err)
	}
}

func TestStatusSaysThatAProxyCannotBeUsed(t *testing.T) {
	t.Parallel()
	tool := someTool()
	tool.Telemetry.Endpoint = "https://analytics.example.com/events"
	options := append(enabled(t, tool, nil), environment(map[string]string{"ALL_PROXY": "socks4://canary:1080"}))
	s := core.NewManager(tool, options...).Status()
	if len(s.Faults) != 1 || !strings.Contains(s.Faults[0], "ALL_PROXY") || strings.Contains(s.Faults[0], "canary") {
		t.Errorf("%v", s.Faults)
	}
}

func TestNobodyIsAskedToEraseWhatWentToOthers(t *testing.T) {
	t.Parallel()
	a, b := newIntake(t), newIntake(t)
	dir := said(t, a.URL)
	abandoned(t, dir, a.URL, 1)
	old, next := manager(processTool(a.URL), dir, nil), manager(processTool(b.URL), dir, nil)
	mustFlush(t, old)
	report, err := next.Reset(t.Context(), nil)
	if err != nil || len(report.Requests) != 1 || !report.Requests[0].Open() || !strings.Contains(report.Requests[0].Problem, a.Listener.Addr().String()) {
		t.Errorf("%+v, %v", report, err)
	}
	if b.postCount() != 0 {
		t.Errorf("%d posts to a receiver that has nothing", b.postCount())
	}
	all, err := old.Resume(t.Context(), nil)
	if err != nil || len(all) != 1 || all[0].State != deletion.Delivered || !strings.Contains(all[0].Receiver, a.Listener.Addr().String()) {
		t.Errorf("%+v, %v", all, err)
	}
	if got := a.received(); len(got) != 2 || got[1].Type != "data.deletion_request" {
		t.Errorf("%+v", got)
	}
}

func TestWhatWentToTwoReceiversIsAskedOfBoth(t *testing.T) {
	t.Parallel()
	a, b := newIntake(t), newIntake(t)
	dir := said(t, a.URL)
	old, next := manager(processTool(a.URL), dir, nil), manager(processTool(b.URL), dir, nil)
	abandoned(t, dir, a.URL, 1)
	mustFlush(t, old)
	if err := next.Enable(false, ""); err != nil {
		t.Fatal(err)
	}
	abandoned(t, dir, b.URL, 1)
	mustFlush(t, next)
	report, err := next.Reset(t.Context(), nil)
	if err != nil || len(report.Requests) != 1 || !report.Requests[0].Open() || len(b.received()) != 2 {
		t.Errorf("%+v, %v, %d at the newer receiver", report, err, len(b.received()))
	}
	if all, err := old.Resume(t.Context(), nil); err != nil || all[0].State != deletion.Delivered || len(a.received()) != 2 {
		t.Errorf("%+v, %v, %d at the older receiver", all, err, len(a.received()))
	}
}

func TestAReceiverWithoutTheFeatureIsTheAuthorsToHear(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		features props.Features
		mistake  bool
	}{
		"left out":   {props.Features{}, true},
		"turned off": {props.SetFeatures(props.Disable(props.TelemetryCmd)), false},
		"turned on":  {props.SetFeatures(props.Enable(props.TelemetryCmd)), false},
	} {
		tool := someTool()
		tool.Features = c.features
		_, err := core.Open(tool, core.WithStateDir(filepath.Join(t.TempDir(), "telemetry")), environment(nil))
		var wrong *driver.ConfigError
		if errors.As(err, &wrong) != c.mistake {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatAnAcceptedEventDoesNotMeanIsTold(t *testing.T) {
	t.Parallel()
	tool := someTool()
	tool.Telemetry = props.TelemetryConfig{Backend: "x", Drivers: []driver.Driver{{
		Name: "x", Hosts: somewhere, Accepted: "it may be dropped later", Open: func(driver.Config) (driver.Backend, error) { return killer{}, nil },
	}}}
	if s := core.NewManager(tool, enabled(t, tool, nil)...).Status(); s.Backend.Accepted != "it may be dropped later" {
		t.Errorf("%+v", s.Backend)
	}
}

// damage overwrites the receipts that are there.
func damage(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "receipts", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		if err := os.WriteFile(file, []byte("noise"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// The answer has its receipt in it, with a checksum of its own.
func TestADamagedCopyOfTheReceiptCostsNothing(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	dir := said(t, in.URL)
	abandoned(t, dir, in.URL, 1)
	damage(t, dir)
	m := manager(processTool(in.URL), dir, nil)
	if s := m.Status(); len(s.Held) != 0 || len(s.Faults) != 1 || !strings.Contains(s.Faults[0], "the file is damaged") {
		t.Errorf("held %v, faults %v", s.Held, s.Faults)
	}
	abandoned(t, dir, in.URL, 1)
	if r := mustFlush(t, m); r.Sent != 2 || r.Lost != 0 {
		t.Errorf("%+v", r)
	}
	if s := m.Status(); len(s.Faults) != 1 || !strings.Contains(s.Faults[0], "set aside as receipts/") {
		t.Errorf("faults %v", s.Faults)
	}
}

func TestWhatWasRecordedUnderADamagedReceiptIsLostAndSaidToBe(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := processTool(in.URL)
	dir := filepath.Join(t.TempDir(), "telemetry")
	m := manager(tool, dir, map[string]string{"SOMETOOL_TELEMETRY": "on"})
	abandoned(t, dir, in.URL, 2, "SOMETOOL_TELEMETRY=on")
	damage(t, dir)
	abandoned(t, dir, in.URL, 1, "SOMETOOL_TELEMETRY=on")
	for i := range 2 { // the second time with the receipt set aside
		if s := m.Status(); i == 0 && !slices.Equal(s.Held, []core.Held{{Why: core.HeldDamaged, Events: 2}}) || len(s.Faults) != 1 {
			t.Errorf("held %v, faults %v", s.Held, s.Faults)
		}
		if r := mustFlush(t, m); i == 0 && (r.Sent != 1 || r.LostBy["unreadable"] != 2) {
			t.Errorf("%+v", r)
		}
	}
}

func TestAYesUnderWhatKeepsEverythingHereIsToThisMachineAlsoWithoutIt(t *testing.T) {
	t.Parallel()
	const notice = "It stays on this machine."
	question := func(m *core.Manager) error { return m.Answer(consent.AnswerYes, m.Stored(), notice) }
	command := func(m *core.Manager) error { return m.Enable(false, notice) }
	for name, test := range map[string]struct {
		env, policy string
		say         func(*core.Manager) error
		by          string
	}{
		"a variable, by the command":  {"1", "", command, "TELEMETRY_LOCAL"},
		"a variable, at the question": {"1", "", question, "TELEMETRY_LOCAL"},
		"the policy, by the command":  {"", "local", command, "the administrator's policy"},
		"the policy, at the question": {"", "local", question, "the administrator's policy"},
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", gone before the answer: ", late), func(t *testing.T) {
				t.Parallel()
				in := newIntake(t)
				env, policy := map[string]string{"TELEMETRY_LOCAL": test.env}, filepath.Join(t.TempDir(), "policy")
				if test.policy != "" {
					if err := os.WriteFile(policy, []byte(test.policy), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				lift := func() {
					env["TELEMETRY_LOCAL"] = ""
					if err := os.Remove(policy); err != nil && !errors.Is(err, os.ErrNotExist) {
						t.Fatal(err)
					}
				}
				options := []core.Option{core.WithStateDir(filepath.Join(t.TempDir(), "telemetry")), core.WithPolicyFile(policy), environment(env)}
				m := core.NewManager(toolFor(in.URL), options...)
				if s := m.Status(); !s.Decision.Undecided { // what the person is shown
					t.Fatalf("%+v", s.Decision)
				}
				if late {
					lift()
				}
				if err := test.say(m); err != nil {
					t.Fatal(err)
				}
				lift()

				s := m.Status()
				if !s.Recording || !s.Decision.LocalOnly || s.Decision.Stored.Answer != consent.AnswerLocal {
					t.Errorf("without the restriction: %+v", s.Decision)
				}
				c := open(t, toolFor(in.URL), options)
				c.Track("feature.used", "secret", nil)
				if err := c.Close(t.Context()); err != nil {
					t.Error(err)
				}
				mustFlush(t, m)
				if in.postCount() > 0 {
					t.Error("something was sent after a yes to this machine")
				}
				d, err := m.Decisions()
				if err != nil || len(d.List) != 1 || d.List[0].Decided != consent.AnswerLocal || d.List[0].RestrictedBy != test.by || d.List[0].Shown != notice {
					t.Errorf("the history says %+v, %v", d.List, err)
				}
				if x := d.List[0].Export(); x.RestrictedBy != test.by || x.Decided != "local" {
					t.Errorf("the export says %+v", x)
				}

				if err := m.Enable(false, "It is sent."); err != nil || m.Decision().LocalOnly {
					t.Errorf("after a yes to more: %v, %+v", err, m.Decision())
				}
			})
		}
	}
}

func TestACommandThatANoCameIntoIsNotRecordedAfterALaterYes(t *testing.T) {
	t.Parallel()
	track := func(c *core.Collector) func() {
		return func() { c.TrackCommand("secret", time.Hour.Milliseconds(), 0, nil) }
	}
	command := func(c *core.Collector) func() {
		run := c.Command("secret")
		return func() { run.Done(props.Outcome{}) }
	}
	for name, test := range map[string]struct {
		variable string
		begin    func(*core.Collector) (end func())
		no       bool
	}{
		"timed by its author":         {"", track, true},
		"noted when it began":         {"", command, true},
		"under a variable":            {"on", command, true},
		"timed, without a no":         {"", track, false},
		"noted, without a no":         {"", command, false},
		"a variable, and without one": {"on", command, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newIntake(t)
			env := map[string]string{"SOMETOOL_TELEMETRY": test.variable}
			options := []core.Option{core.WithStateDir(filepath.Join(t.TempDir(), "telemetry")), environment(env)}
			m := core.NewManager(toolFor(in.URL), options...)
			if test.variable == "" {
				if err := m.Enable(false, ""); err != nil {
					t.Fatal(err)
				}
			}
			c := open(t, toolFor(in.URL), options)
			end := test.begin(c)
			if test.no {
				if _, err := m.Disable(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if err := m.Enable(false, ""); err != nil {
				t.Fatal(err)
			}
			end()
			c.Track("feature.used", "after", nil)
			if err := c.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, e := range in.received() {
				names = append(names, e.Name)
			}
			want := "secret after"
			if test.no {
				want = "after"
			}
			if got := strings.Join(names, " "); got != want {
				t.Errorf("%q arrived, want %q", got, want)
			}
		})
	}
}
