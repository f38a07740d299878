// Package coretest is for the tests of tools. Tests of backends want package conformance
// instead.
//
//   - [New] is a real collector whose user has said yes, in a directory of the test's own. Its
//     events come back to the test instead of leaving, and [Events] says readably what is
//     wrong with them.
//   - [Golden] holds what a command sends to a file that is checked in, and [CheckSchema] what it
//     may send to what people were told.
//   - [PlantHome] is a home of its own for a real program, which [Build] builds, with an answer
//     or without one.
//   - [ExitBudget] runs the program under every weather of the network, and fails if telemetry
//     makes a command longer than its author allows.
//   - [NoNetwork] and [RunWithoutNetwork] fail a test that goes to the network, as far as that
//     can be seen from inside.
//
// The examples are three lines each. Programs do not import this package, and are no larger
// for it.
package coretest

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/consent"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/props"
)

// Home is an installation of a tool for one test.
type Home struct {
	t        testing.TB
	tool     props.Tool
	options  []core.Option
	recorder *recorder

	mu     sync.Mutex
	opened []*core.Collector
}

// New returns an installation of tool whose user has said yes. Whatever backend the
// tool declares is replaced: nothing leaves the process. Every run is recorded, whatever SampleRate
// says, or a test would pass by chance. The environment of the test is
// not looked at; options, if any, come on top.
func New(t testing.TB, tool props.Tool, options ...core.Option) *Home {
	t.Helper()
	h := &Home{t: t, tool: tool, recorder: &recorder{}}
	h.tool.Features = tool.Features.With(props.Enable(props.TelemetryCmd))
	h.tool.Telemetry.SampleRate = min(tool.Telemetry.SampleRate, 0) // what is a mistake stays one
	h.tool.Telemetry.Backend = "recorder"
	h.tool.Telemetry.Settings = nil
	h.tool.Telemetry.Drivers = []driver.Driver{{
		Name:  "recorder",
		Hosts: func(map[string]string) []string { return []string{"recorder.invalid"} },
		Open:  func(driver.Config) (driver.Backend, error) { return h.recorder, nil },
	}}
	h.options = append([]core.Option{
		core.WithStateDir(filepath.Join(t.TempDir(), "telemetry")),
		core.WithEnv(func(string) (string, bool) { return "", false }),
		core.WithPolicyFile(filepath.Join(t.TempDir(), "none")),
	}, options...)
	m := h.Manager()
	if err := m.Answer(consent.AnswerYes, m.Stored(), ""); err != nil {
		t.Fatal(err)
	}
	return h
}

// Collector opens a collector, as each run of the tool does.
func (h *Home) Collector() *core.Collector {
	h.t.Helper()
	c, err := core.Open(h.tool, h.options...)
	if err != nil {
		h.t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.opened = append(h.opened, c)
	return c
}

// Manager returns the user's side of the installation.
func (h *Home) Manager() *core.Manager { return core.NewManager(h.tool, h.options...) }

// Events closes what Collector returned, as the end of a run does, delivers what waits, and
// returns all that was delivered since New. A collector that was closed can be used further.
func (h *Home) Events() Events {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.opened {
		if err := c.Close(context.Background()); err != nil {
			h.t.Fatal(err)
		}
	}
	if h.Manager().Decision().Enabled {
		if _, err := h.Manager().Flush(context.Background(), nil); err != nil {
			h.t.Fatal(err)
		}
	}
	h.recorder.mu.Lock()
	defer h.recorder.mu.Unlock()
	return append(Events(nil), h.recorder.events...)
}

type recorder struct {
	mu     sync.Mutex
	events []driver.Event
}

func (r *recorder) Send(_ context.Context, events []driver.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, events...)
	return nil
}

func (r *recorder) Close() error { return nil }
