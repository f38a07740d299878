//go:build linux || darwin

package telemetrycmd

import (
	"os"
	"strings"
	"testing"
)

func TestWhoLooksIsNeitherAskedNorToldAndLeavesNothing(t *testing.T) {
	t.Parallel()
	const off = "mytool telemetry: it is off now; this is what would be recorded if it were on\n"
	for name, test := range map[string]struct {
		setup
		before, after string // what is shown around the event
	}{
		"on a terminal":        {setup{args: []string{"hello"}}, "hello\n", off},
		"without Execute":      {setup{args: []string{"hello"}, env: []string{toolPlain + "=yes"}}, "hello\n", off},
		"a command that asks":  {setup{args: []string{"init"}}, "making a project\n", off},
		"a variable says yes":  {setup{args: []string{"hello"}, env: []string{"TELEMETRY_ENABLED=1"}}, "hello\n", ""},
		"a command unrecorded": {setup{args: []string{"plumbing"}}, "hello\nmytool telemetry: nothing would be recorded\n", ""},
		"no receiver": {setup{args: []string{"hello"}, env: []string{toolEndpoint + "="}},
			"hello\nmytool telemetry: nothing would be recorded: the tool names no receiver\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := test.setup
			s.env = append(s.env, "TELEMETRY_DEBUG=log")
			x := start(t, s)
			screen := x.End()
			rest, found := strings.CutPrefix(screen, test.before)
			event, rest, isEvent := strings.Cut(rest, "}\n")
			if !isEvent {
				event, rest = "", event
			}
			if !found || rest != test.after || isEvent != !strings.Contains(test.before, "nothing") || isEvent && !strings.HasPrefix(event, `{"id":"`) {
				t.Errorf("shown:\n%s", screen)
			}
			if _, err := os.Stat(x.dir); !os.IsNotExist(err) {
				t.Errorf("the state directory: %v", err)
			}
		})
	}
}
