package telemetrycmd

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/console"
)

// completing returns a directory with the small tool as mytool, and the environment to run it.
func completing(t *testing.T) (dir string, env []string) {
	t.Helper()
	dir = t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "mytool")); err != nil {
		t.Skipf("no symbolic links: %v", err)
	}
	return dir, []string{
		toolSwitch + "=" + filepath.Join(dir, "state"), toolEndpoint + "=http://127.0.0.1:9/events",
		"PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0", "SystemRoot=" + os.Getenv("SystemRoot"),
	}
}

// offers asks what cobra's scripts for all shells ask, and returns the words and the directive.
func offers(t *testing.T, words ...string) (offered []string, directive string) {
	t.Helper()
	_, env := completing(t)
	cmd := exec.Command(os.Args[0], append([]string{"__complete"}, words...)...)
	cmd.Env = env
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s", words, err, out)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if rest, is := strings.CutPrefix(line, ":"); is {
			return offered, rest
		}
		offered = append(offered, line)
	}
	t.Fatalf("%q: no directive in %q", words, out)
	return nil, ""
}

const noFiles = "4" // cobra.ShellCompDirectiveNoFileComp

func TestEveryCommandFlagAndValueCompletes(t *testing.T) {
	t.Parallel()
	commands, directive := offers(t, "telemetry", "")
	var want []string
	for _, c := range console.Commands(nil) {
		if !c.Hidden {
			want = append(want, c.Name+"\t"+c.Summary)
		}
	}
	slices.Sort(want)
	slices.Sort(commands)
	if !slices.Equal(commands, want) || directive != noFiles {
		t.Errorf("telemetry offers %q (%s), want %q", commands, directive, want)
	}
	for _, c := range console.Commands(nil) {
		if c.Hidden {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			flags, _ := offers(t, "telemetry", c.Name, "--")
			for _, f := range c.List() {
				_, usage := flag.UnquoteUsage(f.Flag) // a shell shows backquotes as they are
				if offered := slices.Contains(flags, "--"+f.Name+"\t"+usage); offered == f.Hidden {
					t.Errorf("--%s, hidden %v, is offered: %v, of %q", f.Name, f.Hidden, offered, flags)
				}
				if f.Choices == nil {
					continue
				}
				forms := [][]string{{"--" + f.Name, ""}, {"--" + f.Name + "="}}
				if f.Letter != "" {
					forms = append(forms, []string{"-" + f.Letter, ""})
				}
				for _, form := range forms {
					if values, directive := offers(t, append([]string{"telemetry", c.Name}, form...)...); !slices.Equal(values, f.Choices) || directive != noFiles {
						t.Errorf("%q offers %q (%s), want %q", form, values, directive, f.Choices)
					}
				}
			}
			if rest, directive := offers(t, "telemetry", c.Name, ""); c.MaxArgs == 0 && (len(rest) > 0 || directive != noFiles) {
				t.Errorf("what takes no argument is offered %q (%s)", rest, directive)
			}
		})
	}
}

func TestTheScriptOfEachShellAsksTheTool(t *testing.T) {
	t.Parallel()
	_, env := completing(t)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		cmd := exec.Command(os.Args[0], "completion", shell)
		cmd.Env = env
		script, err := cmd.Output()
		if err != nil || !strings.Contains(string(script), "__complete") || !strings.Contains(string(script), "mytool") {
			t.Errorf("%s: %v\n%s", shell, err, script)
		}
	}
}

// bashCompletes completes a line in a real bash. What the package bash-completion has is there
// with what it does where no word holds = or a colon.
const bashCompletes = `
_get_comp_words_by_ref() {
  words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD
  cur=${COMP_WORDS[COMP_CWORD]}; prev=${COMP_WORDS[COMP_CWORD-1]}
}
compopt() { :; }
source <(mytool completion bash)
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9
__start_mytool
printf '%s\n' "${COMPREPLY[@]}"
`

func TestARealBashCompletesCommandsFlagsAndValues(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil || runtime.GOOS == "windows" {
		t.Skip("there is no bash")
	}
	_, env := completing(t)
	complete := func(words ...string) []string {
		t.Helper()
		cmd := exec.Command(bash, append([]string{"--norc", "--noprofile", "-c", bashCompletes, "bash", "mytool"}, words...)...)
		cmd.Env = env
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%q: %v", words, err)
		}
		var list []string
		for line := range strings.Lines(string(out)) {
			list = append(list, strings.TrimSpace(strings.SplitN(line, "(", 2)[0])) // without the description
		}
		slices.Sort(list)
		return list
	}
	if got := complete("tele"); !slices.Equal(got, []string{"telemetry"}) {
		t.Errorf("mytool tele: %q", got)
	}
	for _, c := range console.Commands(nil) {
		if c.Hidden {
			continue
		}
		if got := complete("telemetry", c.Name[:3]); !slices.Contains(got, c.Name) {
			t.Errorf("mytool telemetry %s: %q", c.Name[:3], got)
		}
		for _, f := range c.List() {
			if got := complete("telemetry", c.Name, "--"+f.Name[:2]); slices.Contains(got, "--"+f.Name) == f.Hidden {
				t.Errorf("mytool telemetry %s --%s: %q", c.Name, f.Name[:2], got)
			}
			var want []string
			for _, choice := range f.Choices {
				value, _, _ := strings.Cut(choice, "\t")
				want = append(want, value)
			}
			slices.Sort(want)
			if got := complete("telemetry", c.Name, "--"+f.Name, ""); f.Choices != nil && !slices.Equal(got, want) {
				t.Errorf("mytool telemetry %s --%s: %q, want %q", c.Name, f.Name, got, want)
			}
		}
	}
}

func TestNumbersOfEntriesAndDecisionsComplete(t *testing.T) {
	t.Parallel()
	dir, env := completing(t)
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(filepath.Join(dir, "mytool"), args...)
		cmd.Env = env
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if out := run("__complete", "telemetry", "log", ""); !strings.HasPrefix(out, ":36\n") {
		t.Errorf("where nothing was sent, log is offered %q", out)
	}
	run("telemetry", "enable")
	run("telemetry", "disable")
	for _, line := range strings.SplitAfter(run("__complete", "telemetry", "receipts", ""), "\n")[:2] {
		if number, what, _ := strings.Cut(line, "\t"); !(number == "2" && strings.HasSuffix(what, ", no\n")) && !(number == "1" && strings.HasSuffix(what, ", yes\n")) {
			t.Errorf("receipts is offered %q", line)
		}
	}
	if out := run("__complete", "telemetry", "receipts", "1", ""); !strings.HasPrefix(out, ":36\n") {
		t.Errorf("a second number is offered %q", out)
	}
	if out := run("__complete", "telemetry", "export", ""); !strings.HasPrefix(out, ":0\n") {
		t.Errorf("export is offered no files: %q", out)
	}
}
