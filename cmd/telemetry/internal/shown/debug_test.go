package shown

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/driver"
)

const debugging = "TELEMETRY_DEBUG=log"

// lines takes apart what such a command printed to stderr: events and remarks.
func lines(t *testing.T, stderr string) (events []driver.Event, raw, remarks []string) {
	t.Helper()
	for line := range strings.Lines(stderr) {
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasPrefix(line, "{") {
			remarks = append(remarks, line)
			continue
		}
		var e driver.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		events, raw = append(events, e), append(raw, line)
	}
	return events, raw, remarks
}

func TestOnePersonLooksWhatWouldBeRecordedAndNothingIsLeftOfIt(t *testing.T) {
	t.Parallel()
	const script = "telemetry"
	config := []string{"--config", "tool.yaml"}
	track := append(config, "track", "command.invocation", "build", "--duration", "142ms", "--exit-code", "3", "--meta", "format=json", "--meta", "token=ghp_abcdefghijklmnopqrstuvwxyz0123456789")
	for name, test := range map[string]struct {
		before  []string // run first, without the variable
		env     []string
		declare string
		program string
		args    []string
		events  int
		remarks []string
	}{
		"nobody was asked": {program: script, args: track, events: 1, remarks: []string{"acme telemetry: it is off now; this is what would be recorded if it were on"}},
		"a yes":            {before: []string{"enable"}, program: script, args: track, events: 1},
		"a no":             {before: []string{"disable"}, program: script, args: track, events: 1, remarks: []string{"acme telemetry: it is off now; this is what would be recorded if it were on"}},
		"another product's no": {before: []string{"enable"}, env: []string{"DO_NOT_TRACK=1"}, program: script, args: track, events: 1,
			remarks: []string{"acme telemetry: it is off now; this is what would be recorded if it were on"}},
		"a variable's yes": {env: []string{"ACME_TELEMETRY=on"}, program: script, args: track, events: 1},
		"a machine's own":  {before: []string{"enable", "--local"}, program: script, args: track, events: 1},
		"exec":             {before: []string{"enable"}, program: script, args: append(config, "exec", "--", "telemetry", "--version"), events: 1},
		"folded":           {before: []string{"enable"}, declare: "  Fold: true\n", program: script, args: track, events: 1},
		"a run that is left out": {before: []string{"enable"}, declare: "  SampleRate: 1000000000\n", program: script, args: track,
			remarks: []string{"acme telemetry: nothing would be recorded: sampling leaves this run out, and records one in 1000000000"}},
		"declared": {before: []string{"enable"}, declare: "  Fields: [{Name: format, Type: {OneOf: [json]}}]\n", program: script, args: track, events: 1},
		"not declared": {before: []string{"enable"}, declare: "  Events: []\n", program: script, args: append(config, "track", "own.event", "x"),
			remarks: []string{"acme telemetry: 1 of the events would be left out: undeclared", "acme telemetry: nothing would be recorded"}},
		"no receiver": {declare: "  Backend: noop\n", program: script, args: track,
			remarks: []string{"acme telemetry: nothing would be recorded: the tool names no receiver"}},
		"a cobra tool":            {program: "mytool", args: []string{"count", "tool.yaml"}, events: 1, remarks: []string{"mytool telemetry: it is off now; this is what would be recorded if it were on"}},
		"a cobra tool that fails": {program: "mytool", args: []string{"count", "--wrong"}, events: 1, remarks: []string{"mytool: unknown flag: --wrong", "mytool telemetry: it is off now; this is what would be recorded if it were on"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t, nil)
			h.declare(test.declare)
			if test.before != nil {
				h.telemetry(test.before...)
			}
			before := h.files()
			_, errs, _ := h.with(append(test.env, debugging), test.program, test.args...)
			events, _, remarks := lines(t, errs)
			if len(events) != test.events || strings.Join(remarks, "\n") != strings.Join(test.remarks, "\n") {
				t.Errorf("shown: %q", errs)
			}
			if strings.Contains(errs, "ghp_") {
				t.Errorf("a secret is shown: %s", errs)
			}
			for _, e := range events {
				if e.Type != "command.invocation" || e.ID == "" || e.MachineID == "" || e.ConsentID == "" || e.OS == "" {
					t.Errorf("shown: %+v", e)
				}
			}
			if after := h.files(); after != before {
				t.Errorf("the home was\n%s\nand is\n%s", before, after)
			}
			if n := h.calls.Load(); n > 0 {
				t.Errorf("the receiver was called %d times", n)
			}
		})
	}
}

func TestWhatIsShownIsWhatThenArrives(t *testing.T) {
	t.Parallel()
	var arrived driver.Event
	h := newHome(t, func(_ http.ResponseWriter, r *http.Request) {
		if e, ok := firstEvent(r); ok {
			arrived = e
		}
	})
	h.telemetry("enable")
	h.telemetry("track", "feature.used", "first") // which makes the machine ID
	args := []string{"--config", "tool.yaml", "track", "feature.used", "dark-mode", "--meta", "a=b", "--meta", "path=/home/zoe/x"}
	_, errs, _ := h.with([]string{debugging}, "telemetry", args...)
	events, _, _ := lines(t, errs)
	if len(events) != 1 {
		t.Fatalf("shown: %q", errs)
	}
	h.run("telemetry", args...)
	h.telemetry("flush")
	shown := events[0]
	// These are of the run and of the moment.
	shown.ID, shown.Time, shown.RunID = arrived.ID, arrived.Time, arrived.RunID
	got, want := string(arrived.AppendJSON(nil)), string(shown.AppendJSON(nil))
	if got != want || arrived.Name != "dark-mode" {
		t.Errorf("arrived\n%s\nshown was\n%s", got, want)
	}
}

func TestTheTelemetryCommandsDoWhatTheyAlwaysDo(t *testing.T) {
	t.Parallel()
	h := newHome(t, nil)
	env := []string{debugging}
	if out, errs, code := h.with(env, "mytool", "telemetry", "enable"); code != 0 || errs != "" || !strings.Contains(out, "is on") {
		t.Errorf("enable: %d, %q, %q", code, out, errs)
	}
	if out, errs, code := h.with(env, "mytool", "telemetry", "status", "--output", "json"); code != 0 || errs != "" || !strings.Contains(out, `"state": "on"`) {
		t.Errorf("status: %d, %q, %q", code, out, errs)
	}
	if out, errs, code := h.with(env, "mytool", "telemetry", "disable"); code != 0 || errs != "" || !strings.Contains(out, "off") {
		t.Errorf("disable: %d, %q, %q", code, out, errs)
	}
	for _, args := range [][]string{{"--help"}, {"--version"}, {"help", "count"}, {"completion", "bash"}} {
		if _, errs, code := h.with(env, "mytool", args...); code != 0 || errs != "mytool telemetry: nothing would be recorded\n" {
			t.Errorf("%q: %d, %q", args, code, errs)
		}
	}
	if _, errs, _ := h.with([]string{"TELEMETRY_DEBUG=1"}, "mytool", "count", "tool.yaml"); errs != "" {
		t.Errorf("another value: %q", errs)
	}
}
