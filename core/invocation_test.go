package core_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// workshop is a tool with a collector whose events a test can look at.
type workshop struct {
	*testing.T
	*props.Props
	in *intake
}

func newWorkshop(t *testing.T, change func(*props.TelemetryConfig)) *workshop {
	t.Helper()
	in := newIntake(t)
	tool := toolFor(in.URL)
	if change != nil {
		change(&tool.Telemetry)
	}
	p := props.New(tool)
	p.Collector = open(t, tool, enabled(t, tool, nil))
	return &workshop{t, p, in}
}

// recorded returns everything that was.
func (w *workshop) recorded() []driver.Event {
	w.Helper()
	if err := w.Collector.Flush(w.Context()); err != nil {
		w.Fatal(err)
	}
	return w.in.received()
}

// one returns the one event that was recorded.
func (w *workshop) one() driver.Event {
	w.Helper()
	events := w.recorded()
	if len(events) != 1 {
		w.Fatalf("%+v", events)
	}
	return events[0]
}

func TestACommandIsRecordedWithWhatWasToldOfIt(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, func(c *props.TelemetryConfig) {
		c.Metadata = map[string]string{"edition": "free", "format": "text"}
	})
	const slept = 30 * time.Millisecond
	build := func() (err error) {
		command := w.Collector.Command("remote add").Flags("all", "dry-run").Args("canary").Annotate("shell", "zsh")
		defer command.End(&err)
		command.Annotate("format", "json").Annotate("format", "yaml")
		time.Sleep(slept)
		return errors.New("canary")
	}
	before := time.Now()
	if build() == nil {
		t.Fatal("the error is gone")
	}
	took := time.Since(before)
	e := w.one()
	if e.Type != "command.invocation" || e.Name != "remote add" || e.ErrorClass != "other" || *e.ExitCode != 1 || e.Error != "" || e.Args != nil {
		t.Errorf("%+v", e)
	}
	if ms := time.Duration(*e.DurationMS) * time.Millisecond; ms < slept || ms > took {
		t.Errorf("took %v, recorded %v", took, ms)
	}
	if !reflect.DeepEqual(e.Flags, []string{"all", "dry-run"}) {
		t.Errorf("flags %q", e.Flags)
	}
	if want := map[string]string{"edition": "free", "shell": "zsh", "format": "yaml"}; !reflect.DeepEqual(e.Metadata, want) {
		t.Errorf("metadata %v, want %v", e.Metadata, want)
	}
	if e.Truncated != 0 || e.Redacted != 0 {
		t.Errorf("truncated %d, redacted %d", e.Truncated, e.Redacted)
	}
}

func TestWithExtendedCollectionArgumentsAndTextAreScrubbedToo(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, func(c *props.TelemetryConfig) { c.ExtendedCollection = true })
	err := errors.New("cannot reach jane@example.com")
	w.Collector.Command("send").Args("--token=s3cr3t", "/home/jane/x").End(&err)
	e := w.one()
	if len(e.Args) == 0 || e.Error == "" || e.Redacted == 0 {
		t.Errorf("%+v", e)
	}
	if text := fmt.Sprint(e.Args, e.Error); strings.Contains(text, "s3cr3t") || strings.Contains(text, "jane") {
		t.Errorf("%s", text)
	}
}

func TestTheFirstEndCountsAndWhatIsToldAfterItIsIgnored(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, nil)
	command := w.Collector.Command("build")
	failed := errors.New("x")
	command.Done(props.Outcome{ExitCode: 3, Class: props.ErrorUsage})
	command.Flags("late").Args("late").Annotate("late", "1").End(&failed)
	command.Done(props.Outcome{})
	if e := w.one(); *e.ExitCode != 3 || e.ErrorClass != "usage" || e.Flags != nil || e.Metadata != nil {
		t.Errorf("%+v", e)
	}
}

func TestANilPointerIsASuccess(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, nil)
	w.Collector.Command("build").End(nil)
	if e := w.one(); *e.ExitCode != 0 || e.ErrorClass != "" {
		t.Errorf("%+v", e)
	}
}

// As a caller writes it: recover works, though End is called through an interface.
func TestAPanicIsRecordedAndGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, nil)
	cause := &struct{ word string }{"canary"}
	build := func() (err error) {
		defer w.Collector.Command("build").End(&err)
		panic(cause)
	}
	func() {
		defer func() {
			if got := recover(); got != cause {
				t.Errorf("%v goes on, want what it began with", got)
			}
		}()
		_ = build()
	}()
	if e := w.one(); *e.ExitCode != 2 || e.ErrorClass != "panic" || e.Error != "" || e.DurationMS == nil {
		t.Errorf("%+v", e)
	}
}

func TestAPanicWhereNothingIsRecordedGoesOnToo(t *testing.T) {
	t.Parallel()
	for _, c := range []props.Collector{props.Discard{}, open(t, someTool(), []core.Option{core.WithStateDir(t.TempDir()), environment(nil)})} {
		func() {
			defer func() {
				if got := recover(); got != "cause" {
					t.Errorf("%T: %v", c, got)
				}
			}()
			defer c.Command("build").End(nil)
			panic("cause")
		}()
	}
}

