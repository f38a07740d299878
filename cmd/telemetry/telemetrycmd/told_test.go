//go:build linux || darwin

package telemetrycmd

import (
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/consent"
)

const (
	turnedOnWords = "is on, because TELEMETRY_ENABLED is set"
	general       = "TELEMETRY_ENABLED=true"
)

func TestAPersonIsToldOnceThatAGeneralVariableTurnedTheToolsTelemetryOn(t *testing.T) {
	x := start(t, setup{args: []string{"hello"}, env: []string{general}})
	golden(t, "told", ports.ReplaceAllString(x.End(), "SERVER"))
	for _, env := range [][]string{{general}, {general, toolVersion + "=0"}} {
		if screen := start(t, setup{args: []string{"hello"}, dir: x.dir, env: env}).End(); screen != "hello\n" {
			t.Errorf("told twice:\n%s", screen)
		}
	}
	past, err := consent.NewStore(x.dir).History()
	if err != nil || len(past.Decisions) != 1 || past.Decisions[0].Shown == "" || past.Decisions[0].Receipt == "" || !strings.Contains(queued(t, x.dir), past.Decisions[0].Receipt) {
		t.Errorf("what was recorded is under no decision that the history has with what was told: %v, %+v", err, past.Decisions)
	}
	// What is collected has changed.
	newer := []string{general, toolVersion + "=1"}
	if screen := start(t, setup{args: []string{"hello"}, dir: x.dir, env: newer}).End(); !strings.Contains(screen, turnedOnWords) {
		t.Errorf("not told with a newer notice:\n%s", screen)
	}
	if n := strings.Count(queued(t, x.dir), `"name":"hello"`); n != 4 {
		t.Errorf("%d of 4 commands recorded", n)
	}
}

func TestWhereNobodyCanBeToldItIsAYesAndTheNextTerminalTellsIt(t *testing.T) {
	for name, s := range map[string]setup{
		"stdout is a pipe":       {pipes: "out"},
		"stderr is a pipe":       {pipes: "err"},
		"a coding agent runs it": {env: []string{"CLAUDECODE=1"}},
		"a program reads it":     {args: []string{"hello", "--output", "json"}},
	} {
		t.Run(name, func(t *testing.T) {
			if s.args == nil {
				s.args = []string{"hello"}
			}
			s.env = append(s.env, general)
			x := start(t, s)
			if all := x.End() + x.out.String(); strings.Contains(all, turnedOnWords) {
				t.Errorf("told:\n%s", all)
			}
			if q := queued(t, x.dir); strings.Count(q, `"name":"hello"`) != 1 {
				t.Errorf("recorded %q", q)
			}
			if screen := start(t, setup{args: []string{"hello"}, dir: x.dir, env: []string{general}}).End(); !strings.Contains(screen, turnedOnWords) {
				t.Errorf("not told:\n%s", screen)
			}
			past, err := consent.NewStore(x.dir).History()
			if err != nil || len(past.Decisions) != 2 || past.Decisions[0].Shown != "" || past.Decisions[1].Shown == "" {
				t.Fatalf("the history is %+v, %v", past.Decisions, err)
			}
			q := queued(t, x.dir)
			for _, p := range past.Decisions {
				if p.Receipt == "" || !strings.Contains(q, p.Receipt) {
					t.Errorf("nothing is recorded under %+v", p)
				}
			}
		})
	}
}

// An event goes out when a command ends, also when it fails before it runs.
func TestAPersonIsToldBeforeTheCommandSendsAnything(t *testing.T) {
	x := start(t, setup{args: []string{"fails-early"}, env: []string{general}})
	if screen := x.End(); !strings.Contains(screen, turnedOnWords) {
		t.Errorf("not told:\n%s", screen)
	}
	if q := queued(t, x.dir); !strings.Contains(q, `"exit_code":7`) {
		t.Errorf("recorded %q", q)
	}
}

func TestNobodyIsToldWhatTheySaidThemselves(t *testing.T) {
	enabled := start(t, setup{args: []string{"telemetry", "enable"}})
	enabled.End()
	for name, s := range map[string]setup{
		"the tool's own variable":             {env: []string{general, "MYTOOL_TELEMETRY=on"}},
		"the person's own answer":             {env: []string{general}, dir: enabled.dir},
		"it stays on this machine":            {env: []string{general, "TELEMETRY_LOCAL=1"}},
		"another variable says no":            {env: []string{general, "DO_NOT_TRACK=1"}},
		"the tool names no receiver":          {env: []string{general, toolEndpoint + "="}},
		"the author has not enabled anything": {env: []string{general, toolFeature + "=off"}},
		"the variable says no":                {env: []string{"TELEMETRY_ENABLED=no"}},
		"a telemetry command is run":          {env: []string{general}, args: []string{"telemetry", "disable"}},
	} {
		t.Run(name, func(t *testing.T) {
			if s.args == nil {
				s.args = []string{"hello"}
			}
			if screen := start(t, s).End(); strings.Contains(screen, turnedOnWords) {
				t.Errorf("told:\n%s", screen)
			}
		})
	}
}
