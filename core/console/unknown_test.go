package console_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
)

func TestOnAndOffAreEnableAndDisable(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	if out, errs, err := p.run("on", "--local"); err != nil || errs != "" || !strings.Contains(out, "Telemetry of mytool is on") {
		t.Errorf("on: %v, %q\n%s", err, errs, out)
	}
	if out, errs, err := p.run("off"); err != nil || errs != "" || !strings.Contains(out, "Telemetry of mytool is off") {
		t.Errorf("off: %v, %q\n%s", err, errs, out)
	}
	for alias, name := range map[string]string{"on": "enable", "off": "disable"} {
		help, _, _ := p.run(name, "--help")
		if again, _, err := p.run("help", alias); err != nil || again != help || !strings.Contains(help, "\nAliases:\n  mytool telemetry "+alias+"\n") {
			t.Errorf("help %s: %v\n%s", alias, err, again)
		}
	}
}

func TestAWordThatIsOnlyNearIsAnsweredWithTheCommandAndChangesNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for word, meant := range map[string]string{
		"yes": "enable", "start": "enable", "opt-in": "enable", "optin": "enable", "OPT-IN": "enable",
		"no": "disable", "stop": "disable", "opt-out": "disable", "optout": "disable",
		"delete": "reset", "erase": "reset", "forget": "reset",
		"show": "status or inspect", "of": "enable or disable",
		"enabel": "enable", "Enable": "enable", "onn": "enable", "disabel": "disable",
		"statsu": "status", "insp": "inspect", "rest": "reset", "logs": "log",
	} {
		out, errs, err := p.run(word)
		if core.ExitCode(err) != 2 || !strings.HasSuffix(err.Error(), "; did you mean "+meant+"?") || out+errs != "" {
			t.Errorf("%s: %v, %q, %q", word, err, out, errs)
		}
	}
	for _, word := range []string{"quokka", "uploda", "x", "", "-", "telemetry"} {
		if _, _, err := p.run(word); core.ExitCode(err) != 2 || !strings.Contains(err.Error(), "; there are enable, disable, status") || strings.Contains(err.Error(), "upload") {
			t.Errorf("%q: %v", word, err)
		}
	}
	if _, err := os.Stat(p.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a word that is no command made the state directory (%v)", err)
	}
}

func TestNoWordRunsOneCommandAndSuggestsAnother(t *testing.T) {
	t.Parallel()
	runs := map[string]string{}
	for _, c := range console.Commands(nil) {
		for _, word := range append([]string{c.Name}, c.Aliases...) {
			if other, taken := runs[word]; taken {
				t.Errorf("%s runs both %s and %s", word, other, c.Name)
			}
			runs[word] = c.Name
		}
	}
	for _, c := range console.Commands(nil) {
		for _, word := range c.SuggestFor {
			if runs[word] != "" || word != strings.ToLower(word) {
				t.Errorf("%s suggests %s, and runs %q", word, c.Name, runs[word])
			}
		}
	}
}
