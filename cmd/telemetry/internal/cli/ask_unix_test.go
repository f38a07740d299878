//go:build linux || darwin

package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/internal/ptytest"
)

// script returns a script that asks and then does its work, and stops at the first failure.
func (p *place) script() *exec.Cmd {
	p.t.Helper()
	file := filepath.Join(p.dir, "tool.sh")
	text := "#!/bin/sh\nset -e\n" + binary + " --config " + p.config + " ask\necho working\n"
	if err := os.WriteFile(file, []byte(text), 0o700); err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(file)
	cmd.Dir, cmd.Env = p.dir, append(p.env, "TERM=xterm")
	return cmd
}

func TestTheUsersOfAScriptAreAskedOnceAndTheScriptGoesOn(t *testing.T) {
	for name, test := range map[string]struct {
		keys        []string // for one prompt each
		said, state string
	}{
		"yes":       {[]string{"y\n"}, "Thank you.", `"state": "on"`},
		"no":        {[]string{"n\n"}, "No usage data is collected. To change that: telemetry --config ", `"state": "off"`},
		"no answer": {[]string{"\x04"}, "Not answered, so nothing is collected. To answer later: telemetry --config ", `"unanswered": "`},
		"nonsense":  {[]string{"what\n", "why\n", "who\n"}, "Not answered", `"state": "undecided"`},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			x := ptytest.Start(t, 200, p.script())
			for i, keys := range test.keys {
				x.Expect(i+1, "Send usage data? [y/N] ")
				x.Type(keys)
			}
			shown := x.End()
			if !strings.Contains(inOneLine(shown), test.said) || !strings.HasSuffix(shown, "working\n") || x.Cmd.ProcessState.ExitCode() != 0 {
				t.Errorf("ended with %v:\n%s", x.Cmd.ProcessState, shown)
			}
			if out := p.must("status", "--output", "json"); !strings.Contains(out, test.state) {
				t.Errorf("status:\n%s", out)
			}
			if shown := ptytest.Start(t, 200, p.script()).End(); shown != "working\n" {
				t.Errorf("the second call showed:\n%s", shown)
			}
		})
	}
}

func TestAScriptThatRunsWhereNobodySitsPrintsNothingMore(t *testing.T) {
	var away bytes.Buffer
	for name, change := range map[string]func(cmd *exec.Cmd){
		"the script comes from a pipe": func(cmd *exec.Cmd) { cmd.Stdin = strings.NewReader("y\n") },
		"its output goes to a pipe":    func(cmd *exec.Cmd) { cmd.Stdout = &away },
		"its errors go to a pipe":      func(cmd *exec.Cmd) { cmd.Stderr = &away },
		"CI":                           func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "CI=1") },
		"a coding agent":               func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "CLAUDECODE=1") },
		"DO_NOT_TRACK":                 func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "DO_NOT_TRACK=1") },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			away.Reset()
			cmd := p.script()
			change(cmd)
			shown := ptytest.Start(t, 200, cmd).End()
			if all := shown + away.String(); all != "working\n" || cmd.ProcessState.ExitCode() != 0 {
				t.Errorf("ended with %v:\n%s", cmd.ProcessState, all)
			}
			p.stateless()
		})
	}
}

func TestAnAnswerToAScriptThatCannotBeStoredStopsNothing(t *testing.T) {
	p := newPlace(t)
	x := ptytest.Start(t, 200, p.script())
	x.Expect(1, "Send usage data? [y/N] ")
	if err := os.WriteFile(filepath.Join(p.dir, "home", "state"), nil, 0o600); err != nil { // where the directory would be
		t.Fatal(err)
	}
	x.Type("y\n")
	_, after, _ := strings.Cut(x.End(), "[y/N] y\n")
	if said := inOneLine(after); !strings.HasPrefix(said, "telemetry: your answer could not be stored") || !strings.HasSuffix(after, "\nworking\n") || strings.Count(said, "telemetry:") != 1 {
		t.Errorf("shown:\n%s", after)
	}
}

// inOneLine undoes the line breaks of a terminal.
func inOneLine(shown string) string { return strings.Join(strings.Fields(shown), " ") }

func TestAskSaysWhatIsWrongWithItsCall(t *testing.T) {
	p := newPlace(t)
	for _, cmd := range []*exec.Cmd{p.command("ask", "me"), p.bare("ask"), p.bare("--config", "nowhere.yaml", "ask", "--strict")} {
		if out, errs, code := outcome(cmd); code != 2 || out != "" || errs == "" {
			t.Errorf("%v: code %d, %q, %q", cmd.Args[1:], code, out, errs)
		}
	}
	if out, errs, code := outcome(p.bare("--config", "nowhere.yaml", "ask")); code != 0 || out != "" || strings.Count(errs, "\n") != 1 {
		t.Errorf("without --strict: code %d, %q, %q", code, out, errs)
	}
}
