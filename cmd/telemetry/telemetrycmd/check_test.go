package telemetrycmd

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core"
)

// A word that somebody mistyped must not send anything, so what users have cannot check.
func TestOnlyABuildOfTheAuthorsChecksItsReceiver(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.must("telemetry", "enable")
	if _, stderr, code := h.run("telemetry", "status", "--check"); code != exitUsage || !strings.Contains(stderr, "-tags telemetrycheck") {
		t.Errorf("code %d, %s", code, stderr)
	}
	if help := h.must("telemetry", "status", "--help"); strings.Contains(help, "--check") {
		t.Errorf("help offers --check:\n%s", help)
	}
	if testing.Short() {
		t.Skip("builds a tool")
	}
	tool := filepath.Join(t.TempDir(), "mytool")
	build := exec.Command("go", "build", "-tags", "telemetrycheck", "-o", tool, "github.com/gotoolbase/telemetry/examples/mytool")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	status := exec.Command(tool, "telemetry", "status", "--check")
	status.Env = []string{"HOME=" + t.TempDir()}
	out, err := status.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "nothing is sent without a yes") {
		t.Errorf("%v\n%s", err, out)
	}
	help, err := exec.Command(tool, "telemetry", "status", "--help").CombinedOutput()
	if err != nil || !strings.Contains(string(help), "With --check it sends one event") {
		t.Errorf("its help does not say that --check sends: %v\n%s", err, help)
	}
}

// check runs an author's check and returns what it printed, with the error.
func (h *home) check(args ...string) (transcript string) {
	h.t.Helper()
	cmd := CheckCommand(func() string { return "mytool" }, func() (*core.Manager, error) { return h.manager(), nil })
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(append([]string{}, args...)) // nil would be the test's own
	if err := cmd.Execute(); err != nil {
		out.WriteString("mytool: " + err.Error() + "\n")
	}
	return took.ReplaceAllString(h.scrub(out.String()), "${1}0")
}

var took = regexp.MustCompile(`(It took: |"took_ms": )[0-9a-zµ.]+`)

func TestACheckSaysInWordsAndInJSONWhatWasAnswered(t *testing.T) {
	h := newVendorHome(t)
	h.tool.Telemetry.Drivers[0].Accepted = "stored within a minute, not counted yet"
	h.must("telemetry", "enable")
	golden(t, "check_warned", h.check())
	golden(t, "check_warned_json", h.check("-o", "json"))
	h, _ = newStubbornHome(t)
	golden(t, "check_refused", h.check())
	golden(t, "check_refused_json", h.check("-o", "json"))
}

func TestWhereNoCheckIsSentItSaysWhoDecided(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(h *home)
		want    string
		enable  bool // whether that would help
	}{
		"nobody":          {func(*home) {}, "off", true},
		"a no":            {func(h *home) { h.must("telemetry", "disable") }, "off", true},
		"do not track":    {func(h *home) { h.env["DO_NOT_TRACK"] = "1" }, "decided by DO_NOT_TRACK (set)", false},
		"the general no":  {func(h *home) { h.env["TELEMETRY_ENABLED"] = "0" }, "decided by TELEMETRY_ENABLED (set to no)", false},
		"the tool's no":   {func(h *home) { h.env["MYTOOL_TELEMETRY"] = "off" }, "decided by MYTOOL_TELEMETRY (set to no)", false},
		"no and no":       {func(h *home) { h.env["DO_NOT_TRACK"] = "1"; h.must("telemetry", "disable") }, "decided by DO_NOT_TRACK", false},
		"local, no":       {func(h *home) { h.env["TELEMETRY_LOCAL"] = "1" }, "a yes would not be enough: TELEMETRY_LOCAL", false},
		"local, yes":      {func(h *home) { h.env["TELEMETRY_LOCAL"] = "1"; h.must("telemetry", "enable") }, "decided by TELEMETRY_LOCAL", false},
		"a yes for local": {func(h *home) { h.must("telemetry", "enable", "--local") }, "stays on this machine", true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			test.prepare(h)
			text := h.check()
			if !strings.Contains(text, test.want) || strings.Contains(text, "enable") != test.enable {
				t.Errorf("check says %q", text)
			}
			flushed, stderr, _ := h.run("telemetry", "flush")
			if local := strings.HasPrefix(name, "local"); !local && test.enable != strings.Contains(flushed+stderr, "enable") && name != "a yes for local" {
				t.Errorf("flush says %q", stderr)
			}
			object, problem, _ := strings.Cut(h.check("--output", "json"), "\n}\n")
			var said struct{ Tool, State, Problem, Answer string }
			if err := json.Unmarshal([]byte(object+"}"), &said); err != nil {
				t.Fatalf("%v in %q", err, object)
			}
			if said.Tool != "mytool" || said.State == "" || said.Problem == "" || said.Answer != "" || problem != "mytool: "+said.Problem+"\n" {
				t.Errorf("%+v and %q", said, problem)
			}
			if len(h.sent()) > 0 {
				t.Error("something was sent")
			}
		})
	}
}
