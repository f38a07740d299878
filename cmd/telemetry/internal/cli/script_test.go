//go:build unix

package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// runScript runs lines as a person's script: it ends at the first command that fails.
func (p *place) runScript(lines ...string) (stdout, stderr string, code int) {
	p.t.Helper()
	cmd := exec.Command("sh", "-e", "-u", "-c", strings.Join(lines, "\n"))
	cmd.Dir = p.dir
	cmd.Env = append(p.env, "PATH="+filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"), "telemetry="+p.config)
	return outcome(cmd)
}

func TestNothingOnSomebodysMachineEndsAScript(t *testing.T) {
	t.Parallel()
	const track = `telemetry --config "$telemetry" track feature.used dark-mode`
	const run = `telemetry --config "$telemetry" exec -- sh -c "echo ran"`
	for name, test := range map[string]struct {
		lines []string
		said  string // on stderr, "" if nothing
	}{
		"nobody was asked":     {[]string{track, run}, ""},
		"a no":                 {[]string{`telemetry --config "$telemetry" disable >/dev/null`, track, run}, ""},
		"a yes":                {[]string{`telemetry --config "$telemetry" enable --local >/dev/null`, track, run}, ""},
		"no tool file":         {[]string{`rm "$telemetry"`, track, run}, "telemetry: --config: cannot read the file: no such file or directory\n"},
		"a directory":          {[]string{`rm "$telemetry"; mkdir "$telemetry"`, track, run}, "telemetry: --config: not a plain file: the background upload could not read it again\n"},
		"a typo in the file":   {[]string{`echo Nmae: x >"$telemetry"`, track, run}, "telemetry: --config: line 1: Nmae: unknown key; did you mean \"Name\"?\n"},
		"no receiver linked":   {[]string{`printf 'Name: x\nTelemetry: {Backend: none}\n' >"$telemetry"`, track, run}, "telemetry: --config: Telemetry.Backend: backend \"none\" is not linked"},
		"no name of a file":    {[]string{`telemetry=`, track, run}, "telemetry: --config is required: the YAML file that declares the tool\n"},
		"an unreachable home":  {[]string{`export XDG_STATE_HOME=/dev/null/x TELEMETRY_ENABLED=1`, track, run}, ""},
		"a variable off":       {[]string{`export DO_NOT_TRACK=1`, track, run}, ""},
		"an empty name":        {[]string{`name=`, strings.Replace(track, "dark-mode", `"$name"`, 1), run}, "telemetry: NAME is missing; it says which command or feature it was\n"},
		"a name of words":      {[]string{`name="a b"`, strings.Replace(track, "dark-mode", `$name`, 1), run}, "telemetry: track takes a TYPE and a NAME, but was given 3 words\n"},
		"a detail of nothing":  {[]string{`detail=`, track + ` --meta "$detail"`, run}, "telemetry: --meta number 1 is not key=value, and is left out\n"},
		"a detail of exec":     {[]string{strings.Replace(run, "exec", `exec --meta "x"`, 1)}, "telemetry: --meta number 1 is not key=value, and is left out\n"},
		"a nameless command":   {[]string{strings.Replace(run, "exec", `exec --name ""`, 1)}, "telemetry: --name is empty\n"},
		"nothing is installed": {[]string{`PATH=/usr/bin:/bin`, `command -v telemetry >/dev/null && ` + track + ` || true`, `run() { if command -v telemetry >/dev/null; then telemetry exec -- "$@"; else "$@"; fi; }`, `run echo ran`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			out, errs, code := p.runScript(append(test.lines, "echo the end")...)
			if code != 0 || out != "ran\nthe end\n" {
				t.Errorf("code %d, stdout %q", code, out)
			}
			for line := range strings.Lines(errs) {
				if test.said == "" || !strings.HasPrefix(line, test.said) {
					t.Errorf("stderr %q, want %q", line, test.said)
				}
			}
			if test.said != "" && errs == "" {
				t.Errorf("nothing was said, want %q", test.said)
			}
		})
	}
}

func TestAScriptThatCallsItWronglyEndsAtItsAuthors(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		`telemetry --config "$telemetry" track feature.used dark-mode --durtion 1s`,
		`telemetry --config "$telemetry" exec --nmae x -- true`,
		`telemetry track feature.used dark-mode`,
		`telemetry --config "$telemetry" track`,
		`telemetry --config none.yaml track --strict feature.used dark-mode`,
		`telemetry --config "$telemetry" exec --strict --meta x -- echo ran`,
	} {
		p := newPlace(t)
		if out, errs, code := p.runScript(line, "echo the end"); code != 2 || out != "" || !strings.HasPrefix(errs, "telemetry: ") {
			t.Errorf("%s: code %d, stdout %q, stderr %q", line, code, out, errs)
		}
	}
}

func TestAYesWhoseTextNobodyCanHaveSeenIsOneToWhichNothingWasShown(t *testing.T) {
	for name, to := range map[string]string{"closed": ">&-", "the null device": ">/dev/null"} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			if out, errs, code := p.runScript(`telemetry --config "$telemetry" enable ` + to); code != 0 || out+errs != "" {
				t.Fatalf("code %d, %q, %q", code, out, errs)
			}
			if out := p.must("receipts", "1"); !strings.Contains(out, "What: yes\n") || !strings.HasSuffix(out, "\nNothing was shown.\n") {
				t.Errorf("the receipt says:\n%s", out)
			}
			p.must("enable")
			if out := p.must("receipts", "2"); !strings.Contains(out, "What was shown:\n") {
				t.Errorf("the receipt of a yes that was shown says:\n%s", out)
			}
		})
	}
}
