//go:build linux || darwin

package kongcli_test

import (
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/internal/ptytest"
)

func TestTheFirstCommandAsksAndIsRecorded(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	x := ptytest.Start(t, 80, p.command("remote", "add", "x"))
	x.Expect(1, "Send usage data? [y/N] ")
	x.Type("y\n")
	if shown := x.End(); !strings.HasSuffix(shown, "y\nThank you.\n\nadded\n") {
		t.Errorf("shown:\n%s", shown)
	}
	p.run("telemetry", "flush")
	if out, _, _ := p.run("telemetry", "status", "-o", "json"); !strings.Contains(out, `"delivered": 1`) {
		t.Errorf("status:\n%s", out)
	}
	if shown := ptytest.Start(t, 80, p.command("remote", "add", "x")).End(); shown != "added\n" {
		t.Errorf("the second call showed:\n%s", shown)
	}
}

func TestNeitherHelpNorATelemetryCommandNorAMistakeAsks(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	for _, args := range [][]string{{"--help"}, {"remote", "add", "--help"}, {"telemetry"}, {"telemetry", "status"}, {"remote", "add", "--colour"}} {
		if shown := ptytest.Start(t, 80, p.command(args...)).End(); strings.Contains(shown, "[y/N]") || shown == "" {
			t.Errorf("%v showed:\n%s", args, shown)
		}
	}
}
