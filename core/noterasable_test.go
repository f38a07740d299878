package core_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/internal/state"
	"github.com/gotoolbase/telemetry/core/props"
	"github.com/gotoolbase/telemetry/deletion"
)

// wary takes every event with a warning that it may not find it again.
type wary struct {
	mu   sync.Mutex
	hold func() // called before an answer, if not nil
}

func (w *wary) Send(_ context.Context, events []driver.Event) error {
	w.mu.Lock()
	hold := w.hold
	w.mu.Unlock()
	if hold != nil {
		hold()
	}
	verdicts := &driver.Partial{Warnings: map[string]int{"nobodys": len(events)}}
	for _, e := range events {
		verdicts.Accepted = append(verdicts.Accepted, e.ID)
	}
	return verdicts
}

func (w *wary) Close() error { return nil }

func waryTool(w *wary, o *office) props.Tool {
	tool := toolFor("")
	tool.Telemetry.Endpoint, tool.Telemetry.Backend, tool.Telemetry.Settings = "", "wary", nil
	tool.Telemetry.Drivers = []driver.Driver{{
		Name:     "wary",
		Hosts:    func(map[string]string) []string { return []string{"wary.example"} },
		Warnings: []driver.Warning{{Name: "nobodys", Doc: "kept as nobody's", NotDeletable: true}},
		Open:     func(driver.Config) (driver.Backend, error) { return w, nil },
	}}
	tool.Telemetry.DeletionRequestor = o
	return tool
}

func TestARequestKeepsHowManyEventsMayNotBeErasableUntilItIsVerified(t *testing.T) {
	t.Parallel()
	o := &office{}
	m, _ := sentFrom(t, waryTool(&wary{}, o))
	want := func(when string, state deletion.State, n int) {
		t.Helper()
		if e := only(t, m); e.State != state || e.NotDeletable != n {
			t.Errorf("%s: %d events of a request in the state %s, want %d in %s", when, e.NotDeletable, e.State, n, state)
		}
	}
	o.say("", errors.New("503"))
	if _, err := m.Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	want("not handed over", deletion.Requested, 1)
	if s := m.Status(); s.NotDeletable() != 0 || len(s.Warned) != 0 {
		t.Errorf("%v is left of the notes", s.Warned)
	}
	for _, state := range []deletion.State{deletion.Refused, deletion.Manual, deletion.Delivered, deletion.Acknowledged} {
		if o.say(state, nil); state == deletion.Acknowledged {
			o.status = func(deletion.Receipt) (deletion.Receipt, error) { return deletion.Receipt{State: state}, nil }
		}
		if _, err := m.Resume(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		want("afterwards", state, 1)
	}
	if _, err := m.Reset(t.Context(), nil); err != nil { // of nothing more
		t.Fatal(err)
	}
	want("after another reset", deletion.Acknowledged, 1)
	o.status = func(deletion.Receipt) (deletion.Receipt, error) {
		return deletion.Receipt{State: deletion.Verified}, nil
	}
	if _, err := m.Resume(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	want("in the end", deletion.Verified, 0)
}

func TestWhatArrivesDuringAResetCountsAsWell(t *testing.T) {
	t.Parallel()
	o, w := &office{}, &wary{}
	o.say(deletion.Delivered, nil)
	tool := waryTool(w, o)
	m, options := sentFrom(t, tool)
	arrived, answer := make(chan struct{}), make(chan struct{})
	w.mu.Lock()
	w.hold = func() { close(arrived); <-answer }
	w.mu.Unlock()
	c := open(t, tool, options)
	c.Track("feature.used", "under way", nil)
	flushed, reset := make(chan error, 1), make(chan error, 1)
	go func() { flushed <- c.Flush(t.Context()) }()
	<-arrived
	go func() { _, err := m.Reset(t.Context(), nil); reset <- err }()
	for deadline := time.Now().Add(10 * time.Second); m.Status().MachineID != "" && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond) // until the identity is given up
	}
	close(answer)
	if err := errors.Join(<-reset, <-flushed); err != nil {
		t.Error(err)
	}
	if e := only(t, m); e.NotDeletable != 2 {
		t.Errorf("%d events, want 2: %+v", e.NotDeletable, e)
	}
	if s := m.Status(); s.Delivered != 0 || len(s.Warned) != 0 {
		t.Errorf("%d delivered, warned %v: it is not forgotten", s.Delivered, s.Warned)
	}
}

func TestARequestOfAnIdentityThatCannotBeGivenUpYetFindsTheCountLater(t *testing.T) {
	t.Parallel()
	o := &office{}
	o.say(deletion.Delivered, nil)
	m, _ := sentFrom(t, waryTool(&wary{}, o))
	dir := m.Status().StateDir
	free := holdLock(t, dir, "deletions-note.lock")
	if _, err := m.Reset(t.Context(), nil); err == nil {
		t.Fatal("the request was stored although the lock was held")
	}
	free()
	if _, err := m.Reset(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if e := only(t, m); e.NotDeletable != 1 {
		t.Errorf("%+v", e)
	}
}

// holdLock holds a lock of an installation until it is told to free it.
func holdLock(t *testing.T, dir, name string) (free func()) {
	t.Helper()
	lock, err := state.At(dir).WaitLock(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return lock.Unlock
}