// panics is the cause that a trace has to name.
func panics() { panic("the cause") }

// runPanic is a tool in a process of its own that panics within a command.
func runPanic(dir, endpoint string) {
	c, err := core.Open(processTool(endpoint), core.WithStateDir(dir))
	if err != nil {
		os.Exit(1)
	}
	p := props.New(processTool(endpoint))
	p.Collector = c
	func() (err error) {
		defer p.Collector.Command("build").End(&err)
		panics()
		return nil
	}() //nolint:errcheck // it panics
}

func TestTheTraceOfAPanicIsThatOfItsCause(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	dir := said(t, in.URL)
	cmd := exec.Command(os.Args[0], "panic", dir, in.URL)
	cmd.Env = []string{"SystemRoot=" + os.Getenv("SystemRoot")}
	var trace bytes.Buffer
	cmd.Stderr = &trace
	if err := cmd.Run(); !exitedWith(err, 2) {
		t.Fatal(err)
	}
	for _, want := range []string{"panic: the cause", "core_test.panics(", "core_test.runPanic"} {
		if !strings.Contains(trace.String(), want) {
			t.Errorf("it lacks %q:\n%s", want, trace.String())
		}
	}
	mustFlush(t, manager(processTool(in.URL), dir, nil))
	if got := in.received(); len(got) != 1 || got[0].ErrorClass != "panic" || *got[0].ExitCode != 2 {
		t.Errorf("%+v", got)
	}
}

// Nothing tells a deferred call from an ordinary return. What End is told is recorded.
func TestAGoroutineThatExitsIsRecordedWithWhatItsErrorSays(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := error(nil)
		defer w.Collector.Command("build").End(&err)
		runtime.Goexit()
	}()
	<-done
	if e := w.one(); *e.ExitCode != 0 || e.ErrorClass != "" {
		t.Errorf("%+v", e)
	}
}

func TestACommandThatEndsAfterCloseIsRecordedAndAfterDropIsNot(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, nil)
	late := w.Collector.Command("late")
	if err := w.Collector.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	late.End(nil)
	w.Collector.Command("later").End(nil)
	if got := w.recorded(); len(got) != 2 || got[0].Name != "late" || got[1].Name != "later" {
		t.Fatalf("%+v", got)
	}
	dropped := w.Collector.Command("dropped")
	if err := w.Collector.Drop(); err != nil {
		t.Fatal(err)
	}
	dropped.Annotate("k", "v").End(nil)
	w.Collector.Command("never").End(nil)
	if got := w.in.received(); len(got) != 2 {
		t.Errorf("%+v", got)
	}
}

func TestWhatDoesNotFitIsCounted(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, func(c *props.TelemetryConfig) { c.ExtendedCollection = true })
	command := w.Collector.Command("build")
	var flags []string
	for i := range 40 {
		flags = append(flags, fmt.Sprintf("flag%02d", i)) // 8 too many
		command.Annotate(fmt.Sprintf("key%02d", i), "v")  // 8 too many
	}
	flags[3] = strings.Repeat("long", 20) // more than 64
	command.Flags(flags...).Done(props.Outcome{Err: errors.New(strings.Repeat("wordy ", 200))})
	e := w.one()
	if len(e.Flags) != 32 || e.Flags[3] != "<cut>" || len(e.Metadata) != 32 || len(e.Error) > 512 || len(e.Error) < 400 {
		t.Errorf("%d flags, %q, %d pairs, %d bytes of text", len(e.Flags), e.Flags[3], len(e.Metadata), len(e.Error))
	}
	if want := 8 + 8 + 1 + 1; e.Truncated != want {
		t.Errorf("truncated %d, want %d", e.Truncated, want)
	}
}

func TestFlagsAreRecordedWithoutExtendedCollectionAndScrubbed(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, nil)
	w.Collector.Command("build").Flags("format", "jane@example.com", "--depth", "token=s3cretvalue", "a b", "").End(nil)
	if e := w.one(); !reflect.DeepEqual(e.Flags, []string{"format", "depth", "token"}) || e.Truncated != 3 || e.Redacted != 1 {
		t.Errorf("%q, %d left out, %d with a value", e.Flags, e.Truncated, e.Redacted)
	}
}

func TestManyMayTellOfACommandAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, nil)
	const goroutines = 8
	command := w.Collector.Command("build")
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			command.Annotate(fmt.Sprint("k", g), "v").Flags(fmt.Sprint("f", g)).Args("x")
			if g%2 == 0 {
				command.End(nil)
			} else {
				command.Done(props.Outcome{ExitCode: 1})
			}
		})
	}
	wg.Wait()
	w.one()
}

// The clock that tells the time may be set while a command runs, also back.
func TestTheDurationDoesNotDependOnTheClock(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	tool := toolFor(in.URL)
	now := &clock{now: time.Now()}
	c := open(t, tool, append(enabled(t, tool, nil), core.WithClock(now.Now)))
	command := c.Command("build")
	now.add(-time.Hour)
	command.End(nil)
	if err := c.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := in.received(); len(got) != 1 || *got[0].DurationMS < 0 || *got[0].DurationMS > 60_000 {
		t.Errorf("%+v", got)
	}
}
